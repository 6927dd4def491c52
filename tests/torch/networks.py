"""The backbones of the service by name, as PyTorch has them."""
from mobilenet import MobileNetV2
from resnet import ResNet
from vit import VisionTransformer

# width, depth, heads
VITS = {"vit-tiny": (192, 12, 3), "vit-small": (384, 12, 6)}


def create(model, channels, size, stem):
    """A network [B, channels, size, size] to features [B, width]."""
    if model == "mobilenet-v2":
        return MobileNetV2(channels, stem)
    if model in VITS:
        return VisionTransformer(channels, size, stem, *VITS[model])
    return ResNet(model, channels, stem)
