"""AdamW and the adaptive rule in PyTorch, NumPy and float64, from the numbers that a folder holds.

Written from the papers, not from the TypeScript: an error would have to be made twice to go unseen.
Usage: rules.py FOLDER, which holds run.json (AdamW's options, steps, size), start.bin and gradients.bin (float32), losses.bin (float64).
Writes end.bin, the weights after the steps, and rho.bin, the rule's ρ at each step, both float64.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch

folder = Path(sys.argv[1])
run = json.loads((folder / "run.json").read_text())

weights = torch.tensor(np.fromfile(folder / "start.bin", dtype=np.float32).astype(np.float64), requires_grad=True)
gradients = np.fromfile(folder / "gradients.bin", dtype=np.float32).astype(np.float64).reshape(run["steps"], -1)
options = run["optimizer"]
optimizer = torch.optim.AdamW(
    [weights],
    lr=options["learningRate"],
    betas=(options["beta1"], options["beta2"]),
    eps=options["epsilon"],
    weight_decay=options["weightDecay"],
)
for gradient in gradients:
    weights.grad = torch.tensor(gradient)
    optimizer.step()
weights.detach().numpy().tofile(folder / "end.bin")

# Sun et al. 2024, section 3.2; method.md, section 2: in this order at every step.
slow, fast, rhos = 2.0, 1.0, []
for loss in np.fromfile(folder / "losses.bin", dtype=np.float64):
    rhos.append(np.exp(-max(slow - fast, 0.0)))
    fast = 0.999 * fast + 0.001 * loss
    slow = 0.99 * slow + 0.01 * fast
np.array(rhos).tofile(folder / "rho.bin")
