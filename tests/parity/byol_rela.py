"""BYOL and the ReLA loss in PyTorch, from the first weights and the batches that a folder holds.

Written from method.md and from the papers, not from the TypeScript: an error would have to be made twice to go unseen.
Usage: byol_rela.py FOLDER, which holds start.json (names, shapes and places of the tensors in start.bin), batches.bin and
run.json. Writes losses.json and end.json / end.bin.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

folder = Path(sys.argv[1])
run = json.loads((folder / "run.json").read_text())
torch.set_num_threads(1)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))
        else:
            self.downsample = nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Basic blocks, two a stage, behind the stem for small images."""

    def __init__(self, widths, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        inputs = widths[0]
        for number, width in enumerate(widths, 1):
            stage = nn.Sequential(Block(inputs, width, 1 if number == 1 else 2), Block(width, width, 1))
            setattr(self, f"layer{number}", stage)
            inputs = width

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((2, 3))


def head(inputs, hidden, outputs, bias):
    layers = [nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs, bias=bias))


class Tensors:
    """Named tensors in TF.js's order: filters [height, width, in, out], linear layers [in, out]."""

    def __init__(self, name):
        self.index = json.loads((folder / f"{name}.json").read_text())
        self.numbers = np.fromfile(folder / f"{name}.bin", dtype=np.float32)

    def __getitem__(self, key):
        entry = self.index[key]
        size = int(np.prod(entry["shape"], dtype=int))
        values = self.numbers[entry["at"] : entry["at"] + size].reshape(entry["shape"])
        return torch.from_numpy(np.ascontiguousarray(turned(values)))


def turned(values):
    return values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T


def load(module, prefix, start):
    named = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    for key, tensor in named.items():
        # Heads have no running statistics: they are used in training only.
        if prefix + key in start.index:
            tensor.copy_(start[prefix + key])


def save(module, prefix):
    index, parts, at = {}, [], 0
    for key, tensor in module.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        values = tensor.numpy()
        values = values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T
        index[prefix + key] = {"shape": list(values.shape), "at": at}
        parts.append(np.ascontiguousarray(values).ravel())
        at += values.size
    np.concatenate(parts).tofile(folder / "end.bin")
    (folder / "end.json").write_text(json.dumps(index))


start = Tensors("start")
widths, d, k = run["widths"], run["widths"][-1], run["k"]
online, target = ResNet(widths, run["channels"]), ResNet(widths, run["channels"])
projector, slow_projector = head(d, 2 * d, 256, False), head(d, 2 * d, 256, False)
predictor, transport = head(256, 2 * d, 256, True), nn.Linear(d, k)
for module, prefix in [
    (online, "backbone."),
    (target, "target.backbone."),
    (projector, "projector."),
    (slow_projector, "target.projector."),
    (predictor, "predictor."),
    (transport, "transport."),
]:
    load(module, prefix, start)

is_rela = run["phase"] == "rela"
modules = [online] if is_rela else [online, projector, predictor]
adamw = run["optimizer"]
optimizer = torch.optim.AdamW(
    [parameter for module in modules for parameter in module.parameters()],
    lr=adamw["learningRate"],
    betas=(adamw["beta1"], adamw["beta2"]),
    eps=adamw["epsilon"],
    weight_decay=adamw["weightDecay"],
)

size, batch = run["size"], run["batch"]
shapes = [(batch, size, size, run["channels"])] * 2 + ([(batch, k)] if is_rela else [])
floats = sum(int(np.prod(shape)) for shape in shapes)
batches = np.fromfile(folder / "batches.bin", dtype=np.float32).reshape(-1, floats)


def parts_of(row):
    places = np.cumsum([0] + [int(np.prod(shape)) for shape in shapes])
    parts = [torch.from_numpy(row[a:b].reshape(s)) for a, b, s in zip(places, places[1:], shapes)]
    return parts[0].permute(0, 3, 1, 2), parts[1].permute(0, 3, 1, 2), *parts[2:]


def cosine(a, b):
    return F.cosine_similarity(a, b).mean()


losses = []
for row in batches:
    x1, x2, *targets = parts_of(row)
    if is_rela:
        y = targets[0]
        loss = 0.5 * (1 - cosine(transport(online(x1)), y)) + 0.5 * (1 - cosine(transport(online(x2)), y))
    else:
        with torch.no_grad():
            z1, z2 = slow_projector(target(x1)), slow_projector(target(x2))
        p1, p2 = predictor(projector(online(x1))), predictor(projector(online(x2)))
        loss = -0.5 * cosine(p1, z2) - 0.5 * cosine(p2, z1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for slow, fast in [(target, online), (slow_projector, projector)]:
            for ours, theirs in zip(slow.parameters(), fast.parameters()):
                ours.mul_(run["momentum"]).add_(theirs, alpha=1 - run["momentum"])
    losses.append(loss.item())

(folder / "losses.json").write_text(json.dumps(losses))
save(online, "backbone.")
