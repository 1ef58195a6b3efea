"""Whether a new batch differs from the reference, and which part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis.embeddings.distances import hosted, k_means, neighbours, two_matrices
from tamis.embeddings.drift_annotations import is_annotations, of_annotations
from tamis.embeddings.drift_result import Drift, verdict
from tamis.embeddings.two_samples import energy_and_mmd, p_value, same_label_shares

TESTS = ("energy", "mmd", "knn", "clusters")


def drift(
    reference: Any,
    batch: Any,
    *,
    tests: Sequence[str] | None = None,
    alpha: float = 0.05,
    permutations: int = 500,
    k: int = 5,
    clusters: int = 20,
    max_rows: int = 5000,
    bandwidth: float | None = None,
    tightness: Any = None,
    seed: int = 0,
    progress: Progress = None,
) -> Drift:
    """Compare a batch with a reference: embeddings, or annotations.

    Parameters
    ----------
    reference, batch : (N, D) and (M, D) arrays, or annotations
        Embeddings as for `tamis.knn`, both of one dtype and device. Or on both sides annotations: a
        path or dict of COCO JSON, a dict of columns ``boxes`` (n, 4) xywh, ``labels`` (n,),
        ``splits`` (images + 1,) and optional ``image_sizes`` (images, 2: height, width) and
        ``classes`` (dict of label to name), or an object with these attributes.
    tests : sequence of str, optional
        For embeddings, any of ``energy``, ``mmd``, ``knn``, ``clusters``; default all. For
        annotations, all checks always run.
    alpha : float
        A check has drifted if its p-value, adjusted for all checks (Benjamini-Hochberg), is at most
        this.
    permutations : int
        Permutations of the labels, default 500; p-values are at least 1 / (permutations + 1).
    k : int
        Neighbours of the test ``knn``. Default 5.
    clusters : int
        Of the check ``clusters``. Default 20.
    max_rows : int
        ``energy`` and ``mmd`` compare all pairs of at most this many rows per side, drawn with
        `seed`. Default 5,000.
    bandwidth : float, optional
        Of the kernel of ``mmd``. Default: sqrt(median squared distance / 2).
    tightness : (Tightness, Tightness), optional
        Annotations only, where one detector ran on both sides or both were labelled twice:
        ``tamis.agreement(detections, annotations).tightness`` of the reference and of the batch.
        Whether boxes are drawn tighter or looser than they were, side by side.
    seed : int
    progress : bool or callable, optional
        ``f(done, total)`` of each part of a test, or True for a bar.

    Returns
    -------
    Drift
        One verdict per check with effect size, p and n; ``exit_code`` is 1 if any check drifted.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.

    Notes
    -----
    ``energy``: 2 E d(r,t) - E d(r,r') - E d(t,t') (Szekely and Rizzo), effect: over 2 E d(r,t), 0
    to 1. ``mmd``: unbiased squared maximum mean discrepancy (Gretton et al. 2012), a Gaussian
    kernel. ``knn``: share of the k nearest neighbours among all rows that are of a row's own side
    (Schilling 1986), effect: beyond what chance gives, over what is possible. ``clusters``:
    chi-squared of the shares of k-means clusters of all rows, effect: total variation. p of all:
    ``(1 + permutations at least as extreme) / (1 + permutations)``.

    Annotations: see `docs/curation.md`; labels are permuted by image, as boxes of one image are
    not independent. Cost: one `tamis.knn` of all rows, ``(2 * max_rows) ** 2 * D`` for ``energy``
    and ``mmd`` together; memory: one copy of both sides in random order, and tiles.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(600, 8))
    >>> tamis.drift(x[:300], x[300:]).drifted, tamis.drift(x[:300], x[300:] + 0.5).drifted
    (False, True)
    """
    name = "drift"
    alpha = arrays.check_number(name, "alpha", alpha, 0, 1)
    permutations = arrays.check_integer(name, "permutations", permutations, 1, 1_000_000)
    seed = arrays.check_integer(name, "seed", seed, 0, 2**63 - 1)
    if is_annotations(reference) or is_annotations(batch):
        if tests is not None:
            raise ValueError(f"{name}: tests must be None for annotations, got {tests!r}")
        return of_annotations(reference, batch, tightness, alpha, permutations, seed, progress)
    if tightness is not None:
        raise ValueError(f"{name}: tightness must be None for embeddings")
    wanted = TESTS if tests is None else tuple(arrays.as_list(name, "tests", tests))
    for test in wanted:
        if not arrays.one_of(test, TESTS):
            raise ValueError(f"{name}: tests must be among {', '.join(TESTS)}, got {test!r}")
    k = arrays.check_integer(name, "k", k, 1, 1024)
    clusters = arrays.check_integer(name, "clusters", clusters, 2, 10_000)
    max_rows = arrays.check_integer(name, "max_rows", max_rows, 2)
    if bandwidth is not None:
        bandwidth = arrays.check_number(name, "bandwidth", bandwidth, 1e-18, 1e150)
    a, b = (hosted(x) for x in two_matrices(name, reference=reference, batch=batch))
    if len(a) < 2 or len(b) < 2:
        raise ValueError(
            f"{name}: reference and batch must have at least 2 rows, got {len(a)} and {len(b)}"
        )
    rows: list[dict[str, Any]] = []
    if "energy" in wanted or "mmd" in wanted:
        rows += _all_pairs(a, b, wanted, max_rows, bandwidth, permutations, seed, progress)
    details: dict[str, Any] = {}
    if "knn" in wanted or "clusters" in wanted:
        pooled, place = _shuffled(a, b, seed)
        if "knn" in wanted:
            rows.append(_knn(pooled, place, len(a), k, permutations, seed, progress))
        if "clusters" in wanted:
            found, details = _clusters(
                pooled, place, len(a), clusters, permutations, seed, progress
            )
            rows.append(found)
    rows.sort(key=lambda row: wanted.index(row["name"]))
    return verdict(rows, alpha, details)


def _row(
    name: str, measure: str, statistic: float, effect: float, p: float, n: tuple[int, int]
) -> dict[str, Any]:
    return {
        "name": name, "measure": measure, "statistic": float(statistic), "effect": float(effect),
        "p": float(p), "n": n,
    }  # fmt: skip


def _all_pairs(
    a: Array,
    b: Array,
    wanted: Sequence[str],
    most: int,
    bandwidth: float | None,
    permutations: int,
    seed: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Energy distance and MMD of at most `most` rows of each side."""
    rng = np.random.default_rng((seed, 1))
    parts = [x[np.sort(rng.permutation(len(x))[:most])] if len(x) > most else x for x in (a, b)]
    _finite(parts)
    sizes = (len(parts[0]), len(parts[1]))
    found = energy_and_mmd(
        np.concatenate(parts), sizes[0], wanted=wanted, permutations=permutations,
        bandwidth=bandwidth, seed=seed, report=reporter(progress, "drift: all pairs"),
    )  # fmt: skip
    rows = []
    if "energy" in wanted:
        p = p_value(found["energy"])
        rows.append(_row("energy", "share", found["energy"][0], found["energy_share"][0], p, sizes))
    if "mmd" in wanted:
        value = found["mmd"][0]
        rows.append(_row("mmd", "squared", value, value, p_value(found["mmd"]), sizes))
        rows[-1]["note"] = f"bandwidth {found['bandwidth'][0]:.4g}"
    return rows


def _finite(parts: Sequence[Array]) -> None:
    for what, x in zip(("reference", "batch"), parts, strict=True):
        if not np.isfinite(x).all():
            raise ValueError(f"drift: {what} must be finite, it has NaN or infinity")


def _shuffled(a: Array, b: Array, seed: int) -> tuple[Array, Array]:
    """(all rows in random order, where each went): equal distances favour lower rows of neither."""
    total = len(a) + len(b)
    place = np.random.default_rng((seed, 2)).permutation(total)
    pooled = np.empty((total, a.shape[1]), a.dtype)
    pooled[place[: len(a)]] = a
    pooled[place[len(a) :]] = b
    return pooled, place


def _knn(
    pooled: Array, place: Array, n: int, k: int, permutations: int, seed: int, progress: Progress
) -> dict[str, Any]:
    total = len(pooled)
    m = total - n
    _, near = neighbours("drift", pooled, k, names=("reference and batch", ""), progress=progress)
    back = np.empty(total, np.int64)
    back[place] = np.arange(total)
    shares = same_label_shares(
        back[near[place]], n, total, permutations, seed,
        reporter(progress, "drift: labels permuted"),
    )  # fmt: skip
    by_chance = (n * (n - 1) + m * (m - 1)) / (total * (total - 1))
    effect = (shares[0] - by_chance) / (1 - by_chance)
    return _row("knn", "own neighbours", shares[0], effect, p_value(shares), (n, m))


def _clusters(
    pooled: Array, place: Array, n: int, k: int, permutations: int, seed: int, progress: Progress
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Shares of the clusters of all rows, found without knowing which row is of which side."""
    total = len(pooled)
    m = total - n
    centres, at = k_means(pooled, k, seed, report=reporter(progress, "drift: clusters"))
    sizes = np.bincount(at, minlength=len(centres))
    counts = np.bincount(at[place[:n]], minlength=len(centres))
    rng = np.random.default_rng((seed, 3))
    drawn = rng.multivariate_hypergeometric(sizes, n, size=permutations, method="marginals")
    expected = sizes * n / total
    chi = ((np.concatenate([counts[None], drawn]) - expected) ** 2 / expected).sum(1) * total / m
    before, after = counts / n, (sizes - counts) / m
    order = np.argsort(before - after, kind="stable")
    rows = np.full(len(centres), -1)
    mine = at[place[n:]]
    for c in range(len(centres)):
        members = np.flatnonzero(mine == c)
        if len(members):
            values = np.asarray(pooled[place[n + members]], np.float64)
            rows[c] = members[((values - centres[c]) ** 2).sum(1).argmin()]
    effect = 0.5 * np.abs(before - after).sum()
    details = {
        "share_reference": before[order], "share_batch": after[order], "rows": rows[order],
    }  # fmt: skip
    return _row("clusters", "total variation", chi[0], effect, p_value(chi), (n, m)), details
