"""What the comparisons have in common: the machine, the build of Striate, medians over rounds, the table at the end."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
STRIATE = "Striate"


@dataclasses.dataclass
class Measured:
    """What one side took in one round."""

    row: str
    what: str
    unit: str
    side: str
    round: int
    values: list[float]


def cpu_name() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        return re.search(r"^model name\s*:\s*(.*)$", text, re.M)[1].strip()
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def usable_cores() -> int:
    """What affinity and the control group's quota leave of the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = pathlib.Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):
        return cores


def machine() -> dict:
    """Ask before building anything: a build is a load of its own."""
    load = os.getloadavg()[0]
    if load > 0.3:
        print(f"the machine is busy (load {load:.1f}): sharing cores costs the sides unequally, so take the ratios with care", file=sys.stderr)
    return {"cpu": cpu_name(), "cores": usable_cores(), "system": f"{platform.system()} {platform.machine()}", "load": load}


def stamp(machine: dict) -> dict:
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    revision = subprocess.run(git, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip() or "unknown"
    return {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "machine": machine, "revision": revision}


def build(package: str, *target: str, folder: pathlib.Path = ROOT, environment: dict | None = None) -> str:
    """The path of a program, built optimized."""
    command = ["cargo", "build", "--release", "-p", package, *target, "--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    programs = [m["executable"] for m in map(json.loads, built.splitlines()) if m.get("executable")]
    return programs[-1]


def json_lines(command: list[str], environment: dict | None = None) -> list[dict]:
    """The JSON lines that a program prints."""
    out = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def number(x: float) -> str:
    return f"{x:.0f}" if x >= 1000 else f"{x:.1f}" if x >= 100 else f"{x:.2f}"


class Report:
    """Everything measured, with each row's details as soon as it is done and one table at the end."""

    def __init__(self) -> None:
        self.everything: list[Measured] = []
        self.lines: list[tuple[list[str], float]] = []

    def add(self, measured: list[Measured]) -> None:
        """Prints a row's medians, and each round's, and keeps them. All are of one row."""
        self.everything += measured
        for what in dict.fromkeys(m.what for m in measured):
            self._compare([m for m in measured if m.what == what])

    def _compare(self, measured: list[Measured]) -> None:
        row, what, unit = measured[0].row, measured[0].what, measured[0].unit
        sides = list(dict.fromkeys(m.side for m in measured))
        medians = {s: [statistics.median(m.values) for m in measured if m.side == s] for s in sides}
        over_all = {s: statistics.median(m) for s, m in medians.items()}
        best = min((s for s in sides if s != STRIATE), key=over_all.get)
        print(f"\n{row}, {what}, {unit}: median over rounds, and each round's median")
        for side in sides:
            each = " ".join(f"{number(m):>8}" for m in medians[side])
            print(f"  {side + (' *' if side == best else ''):46} {number(over_all[side]):>8}   {each}")
        ratios = [p / s for p, s in zip(medians[best], medians[STRIATE])]
        spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
        print(f"  {'* / Striate':46} {statistics.median(ratios):7.2f}×   {' '.join(f'{r:7.2f}×' for r in ratios)}", flush=True)
        cells = [number(over_all[best]), number(over_all[STRIATE]), f"{statistics.median(ratios):.2f}×", spread]
        self.lines.append(([row, f"{what}, {unit}", best, *cells], statistics.median(ratios)))

    def table(self, names: Sequence[str] = (), more: Callable[[str, float], list[str]] = lambda row, ratio: []) -> None:
        """Prints a line for each comparison. `more` makes further cells, under `names`, of its row and its ratio."""
        rows = [["row", "what", "against", "theirs", "Striate", "ratio", "of rounds", *names]]
        rows += [[*cells, *more(cells[0], ratio)] for cells, ratio in self.lines]
        widths = [max(len(r[c]) for r in rows) for c in range(len(rows[0]))]
        print()
        for r in rows:
            cells = [cell.ljust(w) if c < 3 else cell.rjust(w) for c, (cell, w) in enumerate(zip(r, widths))]
            print("  ".join(cells).rstrip())

    def save(self, stamp: dict, name: str) -> None:
        folder = ROOT / "bench" / "results"
        folder.mkdir(exist_ok=True)
        slug = re.sub(r"[^a-z0-9]+", "-", stamp["machine"]["cpu"].lower()).strip("-")
        path = folder / f"{stamp['date'][:10]}-{name}-{slug}.jsonl"
        with path.open("a") as f:
            f.writelines(json.dumps(stamp | dataclasses.asdict(m)) + "\n" for m in self.everything)
        print(f"\nraw numbers: {path.relative_to(ROOT)}")
