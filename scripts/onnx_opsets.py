#!/usr/bin/env python3
"""Operators whose meaning changed between versions, in files of the first and last opset of each of their versions and of the newest one: what ONNX Runtime gives, or, of versions that it does not know, the ONNX
project's reference.

    scripts/onnx_opsets.py          prints how many files there are of each operator
    scripts/onnx_opsets.py --save   writes them to crates/onnx/tests/fixtures

The first run makes a Python environment in target.
"""

import argparse
import collections
import gzip
import io
import sys
import tarfile

sys.dont_write_bytecode = True
import torch_venv  # noqa: E402
from onnx_zoo import PACKAGES  # noqa: E402

FIXTURE = torch_venv.ROOT / "crates" / "onnx" / "tests" / "fixtures" / "onnx-opsets.tar.gz"
OLDEST = 7


def numbers(*shape):
    """Numbers from -4 to 4 in no order, of which no two of a small array are the same."""
    import numpy

    n = int(numpy.prod(shape))
    return (((numpy.arange(n) * 37 + 11) % 101 - 50) / 12.5).astype("f4").reshape(shape)


def cases(opset):
    """Of one version: operator, what is special, operands of which the first is the input, attributes, how many outputs there are."""
    import numpy

    def i64(*list):
        return numpy.array(list, "i8")

    def f32(*list):
        return numpy.array(list, "f4")

    x, image = numbers(2, 3, 4), numbers(1, 2, 4, 5)

    def by(version, name, list, **more):
        """A list that is an attribute before a version, and an operand since then."""
        return ([], {name: list, **more}) if opset < version else ([i64(*list)], more)

    for op in ["Softmax", "LogSoftmax", "Hardmax"]:
        yield op, "default", [x], {}, 1
        yield op, "axis", [x], {"axis": 1}, 1
        if opset >= 11:
            yield op, "negative", [x], {"axis": -2}, 1

    pads = [0, 1, 2, 0, 0, 1]
    for mode in ["constant", "reflect", "edge"] + ["wrap"] * (opset >= 19):
        if opset < 11:
            yield "Pad", mode, [x], {"pads": pads, "mode": mode, "value": 1.5}, 1
        else:
            yield "Pad", mode, [x, i64(*pads), f32(1.5)[0]], {"mode": mode}, 1
    if opset >= 18:
        yield "Pad", "axes", [x, i64(1, 2, 0, 1), f32(-1)[0], i64(2, -3)], {}, 1

    scales, sizes = f32(1, 1, 2, 0.6), i64(1, 2, 7, 3)
    if opset < 9:
        yield "Upsample", "nearest", [image], {"scales": [1.0, 1.0, 2.0, 3.0]}, 1
        yield "Upsample", "linear", [image], {"scales": [1.0, 1.0, 2.0, 2.0], "mode": "linear"}, 1
    elif opset == 9:
        yield "Upsample", "nearest", [image, f32(1, 1, 2, 3)], {}, 1
        yield "Upsample", "linear", [image, f32(1, 1, 2, 2)], {"mode": "linear"}, 1
    elif opset == 10:
        yield "Resize", "nearest", [image, scales], {}, 1
        yield "Resize", "linear", [image, scales], {"mode": "linear"}, 1
    else:
        none = f32() if opset < 13 else None
        for mode in ["nearest", "linear", "cubic"]:
            yield "Resize", mode, [image, none, scales], {"mode": mode}, 1
            ways = ["align_corners", "asymmetric", "pytorch_half_pixel"]
            for way in ways + ["tf_half_pixel_for_nn"] * (opset < 13 and mode == "nearest") + ["half_pixel_symmetric"] * (opset >= 19):
                yield "Resize", f"{mode}-{way}", [image, none, none, sizes], {"mode": mode, "coordinate_transformation_mode": way}, 1
        if opset >= 18:
            yield "Resize", "antialias", [image, none, f32(0.5, 0.6)], {"mode": "linear", "antialias": 1, "axes": [2, 3]}, 1
            for policy in ["not_larger", "not_smaller"]:
                yield "Resize", policy, [image, none, none, i64(7, 6)], {"axes": [2, 3], "keep_aspect_ratio_policy": policy}, 1

    for name, low, high in [("both", -1, 2), ("low", -1, None), ("high", None, 2), ("none", None, None), ("crossed", 2, -1)]:
        if opset < 11:
            yield "Clip", name, [x], {key: float(v) for key, v in [("min", low), ("max", high)] if v is not None}, 1
        else:
            yield "Clip", name, [x, *(None if v is None else f32(v)[0] for v in [low, high])], {}, 1
    if opset >= 12:
        yield "Clip", "whole", [(x * 10).astype("i8"), i64(-15)[0], i64(7)[0]], {}, 1

    norm = [image, f32(1, 2), f32(0.5, -1), f32(0.1, 0.2), f32(2, 3)]
    yield "BatchNormalization", "default", norm, {}, 1
    yield "BatchNormalization", "epsilon", norm, {"epsilon": 0.1, **({"training_mode": 0} if opset >= 14 else {})}, 1

    reductions = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp"]
    for kind in reductions:
        op, version = f"Reduce{kind}", 13 if kind == "Sum" else 18
        y = numpy.abs(x) + 0.5 if kind == "LogSum" else x
        for name, axes, keepdims in [("kept", [1], 1), ("dropped", [0, 2], 0)] + [("negative", [-1], 0)] * (opset >= 11):
            operands, attributes = by(version, "axes", axes, keepdims=keepdims)
            yield op, name, [y, *operands], attributes, 1
        yield op, "all", [y], {}, 1
        if opset >= version:
            yield op, "noop", [y, i64()], {"noop_with_empty_axes": 1}, 1
            yield op, "empty", [y, i64()], {}, 1
    for op in ["ArgMax", "ArgMin"]:
        yield op, "default", [x], {}, 1
        if opset >= 12:
            yield op, "last", [numpy.round(x / 4)], {"axis": -1, "select_last_index": 1, "keepdims": 0}, 1

    one = x.reshape(1, 2, 3, 1, 4)
    for name, axes in [("some", [3]), ("all", [0, 3])] + [("negative", [-2])] * (opset >= 11):
        operands, attributes = by(13, "axes", axes)
        yield "Squeeze", name, [one, *operands], attributes, 1
        yield "Unsqueeze", name, [x, *operands], attributes, 1
    yield "Squeeze", "default", [one], {}, 1

    y = numbers(2, 7)
    operands, attributes = by(13, "split", [2, 4, 1], axis=1)
    yield "Split", "given", [y, *operands], attributes, 3
    yield "Split", "equal", [x], {"axis": 2, **({"num_outputs": 2} if opset >= 18 else {})}, 2
    if opset >= 18:
        yield "Split", "uneven", [y], {"axis": -1, "num_outputs": 3}, 3

    if opset < 10:
        yield "Slice", "default", [x], {"starts": [0, 1], "ends": [1, 1000]}, 1
        yield "Slice", "axes", [x], {"starts": [-3, 1], "ends": [-1, 2], "axes": [2, 1]}, 1
    else:
        yield "Slice", "default", [x, i64(0, 1), i64(1, 1000)], {}, 1
        yield "Slice", "axes", [x, i64(-3, 1), i64(-1, 2), i64(2, 1)], {}, 1
        yield "Slice", "steps", [x, i64(3, 0), i64(-1000, 3), i64(2, 1), i64(-2, 2)], {}, 1

    if opset < 10:
        yield "TopK", "default", [x], {"k": 2}, 2
        yield "TopK", "axis", [x], {"k": 2, "axis": 1}, 2
    else:
        yield "TopK", "default", [x, i64(2)], {}, 2
        yield "TopK", "axis", [x, i64(2)], {"axis": 1}, 2
        if opset >= 11:
            yield "TopK", "smallest", [x, i64(3)], {"axis": -1, "largest": 0}, 2

    if opset < 12:
        yield "Dropout", "attribute", [x], {"ratio": 0.3}, 1
    else:
        yield "Dropout", "operands", [x, f32(0.3)[0], numpy.array(False)], {}, 1
    # Before opset 12 programs differ about the mask.
    if opset >= 12:
        yield "Dropout", "mask", [x], {}, 2

    for name, to, array in [
        ("whole", 6, x),
        ("half", 10, x),
        ("truth", 9, x),
        ("number", 1, (x * 10).astype("i4")),
        ("byte", 2, numpy.abs(x) * 10),
        ("double", 11, x.astype("f2")),
    ]:
        yield "Cast", name, [array], {"to": to}, 1

    window = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]}
    for op in ["MaxPool", "AveragePool"]:
        yield op, "window", [image], window, 1
        if opset >= 10:
            yield op, "ceil", [image], {**window, "ceil_mode": 1}, 1
        if opset >= (10 if op == "MaxPool" else 19):
            yield op, "dilations", [image], {"kernel_shape": [2, 2], "dilations": [2, 3], "pads": [1, 0, 1, 2], "strides": [1, 2]}, 1
    if opset >= 19:
        more = {"kernel_shape": [2, 2], "dilations": [2, 3], "pads": [1, 2, 1, 2], "strides": [2, 2], "count_include_pad": 1}
        yield "AveragePool", "padding", [image], more, 1
        yield "AveragePool", "dilated-ceil", [image], {**more, "ceil_mode": 1, "count_include_pad": 0}, 1
        yield "AveragePool", "line", [numbers(1, 2, 9)], {"kernel_shape": [3], "dilations": [2], "strides": [2]}, 1

    yield "Flatten", "axis", [x], {"axis": -1 if opset >= 11 else 2}, 1
    yield "Reshape", "kept", [x, i64(0, -1)], {}, 1
    if opset >= 14:
        yield "Reshape", "zero", [numpy.zeros((0, 3), "f4"), i64(3, 0)], {"allowzero": 1}, 1
    yield "Shape", "whole", [x], {}, 1
    if opset >= 15:
        yield "Shape", "part", [x], {"start": 1, "end": -1}, 1
    if opset >= 16:
        grid = numbers(1, 3, 3, 2) / 4
        for mode in ["linear" if opset >= 20 else "bilinear", "nearest", "cubic" if opset >= 20 else "bicubic"]:
            yield "GridSample", mode, [image, grid], {"mode": mode, "padding_mode": "border"}, 1
    if opset >= 10:
        boxes = f32(0, 0, 3, 2, 1, 1, 4, 3).reshape(2, 4)
        align = {"output_height": 2, "output_width": 2, "sampling_ratio": 2}
        yield "RoiAlign", "default", [image, boxes, i64(0, 0)], align, 1
        scale, zero = f32(0.1)[0], numpy.array(3, "u1")
        yield "QuantizeLinear", "whole", [x, scale, zero], {}, 1
        yield "DequantizeLinear", "whole", [(x * 10 + 60).astype("u1"), scale, zero], {}, 1
    if opset >= 13:
        yield "QuantizeLinear", "axis", [x, f32(0.1, 0.2, 0.4), numpy.array([1, 2, 3], "i1")], {"axis": 1}, 1
    if opset >= 21:
        yield "DequantizeLinear", "blocks", [(x * 10).astype("i1"), numpy.abs(numbers(2, 3, 2)) + 0.1], {"axis": 2, "block_size": 2}, 1
    if opset >= 18:
        n, c = 2, 4
        count = c if opset >= 21 else n
        weight, bias = numbers(count), numbers(count) / 2
        yield "GroupNormalization", "groups", [numbers(1, c, 3, 2), weight, bias], {"num_groups": n}, 1
        index, updates = i64(0, 1, 0).reshape(1, 3), f32(2, -1, 3).reshape(1, 3)
        for reduction in ["add", "mul", "max", "min"]:
            yield "ScatterElements", reduction, [numbers(2, 3), index, updates], {"reduction": reduction}, 1
            yield "ScatterND", reduction, [numbers(4), i64(1, 3, 1).reshape(3, 1), f32(2, -1, 3)], {"reduction": reduction}, 1


def model(opset, op, operands, attributes, outputs):
    """A model of one node, whose first operand is the input and whose others are stored."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    names = ["" if array is None else f"a{i}" for i, array in enumerate(operands)]
    while names[-1] == "":
        names.pop()
    results = [f"y{i}" for i in range(outputs)]
    first = helper.make_tensor_value_info("a0", helper.np_dtype_to_tensor_dtype(operands[0].dtype), operands[0].shape)
    stored = [numpy_helper.from_array(array, name) for array, name in list(zip(operands, names))[1:] if name]
    infos = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in results]
    graph = helper.make_graph([helper.make_node(op, names, results, **attributes)], "one", [first], infos, stored)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(made)
    for info in inferred.graph.output:
        info.type.tensor_type.ClearField("shape")
    return inferred


def results(made, array):
    """What another program gives, and which one."""
    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, {"a0": array}), "ONNX Runtime"
    except Exception:
        return ReferenceEvaluator(made).run(None, {"a0": array}), "reference"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    torch_venv.run_inside("onnx-venv", PACKAGES, ("onnx", "onnxruntime"))
    import numpy
    import onnx
    from onnx import numpy_helper

    files, by_source, of_operator = {}, collections.Counter(), collections.Counter()
    newest = onnx.defs.onnx_opset_version()

    def version(op, opset):
        try:
            return onnx.defs.get_schema(op, opset).since_version
        except onnx.defs.SchemaError:
            return 0

    for opset in range(OLDEST, newest + 1):
        for op, name, operands, attributes, outputs in cases(opset):
            is_edge = opset in (OLDEST, newest) or len({version(op, n) for n in (opset - 1, opset, opset + 1)}) > 1
            if not is_edge:
                continue
            made = model(opset, op, operands, attributes, outputs)
            try:
                got, source = results(made, operands[0])
            except Exception as e:
                print(f"{op} {name} of opset {opset}: {str(e).splitlines()[0][:150]}", file=sys.stderr)
                continue
            by_source[source] += 1
            of_operator[op] += 1
            folder = f"{op}/{opset:02}-{name}"
            for info, array in zip(made.graph.output, got):
                info.type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(numpy.asarray(array).dtype)
            files[f"{folder}/model.onnx"] = made.SerializeToString()
            files[f"{folder}/test_data_set_0/input_0.pb"] = numpy_helper.from_array(operands[0]).SerializeToString()
            for i, array in enumerate(got):
                files[f"{folder}/test_data_set_0/output_{i}.pb"] = numpy_helper.from_array(numpy.asarray(array)).SerializeToString()
    for op, count in of_operator.items():
        print(f"{op:20} {count}")
    print(f"{sum(of_operator.values())} files: {dict(by_source)}")
    if args.save:
        out = io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", mtime=0, compresslevel=9) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
            for path, data in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        FIXTURE.write_bytes(out.getvalue())


if __name__ == "__main__":
    main()
