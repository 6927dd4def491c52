"""BYOL and the ReLA loss in PyTorch, from the first weights and the batches that a folder holds.

Written from method.md and from the papers, not from the TypeScript: an error would have to be made twice to go unseen. The network
and the tensors' files come from tests/torch.
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

sys.path.append(str(Path(__file__).parent.parent / "torch"))
from resnet import ResNet
from tensors import Tensors, load, save

folder = Path(sys.argv[1])
run = json.loads((folder / "run.json").read_text())
torch.set_num_threads(1)


def head(inputs, hidden, outputs, bias):
    layers = [nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs, bias=bias))


start = Tensors(folder, "start")
online, target = [ResNet(run["model"], run["channels"], "modified") for _ in range(2)]
d, k = online.width, run["k"]
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
weights = online.state_dict().items()
save(folder, "end", {f"backbone.{key}": value for key, value in weights if not key.endswith("num_batches_tracked")})
