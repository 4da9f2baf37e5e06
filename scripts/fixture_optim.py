"""The cases of optimizers, what goes with them, and schedules. See make_fixtures.py."""

import math
import warnings

import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fixture_file import File, normal
from fixture_nets import five_steps


class Lion(torch.optim.Optimizer):
    """Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, algorithm 2."""

    def __init__(self, params, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (beta1, beta2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = torch.sign(beta1 * m + (1 - beta1) * p.grad)
                p -= lr * (update + group["weight_decay"] * p)
                m.copy_(beta2 * m + (1 - beta2) * p.grad)


class Lamb(torch.optim.Optimizer):
    """You et al., "Large Batch Optimization for Deep Learning", 2020, algorithm 2 with the identity for phi."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (beta1, beta2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                state = self.state[p]
                t = state["t"] = state.get("t", 0) + 1
                m, v = state.setdefault("m", torch.zeros_like(p)), state.setdefault("v", torch.zeros_like(p))
                m.copy_(beta1 * m + (1 - beta1) * p.grad)
                v.copy_(beta2 * v + (1 - beta2) * p.grad**2)
                r = (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + group["eps"])
                u = r + group["weight_decay"] * p
                size, length = p.norm(), u.norm()
                trust = size / length if size > 0 and length > 0 else 1.0
                p -= lr * trust * u


def optimizers(file: File) -> None:
    """Parameters after each of five steps of given gradients."""
    for name, op, make, args in [
        ("adamw", "adamw", torch.optim.AdamW, {"lr": 0.01}),
        ("adamw_settings", "adamw", torch.optim.AdamW, {"lr": 0.02, "betas": [0.8, 0.95], "eps": 1e-4, "weight_decay": 0.2}),
        ("rmsprop", "rmsprop", torch.optim.RMSprop, {"lr": 0.01}),
        ("rmsprop_momentum", "rmsprop", torch.optim.RMSprop, {"lr": 0.01, "momentum": 0.9, "alpha": 0.9}),
        ("rmsprop_centered", "rmsprop", torch.optim.RMSprop, {"lr": 0.01, "centered": True, "eps": 1e-3}),
        ("rmsprop_all", "rmsprop", torch.optim.RMSprop, {"lr": 0.01, "centered": True, "momentum": 0.8, "weight_decay": 0.1, "eps": 1e-3}),
        ("adagrad", "adagrad", torch.optim.Adagrad, {"lr": 0.1}),
        ("adagrad_settings", "adagrad", torch.optim.Adagrad,
         {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-6}),
        ("nadam", "nadam", torch.optim.NAdam, {"lr": 0.01}),
        ("nadam_settings", "nadam", torch.optim.NAdam,
         {"lr": 0.02, "betas": [0.8, 0.95], "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.05}),
        ("lion", "lion", Lion, {"lr": 0.01}),
        ("lion_settings", "lion", Lion, {"lr": 0.02, "betas": [0.8, 0.95], "weight_decay": 0.3}),
        ("lamb", "lamb", Lamb, {"lr": 0.01}),
        ("lamb_settings", "lamb", Lamb, {"lr": 0.02, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.3}),
    ]:  # fmt: skip
        # A centered mean square is a difference, so there a small one is lost in f32's rounding.
        five_steps(file, name, op, make, args, all_sizes=not args.get("centered"))
    zeros = torch.zeros([3, 4])
    parameter = nn.Parameter(zeros.double())
    grads, after = normal([2, 3, 4]), []
    optim = Lamb([parameter], lr=0.01)
    for grad in grads:
        parameter.grad = grad.double()
        optim.step()
        after.append(parameter.detach().clone())
    file.add("lamb_from_zero", "lamb", {"lr": 0.01}, {"start": zeros, "grads": grads, "output": torch.stack(after)})
    clipping(file)
    average(file)


def clipping(file: File) -> None:
    for norm_type in [1.0, 2.0, 3.0, math.inf]:
        for max_norm in [0.5, 1e3]:
            grads = {"grad0": normal([3, 5]), "grad1": normal([17]), "grad2": normal([1])}
            parameters = [nn.Parameter(torch.zeros(g.shape).double()) for g in grads.values()]
            for p, g in zip(parameters, grads.values()):
                p.grad = g.double()
            norm = nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)
            clipped = {f"output{i}": p.grad for i, p in enumerate(parameters)}
            args = {"max_norm": max_norm, "norm_type": "inf" if norm_type == math.inf else norm_type, "norm": norm.item()}
            file.add(f"clip_grad_norm_{norm_type}_{max_norm}", "clip_grad_norm", args, {**grads, **clipped})
    grads = {"grad0": normal([3, 5]), "grad1": normal([17]), "grad2": normal([1])}
    parameters = [nn.Parameter(torch.zeros(g.shape).double()) for g in grads.values()]
    for p, g in zip(parameters, grads.values()):
        p.grad = g.double()
    nn.utils.clip_grad_value_(parameters, 0.7)
    clipped = {f"output{i}": p.grad for i, p in enumerate(parameters)}
    file.add("clip_grad_value", "clip_grad_value", {"clip_value": 0.7}, {**grads, **clipped})


def average(file: File) -> None:
    """The averaged weights after each of five updates; the first one copies them."""
    for decay in [0.9, 0.3]:
        net = nn.Linear(3, 2).double()
        values = normal([6, 2, 3])
        averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay))
        after = []
        for value in values:
            net.weight.data.copy_(value)
            averaged.update_parameters(net)
            after.append(averaged.module.weight.detach().clone())
        file.add(f"ema_{decay}", "ema", {"decay": decay}, {"values": values, "output": torch.stack(after)})


STEPS = 50


def learning_rates(make, base: float, metrics: list[float] | None = None) -> list[float]:
    optim = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = make(optim)
    lrs = []
    for step in range(STEPS):
        lrs.append(optim.param_groups[0]["lr"])
        optim.step()
        scheduler.step(*([metrics[step]] if metrics else []))
    return lrs


def schedules(file: File) -> None:
    """Learning rates of 50 steps, in the arguments: they are not stored as f32."""
    # SequentialLR and ChainedScheduler step their parts before the optimizer.
    warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
    s = schedulers
    warm = lambda o: s.LinearLR(o, start_factor=0.1, total_iters=10)
    for name, base, make, args in [
        ("constant", 0.1, lambda o: s.ConstantLR(o, factor=0.25, total_iters=7), {"factor": 0.25, "total_iters": 7}),
        ("step", 0.1, lambda o: s.StepLR(o, 7, 0.3), {"step_size": 7, "gamma": 0.3}),
        ("multistep", 0.1, lambda o: s.MultiStepLR(o, [3, 20, 20, 41], 0.5), {"milestones": [3, 20, 20, 41], "gamma": 0.5}),
        ("exponential", 0.1, lambda o: s.ExponentialLR(o, 0.93), {"gamma": 0.93}),
        ("cosine", 0.1, lambda o: s.CosineAnnealingLR(o, 50), {"t_max": 50, "eta_min": 0.0}),
        ("cosine_up_again", 0.3, lambda o: s.CosineAnnealingLR(o, 13, 0.02), {"t_max": 13, "eta_min": 0.02}),
        ("restarts", 0.1, lambda o: s.CosineAnnealingWarmRestarts(o, 9), {"t_0": 9, "t_mult": 1, "eta_min": 0.0}),
        ("restarts_growing", 0.1, lambda o: s.CosineAnnealingWarmRestarts(o, 4, 2, 0.01), {"t_0": 4, "t_mult": 2, "eta_min": 0.01}),
        ("linear", 0.1, lambda o: s.LinearLR(o, total_iters=12), {"start_factor": 1 / 3, "end_factor": 1.0, "total_iters": 12}),
        ("linear_down", 0.1, lambda o: s.LinearLR(o, 1.0, 0.05, 40), {"start_factor": 1.0, "end_factor": 0.05, "total_iters": 40}),
        ("polynomial", 0.1, lambda o: s.PolynomialLR(o, 40), {"total_iters": 40, "power": 1.0}),
        ("polynomial_power", 0.1, lambda o: s.PolynomialLR(o, 60, 2.5), {"total_iters": 60, "power": 2.5}),
        ("onecycle", 0.1, lambda o: s.OneCycleLR(o, 0.1, 51), {"total_steps": 51}),
        ("onecycle_linear", 0.2, lambda o: s.OneCycleLR(o, 0.2, 51, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=100),
         {"total_steps": 51, "pct_start": 0.4, "anneal": "linear", "div_factor": 10.0, "final_div_factor": 100.0}),
        ("onecycle_three", 0.2, lambda o: s.OneCycleLR(o, 0.2, 51, three_phase=True), {"total_steps": 51, "three_phase": True}),
        ("sequential_cosine", 0.1, lambda o: s.SequentialLR(o, [warm(o), s.CosineAnnealingLR(o, 40)], [10]), {}),
        ("sequential_three", 0.1, lambda o: s.SequentialLR(o, [warm(o), s.ExponentialLR(o, 0.9), s.StepLR(o, 5, 0.2)], [10, 30]), {}),
        ("chained", 0.1, lambda o: s.ChainedScheduler([warm(o), s.ExponentialLR(o, 0.95), s.MultiStepLR(o, [25], 0.1)]), {}),
    ]:  # fmt: skip
        op = name.split("_")[0]
        file.add(name, op, {"base": base, **args, "lrs": learning_rates(make, base)}, {})
    falling = [1 / (1 + t) for t in range(10)] + [0.1 + 0.01 * math.sin(t) for t in range(40)]
    for name, args in [
        ("plateau", {"patience": 3}),
        ("plateau_max", {"mode": "max", "patience": 2, "factor": 0.5, "threshold": 0.01, "threshold_mode": "abs"}),
        ("plateau_cooldown", {"patience": 1, "cooldown": 4, "min_lr": 0.004, "factor": 0.3}),
        ("plateau_abs", {"patience": 2, "threshold": 0.02, "threshold_mode": "abs", "factor": 0.2}),
    ]:
        metrics = [-m if args.get("mode") == "max" else m for m in falling]
        lrs = learning_rates(lambda o: s.ReduceLROnPlateau(o, **args), 0.1, metrics)
        file.add(name, "plateau", {"base": 0.1, **args, "metrics": metrics, "lrs": lrs}, {})
