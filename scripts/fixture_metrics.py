#!/usr/bin/env python3
"""Writes crates/train/tests/fixtures/metrics.json: labels, scores and what scikit-learn makes of them.

    python3 scripts/fixture_metrics.py

Scores are multiples of 1/32, which f32 holds exactly and of which many are equal. Classes are rare to very rare, and some have no sample. Null is NaN. Seeds are fixed, so
that running it again writes the same bytes. The first run makes a Python environment in target.
"""

import json
import math
import sys
import warnings

sys.dont_write_bytecode = True
from torch_venv import ROOT, run_inside  # noqa: E402

run_inside("metrics-venv", ["scikit-learn==1.9.1", "numpy==2.4.6"], ("sklearn",))

import numpy as np  # noqa: E402
from sklearn import metrics  # noqa: E402

STEPS = 32
PATH = ROOT / "crates/train/tests/fixtures/metrics.json"


def plain(value):
    """As JSON, in which there is no NaN."""
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def mean_of_defined(values: list) -> float:
    defined = [v for v in values if not math.isnan(v)]
    return float(np.mean(defined)) if defined else math.nan


def auc(positive: np.ndarray, scores: np.ndarray) -> float:
    return metrics.roc_auc_score(positive, scores) if 0 < positive.sum() < len(positive) else math.nan


def average_precision(positive: np.ndarray, scores: np.ndarray) -> float:
    return metrics.average_precision_score(positive, scores) if positive.any() else math.nan


def thresholds(positive: np.ndarray, scores: np.ndarray) -> dict:
    _, wrong, _, found, at = metrics.confusion_matrix_at_thresholds(positive, scores)
    return {"threshold": at, "true_positives": found.astype(int), "false_positives": wrong.astype(int)}


def classification(name: str, labels: np.ndarray, scores: np.ndarray) -> dict:
    classes = scores.shape[1]
    every = np.arange(classes)
    predicted = scores.argmax(1)
    support = [metrics.precision_recall_fscore_support(labels, predicted, average=a)[:3] for a in ("macro", "micro")]
    by_class = metrics.precision_recall_fscore_support(labels, predicted, labels=every, average=None, zero_division=np.nan)
    one = [labels == c for c in every]
    aucs = [auc(one[c], scores[:, c]) for c in every]
    precisions = [average_precision(one[c], scores[:, c]) for c in every]
    if classes > 2 and all(o.any() for o in one):
        ovr = metrics.roc_auc_score(labels, scores, multi_class="ovr")
        assert math.isclose(ovr, np.mean(aucs)), (name, ovr, aucs)
    expected = {"accuracy": metrics.accuracy_score(labels, predicted)}
    if classes >= 10:
        # Of equal scores it takes the last class, we the first: so from the last to the first.
        backwards = metrics.top_k_accuracy_score(classes - 1 - labels, scores[:, ::-1], k=5, labels=every)
        expected["top_5_accuracy"] = backwards
    expected |= {
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "precision_macro": support[0][0],
        "recall_macro": support[0][1],
        "f1_macro": support[0][2],
        "cohen_kappa": metrics.cohen_kappa_score(labels, predicted),
        "mcc": metrics.matthews_corrcoef(labels, predicted),
        "roc_auc_macro": mean_of_defined(aucs),
        "average_precision_macro": mean_of_defined(precisions),
    }
    return {
        "name": name,
        "classes": classes,
        "labels": labels,
        "scores": scores.reshape(-1),
        "expected": expected,
        "micro": support[1],
        "confusion": metrics.confusion_matrix(labels, predicted, labels=every),
        "by_class": {
            "precision": by_class[0],
            "recall": by_class[1],
            "f1": by_class[2],
            "roc_auc": aucs,
            "average_precision": precisions,
        },
        "first_class": thresholds(one[0], scores[:, 0]),
    }


def drawn(random: np.random.Generator, frequencies: list, samples: int, skill: float, never: tuple = ()) -> tuple:
    """Labels of these frequencies, and probabilities that lean to them; classes of `never` are not predicted."""
    labels = random.choice(len(frequencies), samples, p=np.array(frequencies) / sum(frequencies))
    scores = []
    for label in labels:
        p = np.array(frequencies, float) + 1
        p[label] += skill * p.sum()
        p[list(never)] = 0
        scores.append(random.multinomial(STEPS, p / p.sum()) / STEPS)
    return labels, np.array(scores)


def classifications() -> list:
    random = np.random.default_rng(1)
    flat = lambda rows: np.array(rows, float)
    return [
        classification("two classes", *drawn(random, [9, 1], 60, 0.6)),
        classification("four classes, of which the last is no label", *drawn(random, [30, 8, 2, 0], 80, 0.3)),
        classification("four classes, of which two are never predicted", *drawn(random, [20, 6, 2, 1], 80, 0.3, (2, 3))),
        classification("all of three classes", *drawn(random, [20, 6, 2], 80, 0.5)),
        classification("twelve classes, of which three are no label", *drawn(random, [40, 20, 9, 0, 5, 3, 0, 2, 2, 1, 0, 1], 150, 0.15)),
        classification("twelve classes, no skill", *drawn(random, [1] * 12, 40, 0.0)),
        classification("no skill", *drawn(random, [5, 4, 1], 50, 0.0)),
        classification("all equal scores", np.array([0, 1, 1, 2, 0, 0]), np.full([6, 4], 0.25)),
        classification("all taken for one class", np.array([0, 1, 2, 1, 0]), flat([[0.5, 0.25, 0.25], [0.75, 0.25, 0], [0.5, 0.5, 0], [0.5, 0.25, 0.25], [1, 0, 0]])),
        classification("labels of one class", np.array([1, 1, 1, 1]), flat([[0.5, 0.5, 0], [0, 1, 0], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]])),
        classification("nothing but one class", np.array([1, 1, 1]), flat([[0.25, 0.5, 0.25], [0, 1, 0], [0, 0.75, 0.25]])),
        classification("one sample, right", np.array([1]), flat([[0.25, 0.75]])),
        classification("one sample, wrong", np.array([0]), flat([[0.25, 0.5, 0.25]])),
        classification("perfect", np.array([0, 1, 2, 2]), flat([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.25, 0.25, 0.5]])),
        classification("the worst", np.array([0, 1, 1, 0]), flat([[0, 1], [1, 0], [0.75, 0.25], [0.25, 0.75]])),
    ]


def regression(name: str, predicted: np.ndarray, targets: np.ndarray) -> dict:
    each = {"multioutput": "raw_values"}
    functions = {"mae": metrics.mean_absolute_error, "rmse": metrics.root_mean_squared_error, "r2": metrics.r2_score}
    # Of one sample R² is one NaN, whatever is asked for.
    raw = {m: np.broadcast_to(f(targets, predicted, **each), targets.shape[1]) for m, f in functions.items()}
    return {
        "name": name,
        "columns": targets.shape[1],
        "predicted": predicted.reshape(-1),
        "targets": targets.reshape(-1),
        "expected": {m: f(targets, predicted) for m, f in functions.items()},
        "by_column": raw,
    }


def regressions() -> list:
    random = np.random.default_rng(2)
    rounded = lambda x: np.round(x * 64) / 64
    normal = lambda *shape: rounded(random.normal(size=shape))
    scale = np.array([1.0, 128.0, 0.125])
    noise = normal(60, 3) * scale / 4
    targets = normal(60, 3) * scale + np.array([0.0, 5000.0, -3.0])
    targets[5:12] = targets[4]
    constant = targets.copy()
    constant[:, 1] = 2.0
    exact = constant + noise
    exact[:, 1] = 2.0
    return [
        regression("one column", (targets + noise)[:, :1], targets[:, :1]),
        regression("three columns", targets + noise, targets),
        regression("worse than the mean", -targets, targets),
        regression("a constant target", constant + noise, constant),
        regression("a constant target, predicted exactly", exact, constant),
        regression("exact", targets, targets),
        regression("one sample", targets[:1] + 0.5, targets[:1]),
        regression("two samples", targets[:2] + 0.5, targets[:2]),
    ]


def multi_label(name: str, scores: np.ndarray, targets: np.ndarray, at: list) -> dict:
    predicted = scores >= np.array(at)
    labels = range(targets.shape[1])
    f1 = lambda average: metrics.f1_score(targets, predicted, average=average, zero_division=np.nan)
    precisions = [average_precision(targets[:, l], scores[:, l]) for l in labels]
    areas = [auc(targets[:, l], scores[:, l]) for l in labels]
    by_label = metrics.precision_recall_fscore_support(targets, predicted, average=None, zero_division=np.nan)
    best = []
    for l in labels:
        candidates = sorted(set(scores[:, l]), reverse=True)
        of = [metrics.f1_score(targets[:, l], scores[:, l] >= t, zero_division=0) for t in candidates]
        best.append(candidates[int(np.argmax(of))] if targets[:, l].any() else at[l])
    return {
        "name": name,
        "labels": targets.shape[1],
        "thresholds": at,
        "scores": scores.reshape(-1),
        "targets": targets.reshape(-1).astype(int),
        "expected": {
            "hamming_accuracy": 1 - metrics.hamming_loss(targets, predicted),
            "hamming_loss": metrics.hamming_loss(targets, predicted),
            "f1_micro": f1("micro"),
            "subset_accuracy": metrics.accuracy_score(targets, predicted),
            "f1_macro": f1("macro"),
            "roc_auc_macro": mean_of_defined(areas),
            "mean_average_precision": mean_of_defined(precisions),
        },
        "by_label": {
            "precision": by_label[0],
            "recall": by_label[1],
            "f1": by_label[2],
            "roc_auc": areas,
            "average_precision": precisions,
        },
        "best_thresholds": best,
    }


def multi_labels() -> list:
    random = np.random.default_rng(3)
    # The last label but one occurs nowhere, the last everywhere.
    rates = np.array([0.5, 0.2, 0.05, 0.0, 1.0])
    targets = random.random([70, 5]) < rates
    targets[:2, 2] = True
    noise = random.random([70, 5])
    scores = np.round((0.5 * noise + 0.5 * targets * random.random([70, 5])) * STEPS) / STEPS
    low = np.minimum(scores, 0.25)
    return [
        multi_label("five labels", scores, targets, [0.5] * 5),
        multi_label("other thresholds", scores, targets, [0.25, 0.5, 0.75, 0.875, 0.0]),
        multi_label("nothing is predicted", low, targets, [0.5] * 5),
        multi_label("no label occurs", low, np.zeros_like(targets), [0.5] * 5),
        multi_label("one sample", scores[:1], targets[:1], [0.5] * 5),
        multi_label("equal scores", np.full([8, 2], 0.5), targets[:8, :2], [0.5] * 2),
        multi_label("perfect", targets[:9, :3].astype(float), targets[:9, :3], [0.5] * 3),
    ]


def main() -> None:
    # Numbers that are not defined are among the cases.
    warnings.simplefilter("ignore")
    families = {"classification": classifications(), "regression": regressions(), "multi_label": multi_labels()}
    lines = [f'"{family}": [\n' + ",\n".join(json.dumps(plain(c)) for c in cases) + "\n]" for family, cases in families.items()]
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    counts = ", ".join(f"{len(cases)} cases of {family}" for family, cases in families.items())
    print(f"{PATH.relative_to(ROOT)}: {counts}, {PATH.stat().st_size / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
