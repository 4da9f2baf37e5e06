#!/usr/bin/env python3
"""Counts the boxes of each class in Pascal VOC annotations: a table for regression.

    scripts/count_boxes.py VOC OUT.csv

VOC holds JPEGImages, Annotations and ImageSets/Main with train.txt, val.txt and test.txt, as BCCD does. Needs Python alone.
"""

import argparse
import collections
import csv
import pathlib
import xml.etree.ElementTree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voc", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    rows, classes = [], set()
    for split in ("train", "val", "test"):
        names = (args.voc / "ImageSets" / "Main" / f"{split}.txt").read_text().split()
        for name in names:
            root = xml.etree.ElementTree.parse(args.voc / "Annotations" / f"{name}.xml").getroot()
            counts = collections.Counter(box.findtext("name") for box in root.iter("object"))
            classes.update(counts)
            rows.append((args.voc.resolve() / "JPEGImages" / f"{name}.jpg", counts, split))
    columns = sorted(classes)
    with open(args.out, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", *columns, "split"])
        table.writerows([path, *(counts[c] for c in columns), split] for path, counts, split in rows)
    print(f"{args.out}: {len(rows)} images, {', '.join(columns)}")


if __name__ == "__main__":
    main()
