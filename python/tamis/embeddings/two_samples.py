"""Energy distance and MMD of two samples, and both under permuted labels, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tamis._shared.arrays import Array

TILE = 1024
MEDIAN_ROWS = 2000  # of which the median heuristic takes all distances


def tile_squares(x: Array, norms: Array, begin: int) -> Array:
    """(tile, n) squared distances of rows [begin, begin + TILE) to all, of centred rows."""
    part = x[begin : begin + TILE]
    squares = part @ x.T
    squares *= -2
    squares += norms[begin : begin + TILE, None]
    squares += norms
    np.maximum(squares, 0, out=squares)
    rows = np.arange(len(part))
    squares[rows, begin + rows] = 0
    return np.asarray(squares)


def median_bandwidth(x: Array, norms: Array, seed: int) -> float:
    """sqrt(median squared distance / 2), over at most 2,000 rows; their own distances included."""
    if len(x) > MEDIAN_ROWS:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(x))[:MEDIAN_ROWS])
        x, norms = np.ascontiguousarray(x[chosen]), norms[chosen]
    parts = [tile_squares(x, norms, begin).ravel() for begin in range(0, len(x), TILE)]
    squares = np.concatenate(parts)
    middle = len(squares) // 2 - 1 if len(squares) > 1 else 0
    return float(np.sqrt(0.5 * np.partition(squares, middle)[middle]))


def energy_and_mmd(
    x: Array,
    n: int,
    *,
    wanted: Sequence[str],
    permutations: int,
    bandwidth: float | None,
    seed: int,
    report: Any,
) -> dict[str, Array]:
    """Statistics of rows [0, n) against the rest, and their values under permutations.

    Energy: 2 E d(r, t) - E d(r, r') - E d(t, t'), a row's distance to itself among them. MMD:
    unbiased, of exp(-d^2 / (2 bandwidth^2)). For 0 / 1 labels a all sums follow from a'Ka and a'K1,
    so one product of all labels with a tile serves all permutations.
    """
    total, kinds = len(x), [kind for kind in ("energy", "mmd") if kind in wanted]
    # by a power of two, which changes no digit: squares neither overflow nor vanish
    exponent = int(np.frexp(np.abs(x).max(initial=0))[1])
    x = np.ldexp(x, -exponent)
    bandwidth = None if bandwidth is None else float(np.ldexp(bandwidth, -exponent))
    x = x - x.mean(0, dtype=np.float64).astype(x.dtype)
    norms = np.einsum("nd,nd->n", x, x)
    sigma = 0.0
    if "mmd" in wanted:
        sigma = median_bandwidth(x, norms, seed) if bandwidth is None else bandwidth
    labels = _labels(n, total, permutations, seed, x.dtype)
    sums = {kind: Sums(permutations) for kind in kinds}
    for begin in range(0, total, TILE):
        squares = tile_squares(x, norms, begin)
        for kind in reversed(kinds):  # distances are made where the squares were
            if kind == "energy":
                values = np.sqrt(squares, out=squares)
            elif sigma > 0:
                values = np.exp(squares * x.dtype.type(-0.5 / sigma**2))
            else:
                values = (squares == 0).astype(x.dtype)
            sums[kind].add(values, labels, n, begin)
        report(min(total, begin + TILE), total)
    found: dict[str, Array] = {"bandwidth": np.ldexp(np.array([sigma]), exponent)}
    m = total - n
    for kind, of in sums.items():
        rt, tt = of.ra - of.rr, of.aa - 2 * of.ra + of.rr
        if kind == "energy":
            found[kind] = 2 * rt / (n * m) - of.rr / n**2 - tt / m**2
            found["energy_share"] = found[kind] / np.maximum(2 * rt / (n * m), 1e-300)
            found[kind] = np.ldexp(found[kind], exponent)
        else:
            own = (of.rr - n) / (n * (n - 1)) + (tt - m) / (m * (m - 1))
            found[kind] = own - 2 * rt / (n * m)
    return found


def _labels(n: int, total: int, permutations: int, seed: int, dtype: Any) -> Array:
    """(permutations + 1, total): 1 for a row of the reference; the first row is true."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((permutations + 1, total), dtype)
    labels[0, :n] = 1
    for row in labels[1:]:
        row[rng.permutation(total)[:n]] = 1
    return labels


class Sums:
    """Of one kind of values by labels: reference x reference, reference x all, all x all."""

    def __init__(self, permutations: int) -> None:
        self.rr, self.ra = np.zeros((2, permutations + 1))
        self.aa = 0.0

    def add(self, values: Array, labels: Array, n: int, begin: int) -> None:
        """The rows from `begin` on; the true labels, of rows [0, n), summed in float64."""
        part = labels[:, begin : begin + len(values)]
        by_row = values.sum(1, dtype=np.float64)
        self.aa += by_row.sum()
        self.ra += part @ by_row
        sums = np.einsum("bi,bi->b", part, labels @ values.T, dtype=np.float64)
        sums[0] = values[: max(0, n - begin), :n].sum(dtype=np.float64)
        self.rr += sums


def p_value(values: Array) -> float:
    """Of values[0] among itself and its permutations; large values speak against no drift."""
    rounding = 1e-9 * float(np.abs(values).max(initial=0))  # of values that are the same
    return float((values[1:] >= values[0] - rounding).sum() + 1) / len(values)


def same_label_shares(
    near: Array, n: int, total: int, permutations: int, seed: int, report: Any = None
) -> Array:
    """(permutations + 1,) share of neighbours with a row's own label; the first are the true ones.

    `near` (total, k) holds numbers of rows, of which [0, n) are the one sample. 64 permutations
    are the bits of a row's word, and the bits of all words are counted together.
    """
    rng = np.random.default_rng(seed)
    shares = []
    for done in range(0, permutations + 1, 64):
        labels = _permuted_bits(rng, n, total)
        if done == 0:
            labels &= ~np.uint64(1)
            labels[:n] |= np.uint64(1)
        differ = np.zeros(64, np.int64)
        for begin in range(0, total, 16384):
            own = labels[begin : begin + 16384, None]
            differ += count_bits((labels[near[begin : begin + 16384]] ^ own).ravel())
        shares.append((near.size - differ) / near.size)
        if report is not None:
            report(min(done + 64, permutations + 1), permutations + 1)
    return np.concatenate(shares)[: permutations + 1]


def _permuted_bits(rng: np.random.Generator, n: int, total: int) -> Array:
    """(total,) uint64, each bit of which is set in n of the words, any n as likely as any other.

    Bits are set with the probability n / total, to 16 binary digits; what is too many or too few is
    then drawn evenly among those that are set, or are not.
    """
    words = np.zeros(total, np.uint64)
    digits = round(n / total * 65536)
    for digit in range(16):
        drawn = rng.integers(0, 2**64, total, np.uint64)
        words = words | drawn if digits >> digit & 1 else words & drawn
    for i in range(64):
        held = (words >> np.uint64(i) & np.uint64(1)).astype(bool)
        away = int(held.sum()) - n
        if away:
            rows = np.flatnonzero(held if away > 0 else ~held)
            words[rng.choice(rows, abs(away), replace=False, shuffle=False)] ^= np.uint64(1 << i)
    return words


def count_bits(words: Array) -> Array:
    """(64,) in how many words each bit is set: three words become a sum and a carry at a time."""
    total = np.zeros(64, np.int64)
    weight = 0
    while len(words):
        carries = [words[:0]]
        while len(words) > 2:
            third = len(words) // 3
            a, b, c = (words[i * third : (i + 1) * third] for i in range(3))
            either = a ^ b
            carries.append((a & b) | (either & c))
            words = np.concatenate([either ^ c, words[3 * third :]])
        rest = np.ascontiguousarray(words, "<u8").view(np.uint8).reshape(-1, 8)
        total += np.unpackbits(rest, axis=1, bitorder="little").sum(0, dtype=np.int64) << weight
        words = np.concatenate(carries)
        weight += 1
    return total
