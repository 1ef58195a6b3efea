"""Mistakenness of classifications, and hardness of samples: FiftyOne Brain's numbers."""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.columns import read_column
from tamis._shared.typed import AnyArray, AnyColumn, Float64, Host
from tamis.labels import label_mistakes_cuda

ELEMENTS_AT_ONCE = 1 << 20


@overload
def hardness(logits: Host) -> Array: ...
@overload
def hardness(logits: object) -> Any: ...
def hardness(logits: Any) -> Any:
    """Entropy of the softmax of each row, in nats.

    Parameters
    ----------
    logits : (n, c) array of numbers
        -inf for a class that is ruled out, but not for all classes.

    Returns
    -------
    (n,) array
        In [0, log c]; float64 for float64 and integers, else float32. NumPy's, or of CUDA logits in
        their library, on their device.

    Raises
    ------
    ValueError, TypeError
        Another shape or dtype; a row with NaN, +inf or without a class.

    Notes
    -----
    `compute_hardness` of fiftyone-brain 0.25, bit for bit. Memory: the result and 40 MB.

    A device computes its own exponentials and logarithms, and float16 in float32, so the last bits
    may differ. The host waits to check that all rows are valid. Memory: 1 GB at most.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> tamis.hardness(np.array([[0.0, 0.0], [9.0, 0.0]])).round(3)
    array([0.693, 0.001])
    """
    given = arrays.as_array("hardness", "logits", logits)
    if arrays.device(given).startswith("cuda"):
        out = label_mistakes_cuda.entropies("hardness", given)
        label_mistakes_cuda.finite("hardness", "logits", out)
        return out
    return entropy("hardness", given)


@overload
def classification_mistakes(
    correct: Host,
    *,
    confidence: AnyColumn | None = None,
    logits: AnyArray | None = None,
    predicted: AnyColumn | None = None,
    labelled: AnyColumn | None = None,
) -> Float64: ...
@overload
def classification_mistakes(
    correct: object,
    *,
    confidence: AnyColumn | None = None,
    logits: AnyArray | None = None,
    predicted: AnyColumn | None = None,
    labelled: AnyColumn | None = None,
) -> Any: ...
def classification_mistakes(
    correct: Any,
    *,
    confidence: Any = None,
    logits: Any = None,
    predicted: Any = None,
    labelled: Any = None,
) -> Any:
    """How likely the label of each sample is wrong, from a classifier's answer.

    Parameters
    ----------
    correct : (n,) bool array
        Whether prediction and label agree; with several labels per sample, whether the sets agree.
    confidence : (n,) array of numbers
        The prediction's. Either this or `logits`.
    logits : (n, c) array of numbers
        The prediction's; its confidence is exp(-entropy) then.
    predicted, labelled : (n,) bool arrays, optional
        Which samples have a prediction, and which a label. Default: all.

    Returns
    -------
    (n,) float64 array
        ``(1 + c) / 2`` for a wrong, ``(1 - c) / 2`` for a correct label of confidence c; 1 without
        a prediction, ``(1 - c) / 2`` without a label, NaN without both. NumPy's, or of CUDA arrays
        in the library of `correct`, on its device.

    Raises
    ------
    ValueError, TypeError
        Wrong shapes or dtypes, both or neither of confidence and logits, NaN where predicted.

    Notes
    -----
    `compute_mistakenness` of fiftyone-brain 0.25, bit for bit. If `correct` is on a CUDA device,
    the result is computed there, with logits as in :func:`hardness`. Other columns are copied
    there, and the host waits to check that none of them is NaN.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> correct = np.array([True, False])
    >>> tamis.classification_mistakes(correct, confidence=np.array([0.9, 0.9])).round(3)
    array([0.05, 0.95])
    """
    name = "classification_mistakes"
    if (confidence is None) == (logits is None):
        raise ValueError(f"{name}: either confidence or logits must be given, not both")
    agree = arrays.column(name, "correct", correct)
    if arrays.device(agree).startswith("cuda"):
        return label_mistakes_cuda.classification_mistakes(
            name, agree, confidence, logits, predicted, labelled
        )
    agree = arrays.host(name, "correct", agree)
    agree = read_column(name, "correct", agree, agree.size, "biu") != 0
    n = len(agree)
    has = [
        np.ones(n, bool) if x is None else read_column(name, key, x, n, "biu") != 0
        for key, x in (("predicted", predicted), ("labelled", labelled))
    ]
    certain = np.zeros(n)
    certain[has[0]] = certainty(name, confidence, logits, n, has[0])
    # without a label Brain's modulator says correct, whatever its comment does
    out = wrong(agree | ~has[1], certain)
    out[~has[0]] = 1.0
    out[~has[0] & ~has[1]] = np.nan
    return out


def wrong(correct: Array, certain: Array) -> Array:
    sign = correct.astype(np.float64) * -2.0 + 1.0
    wrong: Array = (sign * certain + 1.0) / 2.0
    return wrong


def certainty(name: str, confidence: Any, logits: Any, n: int, rows: Array) -> Array:
    """The confidence of `rows` of n, or exp(-entropy) of their logits."""
    if logits is not None:
        given = arrays.host(name, "logits", logits)
        arrays.check_shape(name, "logits", given, (n, "C"))
        entropies = -1.0 * entropy(name, given[rows])
        # math.exp, as NumPy's differs from it in the last bit of some numbers
        return np.fromiter(map(math.exp, entropies.tolist()), np.float64, len(entropies))
    given = arrays.host(name, "confidence", arrays.column(name, "confidence", confidence))
    arrays.check_shape(name, "confidence", given, (n,))
    return read_column(name, "confidence", given[rows], int(rows.sum()), "fiu")


def entropy(name: str, logits: Any) -> Array:
    """Row by row what scipy.stats.entropy(scipy.special.softmax(row)) gives."""
    given = arrays.host(name, "logits", logits)
    arrays.check_shape(name, "logits", given, ("N", "C"))
    if given.dtype.kind not in "fiu" or given.dtype.itemsize > 8:
        raise TypeError(f"{name}: logits must hold numbers, got {given.dtype}")
    # another byte order has other exponentials: NumPy's fastest loops do not take it
    native = given.dtype.newbyteorder("=") if given.dtype.kind == "f" else np.float64
    given = given.astype(native, copy=False)
    if given.shape[1] == 0 and len(given):
        raise ValueError(f"{name}: logits must have at least one class, got shape {given.shape}")
    out = np.empty(len(given), np.float64 if given.dtype == np.float64 else np.float32)
    step = max(1, ELEMENTS_AT_ONCE // max(1, given.shape[1]))
    for first in range(0, len(given), step):
        part = np.ascontiguousarray(given[first : first + step])
        most = part.max(axis=1, keepdims=True)
        if not np.isfinite(most).all():
            row = first + int(np.argmax(~np.isfinite(most)))
            raise ValueError(f"{name}: logits has a NaN or infinite value in row {row}")
        p = np.exp(part - most)
        p = p / p.sum(axis=1, keepdims=True)
        p = (p / p.sum(axis=1, keepdims=True)).astype(out.dtype, copy=False)
        terms = np.empty_like(p)
        _core.entropy_terms(p, terms)
        out[first : first + step] = terms.sum(axis=1)
    return out
