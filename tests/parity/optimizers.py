"""Trajectories of PyTorch's optimizers and schedules on gradients that are given; LARS is written out.

Reads run.json, start.* and gradients.bin from the folder that is named, and writes <case>.* and rates.json there.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.optim import lr_scheduler

folder = Path(sys.argv[1])
run = json.loads((folder / "run.json").read_text())
start = json.loads((folder / "start.json").read_text())
numbers = np.fromfile(folder / "start.bin", dtype=np.float32)
steps, warmup, rate = run["steps"], run["warmup"], run["rate"]
size = {key: int(np.prod(entry["shape"])) for key, entry in start.items()}
gradients = np.fromfile(folder / "gradients.bin", dtype=np.float32).reshape(steps, -1)


class Lars(torch.optim.Optimizer):
    """LARS as SimCLR and BYOL use it."""

    def __init__(self, params, lr, momentum, weight_decay, trust):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, trust=trust))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                update = p.grad.clone()
                if p.ndim > 1:
                    update = update + group["weight_decay"] * p
                    w, u = p.norm(), update.norm()
                    if w > 0 and u > 0:
                        update = update * (group["trust"] * w / u)
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                v.mul_(group["momentum"]).add_(update)
                p.add_(v, alpha=-group["lr"])


def optimizer_of(case, parameters):
    spec = case["optimizer"]
    if spec["name"] == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=rate,
            momentum=spec["momentum"],
            weight_decay=spec["weightDecay"],
            nesterov=spec["nesterov"],
        )
    return Lars(parameters, rate, spec["momentum"], spec["weightDecay"], spec["trust"])


def schedule_of(case, optimizer):
    rest, final = steps - warmup, case["schedule"]["final"]
    if case["schedule"]["name"] == "cosine":
        after = lr_scheduler.CosineAnnealingLR(optimizer, T_max=rest, eta_min=final * rate)
    else:
        after = lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=final, total_iters=rest)
    before = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    return lr_scheduler.SequentialLR(optimizer, [before, after], milestones=[warmup])


rates = {}
for case in run["cases"]:
    parameters, at = {}, 0
    for key, entry in start.items():
        values = numbers[at : at + size[key]].reshape(entry["shape"]).copy()
        parameters[key] = torch.nn.Parameter(torch.from_numpy(values))
        at += size[key]
    optimizer = optimizer_of(case, list(parameters.values()))
    schedule = schedule_of(case, optimizer)
    rates[case["name"]] = []
    for row in gradients:
        at = 0
        for key, parameter in parameters.items():
            parameter.grad = torch.from_numpy(row[at : at + size[key]].reshape(parameter.shape).copy())
            at += size[key]
        rates[case["name"]].append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    index, parts, at = {}, [], 0
    for key, parameter in parameters.items():
        values = parameter.detach().numpy().astype(np.float32)
        index[key] = {"shape": list(values.shape), "at": at}
        parts.append(values.ravel())
        at += values.size
    np.concatenate(parts).tofile(folder / f"{case['name']}.bin")
    (folder / f"{case['name']}.json").write_text(json.dumps(index))
(folder / "rates.json").write_text(json.dumps(rates))
