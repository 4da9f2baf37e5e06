"""PyTorch's side of bench/vs-inference: times a network in use by one variant and prints a JSON line, or exports networks for the other sides."""

import argparse
import json
import pathlib
import warnings

import numpy
import torch

import torch_nets
from timing import milliseconds, peak_megabytes


def network(name: str, shape: list[int]) -> tuple[torch.nn.Module, torch.Tensor]:
    """A network with random weights, ready for use, and images for it: the same in each process."""
    torch.manual_seed(0)
    net = torch_nets.build(name).eval()
    return net, torch.randn(shape)


def export(name: str, shape: list[int], path: pathlib.Path) -> None:
    """Writes the network as ONNX, and beside it images and what the network makes of them."""
    net, images = network(name, shape)
    with torch.inference_mode(), warnings.catch_warnings():
        # The exporter that needs no packages besides onnx warns that there is a newer one.
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (images,), str(path), dynamo=False, opset_version=17, input_names=["images"], output_names=["logits"])
        numpy.savez(path.with_suffix(".npz"), images=images.numpy(), logits=net(images).numpy())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--export", type=pathlib.Path, metavar="FILE.onnx", help="write the network there and time nothing")
    parser.add_argument("--variant", choices=["eager", "compiled", "frozen"])
    for option in ["--threads", "--warmup", "--steps"]:
        parser.add_argument(option, type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shape = [args.batch, *map(int, args.input.split("x"))]
    if args.export:
        export(args.net, shape, args.export)
        return

    net, images = network(args.net, shape)
    net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    if args.variant == "frozen":
        from torch._inductor import config

        config.freezing = True
    forward = net if args.variant == "eager" else torch.compile(net)
    with torch.inference_mode():
        infer_ms = milliseconds(lambda: forward(images), args.warmup, args.steps)
    print(json.dumps({"side": f"PyTorch {args.variant}", "infer_ms": infer_ms, "peak_mb": peak_megabytes()}))


main()
