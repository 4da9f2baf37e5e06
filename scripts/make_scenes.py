#!/usr/bin/env python3
"""Makes scenes of shapes on photographs, with exact boxes and masks: data for detection and segmentation.

    scripts/make_scenes.py DIR [--images 600] [--side 224] [--seed 0] [--photos FOLDER]

DIR/detection is a Pascal VOC folder, DIR/segmentation has images and masks under train, val and test, and classes.csv. The classes are the shapes: circle, square,
triangle and star; a scene has 3 to 8 of them, which may hide a part of each other. Four sixths of the scenes are for training, one sixth each for validation and the
test. Photographs are those of the folder, or those that the Python packages scikit-image and scikit-learn bring along. Needs numpy and Pillow.
"""

import argparse
import importlib.util
import math
import pathlib
import random
import xml.etree.ElementTree as ET

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ["circle", "square", "triangle", "star"]
# Boxes are of what can be seen; a shape of which less is left is not annotated, and another one is drawn.
LEAST_VISIBLE = 0.5
# Shapes are drawn so many times as large and scaled down, so that their edges are smooth.
FINE = 4
ENDINGS = {".jpg", ".jpeg", ".png"}
# Files of these packages that are no photographs.
DRAWINGS = {"chessboard_RGB", "color", "logo", "page", "phantom"}


def photographs(folder: pathlib.Path | None) -> list[Image.Image]:
    """Colour photographs, at least as large as a scene on both sides once they are scaled."""
    if folder:
        folders = [folder]
    else:
        specs = [importlib.util.find_spec(name) for name in ("skimage", "sklearn")]
        roots = [pathlib.Path(spec.origin).parent for spec in specs if spec and spec.origin]
        folders = [root / inner for root in roots for inner in ("data", "datasets/images") if (root / inner).is_dir()]
    files = sorted(file for folder in folders for file in folder.iterdir() if file.suffix.lower() in ENDINGS and file.stem not in DRAWINGS)
    images = [Image.open(file) for file in files]
    images = [image.convert("RGB") for image in images if image.mode == "RGB" and min(image.size) >= 200]
    if not images:
        raise SystemExit("no photographs: install scikit-image or scikit-learn, or name a folder with --photos")
    return images


def background(rng: random.Random, photos: list[Image.Image], side: int) -> Image.Image:
    """A random part of a photograph, darker, so that shapes can be told from it."""
    photo = rng.choice(photos)
    part = rng.uniform(0.5, 1.0) * min(photo.size)
    left, top = (rng.uniform(0, length - part) for length in photo.size)
    image = photo.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + part, top + part))
    return image.point(lambda v: int(v * 0.6))


def outline(kind: str, x: float, y: float, reach: float, turn: float) -> list[tuple[float, float]]:
    corners = {"circle": 64, "square": 4, "triangle": 3, "star": 10}[kind]
    reaches = [reach * (0.45 if kind == "star" and i % 2 else 1.0) for i in range(corners)]
    angles = [turn + 2 * math.pi * i / corners for i in range(corners)]
    return [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in zip(reaches, angles)]


def drawn(points: list[tuple[float, float]], side: int) -> np.ndarray:
    """How much of each pixel lies in the outline."""
    fine = Image.new("L", (side * FINE, side * FINE))
    ImageDraw.Draw(fine).polygon([(x * FINE, y * FINE) for x, y in points], fill=255)
    return np.asarray(fine.resize((side, side), Image.Resampling.BOX), dtype=np.float32) / 255


def scene(rng: random.Random, photos: list[Image.Image], side: int) -> tuple[Image.Image, np.ndarray, list]:
    """An image, the class of each pixel (0 is the background), and the class and box of each shape."""
    while True:
        pixels = np.asarray(background(rng, photos, side), dtype=np.float32).copy()
        owners = np.zeros((side, side), dtype=np.int32)
        shapes = []
        for number in range(1, rng.randint(3, 8) + 1):
            kind = rng.choice(CLASSES)
            reach = rng.uniform(side / 18, side / 6)
            x, y = (rng.uniform(reach, side - reach) for _ in range(2))
            cover = drawn(outline(kind, x, y, reach, rng.uniform(0, 2 * math.pi)), side)
            colour = np.array([rng.randrange(90, 256) for _ in range(3)], dtype=np.float32)
            pixels += cover[:, :, None] * (colour - pixels)
            owners[cover >= 0.5] = number
            shapes.append((kind, int((cover >= 0.5).sum())))
        objects = []
        mask = np.zeros((side, side), dtype=np.uint8)
        for number, (kind, area) in enumerate(shapes, 1):
            rows, columns = np.nonzero(owners == number)
            if len(rows) < LEAST_VISIBLE * area:
                break
            mask[rows, columns] = CLASSES.index(kind) + 1
            objects.append((kind, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)))
        else:
            return Image.fromarray(pixels.round().astype(np.uint8)), mask, objects


def annotation(name: str, side: int, objects: list) -> bytes:
    root = ET.Element("annotation")
    ET.SubElement(root, "filename").text = name
    size = ET.SubElement(root, "size")
    for key, value in (("width", side), ("height", side), ("depth", 3)):
        ET.SubElement(size, key).text = str(value)
    for kind, box in objects:
        entry = ET.SubElement(root, "object")
        ET.SubElement(entry, "name").text = kind
        bounds = ET.SubElement(entry, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box):
            ET.SubElement(bounds, key).text = str(value)
    return ET.tostring(root)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=pathlib.Path)
    args = parser.parse_args()
    rng, photos = random.Random(args.seed), photographs(args.photos)
    voc, pairs = args.dir / "detection", args.dir / "segmentation"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (voc / folder).mkdir(parents=True, exist_ok=True)
    splits = {"train": [], "val": [], "test": []}
    for i in range(args.images):
        split = {4: "val", 5: "test"}.get(i % 6, "train")
        image, mask, objects = scene(rng, photos, args.side)
        stem = f"scene{i:05}"
        splits[split].append(stem)
        image.save(voc / "JPEGImages" / f"{stem}.jpg", quality=92)
        (voc / "Annotations" / f"{stem}.xml").write_bytes(annotation(f"{stem}.jpg", args.side, objects))
        for folder in ("images", "masks"):
            (pairs / split / folder).mkdir(parents=True, exist_ok=True)
        image.save(pairs / split / "images" / f"{stem}.jpg", quality=92)
        Image.fromarray(mask).save(pairs / split / "masks" / f"{stem}.png")
    for split, stems in splits.items():
        (voc / "ImageSets/Main" / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    names = ["background", *CLASSES]
    (pairs / "classes.csv").write_text("name,value\n" + "".join(f"{name},{value}\n" for value, name in enumerate(names)))


if __name__ == "__main__":
    main()
