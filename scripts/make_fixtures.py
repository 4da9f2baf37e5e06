#!/usr/bin/env python3
"""Writes crates/striate/tests/fixtures and crates/formats/tests/fixtures/weights with PyTorch, and crates/data/tests/fixtures
with Pillow and torchvision:

    python3 scripts/make_fixtures.py

Each file but those of `weights` holds the cases of one family of ops in the safetensors format: tensors `<case>/<name>` (`input`, `weight`, `grad_output`,
`output`, `grad.input`, …) and metadata `cases`, a JSON list of {name, op, args} with PyTorch's names for the arguments, or, where `op` is an `Op` as its
JSON, {name, op, operands, tolerance, gradient_tolerance, smooth}. PyTorch computes in f64 from inputs that f32 holds exactly; the results are stored as f32. Seeds are fixed, so that running it again
writes the same bytes.
"""

import pathlib
import sys
import warnings

from torch_venv import ROOT, run_inside

run_inside()

import torch  # noqa: E402

import fixture_activations  # noqa: E402
import fixture_cases as cases  # noqa: E402
import fixture_dense as dense  # noqa: E402
import fixture_dense_losses as dense_losses  # noqa: E402
import fixture_layers as layers  # noqa: E402
import fixture_losses as losses  # noqa: E402
import fixture_nets as nets  # noqa: E402
import fixture_ops  # noqa: E402
import fixture_tensor as tensor  # noqa: E402
import fixture_optim as optim  # noqa: E402
import fixture_zoo  # noqa: E402
import fixture_images as images  # noqa: E402
import fixture_weights  # noqa: E402
from fixture_file import File  # noqa: E402

FILES = {
    "conv2d": cases.conv2d,
    "pool2d": cases.pool2d,
    "matrix": cases.matrix,
    "ops": fixture_ops.ops,
    "activation": cases.activation,
    "loss": cases.loss,
    "class_losses": losses.class_losses,
    "losses": losses.losses,
    "dense_losses": dense_losses.dense_losses,
    "dense_nets": dense.networks,
    "detection_loss": dense.detection_losses,
    "elementwise": cases.elementwise,
    "reduce": cases.reduce,
    "shape": cases.shape,
    "tensor": tensor.tensor,
    "tensor_order": tensor.tensor_order,
    "tensor_index": tensor.tensor_index,
    "tensor_einsum": tensor.tensor_einsum,
    "batch_norm": nets.batch_norm,
    "optimizer": nets.optimizer,
    "optim": optim.optimizers,
    "schedules": optim.schedules,
    "init": nets.initial_values,
    "nets": nets.nets,
    "activations": fixture_activations.activations,
    "conv1d": layers.conv1d,
    "conv_transpose": layers.conv_transpose,
    "adaptive_pool": layers.adaptive_pool,
    "resize": layers.resize,
    "norm": layers.norm,
    "modules": layers.modules,
    "zoo": fixture_zoo.zoo,
}

IMAGES = {"scaling": images.scaling, "transforms": images.transforms}


def main() -> None:
    torch.set_num_threads(1)
    # PyTorch's hint that an uneven 'same' padding costs it a copy.
    warnings.filterwarnings("ignore", "Using padding='same'")
    # The variance of one number is among the cases.
    warnings.filterwarnings("ignore", "(var|std)\\(\\): degrees of freedom is <= 0")
    # And that the mean of kl_div over elements is not its definition.
    warnings.filterwarnings("ignore", "reduction: 'mean' divides")
    total = 0
    for files, place in [(FILES, "crates/striate/tests/fixtures"), (IMAGES, "crates/data/tests/fixtures")]:
        directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / place
        directory.mkdir(parents=True, exist_ok=True)
        for name, fill in files.items():
            file = File(name)
            fill(file)
            size = file.write(directory)
            total += size
            print(f"{name:12} {len(file.cases):4} cases {size / 1024:8.1f} KiB")
    # How to make a quantized tensor, and an optimizer whose schedule begins before its first step.
    warnings.filterwarnings("ignore", "torch.quantize_per_tensor|torch.ao.quantization|TypedStorage is deprecated")
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "crates/formats/tests/fixtures"
    size = fixture_weights.weights(directory / "weights")
    total += size
    print(f"{'weights':12} {size / 1024:19.1f} KiB")
    print(f"{'':12} {total / 1024:19.1f} KiB")


if __name__ == "__main__":
    main()
