"""How far eigenpairs and targets are from those of LAPACK, by NumPy: `reduce.py eigenpairs FOLDER m k` and `reduce.py targets FOLDER m k`.

Reads float64 files of the folder (embeddings and targets: float32), writes distances.json.
"""
import json
import sys
from pathlib import Path

import numpy as np


def eigenpairs(folder, m, k):
    matrix = np.fromfile(folder / "matrix").reshape(m, m)
    values = np.fromfile(folder / "values")
    vectors = np.fromfile(folder / "vectors").reshape(k, m)
    expected, basis = np.linalg.eigh(matrix)
    expected, basis = expected[::-1], basis[:, ::-1].T
    largest = expected[0]
    # Spans of leading eigenvectors are defined where a gap follows; rounding turns them by ε over the gap.
    gaps = (expected[: k - 1] - expected[1:k]) / largest if k == m else (expected[:k] - expected[1 : k + 1]) / largest
    ends = np.flatnonzero(gaps > 1e-7) + 1
    overlaps = vectors @ basis.T
    # ‖(1 − P) V‖_F, the sines of the principal angles, from what lies outside of the span.
    squares = overlaps**2
    outside = [float(np.sqrt(squares[:end, end:].sum())) for end in ends]
    return {
        "values": float(np.abs(values - expected[:k]).max() / largest),
        "orthonormal": float(np.abs(vectors @ vectors.T - np.eye(k)).max()),
        "residual": float(np.abs(vectors @ matrix - values[:, None] * vectors).max() / largest),
        "spans": len(ends),
        "angles": max(outside, default=0.0),
    }


def targets(folder, m, k):
    rows = np.fromfile(folder / "embeddings", dtype=np.float32).reshape(-1, m).astype(np.float64)
    ours = np.fromfile(folder / "targets", dtype=np.float32).reshape(-1, k)
    centred = rows - rows.mean(axis=0)
    _, basis = np.linalg.eigh(centred.T @ centred / (len(rows) - 1))
    projected = centred @ basis[:, ::-1][:, :k]
    expected = projected / projected.std(axis=0)
    expected *= np.sign((expected * ours).sum(axis=0))
    return {"targets": float((np.abs(ours - expected).max(axis=0) / np.abs(expected).max(axis=0)).max())}


if __name__ == "__main__":
    what, folder, m, k = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    measured = {"eigenpairs": eigenpairs, "targets": targets}[what](folder, m, k)
    (folder / "distances.json").write_text(json.dumps(measured))
