"""The cases of the losses of boxes and of segmentations. See make_fixtures.py."""

import torch
import torch.nn.functional as F
from torchvision.ops import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss

from fixture_file import File, integers, normal, uniform
from fixture_losses import focal, label, reduced

BOXES = {"giou_loss": generalized_box_iou_loss, "diou_loss": distance_box_iou_loss, "ciou_loss": complete_box_iou_loss}


def dense_losses(file: File) -> None:
    boxes(file)
    classes_of_pixels(file)
    overlaps(file)


def corners(n: int, size: float) -> torch.Tensor:
    start = uniform([n, 2], 0, size)
    return torch.cat([start, start + uniform([n, 2], 0.5, size)], 1)


def boxes(file: File) -> None:
    # Equal boxes, one inside the other, with a common edge, apart, and with a common corner.
    a = torch.tensor([[0, 0, 4, 2], [0, 0, 8, 8], [0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 2, 2.0]])
    b = torch.tensor([[0, 0, 4, 2], [2, 3, 4, 4], [2, 0, 4, 2], [5, 6, 7, 9], [2, 2, 3, 5.0]])
    for op, function in BOXES.items():
        for reduction, n in [("mean", 17), ("sum", 3), ("none", 9)]:
            for weighted in [False, True]:
                inputs = {"input": corners(n, 8), "target": corners(n, 8)}
                if weighted:
                    inputs["weight"] = uniform([n], 0, 2)

                def call(t, reduction, function=function):
                    return reduced(function(t["input"], t["target"]) * t.get("weight", 1), reduction)

                args = {"reduction": reduction}
                file.case(label(op, [n, 4], {**args, "w": int(weighted)}), op, inputs, args, call)
        inputs = {"input": a, "target": b}
        file.case(f"{op}_edges", op, inputs, {"reduction": "none"}, lambda t, f=function, **_: f(t["input"], t["target"]))
        pixels = {"input": corners(9, 300) + 1000, "target": corners(9, 300) + 1000}
        file.case(f"{op}_large", op, pixels, {"reduction": "none"}, lambda t, f=function, **_: f(t["input"], t["target"]))


def classes_of_pixels(file: File) -> None:
    """Cross-entropy and the focal loss of maps, part of which is void."""
    for reduction, x in [("mean", [2, 3, 5, 7]), ("sum", [1, 2, 3, 1]), ("none", [2, 4, 3, 5])]:
        for weighted in [False, True]:
            target = integers([x[0], *x[2:]], 0, x[1])
            target[:, 0] = -100
            inputs = {"input": normal(x) * 3, "target": target}
            if weighted:
                inputs["weight"] = uniform([x[1]], 0.1, 2.0)
            args = {"reduction": reduction}
            call = lambda t, **a: F.cross_entropy(t["input"], t["target"], t.get("weight"), **a)
            file.case(label("cross_entropy", x, {**args, "w": int(weighted)}), "cross_entropy", inputs, args, call, only=["input"])

            def focal_of_counted(t, gamma, reduction, x=x):
                counted = t["target"] != -100
                at = {"input": t["input"], "target": t["target"].clamp(min=0), "weight": t.get("weight", torch.ones(x[1]).double())}
                losses = focal(at, gamma, "none") * counted
                return losses.sum() / counted.sum() if reduction == "mean" else reduced(losses, reduction)

            args = {"reduction": reduction, "gamma": 2.0}
            file.case(label("focal", x, {**args, "w": int(weighted)}), "focal", inputs, args, focal_of_counted, only=["input"])


def dice(t: dict, reduction: str, sigmoid: bool, smooth: float, ignore_index: int) -> torch.Tensor:
    """Milletari et al., 2016, without squares, summed over the batch."""
    x, target = t["input"], t["target"]
    p = torch.sigmoid(x) if sigmoid else torch.softmax(x, 1)
    counted = target != ignore_index
    one_hot = F.one_hot(torch.where(counted, target, 0), x.shape[1]).movedim(-1, 1) * counted[:, None]
    over = [d for d in range(x.dim()) if d != 1]
    both, either = (p * one_hot).sum(over), (p * counted[:, None]).sum(over) + one_hot.sum(over)
    return reduced(1 - (2 * both + smooth) / (either + smooth), reduction)


def lovasz_softmax(t: dict, ignore_index: int, all_classes: bool) -> torch.Tensor:
    """As in the code that Berman et al., 2018, published."""
    x, target = t["input"], t["target"].flatten()
    p = torch.softmax(x, 1).movedim(1, -1).reshape(-1, x.shape[1])
    counted = target != ignore_index
    p, target = p[counted], target[counted]
    losses = []
    for c in range(x.shape[1]):
        of_class = (target == c).double()
        if of_class.sum() == 0 and not all_classes:
            continue
        errors, order = torch.sort((of_class - p[:, c]).abs(), descending=True)
        sorted_class = of_class[order]
        intersection = sorted_class.sum() - sorted_class.cumsum(0)
        union = sorted_class.sum() + (1 - sorted_class).cumsum(0)
        jaccard = 1 - intersection / union
        jaccard[1:] = jaccard[1:] - jaccard[:-1].clone()
        losses.append(torch.dot(errors, jaccard))
    return torch.stack(losses).mean()


def overlaps(file: File) -> None:
    for reduction, x, ignored in [("mean", [2, 3, 5, 7], -100), ("sum", [3, 2], 1), ("none", [2, 4, 3, 5], 0), ("mean", [1, 2, 17, 1], 255)]:
        # No pixel is of the last class, and some are of none.
        target = integers([x[0], *x[2:]], 0, max(x[1] - 1, 1))
        target.flatten()[::5] = ignored
        inputs = {"input": normal(x) * 2, "target": target}
        for sigmoid, smooth in [(False, 1.0), (True, 0.5), (False, 0.0)]:
            args = {"reduction": reduction, "sigmoid": sigmoid, "smooth": smooth, "ignore_index": ignored}
            file.case(label("dice", x, args), "dice", inputs, args, dice, only=["input"])
        for all_classes in [False, True]:
            args = {"ignore_index": ignored, "all_classes": all_classes}
            file.case(label("lovasz", x, args), "lovasz", inputs, args, lovasz_softmax, only=["input"])
