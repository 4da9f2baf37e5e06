"""The cases of ops that no other family has. See make_fixtures.py."""

import torch
import torch.nn.functional as F

from fixture_file import File, integers, normal, uniform
from fixture_op import EXACT, SUM, of_largest


def ops(file: File) -> None:
    for shape, dim, by in [([3, 5], 1, [3, 7]), ([9, 3, 2], 0, [4, 3, 2]), ([2, 4, 3, 2], 1, [2, 6, 3, 2])]:
        inputs = {"input": normal(by), "index": integers(by, 0, shape[dim])}
        call = lambda t, shape=shape, dim=dim: torch.zeros(shape, dtype=torch.float64).scatter_add(dim, t["index"], t["input"])
        file.case(f"scatter_add_{len(shape)}", {"scatter_add": {"dim": dim, "shape": shape}}, inputs, {}, call)
        inputs = {"input": normal(by), "index": integers([by[dim]], 0, shape[dim])}
        size = [shape[d] if d == dim else n for d, n in enumerate(by)]
        call = lambda t, size=size, dim=dim: torch.zeros(size, dtype=torch.float64).index_add(dim, t["index"], t["input"])
        file.case(f"index_add_{len(shape)}", {"index_add": {"dim": dim, "size": shape[dim]}}, inputs, {}, call)
        for reverse in [False, True]:
            turned = lambda x, dim=dim, reverse=reverse: x.flip(dim) if reverse else x
            call = lambda t, dim=dim, turned=turned: turned(torch.cumsum(turned(t["input"]), dim))
            op = {"cum_sum": {"dim": dim, "reverse": reverse}}
            # The gradient of running sums from the end is not recorded by this op: it is that of sums from the start.
            file.case(f"cumsum_{len(shape)}_{reverse}", op, {"input": normal(by)}, {}, call, grad=not reverse)
    cast = {"cast": {"dtype": "f32"}}
    file.case("cast_f32", cast, {"input": normal([3, 5])}, {}, lambda t: t["input"].clone(), tolerance=EXACT, smooth=False)
    file.case("cast_i64", {"cast": {"dtype": "i64"}}, {"input": normal([3, 17]) * 9}, {}, lambda t: t["input"].long(), grad=False)
    for name, x in [("finite", normal([3, 5])), ("infinite", torch.tensor([1.0, float("inf")])), ("nan", torch.tensor([float("nan"), 2.0]))]:
        call = lambda t: torch.isfinite(t["input"]).all().long()
        file.case(f"is_finite_{name}", {"is_finite": None}, {"input": x}, {}, call, grad=False)
    for x in [[3, 4], [2, 17, 3, 2], [5, 3, 4]]:
        dims = [0, *range(2, len(x))]
        call = lambda t, dims=dims: t["input"].mean(dims)
        file.case(f"batch_norm_stats_{len(x)}", {"batch_norm_stats": None}, {"input": normal(x)}, {}, call, grad=False)
    for n, c in [(3, 5), (1, 1), (17, 3)]:
        inputs = {"input": normal([n, c]) * 3, "target": integers([n], 0, c)}
        call = lambda t: F.cross_entropy(t["input"], t["target"], reduction="none")
        file.case(f"cross_entropy_{n}_{c}", {"cross_entropy": None}, inputs, {}, call, grad=False, tolerance=SUM)
    inputs = {"input": normal([2, 3, 2, 2]), "weight": normal([3])}
    file.case("prelu", "prelu", inputs, {}, lambda t: F.prelu(t["input"], t["weight"]))
    grid_sample(file)


def grid_sample(file: File) -> None:
    nan = float("nan")
    for mode in ["bilinear", "nearest", "bicubic"]:
        for padding in ["zeros", "border", "reflection"]:
            for corners in [False, True]:
                settings = {"mode": mode, "padding_mode": padding, "align_corners": corners}
                # The coordinates are computed in f64; weights are products of two, rounded once.
                op, tolerance = {"grid_sample": settings}, of_largest(2e-6)
                call = lambda t, settings=settings: F.grid_sample(t["input"], t["grid"], **settings)
                label = f"grid_sample_{mode}_{padding}_{'aligned' if corners else 'plain'}"
                for x, size in [([2, 3, 3, 5], [3, 2]), ([1, 17, 2, 3], [1, 2]), ([1, 1, 17, 3], [1, 17]), ([3, 1, 1, 1], [2, 3])]:
                    inputs = {"input": normal(x), "grid": uniform([x[0], *size, 2], -1.6, 1.6)}
                    name = f"{label}_{'x'.join(map(str, x))}"
                    # A single pixel that is everywhere has no slopes but rounding errors.
                    only = ["input"] if x[2:] == [1, 1] and padding != "zeros" else None
                    file.case(name, op, inputs, {}, call, only=only, tolerance=tolerance)
                far = torch.tensor([[-37.3, 0.3], [0.1, 25.7], [-9.7, -1e4], [1.0, -1.0], [3e3, 0.2], [-1.02, 1.01]])
                inputs = {"input": normal([1, 3, 4, 3]), "grid": far.reshape([1, 2, 3, 2])}
                file.case(f"{label}_far", op, inputs, {}, call, tolerance=tolerance, smooth=False)
                # PyTorch 2.15 stops with a fault at the gradients of these.
                missing = torch.tensor([[nan, 0.3], [0.1, nan], [nan, nan], [0.4, -0.2]])
                inputs = {"input": normal([1, 3, 4, 3]), "grid": missing.reshape([1, 2, 2, 2])}
                file.case(f"{label}_nan", op, inputs, {}, call, grad=False, tolerance=tolerance, smooth=False)
