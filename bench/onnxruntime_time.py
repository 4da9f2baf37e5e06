"""ONNX Runtime's side of bench/vs-onnxruntime: times inference of mnist-net, and prints a JSON line per variant."""

import argparse
import json

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from timing import milliseconds

RANDOM = np.random.default_rng(0)


def mnist_net(batch: int) -> bytes:
    """The network as an ONNX model with random weights."""
    weights = {
        "conv1.weight": [32, 1, 3, 3],
        "conv1.bias": [32],
        "conv2.weight": [64, 32, 3, 3],
        "conv2.bias": [64],
        "fc1.weight": [128, 9216],
        "fc1.bias": [128],
        "fc2.weight": [10, 128],
        "fc2.bias": [10],
    }
    values = {k: RANDOM.standard_normal(shape) / np.sqrt(np.prod(shape[1:])) for k, shape in weights.items()}
    nodes = [
        helper.make_node("Conv", ["images", "conv1.weight", "conv1.bias"], ["c1"]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "conv2.weight", "conv2.bias"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "fc1.weight", "fc1.bias"], ["g1"], transB=1),
        helper.make_node("Relu", ["g1"], ["r3"]),
        helper.make_node("Gemm", ["r3", "fc2.weight", "fc2.bias"], ["logits"], transB=1),
    ]
    tensor = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    inputs, outputs = [tensor("images", [batch, 1, 28, 28])], [tensor("logits", [batch, 10])]
    constants = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in values.items()]
    graph = helper.make_graph(nodes, "mnist-net", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def main() -> None:
    parser = argparse.ArgumentParser()
    for option in ["--batch", "--threads", "--warmup", "--steps"]:
        parser.add_argument(option, type=int, required=True)
    args = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(mnist_net(args.batch), options, providers=["CPUExecutionProvider"])
    images = RANDOM.standard_normal([args.batch, 1, 28, 28]).astype(np.float32)
    binding = session.io_binding()
    binding.bind_cpu_input("images", images)
    binding.bind_output("logits")
    for side, f in [
        ("ONNX Runtime", lambda: session.run(None, {"images": images})),
        ("ONNX Runtime, bound arrays", lambda: session.run_with_iobinding(binding)),
    ]:
        print(json.dumps({"side": side, "infer_ms": milliseconds(f, args.warmup, args.steps)}), flush=True)


main()
