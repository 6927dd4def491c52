"""Training steps in PyTorch on the CPU, at the best of its settings, timed when told to by a line on standard input."""
import glob
import itertools
import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(str(Path(__file__).parents[2] / "tests" / "torch"))
from networks import create

work = json.loads(sys.argv[1])
torch.set_num_threads(work["threads"])
torch.manual_seed(0)


def head(inputs, hidden, outputs):
    return nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, outputs))


def refuse_reference_blas():
    """Debian's PyTorch multiplies matrices with whatever libblas there is. The reference one would make it no peer at all."""
    name = next(iter(glob.glob("/etc/alternatives/libblas.so.3-*")), "")
    if "/blas/libblas.so" in os.path.realpath(name):
        sys.exit("PyTorch has the reference BLAS here, at some 6 GFLOP/s. Install another: apt-get install libopenblas0-pthread")


def backbone():
    if work["model"].startswith("vit-"):
        refuse_reference_blas()
    return create(work["model"], work["channels"], work["size"], work["stem"])


def images(layout):
    x = torch.randn(work["batch"], work["channels"], work["size"], work["size"])
    return x.contiguous(memory_format=layout)


def supervised(layout):
    net = backbone()
    net = nn.Sequential(net, nn.Linear(net.width, 10)).to(memory_format=layout)
    x, y = images(layout), torch.randint(0, 10, (work["batch"],))
    return [net], lambda: F.cross_entropy(net(x), y), lambda: None


def byol(layout):
    online, target = backbone().to(memory_format=layout), backbone().to(memory_format=layout)
    d = online.width
    projector, slow_projector, predictor = head(d, 2 * d, 256), head(d, 2 * d, 256), head(256, 2 * d, 256)
    x1, x2 = images(layout), images(layout)
    slow = [*target.parameters(), *slow_projector.parameters()]
    fast = [*online.parameters(), *projector.parameters()]

    def loss():
        with torch.no_grad():
            z1, z2 = slow_projector(target(x1)), slow_projector(target(x2))
        p1, p2 = predictor(projector(online(x1))), predictor(projector(online(x2)))
        return -0.5 * (F.cosine_similarity(p1, z2).mean() + F.cosine_similarity(p2, z1).mean())

    def follow():
        with torch.no_grad():
            torch._foreach_mul_(slow, 0.99)
            torch._foreach_add_(slow, fast, alpha=0.01)

    return [online, projector, predictor], loss, follow


def rela(layout):
    """What a BYOL run does while the ReLA loss is on: no target network on the images, but it still follows."""
    online, target = backbone().to(memory_format=layout), backbone().to(memory_format=layout)
    d = online.width
    transport, projector, slow_projector = nn.Linear(d, d), head(d, 2 * d, 256), head(d, 2 * d, 256)
    x1, x2, y = images(layout), images(layout), torch.randn(work["batch"], d)
    slow = [*target.parameters(), *slow_projector.parameters()]
    fast = [*online.parameters(), *projector.parameters()]

    def loss():
        agreement = [F.cosine_similarity(transport(online(x)), y).mean() for x in (x1, x2)]
        return 1 - 0.5 * (agreement[0] + agreement[1])

    def follow():
        with torch.no_grad():
            torch._foreach_mul_(slow, 0.99)
            torch._foreach_add_(slow, fast, alpha=0.01)

    return [online], loss, follow


KINDS = {"supervised": supervised, "byol": byol, "rela": rela}
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


def stepper(layout, foreach):
    modules, loss, follow = KINDS[work["kind"]](LAYOUTS[layout])
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, foreach=foreach)

    def step():
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        optimizer.step()
        follow()
        value.item()
        return time.perf_counter() - began

    return step


def best():
    """The fastest of its settings, each by the better of two steps after a first one."""
    found = None
    for layout, foreach in itertools.product(work.get("layouts", LAYOUTS), (True, False)):
        step = stepper(layout, foreach)
        step()
        seconds = min(step(), step())
        if found is None or seconds < found[0]:
            found = (seconds, f"{layout}, foreach={foreach}", step)
    return found[1], found[2]


setting, step = best()
print(json.dumps({"setting": setting}), flush=True)
for _ in sys.stdin:
    print(json.dumps({"seconds": step()}), flush=True)
