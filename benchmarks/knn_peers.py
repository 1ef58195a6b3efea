"""What the benchmarks of searches share: a brute force, one line of a result."""

import numpy as np


def brute_force(x, k, rows):
    """(row, its k nearest, their squared distances) of some rows, in float64."""
    asked = np.random.default_rng(1).choice(len(x), rows, replace=False)
    squares = np.einsum("nd,nd->n", x, x, dtype=np.float64)
    for part in np.array_split(asked, max(1, rows // 50)):
        far = np.empty((len(part), len(x)))
        for begin in range(0, len(x), 100_000):
            block = x[begin : begin + 100_000].astype(np.float64)
            far[:, begin : begin + len(block)] = -2 * (x[part].astype(np.float64) @ block.T)
        far += squares + squares[part, None]
        far[np.arange(len(part)), part] = np.inf
        near = np.argpartition(far, k, axis=1)[:, : k + 1]
        for row, own in zip(near, part, strict=True):
            exact = ((x[row].astype(np.float64) - x[own].astype(np.float64)) ** 2).sum(1)
            order = np.lexsort((row, exact))[:k]
            yield own, row[order], exact[order]


def line(name, ours, theirs, bar, peer):
    return {
        "name": name,
        "peer": peer,
        "ours_s": ours,
        "peer_s": theirs,
        "value": ours / theirs,
        "bar": bar,
    }
