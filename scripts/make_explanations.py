#!/usr/bin/env python3
"""Writes crates/report/tests/fixtures/explanations.safetensors: three small networks, an image, and what Captum and pytorch-grad-cam say of it.

    python3 scripts/make_explanations.py

Random numbers that a method draws are stored beside its result. Seeds are fixed, so that running it again writes the same bytes. The first run makes a Python
environment in target.
"""

import sys

sys.dont_write_bytecode = True
from torch_venv import EXPLAIN, EXPLAIN_ALONE, ROOT, run_inside  # noqa: E402

run_inside("explain-venv", EXPLAIN, ("torch", "captum", "pytorch_grad_cam"), EXPLAIN_ALONE)

import numpy as np  # noqa: E402
import pytorch_grad_cam as cam  # noqa: E402
import torch  # noqa: E402
from captum import attr  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, SemanticSegmentationTarget  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

PATH = ROOT / "crates/report/tests/fixtures/explanations.safetensors"
SHAPE = (3, 19, 22)
CLASSES = 4
CAMS = {"grad-cam": cam.GradCAM, "grad-cam++": cam.GradCAMPlusPlus, "score-cam": cam.ScoreCAM, "layer-cam": cam.LayerCAM}


def classifier() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.Sigmoid(),
        nn.Conv2d(8, 10, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.Linear(60, 16),
        nn.ReLU(),
        nn.Linear(16, CLASSES),
    )


def segmenter() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, CLASSES, 1))


class Rows(nn.Module):
    """`[n, values, h, w]` as `[n, places, values]`, row by row."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).transpose(1, 2)


def detector() -> nn.Sequential:
    """Of stride 2: for each place the logits of the classes, four distances and the centerness."""
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(8, CLASSES + 5, 1), Rows())


class ObjectScore:
    """The score of a class at a place: the root of its probability times its centerness (FCOS, Tian et al., 2019)."""

    def __init__(self, place: int, target: int) -> None:
        self.place, self.target = place, target

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        row = rows[self.place].sigmoid()
        return (row[self.target] * row[CLASSES + 4]).sqrt()


def spread(net: nn.Module) -> nn.Module:
    """Weights that leave no unit dead and make the classes differ."""
    for name, tensor in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif tensor.dim() > 1:
            tensor.normal_(0, (2.5 / tensor[0].numel()) ** 0.5)
        else:
            tensor.normal_(0.1, 0.3)
    return net.eval()


def grad_cam(method: type, net: nn.Module, layer: nn.Module, x: torch.Tensor, target) -> torch.Tensor:
    with method(model=net, target_layers=[layer]) as explain:
        return torch.from_numpy(explain(input_tensor=x, targets=[target])[0])


def noisy(x: torch.Tensor, saved: dict, net: nn.Module, target: int) -> torch.Tensor:
    """SmoothGrad, with the noise that was drawn."""
    drawn = []
    normal = torch.normal

    def keep(*args, **kwargs):
        drawn.append(normal(*args, **kwargs))
        return drawn[-1]

    torch.normal = keep
    try:
        result = attr.NoiseTunnel(attr.Saliency(net)).attribute(x, nt_type="smoothgrad", nt_samples=5, stdevs=0.3, target=target)
    finally:
        torch.normal = normal
    saved["smooth-grad/noise"] = torch.cat(drawn)
    return result


def shap(x: torch.Tensor, saved: dict, net: nn.Module, target: int) -> torch.Tensor:
    """Gradient SHAP without noise, with the baselines and shares that were drawn."""
    baselines = torch.stack([torch.full(SHAPE, value) for value in (0.0, -1.5, 1.25)])
    seen = []
    original = attr._core.gradient_shap._scale_input

    def keep(inputs, baseline, share):
        seen.append((baseline.clone(), share.clone()))
        return original(inputs, baseline, share)

    attr._core.gradient_shap._scale_input = keep
    try:
        result = attr.GradientShap(net).attribute(x, baselines, n_samples=6, stdevs=0.0, target=target)
    finally:
        attr._core.gradient_shap._scale_input = original
    ((baseline, share),) = seen
    saved["gradient-shap/baselines"] = baseline.contiguous()
    saved["gradient-shap/alphas"] = share.reshape(-1).contiguous()
    return result


def main() -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    saved = {}
    with torch.no_grad():
        net, dense = spread(classifier()), spread(segmenter())
    x = torch.randn(1, *SHAPE)
    saved["input"] = x
    saved |= {f"classifier/{name}": t for name, t in net.state_dict().items()}
    saved |= {f"segmenter/{name}": t for name, t in dense.state_dict().items()}
    saved["output"] = net(x).detach()
    baseline = torch.full_like(x, -0.5)
    saved["baseline"] = baseline
    for target in range(CLASSES):
        for name, method in CAMS.items():
            for number in (4, 7):
                saved[f"{name}/{number}/{target}"] = grad_cam(method, net, net[number], x, ClassifierOutputTarget(target))
        saved[f"saliency/{target}"] = attr.Saliency(net).attribute(x.clone(), target=target)
        saved[f"guided-backprop/{target}"] = attr.GuidedBackprop(net).attribute(x.clone(), target=target)
        integrated = attr.IntegratedGradients(net).attribute(x, baseline, target=target, n_steps=20)
        saved[f"integrated-gradients/{target}"] = integrated.float()
        for window, stride in ((5, 3), (7, 7)):
            saved[f"occlusion/{window}/{stride}/{target}"] = attr.Occlusion(net).attribute(
                x, (3, window, window), strides=(3, stride, stride), baselines=baseline, target=target
            )
    deep = classifier()
    deep.load_state_dict(net.state_dict())
    # Captum's attributions do not sum to the difference where a MaxPool2d comes between: a mean in its place shows the rule.
    deep[3] = nn.AvgPool2d(2)
    saved["deep-lift/1"] = attr.DeepLift(deep.eval()).attribute(x, baseline, target=1)
    saved["smooth-grad/2"] = noisy(x, saved, net, 2)
    saved["gradient-shap/1"] = shap(x, saved, net, 1)

    predicted = dense(x)[0].argmax(0)
    for target in predicted.unique().tolist():
        mask = (predicted == target).float().numpy()
        target_of = SemanticSegmentationTarget(target, mask)
        for name, method in CAMS.items():
            saved[f"segmentation/{name}/{target}"] = grad_cam(method, dense, dense[2], x, target_of)

    torch.manual_seed(8)
    with torch.no_grad():
        boxes = spread(detector())
    saved |= {f"detector/{name}": t for name, t in boxes.state_dict().items()}
    rows = boxes(x)[0].detach()
    for target in range(CLASSES):
        place = int((rows[:, target].sigmoid() * rows[:, CLASSES + 4].sigmoid()).argmax())
        target_of = ObjectScore(place, target)
        saved[f"detection/score/{target}"] = target_of(rows).reshape(1)
        for name, method in CAMS.items():
            saved[f"detection/{name}/{target}"] = grad_cam(method, boxes, boxes[2], x, target_of)
    saved = {name: (t.detach() if t.dtype == torch.int64 else t.detach().float()).contiguous().clone() for name, t in saved.items()}
    PATH.parent.mkdir(parents=True, exist_ok=True)
    save_file(saved, PATH)
    print(f"{PATH.relative_to(ROOT)}: {len(saved)} tensors, {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
