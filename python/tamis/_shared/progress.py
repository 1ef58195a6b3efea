"""What ``progress=`` means: nothing, a callable, or a bar."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tamis import _core

Progress = bool | Callable[[int, int], Any] | None


def reporter(progress: Progress, title: str) -> Callable[[int, int], Any]:
    """A function of (done, total); `progress` is a callable, True for a bar, or False or None."""
    if callable(progress):
        return progress
    if progress is not None and not isinstance(progress, (bool, np.bool_)):
        raise TypeError(f"{title}: progress must be True, False or callable, got {progress!r}")
    if not progress:
        return lambda done, total: None
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return _line(title)
    bar = tqdm(desc=title, total=None)

    def advance(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return advance


@contextlib.contextmanager
def telling(report: Callable[[int, int], Any]) -> Iterator[None]:
    """Compiled loops of this thread that take long call it meanwhile: what is done of one loop."""
    before = _core.listen(report)
    try:
        yield
    finally:
        _core.listen(before)


def _line(title: str) -> Callable[[int, int], None]:
    """A line on stderr, there at once: how much is done, how long it took and how long it takes."""
    begun = time.monotonic()

    def show(done: int, total: int) -> None:
        spent = time.monotonic() - begun
        text = f"{title}: {100 * done // max(1, total):3d} %  {_clock(spent)}"
        if 0 < done < total:
            text += f", {_clock(spent * (total - done) / done)} left"
        print(f"\r{text:<60}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    show(0, 1)
    return show


def _clock(seconds: float) -> str:
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"
