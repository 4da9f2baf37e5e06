#!/usr/bin/env python3
"""Opens a model file with Python's safetensors, loads its weights into the same network in PyTorch, and compares outputs:

    python3 scripts/check_model_file.py runs/mnist-mnist-net-1/model.safetensors

The images and the outputs that they must give are the file's own self-tests.
"""

import json
import sys

from torch_venv import run_inside

run_inside()

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from safetensors import safe_open  # noqa: E402
from torch import nn  # noqa: E402

TOLERANCE = 1e-4


class MnistNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class LeNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


def main(path):
    with safe_open(path, "pt") as file:
        card = json.loads(file.metadata()["striate"])
        weights = {name: file.get_tensor(name) for name in file.keys()}
    net = {"mnist-net": MnistNet, "lenet": LeNet}[card["architecture"]](len(card["classes"]))
    net.load_state_dict(weights, strict=True)
    net.eval()
    prep = card["preprocessing"]
    worst = 0.0
    for test in card["self_test"]:
        shape = (1, test["height"], test["width"], test["channels"])
        x = torch.tensor(test["pixels"], dtype=torch.uint8).reshape(shape).permute(0, 3, 1, 2) / 255
        x = F.pad(x, [prep["pad"]] * 4)
        x = (x - torch.tensor(prep["mean"]).view(1, -1, 1, 1)) / torch.tensor(prep["std"]).view(1, -1, 1, 1)
        with torch.no_grad():
            got = net(x)[0]
        expected = torch.tensor(test["output"])
        worst = max(worst, ((got - expected).abs().max() / expected.abs().max()).item())
    print(f"{path}: {len(card['self_test'])} images, largest difference {worst:.1e} of the largest logit")
    return 0 if worst < TOLERANCE else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check_model_file.py MODEL")
    sys.exit(main(sys.argv[1]))
