"""How diverse a set of embeddings is: Vendi score and effective rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis._shared.results import Result
from tamis._shared.typed import AnyArray
from tamis.embeddings.distances import BLOCK, blocks
from tamis.embeddings.knn_search import check_matrix


@dataclass(frozen=True, eq=False, repr=False)
class Diversity(Result):
    """The outcome of `diversity`.

    Attributes
    ----------
    vendi : float
        Vendi score, 1 (all rows the same) to the number of rows.
    effective_rank : float
        Of the rows minus their mean: how many directions they spread over, 0 where all are equal.
    rows, columns : int
    spectrum : (min(N, D),) float64
        Eigenvalues of the similarity matrix over N, the largest first; they sum to 1.
    """

    vendi: float
    effective_rank: float
    rows: int
    columns: int
    spectrum: Array

    def __str__(self) -> str:
        return (
            f"{self.rows} rows of {self.columns}: Vendi score {self.vendi:.2f},"
            f" effective rank {self.effective_rank:.2f}"
        )


def diversity(x: AnyArray, *, progress: Progress = None) -> Diversity:
    """Vendi score (by the cosine between rows) and effective rank.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64 embeddings; NumPy (also `np.memmap`), PyTorch, CuPy,
        DLPack or buffer. CUDA arrays are copied to the host.
    progress : bool or callable, optional
        ``f(done, total)``, or True for a bar.

    Returns
    -------
    Diversity

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, no rows, a row of zeros, and for NaN or infinity, naming the
        first such row.

    Notes
    -----
    ``vendi = exp(-sum l log l)``, l the eigenvalues of K / N (Friedman and Dieng, 2022), taken from
    the D x D matrix X'X / N of unit rows, or the N x N one where there are fewer rows.
    ``effective_rank = exp(-sum p log p)``, p the singular values of the centred rows over their sum
    (Roy and Vetterli, 2007). Cost: two products of N * D * D in float64 and their spectra; memory
    ``16 * D * D`` bytes and blocks of 4,096 rows.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> round(tamis.diversity(np.eye(4)).vendi, 6)
    4.0
    """
    name = "diversity"
    rows = arrays.host(name, "x", check_matrix(name, "x", x))
    n, d = rows.shape
    if n == 0:
        raise ValueError(f"{name}: x must have at least one row, got {rows.shape}")
    norms, mean = np.empty(n), np.zeros(d)
    for part, values in blocks(rows):
        with np.errstate(over="ignore", invalid="ignore"):
            norms[part] = np.sqrt(np.einsum("nd,nd->n", values, values))
            mean += values.sum(0) / n
    _check_norms(name, norms)
    report, total = reporter(progress, name), 2 * (-(-n // BLOCK))
    spectra = []
    for step, (offset, scale) in enumerate([(np.zeros(d), 1 / norms), (mean, np.ones(n))]):
        values = _spectrum(rows, offset, scale, lambda i, s=step: report(s * total // 2 + i, total))
        spectra.append(np.clip(values[::-1], 0, None))
    similar = spectra[0] / n
    singular = np.sqrt(spectra[1])
    noise = np.sqrt(np.finfo(np.float64).eps * max(n, d)) * float(norms.max())
    singular[singular <= noise] = 0
    return Diversity(_exp_entropy(similar), _exp_entropy(singular), n, d, similar)


def _check_norms(name: str, norms: Array) -> None:
    for bad, wanted in ((~np.isfinite(norms), "finite"), (norms == 0, "other than all zeros")):
        if bad.any():
            raise ValueError(f"{name}: x must be {wanted}, row {int(np.argmax(bad))} is not")


def _spectrum(x: Array, offset: Array, scale: Array, report: Any) -> Array:
    """Ascending eigenvalues of Y'Y, Y the rows less `offset`, each times its `scale`."""
    n, d = x.shape
    if n < d:
        whole = (np.asarray(x, np.float64) - offset) * scale[:, None]
        report(-(-n // BLOCK))
        return np.asarray(np.linalg.eigvalsh(whole @ whole.T))
    square = np.zeros((d, d))
    for i, (part, values) in enumerate(blocks(x)):
        values = (values - offset) * scale[part, None]
        square += values.T @ values
        report(i + 1)
    return np.asarray(np.linalg.eigvalsh(square))


def _exp_entropy(values: Array) -> float:
    total = values.sum()
    if total == 0:
        return 0.0
    share = values[values > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))
