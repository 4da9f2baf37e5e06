"""Prints crates/zoo/src/published/torchvision.rs: the weights that torchvision loads by default for the networks of the zoo.

    python scripts/published_weights.py > crates/zoo/src/published/torchvision.rs

It needs torchvision, and nothing of the network: addresses, accuracies and transforms come from the package.
"""

import re
from pathlib import Path

import torchvision
from torchvision import models

ADDRESS = "https://download.pytorch.org/models/"
IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
# torchvision builds these with transform_input=True where it loads weights: the network takes images normalized with IMAGENET and changes
# them to ones normalized with 0.5 and 0.5. The zoo's networks of these names have no such step.
TRANSFORMED = {"googlenet", "inception_v3"}


def names():
    text = (Path(__file__).parent.parent / "crates/zoo/src/registry.rs").read_text()
    table = text[text.index("pub const ARCHITECTURES") :]
    return re.findall(r'^    ready!\("([^"]+)"', table, re.M)


def row(name):
    theirs = name.replace("-", "_")
    weights = models.get_model_weights(theirs).DEFAULT
    transforms = weights.transforms()
    address, file = weights.url.rsplit("/", 1)
    assert address + "/" == ADDRESS, weights.url
    assert (transforms.mean, transforms.std) == IMAGENET and transforms.antialias, name
    (resize,), (crop,) = transforms.resize_size, transforms.crop_size
    sha256 = re.search(r"-([0-9a-f]{8,})\.pth$", file)[1]
    size = round(weights.meta["_file_size"] * 2**20)
    top1 = weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    normalization = "HALVES" if theirs in TRANSFORMED else "IMAGENET"
    version = weights.name.removeprefix("IMAGENET1K_")
    interpolation = transforms.interpolation.value.capitalize()
    columns = [f'"{name}"', f'"{file}"', f'"{sha256}"', version, f"{size:_}", f"{top1:.3f}", str(resize), str(crop), interpolation, normalization]
    return f"    row!({', '.join(columns)}),"


print("//! The weights that torchvision loads by default. Made by `scripts/published_weights.py`.")
print()
print("use super::Interpolation::{Bicubic, Bilinear};")
print("use super::Version::{V1, V2};")
print("use super::{HALVES, IMAGENET, Published, row};")
print()
print(f"/// As of torchvision {torchvision.__version__.split('+')[0]}.")
print("#[rustfmt::skip]")
print("pub(super) const TORCHVISION: &[Published] = &[")
for name in names():
    if hasattr(models, name.replace("-", "_")):
        print(row(name))
print("];")
