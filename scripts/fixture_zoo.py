"""Ready networks against torchvision (EfficientNet-Lite against the module beside this one): names and sizes of their state, multiply-adds, logits and input gradients."""

import math

import torch
from torch import nn
from torchvision import models

import fixture_efficientnet_lite as lite
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


def initial_values(net: nn.Module) -> list[float | str]:
    """Of each parameter, the standard deviation, or as text the value that all its elements have."""
    values = [p.detach().double() for p in net.parameters()]
    return [f"{v.flatten()[0].item():.3g}" if v.min() == v.max() else round_to_three(v.std().item()) for v in values]


def round_to_three(value: float) -> float:
    return float(f"{value:.3g}")


def sampled(tensors: dict[str, torch.Tensor], name: str, value: torch.Tensor) -> None:
    """Every 97th element, the sum and the sum of squares."""
    tensors[f"{name}.sample97"] = value.detach().flatten()[::97].clone()
    tensors[f"{name}.sums"] = torch.stack([value.sum(), value.square().sum()]).detach()


# What is compared of a network: sizes and initial values of all; of some also logits in evaluation; of most these and input gradients in both
# modes; of small ones, all names.
SIZES, LOGITS, VALUES, WHOLE = range(4)

PLAIN = {"dropout": 0.0}
STEADY = {"dropout": 0.0, "stochastic_depth_prob": 0.0}
TAIL = {"dropout": 0.0, "width_mult": 0.75, "reduced_tail": True, "dilated": True}
AUX = {"dropout": 0.0, "transform_input": True, "init_weights": True}

CASES = [
    ("resnet18", models.resnet18, {}, [4, 3, 32, 32], WHOLE),
    ("resnet34", models.resnet34, {}, [4, 3, 32, 32], VALUES),
    ("resnet50", models.resnet50, {}, [4, 3, 32, 32], WHOLE),
    ("resnet101", models.resnet101, {}, [4, 3, 32, 32], VALUES),
    ("resnet152", models.resnet152, {}, [4, 3, 32, 32], VALUES),
    ("wide-resnet50-2", models.wide_resnet50_2, {}, [4, 3, 32, 32], VALUES),
    ("resnext50-32x4d", models.resnext50_32x4d, {}, [4, 3, 32, 32], VALUES),
    ("resnet50-dilated", models.resnet50, {"replace_stride_with_dilation": [False, True, True]}, [2, 3, 33, 47], VALUES),
    ("mobilenet-v2", models.mobilenet_v2, PLAIN, [4, 3, 32, 32], WHOLE),
    ("mobilenet-v2-0.35", models.mobilenet_v2, {"dropout": 0.0, "width_mult": 0.35}, [3, 3, 50, 65], VALUES),
    ("mobilenet-v3-small", models.mobilenet_v3_small, PLAIN, [3, 3, 48, 41], WHOLE),
    ("mobilenet-v3-large", models.mobilenet_v3_large, PLAIN, [3, 3, 40, 40], VALUES),
    ("mobilenet-v3-small-tail", models.mobilenet_v3_small, TAIL, [3, 3, 33, 40], VALUES),
    ("mobilenet-v3-large-tail", models.mobilenet_v3_large, TAIL, [1, 3, 224, 224], SIZES),
    ("efficientnet-b0", models.efficientnet_b0, STEADY, [3, 3, 40, 49], WHOLE),
    ("efficientnet-b1", models.efficientnet_b1, {}, [1, 3, 224, 224], SIZES),
    ("efficientnet-b2", models.efficientnet_b2, STEADY, [3, 3, 33, 48], VALUES),
    ("efficientnet-b3", models.efficientnet_b3, {}, [1, 3, 224, 224], SIZES),
    ("efficientnet-b4", models.efficientnet_b4, {}, [1, 3, 224, 224], SIZES),
    ("efficientnet-lite0", lite.lite0, STEADY, [3, 3, 48, 41], WHOLE),
    ("efficientnet-lite1", lite.lite1, {}, [1, 3, 224, 224], SIZES),
    ("efficientnet-lite2", lite.lite2, STEADY, [3, 3, 37, 50], VALUES),
    ("efficientnet-lite3", lite.lite3, {}, [1, 3, 224, 224], SIZES),
    ("efficientnet-lite4", lite.lite4, {}, [1, 3, 224, 224], SIZES),
    ("mnasnet0-5", models.mnasnet0_5, PLAIN, [3, 3, 48, 40], WHOLE),
    ("mnasnet0-75", models.mnasnet0_75, {}, [1, 3, 224, 224], SIZES),
    ("mnasnet1-0", models.mnasnet1_0, PLAIN, [3, 3, 33, 48], VALUES),
    ("mnasnet1-3", models.mnasnet1_3, {}, [1, 3, 224, 224], SIZES),
    ("shufflenet-v2-x0-5", models.shufflenet_v2_x0_5, {}, [3, 3, 48, 41], WHOLE),
    ("shufflenet-v2-x1-0", models.shufflenet_v2_x1_0, {}, [3, 3, 33, 48], VALUES),
    ("regnet-y-400mf", models.regnet_y_400mf, {}, [3, 3, 48, 41], VALUES),
    ("regnet-x-400mf", models.regnet_x_400mf, {}, [1, 3, 224, 224], SIZES),
    ("densenet121", models.densenet121, {}, [3, 3, 33, 48], VALUES),
    ("densenet169", models.densenet169, {}, [1, 3, 224, 224], SIZES),
    ("convnext-tiny", models.convnext_tiny, {"stochastic_depth_prob": 0.0}, [2, 3, 32, 47], VALUES),
    ("googlenet", models.googlenet, {"aux_logits": False, "init_weights": True}, [1, 3, 224, 224], SIZES),
    ("googlenet-aux", models.googlenet, AUX | {"dropout_aux": 0.0}, [3, 3, 64, 49], VALUES),
    ("inception-v3", models.inception_v3, PLAIN | {"aux_logits": False, "init_weights": True}, [3, 3, 83, 75], VALUES),
    ("inception-v3-aux", models.inception_v3, AUX, [1, 3, 224, 224], SIZES),
    ("squeezenet1-0", models.squeezenet1_0, PLAIN, [2, 3, 32, 45], WHOLE),
    ("squeezenet1-1", models.squeezenet1_1, PLAIN, [2, 3, 30, 37], WHOLE),
    ("alexnet", models.alexnet, PLAIN, [2, 3, 63, 80], LOGITS),
    ("vgg11", models.vgg11, {}, [1, 3, 224, 224], SIZES),
    ("vgg13", models.vgg13, {}, [1, 3, 224, 224], SIZES),
    ("vgg16", models.vgg16, {}, [1, 3, 224, 224], SIZES),
    ("vgg19", models.vgg19, {}, [1, 3, 224, 224], SIZES),
    ("vgg11-bn", models.vgg11_bn, PLAIN, [3, 3, 40, 32], LOGITS),
    ("vgg13-bn", models.vgg13_bn, {}, [1, 3, 224, 224], SIZES),
    ("vgg16-bn", models.vgg16_bn, {}, [1, 3, 224, 224], SIZES),
    ("vgg19-bn", models.vgg19_bn, {}, [1, 3, 224, 224], SIZES),
]


def zoo(file: File) -> None:
    """The input is stream 0 of `hashed`, and the gradient of the logits their own hash of stream 0x10000, once in training (by the
    batch's statistics, before any running ones have changed) and once in evaluation. `state` is every name with its shape; `checksum` is that of the
    lines `name shape`, such as `fc.bias [10]`. Multiply-adds are those of one image of 224×224.
    """
    for name, make, args, shape, depth in CASES:
        torch.manual_seed(0)
        net = make(num_classes=CLASSES, **args)
        facts = {"initial": initial_values(net)}
        fill(net)
        state = [[key, list(value.shape)] for key, value in net.state_dict().items()]
        facts |= {
            "input": shape,
            "parameters": sum(p.numel() for p in net.parameters()),
            "multiply_adds": multiply_adds(net.eval(), [1, 3, 224, 224]),
            "checksum": checksum([f"{key} {size}" for key, size in state]),
        }
        if depth == WHOLE:
            facts["state"] = state
        tensors = {}
        if depth == LOGITS:
            tensors["eval.logits"] = net.double()(hashed(0, shape).double())
        elif depth >= VALUES:
            tensors = values(net.double(), shape)
        file.add(name, "zoo", {**args, **facts}, tensors)


def values(net: nn.Module, shape: list[int]) -> dict[str, torch.Tensor]:
    """Logits and input gradient in both modes, and the sums of all running means and variances after the pass in training. The logits of
    heads that train along follow the others."""
    tensors = {}
    for mode in ["eval", "train"]:
        net.train(mode == "train")
        x = hashed(0, shape).double().requires_grad_()
        logits = net(x)
        if isinstance(logits, tuple):
            logits = torch.cat(logits, 1)
        (grad,) = torch.autograd.grad(logits, x, hashed(0x10000, list(logits.shape)).double())
        tensors[f"{mode}.logits"] = logits
        sampled(tensors, f"{mode}.grad", grad)
    tensors["train.running"] = running_sums(net)
    return tensors


def running_sums(net: nn.Module) -> torch.Tensor:
    """Of all running means and of all running variances."""
    state = net.state_dict().items()
    sums = [sum(v.sum().item() for k, v in state if k.endswith(end)) for end in ["running_mean", "running_var"]]
    return torch.tensor(sums, dtype=torch.float64)
