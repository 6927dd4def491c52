"""Named tensors on their way between TypeScript and PyTorch: NAME.json (shapes and places) and NAME.bin (float32) in a folder.

In the files they lie in TF.js's order: filters [height, width, in, out], linear layers [in, out].
"""
import json

import numpy as np
import torch


class Tensors:
    def __init__(self, folder, name):
        self.index = json.loads((folder / f"{name}.json").read_text())
        self.numbers = np.fromfile(folder / f"{name}.bin", dtype=np.float32)

    def values(self, key):
        """As they lie in the file."""
        entry = self.index[key]
        size = int(np.prod(entry["shape"], dtype=int))
        return self.numbers[entry["at"] : entry["at"] + size].reshape(entry["shape"])

    def __getitem__(self, key):
        """In PyTorch's order."""
        values = self.values(key)
        turned = values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T
        return torch.from_numpy(np.ascontiguousarray(turned))


def load(module, prefix, tensors):
    """Copies the tensors under the prefix into a module. Heads have no running statistics: they are used in training only."""
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if prefix + key in tensors.index:
                tensor.copy_(tensors[prefix + key])


def save(folder, name, tensors):
    """Writes tensors in PyTorch's order, float32 or float64, as float32."""
    index, parts, at = {}, [], 0
    for key, tensor in tensors.items():
        values = tensor.detach().numpy()
        values = values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T
        index[key] = {"shape": list(values.shape), "at": at}
        parts.append(np.ascontiguousarray(values, dtype=np.float32).ravel())
        at += values.size
    np.concatenate(parts).tofile(folder / f"{name}.bin")
    (folder / f"{name}.json").write_text(json.dumps(index))
