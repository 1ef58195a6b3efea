"""One finding of a check or a reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tamis._shared.results import Result

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, eq=False, repr=False)
class Finding(Result):
    """Something about annotations that changes the numbers, or may change them.

    Attributes
    ----------
    kind : str
        A short name that does not change, such as ``"degenerate boxes"``.
    severity : {"error", "warning", "note"}
        "error": numbers are wrong or objects are lost; "warning": they may be; "note": information.
    count, of : int
        Number found, and number checked.
    unit : str
        What is counted, such as ``"boxes"``.
    effect : str
        The effect on the numbers.
    examples : tuple of str
        The first of them.
    """

    kind: str
    severity: Severity
    count: int
    of: int
    unit: str
    effect: str
    examples: tuple[str, ...] = ()
