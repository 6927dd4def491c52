"""What PyTorch makes of weights that came as safetensors, and weights of its own to go the other way.

Usage: state_dict.py FOLDER, with ours.safetensors and images.bin (float32 [N, C, S, S]); work.json says { model, channels, stem, size }.
Writes ours.bin, the features of ours; theirs.safetensors, a classifier of its own on such a network, and theirs.bin, its features.
"""
import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "torch"))
from networks import create  # noqa: E402

TYPES = {"F32": np.float32, "I64": np.int64}


def read(path):
    """The safetensors format, from its description: length of the header, header, data."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + at for at in entry["data_offsets"])
        values = np.frombuffer(data[start:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


def write(path, tensors):
    header, parts, at = {}, [], 0
    for name, tensor in tensors.items():
        values = np.ascontiguousarray(tensor.numpy())
        dtype = next(key for key, value in TYPES.items() if value == values.dtype)
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [at, at + values.nbytes]}
        parts.append(values.tobytes())
        at += values.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


folder = Path(sys.argv[1])
work = json.loads((folder / "work.json").read_text())
size, channels = work["size"], work["channels"]
images = torch.from_numpy(np.fromfile(folder / "images.bin", dtype=np.float32)).reshape(-1, channels, size, size)


def features(network, name):
    with torch.no_grad():
        network.eval()(images).numpy().tofile(folder / name)


def network():
    return create(work["model"], channels, size, work["stem"])


ours = network()
ours.load_state_dict(read(folder / "ours.safetensors"), strict=True)
features(ours, "ours.bin")

torch.manual_seed(1)
theirs = network().train()
with torch.no_grad():
    for parameter in theirs.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))  # also where they begin with zeros, as biases may
    theirs(images)  # running statistics that are not 0 and 1
head = {"fc.weight": torch.zeros(10, theirs.width), "fc.bias": torch.zeros(10)}
write(folder / "theirs.safetensors", {**theirs.state_dict(), **head})
features(theirs, "theirs.bin")
