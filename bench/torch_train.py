"""PyTorch's side of the rows `start` and `memory` of bench/vs-pytorch: the default training run.

`first` ends after one step on random images and says so; `epoch` trains one epoch of MNIST and tests, as tutorials do.
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


def main() -> None:
    torch.set_num_threads(int(sys.argv[2]))
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
    images = [idx(f"{part}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28) for part in ["train", "t10k"]]
    labels = [idx(f"{part}-labels-idx1-ubyte", 8).long() for part in ["train", "t10k"]]
    for batch in torch.randperm(len(images[0])).split(100):
        step((images[0][batch].float() / 255 - 0.1307) / 0.3081, labels[0][batch])
    net.eval()
    with torch.inference_mode():
        batches = zip(images[1].split(250), labels[1].split(250))
        correct = sum((net((x.float() / 255 - 0.1307) / 0.3081).argmax(1) == y).sum().item() for x, y in batches)
    print(f"{correct} right", flush=True)


main()
