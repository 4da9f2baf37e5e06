#!/usr/bin/env python3
"""Writes crates/model/tests/fixtures/boxes.json: boxes, and those of them that torchvision's NMS and soft-NMS by its paper keep.

    python3 scripts/fixture_boxes.py

Made with torch 2.15.0, torchvision 0.29.2 and numpy 2.4.6. Edges are multiples of 1/2 and scores of 1/64, so that many are equal. Seeds are fixed, so that running it again
writes the same bytes. The first run makes a Python environment in target.
"""

import json
import sys

sys.dont_write_bytecode = True
from torch_venv import ROOT, run_inside  # noqa: E402

run_inside()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torchvision.ops import batched_nms, box_iou  # noqa: E402

PATH = ROOT / "crates/model/tests/fixtures/boxes.json"


def boxes(rng, n: int, size: int) -> np.ndarray:
    start = rng.integers(0, 2 * size, (n, 2)) / 2
    return np.concatenate([start, start + rng.integers(0, size, (n, 2)) / 2], 1)


def soft_nms(boxes, scores, classes, factor, threshold: float) -> list:
    """Bodla et al., 2017, figure 2, for each class: indices and their scores at last."""
    iou = box_iou(torch.tensor(boxes), torch.tensor(boxes)).nan_to_num(0).numpy()
    kept = []
    for c in np.unique(classes):
        rest = {int(i): float(scores[i]) for i in np.flatnonzero(classes == c) if scores[i] >= threshold}
        while rest:
            best = max(rest, key=lambda i: (rest[i], -i))
            kept.append((best, rest.pop(best)))
            rest = {i: s * factor(iou[best, i]) for i, s in rest.items()}
            rest = {i: s for i, s in rest.items() if s >= threshold}
    return sorted(kept, key=lambda k: (-k[1], k[0]))


def main() -> None:
    rng = np.random.default_rng(21)
    cases = []
    for n, size, classes, most, sigma, threshold in [(1, 4, 1, 0.5, 0.5, 0.0), (40, 20, 3, 0.5, 0.5, 0.05), (120, 30, 2, 0.3, 0.3, 0.2), (60, 6, 1, 0.7, 1.0, 0.0)]:
        b, scores, c = boxes(rng, n, size), rng.integers(0, 65, n) / 64, rng.integers(0, classes, n)
        f32 = [torch.tensor(x, dtype=torch.float32) for x in (b, scores)]
        above = torch.tensor(np.flatnonzero(scores >= threshold))
        hard = above[batched_nms(f32[0][above], f32[1][above], torch.tensor(c)[above], most)]
        linear = soft_nms(b, scores, c, lambda iou: 1 - iou if iou > most else 1.0, threshold)
        gaussian = soft_nms(b, scores, c, lambda iou: np.exp(-iou * iou / sigma), threshold)
        cases.append({"boxes": b.tolist(), "scores": scores.tolist(), "classes": c.tolist(), "iou": most, "sigma": sigma, "threshold": threshold,
                      "nms": hard.tolist(), "soft_nms": gaussian, "soft_nms_linear": linear})
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(json.dumps(cases) + "\n")
    print(PATH, PATH.stat().st_size)


main()
