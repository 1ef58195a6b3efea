"""Whether functions of a class or module have been replaced."""

from __future__ import annotations

from types import ModuleType
from typing import Any


class Originals:
    """The functions of a class or module as they were when it was made.

    The fast path calls none of them, so it is used only while all are in place.
    """

    def __init__(self, owner: Any, *names: str) -> None:
        self._functions = {name: getattr(owner, name) for name in names}

    def replaced(self, thing: Any, *names: str) -> bool:
        """Whether an object, a subclass or a patched class has other functions of these names.

        All names by default. A module is asked for its own.
        """
        mine = {} if isinstance(thing, ModuleType) else getattr(thing, "__dict__", {})
        home = thing if isinstance(thing, ModuleType) else type(thing)
        return any(
            name in mine or getattr(home, name, None) is not self._functions[name]
            for name in names or self._functions
        )
