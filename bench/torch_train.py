"""PyTorch's side of the rows `start` and `memory` of bench/vs-pytorch, the default training run, and of bench/fast-recipe.

`first` ends after one step on random images and says so; `epoch` trains one epoch of MNIST and tests, as tutorials do; `fast` does so
by the recipe `fast`, from a seed: `torch_train.py fast THREADS SEED`.
"""

import gzip
import pathlib
import sys

import torch
import torch.nn.functional as F

import torch_nets

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "mnist"


def idx(name: str, header: int) -> torch.Tensor:
    return torch.frombuffer(bytearray(gzip.decompress((DATA / f"{name}.gz").read_bytes())[header:]), dtype=torch.uint8)


def mnist() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    images = [idx(f"{part}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28) for part in ["train", "t10k"]]
    return images, [idx(f"{part}-labels-idx1-ubyte", 8).long() for part in ["train", "t10k"]]


def normal(images: torch.Tensor) -> torch.Tensor:
    return (images.float() / 255 - 0.1307) / 0.3081


def right(net: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> int:
    net.eval()
    with torch.inference_mode():
        batches = zip(images.split(250), labels.split(250))
        return sum((net(normal(x)).argmax(1) == y).sum().item() for x, y in batches)


def moved(images: torch.Tensor) -> torch.Tensor:
    """Each by up to a pixel down or up and right or left, black coming in."""
    padded = F.pad(images, (1, 1, 1, 1))
    down, across = torch.randint(0, 3, [2, len(images), 1, 1])
    rows, columns = torch.arange(28)[None, :, None] + down, torch.arange(28)[None, None, :] + across
    return padded[torch.arange(len(images))[:, None, None], 0, rows, columns][:, None]


def fast(seed: int) -> None:
    torch.manual_seed(seed)
    images, labels = mnist()
    net = torch_nets.build("mnist-net").to(memory_format=torch.channels_last)
    net.dropout1.p = net.dropout2.p = 0
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005, betas=(0.85, 0.98), fused=True)
    batches = torch.randperm(len(images[0]))[: len(images[0]) * 7 // 10].split(64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.005, total_steps=len(batches), pct_start=0.25, cycle_momentum=False)
    for batch in batches:
        optimizer.zero_grad()
        x = normal(moved(images[0][batch])).contiguous(memory_format=torch.channels_last)
        F.cross_entropy(net(x), labels[0][batch], label_smoothing=0.1).backward()
        optimizer.step()
        schedule.step()
    print(f"{right(net, images[1], labels[1])} right", flush=True)


def main() -> None:
    torch.set_num_threads(int(sys.argv[2]))
    if sys.argv[1] == "fast":
        fast(int(sys.argv[3]))
        return
    net = torch_nets.build("mnist-net")
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()

    if sys.argv[1] == "first":
        step(torch.randn(100, 1, 28, 28), torch.randint(0, 10, [100]))
        print("done", flush=True)
        return
    images, labels = mnist()
    for batch in torch.randperm(len(images[0])).split(100):
        step(normal(images[0][batch]), labels[0][batch])
    print(f"{right(net, images[1], labels[1])} right", flush=True)


main()
