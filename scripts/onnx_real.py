#!/usr/bin/env python3
"""Compares networks that people ship as ONNX files with ONNX Runtime on real images, and times both: a table for docs/onnx.md.

    scripts/onnx_real.py NETWORKS IMAGES          every file of a folder, on images of another one
    scripts/onnx_real.py NETWORKS IMAGES --save   writes the table to docs/onnx.md, too

An error is the largest difference of any output, as a fraction of that output's range over all images; at most 1e-3 is right. Where a network finds nothing,
its outputs are next to 0 and the fraction means nothing: give images with text and faces. Networks that take any size run at two. Both
sides have two threads and are timed in turn, three times two seconds each; a ratio is the median of these. The first run makes a Python environment in
target; needs cargo and nothing else.
"""

import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import torch_venv  # noqa: E402
from onnx_zoo import PACKAGES as RUNTIMES  # noqa: E402

ROOT = torch_venv.ROOT
PACKAGES = [p for p in RUNTIMES if p.split("==")[0] in {"onnx", "onnxruntime", "numpy"}] + ["pillow==13.0.0"]
LIMIT = 1e-3
THREADS = 2
SECONDS = 2
IMAGES = 4
BEGIN, END = "<!-- scripts/onnx_real.py -->", "<!-- end of networks -->"
# Height and width of networks that take any; files are not always right about that.
SIZES = {
    "centerface": [(480, 640), (256, 320)],
    "_det_infer": [(480, 640), (320, 416)],
    "_rec_infer": [(48, 320), (48, 160)],
    "_cls_infer": [(48, 192), (224, 224)],
    "orientation": [(224, 224)],
    "pnet": [(120, 160), (77, 91)],
}
# What the values of an image are; from -1 to 1 where nothing is said.
BYTES = ["centerface", "face_embed"]


def sizes(name: str, shape: list, nhwc: bool) -> list:
    found = next((sizes for part, sizes in SIZES.items() if part in name), None)
    return found or [tuple(shape[1:3] if nhwc else shape[2:4])]


def opened(path: pathlib.Path, folder: pathlib.Path, threads: int):
    """A session of the file whose sizes are open where SIZES says so."""
    import onnx
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    if any(part in path.name for part in SIZES):
        model = onnx.load(str(path))
        for value in [*model.graph.input, *model.graph.output]:
            for i, dim in enumerate(value.type.tensor_type.shape.dim):
                dim.dim_param = f"{value.name}_{i}"
        del model.graph.value_info[:]
        path = folder / "open.onnx"
        onnx.save(model, str(path))
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def prepared(image: pathlib.Path, size: tuple, nhwc: bool, as_bytes: bool):
    import numpy as np
    from PIL import Image

    with Image.open(image) as opened_image:
        pixels = np.asarray(opened_image.convert("RGB").resize((size[1], size[0])), np.float32)
    pixels = pixels if as_bytes else pixels / 127.5 - 1
    return np.ascontiguousarray(pixels[None] if nhwc else pixels.transpose(2, 0, 1)[None])


def striate(program, path, x, name, folder, timed=False):
    import numpy as np

    np.savez(folder / "in.npz", **{name: x})
    command = [program, "run", path, "--input", folder / "in.npz", "--output", folder / "out.npz", "--threads", str(THREADS), "--json"]
    done = subprocess.run(command + ["--time"] * timed, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1][:120])
    return np.load(folder / "out.npz"), json.loads(done.stdout).get("ms", {}).get("median")


def runtime_ms(session, feed) -> float:
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        before = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - before)
    return statistics.median(times) * 1e3


def error(pairs: list) -> float:
    """The largest difference of an output over all images, as a share of its range over all images: one without text or faces may give zeros alone."""
    import numpy as np

    for want, got in pairs:
        if want.shape != got.shape:
            raise ValueError(f"shape {got.shape}, not {want.shape}")
    low, high = min(want.min() for want, _ in pairs), max(want.max() for want, _ in pairs)
    return float(max(np.abs(got.astype(np.float64) - want).max() for want, got in pairs) / max(high - low, 1e-9))


def row(program, path: pathlib.Path, session, size, images, folder, nhwc: bool) -> tuple:
    """The worst error over the images, milliseconds of both sides, and the ratio."""
    source = session.get_inputs()[0].name
    names = [output.name for output in session.get_outputs()]
    as_bytes = any(part in path.name for part in BYTES)
    outputs = [[] for _ in names]
    for image in images:
        x = prepared(image, size, nhwc, as_bytes)
        want = session.run(None, {source: x})
        got, _ = striate(program, path, x, source, folder)
        for pairs, name, w in zip(outputs, names, want, strict=True):
            pairs.append((w, got[name]))
    worst = max(map(error, outputs))
    rounds = []
    for _ in range(3):
        _, ours = striate(program, path, x, source, folder, timed=True)
        rounds.append((ours, runtime_ms(session, {source: x})))
    ours, theirs = (statistics.median(side) for side in zip(*rounds, strict=True))
    return worst, ours, theirs, statistics.median(a / b for a, b in rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", type=pathlib.Path)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    torch_venv.run_inside("onnx-real-venv", PACKAGES, ("onnx", "onnxruntime", "PIL"))

    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "striate-cli"], cwd=ROOT, check=True)
    program = ROOT / "target" / "release" / "striate"
    images = sorted(path for path in args.images.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})[:IMAGES]
    files = sorted(args.networks.glob("*.onnx"))
    if not images or not files:
        sys.exit(f"{args.networks} has no .onnx file, or {args.images} no image")
    lines = ["| network | input | error | Striate, ms | ONNX Runtime, ms | ratio |", "|---|---|---|---|---|---|"]
    wrong = slow = 0
    for path in files:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            session = opened(path, folder, THREADS)
            shape = session.get_inputs()[0].shape
            nhwc = shape[3] == 3 or path.stem == "pnet"
            for size in sizes(path.name, shape, nhwc):
                layout = f"{size[0]}×{size[1]}×3" if nhwc else f"3×{size[0]}×{size[1]}"
                try:
                    worst, ours, theirs, ratio = row(program, path, session, size, images, folder, nhwc)
                except Exception as e:  # noqa: BLE001: whatever a side says is the result
                    wrong += 1
                    lines.append(f"| {path.stem} | {layout} | {str(e).splitlines()[-1][:120]} | | | |")
                else:
                    wrong += worst > LIMIT
                    slow += ratio > 1.1
                    lines.append(f"| {path.stem} | {layout} | {worst:.1e} | {ours:.2f} | {theirs:.2f} | {ratio:.2f} |")
                print(lines[-1], flush=True)
    print(f"{wrong} above {LIMIT}, {slow} slower than 1.1 times ONNX Runtime")
    if args.save:
        page = ROOT / "docs" / "onnx.md"
        text = page.read_text()
        made = f"{datetime.date.today()}, {PACKAGES[1]}, {THREADS} threads:"
        page.write_text(text.split(BEGIN)[0] + "\n".join([BEGIN, made, "", *lines, END]) + text.split(END)[1])
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
