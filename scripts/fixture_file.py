"""One file of fixtures: cases with their tensors, and the random numbers that they start from."""

import json
import pathlib
import zlib

import torch
from fixture_op import SUM, op_of
from safetensors.torch import save_file

_generator = torch.Generator()


def normal(shape: list[int]) -> torch.Tensor:
    return torch.randn(shape, generator=_generator)


def uniform(shape: list[int], low: float, high: float) -> torch.Tensor:
    return torch.rand(shape, generator=_generator) * (high - low) + low


def integers(shape: list[int], low: int, high: int) -> torch.Tensor:
    return torch.randint(low, high, shape, generator=_generator)


class File:
    """Collects cases. Random numbers start again with every file, so a new file changes no other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tensors: dict[str, torch.Tensor] = {}
        self.cases: list[dict] = []
        _generator.manual_seed(zlib.crc32(name.encode()))

    def add(self, name: str, op: str, args: dict, tensors: dict[str, torch.Tensor], **more) -> None:
        """A case with its tensors as they are. Floating-point ones are stored as f32."""
        assert all(case["name"] != name for case in self.cases), f"{self.name}: two cases are called {name}"
        self.cases.append({"name": name, "op": op, "args": args, **more})
        for key, value in tensors.items():
            value = value.detach()
            self.tensors[f"{name}/{key}"] = value.float() if value.is_floating_point() else value

    def case(self, name, op, inputs, args, call, grad=True, only=None, tolerance=SUM, gradient_tolerance=None, smooth=True) -> None:
        """A case whose output, and gradients of the floating-point inputs (or those in `only`), are computed by `call`.

        `op` is an `Op` as its JSON, of which the inputs are the operands, in order; or PyTorch's name of a function: what `fixture_op` makes an `Op` of, and
        what a line of Rust runs. A test runs each `Op`, and compares gradients with central differences too where the function is `smooth`.

        It computes in f64 from inputs that f32 holds exactly, so that what is compared later is the error of one side alone.
        """
        at = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
        wanted = [k for k, v in at.items() if grad and v.is_floating_point() and (only is None or k in only)]
        for key in wanted:
            at[key].requires_grad_()
        output = call(at, **args)
        tensors = {**inputs, "output": output}
        if wanted:
            grad_output = normal(list(output.shape))
            tensors["grad_output"] = grad_output
            grads = torch.autograd.grad(output, [at[k] for k in wanted], grad_output.double())
            tensors |= {f"grad.{k}": g for k, g in zip(wanted, grads)}
        if isinstance(op, dict):
            data = {"op": op, "operands": list(inputs), "tolerance": tolerance, "gradient_tolerance": gradient_tolerance or tolerance}
        else:
            data = op_of(name, op, args, inputs)
        if data is None:
            self.add(name, op, args, tensors)
        else:
            edge = any(word in name for word in ("ties", "edges", "zero", "wide", "nan", "beyond", "large", "prelu_", "sign_"))
            self.add(name, data.pop("op"), {}, tensors, **data, smooth=smooth and not edge)

    def write(self, directory: pathlib.Path) -> int:
        """Writes the file and gives its size. The same cases give the same bytes."""
        path = directory / f"{self.name}.safetensors"
        save_file({k: v.clone().contiguous() for k, v in self.tensors.items()}, path, {"cases": json.dumps(self.cases)})
        return path.stat().st_size
