#!/usr/bin/env python3
"""Writes crates/report/tests/fixtures/calibration.json: logits and labels, and what scikit-learn, SciPy, NumPy and cleanlab make of them.

    python3 scripts/make_calibration.py

Logits are multiples of 1/1024, which f32 holds exactly. Seeds are fixed, so that running it again writes the same bytes. The first run makes a Python environment in
target.
"""

import json
import math
import sys
import warnings

sys.dont_write_bytecode = True
from torch_venv import ROOT, run_inside  # noqa: E402

run_inside(
    "calibration-venv",
    ["scikit-learn==1.9.1", "numpy==2.4.6", "cleanlab==2.9.0"],
    ("sklearn", "cleanlab"),
)

import numpy as np  # noqa: E402
from cleanlab import count, filter as cleanlab_filter  # noqa: E402
from scipy.optimize import minimize_scalar  # noqa: E402
from scipy.special import log_softmax, logsumexp  # noqa: E402
from sklearn import covariance, metrics  # noqa: E402

PATH = ROOT / "crates/report/tests/fixtures/calibration.json"
STEPS = 1024


def exact(x: np.ndarray) -> np.ndarray:
    return np.round(x * STEPS) / STEPS


def drawn(rng, n: int, classes: int, scale: float, skew: float = 0.0):
    """Logits whose labels are drawn from their softmax, times a scale."""
    logits = rng.normal(size=(n, classes)) * 2.0
    probabilities = np.exp(log_softmax(logits - skew * np.arange(classes), axis=1))
    labels = np.array([rng.choice(classes, p=p) for p in probabilities])
    return exact(logits * scale), labels


def nll(logits, labels, temperature=1.0) -> float:
    return metrics.log_loss(labels, np.exp(log_softmax(logits / temperature, axis=1)), labels=range(logits.shape[1]))


def best_temperature(logits, labels) -> float:
    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits / math.exp(log_temperature), axis=1)
        return -logs[np.arange(len(labels)), labels].mean()

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(20)), method="bounded", options={"xatol": 1e-10})
    return math.exp(found.x)


def gaps(confidence, right, groups) -> list:
    return [(len(g), abs(confidence[g].mean() - right[g].mean())) for g in groups if len(g)]


def errors(confidence, right, bins: int) -> dict:
    """By the definitions: (low, high] bins of equal width; bins of equal mass that end after equal confidences."""
    edges = np.linspace(0, 1, bins + 1)
    inside = [np.flatnonzero((confidence > low) & (confidence <= high)) for low, high in zip(edges[:-1], edges[1:])]
    width = gaps(confidence, right, inside)
    order = np.argsort(confidence, kind="stable")
    groups, start = [], 0
    for i in range(1, bins + 1):
        end = -(-i * len(order) // bins)
        while 0 < end < len(order) and confidence[order[end]] == confidence[order[end - 1]]:
            end += 1
        if end > start:
            groups.append(order[start:end])
            start = end
    mass = gaps(confidence, right, groups)
    mean = lambda pairs: sum(n * gap for n, gap in pairs) / len(confidence)  # noqa: E731
    return {"ece": mean(width), "ece_equal_mass": mean(mass), "mce": max(gap for _, gap in width)}


def calibration(name: str, logits, labels, bins: int) -> dict:
    classes = logits.shape[1]
    temperature = best_temperature(logits, labels)
    case = {"name": name, "classes": classes, "bins": bins, "logits": logits, "labels": labels, "temperature": temperature}
    for key, t in (("before", 1.0), ("after", temperature)):
        probabilities = np.exp(log_softmax(logits / t, axis=1))
        confidence, right = probabilities.max(1), (probabilities.argmax(1) == labels).astype(float)
        brier = metrics.brier_score_loss(labels, probabilities, labels=range(classes), scale_by_half=False)
        case[key] = {"nll": nll(logits, labels, t), "brier": brier} | errors(confidence, right, bins)
    confidence = np.exp(log_softmax(logits, axis=1)).max(1)
    wrong = (logits.argmax(1) != labels)[np.argsort(-confidence)].astype(float)
    # Of equal confidences the order is chance.
    distinct = np.diff(np.sort(confidence)).min() > 1e-12
    case["aurc"] = (np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean() if distinct else None
    return case


def conformal(name: str, logits, labels, coverages) -> dict:
    """Split conformal by hand, as in Angelopoulos and Bates: the first half calibrates, the second is measured."""
    half = len(labels) // 2
    probabilities = np.exp(log_softmax(logits, axis=1))
    order = np.argsort(-probabilities, axis=1, kind="stable")
    before = np.take_along_axis(probabilities, order, 1).cumsum(1) - np.take_along_axis(probabilities, order, 1)
    aps = np.empty_like(before)
    np.put_along_axis(aps, order, before, 1)
    scores = {"lac": 1 - probabilities, "aps": aps}
    found = []
    for method, all_scores in scores.items():
        own = all_scores[np.arange(half), labels[:half]]
        for coverage in coverages:
            rank = math.ceil((half + 1) * coverage - 1e-9)
            if rank > half:
                limit, sets = None, np.ones((len(labels) - half, logits.shape[1]), bool)
            else:
                limit = np.quantile(own, rank / half, method="inverted_cdf")
                assert limit == np.sort(own)[rank - 1]
                sets = all_scores[half:] <= limit + 1e-7
                sets[np.arange(len(sets)), probabilities[half:].argmax(1)] = True
            covered = sets[np.arange(len(sets)), labels[half:]].sum()
            found.append({"method": method, "coverage": coverage, "limit": limit, "covered": covered, "total": sets.sum()})
    return {"name": name, "classes": logits.shape[1], "logits": logits, "labels": labels, "half": half, "sets": found}


def fpr_at_95(inside, outside) -> float:
    fpr, tpr, _ = metrics.roc_curve(np.r_[np.ones(len(inside)), np.zeros(len(outside))], np.r_[inside, outside], drop_intermediate=False)
    return fpr[np.argmax(tpr >= 0.95)]


def out_of_distribution(rng) -> dict:
    inside = exact(rng.normal(size=(150, 4)) + np.eye(4)[np.arange(150) % 4] * 3)
    outside = exact(rng.normal(size=(90, 4)) * 1.2 + 0.5)
    scores = {"maximum_softmax": lambda x: log_softmax(x, axis=1).max(1), "energy": lambda x: logsumexp(x, axis=1)}
    case = {"classes": 4, "inside": inside, "outside": outside, "scores": {}}
    for name, score in scores.items():
        a, b = score(inside).astype(np.float32), score(outside).astype(np.float32)
        is_inside, both = np.r_[np.ones(len(a)), np.zeros(len(b))], np.r_[a, b]
        case["scores"][name] = {
            "auroc": metrics.roc_auc_score(is_inside, both),
            "aupr_inside": metrics.average_precision_score(is_inside, both),
            "aupr_outside": metrics.average_precision_score(1 - is_inside, -both),
            "fpr_at_95_tpr": fpr_at_95(a, b),
        }
    return case


def mahalanobis(rng) -> dict:
    labels = np.arange(60) % 3
    features = exact(rng.normal(size=(60, 12)) @ np.diag(np.linspace(0.2, 2, 12)) + np.eye(12)[labels] * 2)
    queries = exact(rng.normal(size=(20, 12)) * 2)
    means = np.stack([features[labels == c].mean(0) for c in range(3)])
    shrunk = covariance.LedoitWolf(assume_centered=True).fit(features - means[labels])
    inverse = np.linalg.inv(shrunk.covariance_)
    difference = queries[:, None] - means[None]
    distances = np.einsum("ncd,de,nce->nc", difference, inverse, difference).min(1)
    return {"features": features, "labels": labels, "queries": queries, "shrinkage": shrunk.shrinkage_, "distances": distances}


def label_errors(rng, name: str, n: int, classes: int, flips: float, weights, certain: float) -> dict:
    actual = rng.choice(classes, size=n, p=weights)
    logits = exact(rng.normal(size=(n, classes)) + np.eye(classes)[actual] * certain)
    # What is read from a table has been f32.
    probabilities = np.exp(log_softmax(logits, axis=1)).astype(np.float32).astype(float)
    labels = actual.copy()
    flipped = rng.random(n) < flips
    labels[flipped] = (labels[flipped] + rng.integers(1, classes, flipped.sum())) % classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        joint = count.compute_confident_joint(labels, probabilities)
        found = {
            by: cleanlab_filter.find_label_issues(
                labels, probabilities, filter_by=by, return_indices_ranked_by="self_confidence", n_jobs=1
            )
            for by in ("prune_by_noise_rate", "both")
        }
    return {
        "name": name, "classes": classes, "probabilities": probabilities, "labels": labels, "joint": joint,
        "thresholds": [t if t < 2 else None for t in count.get_confident_thresholds(labels, probabilities)],
    } | found  # fmt: skip


def plain(value):
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def main() -> None:
    rng = np.random.default_rng(22)
    even = np.full(5, 0.2)
    cases = {
        "calibration": [
            calibration("too sure", *drawn(rng, 400, 5, 2.5), 15),
            calibration("not sure enough", *drawn(rng, 300, 3, 0.4), 10),
            calibration("two classes", *drawn(rng, 200, 2, 1.5, 0.7), 7),
            calibration("few", *drawn(rng, 12, 4, 1.0), 15),
        ],
        "conformal": [
            conformal("many", *drawn(rng, 400, 6, 1.3), [0.5, 0.8, 0.9, 0.95, 0.99]),
            conformal("few", *drawn(rng, 40, 4, 1.0), [0.5, 0.9, 0.95, 0.99]),
        ],
        "out_of_distribution": out_of_distribution(rng),
        "mahalanobis": mahalanobis(rng),
        "label_errors": [
            label_errors(rng, "usual", 400, 5, 0.08, even, 4.0),
            label_errors(rng, "much noise", 300, 4, 0.35, np.array([0.4, 0.3, 0.2, 0.1]), 2.5),
            label_errors(rng, "rare classes", 250, 5, 0.1, np.array([0.6, 0.3, 0.08, 0.015, 0.005]), 3.0),
            label_errors(rng, "two classes", 200, 2, 0.1, np.array([0.7, 0.3]), 2.0),
            label_errors(rng, "weak model", 200, 4, 0.1, np.full(4, 0.25), 0.5),
        ],
    }
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(json.dumps(plain(cases), separators=(",", ":")) + "\n")
    print(f"{PATH.relative_to(ROOT)}: {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
