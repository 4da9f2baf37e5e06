#!/usr/bin/env python3
"""Makes images of squares and circles, and a table that counts them: data for multi-label and regression.

    scripts/make_shapes.py DIR [--images 600] [--side 64] [--seed 0]

DIR/shapes.csv has the columns path, labels (square;circle), squares, circles and split. Needs Python alone.
"""

import argparse
import csv
import pathlib
import random
import struct
import zlib

MOST = 4


def png(pixels: bytearray, side: int) -> bytes:
    """An RGB image of side × side pixels as a PNG file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(pixels[y * side * 3 : (y + 1) * side * 3]) for y in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def place(rng: random.Random, side: int, taken: list) -> tuple:
    """A middle and a reach that keep clear of the shapes that are there."""
    while True:
        reach = rng.uniform(side / 16, side / 9)
        x, y = (rng.uniform(reach + 1, side - reach - 1) for _ in range(2))
        if all(max(abs(x - u), abs(y - v)) > reach + r + 1 for u, v, r in taken):
            taken.append((x, y, reach))
            return x, y, reach


def draw(rng: random.Random, side: int, counts: dict) -> bytearray:
    """Shapes of random colour on noise around a random colour."""
    ground = [rng.randrange(40, 120) for _ in range(3)]
    pixels = bytearray(min(255, max(0, ground[i % 3] + rng.randrange(-15, 16))) for i in range(side * side * 3))
    taken = []
    for kind, count in counts.items():
        for _ in range(count):
            x, y, reach = place(rng, side, taken)
            colour = [rng.randrange(150, 256) for _ in range(3)]
            for v in range(int(y - reach), int(y + reach) + 2):
                for u in range(int(x - reach), int(x + reach) + 2):
                    inside = max(abs(u - x), abs(v - y)) <= reach if kind == "squares" else (u - x) ** 2 + (v - y) ** 2 <= reach**2
                    if inside and 0 <= u < side and 0 <= v < side:
                        pixels[(v * side + u) * 3 : (v * side + u) * 3 + 3] = bytes(colour)
    return pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    (args.dir / "images").mkdir(parents=True, exist_ok=True)
    with open(args.dir / "shapes.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "labels", "squares", "circles", "split"])
        for i in range(args.images):
            counts = {kind: rng.randrange(MOST + 1) for kind in ("squares", "circles")}
            name = f"images/{i:05}.png"
            (args.dir / name).write_bytes(png(draw(rng, args.side, counts), args.side))
            labels = ";".join(kind[:-1] for kind, count in counts.items() if count)
            split = "test" if i % 10 == 9 else "val" if i % 10 >= 8 else "train"
            table.writerow([name, labels, counts["squares"], counts["circles"], split])
    print(f"{args.dir / 'shapes.csv'}: {args.images} images")


if __name__ == "__main__":
    main()
