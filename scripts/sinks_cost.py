#!/usr/bin/env python3
"""What it costs to show a training and to write it down:

    python3 scripts/sinks_cost.py target/release/striate [--rounds 5]

Trains mnist-net with a line at each step, in turn with nothing shown and with the dashboard in a pseudo-terminal and TensorBoard's files, and
prints the medians of both: the time of a step, and what it takes of all processors, which other programs disturb less. Needs a Unix.
"""

import argparse
import fcntl
import json
import os
import pathlib
import pty
import statistics
import struct
import subprocess
import tempfile
import termios
import threading

ROWS, COLUMNS = 50, 200
TRAIN = ["train", "--epochs", "1", "--epoch-fraction", "0.1", "--log-every", "1", "--out"]


def swallow(terminal: int) -> None:
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass


def step_ms(program: str, run: pathlib.Path, shown: bool) -> tuple[float, float]:
    """The time of a step and its processor time, with the measuring at the end shared among them."""
    if not shown:
        process = subprocess.Popen([program, *TRAIN, run, "--quiet"])
    else:
        terminal, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        threading.Thread(target=swallow, args=[terminal], daemon=True).start()
        environment = {**os.environ, "TERM": "xterm-256color"}
        command = [program, *TRAIN, run, "--ui", "--tensorboard"]
        process = subprocess.Popen(command, stdin=end, stdout=end, stderr=end, env=environment, start_new_session=True)
        os.close(end)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{program} failed: {status}"
    result = json.loads((run / "result.json").read_text())
    return 1000 * result["seconds"] / result["steps"], 1000 * (usage.ru_utime + usage.ru_stime) / result["steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    program = str(pathlib.Path(args.program).resolve())
    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as directory:
        for number in range(args.rounds):
            for shown in times:
                times[shown].append(step_ms(program, pathlib.Path(directory) / f"{number}-{shown}", shown))
    for place, what in enumerate(["time", "processor time"]):
        silent, full = (statistics.median(pair[place] for pair in times[shown]) for shown in times)
        print(f"{what} of a step: {silent:.2f} ms silent, {full:.2f} ms with --ui and --tensorboard: {100 * (full / silent - 1):+.2f} %")
        print(f"all: {[[round(pair[place], 2) for pair in times[shown]] for shown in times]}")


if __name__ == "__main__":
    main()
