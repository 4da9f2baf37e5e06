"""Images with objects or masks for PyTorch, prepared and changed at random as Striate's recipes for detection and segmentation say."""

import csv
import pathlib
import xml.etree.ElementTree as ET

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

VOID = -100
# What a box must keep of its area, and its sides in pixels, or it is dropped.
LEAST_VISIBLE, LEAST_SIDE = 0.3, 1.0
SPLITS = ["train", "val", "test"]
NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
IMAGES = ["jpegimages", "images", "image", "imgs", "img"]
MASKS = ["masks", "mask", "labels", "label", "annotations", "segmentationclass", "gt"]
ENDINGS = [".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"]


class Sample:
    """A decoded image, and its objects (rows of class, left, top, right, bottom, 2 if difficult) or the classes of its pixels."""

    def __init__(self, image: Image.Image, objects: torch.Tensor | None = None, mask: Image.Image | None = None) -> None:
        self.image, self.objects, self.mask = image, objects, mask


def opened(path: pathlib.Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def images_of(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS)


def voc(folder: pathlib.Path) -> tuple[dict[str, list[Sample]], list[str]]:
    """A Pascal VOC folder: Annotations, JPEGImages and ImageSets/Main."""
    sets = {name: folder / "ImageSets" / "Main" / f"{name}.txt" for name in SPLITS}
    images = {p.stem: p for p in images_of(folder / "JPEGImages")}
    read: dict[str, list] = {}
    for split, path in sets.items():
        if path.exists():
            names = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
            read[split] = [(images[name], boxes_of(folder / "Annotations" / f"{name}.xml")) for name in names]
    classes = sorted({name for of in read.values() for _, boxes in of for name, *_ in boxes})
    number = {name: i for i, name in enumerate(classes)}
    rows = lambda boxes: torch.tensor([[number[name], *rest] for name, *rest in boxes], dtype=torch.float32).reshape(-1, 6)  # noqa: E731
    return {split: [Sample(opened(path), rows(boxes)) for path, boxes in of] for split, of in read.items()}, classes


def boxes_of(path: pathlib.Path) -> list[tuple]:
    """Those that have an area."""
    boxes = []
    for element in ET.parse(path).getroot().iter("object"):
        edges = [float(element.findtext(f"bndbox/{name}")) for name in ["xmin", "ymin", "xmax", "ymax"]]
        if edges[2] > edges[0] and edges[3] > edges[1]:
            boxes.append((element.findtext("name").strip(), *edges, 2.0 * (element.findtext("difficult", "0").strip() == "1")))
    return boxes


def masks(folder: pathlib.Path, run_list: pathlib.Path | None) -> tuple[dict[str, list[Sample]], list[str]]:
    """Images and masks of the same names in two folders. Splits are those of the list of a run of Striate, else those of ImageSets/Segmentation, else folders."""
    found: dict[str, dict[tuple, pathlib.Path]] = {"image": {}, "mask": {}}
    for path in images_of(folder):
        parts = [part.lower() for part in path.relative_to(folder).parts[:-1]]
        for at in reversed(range(len(parts))):
            role = "image" if parts[at] in IMAGES else "mask" if parts[at] in MASKS else None
            if role:
                found[role][(*parts[:at], *parts[at + 1 :], path.stem)] = path
                break
    pairs = {key: (path, found["mask"][key]) for key, path in found["image"].items() if key in found["mask"]}
    if not pairs:
        raise SystemExit(f"{folder}: no images with masks of the same names, in folders such as images and masks")
    of_image = splits_of(folder, run_list)
    chosen = {split: [] for split in SPLITS}
    for key, pair in sorted(pairs.items()):
        by_folder = [NAMES[part] for part in key[:-1] if part in NAMES]
        split = of_image(pair[0]) if of_image else by_folder[0] if by_folder else None
        if split:
            chosen[split].append(pair)
    values = [np.asarray(mask_of(mask)) for of in chosen.values() for _, mask in of]
    kept = sorted(set().union(*(np.unique(v).tolist() for v in values)))
    void = 255 in kept and kept != [0, 255]
    kept = [v for v in kept if not (void and v == 255)]
    table = np.full(256, 255, np.uint8)
    table[kept] = np.arange(len(kept))
    sample = lambda image, mask: Sample(opened(image), mask=Image.fromarray(table[np.asarray(mask_of(mask))]))  # noqa: E731
    return {split: [sample(*pair) for pair in of] for split, of in chosen.items() if of}, [str(v) for v in kept]


def mask_of(path: pathlib.Path) -> Image.Image:
    with Image.open(path) as mask:
        return mask.copy() if mask.mode in ["L", "P"] else mask.convert("L")


def splits_of(folder: pathlib.Path, run_list: pathlib.Path | None):
    """The split of an image by its path, if a list says so."""
    if run_list:
        with run_list.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["path"]]
        known = {(folder / row["path"]).resolve(): row["split"] for row in rows}
        return lambda path: known.get(path.resolve())
    files = {name: folder / "ImageSets" / "Segmentation" / f"{name}.txt" for name in SPLITS}
    known = {line.strip(): split for split, path in files.items() if path.exists() for line in path.read_text().splitlines()}
    return (lambda path: known.get(path.stem)) if known else None


def mean_and_deviation(samples: list[Sample]) -> tuple[list[float], list[float]]:
    """Of each channel, every image with the same weight."""
    moments = np.zeros([2, 3])
    for sample in samples:
        values = np.asarray(sample.image, np.float64).reshape(-1, 3) / 255
        moments += [values.mean(0), np.square(values).mean(0)]
    mean, square = moments / len(samples)
    return mean.tolist(), np.sqrt(square - mean**2).tolist()


class Prepared(torch.utils.data.Dataset):
    """Images in the middle of a square of `size` pixels with a border; or, with the words of a recipe's `augment`, changed at random."""

    def __init__(self, samples: list[Sample], size: int, border: list[int], augment: str = "") -> None:
        self.samples, self.size, self.border = samples, size, tuple(border)
        self.scale, self.flip, self.vflip, self.jitter = None, 0.0, 0.0, None
        for word, *numbers in (step.split() for step in augment.split(",") if step.strip()):
            numbers = [float(n) for n in numbers]
            if word == "scale-jitter":
                self.scale = numbers
            elif word == "flip":
                self.flip = numbers[0] if numbers else 0.5
            elif word == "vflip":
                self.vflip = numbers[0] if numbers else 0.5
            elif word == "jitter":
                self.jitter = v2.ColorJitter(*numbers)
            else:
                raise SystemExit(f"the recipe changes images by '{word}', which is not among scale-jitter, flip, vflip and jitter")
        self.is_training = bool(augment)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        sample, side = self.samples[index], self.size
        width, height = sample.image.size
        scale = min(side / width, side / height)
        w, h = [min(max(round(n * scale), 1), side) for n in (width, height)]
        if self.scale:
            factor = torch.empty(1).uniform_(*self.scale).item()
            w, h = max(round(w * factor), 1), max(round(h * factor), 1)
            left, top = [self.place(n) for n in (w, h)]
        else:
            left, top = (side - w) // 2, (side - h) // 2
        seen = [max(left, 0), max(top, 0), min(left + w, side), min(top + h, side)]
        part = [(x - at) * whole / scaled for x, at, whole, scaled in zip(seen, [left, top] * 2, [width, height] * 2, [w, h] * 2)]
        part = [min(x, whole) for x, whole in zip(part, [width, height] * 2)]
        to = (seen[2] - seen[0], seen[3] - seen[1])
        image = Image.new("RGB", (side, side), self.border)
        image.paste(sample.image.resize(to, Image.BILINEAR, part), seen[:2])
        flip = self.is_training and torch.rand(1).item() < self.flip
        if flip:
            image = image.transpose(Image.FLIP_LEFT_RIGHT)
        vflip = self.is_training and torch.rand(1).item() < self.vflip
        if vflip:
            image = image.transpose(Image.FLIP_TOP_BOTTOM)
        if self.jitter:
            image = self.jitter(image)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        if sample.mask is not None:
            mask = Image.new("L", (side, side), 255)
            mask.paste(sample.mask.resize(to, Image.NEAREST, part), seen[:2])
            mask = torch.from_numpy(np.array(mask)).long()
            mask = torch.where(mask == 255, VOID, mask)
            return pixels, mask.flip([axis for axis, flipped in [(0, vflip), (1, flip)] if flipped])
        boxes = sample.objects[:, 1:5] * torch.tensor([w / width, h / height] * 2) + torch.tensor([left, top] * 2)
        objects = torch.cat([sample.objects[:, :1], boxes, sample.objects[:, 5:]], 1)
        if self.is_training:
            objects = visible(objects, seen)
        if flip:
            objects[:, [1, 3]] = side - objects[:, [3, 1]]
        if vflip:
            objects[:, [2, 4]] = side - objects[:, [4, 2]]
        return pixels, objects

    def place(self, scaled: int) -> int:
        """Where an image begins that is so wide or high."""
        spare = int(torch.randint(0, abs(self.size - scaled) + 1, [1]))
        return -spare if scaled > self.size else spare


def area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[:, 2] - boxes[:, 0]).clamp(min=0) * (boxes[:, 3] - boxes[:, 1]).clamp(min=0)


def visible(objects: torch.Tensor, window: list[int]) -> torch.Tensor:
    """Boxes as far as they lie in a window, without those of which too little does."""
    boxes, window = objects[:, 1:5], torch.tensor(window, dtype=torch.float32)
    inside = boxes.maximum(window[[0, 1, 0, 1]]).minimum(window[[2, 3, 2, 3]])
    sides = inside[:, 2:] - inside[:, :2]
    kept = (area(inside) >= LEAST_VISIBLE * area(boxes)) & (sides >= LEAST_SIDE).all(1)
    return torch.cat([objects[:, :1], inside, objects[:, 5:]], 1)[kept]


def collate(items: list[tuple]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    images, targets = zip(*items)
    return torch.stack(images), list(targets)
