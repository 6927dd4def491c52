"""Gradients of a supervised step in PyTorch, in float64 and in float32, for the weights and the batch that a folder holds.

Usage: gradients.py FOLDER, which holds start (the state), batch (view1 [B, H, W, C], labels [B]) and run.json (model, channels,
stem, threads). Writes float64 and float32, each with the gradients under the names of the state.
"""
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from resnet import ResNet
from tensors import Tensors, load, save
from torch import nn

folder = Path(sys.argv[1])
run = json.loads((folder / "run.json").read_text())
torch.set_num_threads(run["threads"])
start, batch = Tensors(folder, "start"), Tensors(folder, "batch")
images = torch.from_numpy(batch.values("view1")).permute(0, 3, 1, 2)
labels = torch.from_numpy(batch.values("labels")).long()

for dtype in (torch.float64, torch.float32):
    backbone = ResNet(run["model"], run["channels"], run["stem"])
    head = nn.Linear(backbone.width, start.index["head.weight"]["shape"][1])
    parts = [("backbone.", backbone), ("head.", head)]
    for prefix, module in parts:
        load(module, prefix, start)
        module.to(dtype=dtype, memory_format=torch.channels_last)
    F.cross_entropy(head(backbone(images.to(dtype))), labels).backward()
    gradients = {p + key: weight.grad for p, module in parts for key, weight in module.named_parameters()}
    save(folder, str(dtype).removeprefix("torch."), gradients)
