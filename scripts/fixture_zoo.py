"""Ready networks against torchvision: names and sizes of their state, multiply-adds, logits and input gradients."""

import math

import torch
from torch import nn
from torchvision import models

from fixture_file import File
from fixture_nets import hashed

CLASSES = 10


def fill(net: nn.Module) -> None:
    """Weights that both sides compute: the n-th tensor of the state (from 1) comes from stream n of `hashed`, in f32.

    Weights of convolutions and linear layers: times √(6/fan_in), which keeps the spread of what passes. Scales of normalization:
    1 + h/4. Biases and running means: h/8. Running variances: 1 + h/2.
    """
    for n, (name, value) in enumerate(net.state_dict().items(), 1):
        if not value.is_floating_point():
            continue
        h = hashed(n, list(value.shape))
        if value.dim() > 1:
            h = h * torch.tensor(math.sqrt(6 / value[0].numel()))
        elif name.endswith("running_var"):
            h = 1 + h / 2
        elif name.endswith("weight"):
            h = 1 + h / 4
        else:
            h = h / 8
        value.copy_(h)


def checksum(lines: list[str]) -> str:
    """FNV-1a, 64 bits, of lines that each end in a newline."""
    value = 0xCBF29CE484222325
    for byte in "".join(f"{line}\n" for line in lines).encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def multiply_adds(net: nn.Module, shape: list[int]) -> int:
    """Those of convolutions and linear layers."""
    total = 0

    def count(layer: nn.Module, _, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        net(torch.zeros(shape))
    for hook in hooks:
        hook.remove()
    return total


def sampled(tensors: dict[str, torch.Tensor], name: str, value: torch.Tensor) -> None:
    """Every 97th element, the sum and the sum of squares."""
    tensors[f"{name}.sample97"] = value.detach().flatten()[::97].clone()
    tensors[f"{name}.sums"] = torch.stack([value.sum(), value.square().sum()]).detach()


def zoo(file: File) -> None:
    """The input is stream 0 of `hashed`, and the gradient of the logits their own hash of stream 0x10000, once in training (by the
    batch's statistics, before any running ones have changed) and once in evaluation. `state` is every name with its shape; `checksum` is that of the
    lines `name shape`, such as `fc.bias [10]`. Multiply-adds are those of one image of 224×224.
    """
    for name, make, args, shape, whole in [
        ("resnet18", models.resnet18, {}, [4, 3, 32, 32], True),
        ("resnet34", models.resnet34, {}, [4, 3, 32, 32], False),
        ("resnet50", models.resnet50, {}, [4, 3, 32, 32], True),
        ("resnet101", models.resnet101, {}, [4, 3, 32, 32], False),
        ("resnet152", models.resnet152, {}, [4, 3, 32, 32], False),
        ("wide-resnet50-2", models.wide_resnet50_2, {}, [4, 3, 32, 32], False),
        ("resnext50-32x4d", models.resnext50_32x4d, {}, [4, 3, 32, 32], False),
        ("resnet50-dilated", models.resnet50, {"replace_stride_with_dilation": [False, True, True]}, [2, 3, 33, 47], False),
        ("mobilenet-v2", models.mobilenet_v2, {"dropout": 0.0}, [4, 3, 32, 32], True),
        ("mobilenet-v2-0.35", models.mobilenet_v2, {"dropout": 0.0, "width_mult": 0.35}, [3, 3, 50, 65], False),
    ]:
        net = make(num_classes=CLASSES, **args)
        fill(net)
        state = [[key, list(value.shape)] for key, value in net.state_dict().items()]
        facts = {
            "input": shape,
            "parameters": sum(p.numel() for p in net.parameters()),
            "multiply_adds": multiply_adds(net.eval(), [1, 3, 224, 224]),
            "checksum": checksum([f"{key} {size}" for key, size in state]),
        }
        if whole:
            facts["state"] = state
        net = net.double()
        tensors = {}
        for mode in ["eval", "train"]:
            net.train(mode == "train")
            x = hashed(0, shape).double().requires_grad_()
            logits = net(x)
            (grad,) = torch.autograd.grad(logits, x, hashed(0x10000, list(logits.shape)).double())
            tensors[f"{mode}.logits"] = logits
            sampled(tensors, f"{mode}.grad", grad)
        file.add(name, "zoo", {**args, **facts}, tensors)
