"""What detection and segmentation are measured by: average precision as COCO defines it, and the IoU of classes of pixels.

    python3 bench/dense_metrics.py

compares the first with what pycocotools made of the boxes of crates/train/tests/fixtures/detection.json.
"""

import json
import math
import pathlib

import numpy as np

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST = 100


class Detections:
    """`map`, `map50`, `map75` and `ar100`, of boxes `[.., 4]` with their scores and classes."""

    def __init__(self, classes: int) -> None:
        # For each class the scores and, by IoU, whether a box is right and whether it is ignored; and the number of objects.
        self.found: list[list[tuple]] = [[] for _ in range(classes)]
        self.objects = [0] * classes

    def add(self, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, objects: np.ndarray) -> None:
        """An image: what was found, and rows of class, left, top, right, bottom, and 1 for a crowd or 2 for a difficult object."""
        for c in range(len(self.found)):
            of_class = objects[objects[:, 0] == c]
            order = np.argsort(-scores[classes == c], kind="stable")[:MOST]
            box, score = boxes[classes == c][order], scores[classes == c][order]
            # Those that count first.
            of_class = of_class[np.argsort(of_class[:, 5] > 0, kind="stable")]
            self.objects[c] += int((of_class[:, 5] == 0).sum())
            right, ignored = match(overlaps(box, of_class), of_class[:, 5])
            self.found[c].append((score, right, ignored))

    def finish(self) -> dict[str, float]:
        precision, recall = [], []
        for found, objects in zip(self.found, self.objects):
            if objects == 0:
                continue
            score = np.concatenate([s for s, *_ in found])
            order = np.argsort(-score, kind="stable")
            right, ignored = [np.concatenate([f[i] for f in found], 1)[:, order] for i in (1, 2)]
            curves = [curve(r[~i], objects) for r, i in zip(right, ignored)]
            precision.append([p for p, _ in curves])
            recall.append([r for _, r in curves])
        if not precision:
            return dict.fromkeys(["map", "map50", "map75", "ar100"], math.nan)
        precision = np.array(precision)
        values = [precision.mean(), precision[:, 0].mean(), precision[:, 5].mean(), np.mean(recall)]
        return dict(zip(["map", "map50", "map75", "ar100"], map(float, values)))


def overlaps(boxes: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """The IoU; of a crowd the share of the box that it covers."""
    a, b = boxes[:, None].astype(np.float64), objects[None, :, 1:5].astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.where((sides > 0).all(2), sides.prod(2), 0)
    area_a, area_b = [(x[..., 2:] - x[..., :2]).prod(2) for x in (a, b)]
    of = np.where(objects[:, 5] == 1, area_a, area_a + area_b - both)
    return np.divide(both, of, out=np.zeros_like(both), where=of > 0)


def match(overlaps: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By IoU, whether each box, the highest score first, has an object of its own, and whether that counts for nothing."""
    right, ignored = np.zeros([2, len(IOUS), len(overlaps)], bool)
    for i, least in enumerate(IOUS):
        taken = np.zeros(len(flags), bool)
        for d, row in enumerate(overlaps):
            for counts in [True, False]:
                # A crowd takes any number of boxes.
                free = ((flags == 0) == counts) & (~taken | (flags == 1)) & (row >= min(least, 1 - 1e-10))
                if free.any():
                    # The last one of those that overlap most.
                    best = len(row) - 1 - np.argmax(np.where(free, row, -1)[::-1])
                    taken[best] = True
                    right[i, d], ignored[i, d] = True, not counts
                    break
    return right, ignored


def curve(right: np.ndarray, objects: int) -> tuple[float, float]:
    """The mean precision over recalls, and the last recall."""
    hits = right.cumsum()
    recall = hits / objects
    precision = hits / (np.arange(len(right)) + 1 + np.finfo(float).eps)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS)
    return float(np.append(best, 0)[at].mean()), float(recall[-1]) if len(recall) else 0.0


class Pixels:
    """`mean_iou`, `pixel_accuracy` and Dice over all pixels that are not void (below 0)."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros([classes, classes], np.int64)

    def add(self, predicted: np.ndarray, target: np.ndarray) -> None:
        counted = target >= 0
        n = len(self.counts)
        self.counts += np.bincount(target[counted] * n + predicted[counted], minlength=n * n).reshape(n, n)

    def finish(self) -> dict[str, float | list]:
        both, either = np.diag(self.counts), self.counts.sum(0) + self.counts.sum(1)
        occurs = either > 0
        return {
            "mean_iou": float((both[occurs] / (either - both)[occurs]).mean()),
            "pixel_accuracy": float(both.sum() / self.counts.sum()),
            "mean_dice": float((2 * both[occurs] / either[occurs]).mean()),
            "dice": [float(2 * b / e) if e else None for b, e in zip(both, either)],
        }


def main() -> None:
    fixture = pathlib.Path(__file__).resolve().parent.parent / "crates/train/tests/fixtures/detection.json"
    for case in json.loads(fixture.read_text()):
        metrics = Detections(case["classes"])
        for objects, found in case["images"]:
            found, objects = np.array(found).reshape(-1, 6), np.array(objects).reshape(-1, 6)
            metrics.add(found[:, 2:], found[:, 1], found[:, 0], objects)
        for name, value in metrics.finish().items():
            expected = math.nan if case["metrics"][name] is None else case["metrics"][name]
            if not (abs(value - expected) < 1e-9 or math.isnan(value) and math.isnan(expected)):
                raise SystemExit(f"{case['name']}: {name} is {value}, pycocotools says {expected}")
        print(f"{case['name']}: as pycocotools")


if __name__ == "__main__":
    main()
