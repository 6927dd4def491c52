"""The losses of ReLA and of every method in PyTorch and float64, from the first weights and the batches that folders hold.

Written from the papers, not from the TypeScript: an error would have to be made twice to go unseen. The network and the tensors' files
come from tests/torch.
Usage: methods.py FOLDER…, each of which holds start.json (names, shapes and places of the tensors in start.bin), batches.bin, run.json
and, for MAE, noise.bin. Writes losses.json to each.
"""
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.append(str(Path(__file__).parent.parent / "torch"))
from resnet import ResNet
from tensors import Tensors, load

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


class Network:
    """Backbone and heads under one prefix. Linear layers lie [in, out], as in the files."""

    def __init__(self, start, prefix, run):
        self.run = run
        self.model = None
        if run["model"].startswith("resnet"):
            self.model = ResNet(run["model"], run["channels"], "modified")
            load(self.model, prefix + "backbone.", start)
        names = [key[len(prefix) :] for key in start.index if key.startswith(prefix)]
        names = [key for key in names if not key.startswith(("target.", "adamw.", "queue.", "centre"))]
        self.loose = {
            key: torch.tensor(start.values(prefix + key), dtype=torch.float64)
            for key in names
            if not (self.model and key.startswith("backbone."))
        }

    def parameters(self):
        """By name; the backbone's own and the others."""
        own = {f"backbone.{key}": value for key, value in self.model.named_parameters()} if self.model else {}
        return {**own, **self.loose}

    def require_grad(self):
        for parameter in self.parameters().values():
            parameter.requires_grad_(True)

    def follow(self, other, m):
        with torch.no_grad():
            theirs = other.parameters()
            for key, parameter in self.parameters().items():
                parameter.copy_(m * parameter + (1 - m) * theirs[key])

    def features(self, x):
        return self.model(x)

    def linear(self, name, x):
        y = x @ self.loose[f"{name}.weight"]
        return y + self.loose[f"{name}.bias"] if f"{name}.bias" in self.loose else y

    def norm(self, name, x):
        if f"{name}.weight" not in self.loose:
            return x
        return F.batch_norm(x, None, None, self.loose[f"{name}.weight"], self.loose[f"{name}.bias"], True)

    def head(self, name, x, layers, activation=F.relu):
        for layer in range(layers):
            x = self.norm(f"{name}.{3 * layer + 1}", self.linear(f"{name}.{3 * layer}", x))
            x = activation(x) if layer + 1 < layers else x
        return x

    def layer_norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.loose[f"{name}.weight"], self.loose[f"{name}.bias"], 1e-6)

    def block(self, name, x, heads):
        B, T, D = x.shape
        q, k, v = self.linear(f"{name}.attn.qkv", self.layer_norm(f"{name}.norm1", x)).split(D, -1)
        q, v = q + self.loose[f"{name}.attn.q_bias"], v + self.loose[f"{name}.attn.v_bias"]
        q, k, v = [part.view(B, T, heads, D // heads).transpose(1, 2) for part in (q, k, v)]
        mixed = ((q @ k.transpose(2, 3)) / math.sqrt(D // heads)).softmax(-1) @ v
        x = x + self.linear(f"{name}.attn.proj", mixed.transpose(1, 2).reshape(B, T, D))
        hidden = F.gelu(self.linear(f"{name}.mlp.fc1", self.layer_norm(f"{name}.norm2", x)))
        return x + self.linear(f"{name}.mlp.fc2", hidden)


def batch_standard(z):
    return F.batch_norm(z, None, None, training=True)


def cosine(a, b):
    return F.cosine_similarity(a, b).mean()


def each(network, views, name, layers):
    return [network.head(name, network.features(x), layers) for x in views[:2]]


class Rela:
    def loss(self, net, views, options, step):
        x1, x2, y = views
        f1, f2 = [net.linear("transport", net.features(x)) for x in (x1, x2)]
        return 0.5 * (1 - cosine(f1, y)) + 0.5 * (1 - cosine(f2, y))

    def is_frozen(self, key, step):
        return not key.startswith("backbone.")


class Byol:
    def __init__(self, start, run):
        self.target = Network(start, "target.", run)

    def loss(self, net, views, options, step):
        p1, p2 = [net.head("predictor", z, 2) for z in each(net, views, "projector", 2)]
        with torch.no_grad():
            z1, z2 = each(self.target, views, "projector", 2)
        return -0.5 * cosine(p1, z2) - 0.5 * cosine(p2, z1)

    def after(self, net, options, step):
        self.target.follow(net, options["momentum"])


class Blend(Byol):
    def loss(self, net, views, options, step):
        # The transport moves with the method's loss, too.
        return super().loss(net, views, options, step) + options["weight"] * Rela().loss(net, views, options, step)


class SimClr:
    def loss(self, net, views, options, step):
        z = net.head("projector", net.features(torch.cat(views)), 2)
        z = F.normalize(z)
        scores = z @ z.T / options["temperature"]
        scores = scores.masked_fill(torch.eye(len(z), dtype=bool), -math.inf)
        B = len(z) // 2
        return F.cross_entropy(scores, torch.cat([torch.arange(B, 2 * B), torch.arange(B)]))


class SimSiam:
    def loss(self, net, views, options, step):
        z1, z2 = [batch_standard(z) for z in each(net, views, "projector", 3)]
        p1, p2 = [net.head("predictor", z, 2) for z in (z1, z2)]
        return -0.5 * cosine(p1, z2.detach()) - 0.5 * cosine(p2, z1.detach())


class MocoV2:
    def __init__(self, start, run):
        self.target = Network(start, "target.", run)
        self.queue = torch.tensor(start.values("queue.keys"), dtype=torch.float64)
        self.oldest = 0

    def loss(self, net, views, options, step):
        q = F.normalize(net.head("projector", net.features(views[0]), 2))
        with torch.no_grad():
            k = F.normalize(self.target.head("projector", self.target.features(views[1]), 2))
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.T], 1) / options["temperature"]
        self.queue = self.queue.clone()
        for row in k:
            self.queue[self.oldest] = row
            self.oldest = (self.oldest + 1) % len(self.queue)
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))

    def after(self, net, options, step):
        self.target.follow(net, options["momentum"])


class BarlowTwins:
    def loss(self, net, views, options, step):
        z1, z2 = [batch_standard(z) for z in each(net, views, "projector", 3)]
        c = z1.T @ z2 / len(z1)
        on = (torch.diagonal(c) - 1).pow(2).sum()
        off = (c - torch.diag(torch.diagonal(c))).pow(2).sum()
        return on + options["lambda"] * off


class VicReg:
    def loss(self, net, views, options, step):
        z1, z2 = each(net, views, "expander", 3)

        def variance(z):
            return F.relu(1 - torch.sqrt(z.var(0) + 1e-4)).mean()

        def covariance(z):
            c = torch.cov(z.T)
            return (c - torch.diag(torch.diagonal(c))).pow(2).sum() / z.shape[1]

        return (
            options["invariance"] * F.mse_loss(z1, z2)
            + options["variance"] * (variance(z1) + variance(z2))
            + options["covariance"] * (covariance(z1) + covariance(z2))
        )


class Dino:
    def __init__(self, start, run):
        self.target = Network(start, "target.", run)
        self.centre = torch.zeros(run["method"]["prototypes"])
        self.run = run

    def logits(self, net, h):
        z = F.normalize(net.head("head", h, 2, F.gelu))
        return z @ F.normalize(net.loose["prototypes.weight"], dim=0)

    def loss(self, net, views, options, step):
        h = [net.features(torch.cat(views[:2]))]
        if len(views) > 2:
            h.append(net.features(torch.cat(views[2:])))
        student = self.logits(net, torch.cat(h)).chunk(len(views))
        epochs = (step - 1) / self.run["stepsPerEpoch"]
        warm = min(1, epochs / options["warmupTeacherEpochs"])
        low, high = options["warmupTeacherTemperature"], options["teacherTemperature"]
        with torch.no_grad():
            teacher = self.logits(self.target, self.target.features(torch.cat(views[:2])))
            seen = ((teacher - self.centre) / (low + warm * (high - low))).softmax(1).chunk(2)
            self.centre = options["centreMomentum"] * self.centre + (1 - options["centreMomentum"]) * teacher.mean(0)
        total, terms = 0, 0
        for i, p in enumerate(seen):
            for j, s in enumerate(student):
                if i != j:
                    total = total - (p * F.log_softmax(s / options["studentTemperature"], 1)).sum(1).mean()
                    terms += 1
        return total / terms

    def is_frozen(self, key, step):
        return key == "prototypes.weight" and step <= self.run["method"]["frozenPrototypesEpochs"] * self.run["stepsPerEpoch"]

    def after(self, net, options, step):
        m = options["momentum"]
        share = (step - 1) / self.run["totalSteps"]
        self.target.follow(net, 1 - (1 - m) * (math.cos(math.pi * share) + 1) / 2)


class Mae:
    def __init__(self, folder, run):
        self.noise = np.fromfile(folder / "noise.bin", dtype=np.float32)
        self.run = run

    def sinusoids(self, side, width):
        def along(position):
            angles = np.outer(position.ravel(), 1 / 10000 ** (np.arange(width // 4) / (width / 4)))
            return np.concatenate([np.sin(angles), np.cos(angles)], 1)

        rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
        return torch.tensor(np.concatenate([along(columns), along(rows)], 1))

    def loss(self, net, views, options, step):
        x, p = views[0], self.run["patch"]
        B, C, H, _ = x.shape
        side = H // p
        N = side * side
        patches = x.view(B, C, side, p, side, p).permute(0, 2, 4, 3, 5, 1).reshape(B, N, p * p * C)
        w = net.loose["backbone.patch_embed.proj.weight"].reshape(p * p * C, -1)
        tokens = patches @ w + net.loose["backbone.patch_embed.proj.bias"] + net.loose["backbone.pos_embed"][:, 1:]
        noise = torch.tensor(self.noise.reshape(-1, B, N)[step - 1])
        order = torch.argsort(-noise, dim=1, stable=True)
        shown = int(N * (1 - options["maskRatio"]))
        take = lambda t, index: torch.stack([image[rows] for image, rows in zip(t, index)])
        token = net.loose["backbone.cls_token"] + net.loose["backbone.pos_embed"][:, :1]
        y = torch.cat([token.expand(B, 1, -1), take(tokens, order[:, :shown])], 1)
        for number in range(self.run["depth"]):
            y = net.block(f"backbone.blocks.{number}", y, self.run["heads"])
        y = net.linear("decoder.embed", net.layer_norm("backbone.norm", y))
        full = torch.cat([y[:, 1:], net.loose["decoder.mask_token"].expand(B, N - shown, -1)], 1)
        full = take(full, torch.argsort(order, dim=1)) + self.sinusoids(side, y.shape[-1])
        y = torch.cat([y[:, :1], full], 1)
        for number in range(options["decoderDepth"]):
            y = net.block(f"decoder.blocks.{number}", y, max(1, y.shape[-1] // 32))
        predicted = net.linear("decoder.pred", net.layer_norm("decoder.norm", y))[:, 1:]
        target = (patches - patches.mean(-1, keepdim=True)) / (patches.var(-1, keepdim=True) + 1e-6) ** 0.5
        hidden = torch.ones(B, N)
        for row, places in zip(hidden, order[:, :shown]):
            row[places] = 0
        return (((predicted - target) ** 2).mean(-1) * hidden).sum() / hidden.sum()


def method_of(name, folder, start, run):
    if name in ("byol", "blend", "moco-v2", "dino"):
        return {"byol": Byol, "blend": Blend, "moco-v2": MocoV2, "dino": Dino}[name](start, run)
    if name == "mae":
        return Mae(folder, run)
    others = {"rela": Rela, "simclr": SimClr, "simsiam": SimSiam, "barlow-twins": BarlowTwins, "vicreg": VicReg}
    return others[name]()


def batches_of(folder, run):
    shapes = [(run["batch"], size, size, run["channels"]) for size in run["sizes"]]
    if run["k"]:
        shapes.append((run["batch"], run["k"]))
    ends = np.cumsum([0] + [int(np.prod(shape)) for shape in shapes])
    for row in np.fromfile(folder / "batches.bin", dtype=np.float32).reshape(-1, ends[-1]):
        parts = [row[a:b].reshape(shape) for a, b, shape in zip(ends, ends[1:], shapes)]
        tensors = [torch.tensor(part, dtype=torch.float64) for part in parts]
        yield [t.permute(0, 3, 1, 2).contiguous() if t.ndim == 4 else t for t in tensors]


def losses_of(folder):
    run = json.loads((folder / "run.json").read_text())
    options, adamw = run["method"], run["optimizer"]
    start = Tensors(folder, "start")
    network = Network(start, "", run)
    network.require_grad()
    method = method_of(options["name"], folder, start, run)
    parameters = network.parameters()
    optimizer = torch.optim.AdamW(
        list(parameters.values()),
        lr=adamw["learningRate"],
        betas=(adamw["beta1"], adamw["beta2"]),
        eps=adamw["epsilon"],
        weight_decay=adamw["weightDecay"],
    )
    losses = []
    for step, views in enumerate(batches_of(folder, run), 1):
        loss = method.loss(network, views, options, step)
        optimizer.zero_grad()
        loss.backward()
        for key, parameter in parameters.items():
            if hasattr(method, "is_frozen") and method.is_frozen(key, step):
                parameter.grad = None
        optimizer.step()
        if hasattr(method, "after"):
            method.after(network, options, step)
        losses.append(loss.item())
    return losses


for argument in sys.argv[1:]:
    folder = Path(argument)
    (folder / "losses.json").write_text(json.dumps(losses_of(folder)))
