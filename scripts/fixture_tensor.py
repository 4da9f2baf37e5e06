"""Comparison, choice, order, statistics, indexing, einsum, windows: the cases of `tensor` and `tensor_index`."""

import torch
import torch.nn.functional as F

from fixture_file import File, integers, normal, uniform

NAN, INF = float("nan"), float("inf")


def name_of(shape: list[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def truth(x: torch.Tensor) -> torch.Tensor:
    """A truth value as the number that Striate has for it."""
    return x.to(torch.int64)


def compare(file: File) -> None:
    ops = {"eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge}
    special = torch.tensor([1.0, NAN, INF, -INF, 0.0, -0.0, NAN])
    other = torch.tensor([1.0, NAN, INF, INF, -0.0, 1.0, 2.0])
    for op, call in ops.items():
        for a, b in [([3, 5], [3, 5]), ([3, 1, 2], [4, 1]), ([2, 3, 4, 5], [3, 1, 1]), ([0, 3], [1, 3])]:
            inputs = {"input": integers(a, 0, 3).float(), "other": integers(b, 0, 3).float()}
            label = f"{op}_{name_of(a)}_{name_of(b)}"
            file.case(label, op, inputs, {}, lambda t, call=call: truth(call(t["input"], t["other"])), grad=False)
        file.case(f"{op}_special", op, {"input": special, "other": other}, {},
                  lambda t, call=call: truth(call(t["input"], t["other"])), grad=False)  # fmt: skip
        for kind, x in [("f32", integers([17], -2, 3).float()), ("i64", integers([17], -2, 3)),
                        ("u8", integers([17], 0, 3).to(torch.uint8))]:  # fmt: skip
            for number in [1, 0.5]:
                of = lambda t, number, call=call: truth(call(t["input"], number))
                file.case(f"{op}_{kind}_number_{number}", op, {"input": x}, {"number": number}, of, grad=False)
    logic = {"logical_and": torch.logical_and, "logical_or": torch.logical_or, "logical_xor": torch.logical_xor}
    for op, call in logic.items():
        inputs = {"input": integers([3, 4], 0, 3).float(), "other": integers([4], 0, 2)}
        file.case(op, op, inputs, {}, lambda t, call=call: truth(call(t["input"], t["other"])), grad=False)
    for op, call in {"logical_not": torch.logical_not, "isnan": torch.isnan, "isinf": torch.isinf,
                     "isfinite": torch.isfinite}.items():  # fmt: skip
        file.case(op, op, {"input": special}, {}, lambda t, call=call: truth(call(t["input"])), grad=False)
    sparse = (uniform([3, 4, 5], 0, 1) > 0.8).float()
    for op, call in {"any": torch.any, "all": torch.all}.items():
        for label, x in [("sparse", sparse), ("dense", 1 - sparse), ("empty", sparse[:, :0]), ("nan", sparse * NAN)]:
            for dim, keepdim in [([0, 1, 2], False), ([1], True), ([-1, 0], False)]:
                of = lambda t, dim, keepdim, call=call: truth(call(t["input"], dim, keepdim))
                args = {"dim": dim, "keepdim": keepdim}
                file.case(f"{op}_{label}_{len(dim)}", op, {"input": x}, args, of, grad=False)
    for kind, x in [("f32", normal([3, 5])), ("i64", integers([3, 5], 0, 100))]:
        inputs = {"condition": integers([5], 0, 2).to(torch.uint8), "input": x}
        file.case(f"where_number_{kind}", "where_number", inputs, {"number": 2},
                  lambda t, number: torch.where(t["condition"] != 0, t["input"], number))  # fmt: skip
        file.case(f"masked_fill_{kind}", "masked_fill", inputs, {"number": -3},
                  lambda t, number: t["input"].masked_fill(t["condition"] != 0, number))  # fmt: skip
        file.case(f"masked_select_{kind}", "masked_select", inputs, {},
                  lambda t: t["input"].masked_select(t["condition"] != 0))  # fmt: skip
    for shape in [[3, 4], [2, 3, 2, 2], [7], [0, 2]]:
        x = integers(shape, 0, 2).float()
        file.case(f"nonzero_{name_of(shape)}", "nonzero", {"input": x}, {}, lambda t: torch.nonzero(t["input"]), grad=False)
    for label, low, high in [("both", -1, 2), ("below", 0, None), ("above", None, 1)]:
        file.case(f"clamp_i64_{label}", "clamp", {"input": integers([9], -5, 6)}, {"min": low, "max": high},
                  lambda t, min, max: torch.clamp(t["input"], min, max))  # fmt: skip


def functions(file: File) -> None:
    halves = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997, 8388609.0, -0.2, INF, NAN])
    for op, call in {"floor": torch.floor, "ceil": torch.ceil, "round": torch.round}.items():
        file.case(op, op, {"input": normal([3, 5, 2, 2]) * 3}, {}, lambda t, call=call: call(t["input"]))
        file.case(f"{op}_halves", op, {"input": halves}, {}, lambda t, call=call: call(t["input"]), grad=False)
        file.case(f"{op}_i64", op, {"input": integers([5], -3, 4)}, {}, lambda t, call=call: call(t["input"]))
    smooth = {
        "rsqrt": (torch.rsqrt, lambda s: uniform(s, 0.1, 9), [1e-30, 1e30, INF]),
        "log1p": (torch.log1p, lambda s: uniform(s, -0.9, 5), [1e-10, -1e-7, 1e30]),
        "expm1": (torch.expm1, normal, [1e-10, -1e-7, 30.0, -50.0]),
        "erf": (torch.erf, normal, [1e-10, 0.0, -0.99, 1.0, 2.5, -4.0, 100.0]),
    }
    for op, (call, draw, wide) in smooth.items():
        for shape in [[3, 5, 4, 2], [17], []]:
            file.case(f"{op}_{name_of(shape)}", op, {"input": draw(shape)}, {}, lambda t, call=call: call(t["input"]))
        file.case(f"{op}_wide", op, {"input": torch.tensor(wide)}, {}, lambda t, call=call: call(t["input"]))
    for op, call in {"number_plus": lambda x: 2 + x, "number_minus": lambda x: 2 - x, "number_times": lambda x: 2 * x,
                     "number_by": lambda x: 2 / x}.items():  # fmt: skip
        file.case(op, op, {"input": uniform([3, 5], 0.5, 3)}, {}, lambda t, call=call: call(t["input"]))
    for op, call in {"number_plus": lambda x: 2 + x, "number_minus": lambda x: 2 - x, "number_times": lambda x: 2 * x,
                     "neg": torch.neg, "abs": torch.abs}.items():  # fmt: skip
        file.case(f"{op}_i64", op, {"input": integers([7], -9, 9)}, {}, lambda t, call=call: call(t["input"]))


def order(file: File) -> None:
    ties = lambda shape: integers(shape, 0, 4).float()
    special = torch.tensor([[3.0, NAN, -1.0, 3.0], [INF, -INF, NAN, NAN], [0.0, -0.0, 0.0, 1e-9]])
    inputs = [("ties", ties([3, 17]), 1), ("rows", ties([5, 3]), 0), ("image", ties([2, 3, 4, 5]), 1), ("last", normal([2, 3, 4, 5]), -1),
              ("one", normal([1]), 0), ("special", special, 1), ("i64", integers([3, 7], -3, 3), 1),
              ("u8", integers([3, 7], 0, 9).to(torch.uint8), 0)]  # fmt: skip
    for label, x, dim in inputs:
        kind = (lambda y: y.to(torch.int64)) if label == "u8" else (lambda y: y)
        exact = {"grad": label not in ("special", "i64", "u8")}
        for descending in [False, True]:
            args = {"dim": dim, "descending": descending}
            both = lambda t, dim, descending: torch.sort(t["input"], dim=dim, descending=descending, stable=True)
            side = f"{label}_{'down' if descending else 'up'}"
            file.case(f"sort_{side}", "sort", {"input": x}, args, lambda t, both=both, kind=kind, **a: kind(both(t, **a)[0]), **exact)
            file.case(f"argsort_{side}", "argsort", {"input": x}, args, lambda t, both=both, **a: both(t, **a)[1], grad=False)
        for op, call in {"max_dim": torch.max, "min_dim": torch.min}.items():
            for keepdim in [False, True]:
                args = {"dim": dim, "keepdim": keepdim}
                both = lambda t, dim, keepdim, call=call: call(t["input"], dim, keepdim)
                side = f"{label}_{'keep' if keepdim else 'drop'}"
                # Where in f64 and where in f32 is the same: the values are f32's.
                file.case(f"{op}_{side}", op, {"input": x}, args, lambda t, both=both, kind=kind, **a: kind(both(t, **a)[0]), **exact)
                file.case(f"arg_{op}_{side}", f"arg_{op}", {"input": x}, args, lambda t, both=both, **a: both(t, **a)[1], grad=False)
    distinct = torch.randperm(60, generator=torch.Generator().manual_seed(1)).float().reshape(3, 4, 5) - 20
    for k, dim, largest in [(2, -1, True), (4, 1, False), (1, 0, True), (0, 2, True)]:
        args = {"k": k, "dim": dim, "largest": largest}
        both = lambda t, k, dim, largest: torch.topk(t["input"], k, dim, largest)
        label = f"{k}_{dim}_{'largest' if largest else 'smallest'}"
        file.case(f"topk_{label}", "topk", {"input": distinct}, args, lambda t, both=both, **a: both(t, **a)[0])
        file.case(f"arg_topk_{label}", "arg_topk", {"input": distinct}, args, lambda t, both=both, **a: both(t, **a)[1], grad=False)
    nan = torch.tensor([3.0, NAN, 1.0, -INF, INF])
    for largest in [True, False]:
        file.case(f"topk_nan_{largest}", "topk", {"input": nan}, {"k": 3, "dim": 0, "largest": largest},
                  lambda t, k, dim, largest: torch.topk(t["input"], k, dim, largest)[0], grad=False)  # fmt: skip
    for op, call in {"sum": torch.sum, "max": torch.amax, "min": torch.amin, "prod": torch.prod}.items():
        for kind, x in [("i64", integers([2, 3, 4, 2], -2, 3)), ("u8", integers([2, 3, 4, 2], 0, 3).to(torch.uint8))]:
            for dim in [[1], [-1, 0], [0, 1, 2, 3]]:
                if op == "prod" and len(dim) > 1:
                    continue
                of = lambda t, dim, call=call, op=op: call(t["input"], dim[0] if op == "prod" else dim).to(torch.int64)
                file.case(f"{op}_{kind}_{len(dim)}", op, {"input": x}, {"dim": dim}, of)


def statistics(file: File) -> None:
    dims = [([3, 5, 4, 2], [0, 1, 2, 3]), ([3, 5, 4, 2], [1]), ([3, 5, 4, 2], [0, 2, 3]), ([3, 17], [-1]), ([7, 3], [0])]
    for op, call in {"var": torch.var, "std": torch.std}.items():
        for shape, dim in dims:
            for correction, keepdim in [(1, False), (0, True), (2, False)]:
                args = {"dim": dim, "correction": correction, "keepdim": keepdim}
                label = f"{op}_{name_of(shape)}_{len(dim)}_{correction}"
                file.case(label, op, {"input": normal(shape) + 3}, args, lambda t, call=call, **a: call(t["input"], **a))
        args = {"dim": [1], "correction": 1, "keepdim": False}
        # PyTorch warns that nothing is left to divide by, and gives NaN.
        file.case(f"{op}_one", op, {"input": normal([3, 1])}, args, lambda t, call=call, **a: call(t["input"], **a), grad=False)
        file.case(f"{op}_constant", op, {"input": torch.ones(2, 3)}, args, lambda t, call=call, **a: call(t["input"], **a))
    for ord in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, INF, -INF]:
        for shape, dim, keepdim in [([3, 5, 4, 2], [1], False), ([3, 5, 4, 2], [2, 3], True), ([17], [0], False), ([3, 5], [0, 1], False)]:
            x = normal(shape)
            x.view(-1)[1] = 0.0
            args = {"ord": str(ord), "dim": dim, "keepdim": keepdim}
            of = lambda t, ord, dim, keepdim: torch.linalg.vector_norm(t["input"], float(ord), dim, keepdim)
            file.case(f"norm_{ord}_{name_of(shape)}_{len(dim)}", "norm", {"input": x}, args, of, grad=ord != 0)
        if ord != 0:
            args = {"ord": str(ord), "dim": [1], "keepdim": False}
            file.case(f"norm_{ord}_zeros", "norm", {"input": torch.zeros(2, 3)}, args, of)
    for shape, dim in dims:
        file.case(f"logsumexp_{name_of(shape)}_{len(dim)}", "logsumexp", {"input": normal(shape) * 5}, {"dim": dim, "keepdim": len(dim) == 1},
                  lambda t, dim, keepdim: torch.logsumexp(t["input"], dim, keepdim))  # fmt: skip
    edge = torch.tensor([[1000.0, 1000.0, -1000.0], [-INF, 0.0, 1.0], [2.0, -INF, -INF]])
    of = lambda t, dim, keepdim: torch.logsumexp(t["input"], dim, keepdim)
    file.case("logsumexp_large", "logsumexp", {"input": edge}, {"dim": [1], "keepdim": False}, of)
    edge = torch.tensor([[-INF, -INF], [INF, 1.0], [INF, -INF], [NAN, 1.0]])
    file.case("logsumexp_infinite", "logsumexp", {"input": edge}, {"dim": [1], "keepdim": False}, of, grad=False)
    file.case("logsumexp_empty", "logsumexp", {"input": torch.zeros(0, 3)}, {"dim": [0], "keepdim": False}, of)
    for shape, dim in [([3, 5, 4, 2], 1), ([3, 5, 4, 2], -1), ([3, 5, 4, 2], 0), ([17], 0), ([3, 0], 1), ([1, 3], 0)]:
        file.case(f"cumsum_{name_of(shape)}_{dim}", "cumsum", {"input": normal(shape)}, {"dim": dim}, lambda t, dim: torch.cumsum(t["input"], dim))
    file.case("cumsum_i64", "cumsum", {"input": integers([3, 5], -9, 9)}, {"dim": 1}, lambda t, dim: torch.cumsum(t["input"], dim))
    file.case("cumsum_u8", "cumsum", {"input": integers([3, 5], 0, 256).to(torch.uint8)}, {"dim": 1}, lambda t, dim: torch.cumsum(t["input"], dim))


def tensor(file: File) -> None:
    compare(file)
    functions(file)


def tensor_order(file: File) -> None:
    order(file)
    statistics(file)


def tensor_index(file: File) -> None:
    x = [3, 5, 4, 2]
    ids = torch.tensor([2, 0, -1, 2])
    grid = torch.tensor([[1, -2], [0, 3]])
    mask = torch.tensor([1, 0, 1, 0, 1], dtype=torch.uint8)
    mask2 = integers([3, 5], 0, 2).to(torch.uint8)
    # The Rust side has the same expressions under the same names.
    for label, call in {
        "number": lambda x: x[1],
        "negative": lambda x: x[:, -2],
        "ranges": lambda x: x[1:, 1:4, :2],
        "negative_ranges": lambda x: x[-2:, :-1, -3:-1],
        "inclusive": lambda x: x[0:3, 1:, :-1],
        "cut_off": lambda x: x[1:100, -100:2, 3:1],
        "steps": lambda x: x[::2, 1::3, 3:0:1, ::5],
        "rest": lambda x: x[..., 1],
        "rest_between": lambda x: x[0, ..., 1:],
        "new_dims": lambda x: x[None, :, 1, None, ..., None],
        "one": lambda x: x[2, 4, 3, 1],
        "list": lambda x: x[ids],
        "list_inside": lambda x: x[:, ids, 1:],
        "list_last": lambda x: x[..., torch.tensor([1, 1, 0])],
        "grid": lambda x: x[:, grid],
        "two_lists": lambda x: x[:, ids, torch.tensor([3, 0, 1, -4])],
        "broadcast_lists": lambda x: x[torch.tensor([[0], [2]]), torch.tensor([1, 3, 4])],
        "lists_apart": lambda x: x[ids, :, torch.tensor([3, 0, 1, -4])],
        "number_and_list": lambda x: x[0, :, ids],
        "list_and_range": lambda x: x[1:, ids, ::2, None],
        "scalar_tensor": lambda x: x[torch.tensor(1)],
        "no_places": lambda x: x[torch.zeros(0, dtype=torch.int64)],
        "condition": lambda x: x[:, mask != 0],
        "condition_two": lambda x: x[mask2 != 0],
        "condition_and_list": lambda x: x[torch.tensor([0, 2, 1]), mask != 0],
    }.items():
        file.case(f"index_{label}", label, {"input": normal(x), "ids": ids, "grid": grid, "mask": mask, "mask2": mask2}, {},
                  lambda t, call=call: call(t["input"]), only=["input"])  # fmt: skip
    file.case("index_i64", "ranges", {"input": integers(x, 0, 99), "ids": ids}, {}, lambda t: t["input"][1:, 1:4, :2])
    for shape, dim, by, src in [([3, 5], 1, [3, 7], [3, 7]), ([5, 3], 0, [9, 2], [9, 3]), ([3, 4, 5, 2], 1, [3, 6, 4, 2], [4, 6, 5, 3]),
                                ([7], -1, [3], [3]), ([3, 2], 0, [0, 2], [2, 2])]:  # fmt: skip
        inputs = {"input": normal(shape), "index": integers(by, 0, shape[dim]), "src": normal(src)}
        file.case(f"scatter_add_{name_of(shape)}_{dim}", "scatter_add", inputs, {"dim": dim},
                  lambda t, dim: t["input"].scatter_add(dim, t["index"], t["src"]), only=["input", "src"] if src == by else ["input"])  # fmt: skip
    inputs = {"input": integers([5], 0, 9), "index": integers([8], 0, 5), "src": integers([8], 0, 9)}
    file.case("scatter_add_i64", "scatter_add", inputs, {"dim": 0}, lambda t, dim: t["input"].scatter_add(dim, t["index"], t["src"]))
    for shape, dim, n in [([3, 5], 1, 8), ([5, 3], 0, 2), ([3, 4, 5, 2], 1, 6), ([3, 4, 5, 2], -1, 1), ([3, 2], 0, 0)]:
        inputs = {"input": normal(shape), "index": integers([n], 0, shape[dim]), "src": normal([n if d == dim % len(shape) else s for d, s in enumerate(shape)])}
        file.case(f"index_add_{name_of(shape)}_{dim}", "index_add", inputs, {"dim": dim},
                  lambda t, dim: t["input"].index_add(dim, t["index"], t["src"]))  # fmt: skip
    for shape, n in [([5], 4), ([2, 3], 5), ([], 3), ([0], 2)]:
        file.case(f"one_hot_{name_of(shape)}", "one_hot", {"input": integers(shape, 0, n)}, {"num_classes": n},
                  lambda t, num_classes: F.one_hot(t["input"], num_classes))  # fmt: skip

    pieces = lambda xs: torch.cat([x.flatten() * (i + 1) for i, x in enumerate(xs)])
    for label, op, args, call in [
        ("split", "split", {"size": 2, "dim": 1}, lambda x, size, dim: pieces(x.split(size, dim))),
        ("split_even", "split", {"size": 2, "dim": 2}, lambda x, size, dim: pieces(x.split(size, dim))),
        ("split_large", "split", {"size": 9, "dim": -1}, lambda x, size, dim: pieces(x.split(size, dim))),
        ("split_with_sizes", "split_with_sizes", {"sizes": [1, 0, 4], "dim": 1}, lambda x, sizes, dim: pieces(x.split(sizes, dim))),
        ("chunk", "chunk", {"size": 3, "dim": 1}, lambda x, size, dim: pieces(x.chunk(size, dim))),
        ("chunk_fewer", "chunk", {"size": 4, "dim": 1}, lambda x, size, dim: pieces(x.chunk(size, dim))),
        ("unbind", "unbind", {"dim": 2}, lambda x, dim: pieces(x.unbind(dim))),
        ("movedim", "movedim", {"from": 1, "to": -1}, lambda x, **a: x.movedim(a["from"], a["to"])),
        ("movedim_back", "movedim", {"from": -1, "to": 0}, lambda x, **a: x.movedim(a["from"], a["to"])),
        ("unflatten", "unflatten", {"dim": 2, "sizes": [2, 1, 2]}, lambda x, dim, sizes: x.unflatten(dim, sizes)),
        ("flip", "flip", {"dims": [1]}, lambda x, dims: x.flip(dims)),
        ("flip_two", "flip", {"dims": [-1, 0]}, lambda x, dims: x.flip(dims)),
        ("flip_none", "flip", {"dims": []}, lambda x, dims: x.flip(dims)),
        ("roll", "roll", {"shifts": [2], "dims": [1]}, lambda x, shifts, dims: x.roll(shifts, dims)),
        ("roll_far", "roll", {"shifts": [-7, 4], "dims": [1, 2]}, lambda x, shifts, dims: x.roll(shifts, dims)),
        ("roll_flat", "roll", {"shifts": [5], "dims": []}, lambda x, shifts, dims: x.roll(shifts, dims)),
        ("repeat", "repeat", {"sizes": [1, 2, 1, 3]}, lambda x, sizes: x.repeat(sizes)),
        ("repeat_more", "repeat", {"sizes": [2, 1, 1, 1, 2]}, lambda x, sizes: x.repeat(sizes)),
        ("repeat_none", "repeat", {"sizes": [1, 0, 1, 1]}, lambda x, sizes: x.repeat(sizes)),
        ("tile", "tile", {"sizes": [2, 1]}, lambda x, sizes: x.tile(sizes)),
        ("repeat_interleave", "repeat_interleave", {"repeats": 3, "dim": 1}, lambda x, **a: x.repeat_interleave(**a)),
        ("diagonal", "diagonal", {"dim1": 0, "dim2": 2}, lambda x, dim1, dim2: x.diagonal(0, dim1, dim2)),
    ]:  # fmt: skip
        file.case(label, op, {"input": normal(x)}, args, lambda t, call=call, **a: call(t["input"], **a))
    file.case("squeeze_all", "squeeze_all", {"input": normal([1, 3, 1, 2])}, {}, lambda t: t["input"].squeeze())
    for op, call in {"tril": torch.tril, "triu": torch.triu}.items():
        for shape, diagonal in [([3, 5], 0), ([5, 3], 1), ([2, 3, 4, 4], -1), ([4, 4], -9), ([1, 3], 2)]:
            file.case(f"{op}_{name_of(shape)}_{diagonal}", op, {"input": normal(shape)}, {"diagonal": diagonal},
                      lambda t, diagonal, call=call: call(t["input"], diagonal))  # fmt: skip
    for start, end, steps in [(0.0, 1.0, 5), (-3.0, 7.0, 4), (2.0, 2.0, 3), (1.0, 5.0, 1), (1.0, 5.0, 0), (5.0, -1.0, 17)]:
        args = {"start": start, "end": end, "steps": steps}
        file.add(f"linspace_{start}_{end}_{steps}", "linspace", args, {"output": torch.linspace(start, end, steps, dtype=torch.float64)})
    for start, end, step in [(0.0, 1.0, 0.3), (5.0, -1.0, -2.0), (0.0, 0.0, 1.0), (1.0, 4.0, 1.0)]:
        args = {"start": start, "end": end, "step": step}
        file.add(f"arange_{start}_{end}", "arange", args, {"output": torch.arange(start, end, step, dtype=torch.float64)})
    for n, m in [(3, 3), (2, 5), (4, 1), (0, 3)]:
        file.add(f"eye_{n}_{m}", "eye", {"n": n, "m": m}, {"output": torch.eye(n, m)})


def tensor_einsum(file: File) -> None:
    for equation, shapes in [
        ("ij,jk->ik", [[3, 5], [5, 4]]), ("ij,jk", [[3, 5], [5, 4]]), ("bij,bjk->bik", [[2, 3, 5], [2, 5, 4]]), ("i,i->", [[17], [17]]),
        ("i,j->ij", [[3], [5]]), ("ij->ji", [[3, 5]]), ("ba", [[3, 5]]), ("ij->", [[3, 5]]), ("ij->j", [[3, 5]]), ("ii->i", [[4, 4]]),
        ("ii", [[4, 4]]), ("iij->j", [[3, 3, 2]]), ("ij,ij->ij", [[3, 5], [3, 5]]), ("ij,ij->i", [[3, 5], [3, 5]]),
        ("bhqd,bhkd->bhqk", [[2, 3, 4, 5], [2, 3, 1, 5]]), ("nchw,oc->nohw", [[2, 3, 4, 5], [6, 3]]), ("bn,anm,bm->ba", [[2, 3], [4, 3, 5], [2, 5]]),
        ("...ij,...jk->...ik", [[2, 1, 3, 5], [4, 5, 2]]), ("...ij->...ji", [[2, 3, 5]]), ("i...,i->...", [[3, 2, 4], [3]]), ("...,...", [[3, 4], [4]]),
        ("ij,jk->ik", [[3, 1], [5, 4]]), ("ij,kl->", [[2, 3], [4, 5]]), ("ij,k->ij", [[2, 3], [4]]), ("a,b,c->cab", [[2], [3], [4]]),
        ("ij,jk->ik", [[0, 5], [5, 4]]), ("ij,jk->ik", [[3, 0], [0, 4]]), (" i j , j -> i ", [[3, 5], [5]]), ("iJ,Jk", [[3, 5], [5, 4]]),
        ("...a,...b->ab...", [[2, 3], [2, 4]]), (",ij->ij", [[], [2, 3]]), ("->", [[]]),
    ]:  # fmt: skip
        inputs = {f"input{i}": normal(s) for i, s in enumerate(shapes)}
        label = f"einsum_{len(file.cases)}"
        file.case(label, "einsum", inputs, {"equation": equation}, lambda t, equation: torch.einsum(equation, *[t[k] for k in sorted(t)]))
    for label, shape, args in [
        ("plain", [2, 3, 4, 5], {"kernel_size": [2, 3]}), ("all", [1, 2, 7, 6], {"kernel_size": [3, 2], "dilation": [2, 1], "padding": [1, 2], "stride": [2, 3]}),
        ("one", [1, 1, 1, 1], {"kernel_size": [1, 1]}), ("unbatched", [3, 4, 5], {"kernel_size": [2, 2], "stride": [2, 2]}),
        ("padding", [3, 1, 3, 3], {"kernel_size": [5, 3], "padding": [1, 1]}), ("wide", [1, 17, 3, 4], {"kernel_size": [3, 3], "padding": [1, 1]}),
    ]:  # fmt: skip
        x = normal(shape)
        columns = F.unfold(x, **args)
        file.case(f"unfold_{label}", "unfold", {"input": x}, args, lambda t, **a: F.unfold(t["input"], **a))
        args = {"output_size": shape[-2:], **args}
        file.case(f"fold_{label}", "fold", {"input": normal(list(columns.shape))}, args, lambda t, **a: F.fold(t["input"], **a))
