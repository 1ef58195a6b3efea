"""Problems of label files, all reported at once, each with its file and line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

_SHOWN = 20


class Problem(NamedTuple):
    """One thing that could not be read; `line` is from 1, 0 for the file as a whole."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.text}"


class AnnotationError(ValueError):
    """Label files that cannot be read.

    Attributes
    ----------
    problems : tuple of Problem
        All of them; the message shows the first 20.

    Examples
    --------
    >>> import pathlib, tempfile, tamis
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "gt.json")
    ...     _ = file.write_text('{"images": [], "annotations": 3}')
    ...     try:
    ...         tamis.read(file)
    ...     except tamis.AnnotationError as error:
    ...         print([problem.text for problem in error.problems])
    ["expected a list 'annotations', got int"]
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self._message())

    def _message(self) -> str:
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        if len(self.problems) == 1:
            return lines[0]
        files = len({problem.path for problem in self.problems})
        more = len(self.problems) - len(lines)
        head = f"{len(self.problems)} problems in {files} file{'s' * (files > 1)}:"
        return "\n  ".join([head, *lines, *([f"and {more} more"] if more else [])])

    def __reduce__(self) -> tuple[type[AnnotationError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class Problems:
    """Collects problems while files are read."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str | os.PathLike[str], line: int, text: str) -> None:
        self.found.append(Problem(os.fspath(path), line, text))

    def raise_if_any(self) -> None:
        if self.found:
            raise AnnotationError(self.found)


def fail(path: str | os.PathLike[str], text: str, line: int = 0) -> AnnotationError:
    """One problem, to raise."""
    return AnnotationError([Problem(os.fspath(path), line, text)])
