"""What all results have in common: how they print, compare, and become plain Python."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from tamis._shared import arrays

MOST_LINES = 20  # of a repr
WIDTH = 96  # of a line


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

    ``repr`` has a line for each field and at most 20. ``==`` compares arrays whole, NaN equal to
    NaN, and results of one type only. `to_dict` gives plain Python for JSON.
    """

    __hash__ = None  # type: ignore[assignment]

    def _public(self) -> dict[str, Any]:
        names = (f.name for f in fields(self))  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names if not name.startswith("_")}

    def __repr__(self) -> str:
        lines = [f"  {name}: {_short(value)}" for name, value in self._public().items()]
        if len(lines) > MOST_LINES - 2:
            lines[MOST_LINES - 3 :] = [f"  ... {len(lines) - MOST_LINES + 3} more"]
        return "\n".join([f"{type(self).__name__}(", *(line[:WIDTH] for line in lines), ")"])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Result)
        mine, theirs = self._public(), other._public()
        return all(_same(mine[name], theirs[name]) for name in mine)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain Python: lists, numbers and text; None for NaN and infinity."""
        return {name: plain(value) for name, value in self._public().items()}


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


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or hasattr(value, "__dlpack__")


def _same(a: Any, b: Any) -> bool:
    if _is_array(a) and _is_array(b):
        if arrays.device(a) != arrays.device(b):
            return False
        x, y = (arrays.host("==", "field", one) for one in (a, b))
        return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")
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
    return repr(value)
