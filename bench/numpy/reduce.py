"""NumPy as the peer of `bench reduce`: one reduction for every line on stdin.

Argument: JSON { folder, width, k, what }. what: "eigenpairs" of FOLDER/covariance (float64), or "stage": from the covariance to the
standardised targets of FOLDER/embeddings (float32), written to FOLDER/peer.
"""
import json
import sys
import time
from pathlib import Path

import numpy as np

work = json.loads(sys.argv[1])
folder, width, k = Path(work["folder"]), work["width"], work["k"]
covariance = np.fromfile(folder / "covariance").reshape(width, width)


def stage():
    _, basis = np.linalg.eigh(covariance)
    rows = np.fromfile(folder / "embeddings", dtype=np.float32).reshape(-1, width).astype(np.float64)
    projected = (rows - rows.mean(axis=0)) @ basis[:, ::-1][:, :k]
    (projected / projected.std(axis=0)).astype(np.float32).tofile(folder / "peer")


step = stage if work["what"] == "stage" else lambda: np.linalg.eigh(covariance)
print(json.dumps({"numpy": np.__version__}), flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    step()
    print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)
