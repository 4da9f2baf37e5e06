"""EfficientNet-Lite in PyTorch, with the parameter names of the package efficientnet_lite_pytorch.

With that package's weights for Lite0 it gives the logits of the authors' TensorFlow network.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

# Expansion, kernel, stride of the first, channels and number of the blocks of each stage.
STAGES = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]


class SameConv(nn.Conv2d):
    """TensorFlow's padding SAME."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        nn.init.normal_(self.weight, 0, math.sqrt(2 / (kernel * kernel * outputs // groups)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pads = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size, self.stride):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int, left_out: float) -> None:
        super().__init__()
        self.left_out = left_out
        inner = inputs * expansion
        self.expands = expansion != 1
        self.residual = stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = SameConv(inputs, inner, 1)
            self._bn0 = norm(inner)
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner)
        self._bn1 = norm(inner)
        self._project_conv = SameConv(inner, outputs, 1)
        self._bn2 = norm(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        if self.residual and self.training and self.left_out > 0.0:
            kept = (torch.rand([len(y), 1, 1, 1]) >= self.left_out) / (1 - self.left_out)
            y = y * kept
        return y + x if self.residual else y


class EfficientNetLite(nn.Module):
    def __init__(self, width: float, depth: float, num_classes: int, dropout: float, stochastic_depth_prob: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        scaled_blocks = [math.ceil(s[4] * depth) if n not in (0, len(STAGES) - 1) else s[4] for n, s in enumerate(STAGES)]
        self._conv_stem = SameConv(3, 32, 3, 2)
        self._bn0 = norm(32)
        self._blocks = nn.ModuleList()
        inputs = 32
        for number, (expansion, kernel, stride, channels, _) in enumerate(STAGES):
            # The number of channels that is nearest, but not below nine tenths.
            outputs = max(8, int(channels * width + 4) // 8 * 8)
            outputs += 8 if outputs < 0.9 * channels * width else 0
            for i in range(scaled_blocks[number]):
                left_out = stochastic_depth_prob * len(self._blocks) / sum(scaled_blocks)
                self._blocks.append(Block(inputs, outputs, expansion, kernel, stride if i == 0 else 1, left_out))
                inputs = outputs
        self._conv_head = SameConv(inputs, 1280, 1)
        self._bn1 = norm(1280)
        self._fc = nn.Linear(1280, num_classes)
        nn.init.uniform_(self._fc.weight, -1 / math.sqrt(num_classes), 1 / math.sqrt(num_classes))
        nn.init.zeros_(self._fc.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(self.dropout(x.mean([2, 3])))


def scaled(width: float, depth: float):
    def make(num_classes: int, dropout: float = 0.0, stochastic_depth_prob: float = 0.0) -> EfficientNetLite:
        return EfficientNetLite(width, depth, num_classes, dropout, stochastic_depth_prob)

    return make


lite0 = scaled(1.0, 1.0)
lite1 = scaled(1.0, 1.1)
lite2 = scaled(1.1, 1.2)
lite3 = scaled(1.2, 1.4)
lite4 = scaled(1.4, 1.8)
