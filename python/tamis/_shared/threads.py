"""How many threads tamis works with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tamis import _core
from tamis._shared import arrays

MOST = 4096
VARIABLE = "TAMIS_NUM_THREADS"


def num_threads() -> int:
    """How many threads a call made here and now may use.

    Returns
    -------
    int
        The number of the innermost :func:`threads` block of this thread; else that of
        :func:`set_num_threads` or of TAMIS_NUM_THREADS in the environment; else the CPUs this
        process may use.

    Examples
    --------
    >>> import tamis
    >>> tamis.num_threads() >= 1
    True
    """
    return int(_core.num_threads())


def set_num_threads(n: int) -> None:
    """Set how many threads a call may use, for the whole process.

    Parameters
    ----------
    n : int
        1 to 4096, or 0 for the CPUs this process may use, which is the default unless
        TAMIS_NUM_THREADS was set in the environment when tamis was imported.

    Raises
    ------
    TypeError, ValueError
        For anything else.

    Notes
    -----
    Running calls keep their threads. No result depends on the number. Any thread may set it at any
    time, and the last value holds for all threads except those in a :func:`threads` block.

    Examples
    --------
    >>> import tamis
    >>> tamis.set_num_threads(2)
    >>> tamis.num_threads()
    2
    >>> tamis.set_num_threads(0)  # the default again
    """
    _core.set_num_threads(_checked("set_num_threads", n, 0))


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Calls made in this block, by this thread, use up to `n` threads.

    Parameters
    ----------
    n : int
        1 to 4096, or 0 for the CPUs this process may use.

    Raises
    ------
    TypeError, ValueError
        For anything else.

    Notes
    -----
    Other threads are not affected, not even those started in the block, and :func:`set_num_threads`
    in the block has no effect on it. Blocks nest; leaving one, also by an exception, restores the
    previous number. A coroutine that waits in a block shares it with whatever its thread runs
    meanwhile.

    Examples
    --------
    >>> import tamis
    >>> with tamis.threads(1):
    ...     tamis.num_threads()
    1
    """
    before = _core.set_thread_limit(_checked("threads", n, 0))
    try:
        yield
    finally:
        _core.set_thread_limit(before)


def read_environment() -> None:
    """Take what TAMIS_NUM_THREADS says, or raise for what is not a number of threads."""
    said = os.environ.get(VARIABLE, "").strip()
    if said:
        _core.set_num_threads(_checked(VARIABLE, int(said) if said.isdecimal() else said, 0))


def _checked(function: str, n: Any, least: int) -> int:
    arrays.check_integer(function, "n", n, least, MOST)
    return int(n)
