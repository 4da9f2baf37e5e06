"""The loss of a detector of scripts/dense_nets.py: which places learn which object, as in ATSS (Zhang et al., 2020), and what FCOS (Tian et al., 2019) makes of it."""

import torch
import torch.nn.functional as F
from torchvision.ops import batched_nms, box_iou, generalized_box_iou_loss, sigmoid_focal_loss

from dense_nets import BOX_VALUES

# Places of each map that are looked at for an object.
CANDIDATES = 9
# The side of the square that stands for a place, in strides.
SIDE = 5
BOX_WEIGHT = 2
# The largest exponent of a distance.
MAX_EXPONENT = 8
BACKGROUND, IGNORED = -1, -2


class Places:
    """The middles of the pixels of a detector's maps for images of `[height, width]`: the finest map first, row by row."""

    def __init__(self, size: list[int], strides: list[int], dtype: torch.dtype = torch.float32) -> None:
        centres, scales, self.counts = [], [], []
        for stride in strides:
            y, x = [(torch.arange(-(-side // stride), dtype=dtype) + 0.5) * stride for side in size]
            y, x = torch.meshgrid(y, x, indexing="ij")
            centres.append(torch.stack([x.flatten(), y.flatten()], 1))
            self.counts.append(x.numel())
            scales.append(torch.full([x.numel()], stride, dtype=dtype))
        self.centres, self.strides = torch.cat(centres), torch.cat(scales)
        half = SIDE / 2 * self.strides[:, None]
        self.squares = torch.cat([self.centres - half, self.centres + half], 1)

    def decode(self, outputs: torch.Tensor, at=slice(None)) -> torch.Tensor:
        """The boxes `[.., 4]` that outputs at these places mean."""
        distances = outputs.clamp(max=MAX_EXPONENT).exp() * self.strides[at][:, None]
        centres = self.centres[at]
        return torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], -1)

    def distances(self, boxes: torch.Tensor, at=slice(None)) -> torch.Tensor:
        """To the left, top, right and bottom edge."""
        return torch.cat([self.centres[at] - boxes[..., :2], boxes[..., 2:] - self.centres[at]], -1)


def candidates(places: Places, boxes: torch.Tensor) -> torch.Tensor:
    """For each box the nearest places of each map to its middle, of those at the same distance the first: `[n, candidates]`."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    far = (places.centres - middles[:, None]).square().sum(2)
    begin, chosen = 0, []
    for count in places.counts:
        order = far[:, begin : begin + count].argsort(dim=1, stable=True)
        chosen.append(order[:, :CANDIDATES] + begin)
        begin += count
    return torch.cat(chosen, 1)


def assign(places: Places, boxes: torch.Tensor, ignored: torch.Tensor) -> torch.Tensor:
    """What each place learns: the number of a box, `BACKGROUND`, or `IGNORED` where nothing is to be learnt."""
    assigned = torch.full([len(places.centres)], BACKGROUND)
    inside = (places.distances(boxes[:, None]) > 0).all(2)
    assigned[inside[ignored].any(0)] = IGNORED
    numbers = (~ignored).nonzero().flatten()
    if len(numbers) == 0:
        return assigned
    boxes, inside = boxes[numbers], inside[numbers]
    near = candidates(places, boxes)
    overlaps = box_iou(boxes, places.squares)
    of_near = overlaps.gather(1, near)
    threshold = of_near.mean(1, keepdim=True) + of_near.std(1, keepdim=True)
    wanted = torch.zeros_like(inside).scatter(1, near, of_near >= threshold) & inside
    best, which = torch.where(wanted, overlaps, -1.0).max(0)
    assigned[best >= 0] = numbers[which[best >= 0]]
    learnt = set(assigned.tolist())
    for row, number in enumerate(numbers.tolist()):
        if number in learnt:
            continue
        # A box that no place would learn.
        free = near[row][assigned[near[row]] < 0]
        if len(free):
            far = (places.centres[free] - (boxes[row, :2] + boxes[row, 2:]) / 2).square().sum(1)
            nearest = far == far.min()
            assigned[free[nearest].min()] = number
    return assigned


def centerness(distances: torch.Tensor) -> torch.Tensor:
    a, b = distances[..., [0, 1]], distances[..., [2, 3]]
    least, most = torch.minimum(a, b).clamp(min=0), torch.maximum(a, b)
    return torch.where(most > 0, least / most, 0.0).prod(-1).sqrt()


def detection_loss(outputs: torch.Tensor, targets: list[torch.Tensor], places: Places) -> torch.Tensor:
    """Of outputs `[n, places, classes + 5]`. `targets`: for each image the rows class, left, top, right, bottom, and 1 for a crowd or 2 for a difficult object."""
    classes = outputs.shape[2] - BOX_VALUES
    assigned = torch.stack([assign(places, t[:, 1:5], t[:, 5] > 0) for t in targets])
    image, at = (assigned >= 0).nonzero(as_tuple=True)
    positive = len(image)
    truth = torch.stack([targets[i][assigned[i, p]] for i, p in zip(image.tolist(), at.tolist())]) if positive else None
    wanted = torch.zeros_like(outputs[..., :classes])
    if positive:
        wanted[image, at, truth[:, 0].long()] = 1
    focal = sigmoid_focal_loss(outputs[..., :classes], wanted, reduction="none")
    loss = focal[assigned != IGNORED].sum() / max(positive, 1)
    if not positive:
        return loss
    boxes, rows = truth[:, 1:5], outputs[image, at]
    central = centerness(places.distances(boxes, at))
    of_boxes = generalized_box_iou_loss(places.decode(rows[:, classes : classes + 4], at), boxes)
    of_boxes = (of_boxes * central).sum() / central.sum().clamp(min=torch.finfo(torch.float32).tiny)
    return loss + BOX_WEIGHT * of_boxes + F.binary_cross_entropy_with_logits(rows[:, -1], central)


def detections(outputs: torch.Tensor, places: Places, least: float = 0.05, iou: float = 0.6, most: int = 100) -> list[tuple]:
    """For each image boxes, scores and classes, the highest score first."""
    classes = outputs.shape[2] - BOX_VALUES
    boxes = places.decode(outputs[..., classes : classes + 4])
    scores = (outputs[..., :classes].sigmoid() * outputs[..., -1:].sigmoid()).sqrt()
    found = []
    for of_boxes, of_scores in zip(boxes, scores):
        at, of_class = (of_scores >= least).nonzero(as_tuple=True)
        score = of_scores[at, of_class]
        score, order = score.sort(descending=True, stable=True)
        score, order = score[:1000], order[:1000]
        box, of_class = of_boxes[at[order]], of_class[order]
        kept = batched_nms(box, score, of_class, iou)[:most]
        found.append((box[kept], score[kept], of_class[kept]))
    return found


def segmentation_loss(outputs: torch.Tensor, masks: torch.Tensor, smooth: float = 1.0) -> torch.Tensor:
    """Cross-entropy and Dice's loss (Milletari et al., 2016, without squares, over the batch) of logits `[n, classes, h, w]`. −100 is void."""
    counted = (masks != -100)[:, None]
    p = torch.softmax(outputs, 1)
    one_hot = torch.zeros_like(p).scatter(1, masks.clamp(min=0)[:, None], 1.0) * counted
    both = (p * one_hot).sum([0, 2, 3])
    either = (p * counted).sum([0, 2, 3]) + one_hot.sum([0, 2, 3])
    dice = 1 - (2 * both + smooth) / (either + smooth)
    return F.cross_entropy(outputs, masks) + dice.mean()
