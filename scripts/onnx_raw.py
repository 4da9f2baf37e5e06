#!/usr/bin/env python3
"""Compares ONNX files that prepare images themselves (export --with-preprocessing) with striate predict: a table for docs/onnx.md.

    scripts/onnx_raw.py IMAGES MODEL...          images of a folder, and parts of them of odd sizes
    scripts/onnx_raw.py IMAGES MODEL... --save   writes the table to docs/onnx.md, too

Each model runs with its own preprocessing and with others of the same size of images. ONNX Runtime gets the pixels of the PNG files that predict reads. An error is the largest
difference of any class's probability; at most 0.02 is right, for both sides scale images in numbers of other kinds. The first run makes a Python environment in target; needs
cargo and nothing else.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import torch_venv  # noqa: E402
from onnx_real import PACKAGES  # noqa: E402

ROOT = torch_venv.ROOT
LIMIT = 0.02
BEGIN, END = "<!-- scripts/onnx_raw.py -->", "<!-- end of raw images -->"
# Width and height of parts that are cut out of the first images: narrower than a filter, thin, larger and smaller than what networks take.
PARTS = [(1, 1), (17, 3), (3, 17), (2, 200), (224, 224), (225, 223), (100, 101), (31, 257), (333, 111)]


def program() -> pathlib.Path:
    # Nothing is timed.
    subprocess.run(["cargo", "build", "--quiet", "-p", "striate-cli"], cwd=ROOT, check=True)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "striate"


def variants(own: dict) -> list:
    """A preprocessing, and others that give images of the same size."""
    height, width = own["size"]
    larger, smaller = (8 * min(height, width) + 6) // 7, 3 * min(height, width) // 4
    fits = {"resize": "resize", f"shorter side {larger}": {"crop": {"shorter": larger}}, f"shorter side {smaller}": {"crop": {"shorter": smaller}}}
    all_of = [{**own, "fit": fit, "filter": kind} for fit in fits.values() for kind in ["bilinear", "bicubic"]]
    if own["channels"] == 1:
        all_of += [{**p, "light_on_dark": not p.get("light_on_dark", True)} for p in all_of[:2]]
    fitting = [p for p in [own, *all_of] if p["fit"] != "digit"]
    return list({described(p): p for p in fitting}.values())


def described(p: dict) -> str:
    fit = p["fit"] if isinstance(p["fit"], str) else f"shorter side {p['fit']['crop']['shorter']}"
    grey = {True: ", light on dark", False: ""}[p.get("light_on_dark", True)] if p["channels"] == 1 else ""
    return f"{'×'.join(map(str, p['size']))}, {fit}, {p.get('filter', 'bilinear')}{grey}"


def pictures(source: pathlib.Path, folder: pathlib.Path) -> dict:
    """The images as PNG files of three channels, with their pixels by name."""
    import numpy as np
    from PIL import Image

    found = {}

    def keep(name: str, image) -> None:
        image.save(folder / name)
        found[name] = np.asarray(image)

    files = sorted(f for f in source.iterdir() if f.suffix.lower() in {".png", ".jpg", ".jpeg"})
    for i, file in enumerate(files):
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        keep(f"{i:03}.png", image)
        keep(f"{i:03}-upright.png", image.transpose(Image.Transpose.ROTATE_90))
        for width, height in PARTS if i < 4 else []:
            if width <= image.width and height <= image.height:
                keep(f"{i:03}-{width}x{height}.png", image.crop((image.width - width, 0, image.width, height)))
    return found


def ours(striate: pathlib.Path, model: pathlib.Path, folder: pathlib.Path) -> dict:
    """The probability of each class by its name, for each image."""
    command = [striate, "predict", model, folder, "--json", "--top", "100000"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    return {pathlib.Path(a["image"]).name: {t["class"]: t["probability"] for t in a["top"]} for a in answers}


def theirs(path: pathlib.Path, pixels: dict) -> dict:
    import onnx
    import onnxruntime as ort

    onnx.checker.check_model(str(path), full_check=True)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    return {name: dict(zip(classes, session.run(None, {"images": x[None]})[0][0].tolist())) for name, x in pixels.items()}


def metadata(path: pathlib.Path) -> dict:
    import onnx

    return {p.key: p.value for p in onnx.load(str(path)).metadata_props}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path, nargs="+")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    torch_venv.run_inside("onnx-real-venv", PACKAGES, ("onnx", "onnxruntime", "PIL"))

    striate = program()
    rows, wrong = [], 0
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        folder = work / "images"
        folder.mkdir()
        pixels = pictures(args.images, folder)

        def run(*words) -> None:
            subprocess.run([striate, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        for model in args.models:
            run("export", model, "--format", "onnx", "--out", work / "plain.onnx")
            for p in variants(json.loads(metadata(work / "plain.onnx")["preprocessing"])):
                (work / "p.json").write_text(json.dumps(p))
                run("import", work / "plain.onnx", "--preprocessing", work / "p.json", "--out", work / "m.safetensors")
                run("export", work / "m.safetensors", "--with-preprocessing", "--softmax", "--out", work / "raw.onnx")
                want, got = ours(striate, work / "m.safetensors", folder), theirs(work / "raw.onnx", pixels)
                apart = {name: max(abs(got[name][c] - want[name][c]) for c in want[name]) for name in pixels}
                same = sum(max(got[n], key=got[n].get) == max(want[n], key=want[n].get) for n in pixels)
                worst = max(apart, key=apart.get)
                wrong += apart[worst] > LIMIT
                middle = sorted(apart.values())[len(apart) // 2]
                rows.append(f"| {model.stem} | {described(p)} | {middle:.1e} | {apart[worst]:.1e} | {same} of {len(pixels)} |")
                print(rows[-1], worst, flush=True)
    if args.save:
        page = ROOT / "docs" / "onnx.md"
        head, rest = page.read_text().split(BEGIN)
        height, width = max((x.shape[:2] for x in pixels.values()), key=lambda size: size[0] * size[1])
        runtime = next(p for p in PACKAGES if p.startswith("onnxruntime"))
        made = f"{datetime.date.today()}, {runtime}, {len(pixels)} images of 1×1 to {width}×{height} pixels:"
        table = ["| model | preprocessing | median | worst | same class |", "|---|---|---|---|---|", *rows]
        page.write_text(head + "\n".join([BEGIN, made, "", *table, END]) + rest.split(END)[1])
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
