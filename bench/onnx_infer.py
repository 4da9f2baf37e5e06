"""The sides of bench/vs-inference that read ONNX files: times a network in use and prints a JSON line per variant."""

import argparse
import json
import pathlib
from collections.abc import Callable

import numpy as np

from timing import milliseconds, peak_megabytes

Pass = Callable[[], np.ndarray]


def onnxruntime_variants(path: str, images: np.ndarray, shape: tuple[int, ...], threads: int) -> dict[str, Pass]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    logits = ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
    binding = session.io_binding()
    binding.bind_ortvalue_input("images", ort.OrtValue.ortvalue_from_numpy(images))
    binding.bind_ortvalue_output("logits", logits)

    def bound() -> np.ndarray:
        session.run_with_iobinding(binding)
        return logits.numpy()

    arrays = lambda: session.run(["logits"], {"images": images})[0]
    return {"ONNX Runtime": arrays, "ONNX Runtime, bound arrays": bound}


def openvino_variants(path: str, images: np.ndarray, _shape: tuple[int, ...], threads: int) -> dict[str, Pass]:
    import openvino

    # Without the last one a core's second thread would stay idle.
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_HYPER_THREADING": True,
    }
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    used = compiled.get_property("INFERENCE_NUM_THREADS")
    if used != threads:
        raise SystemExit(f"OpenVINO takes {used} threads instead of {threads}")
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(images, shared_memory=True))
    return {"OpenVINO": lambda: request.infer(share_outputs=True)[0]}


VARIANTS = {"onnxruntime": onnxruntime_variants, "openvino": openvino_variants}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=VARIANTS, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="the .onnx file; images and PyTorch's results lie beside it")
    for option in ["--threads", "--warmup", "--steps"]:
        parser.add_argument(option, type=int, required=True)
    args = parser.parse_args()
    known = np.load(args.model.with_suffix(".npz"))
    images, logits = known["images"], known["logits"]
    for side, f in VARIANTS[args.engine](str(args.model), images, logits.shape, args.threads).items():
        infer_ms = milliseconds(f, args.warmup, args.steps)
        peak_mb = peak_megabytes()
        error = np.abs(f() - logits).max() / np.abs(logits).max() if args.warmup else 0
        if error > 1e-3:
            raise SystemExit(f"{side}: the results are {error:.1e} of the largest off PyTorch's")
        print(json.dumps({"side": side, "infer_ms": infer_ms, "peak_mb": peak_mb}), flush=True)


main()
