"""Metadata that a function takes over from the FiftyOne function it replaces."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def in_place_of(original: Callable[..., Any]) -> Callable[[Function], Function]:
    """Put FiftyOne's docstring before the decorated function's, which lists the differences."""

    def keep(function: Function) -> Function:
        if original.__doc__ and function.__doc__:  # python -OO has none
            own = cleandoc(function.__doc__)
            function.__doc__ = f"{cleandoc(original.__doc__)}\n\nWith tamis\n----------\n{own}"
        return function

    return keep
