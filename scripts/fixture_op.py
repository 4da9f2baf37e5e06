"""Cases that name a function of PyTorch's and its arguments, as cases of one `Op` of Striate's.

Such a case needs no line of Rust: `crates/striate/tests/it/parity/ops.rs` runs the op that the file names. What is left out here is run by a line of Rust
that bears its name: methods and layers that are made of several ops, or that take more forms than an op has.
"""

EXACT = [0.0, 0.0]
ELEMENT = [1e-6, 0.0]
SUM = [1e-6, 1e-6]


def of_largest(share: float) -> list[float]:
    return [0.0, share]


def unary(function: str):
    """A function of floating-point numbers; the methods take integers, too."""
    return lambda a, t: {"unary": function} if t["input"].is_floating_point() else None


def conv2d(a: dict, t: dict) -> dict | None:
    if a.get("padding") == "same":
        return None
    padding = [[p, p] for p in a.get("padding", [0, 0])]
    options = {"stride": [1, 1], "dilation": [1, 1], "groups": 1} | a | {"padding": padding}
    return {"conv2d": {"options": options, "input_relu": False}}


def conv_transpose2d(a: dict, t: dict) -> dict:
    defaults = {"stride": [1, 1], "padding": [0, 0], "output_padding": [0, 0], "dilation": [1, 1], "groups": 1}
    return {"conv_transpose2d": {"options": defaults | a}}


def pool2d(a: dict) -> dict:
    defaults = {"stride": a["kernel_size"], "padding": [0, 0], "dilation": [1, 1], "ceil_mode": False, "count_include_pad": True}
    return defaults | a


def interpolate(a: dict, t: dict) -> dict:
    size, factor = a.get("size"), a.get("scale_factor")
    size = size or [int(n * f) for n, f in zip(t["input"].shape[2:], factor)]
    mode = a["mode"].replace("-", "_")
    mode = mode if a["align_corners"] is None else {mode: {"align_corners": a["align_corners"]}}
    return {"interpolate": {"size": size, "scale_factor": factor, "mode": mode}}


def pad(a: dict, t: dict) -> dict:
    pairs = [a["padding"][i : i + 2] for i in range(0, len(a["padding"]), 2)]
    padding = [[0, 0]] * (t["input"].dim() - len(pairs)) + pairs[::-1]
    return {"pad": {"padding": padding, "mode": a.get("mode", "zeros"), "value": a.get("value", 0.0)}}


def matmul(a: dict, t: dict) -> str | None:
    x, y = t["input"].shape, t["other"].shape
    return "mat_mul" if len(x) == len(y) > 1 and x[:-2] == y[:-2] else None


def along(name: str, *more: str):
    """An op with a dimension, and settings that it has under PyTorch's names."""
    return lambda a, t: {name: {"dim": a["dim"] % max(t["input" if "input" in t else "input0"].dim(), 1), **{k: a[k] for k in more}}}


def reduce(op: str):
    return lambda a, t: {"reduce": {"op": op, "dims": sorted(d % t["input"].dim() for d in a["dim"]), "keepdim": a.get("keepdim", False)}}


def affine(op):
    return lambda a, t: op(a, t) if "weight" in t else None


def flatten(a: dict, t: dict) -> dict | None:
    n = t["input"].dim()
    return {"flatten": {"start_dim": a["start_dim"] % n, "end_dim": a["end_dim"] % n}} if n else None


def pair(function: str):
    return lambda a, t: {"binary": function}


FLOATS = ["exp", "log", "sqrt", "abs", "neg", "sin", "cos", "square", "sign"]
NORM = of_largest(3e-6)
# PyTorch's name: the op by arguments and tensors (none if it takes more than one op), and the tolerances of values and gradients: relative, and of the
# largest number.
OPS = {
    "conv2d": (conv2d, of_largest(2e-6), of_largest(2e-6)),
    "conv_transpose2d": (conv_transpose2d, of_largest(2e-6), of_largest(2e-6)),
    # Where windows overlap, gradients add up.
    "max_pool2d": (lambda a, t: {"max_pool2d": {"options": pool2d(a), "input_relu": False, "with_positions": False}}, EXACT, SUM),
    "avg_pool2d": (lambda a, t: {"avg_pool2d": {"options": pool2d(a)}}, SUM, SUM),
    "adaptive_avg_pool1d": (lambda a, t: {"adaptive_avg_pool": {"output_size": [a["output_size"]]}}, SUM, SUM),
    "adaptive_avg_pool2d": (lambda a, t: {"adaptive_avg_pool": a}, SUM, SUM),
    "adaptive_max_pool2d": (lambda a, t: {"adaptive_max_pool2d": a | {"with_positions": False}}, EXACT, SUM),
    "interpolate": (interpolate, SUM, SUM),
    "pad": (pad, EXACT, SUM),
    "linear": (lambda a, t: "linear", SUM, SUM),
    "matmul": (matmul, SUM, SUM),
    "group_norm": (affine(lambda a, t: {"group_norm": {"groups": a["num_groups"], "eps": a["eps"]}}), NORM, NORM),
    "layer_norm": (affine(lambda a, t: {"layer_norm": {"eps": a["eps"]}}), NORM, NORM),
    "local_response_norm": (lambda a, t: {"local_response_norm": a}, NORM, NORM),
    "batch_norm2d_eval": (
        affine(lambda a, t: {"batch_norm": {"eps": a["eps"], "training": False, "residual": False, "activation": None}}), NORM, NORM),
    "softmax": (along("softmax"), [2e-6, 1e-6], [2e-6, 1e-6]),
    "log_softmax": (along("log_softmax"), [2e-6, 1e-6], [2e-6, 1e-6]),
    "relu": (unary("relu"), EXACT, EXACT),
    "leaky_relu": (lambda a, t: {"unary": {"leaky_relu": a["negative_slope"]}}, ELEMENT, ELEMENT),
    # 1 − y² and y·(1 − y) cancel where y nears 1.
    "tanh": (unary("tanh"), [1e-6, 5e-7], [1e-6, 5e-7]),
    "sigmoid": (unary("sigmoid"), [1e-6, 5e-7], [1e-6, 5e-7]),
    "flatten": (flatten, EXACT, EXACT),
    "reshape": (lambda a, t: {"reshape": a}, EXACT, EXACT),
    "expand": (lambda a, t: {"expand": a}, EXACT, SUM),
    "permute": (lambda a, t: {"permute": {"dims": [d % t["input"].dim() for d in a["dims"]]}}, EXACT, EXACT),
    "narrow": (along("narrow", "start", "length"), EXACT, EXACT),
    "cat": (along("cat"), EXACT, EXACT),
    # An element that was taken twice gets the sum of two gradients.
    "gather": (along("gather"), EXACT, SUM),
    "index_select": (along("index_select"), EXACT, SUM),
    "argmax": (lambda a, t: along("arg_max", "keepdim")(a | {"keepdim": False}, t), EXACT, EXACT),
    "argsort": (along("arg_sort", "descending"), EXACT, EXACT),
    "arg_max_dim": (along("arg_max", "keepdim"), EXACT, EXACT),
    "arg_min_dim": (along("arg_min", "keepdim"), EXACT, EXACT),
    "where": (lambda a, t: "where", EXACT, [0.0, 2e-6]),
    "prelu": (lambda a, t: "prelu", SUM, SUM),
    # An exponent's rounding error grows with the power.
    "powf": (lambda a, t: {"unary": {"pow_scalar": a["exponent"]}}, [5e-6, 0.0], [5e-6, 2e-6]),
    "reciprocal": (unary("recip"), ELEMENT, [1e-6, 2e-6]),
    # Equal elements share the gradient, which is a division. A sum that cancels is wrong by roundings of what it is made of; a product by one per factor.
    "max": (reduce("max"), EXACT, ELEMENT),
    "min": (reduce("min"), EXACT, ELEMENT),
    "sum": (reduce("sum"), [5e-6, 1e-6], SUM),
    "mean": (reduce("mean"), [5e-6, 1e-6], SUM),
    "prod": (reduce("prod"), [1e-5, 0.0], [1e-5, 0.0]),
}  # fmt: skip
for name in FLOATS:
    exact = name in ("abs", "neg", "sign")
    # Near a zero of the function only the error of the argument counts.
    values = EXACT if exact else [1e-6, 3e-7] if name in ("sin", "cos") else ELEMENT
    OPS[name] = (unary(name), values, [values[0], 2e-6])
for name in ["add", "sub", "mul", "div", "pow", "maximum", "minimum"]:
    values = EXACT if "imum" in name else [5e-6, 0.0] if name == "pow" else ELEMENT
    # What was broadcast gets a sum.
    OPS[name] = (pair(name), values, [values[0], 2e-6])
for name in ["eq", "ne", "lt", "le", "gt", "ge"]:
    OPS[name] = (lambda a, t, name=name: {"compare": name} if "other" in t else None, EXACT, EXACT)


def op_of(name: str, op: str, args: dict, inputs: dict) -> dict | None:
    """The op as JSON, its operands' names, and the tolerances; none if a line of Rust runs the case."""
    if op not in OPS:
        return None
    make, values, gradients = OPS[op]
    if any(x.element_size() == 1 for x in inputs.values() if "condition" not in inputs):
        return None
    made = make(args, inputs)
    if made is None:
        return None
    if op in ("conv2d", "conv_transpose2d") and name.startswith("winograd"):
        # Winograd's algorithm loses about a digit against summing one by one.
        values = gradients = of_largest(1e-5)
    if op == "interpolate" and args["mode"].startswith("nearest"):
        values = EXACT
    operands = list(inputs)
    if op == "batch_norm2d_eval":
        operands = ["input", "running_mean", "running_var", "weight", "bias"]
    return {"op": made, "operands": operands, "tolerance": values, "gradient_tolerance": gradients}
