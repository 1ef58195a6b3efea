"""Columns beside the rows of an array: row numbers, labels, and values of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis._shared.arrays import cast, check_shape, column, dtype_name, host, integers, library


def row_numbers(function: str, name: str, x: Any, n: int) -> np.ndarray:
    """Rows of `n`, given by their numbers or by a mask, as int64 on the host."""
    x = column(function, name, x)
    check_shape(function, name, x, (name[0].upper(),))
    if dtype_name(x) == "bool":
        check_shape(function, name, x, (n,))
        return np.flatnonzero(host(function, name, x))
    found = host(function, name, integers(function, name, x))
    outside = (found < 0) | (found >= n)
    if outside.any():
        at = int(np.argmax(outside))
        raise ValueError(
            f"{function}: {name} must be 0 to {n - 1}, got {found[at]} at position {at}"
        )
    return np.asarray(found, np.int64)


def codes(function: str, name: str, x: Any, n: int) -> np.ndarray:
    """(n,) integers, equal where values of any kind are; missing ones (NaN, None) are equal."""
    values = x
    if isinstance(x, (list, tuple)):
        values = np.empty(len(x), object)
        for i, value in enumerate(x):
            values[i] = value
    values = host(function, name, values)
    check_shape(function, name, values, (n,))
    if values.dtype != object:
        return np.asarray(np.unique(values, return_inverse=True)[1]).reshape(n)
    known: dict[Any, int] = {}
    found = np.empty(n, np.int64)
    for i, value in enumerate(values):
        try:
            found[i] = known.setdefault(None if _is_missing(value) else _plain(value), len(known))
        except TypeError:
            raise TypeError(
                f"{function}: {name} must hold numbers or strings, got {type(value).__name__}"
                f" in row {i}"
            ) from None
    return found


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA
        return True
    except (ValueError, RuntimeError):  # an array
        return False


def _plain(value: Any) -> Any:
    """A single number of a library, which may be hashed by its address, as one of Python."""
    return value.item() if library(value) != "numpy" else value


def labels(function: str, name: str, x: Any) -> Any:
    """`integers`, and bools for the labels 0 and 1."""
    x = column(function, name, x)
    return cast(x, "uint8") if dtype_name(x) == "bool" else integers(function, name, x)
