"""zcore written the slow and obvious way: every draw measures every row and sorts."""

from __future__ import annotations

import numpy as np
import tamis


def philox(seed: int, draw: int, words: int) -> np.ndarray:
    """The first random words of one draw, by NumPy's own generator."""
    blocks = []
    for block in range(-(-words // 4)):
        # NumPy steps the counter before it draws
        counter = (block | (draw % 2**64) << 64) - 1
        state = np.random.Philox(key=seed, counter=counter % 2**256)
        blocks.append(state.random_raw(4))
    return np.concatenate(blocks)[:words]


def draw(spans, seed: int, number: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    low, median, high = spans
    d, words = len(low), philox(seed, number, 2 * k)
    dims: list[int] = []
    for j in range(k):
        last = d - k + j
        pick = int(words[j]) * (last + 1) >> 64
        dims.append(last if pick in dims else pick)
    points = []
    for j, column in enumerate(dims):
        u = (int(words[k + j]) >> 11) * 2.0**-53
        base = high[column] - low[column]
        if base == 0:
            points.append(low[column])
            continue
        share = (median[column] - low[column]) / base
        if u <= share:
            points.append(low[column] + base * np.sqrt(u * share))
        else:
            points.append(high[column] - base * np.sqrt((1 - u) * (1 - share)))
    return np.array(dims), np.array(points)


def spans(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = x.astype(np.float64)
    return x.min(0), np.median(x, axis=0), x.max(0)


def draws(x, n, first=0, sample_dim=2, seed=0):
    at = spans(x)
    made = [draw(at, seed, first + i, sample_dim) for i in range(n)]
    return np.array([m[0] for m in made]), np.array([m[1] for m in made])


def total(values: np.ndarray) -> np.ndarray:
    """Sums over the columns, one column at a time."""
    sums = np.zeros(len(values), values.dtype)
    for j in range(values.shape[1]):
        sums += values[:, j]
    return sums


def from_draws(x, dims, points, redundancy_nn=1000, redundancy_exp=4):
    """(N,) float64; ties to the lower row, the covering row never penalised."""
    scores = np.zeros(len(x))
    for columns, point in zip(dims, points, strict=True):
        e = x[:, columns]
        near = int(np.argmin(total(np.abs(e.astype(np.float64) - point))))
        scores[near] += 1
        d = total(np.abs(e - e[near]))
        order = np.argsort(d, kind="stable")
        order = order[order != near][:redundancy_nn]
        if len(order) == 0:
            continue
        apart = d[order].astype(np.float64)
        if apart[0] == 0:
            scores[order[0]] -= 1
            continue
        weights = (apart[0] / apart) ** redundancy_exp
        scores[order] -= weights / weights.sum()
    return scores


def finish(sums, seed=0, random_init=True):
    scores = np.array(sums)
    if random_init:
        start = [philox(seed, -1 - i, 1)[0] for i in range(len(scores))]
        scores += np.array([(int(w) >> 11) * 2.0**-53 for w in start])
    scores -= scores.min()
    return (scores / (scores.max() or 1.0)).astype(np.float32)


UNIT = 2.0**-30


def rows(n: int, d: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Clusters, columns of very different widths, no ties."""
    rng = np.random.default_rng((seed, n, d))
    centres = rng.normal(size=(5, d))
    x = centres[rng.integers(0, 5, n)] + 0.4 * rng.normal(size=(n, d))
    return (x * np.exp(rng.normal(size=d))).astype(dtype)


def some_draws(x: np.ndarray, n: int, k: int = 2) -> tuple[np.ndarray, np.ndarray]:
    return tamis.zcore_draws(x, n, sample_dim=k, seed=11)


def close(got: np.ndarray, want: np.ndarray, draws: int) -> None:
    """Equal but for rounding to units, and that of float64 weights."""
    np.testing.assert_allclose(got, want, rtol=0, atol=draws * UNIT + 1e-12)
