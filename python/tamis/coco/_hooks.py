"""Whether somebody has put functions of their own in the place of ours."""

from __future__ import annotations

from types import ModuleType
from typing import Any


class Originals:
    """The functions of a class or module as they were when it was made.

    The fast way calls none of them, so it may only be taken while they are all in place.
    """

    def __init__(self, owner: Any, *names: str) -> None:
        self._functions = {name: getattr(owner, name) for name in names}

    def replaced(self, thing: Any, *names: str) -> bool:
        """Whether an object itself, a subclass or a patch of the class has others of these names.

        All names by default. A module is asked for its own.
        """
        mine = {} if isinstance(thing, ModuleType) else getattr(thing, "__dict__", {})
        home = thing if isinstance(thing, ModuleType) else type(thing)
        return any(
            name in mine or getattr(home, name, None) is not self._functions[name]
            for name in names or self._functions
        )
