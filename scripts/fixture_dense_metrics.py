#!/usr/bin/env python3
"""Writes crates/train/tests/fixtures/detection.json and segmentation.json, and crates/model/tests/fixtures/regions.json: boxes, maps of classes, and what
pycocotools, scikit-learn and SciPy make of them.

    python3 scripts/fixture_dense_metrics.py

Made with pycocotools 2.0.11, scikit-learn 1.9.1, scikit-image 0.26.0, SciPy 1.17.1 and numpy 2.4.6. Edges of boxes are multiples of 1/4 and scores of 1/32, which f32 holds
exactly and of which many are equal. Null is NaN. Seeds are fixed, so that running it again writes the same bytes. The first run makes a Python environment in target.
"""

import contextlib
import io
import json
import math
import sys
import warnings

sys.dont_write_bytecode = True
from torch_venv import ROOT, run_inside  # noqa: E402

PACKAGES = ["numpy==2.4.6", "pycocotools==2.0.11", "scikit-learn==1.9.1", "scikit-image==0.26.0", "scipy==1.17.1"]
run_inside("dense-venv", PACKAGES, ("pycocotools", "sklearn", "skimage"))

import numpy as np  # noqa: E402
from fixture_metrics import plain  # noqa: E402
from pycocotools.coco import COCO  # noqa: E402
from pycocotools.cocoeval import COCOeval  # noqa: E402
from scipy import ndimage  # noqa: E402
from skimage.measure import regionprops  # noqa: E402
from sklearn import metrics  # noqa: E402

NAMES = ["map", "map50", "map75", "map_small", "map_medium", "map_large", "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"]


def write(path: str, value) -> None:
    path = ROOT / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(value), separators=(",", ":")) + "\n")
    print(path.relative_to(ROOT), path.stat().st_size)


class WithDifficult(COCOeval):
    """COCOeval overwrites `ignore` with `iscrowd`; here either makes an object count for nothing."""

    def _prepare(self):
        super()._prepare()
        for objects in self._gts.values():
            for o in objects:
                o["ignore"] = o["ignore"] or o["difficult"]


def mean_or_nan(values: np.ndarray) -> float:
    values = values[values > -1]
    return float(values.mean()) if values.size else math.nan


def evaluate(images: list, classes: int) -> dict:
    """`images`: of each its objects [class, x1, y1, x2, y2, flag], with 1 for a crowd and 2 for difficult, and boxes [class, score, x1, y1, x2, y2]."""
    annotations, found = [], []
    for i, (objects, boxes) in enumerate(images):
        for c, x1, y1, x2, y2, flag in objects:
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append({"id": len(annotations) + 1, "image_id": i, "category_id": int(c), "bbox": box, "area": box[2] * box[3],
                                "iscrowd": int(flag == 1), "difficult": int(flag == 2)})
        found += [{"image_id": i, "category_id": int(c), "score": s, "bbox": [x1, y1, x2 - x1, y2 - y1]} for c, s, x1, y1, x2, y2 in boxes]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": [{"id": i} for i in range(len(images))], "categories": [{"id": c} for c in range(classes)], "annotations": annotations}
        truth.createIndex()
        # loadRes refuses an empty list.
        boxes = truth.loadRes(found) if found else COCO()
        run = WithDifficult(truth, boxes, "bbox")
        run.params.imgIds, run.params.catIds = list(range(len(images))), list(range(classes))
        run.evaluate()
        run.accumulate()
    p, r = run.eval["precision"], run.eval["recall"]
    of = [p[..., 0, 2], p[0, :, :, 0, 2], p[5, :, :, 0, 2], *(p[..., a, 2] for a in (1, 2, 3)), *(r[..., 0, m] for m in (0, 1, 2)), *(r[..., a, 2] for a in (1, 2, 3))]
    by_class = {"ap": [mean_or_nan(p[:, :, c, 0, 2]) for c in range(classes)], "ap50": [mean_or_nan(p[0, :, c, 0, 2]) for c in range(classes)],
                "ap75": [mean_or_nan(p[5, :, c, 0, 2]) for c in range(classes)], "ar100": [mean_or_nan(r[:, c, 0, 2]) for c in range(classes)]}
    curves = [p[0, :, c, 0, 2] if p[0, 0, c, 0, 2] > -1 else None for c in range(classes)]
    return {"classes": classes, "images": images, "metrics": dict(zip(NAMES, map(mean_or_nan, of), strict=True)), "by_class": by_class, "precision50": curves}


def quarter(x) -> np.ndarray:
    return np.round(np.asarray(x) * 4) / 4


def scene(rng, classes: int, objects: int, noise: float, extra: int, flags: float, steps: int = 32) -> tuple:
    truth, found = [], []
    for _ in range(objects):
        size = rng.choice([12, 40, 150]) * rng.uniform(0.5, 1.5, 2)
        start = rng.uniform(0, 200, 2)
        c, box = rng.integers(classes), quarter([*start, *(start + size)])
        truth.append([int(c), *box.tolist(), int(rng.choice([1, 2])) if rng.random() < flags else 0])
        for _ in range(rng.integers(0, 4)):
            moved = quarter(box + rng.normal(0, noise, 4) * np.tile(size, 2))
            if (moved[2:] > moved[:2]).all():
                of = c if rng.random() < 0.9 else rng.integers(classes)
                found.append([int(of), float(rng.integers(steps) / steps), *moved.tolist()])
    for _ in range(extra):
        start, size = rng.uniform(0, 200, 2), rng.uniform(2, 120, 2)
        found.append([int(rng.integers(classes)), float(rng.integers(steps) / steps), *quarter([*start, *(start + size)]).tolist()])
    order = rng.permutation(len(found))
    return truth, [found[i] for i in order]


def detection() -> list:
    rng = np.random.default_rng(7)
    many = [scene(rng, 5, int(rng.integers(0, 9)), 0.08, int(rng.integers(0, 5)), 0.15) for _ in range(18)]
    # Class 3 has no objects, class 4 no boxes, class 2 crowds alone.
    absent = [([[c, *o, 1 if c == 2 else f] for c, *o, f in objects if c != 3], [b for b in boxes if b[0] != 4]) for objects, boxes in many]
    ties = [scene(rng, 2, 6, 0.1, 3, 0.1, steps=2) for _ in range(8)]
    crowd = [([[0, 10, 10, 110, 110, 1], [0, 20, 20, 40, 40, 0], [0, 120, 20, 150, 50, 2]],
              [[0, 0.5, 20 + d, 20, 40 + d, 40] for d in range(0, 80, 8)] + [[0, 0.75, 120 + d, 20, 150 + d, 50] for d in (0, 1, 2)])]
    busy = scene(rng, 1, 40, 0.05, 0, 0.0)
    hundreds = [(busy[0], busy[1] + scene(rng, 1, 0, 0.1, 120, 0.0)[1])]
    # IoUs of exactly 1/2 and 3/4, and areas of exactly 32² and 96².
    edges = [([[0, 0, 0, 32, 32, 0], [0, 100, 100, 196, 196, 0]], [[0, 0.5, 0, 0, 32, 16], [0, 0.75, 100, 100, 196, 172], [0, 0.25, 0, 0, 32, 32]])]
    # No two scores are equal.
    distinct = [scene(rng, 2, 5, 0.08, 2, 0.1) for _ in range(6)]
    scores = iter(rng.permutation(1024) / 1024)
    distinct = [(objects, [[c, float(next(scores)), *box] for c, _, *box in boxes]) for objects, boxes in distinct]
    no_boxes = [(objects, []) for objects, _ in many[:3]]
    no_objects = [([], boxes) for _, boxes in many[:3]]
    cases = [("many", many, 5), ("absent", absent, 5), ("ties", ties, 2), ("crowd", crowd, 1), ("hundreds", hundreds, 1), ("edges", edges, 2), ("distinct", distinct, 2),
             ("no_boxes", no_boxes, 5), ("no_objects", no_objects, 5), ("nothing", [([], [])], 2)]
    return [{"name": name, **evaluate(images, classes)} for name, images, classes in cases]


def boundary(labels: np.ndarray, c: int) -> np.ndarray:
    """Pixels of class `c` beside another class in one of four directions. Void is below 0."""
    out = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        for step in (1, -1):
            other = np.roll(labels, step, axis)
            edge = [slice(None)] * 2
            edge[axis] = 0 if step == 1 else -1
            other[tuple(edge)] = -1
            out |= (labels == c) & (other >= 0) & (other != c)
    return out


def boundary_f1(predicted: np.ndarray, target: np.ndarray, classes: int, tolerance: float) -> list:
    """Csurka et al., 2013, with SciPy's exact distances."""
    predicted = np.where(target < 0, target, predicted)
    limit = tolerance * math.hypot(*target.shape)
    out = []
    for c in range(classes):
        p, t = boundary(predicted, c), boundary(target, c)
        if not p.any() or not t.any():
            out.append(0.0 if p.any() or t.any() else math.nan)
            continue
        precision = (ndimage.distance_transform_edt(~t)[p] < limit).mean()
        recall = (ndimage.distance_transform_edt(~p)[t] < limit).mean()
        out.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return out


def nanmean(values, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.nanmean(np.asarray(values, float), **more)


def blobs(rng, shape, classes: int, smooth: float) -> np.ndarray:
    return np.stack([ndimage.gaussian_filter(rng.normal(size=shape), smooth) for _ in range(classes)]).argmax(0)


def digits(labels: np.ndarray) -> str:
    """A digit for each pixel, a point for void."""
    return "".join("." if x < 0 else str(x) for x in labels.ravel())


def segmentation() -> list:
    rng = np.random.default_rng(9)
    cases = []
    for shape, classes, smooth, tolerance, images in [((24, 31), 3, 3, 0.0075, 3), ((40, 17), 5, 2, 0.06, 3), ((1, 13), 2, 1, 0.1, 2), ((64, 48), 2, 6, 0.03, 2)]:
        targets, predictions = [], []
        for _ in range(images):
            target = blobs(rng, shape, classes, smooth)
            predicted = ndimage.shift(target, rng.integers(-2, 3, 2) * np.minimum(1, np.array(shape) - 1), order=0, mode="nearest")
            predicted = np.where(rng.random(shape) < 0.02, rng.integers(0, classes, shape), predicted)
            target = np.where(ndimage.gaussian_filter(rng.normal(size=shape), 2) > 0.25, -100, target)
            # The last class of five is nowhere, and another is predicted alone.
            if classes == 5:
                target[target >= 3], predicted[predicted == 4] = 0, 0
            targets.append(target)
            predictions.append(predicted)
        t, p = np.concatenate([x.ravel() for x in targets]), np.concatenate([x.ravel() for x in predictions])
        t, p = t[t >= 0], p[t >= 0]
        every = np.arange(classes)
        occurs = np.isin(every, t) | np.isin(every, p)
        iou = np.where(occurs, metrics.jaccard_score(t, p, labels=every, average=None, zero_division=0), np.nan)
        dice = np.where(occurs, metrics.f1_score(t, p, labels=every, average=None, zero_division=0), np.nan)
        edges = [boundary_f1(a, b, classes, tolerance) for a, b in zip(predictions, targets)]
        cases.append({
            "shape": shape, "classes": classes, "tolerance": tolerance, "targets": [digits(x) for x in targets], "predictions": [digits(x) for x in predictions],
            "metrics": {"mean_iou": nanmean(iou), "pixel_accuracy": (t == p).mean(), "mean_dice": nanmean(dice), "boundary_f1": nanmean(nanmean(edges, axis=1))},
            "by_class": {"iou": iou, "dice": dice, "boundary_f1": nanmean(edges, axis=0)},
        })
    return cases


def regions() -> list:
    rng = np.random.default_rng(5)
    cases = []
    for shape, classes, smooth in [((13, 17), 2, 0.7), ((20, 9), 4, 1.0), ((1, 12), 2, 0.3), ((15, 1), 3, 0.3), ((16, 16), 2, 0.0)]:
        labels = blobs(rng, shape, classes, smooth) if smooth else np.indices(shape).sum(0) % 2
        case = {"rows": ["".join(map(str, row)) for row in labels]}
        for name, structure in [("edges", ndimage.generate_binary_structure(2, 1)), ("corners", np.ones((3, 3)))]:
            case[name] = []
            for c in range(1, classes):
                for r in regionprops(ndimage.label(labels == c, structure)[0]):
                    top, left, bottom, right = r.bbox
                    case[name].append({"class": c, "area": int(r.area), "bbox": [left, top, right, bottom], "centroid": r.centroid[::-1]})
        cases.append(case)
    return cases


write("crates/train/tests/fixtures/detection.json", detection())
write("crates/train/tests/fixtures/segmentation.json", segmentation())
write("crates/model/tests/fixtures/regions.json", regions())
