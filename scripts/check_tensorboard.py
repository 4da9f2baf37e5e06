#!/usr/bin/env python3
"""Reads with TensorBoard itself what `striate train --tensorboard` wrote, and compares every tag, step and value with the run's metrics.csv:

    python3 scripts/check_tensorboard.py RUN

A run that was killed and resumed has one file for each time; of steps that were done twice TensorBoard must show the later ones alone, once each.
Needs PyPI's tensorboard (2.21.0 is known to work) in the Python that runs it.
"""

import csv
import math
import pathlib
import sys

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
except ImportError as error:
    sys.exit(f"{error}; pip install tensorboard==2.21.0")

# What metrics.csv has besides metrics.
PLACE = ("steps", "epoch", "split")
TRAINING = ("lr", "grad_norm")


def expected(run: pathlib.Path) -> dict[str, dict[int, float]]:
    """The values of each tag by step, as metrics.csv has them."""
    tags: dict[str, dict[int, float]] = {}
    with open(run / "metrics.csv", newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if name not in PLACE and value:
                    tag = name if name in TRAINING else f"{row['split']}/{name}"
                    assert int(row["steps"]) not in tags.setdefault(tag, {}), f"metrics.csv has {tag} of step {row['steps']} twice"
                    tags[tag][int(row["steps"])] = float(value)
    return tags


def main(run: pathlib.Path) -> None:
    directory = run / "tensorboard"
    files = sorted(directory.iterdir())
    # The loader compares checksums.
    events = sum(1 for file in files for _ in EventFileLoader(str(file)).Load())
    accumulator = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    accumulator.Reload()
    wanted = expected(run)
    tags = sorted(accumulator.Tags()["scalars"])
    assert tags == sorted(wanted), f"TensorBoard has {tags}, metrics.csv {sorted(wanted)}"
    shown = 0
    for tag, values in wanted.items():
        scalars = accumulator.Scalars(tag)
        steps = [scalar.step for scalar in scalars]
        assert steps == sorted(values), f"{tag}: TensorBoard has steps {steps}, metrics.csv {sorted(values)}"
        for scalar in scalars:
            # metrics.csv has six digits after the point, event files numbers of 32 bits.
            is_same = math.isclose(scalar.value, values[scalar.step], rel_tol=1e-6, abs_tol=1e-6)
            assert is_same, f"{tag} of step {scalar.step}: TensorBoard has {scalar.value}, metrics.csv {values[scalar.step]}"
        shown += len(scalars)
    # Each file begins with its version, and that of a resumed run with the step from which on it supersedes.
    superseded = events - (2 * len(files) - 1) - shown
    print(f"TensorBoard shows {shown} values of {len(tags)} tags in {len(files)} files as metrics.csv has them, and {superseded} superseded ones not")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
