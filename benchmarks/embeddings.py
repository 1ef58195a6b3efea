"""Rows as image encoders make them, to measure searches on."""

import numpy as np


def clustered(n, d=512, *, seed=0, intrinsic=25, clusters=None, repeated=0.01):
    """(n, d) float32 unit rows: a mixture on the sphere, each cluster `intrinsic`-dimensional, with
    a share of near-duplicates (about 0.0002 in cosine distance from the row they repeat)."""
    rng = np.random.default_rng(seed)
    clusters = clusters or min(1000, max(20, n // 500))
    centres = rng.standard_normal((clusters, d), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    frames = rng.standard_normal((16, intrinsic, d), dtype=np.float32)
    frames *= np.float32(0.6 / np.sqrt(d * intrinsic))
    label = rng.integers(0, clusters, n)
    x = np.empty((n, d), np.float32)
    for begin in range(0, n, 65536):
        part = label[begin : begin + 65536]
        inside = rng.standard_normal((len(part), intrinsic), dtype=np.float32)
        rows = centres[part]
        for frame in range(16):
            mine = part % 16 == frame
            rows[mine] += inside[mine] @ frames[frame]
        rows += rng.standard_normal(rows.shape, dtype=np.float32) * np.float32(0.1 / np.sqrt(d))
        x[begin : begin + 65536] = rows
    twice = rng.choice(n, int(n * repeated), replace=False)
    noise = rng.standard_normal((len(twice), d), dtype=np.float32)
    x[twice] = x[rng.integers(0, n, len(twice))] + noise * np.float32(0.02 / np.sqrt(d))
    for begin in range(0, n, 65536):
        x[begin : begin + 65536] /= np.linalg.norm(x[begin : begin + 65536], axis=1, keepdims=True)
    return x


def gaussian(n, d=512, *, seed=0):
    """(n, d) float32 rows without any structure."""
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)
