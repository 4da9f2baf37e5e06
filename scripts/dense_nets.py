"""The networks for detection and segmentation in PyTorch, with Striate's names of parameters and its initial values (crates/zoo/src/dense).

    build("efficientnet-lite0 + fpn 64 + fcos", classes=3)

reads the texts that `striate train --model` does. What `striate export --format torch` writes can be loaded with `load`.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torchvision import models

import fixture_efficientnet_lite as lite

# Numbers for each place besides its classes: the logarithms of four distances, and the centerness.
BOX_VALUES = 5
STRIDES = [8, 16, 32]
# The probability of each class at each place that a fresh detector gives.
PRIOR = 0.01


def kaiming(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def conv_norm(start: int, end: int, kernel: int, stride: int = 1, dilation: int = 1, relu: bool = True) -> nn.Sequential:
    padding = kernel // 2 * dilation
    layers = [kaiming(nn.Conv2d(start, end, kernel, stride, padding, dilation, bias=False)), nn.BatchNorm2d(end)]
    return nn.Sequential(*layers, *[nn.ReLU(inplace=True)] * relu)


def like(x: torch.Tensor, other: torch.Tensor, mode: str = "nearest") -> torch.Tensor:
    """In the height and width of another map."""
    return F.interpolate(x, other.shape[2:], mode=mode, align_corners=False if mode == "bilinear" else None)


class Backbone(nn.Module):
    """Gives the last map of each stride."""

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def layers(self) -> list[nn.Module]:
        raise NotImplementedError

    def note_strides(self, stride: int) -> None:
        """Keeps the stride of what each layer gives; `stride` is that of the stem."""
        self.strides = []
        for layer in self.layers():
            # The way around a block has a stride too, which does not count.
            convs = [m for name, m in layer.named_modules() if isinstance(m, nn.Conv2d) and "downsample" not in name]
            stride *= math.prod(conv.stride[0] for conv in convs)
            self.strides.append(stride)

    def forward(self, x: torch.Tensor) -> dict[int, torch.Tensor]:
        x, maps = self.stem(x), {}
        for layer, stride in zip(self.layers(), self.strides):
            x = maps[stride] = layer(x)
        return maps


class Lite(Backbone):
    channels = {2: 16, 4: 24, 8: 40, 16: 112, 32: 320}

    def __init__(self) -> None:
        super().__init__()
        net = lite.lite0(1, stochastic_depth_prob=0.2)
        self._conv_stem, self._bn0, self._blocks = net._conv_stem, net._bn0, net._blocks
        self.note_strides(2)

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu6(self._bn0(self._conv_stem(x)))

    def layers(self) -> list[nn.Module]:
        return list(self._blocks)


class MobileNetV2(Backbone):
    channels = {2: 16, 4: 24, 8: 32, 16: 96, 32: 1280}

    def __init__(self) -> None:
        super().__init__()
        self.features = models.mobilenet_v2().features
        self.note_strides(1)

    def layers(self) -> list[nn.Module]:
        return list(self.features)


class ResNet18(Backbone):
    channels = {4: 64, 8: 128, 16: 256, 32: 512}

    def __init__(self) -> None:
        super().__init__()
        net = models.resnet18()
        self.conv1, self.bn1 = net.conv1, net.bn1
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        self.note_strides(4)

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)

    def layers(self) -> list[nn.Module]:
        return [self.layer1, self.layer2, self.layer3, self.layer4]


BACKBONES = {"efficientnet-lite0": Lite, "mobilenet-v2": MobileNetV2, "resnet18": ResNet18}


class Pyramid(nn.Module):
    """Lin et al., 2017, with batch normalization."""

    def __init__(self, channels: list[int], width: int, coarser: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(conv_norm(c, width, 1, relu=False) for c in channels)
        self.output = nn.ModuleList(conv_norm(width, width, 3) for _ in channels)
        self.coarser = nn.ModuleList(conv_norm(width, width, 3, stride=2) for _ in range(coarser))

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        inner = [conv(x) for conv, x in zip(self.lateral, maps)]
        for i in reversed(range(len(inner) - 1)):
            inner[i] = inner[i] + like(inner[i + 1], inner[i])
        out = [conv(x) for conv, x in zip(self.output, inner)]
        for conv in self.coarser:
            out.append(conv(out[-1]))
        return out


class Tower(nn.Module):
    """Convolutions that all maps share, each with a normalization for each map."""

    def __init__(self, width: int, convs: int, maps: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(kaiming(nn.Conv2d(width, width, 3, padding=1, bias=False)) for _ in range(convs))
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(width) for _ in range(maps)) for _ in range(convs))

    def forward(self, x: torch.Tensor, level: int) -> torch.Tensor:
        for conv, norms in zip(self.convs, self.norms):
            x = F.relu(norms[level](conv(x)), inplace=True)
        return x


class Head(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.cls, self.reg = nn.Linear(width, classes), nn.Linear(width, BOX_VALUES)
        for layer in [self.cls, self.reg]:
            nn.init.normal_(layer.weight, 0, 0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.cls.bias, -math.log((1 - PRIOR) / PRIOR))


class Detector(nn.Module):
    """FCOS (Tian et al., 2019) with the last layers as 1×1 convolutions. Gives [n, places, classes + 5]."""

    def __init__(self, backbone: Backbone, width: int, levels: int, convs: int, classes: int) -> None:
        super().__init__()
        self.strides = [STRIDES[0] << level for level in range(levels)]
        self.backbone = backbone
        self.pyramid = Pyramid([backbone.channels[s] for s in STRIDES], width, levels - len(STRIDES))
        self.class_tower, self.box_tower = Tower(width, convs, levels), Tower(width, convs, levels)
        self.head = Head(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.backbone(x)
        outputs = []
        for level, x in enumerate(self.pyramid([maps[s] for s in STRIDES])):
            of_classes = self.head.cls(self.class_tower(x, level).flatten(2).transpose(1, 2))
            of_boxes = self.head.reg(self.box_tower(x, level).flatten(2).transpose(1, 2))
            outputs.append(torch.cat([of_classes, of_boxes], 2))
        return torch.cat(outputs, 1)


def double_conv(start: int, end: int) -> nn.Sequential:
    return nn.Sequential(conv_norm(start, end, 3), conv_norm(end, end, 3))


class UNet(nn.Module):
    """Ronneberger et al., 2015, padded, with batch normalization."""

    stride = 1

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.width = width
        widths = [width << level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(double_conv(start, end) for start, end in zip([3, *widths], widths))
        self.decoder = nn.ModuleList(double_conv(a + b, a) for a, b in zip(widths, widths[1:]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [self.encoder[0](x)]
        for block in self.encoder[1:]:
            maps.append(block(F.max_pool2d(maps[-1], 2, ceil_mode=True)))
        x = maps.pop()
        for block, skip in zip(reversed(self.decoder), reversed(maps)):
            x = block(torch.cat([skip, like(x, skip)], 1))
        return x


class BackboneUNet(nn.Module):
    stride = 1

    def __init__(self, backbone: Backbone, width: int) -> None:
        super().__init__()
        self.backbone, self.width = backbone, width
        self.decoder = nn.ModuleList()
        start = backbone.channels[32]
        for stride in [16, 8, 4, 2, 1]:
            end = width * stride
            self.decoder.append(double_conv(start + backbone.channels.get(stride, 0), end))
            start = end

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = self.backbone(image)
        x = maps[32]
        for block, stride in zip(self.decoder, [16, 8, 4, 2, 1]):
            x = F.interpolate(x, [-(-side // stride) for side in image.shape[2:]])
            x = block(torch.cat([maps[stride], x], 1) if stride in maps else x)
        return x


class SemanticPyramid(nn.Module):
    """Kirillov et al., 2019, without the steps between sizes."""

    stride = 4

    def __init__(self, backbone: Backbone, width: int) -> None:
        super().__init__()
        self.backbone, self.width = backbone, width
        self.pyramid = Pyramid([backbone.channels[s] for s in [4, *STRIDES]], width, 0)
        self.convs = nn.ModuleList(conv_norm(width, width, 3) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.backbone(x)
        maps = [conv(x) for conv, x in zip(self.convs, self.pyramid([maps[s] for s in [4, *STRIDES]]))]
        return sum(like(x, maps[0], "bilinear") for x in maps[1:]) + maps[0]


class DeepLab(nn.Module):
    """Chen et al., DeepLabV3+, 2018, at an output stride of 32."""

    stride = 4

    def __init__(self, backbone: Backbone, width: int) -> None:
        super().__init__()
        self.backbone, self.width = backbone, width
        low, high = backbone.channels[4], backbone.channels[32]
        self.aspp = nn.ModuleList([conv_norm(high, width, 1), *(conv_norm(high, width, 3, dilation=d) for d in [3, 6, 9])])
        self.pooled = conv_norm(high, width, 1)
        self.project = conv_norm(5 * width, width, 1)
        self.dropout = nn.Dropout(0.1)
        self.low_level = conv_norm(low, 48, 1)
        self.decoder = nn.ModuleList([conv_norm(width + 48, width, 3), conv_norm(width, width, 3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.backbone(x)
        high = maps[32]
        seen = [conv(high) for conv in self.aspp]
        seen.append(like(self.pooled(F.adaptive_avg_pool2d(high, 1)), high))
        high = self.dropout(self.project(torch.cat(seen, 1)))
        low = self.low_level(maps[4])
        x = torch.cat([like(high, low, "bilinear"), low], 1)
        for conv in self.decoder:
            x = conv(x)
        return x


class Segmenter(nn.Module):
    """Gives [n, classes, h, w]."""

    def __init__(self, decoder: nn.Module, classes: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.classifier = kaiming(nn.Conv2d(decoder.width, classes, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.classifier(self.decoder(x))
        if self.decoder.stride > 1:
            y = F.interpolate(y, scale_factor=self.decoder.stride, mode="bilinear", align_corners=False)
        return y[..., : x.shape[2], : x.shape[3]]


def build(text: str, classes: int) -> nn.Module:
    """The network of a text such as `resnet18 + fpn 64 3 + fcos 2`, `mobilenet-v2 + deeplab` or `unet 32 4`, with fresh weights."""
    parts = [part.split() for part in text.split("+")]
    words = [part[0] for part in parts]
    numbers = [[int(n) for n in part[1:]] for part in parts]

    def settings(at: int, *defaults: int) -> list[int]:
        return numbers[at] + list(defaults[len(numbers[at]) :])

    if words == ["unet"]:
        return Segmenter(UNet(*settings(0, 32, 4)), classes)
    if words[0] not in BACKBONES:
        raise ValueError(f"{text}: the backbones here are {', '.join(BACKBONES)}")
    backbone = BACKBONES[words[0]]()
    match words[1:]:
        case ["fpn", "fcos"]:
            return Detector(backbone, *settings(1, 64, 3), *settings(2, 2), classes)
        case ["unet"]:
            return Segmenter(BackboneUNet(backbone, *settings(1, 16)), classes)
        case ["fpn"]:
            return Segmenter(SemanticPyramid(backbone, *settings(1, 128)), classes)
        case ["deeplab"]:
            return Segmenter(DeepLab(backbone, *settings(1, 256)), classes)
    raise ValueError(f"{text}: not a network for detection or segmentation")


def without_chance(net: nn.Module) -> nn.Module:
    """With neither dropout nor stochastic depth."""
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, lite.Block):
            module.left_out = 0.0
    return net


def load(net: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Takes every tensor of a state dict; it may lack the counts of batches, which nothing depends on."""
    counts = {name: value for name, value in net.state_dict().items() if name.endswith("num_batches_tracked")}
    net.load_state_dict(counts | state, strict=True)


def load_backbone(net: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Takes what a classifier's state dict has of the backbone."""
    backbone = net.backbone if isinstance(net, Detector) else net.decoder.backbone
    own = backbone.state_dict()
    backbone.load_state_dict({name: value for name, value in state.items() if name in own}, strict=True)
