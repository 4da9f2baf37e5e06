"""Networks for detection and segmentation, and the loss of a detector. See make_fixtures.py."""

import torch
from torchvision.ops import box_iou

import dense_nets
from dense_loss import IGNORED, Places, assign, candidates, detection_loss
from dense_nets import BOX_VALUES
from fixture_file import File, integers, uniform
from fixture_nets import hashed
from fixture_zoo import checksum, fill, initial_values, multiply_adds, running_sums, sampled

CLASSES = 5

# Odd sides, of which no stride is a divisor.
NETWORKS = [
    ("unet 8 3", [3, 3, 50, 37]),
    ("resnet18 + unet 4", [3, 3, 75, 50]),
    ("efficientnet-lite0 + unet 4", [3, 3, 49, 66]),
    ("mobilenet-v2 + fpn 16", [3, 3, 66, 81]),
    ("efficientnet-lite0 + deeplab 16", [3, 3, 81, 97]),
    ("mobilenet-v2 + fpn 16 5 + fcos 1", [3, 3, 130, 98]),
    ("efficientnet-lite0 + fpn 24 + fcos 3", [3, 3, 97, 70]),
]


def networks(file: File) -> None:
    """As in fixture_zoo, of which the outputs are sampled too."""
    for text, shape in NETWORKS:
        torch.manual_seed(0)
        net = dense_nets.without_chance(dense_nets.build(text, CLASSES))
        facts = {"initial": initial_values(net)}
        fill(net)
        state = [[key, list(value.shape)] for key, value in net.state_dict().items()]
        facts |= {
            "input": shape,
            "parameters": sum(p.numel() for p in net.parameters()),
            "multiply_adds": multiply_adds(net.eval(), [1, 3, 224, 224]),
            "checksum": checksum([f"{key} {size}" for key, size in state]),
        }
        tensors = {}
        net = net.double()
        for mode in ["eval", "train"]:
            net.train(mode == "train")
            x = hashed(0, shape).double().requires_grad_()
            output = net(x)
            (grad,) = torch.autograd.grad(output, x, hashed(0x10000, list(output.shape)).double())
            facts["output"] = list(output.shape)
            sampled(tensors, f"{mode}.output", output)
            sampled(tensors, f"{mode}.grad", grad)
        tensors["train.running"] = running_sums(net)
        file.add(text, "dense", facts, tensors)


def objects(n: int, size: list[int], least: float, most: float, classes: int) -> torch.Tensor:
    """Rows of a class, a box whose edges are multiples of a quarter, as f32 holds exactly, and 0."""
    height, width = size
    side = torch.tensor([width, height] * 2)
    start = uniform([n, 2], 0, 1) * side[:2]
    boxes = torch.cat([start, start + uniform([n, 2], least, most)], 1)
    boxes = (boxes.minimum(side) * 4).round() / 4
    boxes[:, :2] = torch.minimum(boxes[:, :2], boxes[:, 2:] - 0.25)
    return torch.cat([integers([n, 1], 0, classes).float(), boxes, torch.zeros(n, 1)], 1)


def is_clear(places: Places, rows: torch.Tensor) -> bool:
    """Whether rounding does not decide what a place learns."""
    boxes = rows[rows[:, 5] == 0, 1:5]
    if len(boxes) == 0:
        return True
    near = candidates(places, boxes)
    overlaps = box_iou(boxes, places.squares)
    of_near = overlaps.gather(1, near)
    threshold = of_near.mean(1, keepdim=True) + of_near.std(1, keepdim=True)
    wanted = torch.zeros_like(overlaps).scatter(1, near, torch.where(of_near >= threshold, of_near, 0.0))
    best, second = wanted.sort(0, descending=True).values[:2] if len(boxes) > 1 else (wanted[0], 0 * wanted[0])
    return bool(((of_near - threshold).abs() > 1e-5).all() and ((best - second > 1e-6) | (second == 0)).all())


def detection_losses(file: File) -> None:
    """The loss of outputs that are stream 1 of `hashed`, times `scale`, and its gradient. `targets` `[n, most, 6]` as a batch has them; class −1 fills up."""
    cases = [
        # Name, height and width, strides, scale, and for each image how many objects, of which sides, and how many of them teach nothing.
        ("objects", [64, 96], [8, 16, 32], 2.0, [(5, 8, 60, 0), (0, 1, 2, 0), (3, 20, 90, 0)]),
        ("crowds", [64, 96], [8, 16, 32], 2.0, [(6, 8, 60, 2), (2, 10, 50, 2), (4, 10, 60, 1)]),
        ("small", [48, 64], [8, 16, 32], 1.0, [(12, 0.5, 6, 0), (40, 1, 12, 3)]),
        ("thin", [75, 50], [8, 16, 32, 64], 4.0, [(7, 0.5, 70, 0), (5, 2, 40, 1)]),
        ("large", [130, 100], [8, 16, 32, 64, 128], 12.0, [(4, 60, 130, 0)]),
        ("nothing", [40, 33], [8, 16, 32], 2.0, [(0, 1, 2, 0), (1, 10, 30, 1)]),
    ]
    for name, size, strides, scale, images in cases:
        places = Places(size, strides, torch.float64)
        rows = []
        for n, least, most, flagged in images:
            while True:
                of_image = objects(n, size, least, most, CLASSES)
                of_image[:flagged, 5] = torch.arange(flagged) % 2 + 1
                if is_clear(places, of_image.double()):
                    break
            rows.append(of_image)
        targets = torch.full([len(rows), max(map(len, rows)), 6], -1.0)
        for target, of_image in zip(targets, rows):
            target[: len(of_image)] = of_image
        shape = [len(rows), len(places.centres), CLASSES + BOX_VALUES]
        outputs = (hashed(1, shape) * scale).double().requires_grad_()
        loss = detection_loss(outputs, [r.double() for r in rows], places)
        (grad,) = torch.autograd.grad(loss, outputs)
        assigned = [assign(places, r[:, 1:5].double(), r[:, 5] > 0) for r in rows]
        counts = [[int((a >= 0).sum()), int((a == IGNORED).sum())] for a in assigned]
        args = {"size": size, "strides": strides, "scale": scale, "output": shape, "learners_and_ignored": counts}
        file.add(name, "detection_loss", args, {"targets": targets, "loss": loss, "grad": grad})
