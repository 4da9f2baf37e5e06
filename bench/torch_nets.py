"""The networks of the comparisons in PyTorch."""

import torch
import torch.nn.functional as F
from torch import nn


class MnistNet(nn.Module):
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


def double_conv(start: int, end: int) -> nn.Sequential:
    layers = []
    for channels in [start, end]:
        layers += [nn.Conv2d(channels, end, 3, padding=1, bias=False), nn.BatchNorm2d(end), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """crates/striate/examples/unet/net.rs"""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = double_conv(3, 32), double_conv(32, 64), double_conv(64, 128)
        self.up2, self.conv2 = nn.ConvTranspose2d(128, 64, 2, stride=2), double_conv(128, 64)
        self.up1, self.conv1 = nn.ConvTranspose2d(64, 32, 2, stride=2), double_conv(64, 32)
        self.head = nn.Conv2d(32, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        large = self.down1(x)
        middle = self.down2(F.max_pool2d(large, 2))
        small = self.bottom(F.max_pool2d(middle, 2))
        x = self.conv2(torch.cat([middle, self.up2(small)], 1))
        return self.head(self.conv1(torch.cat([large, self.up1(x)], 1)))


def efficientnet_lite0() -> nn.Module:
    """EfficientNet-B0 without squeeze-and-excitation, and with ReLU6."""
    from torchvision.models.efficientnet import SqueezeExcitation, efficientnet_b0

    net = efficientnet_b0(num_classes=10)
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, SqueezeExcitation):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.SiLU):
                setattr(module, name, nn.ReLU6(inplace=True))
    return net


def build(name: str) -> nn.Module:
    own = {"mnist-net": MnistNet, "lenet": LeNet, "unet": UNet, "efficientnet-lite0": efficientnet_lite0}
    if name in own:
        return own[name]()
    from torchvision import models

    return getattr(models, name.replace("-", "_"))(num_classes=10)
