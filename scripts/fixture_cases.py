"""The cases of the fixtures, op by op. See make_fixtures.py."""

import torch
import torch.nn.functional as F

from fixture_file import File, integers, normal, uniform


def conv2d(file: File) -> None:
    # name, input, weight, settings; a bias unless the settings say otherwise.
    cases = [
        ("smallest", [1, 1, 1, 1], [1, 1, 1, 1], {}),
        ("plain", [3, 3, 7, 5], [17, 3, 3, 3], {}),
        ("one_channel_wide_out", [3, 1, 7, 6], [32, 1, 3, 3], {}),
        ("lenet_first", [1, 1, 15, 12], [6, 1, 5, 5], {}),
        ("kernel_is_input", [3, 3, 4, 6], [5, 3, 4, 6], {}),
        ("row_kernel", [1, 3, 5, 11], [4, 3, 1, 7], {"padding": [0, 3]}),
        ("column_kernel", [3, 2, 11, 4], [3, 2, 5, 1], {"stride": [2, 1]}),
        ("stride_over_kernel", [3, 1, 11, 8], [3, 1, 2, 2], {"stride": [3, 3]}),
        ("stride_over_kernel_uneven", [1, 3, 13, 9], [2, 3, 3, 1], {"stride": [4, 5], "bias": False}),
        ("stride_2", [2, 17, 9, 7], [4, 17, 3, 3], {"stride": [2, 2], "padding": [1, 1]}),
        ("stem", [1, 3, 15, 13], [8, 3, 7, 7], {"stride": [2, 2], "padding": [3, 3], "bias": False}),
        ("padding", [3, 3, 6, 5], [4, 3, 3, 3], {"padding": [1, 1]}),
        ("padding_uneven", [1, 3, 6, 5], [4, 3, 3, 3], {"padding": [2, 1]}),
        ("padding_over_kernel", [3, 2, 4, 3], [3, 2, 3, 2], {"padding": [4, 3]}),
        ("same", [3, 3, 7, 6], [5, 3, 3, 5], {"padding": "same"}),
        ("same_even_kernel", [1, 3, 7, 6], [5, 3, 2, 4], {"padding": "same"}),
        ("same_dilated", [3, 2, 9, 8], [3, 2, 4, 3], {"padding": "same", "dilation": [3, 2]}),
        ("even_kernel", [1, 3, 9, 10], [5, 3, 4, 2], {"stride": [2, 2]}),
        ("dilation", [3, 3, 9, 7], [4, 3, 3, 3], {"dilation": [2, 2]}),
        ("dilation_uneven", [1, 17, 8, 9], [3, 17, 2, 3], {"dilation": [1, 3], "padding": [1, 2], "bias": False}),
        ("dilation_stride", [3, 4, 11, 10], [4, 4, 3, 3], {"dilation": [2, 2], "stride": [3, 2], "padding": [2, 2]}),
        ("groups", [3, 6, 7, 5], [9, 2, 3, 3], {"groups": 3}),
        ("groups_wide", [1, 32, 5, 7], [18, 16, 3, 3], {"groups": 2, "padding": [1, 1]}),
        ("depthwise", [2, 17, 7, 6], [17, 1, 3, 3], {"groups": 17, "padding": [1, 1]}),
        ("depthwise_stride", [1, 17, 8, 9], [17, 1, 5, 5], {"groups": 17, "stride": [2, 2], "padding": [2, 2]}),
        ("depthwise_multiplier", [3, 3, 6, 5], [6, 1, 3, 3], {"groups": 3, "bias": False}),
        ("pointwise", [3, 17, 5, 4], [3, 17, 1, 1], {}),
        ("pointwise_stride", [1, 17, 7, 6], [18, 17, 1, 1], {"stride": [2, 2]}),
        ("pointwise_padding", [3, 3, 2, 3], [17, 3, 1, 1], {"padding": [1, 1], "bias": False}),
        # What Winograd's algorithm may take: 3×3, stride 1, many channels, sizes that leave tails of its tiles.
        ("winograd", [2, 16, 9, 7], [16, 16, 3, 3], {}),
        ("winograd_odd_channels", [1, 17, 13, 11], [19, 17, 3, 3], {"padding": [1, 1]}),
        ("winograd_padding_2", [1, 16, 5, 6], [17, 16, 3, 3], {"padding": [2, 2], "bias": False}),
        ("winograd_wide", [1, 20, 6, 10], [16, 20, 3, 3], {"padding": [0, 1]}),
        ("winograd_one_pixel", [3, 16, 3, 3], [16, 16, 3, 3], {}),
        ("winograd_tall", [1, 16, 19, 3], [16, 16, 3, 3], {"padding": [0, 1]}),
        ("not_winograd_dilated", [1, 16, 8, 7], [7, 16, 3, 3], {"dilation": [2, 2], "padding": [2, 2]}),
        ("empty_batch", [0, 3, 5, 4], [2, 3, 3, 3], {}),
    ]
    for name, x, w, args in cases:
        bias = args.pop("bias", True)
        inputs = {"input": normal(x), "weight": normal(w)}
        if bias:
            inputs["bias"] = normal(w[:1])
        file.case(name, "conv2d", inputs, args, lambda t, **a: F.conv2d(t["input"], t["weight"], t.get("bias"), **a))


def pool2d(file: File) -> None:
    maximum = [
        ("plain", [3, 3, 6, 8], {"kernel_size": [2, 2]}),
        ("cut_off", [1, 17, 7, 5], {"kernel_size": [2, 2]}),
        ("overlapping", [3, 17, 7, 6], {"kernel_size": [3, 3], "stride": [2, 2], "padding": [1, 1]}),
        ("overlapping_stride_1", [1, 3, 5, 4], {"kernel_size": [3, 2], "stride": [1, 1]}),
        ("stride_over_kernel", [3, 3, 9, 8], {"kernel_size": [2, 1], "stride": [3, 4]}),
        ("even_padding", [1, 1, 5, 6], {"kernel_size": [2, 4], "stride": [2, 3], "padding": [1, 2]}),
        ("dilation", [3, 3, 9, 8], {"kernel_size": [3, 2], "stride": [2, 1], "dilation": [2, 3]}),
        ("dilation_padding", [1, 17, 7, 8], {"kernel_size": [3, 3], "stride": [1, 2], "padding": [1, 1], "dilation": [2, 2]}),
        ("ceil_mode", [3, 3, 7, 6], {"kernel_size": [2, 3], "stride": [2, 2], "ceil_mode": True}),
        ("ceil_mode_padding", [1, 3, 6, 9], {"kernel_size": [3, 3], "stride": [3, 2], "padding": [1, 1], "ceil_mode": True}),
        # The last window would start in the padding, so it does not count.
        ("ceil_mode_dropped_window", [1, 2, 4, 4], {"kernel_size": [2, 2], "stride": [3, 3], "padding": [1, 1], "ceil_mode": True}),
        ("whole", [3, 17, 4, 3], {"kernel_size": [4, 3]}),
    ]
    call = lambda t, **a: F.max_pool2d(t["input"], **a)
    for name, x, args in maximum:
        file.case(f"max_{name}", "max_pool2d", {"input": normal(x)}, args, call)
    ties = {"kernel_size": [3, 3], "stride": [2, 2], "padding": [1, 1]}
    file.case("max_ties", "max_pool2d", {"input": integers([3, 3, 7, 6], 0, 3).float()}, ties, call)
    file.case("max_all_negative", "max_pool2d", {"input": normal([1, 3, 4, 5]).abs().neg() - 1}, ties, call)
    nan = normal([1, 2, 6, 6])
    nan[0, 0, 1, 1] = nan[0, 0, 1, 2] = nan[0, 1, 0, 5] = float("nan")
    nan[0, 1, 3, :] = float("-inf")
    file.case("max_nan", "max_pool2d", {"input": nan}, {"kernel_size": [2, 2]}, call)
    file.case("max_nan_overlapping", "max_pool2d", {"input": nan.clone()}, ties, call)

    average = [
        ("plain", [3, 3, 6, 8], {"kernel_size": [2, 2]}),
        ("cut_off", [1, 17, 7, 5], {"kernel_size": [2, 3]}),
        ("padding_counted", [3, 3, 5, 6], {"kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 1]}),
        ("padding_not_counted", [3, 3, 5, 6], {"kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 1], "count_include_pad": False}),
        ("stride_over_kernel", [1, 17, 9, 8], {"kernel_size": [2, 2], "stride": [3, 4]}),
        ("ceil_mode", [3, 1, 7, 6], {"kernel_size": [2, 4], "stride": [2, 4], "ceil_mode": True}),
        ("ceil_mode_padding_counted", [1, 3, 6, 7], {"kernel_size": [3, 3], "stride": [2, 2], "padding": [1, 1], "ceil_mode": True}),
        ("ceil_mode_padding_not_counted", [1, 3, 6, 7], {"kernel_size": [3, 3], "stride": [2, 2], "padding": [1, 1], "ceil_mode": True, "count_include_pad": False}),
        ("whole", [3, 17, 3, 5], {"kernel_size": [3, 5]}),
    ]
    for name, x, args in average:
        file.case(f"avg_{name}", "avg_pool2d", {"input": normal(x)}, args, lambda t, **a: F.avg_pool2d(t["input"], **a))


def matrix(file: File) -> None:
    for name, x, out, bias in [
        ("plain", [3, 17], 5, True),
        ("one", [1, 1], 1, True),
        ("no_bias", [3, 5], 17, False),
        ("vector", [17], 3, True),
        ("rank_3", [3, 4, 5], 7, True),
        ("rank_4", [1, 3, 2, 9], 4, False),
        ("wide", [3, 130], 33, True),
        ("empty_batch", [0, 4], 3, True),
    ]:
        inputs = {"input": normal(x), "weight": normal([out, x[-1]])}
        if bias:
            inputs["bias"] = normal([out])
        call = lambda t: F.linear(t["input"], t["weight"], t.get("bias"))
        file.case(f"linear_{name}", "linear", inputs, {}, call)
    for name, a, b in [
        ("plain", [3, 17], [17, 5]),
        ("tall", [37, 2], [2, 1]),
        ("long", [2, 301], [301, 3]),
        ("dot", [17], [17]),
        ("row_times_matrix", [5], [5, 3]),
        ("matrix_times_column", [3, 5], [5]),
        ("row_times_batch", [4], [3, 4, 2]),
        ("batch_times_column", [3, 2, 4], [4]),
        ("batched", [3, 2, 5], [3, 5, 4]),
        ("batch_times_matrix", [3, 2, 5], [5, 4]),
        ("matrix_times_batch", [2, 5], [3, 5, 4]),
        ("broadcast_batch", [3, 1, 2, 5], [4, 5, 3]),
        ("broadcast_both", [3, 1, 2, 3], [1, 4, 3, 2]),
    ]:
        call = lambda t: torch.matmul(t["input"], t["other"])
        file.case(f"matmul_{name}", "matmul", {"input": normal(a), "other": normal(b)}, {}, call)


def activation(file: File) -> None:
    shape = [3, 5, 2, 7]
    for name, args, call in [
        ("relu", {}, lambda t: F.relu(t["input"])),
        ("leaky_relu", {"negative_slope": 0.01}, lambda t, **a: F.leaky_relu(t["input"], **a)),
        ("leaky_relu", {"negative_slope": -0.5}, lambda t, **a: F.leaky_relu(t["input"], **a)),
        ("tanh", {}, lambda t: torch.tanh(t["input"])),
        ("sigmoid", {}, lambda t: torch.sigmoid(t["input"])),
    ]:
        label = f"{name}_{args['negative_slope']}" if args else name
        edges = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 90.0, -90.0, 1e4, -1e4, 0.5, -0.5, 8.5, -8.5])
        file.case(label, name, {"input": normal(shape) * 3}, args, call)
        file.case(f"{label}_edges", name, {"input": edges}, args, call)
        infinite = torch.tensor([float("nan"), float("inf"), float("-inf"), 1.0])
        file.case(f"{label}_not_finite", name, {"input": infinite}, args, call, grad=False)
    for name, call in [("softmax", torch.softmax), ("log_softmax", torch.log_softmax)]:
        of = lambda t, dim, call=call: call(t["input"], dim)
        for x, dims in [([3, 17], [0, 1]), ([3, 5, 4, 2], [0, 1, 2, -1]), ([1, 1], [1]), ([6], [0])]:
            for dim in dims:
                label = f"{name}_{'x'.join(map(str, x))}_dim{dim}"
                file.case(label, name, {"input": normal(x) * 4}, {"dim": dim}, of)
        large = torch.tensor([[1e30, -1e30, 0.0], [-1e30, -1e30, -1e30], [500.0, 499.0, -500.0]])
        file.case(f"{name}_large", name, {"input": large}, {"dim": 1}, of)
    for x, start, end in [([3, 5, 2, 4], 1, -1), ([3, 5, 2, 4], 0, 2), ([3, 5, 2, 4], 2, 2), ([3, 5, 2, 4], -2, -1), ([], 0, -1)]:
        args = {"start_dim": start, "end_dim": end}
        call = lambda t, **a: torch.flatten(t["input"], **a)
        file.case(f"flatten_{len(x)}_{start}_{end}", "flatten", {"input": normal(x)}, args, call)
    for op, layer in [("dropout", torch.nn.Dropout), ("dropout2d", torch.nn.Dropout2d)]:
        call = lambda t, p, layer=layer: layer(p).eval()(t["input"])
        file.case(f"{op}_eval", op, {"input": normal([3, 2, 3, 2])}, {"p": 0.5}, call)


def loss(file: File) -> None:
    for reduction in ["mean", "sum", "none"]:
        for x in [[3, 10], [1, 1], [17, 3], [3, 5, 2, 4], [3, 5, 7]]:
            label = f"{'x'.join(map(str, x))}_{reduction}"
            target = integers([x[0], *x[2:]], 0, x[1])
            args = {"reduction": reduction}
            call = lambda t, **a: F.cross_entropy(t["input"], t["target"], **a)
            file.case(f"cross_entropy_{label}", "cross_entropy", {"input": normal(x) * 3, "target": target}, args, call)
            call = lambda t, **a: F.nll_loss(t["input"], t["target"], **a)
            log_probs = torch.log_softmax(normal(x), 1)
            file.case(f"nll_loss_{label}", "nll_loss", {"input": log_probs, "target": target}, args, call)
        for x in [[3, 4], [1], [3, 2, 5, 4]]:
            label = f"mse_loss_{'x'.join(map(str, x))}_{reduction}"
            call = lambda t, **a: F.mse_loss(t["input"], t["target"], **a)
            file.case(label, "mse_loss", {"input": normal(x), "target": normal(x)}, {"reduction": reduction}, call)
    large = torch.tensor([[1e30, -1e30, 0.0], [-1e30, -1e30, -1e30], [500.0, 499.0, -500.0]])
    inputs = {"input": large, "target": torch.tensor([0, 2, 1])}
    call = lambda t, **a: F.cross_entropy(t["input"], t["target"], **a)
    file.case("cross_entropy_large", "cross_entropy", inputs, {"reduction": "mean"}, call)


def elementwise(file: File) -> None:
    shapes = [
        ([3, 4], [3, 4]),
        ([3, 4, 5], [5]),
        ([5], [3, 4, 5]),
        ([3, 1, 5], [4, 1]),
        ([3, 17, 4, 3], [17, 1, 1]),
        ([1, 3, 1, 5], [3, 1, 4, 1]),
        ([3, 5], []),
        ([0, 3], [1, 3]),
    ]
    binary = {
        "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "pow": torch.pow,
        "maximum": torch.maximum, "minimum": torch.minimum,
    }  # fmt: skip
    for op, call in binary.items():
        for a, b in shapes:
            label = f"{op}_{'x'.join(map(str, a))}_{'x'.join(map(str, b))}"
            left = uniform(a, 0.2, 3.0) if op == "pow" else normal(a)
            right = normal(b)
            if op == "div":
                right = right.sign() * (right.abs() + 0.3)
            of = lambda t, call=call: call(t["input"], t["other"])
            file.case(label, op, {"input": left, "other": right}, {}, of)
    for op in ["maximum", "minimum"]:
        of = lambda t, op=op: binary[op](t["input"], t["other"])
        ties = {"input": integers([4, 6], 0, 3).float(), "other": integers([6], 0, 3).float()}
        file.case(f"{op}_ties", op, ties, {}, of)
        nan = {"input": torch.tensor([float("nan"), 1.0, float("inf")]), "other": torch.tensor([1.0, float("nan"), 2.0])}
        file.case(f"{op}_nan", op, nan, {}, of, grad=False)
    zeros = {"input": torch.tensor([0.0, 0.0, 2.0, -2.0, -1.5]), "other": torch.tensor([2.0, 1.0, 0.0, 3.0, 2.0])}
    file.case("pow_edges", "pow", zeros, {}, lambda t: torch.pow(t["input"], t["other"]), only=["input"])
    unary = {
        "exp": (torch.exp, normal), "log": (torch.log, lambda s: uniform(s, 0.05, 9.0)),
        "sqrt": (torch.sqrt, lambda s: uniform(s, 0.05, 9.0)), "abs": (torch.abs, normal), "neg": (torch.neg, normal),
        "sin": (torch.sin, lambda s: normal(s) * 5), "cos": (torch.cos, lambda s: normal(s) * 5),
        "square": (torch.square, normal), "reciprocal": (torch.reciprocal, lambda s: uniform(s, 0.3, 3.0)),
        "sign": (torch.sign, normal),
    }  # fmt: skip
    for op, (call, draw) in unary.items():
        for shape in [[3, 5, 4, 2], [17], []]:
            label = f"{op}_{'x'.join(map(str, shape))}"
            file.case(label, op, {"input": draw(shape)}, {}, lambda t, call=call: call(t["input"]))
    wide = torch.tensor([-100.0, -87.0, -20.0, -1e-4, 0.0, 1e-4, 20.0, 88.0])
    file.case("exp_wide", "exp", {"input": wide}, {}, lambda t: torch.exp(t["input"]))
    file.case("exp_overflow", "exp", {"input": torch.tensor([100.0, float("inf"), float("-inf"), float("nan")])}, {},
              lambda t: torch.exp(t["input"]), grad=False)  # fmt: skip
    file.case("log_wide", "log", {"input": torch.tensor([1e-37, 1e-3, 0.99999, 1.0, 1.00001, 1e30])}, {},
              lambda t: torch.log(t["input"]))  # fmt: skip
    file.case("log_edges", "log", {"input": torch.tensor([0.0, -1.0, float("inf"), float("nan")])}, {},
              lambda t: torch.log(t["input"]), grad=False)  # fmt: skip
    file.case("abs_zero", "abs", {"input": torch.tensor([0.0, -0.0, -1.0])}, {}, lambda t: torch.abs(t["input"]))
    for exponent in [-1.5, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0]:
        of = lambda t, exponent: torch.pow(t["input"], exponent)
        x = uniform([3, 7], 0.2, 2.0)
        file.case(f"powf_{exponent}", "powf", {"input": x}, {"exponent": exponent}, of)
    for label, low, high in [("both", -0.5, 1.0), ("below", -0.5, None), ("above", None, 0.25)]:
        args = {"min": low, "max": high}
        of = lambda t, min, max: torch.clamp(t["input"], min, max)
        file.case(f"clamp_{label}", "clamp", {"input": normal([3, 7])}, args, of)
        edge = torch.tensor([-0.5, 1.0, 0.25, float("nan")])
        file.case(f"clamp_{label}_edges", "clamp", {"input": edge}, args, of)
    for a, b, c in [([3, 4], [3, 4], [3, 4]), ([4], [3, 1], [3, 4]), ([3, 1, 2], [4, 1], [])]:
        label = "where_" + "_".join("x".join(map(str, s)) for s in (a, b, c))
        inputs = {"condition": integers(a, 0, 2).to(torch.uint8), "input": normal(b), "other": normal(c)}
        of = lambda t: torch.where(t["condition"] != 0, t["input"], t["other"])
        file.case(label, "where", inputs, {}, of)


def reduce(file: File) -> None:
    def prod(x, dim, keepdim):
        for d in sorted((d % x.dim() for d in dim), reverse=True):
            x = torch.prod(x, d, keepdim)
        return x

    calls = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax, "min": torch.amin, "prod": prod}
    for op, call in calls.items():
        for shape, dim in [
            ([3, 5, 4, 2], [0, 1, 2, 3]), ([3, 5, 4, 2], [1]), ([3, 5, 4, 2], [0, 2, 3]), ([3, 5, 4, 2], [-1]),
            ([3, 5, 4, 2], [3, 1]), ([3, 17], [0]), ([17, 3], [1]), ([7], [0]), ([1, 1, 3], [0, 1]),
        ]:  # fmt: skip
            for keepdim in [False, True]:
                label = f"{op}_{'x'.join(map(str, shape))}_{'_'.join(map(str, dim))}_{'keep' if keepdim else 'drop'}"
                args = {"dim": dim, "keepdim": keepdim}
                of = lambda t, dim, keepdim, call=call: call(t["input"], dim, keepdim)
                file.case(label, op, {"input": normal(shape)}, args, of)
    args = {"dim": [1], "keepdim": False}
    for op in ["max", "min"]:
        of = lambda t, dim, keepdim, op=op: calls[op](t["input"], dim, keepdim)
        file.case(f"{op}_ties", op, {"input": integers([5, 6], 0, 3).float()}, args, of)
        nan = torch.tensor([[1.0, float("nan"), 2.0], [float("-inf"), float("inf"), 0.0]])
        file.case(f"{op}_nan", op, {"input": nan}, args, of, grad=False)
    zeros = torch.tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0], [2.0, 3.0, 4.0]])
    of = lambda t, dim, keepdim: prod(t["input"], dim, keepdim)
    file.case("prod_zeros", "prod", {"input": zeros}, args, of)
    file.case("sum_empty", "sum", {"input": normal([0, 3])}, {"dim": [0], "keepdim": False},
              lambda t, dim, keepdim: torch.sum(t["input"], dim, keepdim))  # fmt: skip
    for shape, dim in [([3, 5, 4], 1), ([3, 5, 4], -1), ([17], 0)]:
        ties = integers(shape, 0, 4).float()
        of = lambda t, dim: torch.argmax(t["input"], dim)
        file.case(f"argmax_{len(shape)}_{dim}", "argmax", {"input": ties}, {"dim": dim}, of, grad=False)
    nan = torch.tensor([[1.0, float("nan"), float("inf"), float("nan")]])
    file.case("argmax_nan", "argmax", {"input": nan}, {"dim": 1}, lambda t, dim: torch.argmax(t["input"], dim), grad=False)


def shape(file: File) -> None:
    x = [3, 5, 4, 2]
    for label, op, args, call in [
        ("reshape", "reshape", {"shape": [5, 24]}, lambda x, shape: x.reshape(shape)),
        ("reshape_rank_6", "reshape", {"shape": [1, 3, 5, 2, 2, 2]}, lambda x, shape: x.reshape(shape)),
        ("permute", "permute", {"dims": [0, 2, 3, 1]}, lambda x, dims: x.permute(dims)),
        ("permute_reversed", "permute", {"dims": [-1, -2, -3, -4]}, lambda x, dims: x.permute(dims)),
        ("transpose", "transpose", {"dim0": 1, "dim1": -1}, lambda x, **a: x.transpose(**a)),
        ("transpose_outer", "transpose", {"dim0": 0, "dim1": 1}, lambda x, **a: x.transpose(**a)),
        ("narrow", "narrow", {"dim": 1, "start": 1, "length": 3}, lambda x, **a: x.narrow(**a)),
        ("narrow_last", "narrow", {"dim": -1, "start": 1, "length": 1}, lambda x, **a: x.narrow(**a)),
        ("narrow_none", "narrow", {"dim": 2, "start": 4, "length": 0}, lambda x, **a: x.narrow(**a)),
        ("select", "select", {"dim": 1, "index": 2}, lambda x, **a: x.select(**a)),
        ("unsqueeze", "unsqueeze", {"dim": 2}, lambda x, dim: x.unsqueeze(dim)),
        ("unsqueeze_last", "unsqueeze", {"dim": -1}, lambda x, dim: x.unsqueeze(dim)),
        ("pad", "pad", {"padding": [1, 2], "value": 0.5}, lambda x, padding, value: F.pad(x, padding, value=value)),
        ("pad_image", "pad", {"padding": [1, 0, 2, 3], "value": 0.0}, lambda x, padding, value: F.pad(x, padding, value=value)),
        ("pad_all", "pad", {"padding": [0, 1, 1, 0, 2, 1, 1, 1], "value": -1.0}, lambda x, padding, value: F.pad(x, padding, value=value)),
        # Views of views, then an op that reads them.
        ("chain", "permute_narrow_flatten", {}, lambda x: x.permute(2, 0, 3, 1).narrow(3, 1, 3).flatten(1) * 2),
    ]:
        file.case(label, op, {"input": normal(x)}, args, lambda t, call=call, **a: call(t["input"], **a))
    for a, b in [([3, 1, 4], [3, 5, 4]), ([4], [3, 5, 4]), ([1, 1], [2, 3]), ([], [2, 2])]:
        label = f"expand_{'x'.join(map(str, a))}_{'x'.join(map(str, b))}"
        file.case(label, "expand", {"input": normal(a)}, {"shape": b}, lambda t, shape: t["input"].expand(shape))
    for a, dim in [([3, 1, 4], 1), ([3, 1, 4], 0), ([1, 3, 2, 1], -1)]:
        label = f"squeeze_{'x'.join(map(str, a))}_{dim}"
        file.case(label, "squeeze", {"input": normal(a)}, {"dim": dim}, lambda t, dim: t["input"].squeeze(dim))
    tensors = lambda t: [t[k] for k in sorted(t)]
    for label, shapes, dim in [
        ("first", [[1, 4], [3, 4], [2, 4]], 0), ("last", [[3, 1], [3, 5]], -1), ("alone", [[2, 3]], 0),
        ("channels", [[3, 2, 5, 4], [3, 17, 5, 4], [3, 1, 5, 4]], 1), ("empty", [[0, 3], [2, 3]], 0),
    ]:  # fmt: skip
        inputs = {f"input{i}": normal(s) for i, s in enumerate(shapes)}
        file.case(f"cat_{label}", "cat", inputs, {"dim": dim}, lambda t, dim: torch.cat(tensors(t), dim))
    for a, dim in [([3, 4], 0), ([3, 4], 1), ([3, 4], -1), ([], 0), ([5, 4, 3], 1)]:
        inputs = {f"input{i}": normal(a) for i in range(3)}
        label = f"stack_{'x'.join(map(str, a))}_{dim}"
        file.case(label, "stack", inputs, {"dim": dim}, lambda t, dim: torch.stack(tensors(t), dim))
    for a, dim, by in [([3, 5], 1, [3, 2]), ([3, 5], 0, [7, 5]), ([5], 0, [9]), ([3, 4, 5], 1, [3, 6, 4]), ([3, 4, 5], -1, [2, 4, 1])]:
        label = f"gather_{'x'.join(map(str, a))}_{dim}"
        inputs = {"input": normal(a), "index": integers(by, 0, a[dim])}
        file.case(label, "gather", inputs, {"dim": dim}, lambda t, dim: torch.gather(t["input"], dim, t["index"]))
    for a, dim, n in [([3, 5], 1, 8), ([3, 5], 0, 2), ([7], 0, 3), ([3, 4, 5, 2], 1, 5), ([3, 4, 5, 2], -1, 3), ([3, 2], 0, 0)]:
        label = f"index_select_{'x'.join(map(str, a))}_{dim}"
        inputs = {"input": normal(a), "index": integers([n], 0, a[dim])}
        file.case(label, "index_select", inputs, {"dim": dim}, lambda t, dim: torch.index_select(t["input"], dim, t["index"]))
