"""MobileNetV2 in PyTorch, under torchvision's names. Written from the paper (Sandler et al., CVPR 2018), not from the TypeScript."""
from torch import nn


def normed(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """A bottleneck: 1x1 up, 3x3 a channel, 1x1 down without a ReLU."""

    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        middle = inputs * expansion
        self.conv = nn.Sequential(
            *([] if expansion == 1 else [normed(inputs, middle, 1)]),
            normed(middle, middle, 3, stride, middle),
            nn.Conv2d(middle, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.same = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.conv(x) if self.same else self.conv(x)


class MobileNetV2(nn.Module):
    """[B, C, H, W] to features [B, width]. stem: modified for small images, or standard."""

    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, channels, stem):
        super().__init__()
        modified = stem == "modified"
        layers, inputs = [normed(channels, 32, 3, 1 if modified else 2)], 32
        for expansion, width, blocks, stride in self.STAGES:
            for block in range(blocks):
                keeps = block > 0 or (modified and width == 24)
                layers.append(InvertedResidual(inputs, width, 1 if keeps else stride, expansion))
                inputs = width
        self.features = nn.Sequential(*layers, normed(inputs, 1280, 1))
        self.width = 1280

    def forward(self, x):
        return self.features(x).mean((2, 3))
