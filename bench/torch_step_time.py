"""PyTorch's side of bench/vs-pytorch: times training steps and inference, and prints a JSON line per variant."""

import argparse
import json

import torch
import torch.nn.functional as F

import torch_nets
from timing import milliseconds


def measure(args, layout: torch.memory_format, fused: bool, compiled: bool) -> dict:
    torch.manual_seed(0)
    net = torch_nets.build(args.net).to(memory_format=layout)
    shape = [args.batch, *map(int, args.input.split("x"))]
    images = torch.randn(shape).to(memory_format=layout)
    labels = torch.randint(0, 10, [args.batch, *shape[2:]] if args.net == "unet" else [args.batch])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=fused)
    forward = torch.compile(net) if compiled else net

    def train() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()

    def infer() -> None:
        with torch.inference_mode():
            forward(images)

    net.train()
    train_ms = milliseconds(train, args.warmup, args.steps) if "train" in args.what else []
    net.eval()
    infer_ms = milliseconds(infer, args.warmup, args.steps) if "infer" in args.what else []
    return {"train_ms": train_ms, "infer_ms": infer_ms}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--warmup", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--what", required=True)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    last, first = torch.channels_last, torch.contiguous_format
    variants = [
        ("eager, NCHW", first, False, False),
        ("eager, channels last", last, False, False),
        ("eager, channels last, fused Adam", last, True, False),
    ]
    if args.compile:
        variants.append(("compiled, channels last, fused Adam", last, True, True))
    for name, *how in variants:
        about = {"side": name, "version": torch.__version__, "isa": torch.backends.cpu.get_cpu_capability()}
        print(json.dumps(about | measure(args, *how)), flush=True)


main()
