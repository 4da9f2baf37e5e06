"""pytorch-grad-cam's side of bench/vs-grad-cam: writes the network and the image for both sides, or times Grad-CAM and compares the maps."""

import argparse
import json
import pathlib

import numpy
import torch
import torchvision
from pytorch_grad_cam import GradCAM
from safetensors.torch import load_file, save_file
from timing import milliseconds

SIDE = 224


def network(name: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The network, and its last layer with maps."""
    torch.manual_seed(0)
    net = {"mobilenet-v2": torchvision.models.mobilenet_v2, "resnet18": torchvision.models.resnet18, "resnet50": torchvision.models.resnet50}[name]()
    return net, net.features[-1] if name == "mobilenet-v2" else net.layer4


def prepare(name: str, folder: pathlib.Path) -> None:
    net, _ = network(name)
    # Without a training batch normalizations would pass on what they get, and the logits of fresh networks hardly differ.
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    save_file({name: t.contiguous() for name, t in net.state_dict().items()}, folder / "weights.safetensors")
    pixels = torch.rand(3, 7, 7)
    image = torch.nn.functional.interpolate(pixels[None], (SIDE, SIDE), mode="bicubic")[0].clamp(0, 1)
    bytes_ = (image * 255).round().to(torch.uint8)
    numpy.save(folder / "image.npy", bytes_.permute(1, 2, 0).contiguous().numpy())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--prepare", action="store_true")
    for option in ["--threads", "--warmup", "--steps"]:
        parser.add_argument(option, type=int, default=1)
    args = parser.parse_args()
    if args.prepare:
        prepare(args.net, args.folder)
        return
    torch.set_num_threads(args.threads)
    net, layer = network(args.net)
    net.load_state_dict(load_file(args.folder / "weights.safetensors"))
    net = net.eval().to(memory_format=torch.channels_last)
    image = torch.from_numpy(numpy.load(args.folder / "image.npy")).permute(2, 0, 1)[None].float() / 255
    image = image.to(memory_format=torch.channels_last)
    with GradCAM(model=net, target_layers=[layer]) as explain:
        off = numpy.abs(explain(input_tensor=image, targets=None)[0] - numpy.load(args.folder / "map.npy")).max()
        explain_ms = milliseconds(lambda: explain(input_tensor=image, targets=None), args.warmup, args.steps)
    print(json.dumps({"side": "pytorch-grad-cam", "explain_ms": explain_ms, "off": float(off)}))


main()
