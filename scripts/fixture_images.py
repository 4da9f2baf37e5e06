"""Images scaled by Pillow and changed by torchvision: `input` and, for Pillow, `output` are bytes [h, w, c]; torchvision computes in f64
from values 0 to 1."""

import numpy
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from fixture_file import File, uniform


def image(height: int, width: int, channels: int) -> torch.Tensor:
    """Colours that change smoothly, with some noise and a hard edge."""
    coarse = uniform([1, channels, 4, 5], 0, 255)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0]
    noisy = smooth + uniform([channels, height, width], -20, 20)
    noisy[:, : height // 3, width // 2 :] = 255 - noisy[:, : height // 3, width // 2 :]
    return noisy.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()


def scaling(file: File) -> None:
    for channels, mode in [(3, "RGB"), (1, "L")]:
        for kind, filter in [("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)]:
            for width, height in [(16, 12), (23, 31), (90, 70), (47, 20), (61, 47)]:
                for part in [None, [3.5, 2.25, 40.0, 33.3]]:
                    if part and (width, height) != (16, 12):
                        continue
                    source = image(47, 61, channels)
                    image = Image.fromarray(source.numpy().squeeze(), mode)
                    box = part and [part[0], part[1], part[0] + part[2], part[1] + part[3]]
                    scaled = numpy.asarray(image.resize((width, height), filter, box=box)).copy()
                    scaled = torch.from_numpy(scaled).reshape(height, width, channels)
                    args = {"width": width, "height": height, "filter": kind, "part": part}
                    name = f"{kind} {width}x{height} of {mode}{' part' if part else ''}"
                    file.add(name, "resize", args, {"input": source, "output": scaled})


def transforms(file: File) -> None:
    image = image(20, 26, 3)
    units = image.permute(2, 0, 1).double() / 255
    bilinear = InterpolationMode.BILINEAR

    def add(op: str, args: dict, output: torch.Tensor, given: torch.Tensor = image) -> None:
        name = " ".join([op, *(str(v) for v in args.values())])
        output = output if output.dtype == torch.uint8 else output.float()
        file.add(name, op, args, {"input": given, "output": output.permute(1, 2, 0).contiguous()})

    add("hflip", {}, F.horizontal_flip(units))
    add("vflip", {}, F.vertical_flip(units))
    for height, width in [(8, 11), (7, 9), (24, 30), (24, 9)]:
        add("centre_crop", {"height": height, "width": width}, F.center_crop(units, [height, width]))
    for angle in [0.0, 15.0, -90.0, 200.0]:
        add("rotate", {"angle": angle}, F.rotate(units, angle, bilinear))
    for angle, translate, scale, shear in [
        (10.0, [3.0, -2.0], 1.2, [5.0, 0.0]),
        (-30.0, [0.0, 4.0], 0.7, [0.0, -12.0]),
        (0.0, [0.0, 0.0], 1.0, [20.0, 10.0]),
    ]:
        args = {"angle": angle, "translate": translate, "scale": scale, "shear": shear}
        add("affine", args, F.affine(units, angle, translate, scale, shear, bilinear))
    corners = [[0, 0], [25, 0], [25, 19], [0, 19]]
    for to in [[[3, 1], [22, 4], [25, 17], [1, 19]], [[0, 0], [20, 5], [24, 15], [2, 12]]]:
        add("perspective", {"to": to}, F.perspective(units, corners, to, bilinear))
    for factor in [0.4, 1.0, 1.7]:
        add("brightness", {"factor": factor}, F.adjust_brightness(units, factor))
        add("contrast", {"factor": factor}, F.adjust_contrast(units, factor))
        add("saturation", {"factor": factor}, F.adjust_saturation(units, factor))
        add("sharpness", {"factor": factor}, F.adjust_sharpness(units, factor))
    for shift in [-0.4, 0.1, 0.5]:
        add("hue", {"factor": shift}, F.adjust_hue(units, shift))
    add("greyscale", {}, F.rgb_to_grayscale(units, 3))
    for kernel, sigma in [(3, 0.8), (7, 2.0)]:
        add("blur", {"kernel": kernel, "sigma": sigma}, F.gaussian_blur(units, [kernel, kernel], [sigma, sigma]))
    chw = image.permute(2, 0, 1).contiguous()
    for bits in [1, 4, 7]:
        add("posterize", {"bits": bits}, F.posterize(chw, bits))
    for threshold in [0, 100, 255]:
        add("solarize", {"threshold": threshold}, F.solarize(chw, threshold))
    narrow = (chw // 3 + 40).contiguous()
    for name, given in [("wide", chw), ("narrow", narrow)]:
        source = given.permute(1, 2, 0).contiguous()
        add("autocontrast", {"of": name}, F.autocontrast(given), source)
        add("equalize", {"of": name}, F.equalize(given), source)
    add("erase", {"top": 3, "left": 5, "height": 6, "width": 9}, F.erase(units, 3, 5, 6, 9, torch.zeros([3, 1, 1])))
