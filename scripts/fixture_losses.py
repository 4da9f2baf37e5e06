"""The cases of the losses beyond the plain ones. See make_fixtures.py."""

import math

import torch
import torch.nn.functional as F

from fixture_file import File, integers, normal, uniform


def reductions(shapes: list[list[int]]) -> list[tuple[str, list[int]]]:
    """The mean with every shape, the others with one each."""
    return [*(("mean", shape) for shape in shapes), ("sum", shapes[0]), ("none", shapes[-1])]


def losses(file: File) -> None:
    yes_or_no(file)
    numbers(file)
    embeddings(file)
    hinge(file)


def label(op: str, shape: list[int], args: dict) -> str:
    return "_".join([op, "x".join(map(str, shape)), *(f"{k}{v}" for k, v in args.items())])


def class_losses(file: File) -> None:
    settings = [
        {"weight": True},
        {"ignore_index": -100},
        {"ignore_index": 1, "weight": True},
        {"label_smoothing": 0.1},
        {"label_smoothing": 1.0},
        {"label_smoothing": 0.3, "weight": True, "ignore_index": 0},
    ]
    for reduction, x in reductions([[3, 5], [17, 3], [3, 4, 1, 3]]):
        for options in settings:
            for op in ["cross_entropy", "nll_loss"]:
                if op == "nll_loss" and "label_smoothing" in options:
                    continue
                inputs = {"input": normal(x) * 3, "target": integers([x[0], *x[2:]], 0, x[1])}
                if op == "nll_loss":
                    inputs["input"] = torch.log_softmax(inputs["input"], 1)
                args = {"reduction": reduction, **{k: v for k, v in options.items() if k != "weight"}}
                if "weight" in options:
                    inputs["weight"] = uniform([x[1]], 0.1, 2.0)
                if options.get("ignore_index") == -100:
                    inputs["target"].flatten()[::2] = -100
                call = lambda t, op=op, **a: getattr(F, op)(t["input"], t["target"], t.get("weight"), **a)
                file.case(label(op, x, {**args, "w": int("weight" in options)}), op, inputs, args, call, only=["input"])
        for smoothing in [0.0, 0.2]:
            for weighted in [False, True]:
                inputs = {"input": normal(x) * 3, "target": torch.softmax(normal(x) * 2, 1)}
                if weighted:
                    inputs["weight"] = uniform([x[1]], 0.1, 2.0)
                args = {"reduction": reduction, "label_smoothing": smoothing}
                call = lambda t, **a: F.cross_entropy(t["input"], t["target"], t.get("weight"), **a)
                name = label("cross_entropy_soft", x, {**args, "w": int(weighted)})
                file.case(name, "cross_entropy", inputs, args, call, only=["input", "target"])
        args = {"reduction": reduction, "gamma": 1.5 if x[0] == 17 else 2.0}
        inputs = {"input": normal(x) * 2, "target": integers([x[0], *x[2:]], 0, x[1]), "weight": uniform([x[1]], 0.1, 2.0)}
        file.case(label("focal", x, args), "focal", inputs, args, focal, only=["input"])
    inputs = {"input": torch.tensor([[0.0, float("-inf"), 1.0], [2.0, 1.0, 0.0]]), "target": torch.tensor([1, 2])}
    args = {"reduction": "mean", "ignore_index": 1}
    call = lambda t, **a: F.cross_entropy(t["input"], t["target"], **a)
    file.case("cross_entropy_ignored_infinity", "cross_entropy", inputs, args, call, grad=False)
    inputs = {"input": normal([3, 4]), "target": torch.tensor([-100, -100, -100])}
    # PyTorch's mean of none is NaN, with which training cannot go on.
    none = lambda t, **a: t["input"].sum() * 0
    file.case("cross_entropy_all_ignored", "cross_entropy", inputs, {"reduction": "mean"}, none)
    file.case("cross_entropy_all_ignored_sum", "cross_entropy", inputs, {"reduction": "sum"}, call)


def reduced(losses: torch.Tensor, reduction: str) -> torch.Tensor:
    return losses if reduction == "none" else getattr(losses, reduction)()


def focal(t: dict, gamma: float, reduction: str) -> torch.Tensor:
    """Lin et al., 2017, with softmax."""
    log_p = -F.cross_entropy(t["input"], t["target"], reduction="none")
    return reduced((1 - log_p.exp()) ** gamma * -log_p * t["weight"][t["target"]], reduction)


def sigmoid_focal(t: dict, alpha: float, gamma: float, reduction: str) -> torch.Tensor:
    """Lin et al., 2017, equations 4 and 5."""
    x, y = t["input"], t["target"]
    p = torch.sigmoid(x)
    p_t = p * y + (1 - p) * (1 - y)
    losses = F.binary_cross_entropy_with_logits(x, y, reduction="none") * (1 - p_t) ** gamma
    if alpha >= 0:
        losses = losses * (alpha * y + (1 - alpha) * (1 - y))
    return reduced(losses, reduction)


def yes_or_no(file: File) -> None:
    op = "binary_cross_entropy_with_logits"
    call = lambda t, **a: F.binary_cross_entropy_with_logits(t["input"], t["target"], t.get("weight"), pos_weight=t.get("pos_weight"), **a)
    for reduction, x in reductions([[3, 5], [17], [1, 1], [3, 1, 2, 3]]):
        for extra in [{}, {"weight": x[-1:]}, {"pos_weight": x[-1:]}, {"weight": x, "pos_weight": [1]}]:
            inputs = {"input": normal(x) * 3, "target": uniform(x, 0, 1)}
            inputs |= {k: uniform(s, 0.2, 3.0) for k, s in extra.items()}
            name = label("bce", x, {"reduction": reduction}) + "".join(f"_{k}" for k in extra)
            file.case(name, op, inputs, {"reduction": reduction}, call, only=["input", "target"])
        for alpha, gamma in [(0.25, 2.0), (-1.0, 1.5), (0.7, 0.0)]:
            inputs = {"input": normal(x) * 2, "target": integers(x, 0, 2).float()}
            args = {"reduction": reduction, "alpha": alpha, "gamma": gamma}
            file.case(label("sigmoid_focal", x, args), "sigmoid_focal", inputs, args, sigmoid_focal, only=["input"])
    wide = torch.tensor([-1e4, -90.0, -20.0, -5.0, -1e-4, 0.0, 1e-4, 5.0, 20.0, 90.0, 1e4])
    for target in [0.0, 1.0, 0.3]:
        inputs = {"input": wide, "target": torch.full_like(wide, target)}
        file.case(f"bce_wide_{target}", op, inputs, {"reduction": "none"}, call, only=["input"])
    # Every element to its own precision: the tail of the logarithm too.
    file.case("log_sigmoid", "log_sigmoid", {"input": wide}, {}, lambda t: F.logsigmoid(t["input"]))
    file.case("log_sigmoid_many", "log_sigmoid", {"input": normal([17, 5]) * 8}, {}, lambda t: F.logsigmoid(t["input"]))


def numbers(file: File) -> None:
    for reduction, x in reductions([[3, 4], [1], [3, 2, 1, 3]]):
        for op, args in [
            ("l1_loss", {}),
            ("smooth_l1_loss", {"beta": 1.0}),
            ("smooth_l1_loss", {"beta": 0.3}),
            ("smooth_l1_loss", {"beta": 0.0}),
            ("huber_loss", {"delta": 1.0}),
            ("huber_loss", {"delta": 0.4}),
        ]:
            args = {"reduction": reduction, **args}
            call = lambda t, op=op, **a: getattr(F, op)(t["input"], t["target"], **a)
            file.case(label(op, x, args), op, {"input": normal(x), "target": normal(x)}, args, call)
    edges = {"input": torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5]), "target": torch.zeros(5)}
    for op, args in [("l1_loss", {}), ("smooth_l1_loss", {"beta": 1.0}), ("huber_loss", {"delta": 1.0})]:
        args = {"reduction": "none", **args}
        file.case(f"{op}_edges", op, edges, args, lambda t, op=op, **a: getattr(F, op)(t["input"], t["target"], **a))
    for reduction, x in [*reductions([[3, 5], [17, 1], [3, 4, 2]]), ("batchmean", [3, 5]), ("batchmean", [3, 4, 2])]:
        for log_target in [False, True]:
            target = torch.log_softmax(normal(x), 1)
            inputs = {"input": torch.log_softmax(normal(x), 1), "target": target if log_target else target.exp()}
            args = {"reduction": reduction, "log_target": log_target}
            call = lambda t, **a: F.kl_div(t["input"], t["target"], **a)
            file.case(label("kl_div", x, args), "kl_div", inputs, args, call)
    inputs = {"input": torch.log_softmax(normal([2, 3]), 1), "target": torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])}
    call = lambda t, **a: F.kl_div(t["input"], t["target"], **a)
    file.case("kl_div_zeros", "kl_div", inputs, {"reduction": "none", "log_target": False}, call, only=["input"])


def embeddings(file: File) -> None:
    for reduction, x in reductions([[3, 5], [17, 3], [2, 3, 4]]):
        for options in [
            {"margin": 1.0, "p": 2.0},
            {"margin": 0.5, "p": 2.0, "swap": True},
            {"margin": 2.0, "p": 1.0},
            {"margin": 1.0, "p": 3.0, "swap": True},
            {"margin": 1.5, "p": math.inf},
        ]:
            args = {"reduction": reduction, **options}
            inputs = {k: normal(x) for k in ["anchor", "positive", "negative"]}
            call = lambda t, **a: F.triplet_margin_loss(t["anchor"], t["positive"], t["negative"], **a)
            name = label("triplet", x, args)
            stored = {**args, "p": "inf" if args["p"] == math.inf else args["p"]}
            file.case(name, "triplet_margin_loss", inputs, args, call)
            file.cases[-1]["args"] = stored
    for reduction, x in reductions([[3, 5], [17, 3], [4]]):
        for margin in [0.0, 0.3, -0.5]:
            args = {"reduction": reduction, "margin": margin}
            inputs = {"input1": normal(x), "input2": normal(x), "target": integers(x[:-1], 0, 2) * 2 - 1}
            call = lambda t, **a: F.cosine_embedding_loss(t["input1"], t["input2"], t["target"], **a)
            file.case(label("cosine_embedding", x, args), "cosine_embedding_loss", inputs, args, call)


def hinge(file: File) -> None:
    for reduction, x in reductions([[3, 5], [17], [3, 2, 4]]):
        for margin in [1.0, 0.4]:
            args = {"reduction": reduction, "margin": margin}
            inputs = {"input": normal(x), "target": (integers(x, 0, 2) * 2 - 1).float()}
            call = lambda t, **a: F.hinge_embedding_loss(t["input"], t["target"], **a)
            file.case(label("hinge_embedding", x, args), "hinge_embedding_loss", inputs, args, call, only=["input"])
    for reduction, x in reductions([[3, 5], [17, 3], [1, 1]]):
        for p, margin, weighted in [(1, 1.0, False), (2, 1.0, False), (1, 0.5, True), (2, 1.5, True)]:
            args = {"reduction": reduction, "p": p, "margin": margin}
            inputs = {"input": normal(x), "target": integers(x[:1], 0, x[1])}
            if weighted:
                inputs["weight"] = uniform([x[1]], 0.1, 2.0)
            call = lambda t, **a: F.multi_margin_loss(t["input"], t["target"], weight=t.get("weight"), **a)
            name = label("multi_margin", x, {**args, "w": int(weighted)})
            file.case(name, "multi_margin_loss", inputs, args, call, only=["input"])
