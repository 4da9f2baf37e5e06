"""Writes crates/data/tests/fixtures/coco_masks.json: polygons, and the runs that pycocotools fills them with.

    pip install pycocotools==2.0.11 numpy && python scripts/fixture_masks.py
"""

import json
import math
import pathlib
import random

import numpy as np
from pycocotools import mask as coco

OUT = pathlib.Path(__file__).parent.parent / "crates/data/tests/fixtures/coco_masks.json"


def uncompressed(text):
    """The counts of a compressed run-length encoding."""
    counts, i = [], 0
    while i < len(text):
        x, k, more = 0, 0, True
        while more:
            c = text[i] - 48
            x |= (c & 0x1F) << 5 * k
            more = bool(c & 0x20)
            i += 1
            k += 1
            if not more and c & 0x10:
                x |= -1 << 5 * k
        if len(counts) > 2:
            x += counts[-2]
        counts.append(x)
    return counts


def polygons(rng, size):
    h, w = size
    yield [0.0, 0.0, w, 0.0, w, h, 0.0, h]
    yield [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    yield [0.5, 0.5, w - 0.5, 0.5, w / 2, h - 0.5]
    yield [-3.0, -2.5, w + 4.25, 1.5, w / 2, h + 9.0]
    yield [w / 2, -1000.0, w + 2000.0, h / 2, w / 2, h + 3000.0, -4000.0, h / 3]
    for _ in range(30):
        n = rng.randint(3, 12)
        spread = rng.choice([0.3, 1.0, 1.6])
        yield [round((0.5 + spread * (rng.random() - 0.5)) * side, 2) for _ in range(n) for side in (w, h)]
    # A star, whose edges cross.
    points = [(math.cos(4 * math.pi * i / 5), math.sin(4 * math.pi * i / 5)) for i in range(5)]
    yield [v for x, y in points for v in (w / 2 + x * w / 2, h / 2 + y * h / 2)]


def main():
    rng, cases = random.Random(7), []
    for size in [(1, 1), (2, 7), (13, 5), (24, 31), (64, 48)]:
        h, w = size
        for polygon in polygons(rng, size):
            rle = coco.merge(coco.frPyObjects([polygon], h, w))
            area = int(coco.decode(rle).sum())
            text = rle["counts"]
            case = {"size": size, "polygon": polygon, "text": text.decode(), "counts": uncompressed(text), "area": area}
            case["bbox"] = coco.toBbox(rle).tolist()
            again = coco.frPyObjects({"size": size, "counts": case["counts"]}, h, w)
            assert (coco.decode(again) == coco.decode(rle)).all()
            cases.append(case)
    # Several polygons of one object.
    two = [[1.0, 1.0, 9.0, 1.0, 9.0, 9.0, 1.0, 9.0], [5.0, 5.0, 20.0, 6.0, 12.0, 18.0]]
    rle = coco.merge(coco.frPyObjects(two, 20, 22))
    union = {"size": (20, 22), "polygons": two, "pixels": np.asarray(coco.decode(rle)).ravel(order="F").tolist()}
    OUT.write_text(json.dumps({"cases": cases, "union": union}, separators=(",", ":")) + "\n")
    print(len(cases), "cases,", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
