#!/usr/bin/env python3
"""Writes the fixtures of crates/report/tests/fixtures: groups.json and compare.json, from scikit-learn, SciPy, statsmodels and fairlearn; corruptions.json, from numpy,
SciPy and Pillow; attack.json, from PyTorch.

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

import io  # noqa: E402

import fairlearn.metrics as fairness  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from fixture_metrics import plain  # noqa: E402
from PIL import Image  # noqa: E402
from scipy import ndimage, stats  # noqa: E402
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


def picture(rng, height: int, width: int, channels: int) -> np.ndarray:
    """Smooth colours with edges and some noise."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (3 + c) + c) * np.cos(y / (5 - c)) for c in range(channels)]
    image = 128 + 90 * np.stack(waves, 2) + rng.normal(0, 6, (height, width, channels))
    image[height // 3 : height // 2, width // 4 : width // 2] = [230, 30, 120][:channels]
    return np.clip(image, 0, 255).astype(np.uint8)


def grey_levels(values: np.ndarray) -> np.ndarray:
    return np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)


def resampled(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The map [[a, b], [c, d]] of (x, y) about the middle, of each channel."""
    middle = (np.array(image.shape[1::-1]) - 1) / 2
    of_rows = matrix[::-1, ::-1]
    offset = middle[::-1] - of_rows @ middle[::-1]
    planes = [ndimage.affine_transform(image[..., c].astype(float), of_rows, offset, order=1, mode="nearest") for c in range(image.shape[2])]
    return grey_levels(np.stack(planes, 2))


def along_a_line(image: np.ndarray, length: float, angle: float) -> np.ndarray:
    steps = max(int(np.ceil(length)), 1)
    shifted = []
    for t in length * ((np.arange(steps) + 0.5) / steps - 0.5):
        dx, dy = t * np.cos(angle), t * np.sin(angle)
        shifted.append([ndimage.shift(image[..., c].astype(float), (-dy, -dx), order=1, mode="nearest") for c in range(image.shape[2])])
    return grey_levels(np.moveaxis(np.mean(shifted, 0), 0, 2))


def as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    written = io.BytesIO()
    picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
    picture.save(written, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(written)).reshape(image.shape)


def in_cells(image: np.ndarray, cells: int) -> np.ndarray:
    h, w = image.shape[:2]
    if cells >= min(h, w):
        return image
    size = [round(side * cells / min(h, w)) for side in (w, h)]
    picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
    return np.asarray(picture.resize(size, Image.Resampling.BOX).resize((w, h), Image.Resampling.NEAREST)).reshape(image.shape)


STRENGTHS = {
    "gaussian noise": [0.04, 0.08, 0.12, 0.18, 0.26], "shot noise": [200, 100, 50, 25, 12], "gaussian blur": [0.01, 0.015, 0.02, 0.03, 0.04],
    "motion blur": [0.03, 0.05, 0.08, 0.11, 0.15], "jpeg": [60, 40, 25, 15, 8], "brightness": [0.1, 0.2, 0.3, 0.4, 0.5],
    "contrast": [0.6, 0.45, 0.3, 0.2, 0.1], "rotation": [5, 10, 15, 20, 30], "scale": [1.1, 1.2, 1.35, 1.5, 1.75],
    "occlusion": [0.2, 0.3, 0.4, 0.5, 0.6], "pixelation": [26, 20, 16, 12, 8],
}
MEAN = [124, 116, 104]


def corrupted(name: str, p: float, image: np.ndarray, normal: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    h, w, c = image.shape
    shorter, x = min(h, w), image / 255
    u = uniform.ravel()
    if name == "gaussian noise":
        return grey_levels(image + 255 * p * normal)
    if name == "shot noise":
        return grey_levels(255 * stats.poisson.ppf(uniform, p * x) / p)
    if name == "gaussian blur":
        blurred = ndimage.gaussian_filter(image.astype(float), (p * shorter, p * shorter, 0), mode="nearest", truncate=4.0)
        return grey_levels(blurred)
    if name == "motion blur":
        return along_a_line(image, p * shorter, np.pi * u[0])
    if name == "jpeg":
        return as_jpeg(image, int(p))
    if name == "brightness":
        return grey_levels(image + 255 * p)
    if name == "contrast":
        mean = image.mean((0, 1))
        return grey_levels(mean + p * (image - mean))
    if name == "rotation":
        angle = np.radians(p) * (-1 if u[0] < 0.5 else 1)
        return resampled(image, np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))
    if name == "scale":
        return resampled(image, np.eye(2) / (1 / p if u[0] < 0.5 else p))
    if name == "occlusion":
        side = max(int(np.floor(p * shorter + 0.5)), 1)
        left, top = int(u[0] * (w - side + 1)), int(u[1] * (h - side + 1))
        covered = image.copy()
        covered[top : top + side, left : left + side] = MEAN[:c]
        return covered
    return in_cells(image, int(p))


def corruptions() -> list:
    cases = []
    for seed, (h, w, c), strengths in [(11, (28, 28, 1), (0, 2, 4)), (12, (24, 32, 3), (1, 3))]:
        rng = np.random.default_rng(seed)
        image, normal, uniform = picture(rng, h, w, c), rng.normal(0, 1, (h, w, c)).round(4), rng.uniform(0.0005, 0.9995, (h, w, c)).round(4)
        results = [
            {"corruption": name, "strength": s + 1, "parameter": of[s], "image": corrupted(name, of[s], image, normal, uniform).ravel()}
            for name, of in STRENGTHS.items() for s in strengths
        ]
        cases.append({"size": [h, w, c], "image": image.ravel(), "normal": normal.ravel(), "uniform": uniform.ravel(), "results": results})
    return cases


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 4, 3)
        self.fc = torch.nn.Linear(4 * 4 * 4, 3)

    def forward(self, x):
        return self.fc(torch.tanh(self.conv(x)).flatten(1))


def attacked() -> dict:
    """FGSM and PGD on a small network, from a given start; values from 0 to 1, which the network takes normalized."""
    torch.manual_seed(21)
    net = Net()
    x = torch.rand(5, 2, 6, 6)
    x[0, 0, :2], x[1, 1, 2:] = 0.0, 1.0
    labels = torch.tensor([0, 1, 2, 1, 0])
    mean, std = torch.tensor([0.4, 0.6]).view(2, 1, 1), torch.tensor([0.25, 0.5]).view(2, 1, 1)

    def gradient(values):
        values = values.clone().requires_grad_(True)
        torch.nn.functional.cross_entropy(net((values - mean) / std), labels, reduction="sum").backward()
        return values.grad

    cases = []
    for epsilon, steps, size, random in [(8 / 255, 1, 8 / 255, False), (8 / 255, 5, 2 / 255, True), (16 / 255, 10, 4 / 255, True)]:
        start = (torch.rand(x.shape) * 2 - 1) * epsilon if random else torch.zeros(x.shape)
        values = (x + start).clamp(0, 1)
        for _ in range(steps):
            values = values + size * gradient(values).sign()
            values = torch.max(torch.min(values, x + epsilon), x - epsilon).clamp(0, 1)
        logits = net((values - mean) / std).detach()
        cases.append({"epsilon": epsilon, "steps": steps, "size": size, "start": start.flatten().numpy(), "values": values.flatten().numpy(), "logits": logits.flatten().numpy()})
    state = {name: tensor.flatten().numpy() for name, tensor in net.state_dict().items()}
    return {
        "state": state, "x": x.flatten().numpy(), "labels": labels.numpy(), "mean": mean.flatten().numpy(), "std": std.flatten().numpy(),
        "gradient": gradient(x).flatten().numpy(), "cases": cases,
    }


if __name__ == "__main__":
    write("corruptions.json", corruptions())
    write("attack.json", attacked())
    write("groups.json", {
        "shuffles": SHUFFLES,
        "classification": [
            classification_groups("three groups", 1, 240, 3, 3, 1), classification_groups("two groups alike", 2, 120, 4, 2, 9),
        ],
        "regression": regression_groups(3, 150, 3), "adjusted": adjusted(),
    })
    write("compare.json", {"mcnemar": tests_of_pairs(), "paired": paired(4, 300)})
