#!/usr/bin/env python3
"""Writes images with some labels exchanged for others, and compares suspected label errors with those.

    python3 scripts/plant_label_errors.py write DIR [--images 20000] [--fraction 0.03] [--seed 0]
    python3 scripts/plant_label_errors.py measure DIR SUSPECTS.csv

`write` takes training images of the built-in MNIST and writes them as PNG files with a manifest, DIR/images.csv, and the names of those whose label was exchanged, DIR/planted.csv.
`measure` reads what `striate label-errors --csv` wrote, and prints precision and recall.
"""

import argparse
import csv
import gzip
import pathlib
import random
import struct
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIDE = 28


def read(name: str) -> bytes:
    file = next((ROOT / "data/mnist").glob(f"{name}*"))
    return gzip.decompress(file.read_bytes())


def png(pixels: bytes) -> bytes:
    """A grey image of SIDE×SIDE."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + pixels[y * SIDE : (y + 1) * SIDE] for y in range(SIDE))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def write(args) -> None:
    pixels, labels = read("train-images")[16:], read("train-labels")[8:]
    rng = random.Random(args.seed)
    images = args.directory / "images"
    images.mkdir(parents=True, exist_ok=True)
    with open(args.directory / "images.csv", "w", newline="") as rows, open(args.directory / "planted.csv", "w", newline="") as wrong:
        manifest, planted = csv.writer(rows), csv.writer(wrong)
        manifest.writerow(["path", "label"])
        planted.writerow(["image", "label", "actual"])
        for i in range(args.images):
            name = f"images/{i:05}.png"
            (args.directory / name).write_bytes(png(pixels[i * SIDE * SIDE : (i + 1) * SIDE * SIDE]))
            actual = label = labels[i]
            if rng.random() < args.fraction:
                label = (actual + rng.randrange(1, 10)) % 10
                planted.writerow([name, label, actual])
            manifest.writerow([name, label])


def measure(args) -> None:
    with open(args.directory / "planted.csv") as file:
        planted = {row["image"]: row["actual"] for row in csv.DictReader(file)}
    with open(args.suspects) as file:
        suspects = list(csv.DictReader(file))
    found = [row for row in suspects if row["image"] in planted]
    right = sum(row["suggested"] == planted[row["image"]] for row in found)
    best = suspects[: len(planted)]
    print(f"{len(planted)} planted, {len(suspects)} suspected, {len(found)} of them planted")
    print(f"precision {len(found) / max(len(suspects), 1):.1%}, recall {len(found) / max(len(planted), 1):.1%}, suggested class right {right / max(len(found), 1):.1%}")
    print(f"precision of the first {len(best)}: {sum(row['image'] in planted for row in best) / max(len(best), 1):.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("write")
    one.add_argument("directory", type=pathlib.Path)
    one.add_argument("--images", type=int, default=20_000)
    one.add_argument("--fraction", type=float, default=0.03)
    one.add_argument("--seed", type=int, default=0)
    two = verbs.add_parser("measure")
    two.add_argument("directory", type=pathlib.Path)
    two.add_argument("suspects", type=pathlib.Path)
    args = parser.parse_args()
    write(args) if args.verb == "write" else measure(args)


if __name__ == "__main__":
    main()
