"""Residual networks in PyTorch, under torchvision's names: what the parity tests hold the service to, and what the benches time.

Written from the paper (He et al., CVPR 2016), not from the TypeScript: an error would have to be made twice to go unseen.
"""
import torch.nn.functional as F
from torch import nn


def convolution(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def shortcut(inputs, outputs, stride):
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class Basic(nn.Module):
    expansion = 1

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1, self.bn1 = convolution(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = shortcut(inputs, width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x), inplace=True)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = convolution(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = convolution(width, outputs, 1), nn.BatchNorm2d(outputs)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x), inplace=True)


SHAPES = {
    "resnet18": (Basic, (64, 128, 256, 512), (2, 2, 2, 2)),
    "resnet18-narrow": (Basic, (16, 32, 64, 128), (2, 2, 2, 2)),
    "resnet50": (Bottleneck, (64, 128, 256, 512), (3, 4, 6, 3)),
}


class ResNet(nn.Module):
    """[B, C, H, W] to features [B, width]. stem: modified for small images, or standard."""

    def __init__(self, name, channels, stem):
        super().__init__()
        block, widths, depths = SHAPES[name]
        inputs = widths[0]
        self.conv1 = convolution(channels, inputs, 3) if stem == "modified" else convolution(channels, inputs, 7, 2)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.maxpool = nn.Identity() if stem == "modified" else nn.MaxPool2d(3, 2, 1)
        for number, (width, depth) in enumerate(zip(widths, depths), 1):
            blocks = []
            for place in range(depth):
                blocks.append(block(inputs, width, 2 if number > 1 and place == 0 else 1))
                inputs = width * block.expansion
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.width = inputs

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x)), inplace=True))
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))
