"""PyTorch's side of bench/vs-pytorch: times training steps and inference, and prints a JSON line per variant."""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn


class MnistNet(nn.Module):
    input = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout2d(0.25)
        self.fc1 = nn.Linear(9216, 128)
        self.dropout2 = nn.Dropout(0.5)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(self.dropout1(x), 1)
        return self.fc2(self.dropout2(F.relu(self.fc1(x))))


class LeNet(nn.Module):
    input = (1, 32, 32)

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


def milliseconds(f, warmup: int, times: int) -> list[float]:
    for _ in range(warmup):
        f()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        f()
        taken.append((time.perf_counter() - start) * 1e3)
    return taken


def measure(args, layout: torch.memory_format, fused: bool, compiled: bool) -> dict:
    torch.manual_seed(0)
    net = {"mnist-net": MnistNet, "lenet": LeNet}[args.net]().to(memory_format=layout)
    images = torch.randn(args.batch, *net.input).to(memory_format=layout)
    labels = torch.randint(0, 10, (args.batch,))
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
    train_ms = milliseconds(train, args.warmup, args.steps)
    net.eval()
    infer_ms = milliseconds(infer, args.warmup, args.steps)
    return {"train_ms": train_ms, "infer_ms": infer_ms}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--warmup", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
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
        about = {"side": name, "net": args.net, "batch": args.batch, "threads": torch.get_num_threads()}
        versions = {"version": torch.__version__, "isa": torch.backends.cpu.get_cpu_capability()}
        print(json.dumps(about | versions | measure(args, *how)), flush=True)


main()
