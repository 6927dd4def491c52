"""The backbones of the service by name, as PyTorch has them."""
from mobilenet import MobileNetV2
from resnet import ResNet
from vit import VisionTransformer


def create(model, channels, size, stem):
    """A network [B, channels, size, size] to features [B, width]."""
    if model == "mobilenet-v2":
        return MobileNetV2(channels, stem)
    if model == "vit-tiny":
        return VisionTransformer(channels, size, stem)
    return ResNet(model, channels, stem)
