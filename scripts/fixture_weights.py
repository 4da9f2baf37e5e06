"""PyTorch's weight files in all forms, and what must be read from them."""

import io
import json
import pathlib

import numpy
import torch
from safetensors.torch import save_file
from torch import nn


def small(dtype: torch.dtype) -> torch.Tensor:
    values = [[0, 1, 2], [3, 100, 127]] if dtype in (torch.uint8, torch.uint16, torch.uint32) else [[0, -1, 2], [3, -100, 127]]
    return torch.tensor(values, dtype=torch.int64).to(dtype)


def dtypes(unsigned: bool) -> dict:
    all = {str(dtype).removeprefix("torch."): small(dtype) for dtype in [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]}
    all |= {str(dtype).removeprefix("torch."): small(dtype) / 3 for dtype in [torch.float64, torch.float32, torch.float16, torch.bfloat16]}
    all |= {"bool": small(torch.int64) > 0, "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4)}
    all["special"] = torch.tensor([float("inf"), -0.0, 6e-8, 65504], dtype=torch.float16)
    if unsigned:
        all |= {"uint16": small(torch.uint16), "uint32": torch.tensor([1, 2**32 - 1]).to(torch.uint32)}
    return all


def views() -> dict:
    base = torch.arange(24.0).reshape(2, 3, 4)
    return {
        "base": base,
        "tied": base,
        "turned": base.permute(2, 0, 1),
        "part": base[:, 1:, ::2],
        "expanded": base[0, 0, 1].expand(3, 2),
        "row": base[1:, 2],
        "image": torch.arange(60.0).reshape(1, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    }


def network() -> nn.Module:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    with torch.no_grad():
        for index, parameter in enumerate(net.parameters()):
            parameter.copy_(torch.arange(float(parameter.numel())).reshape(parameter.shape) + index)
    return net


def checkpoint() -> dict:
    net = nn.DataParallel(network())
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    net.module(torch.arange(8.0).reshape(4, 2)).square().sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    return {
        "epoch": 3,
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": schedule.state_dict(),
        "best": numpy.float64(0.5),
        "accuracy": torch.tensor(0.75),
        "seen": {1, 2},
        "device": torch.device("cpu"),
        "noise": numpy.arange(3),
    }




def attributes() -> dict:
    marked = torch.arange(3.0)
    marked.note = "attributes change how a tensor is pickled"
    return {"marked": marked, "parameter": nn.Parameter(torch.arange(2.0)), "buffer": nn.Buffer(torch.arange(2.0))}


def refused() -> dict:
    scale = torch.quantize_per_tensor(torch.arange(3.0), 0.5, 0, torch.qint8)
    return {
        "complex64": torch.zeros(2, dtype=torch.complex64),
        "float8_e4m3fn": torch.zeros(2).to(torch.float8_e4m3fn),
        "uint64": torch.zeros(2, dtype=torch.uint64),
        "quantized": scale,
        "sparse": torch.eye(2).to_sparse(),
    }


class Numbered(str):
    """Storages named in the order in which they are met, instead of by their addresses, which change from run to run."""

    names: dict[int, str] = {}

    def __new__(cls, value=""):
        return cls.names.setdefault(value, f"{1000 + len(cls.names)}") if isinstance(value, int) else str(value)


def legacy(content: object) -> bytes:
    buffer = io.BytesIO()
    Numbered.names = {}
    torch.serialization.str = Numbered
    try:
        torch.save(content, buffer, _use_new_zipfile_serialization=False)
    finally:
        del torch.serialization.str
    return buffer.getvalue()


def zipped(content: object, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, pickle_protocol=protocol)
    return buffer.getvalue()


def widened(value: torch.Tensor) -> torch.Tensor:
    """The value in the type that Striate reads it as."""
    if value.dtype not in (torch.int16, torch.uint16, torch.uint32):
        return value
    return value.to(torch.int64)


def weights(directory: pathlib.Path) -> int:
    """Writes all files into `directory` and gives their size. The same PyTorch writes the same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    plain = {"dtypes": dtypes(True), "dtypes_legacy": dtypes(False), "views": views(), "views_legacy": views(), "protocol5": views(),
             "attributes": attributes(), "checkpoint": checkpoint(), "checkpoint_legacy": checkpoint()}  # fmt: skip
    files = {name: legacy(content) if name.endswith("_legacy") else zipped(content, 5 if name == "protocol5" else 2)
             for name, content in plain.items()}  # fmt: skip
    expected = {}
    for name, content in plain.items():
        for key, value in content.get("model", content).items():
            expected[f"{name}/{key.removeprefix('module.')}"] = widened(value.detach()).clone().contiguous()
    files |= {f"refused_{name}": zipped({"w": value}) for name, value in refused().items()}
    files["whole"] = zipped(network())
    for name, content in files.items():
        (directory / f"{name}.pth").write_bytes(content)
    keys = {name: list(content.get("model", content)) for name, content in plain.items()}
    save_file(expected, directory / "expected.safetensors", {"names": json.dumps(keys)})
    return sum(map(len, files.values()))
