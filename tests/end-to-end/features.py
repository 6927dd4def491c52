"""Reads a run's features as `rela runs features` wrote them, judges them by kNN (k = 20, cosine, temperature 0.07), writes seen.json."""
import json
import sys
from pathlib import Path

import numpy as np

K, TEMPERATURE = 20, 0.07

folder = Path(sys.argv[1])
splits = {
    split: tuple(np.load(folder / f"{split}-{kind}.npy", allow_pickle=False) for kind in ("features", "labels"))
    for split in ("train", "test")
}


def unit(rows):
    return rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)


(keys, key_labels), (queries, query_labels) = splits["train"], splits["test"]
cosines = unit(queries) @ unit(keys).T
nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :K]
votes = np.zeros((len(queries), key_labels.max() + 1))
for place in range(K):
    column = nearest[:, place]
    weights = np.exp(cosines[np.arange(len(queries)), column] / TEMPERATURE)
    np.add.at(votes, (np.arange(len(queries)), key_labels[column]), weights)

seen = {
    split: {
        "features": list(features.shape),
        "labels": list(labels.shape),
        "dtypes": [str(features.dtype), str(labels.dtype)],
        "classes": sorted(int(label) for label in set(labels)),
    }
    for split, (features, labels) in splits.items()
}
seen["knn"] = float((votes.argmax(axis=1) == query_labels).mean())
(folder / "seen.json").write_text(json.dumps(seen))
