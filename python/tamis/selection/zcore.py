"""Zero-shot coreset scores: which rows cover the space of embeddings, and which are redundant."""

from __future__ import annotations

import os
from typing import Any, Literal, overload

import numpy as np

from tamis import _core
from tamis._shared import arrays, device_arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis._shared.typed import AnyArray, AnyColumn, Float32, Host, T
from tamis.selection import zcore_cuda
from tamis.selection.zcore_checkpoint import Checkpoint
from tamis.selection.zcore_scorer import (
    LARGEST,
    check_rows,
    checked_rule,
    host_or_device_rows,
    make_scorer,
)

MOST_DRAWS = 1 << 40


@overload
def zcore(
    x: Host,
    *,
    n_samples: int | Literal["auto"] = 1_000_000,
    sample_dim: int = 2,
    redundancy_nn: int = 1000,
    redundancy_exp: float = 4,
    random_init: bool = True,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress = None,
) -> Float32: ...
@overload
def zcore(
    x: T,
    *,
    n_samples: int | Literal["auto"] = 1_000_000,
    sample_dim: int = 2,
    redundancy_nn: int = 1000,
    redundancy_exp: float = 4,
    random_init: bool = True,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress = None,
) -> T: ...
def zcore(
    x: Any,
    *,
    n_samples: int | Literal["auto"] = 1_000_000,
    sample_dim: int = 2,
    redundancy_nn: int = 1000,
    redundancy_exp: float = 4,
    random_init: bool = True,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress = None,
) -> Any:
    """Zero-shot coreset score of every row: the higher, the sooner it should be labelled.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64 embeddings; NumPy (also `np.memmap`), PyTorch, or
        anything with DLPack or the buffer protocol. Not copied if float32 or float64 and
        C-contiguous; 16-bit floats are copied once to float32.
    n_samples : int or "auto"
        Number of draws. Default 1,000,000. "auto": until two separate halves of the draws agree on
        80 % of the tenth of rows with the highest scores; `tamis.zcore_stability` has other
        settings.
    sample_dim : int
        Columns of a draw, 1 to D. Default 2.
    redundancy_nn : int
        Neighbours that share the penalty of a draw; all other rows if there are fewer. Default
        1000.
    redundancy_exp : float
        Their shares are proportional to ``distance ** -redundancy_exp``. Default 4.
    random_init : bool
        Scores start at random numbers in [0, 1), else at 0. Default True.
    seed : int
        0 to 2**64 - 1. Default 0.
    checkpoint : path, optional
        File in which progress is saved and from which it is resumed. See Notes.
    progress : bool or callable, optional
        ``f(done, total)`` in draws, or True for a bar.

    Returns
    -------
    (N,) float32 array
        Scaled to [0, 1]; all zeros if all scores are equal. In the library of `x`.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, for NaN or infinity, naming the first such row, and for a
        checkpoint of other data or parameters.
    tamis.CudaUnavailable
        For CUDA arrays where tamis was built without its CUDA part.

    Notes
    -----
    A draw takes `sample_dim` columns and a point in them, each coordinate from the triangular
    distribution between the column's least value, median and largest. The row nearest to the point
    (L1) gains 1; the `redundancy_nn` rows nearest to that row share a loss of 1. If other rows are
    at the same place as that row, the first of them loses 1 alone. Ties go to the lower row.

    Exact: all neighbours of every draw are the true ones. Draw i depends only on `seed` and i, and
    scores are summed as integers. So the result is bit-identical for any number of threads, any
    division of the draws (`zcore_from_draws`) and any CPU.

    The checkpoint is written every few seconds, through a temporary file in the same folder, and at
    the end, so that a run with more draws can continue it. It holds a digest of all values of `x`,
    for which they are read once more.

    Time is `N * sample_dim` differences per draw. Peak memory beyond `x`: a sample of at most
    ``max(N / 48, 16384) * D`` values, at first ``0.04 * N * D`` values about the medians, for each
    thread ``8 * N`` bytes and a tile of 1 MB, and about ``30 * redundancy_nn`` bytes for each of
    the draws that are scored together (twice that for float64; 1 GiB at most, three times that if
    nearly all rows are tied).

    CUDA arrays (PyTorch, CuPy) are scored on their device: same draws, same neighbours; shares may
    differ from the host's by 2**-30. The host waits once, to check that `x` is finite; the draws
    are queued on the caller's current stream (with `progress` the host waits for each part of
    them). Memory beyond `x`: a float16 copy of its columns (``2 * N * D`` bytes), a sample as on
    the host, and at most 1 GiB, first for columns, then for lists.

    Source: arXiv 2411.15349; a patent application covers the method (see docs/zcore.md).

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> scores = tamis.zcore(x, n_samples=1000)
    >>> tamis.select_coreset(scores, count=10).shape
    (10,)
    """
    if isinstance(n_samples, str) and n_samples == "auto":
        from tamis.selection.zcore_stability import zcore_stability

        if checkpoint is not None:
            raise ValueError("zcore: checkpoint must be None with n_samples='auto'")
        found = zcore_stability(
            x, sample_dim=sample_dim, redundancy_nn=redundancy_nn, redundancy_exp=redundancy_exp,
            random_init=random_init, seed=seed, progress=progress,
        )  # fmt: skip
        return arrays.from_host(arrays.as_array("zcore", "x", x), found.scores)
    rule = checked_rule("zcore", sample_dim, redundancy_nn, redundancy_exp)
    random_init = arrays.check_flag("zcore", "random_init", random_init)
    n_samples = arrays.check_integer("zcore", "n_samples", n_samples, 1, MOST_DRAWS)
    seed = arrays.check_integer("zcore", "seed", seed, 0, 2**64 - 1)
    like = arrays.as_array("zcore", "x", x)
    on_device = arrays.device(like) != "cpu"
    if on_device and checkpoint is not None:
        raise ValueError("zcore: checkpoint must be None for CUDA arrays, it digests host memory")
    rows = host_or_device_rows("zcore", x)
    check_rows("zcore", rows.shape, sample_dim)
    report = reporter(progress, "zcore")  # seen while the columns are sorted
    saved = None
    if checkpoint is not None:
        saved = Checkpoint("zcore", checkpoint, rows, (*rule, seed))
    scorer = make_scorer("zcore", rows, *rule)
    done, sums = (0, None) if saved is None else saved.load(n_samples)
    while done < n_samples:
        end = min(n_samples, done + scorer.slice)
        scorer.add(*scorer.draws(seed, done, end))
        done = end
        if saved is not None:
            saved.save(done, scorer.sums(sums), last=done == n_samples)
        if on_device and progress:
            device_arrays.wait(rows)
        report(done, n_samples)
    if on_device:
        return zcore_cuda.finish(scorer.sums(), random_init=random_init, seed=seed)
    total = scorer.sums(sums) / _core.ZCORE_UNIT
    return arrays.from_host(like, zcore_finish(total, random_init=random_init, seed=seed))


def zcore_draws(
    x: AnyArray, n_samples: int, *, first: int = 0, sample_dim: int = 2, seed: int = 0
) -> tuple[Any, Any]:
    """The draws of `zcore`, starting at number `first`.

    Parameters
    ----------
    x : (N, D) array
        As for `zcore`.
    n_samples : int
        How many draws.
    first : int
        Number of the first. Default 0.
    sample_dim, seed : int
        As for `zcore`.

    Returns
    -------
    dims : (n_samples, sample_dim) int32 array
        Different columns of `x`.
    points : (n_samples, sample_dim) float64 array
        Between the least and the largest value of each column. For CUDA arrays both are in the
        library and on the device of `x`, else NumPy arrays.

    Raises
    ------
    ValueError, TypeError
        As `zcore`.

    Notes
    -----
    Row i is the draw ``first + i`` of the seed, independent of the other draws. Takes one pass over
    `x` for the spans of its columns. Memory as `zcore`, and ``12 * n_samples * sample_dim`` bytes.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> dims, points = tamis.zcore_draws(x, 5)
    >>> dims.shape, points.shape
    ((5, 2), (5, 2))
    """
    sample_dim = arrays.check_integer("zcore_draws", "sample_dim", sample_dim, 1)
    n_samples = arrays.check_integer("zcore_draws", "n_samples", n_samples, 0, MOST_DRAWS)
    first = arrays.check_integer("zcore_draws", "first", first, 0, MOST_DRAWS)
    seed = arrays.check_integer("zcore_draws", "seed", seed, 0, 2**64 - 1)
    rows = host_or_device_rows("zcore_draws", x)
    check_rows("zcore_draws", rows.shape, sample_dim)
    scorer = make_scorer("zcore_draws", rows, sample_dim, 1000, 4)
    dims, points = scorer.draws(seed, first, first + n_samples)
    return dims, points


def zcore_from_draws(
    x: AnyArray,
    dims: AnyArray,
    points: AnyArray,
    *,
    redundancy_nn: int = 1000,
    redundancy_exp: float = 4,
    progress: Progress = None,
) -> Any:
    """Gains minus penalties of given draws: scores before their random start and scaling.

    Parameters
    ----------
    x : (N, D) array
        As for `zcore`.
    dims : (S, k) array of integers
        The columns of each draw, all different.
    points : (S, k) float array
        The point of each draw in these columns.
    redundancy_nn, redundancy_exp, progress
        As for `zcore`.

    Returns
    -------
    (N,) float64 array
        For a CUDA array in its library and on its device, else NumPy's; `dims` and `points` are
        checked on the host. Multiples of 2**-30, so sums of parts (of fewer than 8,000,000 draws in
        all) are exact in any order: ``zcore_finish(part_a + part_b, seed=seed)`` is the score of
        both.

    Raises
    ------
    ValueError, TypeError
        As `zcore`, and for draws that do not fit `x`.

    Notes
    -----
    To divide a run, machine m of M scores ``zcore_draws(x, count, first=m * count, seed=seed)``
    with ``count = n_samples // M``, and the parts are added up.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> sums = tamis.zcore_from_draws(x, *tamis.zcore_draws(x, 50))
    >>> sums.shape
    (100,)
    """
    name = "zcore_from_draws"
    rows = host_or_device_rows(name, x)
    columns = np.require(arrays.host(name, "dims", arrays.integers(name, "dims", dims)))
    arrays.check_shape(name, "dims", columns, ("S", "k"))
    k = columns.shape[1]
    at = arrays.host(name, "points", arrays.column(name, "points", points, "float64"))
    at = np.require(arrays.floats(name, points=at)[0])
    arrays.check_shape(name, "points", at, columns.shape)
    checked_rule(name, max(k, 1), redundancy_nn, redundancy_exp)
    check_rows(name, rows.shape, k)
    _check_draws(name, columns, at, rows.shape[1])
    scorer = make_scorer(name, rows, k, redundancy_nn, redundancy_exp)
    report = reporter(progress, name)
    columns, at = np.require(columns, np.int32, ["C", "A"]), np.require(at, np.float64, ["C", "A"])
    for begin in range(0, len(at), scorer.slice):
        end = min(len(at), begin + scorer.slice)
        scorer.add(columns[begin:end], at[begin:end])
        report(end, len(at))
    if arrays.device(rows) != "cpu":
        return zcore_cuda.in_scores(scorer.sums())
    return scorer.sums() / _core.ZCORE_UNIT


def zcore_finish(sums: AnyColumn, *, random_init: bool = True, seed: int = 0) -> Any:
    """Scores from the sum of parts of `zcore_from_draws`: random start added, scaled to [0, 1].

    Parameters
    ----------
    sums : (N,) float64 array
    random_init : bool
        Row i starts at a random number in [0, 1) that depends only on `seed` and i. Default True.
    seed : int
        Default 0.

    Returns
    -------
    (N,) float32 array
        ``(s - min) / (max - min)``; all 0 where all are equal. NumPy's, or of CUDA sums in their
        library, on their device, bit-identical; the host waits to check that they are finite.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> tamis.zcore_finish(np.array([1.0, -2.0, 0.0]), random_init=False)
    array([1.       , 0.       , 0.6666667], dtype=float32)
    """
    random_init = arrays.check_flag("zcore_finish", "random_init", random_init)
    seed = arrays.check_integer("zcore_finish", "seed", seed, 0, 2**64 - 1)
    given = arrays.column("zcore_finish", "sums", sums, "float64")
    if arrays.device(given) != "cpu":
        arrays.backend("zcore_finish", arrays.device(given))
        arrays.check_shape("zcore_finish", "sums", given, ("N",))
        given = arrays.cast(given, "float64")
        if bool((given * 0.0 == 0).all()):
            return zcore_cuda.scaled(given, random_init=random_init, seed=seed)
    hosted = arrays.host("zcore_finish", "sums", given)
    if hosted.dtype.kind not in "biuf":
        raise TypeError(f"zcore_finish: sums must be numbers, got {hosted.dtype}")
    scores = np.array(hosted, np.float64)
    arrays.check_shape("zcore_finish", "sums", scores, ("N",))
    if not np.isfinite(scores).all():
        row = int(np.argmin(np.isfinite(scores)))
        raise ValueError(f"zcore_finish: sums must be finite, got NaN or infinity in row {row}")
    if random_init:
        start = np.empty(len(scores))
        _core.zcore_start(seed, start)
        scores += start
    if len(scores) > 0:
        scores -= scores.min()
        scores /= scores.max() or 1.0
    return scores.astype(np.float32)


def _check_draws(function: str, dims: Array, points: Array, d: int) -> None:
    """Raise for the first draw that does not fit a matrix with d columns."""
    outside = ((dims < 0) | (dims >= d)).any(axis=1)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(f"{function}: dims must be 0 to {d - 1}, got {dims[row]} in row {row}")
    ordered = np.sort(dims, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if twice.any():
        row = int(np.argmax(twice))
        raise ValueError(f"{function}: dims must differ, got {dims[row]} in row {row}")
    bad = ~(np.abs(points) <= np.float64(LARGEST)).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"{function}: points must be finite, got {points[row]} in row {row}")
