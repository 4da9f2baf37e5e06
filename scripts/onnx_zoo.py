#!/usr/bin/env python3
"""Writes every network of the zoo as ONNX and compares other runtimes' logits with Striate's: a table for docs/onnx.md.

    scripts/onnx_zoo.py                      every network, its usual size of images and a second one
    scripts/onnx_zoo.py resnet18 --opset 28  one network, another version of the operators
    scripts/onnx_zoo.py --save               writes the table to docs/onnx.md, too

Batches of 1 and 3. An error is the largest difference, as a share of the largest logit; at most 1e-4 is right. Each file must pass
onnx.checker with full checks. The first run makes a Python environment in target; needs cargo and nothing else.
"""

import argparse
import datetime
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import torch_venv  # noqa: E402

ROOT = torch_venv.ROOT
PACKAGES = ["onnx==1.23.2", "onnxruntime==1.32.0", "openvino==2026.4.1", "opencv-python-headless==5.0.0.93", "numpy==2.4.6"]
LIMIT = 1e-4
BEGIN, END = "<!-- scripts/onnx_zoo.py -->", "<!-- end -->"


def onnxruntime_side(path):
    import onnxruntime as ort

    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["output"], {session.get_inputs()[0].name: x})[0]


def openvino_side(path):
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: compiled(x)[0]


def opencv_side(path):
    import cv2

    net = cv2.dnn.readNetFromONNX(path)

    def run(x):
        net.setInput(x)
        return net.forward()

    return run


SIDES = {"ONNX Runtime": onnxruntime_side, "OpenVINO": openvino_side, "OpenCV": opencv_side}


def check(path: pathlib.Path) -> None:
    import onnx

    onnx.checker.check_model(str(path), full_check=True)


def compare(folder: pathlib.Path) -> dict:
    """The largest error of each side, or what it says."""
    import numpy as np

    check(folder / "model.onnx")
    arrays = np.load(folder / "io.npz")
    errors = {}
    for side, load in SIDES.items():
        try:
            run = load(str(folder / "model.onnx"))
            worst = 0.0
            for batch in ["1", "3"]:
                x, want = arrays["x" + batch], arrays["y" + batch]
                got = run(np.ascontiguousarray(x))
                if got.shape != want.shape:
                    raise ValueError(f"shape {got.shape}, not {want.shape}")
                worst = max(worst, float(np.abs(got - want).max() / np.abs(want).max()))
            errors[side] = worst
        except Exception as e:  # noqa: BLE001: whatever a runtime says is the result
            errors[side] = str(e).strip().splitlines()[-1][:120]
    return errors


def cell(error) -> str:
    return error if isinstance(error, str) else f"{error:.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--opset", type=int, default=17)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    torch_venv.run_inside("onnx-venv", PACKAGES, ("onnx", "onnxruntime", "openvino", "cv2"))

    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "striate", "--example", "onnx_zoo"], cwd=ROOT, check=True)
    example = ROOT / "target" / "release" / "examples" / "onnx_zoo"
    rows = [line.split() for line in subprocess.run([example], capture_output=True, text=True, check=True).stdout.splitlines()]
    rows = [row for row in rows if not args.networks or row[0] in args.networks]
    lines = [f"| network | images | {' | '.join(SIDES)} |", "|---|---|" + "---|" * len(SIDES)]
    wrong = 0
    for name, height, width in rows:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([example, name, height, width, str(args.opset), folder], check=True)
            errors = compare(pathlib.Path(folder))
        wrong += sum(isinstance(e, str) or not e <= LIMIT for e in errors.values())
        lines.append(f"| {name} | {height}×{width} | {' | '.join(cell(e) for e in errors.values())} |")
        print(lines[-1], flush=True)
    print(f"{len(rows)} files, {wrong} of {len(rows) * len(SIDES)} comparisons above {LIMIT}")
    if args.save:
        page = ROOT / "docs" / "onnx.md"
        text = page.read_text()
        head, rest = text.split(BEGIN)
        made = f"{datetime.date.today()}, opset {args.opset}, {', '.join(PACKAGES[:4])}:"
        page.write_text(head + "\n".join([BEGIN, made, "", *lines, END]) + rest.split(END)[1])
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
