"""What all results have in common: how they print, compare, and become plain Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array

MOST_LINES = 20  # of a repr
WIDTH = 96  # of a line
MOST_ITEMS = 12  # of a dict or list in it
SCALARS = (bool, int, float, str)


class Drawn:
    """Base of what `tamis.plots` has a picture of."""

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw it on matplotlib's Axes (``pip install tamis[plots]``): see `tamis.plots.plot`."""
        from tamis.plots.dispatch import plot

        return plot(self, ax, **options)

    def _repr_html_(self) -> str | None:
        """What notebooks show: the text, and a picture where there is one and matplotlib."""
        from tamis.plots.notebook import html

        return html(self)


class Result(Drawn):
    """Base of frozen dataclasses whose fields are arrays, numbers, text, and dicts of these.

    ``repr`` has a line for each field and at most 20, or one line in all if that is short enough.
    ``==`` compares arrays whole, NaN equal to NaN, and results of one type only. `to_dict` gives
    all of it as plain Python for JSON, `table` its rows as columns for data frames.
    """

    __hash__ = None  # type: ignore[assignment]

    def _public(self) -> dict[str, Any]:
        names = (f.name for f in fields(self))  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names if not name.startswith("_")}

    def _set(self, name: str, value: Any) -> None:
        """Set a field of a frozen result, while it is made or for a value computed late."""
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        name, shown = type(self).__name__, {k: _short(v) for k, v in self._public().items()}
        line = f"{name}({', '.join(f'{k}={v}' for k, v in shown.items())})"
        if len(line) <= WIDTH:
            return line
        lines = [f"  {k}: {v}" for k, v in shown.items()]
        if len(lines) > MOST_LINES - 2:
            lines[MOST_LINES - 3 :] = [f"  ... {len(lines) - MOST_LINES + 3} more"]
        return "\n".join([f"{name}(", *(line[:WIDTH] for line in lines), ")"])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Result)
        mine, theirs = self._public(), other._public()
        return mine.keys() == theirs.keys() and all(_same(mine[n], theirs[n]) for n in mine)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain Python: lists, numbers and text; None for NaN and infinity."""
        return {name: plain(value) for name, value in self._plain().items()}

    def table(self) -> dict[str, Array]:
        """Columns of equal length, NumPy arrays: ``pandas.DataFrame(result.table())``.

        A result about many things has a row for each, any other one row: see docs/results.md.
        NaN stays NaN.
        """
        return {name: _column(values) for name, values in self._columns().items()}

    def _plain(self) -> dict[str, Any]:
        """What `to_dict` converts."""
        return self._public()

    def _columns(self) -> dict[str, Any]:
        """What `table` converts: the fields that are numbers, text or flags, in one row."""
        values = self._public().items()
        return {k: [v] for k, v in values if v is None or isinstance(v, (*SCALARS, np.generic))}


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.generic):
        return value.item()
    if _is_array(value):
        values = arrays.host("to_dict", "value", value)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            return plain(values.tolist())
        return values.tolist()
    return value


def rows_of(results: Iterable[tuple[dict[str, Any], Result]]) -> dict[str, list[Any]]:
    """Columns of many one-row results: what is given with each, then its own columns."""
    columns: dict[str, list[Any]] = {}
    for given, result in results:
        own = {name: values[0] for name, values in result._columns().items()}
        for name, value in {**given, **own}.items():
            columns.setdefault(name, []).append(value)
    return columns


def spread(**columns: Any) -> dict[str, Any]:
    """Columns of (T, n) arrays: a row for each of T thresholds and n things, by their numbers."""
    count, n = next(iter(columns.values())).shape
    return {
        "threshold": np.repeat(np.arange(count), n),
        "row": np.tile(np.arange(n), count),
        **{name: values.reshape(-1) for name, values in columns.items()},
    }


def _column(values: Any) -> Array:
    """(rows,) NumPy array; objects where values are of several kinds."""
    if _is_array(values):
        return arrays.host("table", "value", values)
    kinds = {type(value) for value in values}
    if kinds <= {bool} or kinds <= {int} or kinds <= {int, float}:
        return np.array(values, None if values else np.float64)
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or hasattr(value, "__dlpack__")


def _same(a: Any, b: Any) -> bool:
    if _is_array(a) and _is_array(b):
        if arrays.device(a) != arrays.device(b):
            return False
        x, y = (arrays.host("==", "field", one) for one in (a, b))
        return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")
    if isinstance(a, (list, tuple)) and type(a) is type(b):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float) and np.isnan(a):
        return bool(np.isnan(b))
    return bool(a == b)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        shown = np.array2string(value, threshold=6, edgeitems=3, separator=", ")
        return f"{value.dtype} ({len(value)},) {shown}".replace("\n", "")
    if _is_array(value):
        kind = str(value.dtype).removeprefix("torch.")
        where = arrays.device(value)
        return f"{kind} {tuple(value.shape)}" + ("" if where == "cpu" else f" on {where}")
    if isinstance(value, Result):
        text = repr(value)
        return text if "\n" not in text else f"{type(value).__name__}(...)"
    if isinstance(value, dict):
        some = [f"{k!r}: {_short(v)}" for k, v in list(value.items())[:MOST_ITEMS]]
        return f"{{{', '.join(some)}{_rest(value)}}}"
    if isinstance(value, (list, tuple)):
        some = [_short(v) for v in value[:MOST_ITEMS]]
        return f"[{', '.join(some)}{_rest(value)}]"
    return repr(value.item() if isinstance(value, np.generic) else value)


def _rest(values: Any) -> str:
    return "" if len(values) <= MOST_ITEMS else f", ... {len(values)} in all"
