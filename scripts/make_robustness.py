#!/usr/bin/env python3
"""Writes the fixtures of crates/report/tests/fixtures: groups.json and compare.json, from scikit-learn, SciPy, statsmodels and fairlearn.

    python3 scripts/make_robustness.py

Probabilities are those of f32 logits that are multiples of 1/8. Seeds are fixed, so that running it again writes the same bytes. The first run makes a Python environment in
target.
"""

import json
import sys

sys.dont_write_bytecode = True
from torch_venv import PACKAGES, ROOT, run_inside  # noqa: E402

OTHERS = ["scipy==1.17.1", "scikit-learn==1.9.1", "scikit-image==0.26.0", "statsmodels==0.15.0", "fairlearn==0.15.0"]
run_inside("robustness-venv", PACKAGES + OTHERS, ("torch", "fairlearn", "statsmodels", "skimage"))

import fairlearn.metrics as fairness  # noqa: E402
import numpy as np  # noqa: E402
from fixture_metrics import plain  # noqa: E402
from scipy import stats  # noqa: E402
from sklearn import metrics  # noqa: E402
from statsmodels.stats.contingency_tables import mcnemar  # noqa: E402
from statsmodels.stats.multitest import multipletests  # noqa: E402

FOLDER = ROOT / "crates/report/tests/fixtures"
SHUFFLES = 9999


def write(name: str, value) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / name
    path.write_text(json.dumps(plain(value), separators=(",", ":")) + "\n")
    print(path.relative_to(ROOT), path.stat().st_size)


def answers(rng, n: int, classes: int, groups: np.ndarray, worse: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and logits that are right less often in group `worse`."""
    labels = rng.integers(0, classes, n)
    logits = rng.integers(-16, 17, (n, classes)) / 8
    strength = np.where(groups == worse, 1.0, 3.0)
    logits[np.arange(n), labels] += strength
    return labels, logits.astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def ece(confidence: np.ndarray, right: np.ndarray, bins: int) -> float:
    """Naeini et al. with bins of equal width, each with its upper edge."""
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.sum() * abs(confidence[inside].mean() - right[inside].mean())
    return total / len(right)


def largest(by_group) -> float:
    values = np.asarray(by_group, dtype=float)
    return values.max() - values.min()


def permutation(values: np.ndarray, groups: np.ndarray, statistic, rng) -> float:
    """The p-value of the largest gap of `statistic` between groups, by scipy.stats.permutation_test."""
    parts = [values[groups == g] for g in np.unique(groups)]
    gap = lambda *parts: largest([statistic(part) for part in parts])  # noqa: E731
    found = stats.permutation_test(
        parts, gap, permutation_type="independent", vectorized=False, n_resamples=SHUFFLES, alternative="greater", rng=rng
    )
    return found.pvalue


def classification_groups(name: str, seed: int, n: int, classes: int, kinds: int, worse: int) -> dict:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, kinds, n)
    labels, logits = answers(rng, n, classes, groups, worse)
    predicted, probabilities = logits.argmax(1), softmax(logits)
    right = predicted == labels
    by_group = lambda f: [f(groups == g) for g in range(kinds)]  # noqa: E731
    confidence = probabilities.max(1)
    outputs = []
    for c in range(classes):
        has, taken = labels == c, predicted == c
        frame = fairness.MetricFrame(
            metrics={
                "recall": fairness.true_positive_rate, "precision": metrics.precision_score, "selection_rate": fairness.selection_rate,
            },
            y_true=has, y_pred=taken, sensitive_features=groups,
        )
        outputs.append({
            "recall": list(frame.by_group["recall"]), "precision": list(frame.by_group["precision"]), "selection_rate": list(frame.by_group["selection_rate"]),
            "equal_opportunity": fairness.equal_opportunity_difference(has, taken, sensitive_features=groups),
            "predictive_parity": frame.difference()["precision"],
            "demographic_parity": fairness.demographic_parity_difference(has, taken, sensitive_features=groups),
            "p_recall": permutation(taken[has], groups[has], np.mean, rng),
            "p_precision": permutation(has[taken], groups[taken], np.mean, rng),
            "p_selection_rate": permutation(taken, groups, np.mean, rng),
        })
    return {
        "name": name, "classes": classes, "groups": groups, "labels": labels, "logits": logits.ravel(), "outputs": outputs,
        "accuracy": by_group(lambda g: metrics.accuracy_score(labels[g], predicted[g])),
        "balanced_accuracy": by_group(lambda g: metrics.balanced_accuracy_score(labels[g], predicted[g])),
        "f1_macro": by_group(lambda g: metrics.f1_score(labels[g], predicted[g], average="macro")),
        "calibration_error": by_group(lambda g: ece(confidence[g], right[g], 15)),
        "p_accuracy": permutation(right, groups, np.mean, rng),
    }


def regression_groups(seed: int, n: int, kinds: int) -> dict:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, kinds, n)
    targets = rng.integers(0, 64, n) / 4
    predicted = targets + rng.integers(-8, 9, n) / 4 * (1 + (groups == 1))
    errors = np.abs(predicted - targets)
    return {
        "groups": groups, "targets": targets, "predicted": predicted,
        "mae": [errors[groups == g].mean() for g in range(kinds)],
        "rmse": [np.sqrt((errors[groups == g] ** 2).mean()) for g in range(kinds)],
        "p_mae": permutation(errors, groups, np.mean, rng),
    }


def adjusted() -> list:
    rng = np.random.default_rng(5)
    cases = [rng.uniform(0, 1, n) ** 2 for n in (1, 2, 7, 40)] + [np.array([0.02, 0.02, 1.0, 0.5, 0.02])]
    for p in cases:
        assert np.allclose(stats.false_discovery_control(p), multipletests(p, method="fdr_bh")[1])
    return [{"p": p, "adjusted": stats.false_discovery_control(p)} for p in cases]


def tests_of_pairs() -> list:
    """McNemar's exact test, and the mid-p value of Fagerland et al.: half of the table's own probability is taken off each side."""
    cases = []
    for b, c in [(0, 0), (0, 1), (5, 1), (1, 5), (12, 12), (30, 14), (150, 190), (2000, 2100)]:
        p = mcnemar([[10, b], [c, 20]], exact=True).pvalue
        n, k = b + c, min(b, c)
        mid = 1.0 if n == 0 else 1 - stats.binom.pmf(k, n, 0.5) / 2 if b == c else 2 * stats.binom.cdf(k, n, 0.5) - stats.binom.pmf(k, n, 0.5)
        cases.append({"only_a": b, "only_b": c, "p_exact": p, "p_mid": mid})
    return cases


def paired(seed: int, n: int) -> dict:
    """Two classifiers whose classes stand in other orders, and the interval of their difference by scipy.stats.bootstrap."""
    rng = np.random.default_rng(seed)
    labels, a = answers(rng, n, 4, np.zeros(n), 1)
    _, b = answers(rng, n, 4, np.zeros(n), 0)
    b = b + a / 2 + np.arange(4, dtype=np.float32) / 64
    b[np.arange(n), labels] += 1.5
    right_a, right_b = a.argmax(1) == labels, b.argmax(1) == labels
    difference = right_b.astype(float) - right_a
    interval = stats.bootstrap((difference,), np.mean, method="percentile", n_resamples=20000, rng=rng).confidence_interval
    order = [2, 0, 3, 1]
    return {
        "labels": labels, "a": a.ravel(), "b": b[:, order].ravel(), "order": order, "accuracy": [right_a.mean(), right_b.mean()],
        "difference": difference.mean(), "interval": list(interval),
        "table": [[int((right_a & right_b).sum()), int((right_a & ~right_b).sum())], [int((~right_a & right_b).sum()), int((~right_a & ~right_b).sum())]],
        "by_class": [difference[labels == c].mean() for c in range(4)],
        "differ": np.flatnonzero(a.argmax(1) != b.argmax(1)),
    }


if __name__ == "__main__":
    write("groups.json", {
        "shuffles": SHUFFLES,
        "classification": [
            classification_groups("three groups", 1, 240, 3, 3, 1), classification_groups("two groups alike", 2, 120, 4, 2, 9),
        ],
        "regression": regression_groups(3, 150, 3), "adjusted": adjusted(),
    })
    write("compare.json", {"mcnemar": tests_of_pairs(), "paired": paired(4, 300)})
