"""Vision transformers in PyTorch, under timm's names. Written from the paper (Dosovitskiy et al., ICLR 2021), not from the TypeScript."""
import torch
from torch import nn

EPSILON = 1e-6


class PatchEmbed(nn.Module):
    def __init__(self, channels, patch, width):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, places, width = x.shape
        qkv = self.qkv(x).reshape(batch, places, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, places, width))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, EPSILON), Attention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width, EPSILON), Mlp(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """[B, C, size, size] to the features of the class token [B, width]. stem: patches of 4 px (modified) or of 16 (standard)."""

    def __init__(self, channels, size, stem, width, depth, heads):
        super().__init__()
        patch = 4 if stem == "modified" else 16
        self.patch_embed = PatchEmbed(channels, patch, width)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm, self.width = nn.LayerNorm(width, EPSILON), width

    def forward(self, x):
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), self.patch_embed(x)), 1) + self.pos_embed
        return self.norm(self.blocks(x)[:, 0])
