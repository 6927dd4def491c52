"""Runs the module of docs/training-elsewhere.md on numbers and on exports that a folder holds.

Usage: training_elsewhere.py FOLDER, which holds rela_targets.py (the module), work.json, numbers.bin, and the exports npy and webdataset.
Writes answers.json, targets of the exports (npy.bin, webdataset.bin), pixels (npy-images.bin) and the images of the archive (png/).
"""
import json
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
from rela_targets import AdaptiveSwitch, ReLALoss, subset_sampler  # noqa: E402


def losses(work):
    """Of every batch: first [B, d], second [B, d], target [B, k]; the head comes first."""
    numbers = torch.from_numpy(np.fromfile(folder / "numbers.bin", "<f4"))
    b, d, k = work["batch"], work["d"], work["k"]
    weight, bias, rest = torch.split(numbers, [d * k, k, len(numbers) - d * k - k])
    rela = ReLALoss(d, k)
    with torch.no_grad():
        rela.head.weight.copy_(weight.reshape(d, k).T)
        rela.head.bias.copy_(bias)
    batches = rest.reshape(-1, b * (2 * d + k))
    parts = [torch.split(batch, [b * d, b * d, b * k]) for batch in batches]
    return [rela(x.reshape(b, d), y.reshape(b, d), t.reshape(b, k)).item() for x, y, t in parts]


def rule(values):
    switch = AdaptiveSwitch()
    rho, switched = [], None
    for step, loss in enumerate(values, 1):
        switch.step(torch.tensor(loss, dtype=torch.float64))
        rho.append(switch.rho)
        if switch.switched and switched is None:
            switched = step
    return {"rho": rho, "switched": switched}


def replica(rank, world, work):
    """Each sees another loss; all must decide by the mean."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world)
    switch = AdaptiveSwitch()
    for loss in work["curve"][:50]:
        switch.step(torch.tensor(loss + (rank - (world - 1) / 2), dtype=torch.float64))
    (folder / f"replica-{rank}.json").write_text(json.dumps(switch.fast))
    dist.destroy_process_group()


def samples(work):
    taken = [[subset_sampler(n, ratio, epoch, seed=3) for epoch in range(2)] for n, ratio in work["subsets"]]
    shares = [subset_sampler(103, 0.5, 4, seed=3, rank=rank, world=4) for rank in range(4)]
    whole = subset_sampler(103, 0.5, 4, seed=3)
    return {
        "sizes": [len(first) for first, _ in taken],
        "distinct": all(len(set(first)) == len(first) for first, _ in taken),
        "fresh": all(first != second for first, second in taken if len(first) > 3),
        "same": taken == [[subset_sampler(n, r, epoch, seed=3) for epoch in range(2)] for n, r in work["subsets"]],
        "shares": [len(share) for share in shares],
        "disjoint": len(set().union(*shares)) == sum(map(len, shares)) and set().union(*shares) <= set(whole),
    }


def read_npy():
    manifest = json.loads((folder / "npy" / "targets.json").read_text())
    parts = {"targets": [], "index": [], "labels": [], "images": []}
    keys = []
    for shard in manifest["shards"]:
        for name in shard["files"]:
            path = folder / "npy" / name
            if path.suffix == ".json":
                keys += json.loads(path.read_text())
            else:
                parts[name.split("-")[0]].append(np.load(path, allow_pickle=False))
    arrays = {name: np.concatenate(pieces) for name, pieces in parts.items()}
    arrays["targets"].tofile(folder / "npy.bin")
    arrays["images"].tofile(folder / "npy-images.bin")
    about = {name: [str(array.dtype), *array.shape] for name, array in arrays.items()}
    return {"arrays": about, "index": arrays["index"].tolist(), "labels": arrays["labels"].tolist(), "keys": keys}


def read_webdataset():
    (folder / "png").mkdir()
    targets, labels, names = [], [], []
    for archive in sorted((folder / "webdataset").glob("*.tar")):
        with tarfile.open(archive) as tar:
            for member in tar:
                key, extension = member.name.split(".", 1)
                data = tar.extractfile(member).read()
                if extension == "target.npy":
                    targets.append(np.load(BytesIO(data), allow_pickle=False))
                elif extension == "cls":
                    labels.append(int(data))
                elif extension == "png":
                    (folder / "png" / member.name).write_bytes(data)
                names.append([key, extension])
    np.stack(targets).tofile(folder / "webdataset.bin")
    return {"labels": labels, "names": names}


if __name__ == "__main__":
    work = json.loads((folder / "work.json").read_text())
    if dist.is_available():
        multiprocessing.spawn(replica, (2, work), nprocs=2)
    answers = {
        "losses": losses(work),
        "rule": rule(work["curve"]),
        "samples": samples(work),
        "replicas": [json.loads(path.read_text()) for path in sorted(folder.glob("replica-*.json"))],
        "npy": read_npy(),
        "webdataset": read_webdataset(),
    }
    (folder / "answers.json").write_text(json.dumps(answers))
