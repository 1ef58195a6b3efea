"""Entropies of logits, and what follows for labels of samples, on a CUDA device."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tamis import _arrays
from tamis.matching import read_device_column

Array = Any  # of the caller's library, on its device
ELEMENTS_AT_ONCE = 1 << 26


def entropies(function: str, logits: Array) -> Array:
    """Row by row the entropy of the softmax; NaN where there is none."""
    _arrays.check_shape(function, "logits", logits, ("N", "C"))
    kind = _arrays.dtype_name(logits)
    if kind not in (*_arrays.FLOATS, *_arrays.HALVES, *_arrays.INTEGERS):
        raise TypeError(f"{function}: logits must hold numbers, got {kind}")
    n, classes = logits.shape
    if classes == 0 and n:
        raise ValueError(f"{function}: logits must have at least one class, got shape {(n, 0)}")
    dtype = "float64" if kind == "float64" or kind in _arrays.INTEGERS else "float32"
    library, out = sys.modules[_arrays.library(logits)], _arrays.empty(logits, (n,), dtype)
    step = max(1, ELEMENTS_AT_ONCE // max(1, classes))
    for first in range(0, n, step):
        part = _arrays.cast(logits[first : first + step], dtype)
        p = library.exp(part - library.amax(part, 1)[:, None])  # of a row without a class NaN
        p = p / p.sum(1)[:, None]
        out[first : first + step] = -(p * library.log(p + (p == 0))).sum(1)
    return out


def finite(function: str, name: str, values: Array, rows: Array | None = None) -> None:
    """Raise for the first of the rows whose value is none; the host waits to see that."""
    bad = (values * 0.0 != 0) if rows is None else (values * 0.0 != 0) & rows
    if bool(bad.any()):
        row = int(np.argmax(_arrays.host(function, name, bad)))
        raise ValueError(f"{function}: {name} has a NaN or infinite value in row {row}")


def classification_mistakes(
    function: str, correct: Array, confidence: Any, logits: Any, predicted: Any, labelled: Any
) -> Array:
    """`classification_mistakes` beside `correct`."""
    library = sys.modules[_arrays.library(correct)]

    def column(name: str, x: Any, kinds: str) -> Array:
        return read_device_column(function, name, x, correct, kinds)

    agree = column("correct", correct, "biu") != 0
    every = _arrays.full(agree, tuple(agree.shape), "bool", True)
    has = every if predicted is None else column("predicted", predicted, "biu") != 0
    named = every if labelled is None else column("labelled", labelled, "biu") != 0
    if logits is not None:
        logits = _arrays.as_array(function, "logits", logits)
        _arrays.one_device(function, correct=correct, logits=logits)
        _arrays.check_shape(function, "logits", logits, (len(agree), "C"))
        entropy = _arrays.same_library(correct, entropies(function, logits))
        finite(function, "logits", entropy, has)
        certain = library.exp(-_arrays.cast(entropy, "float64"))
    else:
        given = _arrays.as_array(function, "confidence", confidence)
        if _arrays.device(given) == "cpu":  # rows that do not count may hold anything
            given = _arrays.from_host(correct, _arrays.host(function, "confidence", given))
        certain = column("confidence", given, "fiu")
        finite(function, "confidence", certain, has)
    wrong = ((1.0 - 2.0 * (agree | ~named)) * certain + 1.0) / 2.0
    out = library.where(has, wrong, _arrays.full(wrong, tuple(wrong.shape), "float64", 1.0))
    out[~has & ~named] = np.nan
    return out
