"""The cases of activation functions with more to them than a maximum. See make_fixtures.py."""

import torch
import torch.nn.functional as F

from fixture_file import File, normal
from fixture_op import EXACT


def activations(file: File) -> None:
    shape = [3, 5, 2, 7]
    # Near 0, around the corners at ±3 and 6, and far out. Below -85 what e^x gives is no normal f32.
    edges = torch.tensor([0.0, -0.0, 1e-6, -1e-6, 1e-3, -1e-3, 0.3, -0.3, -0.4, -1.28, -0.75, 1.0, -1.0, 2.999, -2.999, 3.0, -3.0,
                          3.001, -3.001, 6.0, 5.999, 6.001, -5.0, 19.5, 20.5, -20.0, 50.0, -50.0, 85.0, 1e4, -1e4])  # fmt: skip
    infinite = torch.tensor([float("nan"), float("inf"), float("-inf"), 1.0])
    for label, op, args, unary in [
        ("relu6", "relu6", {}, {"hardtanh": [0.0, 6.0]}),
        ("hardtanh", "hardtanh", {"min_val": -1.0, "max_val": 1.0}, {"hardtanh": [-1.0, 1.0]}),
        ("hardtanh_uneven", "hardtanh", {"min_val": -0.25, "max_val": 3.0}, {"hardtanh": [-0.25, 3.0]}),
        ("elu", "elu", {"alpha": 1.0}, {"elu": 1.0}),
        ("elu_small", "elu", {"alpha": 0.3}, {"elu": 0.3}),
        ("gelu", "gelu", {"approximate": "none"}, "gelu"),
        ("gelu_tanh", "gelu", {"approximate": "tanh"}, "gelu_tanh"),
        ("silu", "silu", {}, "silu"),
        ("hardswish", "hardswish", {}, "hardswish"),
        ("hardsigmoid", "hardsigmoid", {}, "hardsigmoid"),
        ("softplus", "softplus", {"beta": 1.0, "threshold": 20.0}, {"softplus": {"beta": 1.0, "threshold": 20.0}}),
        ("softplus_sharp", "softplus", {"beta": 3.0, "threshold": 2.0}, {"softplus": {"beta": 3.0, "threshold": 2.0}}),
        ("softplus_soft", "softplus", {"beta": 0.5, "threshold": 20.0}, {"softplus": {"beta": 0.5, "threshold": 20.0}}),
        ("mish", "mish", {}, "mish"),
        ("hardshrink", "hardshrink", {"lambd": 0.4375}, {"hardshrink": 0.4375}),
        ("softshrink", "softshrink", {"lambd": 0.4375}, {"softshrink": 0.4375}),
    ]:
        op_data = {"unary": {"activation": unary}}
        call = lambda t, op=op, args=args: getattr(F, op)(t["input"], **args)
        exact = op in ("relu6", "hardtanh", "hardshrink")
        # Slopes are sums of terms that cancel somewhere; far below 0 the error of an exponential's argument counts.
        for suffix, x, tolerance in [("", normal(shape) * 3, [2e-6, 3e-7]), ("_edges", edges, [2e-5, 3e-11]), ("_not_finite", infinite, [2e-6, 3e-7])]:
            values = EXACT if exact else tolerance
            slopes = [values[0], max(values[1], 2e-7)]
            grad = suffix != "_not_finite"
            file.case(label + suffix, op_data, {"input": x}, {}, call, grad=grad, tolerance=values, gradient_tolerance=slopes)
    for label, x, n in [("one", [3, 5, 2, 3], 1), ("each", [3, 17, 2, 3], 17), ("rank_2", [3, 5], 5), ("rank_3", [1, 3, 4], 3), ("rank_1", [7], 1)]:
        inputs = {"input": normal(x), "weight": normal([n])}
        inputs["input"].view(-1)[0] = 0.0
        file.case(f"prelu_{label}", "prelu", inputs, {}, lambda t: F.prelu(t["input"], t["weight"]))
