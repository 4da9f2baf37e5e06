"""The cases that run over several steps: batch normalization, optimizers, initial values, whole networks."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from fixture_file import File, normal


def batch_norm(file: File) -> None:
    """Two training steps of BatchNorm2d: outputs, gradients of both, running statistics after each; and evaluation."""
    for name, shape, args in [
        ("plain", [3, 3, 5, 4], {}),
        ("momentum", [3, 17, 2, 3], {"momentum": 0.3, "eps": 1e-3}),
        ("one_sample", [1, 3, 4, 3], {}),
        ("one_pixel", [3, 5, 1, 1], {}),
        ("not_affine", [3, 4, 3, 2], {"affine": False}),
        ("far_from_zero", [3, 3, 5, 4], {}),
    ]:
        layer = nn.BatchNorm2d(shape[1], **args).double()
        tensors = {"running_mean": normal(shape[1:2]), "running_var": normal(shape[1:2]).square() + 0.5}
        layer.running_mean.copy_(tensors["running_mean"])
        layer.running_var.copy_(tensors["running_var"])
        if layer.affine:
            tensors |= {"weight": normal(shape[1:2]), "bias": normal(shape[1:2])}
            with torch.no_grad():
                layer.weight.copy_(tensors["weight"])
                layer.bias.copy_(tensors["bias"])
        for step in ["1", "2"]:
            x, grad_output = normal(shape) * 2 + (1000 if name == "far_from_zero" else 0.5), normal(shape)
            tensors |= {f"input{step}": x, f"grad_output{step}": grad_output}
            x = x.double().requires_grad_()
            layer.zero_grad()
            output = layer(x)
            output.backward(grad_output.double())
            tensors |= {f"output{step}": output, f"grad{step}.input": x.grad}
            tensors |= {f"grad{step}.{k}": p.grad.clone() for k, p in layer.named_parameters()}
            tensors |= {f"running_mean{step}": layer.running_mean.clone(), f"running_var{step}": layer.running_var.clone()}
        file.add(name, "batch_norm2d_train", args, tensors)
    for name, shape, affine in [("eval", [3, 17, 3, 2], True), ("eval_not_affine", [1, 3, 2, 4], False)]:
        c = shape[1:2]
        inputs = {"input": normal(shape), "running_mean": normal(c), "running_var": normal(c).square() + 0.1}
        if affine:
            inputs |= {"weight": normal(c), "bias": normal(c)}
        call = lambda t, eps: F.batch_norm(
            t["input"], t["running_mean"], t["running_var"], t.get("weight"), t.get("bias"), False, 0.1, eps
        )
        only = [k for k in inputs if not k.startswith("running")]
        file.case(name, "batch_norm2d_eval", inputs, {"eps": 1e-5}, call, only=only)


def five_steps(file: File, name: str, op: str, make, args: dict, all_sizes: bool = True) -> None:
    """A parameter after each of five steps. Gradients are of all sizes: Adam must treat them alike, down to its epsilon."""
    shape = [17, 5]
    start, grads = normal(shape), normal([5, *shape])
    if all_sizes:
        grads[:, 0] *= 1e-6
        grads[:, 1] *= 1e4
        grads[:, 2] = 0
    parameter = nn.Parameter(start.double())
    optim = make([parameter], **args)
    after = []
    for grad in grads:
        parameter.grad = grad.double()
        optim.step()
        after.append(parameter.detach().clone())
    file.add(name, op, args, {"start": start, "grads": grads, "output": torch.stack(after)})


def optimizer(file: File) -> None:
    """Parameters after each of five steps of given gradients."""
    for name, op, make, args in [
        ("sgd", "sgd", torch.optim.SGD, {"lr": 0.1}),
        ("sgd_weight_decay", "sgd", torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.03}),
        ("sgd_momentum", "sgd", torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
        ("sgd_dampening", "sgd", torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.4}),
        ("sgd_nesterov", "sgd", torch.optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
        ("sgd_all", "sgd", torch.optim.SGD, {"lr": 0.02, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
        ("sgd_nesterov_decay", "sgd", torch.optim.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        ("adam", "adam", torch.optim.Adam, {"lr": 1e-3}),
        ("adam_betas", "adam", torch.optim.Adam, {"lr": 0.02, "betas": [0.8, 0.95]}),
        ("adam_weight_decay", "adam", torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
        ("adamw", "adamw", torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    ]:
        five_steps(file, name, op, make, args)


def initial_values(file: File) -> None:
    """Bounds and spread of the default initial values, as drawn."""
    torch.manual_seed(0)
    for name, op, args in [
        ("linear", "linear_init", {"in_features": 400, "out_features": 120}),
        ("linear_small", "linear_init", {"in_features": 5, "out_features": 4000}),
        ("conv2d", "conv2d_init", {"in_channels": 32, "out_channels": 64, "kernel_size": [3, 3], "groups": 1}),
        ("conv2d_uneven", "conv2d_init", {"in_channels": 3, "out_channels": 800, "kernel_size": [5, 2], "groups": 1}),
        ("conv2d_groups", "conv2d_init", {"in_channels": 16, "out_channels": 512, "kernel_size": [3, 3], "groups": 4}),
    ]:
        layer = (nn.Linear if op == "linear_init" else nn.Conv2d)(**args)
        fan_in, _ = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        bound = nn.init.calculate_gain("leaky_relu", math.sqrt(5)) * math.sqrt(3 / fan_in)
        facts = {"bound": bound}
        for key, p in layer.named_parameters():
            assert p.abs().max() <= bound * (1 + 1e-6)
            facts |= {f"{key}_max": p.abs().max().item(), f"{key}_std": p.std().item()}
        file.add(name, op, {**args, **facts}, {})


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(F.relu(self.fc2(x)))


class MnistNet(nn.Module):
    """Without its dropout, which draws other random numbers on the other side."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = torch.flatten(F.max_pool2d(x, 2), 1)
        return self.fc2(F.relu(self.fc1(x)))


def hashed(stream: int, shape: list[int]) -> torch.Tensor:
    """Numbers from -1 (included) to 1 (excluded) that any language can repeat exactly, so that a file need not hold them.

    Element i (in row-major order) of stream s, all modulo 2^32: x = i·0x9E3779B1 + s·0x85EBCA6B; x ^= x >> 16; x *= 0x21F0AAAD;
    x ^= x >> 15; x *= 0x735A2D97; x ^= x >> 15. The number is (x >> 8)·2^-23 - 1, which f32 holds exactly.
    """
    mask = 0xFFFFFFFF
    x = (torch.arange(math.prod(shape)) * 0x9E3779B1 + stream * 0x85EBCA6B) & mask
    x = x ^ (x >> 16)
    x = (x * 0x21F0AAAD) & mask
    x = x ^ (x >> 15)
    x = (x * 0x735A2D97) & mask
    x = x ^ (x >> 15)
    return ((x >> 8).double() * 2.0**-23 - 1).float().reshape(shape)


def store(tensors: dict[str, torch.Tensor], name: str, value: torch.Tensor) -> None:
    """A small tensor whole; of one with more than 10,000 elements every 577th (or 11th), the sum and the sum of squares."""
    value = value.detach().clone()
    if value.numel() <= 10_000:
        tensors[name] = value
        return
    stride = 577 if value.numel() > 1_000_000 else 11
    tensors[f"{name}.sample{stride}"] = value.flatten()[::stride]
    tensors[f"{name}.sums"] = torch.stack([value.sum(), value.square().sum()])


def nets(file: File) -> None:
    """The first step whole (loss and every gradient), then the losses and weights of three steps of Adam with lr 1e-3.

    The input is stream 0 of `hashed`; the n-th parameter (from 1, in the order of PyTorch's names) is stream n, times
    1/√fan_in in f32.
    """
    for name, net, shape in [("lenet", LeNet(), [4, 1, 32, 32]), ("mnist-net", MnistNet(), [3, 1, 28, 28])]:
        x = hashed(0, shape)
        target = torch.arange(shape[0]) * 3 % 10
        tensors = {"target": target}
        with torch.no_grad():
            for n, p in enumerate(net.parameters(), 1):
                if p.dim() > 1:
                    fan_in = p[0].numel()
                p.copy_(hashed(n, list(p.shape)) * torch.tensor(1 / math.sqrt(fan_in)))
        net = net.double()
        optim = torch.optim.Adam(net.parameters(), lr=1e-3)
        losses = []
        for step in range(3):
            optim.zero_grad()
            logits = net(x.double())
            loss = F.cross_entropy(logits, target)
            loss.backward()
            losses.append(loss.detach().clone())
            if step == 0:
                tensors["logits"] = logits.detach().clone()
                for key, p in net.named_parameters():
                    store(tensors, f"grad.{key}", p.grad)
            optim.step()
        tensors["losses"] = torch.stack(losses)
        for key, p in net.named_parameters():
            store(tensors, f"after.{key}", p)
        file.add(name, "net", {"input": shape}, tensors)
