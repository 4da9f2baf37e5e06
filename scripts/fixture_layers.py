"""The cases of layers: convolutions in other forms, pooling, padding, resizing, normalization, and layers made of layers.

See make_fixtures.py.
"""

import torch
import torch.nn.functional as F
from torch import nn

from fixture_file import File, integers, normal


def conv1d(file: File) -> None:
    """Convolution and pooling of [n, c, l]; convolution of images with padding other than zeros."""
    for name, x, w, args in [
        ("smallest", [1, 1, 1], [1, 1, 1], {}),
        ("plain", [3, 3, 17], [5, 3, 3], {}),
        ("stride", [1, 17, 16], [3, 17, 5], {"stride": [2], "padding": [2]}),
        ("dilation", [3, 4, 19], [6, 4, 3], {"dilation": [4], "padding": [3], "bias": False}),
        ("groups", [2, 6, 9], [9, 2, 4], {"groups": 3}),
        ("depthwise", [1, 17, 11], [17, 1, 3], {"groups": 17, "padding": [1]}),
        ("same", [3, 3, 8], [2, 3, 4], {"padding": "same", "dilation": [3]}),
        ("kernel_is_input", [3, 2, 7], [5, 2, 7], {}),
    ]:
        bias = args.pop("bias", True)
        inputs = {"input": normal(x), "weight": normal(w)}
        if bias:
            inputs["bias"] = normal(w[:1])
        call = lambda t, **a: F.conv1d(t["input"], t["weight"], t.get("bias"), **a)
        file.case(f"conv1d_{name}", "conv1d", inputs, args, call)
    for name, x, args in [
        ("plain", [3, 3, 8], {"kernel_size": 2}),
        ("overlapping", [1, 17, 9], {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("dilation", [3, 2, 11], {"kernel_size": 3, "stride": 1, "dilation": 3}),
        ("ceil_mode", [1, 3, 7], {"kernel_size": 2, "stride": 2, "ceil_mode": True}),
    ]:
        file.case(f"max_{name}", "max_pool1d", {"input": normal(x)}, args, lambda t, **a: F.max_pool1d(t["input"], **a))
    for name, x, args in [
        ("plain", [3, 3, 8], {"kernel_size": 2}),
        ("counted", [1, 17, 9], {"kernel_size": 4, "stride": 3, "padding": 2}),
        ("not_counted", [3, 2, 9], {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
        ("ceil_mode", [1, 3, 8], {"kernel_size": 3, "stride": 2, "ceil_mode": True, "padding": 1}),
    ]:
        file.case(f"avg_{name}", "avg_pool1d", {"input": normal(x)}, args, lambda t, **a: F.avg_pool1d(t["input"], **a))
    for mode in ["reflect", "replicate", "circular"]:
        for name, x, w, args in [
            ("even", [3, 3, 5, 6], [4, 3, 3, 3], {"padding": [1, 1]}),
            ("uneven", [1, 2, 7, 5], [3, 2, 3, 5], {"padding": [2, 3], "stride": [2, 1]}),
            ("same", [2, 4, 6, 5], [4, 2, 2, 3], {"padding": "same", "groups": 2, "bias": False}),
        ]:
            layer = nn.Conv2d(x[1], w[0], w[2:], padding_mode=mode, **args).double()
            inputs = {"input": normal(x), "weight": normal(w)}
            if layer.bias is not None:
                inputs["bias"] = normal(w[:1])

            def call(t, layer=layer, **_):
                return torch.func.functional_call(layer, {k: t[k] for k in t if k != "input"}, t["input"])

            kept = {k: v for k, v in args.items() if k != "bias"}
            file.case(f"conv2d_{mode}_{name}", "conv2d_padding_mode", inputs, {**kept, "padding_mode": mode}, call)
        layer = nn.Conv1d(3, 2, 4, padding=3, padding_mode=mode).double()
        call = lambda t, layer=layer, **_: torch.func.functional_call(layer, {k: t[k] for k in ["weight", "bias"]}, t["input"])
        inputs = {"input": normal([3, 3, 7]), "weight": normal([2, 3, 4]), "bias": normal([2])}
        file.case(f"conv1d_{mode}", "conv1d_padding_mode", inputs, {"padding": [3], "padding_mode": mode}, call)


def conv_transpose(file: File) -> None:
    for name, x, w, args in [
        ("smallest", [1, 1, 1, 1], [1, 1, 1, 1], {}),
        ("plain", [3, 3, 4, 5], [3, 5, 3, 3], {}),
        ("doubling", [2, 4, 5, 4], [4, 3, 2, 2], {"stride": [2, 2]}),
        ("dcgan", [1, 17, 3, 4], [17, 3, 4, 4], {"stride": [2, 2], "padding": [1, 1], "bias": False}),
        ("output_padding", [3, 3, 4, 3], [3, 4, 3, 3], {"stride": [2, 2], "padding": [1, 1], "output_padding": [1, 1]}),
        ("output_padding_uneven", [1, 2, 3, 4], [2, 3, 2, 3], {"stride": [3, 2], "output_padding": [2, 0], "padding": [0, 1]}),
        # More than the stride, which dilation allows: some of the output's end is reached by nothing.
        ("output_padding_over_stride", [1, 2, 3, 4], [2, 3, 2, 2], {"dilation": [3, 4], "output_padding": [2, 3], "padding": [0, 2]}),
        ("dilation", [2, 3, 4, 5], [3, 2, 3, 2], {"dilation": [2, 3], "stride": [1, 2], "padding": [1, 0]}),
        ("groups", [3, 6, 3, 4], [6, 2, 3, 3], {"groups": 3, "stride": [2, 1]}),
        ("depthwise", [1, 17, 3, 3], [17, 1, 3, 3], {"groups": 17, "padding": [1, 1], "stride": [2, 2], "output_padding": [1, 1]}),
        ("winograd", [1, 16, 6, 5], [16, 17, 3, 3], {"padding": [1, 1]}),
        ("stride_over_kernel", [1, 3, 3, 2], [3, 2, 1, 2], {"stride": [3, 3]}),
        ("pointwise", [3, 5, 3, 2], [5, 17, 1, 1], {}),
    ]:
        bias = args.pop("bias", True)
        inputs = {"input": normal(x), "weight": normal(w)}
        if bias:
            inputs["bias"] = normal([w[1] * args.get("groups", 1)])
        call = lambda t, **a: F.conv_transpose2d(t["input"], t["weight"], t.get("bias"), **a)
        file.case(name, "conv_transpose2d", inputs, args, call)
    for name, x, w, args in [
        ("plain", [3, 3, 7], [3, 5, 3], {}),
        ("doubling", [1, 17, 5], [17, 2, 4], {"stride": [2], "padding": [1]}),
        ("all", [3, 4, 5], [4, 3, 3], {"stride": [3], "padding": [2], "output_padding": [2], "dilation": [2], "groups": 2}),
    ]:
        inputs = {"input": normal(x), "weight": normal(w), "bias": normal([w[1] * args.get("groups", 1)])}
        call = lambda t, **a: F.conv_transpose1d(t["input"], t["weight"], t.get("bias"), **a)
        file.case(f"one_{name}", "conv_transpose1d", inputs, args, call)


def adaptive_pool(file: File) -> None:
    for x, out in [
        ([3, 3, 7, 5], [1, 1]), ([1, 17, 7, 5], [3, 2]), ([3, 2, 8, 6], [4, 3]), ([1, 3, 3, 4], [7, 5]), ([2, 3, 5, 6], [5, 2]),
        ([1, 1, 1, 1], [1, 1]), ([1, 2, 10, 7], [4, 7]), ([2, 1, 6, 6], [6, 6]),
    ]:  # fmt: skip
        label = f"{'x'.join(map(str, x))}_{out[0]}x{out[1]}"
        args = {"output_size": out}
        call = lambda t, output_size: F.adaptive_avg_pool2d(t["input"], output_size)
        file.case(f"avg_{label}", "adaptive_avg_pool2d", {"input": normal(x)}, args, call)
        call = lambda t, output_size: F.adaptive_max_pool2d(t["input"], output_size)
        file.case(f"max_{label}", "adaptive_max_pool2d", {"input": normal(x)}, args, call)
    ties = {"input": integers([3, 3, 7, 5], 0, 3).float()}
    file.case("max_ties", "adaptive_max_pool2d", ties, {"output_size": [3, 4]}, call)
    nan = normal([1, 2, 7, 5])
    nan[0, 0, 2, 1] = nan[0, 0, 6, 4] = float("nan")
    file.case("max_nan", "adaptive_max_pool2d", {"input": nan}, {"output_size": [3, 2]}, call, grad=False)
    for x, out in [([3, 3, 17], 1), ([1, 17, 7], 3), ([2, 3, 3], 5)]:
        label = f"{'x'.join(map(str, x))}_{out}"
        call = lambda t, output_size: F.adaptive_avg_pool1d(t["input"], output_size)
        file.case(f"avg_{label}", "adaptive_avg_pool1d", {"input": normal(x)}, {"output_size": out}, call)
        call = lambda t, output_size: F.adaptive_max_pool1d(t["input"], output_size)
        file.case(f"max_{label}", "adaptive_max_pool1d", {"input": normal(x)}, {"output_size": out}, call)


def resize(file: File) -> None:
    """Padding with what is there, interpolation, pixel shuffling."""
    for mode in ["reflect", "replicate", "circular"]:
        for label, x, padding in [
            ("image", [3, 3, 5, 4], [1, 2, 3, 0]), ("one_side", [1, 17, 3, 4], [2, 0, 0, 0]), ("widest", [1, 2, 4, 3], [2, 2, 3, 3]),
            ("line", [3, 2, 7], [3, 2]),
        ]:  # fmt: skip
            call = lambda t, padding, mode: F.pad(t["input"], padding, mode)
            file.case(f"pad_{mode}_{label}", "pad", {"input": normal(x)}, {"padding": padding, "mode": mode}, call)
    file.case("pad_replicate_beyond", "pad", {"input": normal([1, 2, 2, 1])}, {"padding": [3, 2, 4, 1], "mode": "replicate"}, call)

    sizes = [([3, 3, 4, 5], [8, 10]), ([1, 17, 5, 3], [7, 2]), ([2, 2, 6, 7], [3, 5]), ([1, 3, 1, 4], [3, 1]), ([3, 1, 3, 3], [3, 6])]
    factors = [([1, 3, 4, 5], [2.0, 2.0]), ([2, 2, 5, 7], [1.7, 0.6]), ([1, 3, 3, 4], [1.1, 2.3]), ([1, 2, 4, 5], [2.2, 1.15])]
    targets = [(x, {"size": s}) for x, s in sizes] + [(x, {"scale_factor": s}) for x, s in factors]
    for mode, corners in [("nearest", None), ("nearest-exact", None), ("bilinear", False), ("bilinear", True), ("bicubic", False), ("bicubic", True)]:
        for x, target in targets:
            key, value = next(iter(target.items()))
            suffix = "" if corners is None else f"_{'corners' if corners else 'edges'}"
            label = f"{mode}{suffix}_{'x'.join(map(str, x))}_{key}_{'x'.join(map(str, value))}"
            args = {**target, "mode": mode, "align_corners": corners}
            # PyTorch wants a tuple of factors.
            call = lambda t, **a: F.interpolate(t["input"], **{k: tuple(v) if isinstance(v, list) else v for k, v in a.items()})
            file.case(label, "interpolate", {"input": normal(x)}, args, call)
    for x, r in [([3, 12, 2, 3], 2), ([1, 9, 3, 1], 3), ([2, 3, 2, 2], 1), ([1, 32, 3, 2], 4)]:
        call = lambda t, factor: F.pixel_shuffle(t["input"], factor)
        file.case(f"shuffle_{r}", "pixel_shuffle", {"input": normal(x)}, {"factor": r}, call)
    for x, r in [([3, 3, 4, 6], 2), ([1, 1, 9, 3], 3), ([1, 17, 2, 4], 2)]:
        call = lambda t, factor: F.pixel_unshuffle(t["input"], factor)
        file.case(f"unshuffle_{x[1]}_{r}", "pixel_unshuffle", {"input": normal(x)}, {"factor": r}, call)


def norm(file: File) -> None:
    """Group, layer and local response normalization; batch and instance normalization over two training steps and in evaluation."""
    for x, groups, affine in [
        ([3, 6, 4, 5], 2, True), ([1, 17, 3, 3], 1, True), ([3, 4, 2, 2], 4, True), ([2, 6, 3, 1], 3, False), ([3, 8], 2, True),
        ([2, 6, 7], 3, True), ([5, 32, 3, 3], 8, True),
    ]:  # fmt: skip
        inputs = {"input": normal(x) * 2 + 0.5}
        if affine:
            inputs |= {"weight": normal(x[1:2]), "bias": normal(x[1:2])}
        call = lambda t, num_groups, eps: F.group_norm(t["input"], num_groups, t.get("weight"), t.get("bias"), eps)
        label = f"group_{'x'.join(map(str, x))}_{groups}"
        file.case(label, "group_norm", inputs, {"num_groups": groups, "eps": 1e-5}, call)
    for x, shape, affine in [
        ([3, 17], [17], True), ([3, 5, 4, 6], [6], True), ([3, 5, 2, 3], [5, 2, 3], True), ([1, 3, 4], [3, 4], True),
        ([2, 3, 8], [8], False), ([4, 1], [1], True),
    ]:  # fmt: skip
        inputs = {"input": normal(x) * 2 + 0.5}
        if affine:
            inputs |= {"weight": normal(shape), "bias": normal(shape)}
        call = lambda t, normalized_shape, eps: F.layer_norm(t["input"], normalized_shape, t.get("weight"), t.get("bias"), eps)
        label = f"layer_{'x'.join(map(str, x))}_{len(shape)}"
        file.case(label, "layer_norm", inputs, {"normalized_shape": shape, "eps": 1e-6}, call)
    for x, args in [
        ([3, 7, 2, 3], {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}),
        ([1, 17, 3, 1], {"size": 4, "alpha": 0.5, "beta": 0.5, "k": 2.0}),
        ([3, 3, 4], {"size": 3, "alpha": 0.1, "beta": 1.0, "k": 0.5}),
        ([1, 2, 2, 2], {"size": 7, "alpha": 0.3, "beta": 2.0, "k": 1.0}),
    ]:
        call = lambda t, **a: F.local_response_norm(t["input"], **a)
        label = f"local_{'x'.join(map(str, x))}"
        file.case(label, "local_response_norm", {"input": normal(x)}, args, call)

    batch, instance = nn.BatchNorm1d, nn.InstanceNorm2d
    tracked = {"affine": True, "track_running_stats": True}
    for name, op, make, shape, args in [
        ("batch1d", "batch_norm1d", batch, [5, 3], {}),
        ("batch1d_line", "batch_norm1d", batch, [3, 17, 4], {"momentum": 0.3, "eps": 1e-3}),
        ("batch1d_one_sample", "batch_norm1d", batch, [1, 3, 5], {}),
        ("batch1d_not_affine", "batch_norm1d", batch, [4, 3], {"affine": False}),
        ("instance", "instance_norm2d", instance, [3, 3, 4, 5], {}),
        ("instance_affine", "instance_norm2d", instance, [1, 17, 3, 2], {"affine": True, "eps": 1e-3}),
        ("instance_tracked", "instance_norm2d", instance, [3, 5, 3, 4], tracked),
        ("instance_tracked_plain", "instance_norm2d", instance, [2, 3, 2, 3], {"track_running_stats": True, "momentum": 0.4}),
    ]:
        layer = make(shape[1], **args).double()
        c = shape[1:2]
        tensors = {}
        if layer.affine:
            tensors |= {"weight": normal(c), "bias": normal(c)}
        if layer.track_running_stats:
            tensors |= {"running_mean": normal(c), "running_var": normal(c).square() + 0.5}
        with torch.no_grad():
            for key, value in tensors.items():
                layer.get_parameter(key).copy_(value) if key in ("weight", "bias") else layer.get_buffer(key).copy_(value)
        for step in ["1", "2", "_eval"]:
            layer.train(step != "_eval")
            x, grad_output = normal(shape) * 2 + 0.5, normal(shape)
            tensors |= {f"input{step}": x, f"grad_output{step}": grad_output}
            x = x.double().requires_grad_()
            layer.zero_grad()
            output = layer(x)
            output.backward(grad_output.double())
            tensors |= {f"output{step}": output, f"grad{step}.input": x.grad}
            tensors |= {f"grad{step}.{k}": p.grad.clone() for k, p in layer.named_parameters()}
            tensors |= {f"{k}{step}": b.clone() for k, b in layer.named_buffers() if k.startswith("running")}
        file.add(name, op, {**args, "state": sorted(layer.state_dict())}, tensors)


class SqueezeExcitation(nn.Module):
    """As torchvision's, which these fixtures do without."""

    def __init__(self, channels: int, squeezed: int, activation: nn.Module, scale_activation: nn.Module) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = activation
        self.scale_activation = scale_activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))


def modules(file: File) -> None:
    """Layers made of layers, layers with tables; and the names in the state dicts of layers with parameters."""
    for label, parts, x in [
        ("relu_sigmoid", (nn.ReLU(), nn.Sigmoid()), [3, 17, 3, 5]),
        ("silu_sigmoid", (nn.SiLU(), nn.Sigmoid()), [1, 4, 2, 3]),
        ("relu_hardsigmoid", (nn.ReLU(), nn.Hardsigmoid()), [3, 8, 1, 1]),
    ]:
        layer = SqueezeExcitation(x[1], 3, *parts).double()
        inputs = {"input": normal(x)} | {k: normal(list(p.shape)) for k, p in layer.named_parameters()}
        call = lambda t, layer=layer: torch.func.functional_call(layer, {k: t[k] for k in t if k != "input"}, t["input"])
        file.case(f"squeeze_excitation_{label}", f"squeeze_excitation_{label}", inputs, {}, call)
    for label, rows, dim, shape, padding in [("plain", 7, 5, [3, 4], None), ("padding", 5, 3, [17], 2), ("scalar", 3, 2, [], None), ("one", 1, 17, [2, 1, 3], 0)]:
        inputs = {"input": integers(shape, 0, rows), "weight": normal([rows, dim])}
        call = lambda t, padding_idx: F.embedding(t["input"], t["weight"], padding_idx)
        file.case(f"embedding_{label}", "embedding", inputs, {"padding_idx": padding}, call)
    for name, layer in {
        "Conv1d": nn.Conv1d(4, 6, 3, groups=2),
        "ConvTranspose1d": nn.ConvTranspose1d(4, 6, 3, groups=2),
        "ConvTranspose2d": nn.ConvTranspose2d(4, 6, (3, 2), groups=2),
        "ConvTranspose2d_no_bias": nn.ConvTranspose2d(4, 6, 3, bias=False),
        "BatchNorm1d": nn.BatchNorm1d(5),
        "GroupNorm": nn.GroupNorm(2, 6),
        "LayerNorm": nn.LayerNorm([3, 4]),
        "InstanceNorm2d": nn.InstanceNorm2d(5),
        "InstanceNorm2d_tracked": nn.InstanceNorm2d(5, affine=True, track_running_stats=True),
        "Embedding": nn.Embedding(7, 3),
        "PReLU": nn.PReLU(4),
        "SqueezeExcitation": SqueezeExcitation(8, 2, nn.ReLU(), nn.Sigmoid()),
    }.items():
        shapes = [[k, list(v.shape)] for k, v in layer.state_dict().items()]
        file.add(name, "state_dict", {"state": shapes}, {})
