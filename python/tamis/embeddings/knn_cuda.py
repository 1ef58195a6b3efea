"""Exact nearest neighbours of rows on a CUDA device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays, device_arrays
from tamis._shared.progress import Progress, reporter
from tamis.embeddings.knn_search import LARGEST, TooManyPairs, check_matrix, check_small

Array = Any  # of the caller's library, on its device
SCORE_NORM = 256.0  # of rows in the float16 table, at most
TILE, SLICE = 128, 32  # rows and dimensions that tables are padded to (cpp/knn/knn_cuda.hpp)
BLOCK = 8192  # rows searched together
SUMMED = 1 << 24  # values summed together
CANDIDATES = 1 << 23  # of a radius search in one part; no fewer than the pairs of a tile
SAMPLE = 4096  # columns whose scores are kept whole; more for a large k
FEWEST_LISTED, MOST_LISTED = 256, 4096
OUTPUT_OF = {
    "euclidean": "root",
    "sqeuclidean": "key",
    "cosine": "half",
    "inner_product": "negative",
}
OUTPUTS = ("key", "root", "half", "negative")  # in the order of KnnOutput


@dataclass
class DeviceRows:
    """A checked matrix; for cosine also what turns a row into a unit row about `offset`."""

    x: Array
    largest: float  # of their norms
    scale: Array | None = None  # 0 for rows at the offset itself
    offset: Array | None = None
    zeros: int = 0  # how many these are


@dataclass
class Table:
    """The rows as float16, in the order of cpp/knn/knn_score_math.hpp, and the filter's bounds."""

    z: Array
    of_rows: Array


def device_matrix(function: str, name: str, x: Any) -> Array:
    """`x` as a C-contiguous float32 or float64 matrix on its device."""
    x = check_matrix(function, name, x)
    arrays.backend(function, arrays.device(x))
    return arrays.floats(function, **{name: x})[0]


def make_rows(function: str, name: str, x: Array, *, cosine: bool) -> DeviceRows:
    """Check every value, for which the host waits; for cosine take norms."""
    norms, largest, zeros = _scan(function, name, x, None)
    if not cosine:
        return DeviceRows(x, largest)
    origin = arrays.from_host(x, np.zeros(x.shape[1]))
    return DeviceRows(x, 1.0, _inverse(norms), origin, zeros)


def centred_rows(function: str, **matrices: Array) -> tuple[DeviceRows, ...]:
    """Rows for cosine about their common mean."""
    xs = list(matrices.values())
    for name, x in matrices.items():
        _scan(function, name, x, None)
    n = max(1, sum(x.shape[0] for x in xs))
    mean = sum(column_sums(x) for x in xs) / n
    if arrays.dtype_name(xs[0]) == "float64":
        # with what summing large values lost, as on the host
        mean = mean + sum(column_sums(x, mean) for x in xs) / n
    rows = []
    for name, x in zip(matrices, xs, strict=True):
        norms, _, zeros = _scan(function, name, x, mean)
        rows.append(DeviceRows(x, 1.0, _inverse(norms), mean, zeros))
    return tuple(rows)


def column_sums(x: Array, offset: Array | None = None) -> Array:
    """(D,) float64 of x - offset, in pieces: PyTorch makes float64 copies of what it sums."""
    n, d = x.shape
    step = max(1, SUMMED // d)
    sums = arrays.full(x, (d,), "float64", 0)
    for i in range(0, n, step):
        piece = x[i : i + step]
        sums += (piece if offset is None else piece - offset).sum(0, dtype=sums.dtype)
    return sums


def mean_by_image(x: Array, order: np.ndarray, counts: np.ndarray) -> Array:
    """(images, D) float64, with `order` and `counts` of `rows_by_image`. Rows are added in the
    order of the host, one row of every image per pass."""
    sums = arrays.full(x, (len(counts), x.shape[1]), "float64", 0)
    starts = np.cumsum(counts) - counts
    for place in range(int(counts.max(initial=0))):
        images = np.flatnonzero(counts > place)
        here, rows = (arrays.from_host(x, i) for i in (images, order[starts[images] + place]))
        sums[here] += arrays.cast(x[rows], "float64")
    return sums / arrays.from_host(x, counts[:, None].astype(np.float64))


def nearest(
    rows: DeviceRows,
    queries: DeviceRows | None,
    k: int,
    *,
    output: str = "key",
    without_self: bool = True,
    progress: Progress = None,
    title: str = "",
) -> tuple[Array, Array]:
    """(output of keys, indices), both (n, k).

    A key is the squared distance of scaled rows or, with output "negative", the negated product.
    """
    dots = output == "negative"
    asked = rows if queries is None else queries
    n = asked.x.shape[0]
    keys, indices = (arrays.empty(rows.x, (n, k), dtype) for dtype in ("float64", "int64"))
    if n == 0:
        return keys, indices
    how = _centre_and_gain(rows, queries, dots)
    table = _encode(rows, *how, dots)
    other = table if queries is None else _encode(queries, *how, dots)
    lists = _lists(rows.x, other.z.shape[0], table.z.shape[0], k)
    report, padded = reporter(progress, title), other.z.shape[0]
    for begin in range(0, padded, BLOCK):
        size = min(BLOCK, padded - begin)
        arrays.call(
            "knn_search", rows.x, **_sides(rows, asked, table, other), **lists,
            dots=dots, without_self=queries is None and without_self,
            output=OUTPUTS.index(output), begin=begin, rows=size, keys=keys, indices=indices,
        )  # fmt: skip
        if progress:
            device_arrays.wait(rows.x)
            report(min(n, begin + size), n)
    return keys, indices


def within(
    rows: DeviceRows,
    queries: DeviceRows | None,
    radius: float,
    *,
    progress: Progress = None,
    title: str = "",
    most_pairs: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(pairs (p, 2), keys (p,)) with key <= `radius`, ascending, on the host, which waits for them.

    In a self search left < right, else a pair is a row of `queries` and one of `rows`.
    """
    asked = rows if queries is None else queries
    if rows.x.shape[0] == 0 or asked.x.shape[0] == 0:
        return np.empty((0, 2), np.int64), np.empty(0)
    how = _centre_and_gain(rows, queries, False)
    table = _encode(rows, *how, False)
    other = table if queries is None else _encode(queries, *how, False)
    radius = min(radius, (2.001 * max(rows.largest, asked.largest)) ** 2)
    fixed = _sides(rows, asked, table, other)
    reach = math.sqrt(radius) * how[1] * (1 + 1e-6)
    n, padded, columns = asked.x.shape[0], other.z.shape[0], table.z.shape[0]
    limits, candidates, pairs, keys = _pair_scratch(rows.x, min(BLOCK, padded))
    parts = [(b, min(padded, b + BLOCK), 0, columns) for b in range(0, padded, BLOCK)][::-1]
    found: list[tuple[Array, Array]] = []
    report, total = reporter(progress, title), 0
    while parts:
        part = parts.pop()
        counts = arrays.from_host(rows.x, np.zeros(2, np.int64))
        arrays.call(
            "knn_pairs", rows.x, **fixed, limits=limits, candidates=candidates, counts=counts,
            pairs=pairs, keys=keys, self=queries is None, radius=radius, reach=reach, part=part,
        )  # fmt: skip
        seen, kept = (int(c) for c in arrays.host(title, "counts", counts))
        if seen > candidates.shape[0]:
            parts += _halves(part)
            continue
        total += kept
        if most_pairs is not None and total > most_pairs:
            raise TooManyPairs
        found.append((_to_host(pairs[:kept]), _to_host(keys[:kept])))
        report(min(part[1], n), n)
    both, apart = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    order = np.lexsort((both[:, 1], both[:, 0]))
    return both[order], apart[order]


def _sides(rows: DeviceRows, asked: DeviceRows, table: Table, other: Table) -> dict[str, Any]:
    """What both searches take of the rows and of those that look for neighbours."""
    return dict(
        x=rows.x, scale=rows.scale, queries=asked.x, query_scale=asked.scale, offset=rows.offset,
        z=table.z, of_columns=table.of_rows, query_z=other.z, of_rows=other.of_rows,
    )  # fmt: skip


def _to_host(x: Array) -> np.ndarray:
    """A copy, even if the device is emulated and its memory is reused."""
    return np.array(arrays.host("knn", "pairs", x))


def _pair_scratch(like: Array, rows: int) -> tuple[Array, Array, Array, Array]:
    """Limits, candidates, pairs and keys of one part."""
    return (
        arrays.empty(like, (rows, 3), "float32"),
        arrays.empty(like, (CANDIDATES, 2), "int32"),
        arrays.empty(like, (CANDIDATES, 2), "int64"),
        arrays.empty(like, (CANDIDATES,), "float64"),
    )


def _halves(part: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """Two parts of whole tiles instead of one that has too many candidates."""
    begin, end, left, right = part
    if end - begin > TILE:
        middle = begin + (end - begin) // (2 * TILE) * TILE
        return [(middle, end, left, right), (begin, middle, left, right)]
    middle = left + (right - left) // (2 * TILE) * TILE
    return [(begin, end, middle, right), (begin, end, left, middle)]


def _scan(function: str, name: str, x: Array, offset: Array | None) -> tuple[Array, float, int]:
    """(norms, the largest, how many are 0) of x - offset, of values that can be squared."""
    n = x.shape[0]
    norms = arrays.empty(x, (n,), "float64")
    stats = arrays.from_host(x, np.array([n, 0, 0]))
    arrays.call("knn_scan", x, x, offset, norms, stats)
    found = arrays.host(function, name, stats)
    if found[0] < n:
        raise ValueError(
            f"{function}: {name} must be finite, got NaN or infinity in row {found[0]}"
        )
    largest = float(found[1:2].view(np.float64)[0])
    if largest > LARGEST:
        row = int(np.argmax(arrays.host(function, name, norms) > LARGEST))
        raise ValueError(
            f"{function}: {name}: row {row} is too large: its norm must be at most {LARGEST:g}"
        )
    if arrays.dtype_name(x) == "float64":
        about = 0.0 if offset is None else arrays.host(function, name, offset)
        check_small(function, name, x, arrays.host(function, name, norms), about)
    return norms, largest, int(found[2])


def _inverse(norms: Array) -> Array:
    """1 / norms, and 0 for 0."""
    return 1 / (norms + (norms == 0)) * (norms != 0)


def _centre_and_gain(
    rows: DeviceRows, queries: DeviceRows | None, dots: bool
) -> tuple[Array, float, int]:
    """Offset, scale and extra dimensions (one if rows lack a direction) of the float16 table."""
    n, d = rows.x.shape
    largest = rows.largest if queries is None else rows.largest + queries.largest
    zeros = rows.zeros + (0 if queries is None else queries.zeros)
    if dots or zeros > 0 or n == 0:
        centre = arrays.from_host(rows.x, np.zeros(d))
    elif rows.scale is None:
        centre = column_sums(rows.x) / n
    else:  # any point will do: the mean as far as the rows' own type has it
        scale = arrays.cast(rows.scale, arrays.dtype_name(rows.x))
        centre = arrays.cast(scale @ rows.x / n, "float64") - rows.offset * rows.scale.mean()
    # a mean is no longer than the longest row
    gain = SCORE_NORM / (2 * largest) if largest > 0 else 1.0
    return centre, math.ldexp(1.0, math.frexp(gain)[1] - 1), int(not dots and zeros > 0)


def _encode(rows: DeviceRows, centre: Array, gain: float, spare: int, dots: bool) -> Table:
    n, d = rows.x.shape
    padded, width = -(-max(n, 1) // TILE) * TILE, -(-(d + spare) // SLICE) * SLICE
    z = arrays.empty(rows.x, (padded, width), "int16")
    of_rows = arrays.empty(rows.x, (6, padded), "float32")
    arrays.call(
        "knn_encode", rows.x, x=rows.x, scale=rows.scale, offset=rows.offset, centre=centre,
        gain=gain, dots=dots, z=z, of_rows=of_rows,
    )  # fmt: skip
    return Table(z, of_rows)


def _lists(like: Array, rows: int, columns: int, k: int) -> dict[str, Array]:
    """Scratch of one block."""
    room = min(MOST_LISTED, max(FEWEST_LISTED, 1 << (4 * k - 1).bit_length()))
    size, sample = min(BLOCK, rows), min(columns, max(SAMPLE, 1 << (8 * k - 1).bit_length()))
    return dict(
        sampled=arrays.empty(like, (size, sample), "float32"),
        limits=arrays.empty(like, (size, 3), "float32"),
        counts=arrays.empty(like, (size,), "int32"),
        entries=arrays.empty(like, (size, room), "int64"),
    )
