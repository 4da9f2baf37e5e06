#!/usr/bin/env python3
"""Reads event files that Striate wrote with TensorBoard itself:

    python3 scripts/check_tensorboard.py

Needs cargo, and PyPI's tensorboard (2.21.0 is known to work) in the Python that runs it; without that it says so and checks nothing.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEST = ["cargo", "test", "--quiet", "-p", "striate-train", "--test", "it", "--", "--ignored", "--exact", "tensorboard::files_for_tensorboard"]

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
except ImportError as error:
    print(f"skipped: {error}; pip install tensorboard==2.21.0")
    sys.exit()


def main() -> None:
    with tempfile.TemporaryDirectory() as events:
        subprocess.run(TEST, cwd=ROOT, env={**os.environ, "EVENTS": events}, check=True, stdout=subprocess.DEVNULL)
        files = sorted(pathlib.Path(events).iterdir())
        # The loader compares checksums.
        counts = [sum(1 for _ in EventFileLoader(str(file)).Load()) for file in files]
        accumulator = EventAccumulator(events, size_guidance={"scalars": 0})
        accumulator.Reload()
        tags = accumulator.Tags()["scalars"]
        loss = [(e.step, e.value, e.wall_time) for e in accumulator.Scalars("loss/train")]
        accuracy = [(e.step, e.value) for e in accumulator.Scalars("accuracy/validation")]
    # The second file says that steps from 61 on are superseded, and goes as far as step 79.
    wanted = [(step, (1 if step <= 60 else 2) / (step + 1), 1.8e9 + step) for step in range(80)]
    assert counts == [1 + 2 * 100, 2 + 2 * 19], counts
    assert sorted(tags) == ["accuracy/validation", "loss/train"], tags
    assert len(loss) == len(wanted), (len(loss), loss[-3:])
    for (step, value, time), (step_wanted, value_wanted, time_wanted) in zip(loss, wanted):
        assert (step, time) == (step_wanted, time_wanted) and abs(value - value_wanted) < 1e-6, (step, value, time)
    assert accuracy == [(step, 0.0) for step in range(80)], accuracy[-3:]
    print(f"TensorBoard reads {sum(counts)} events of {len(files)} files, and leaves out superseded steps")


if __name__ == "__main__":
    main()
