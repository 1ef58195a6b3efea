"""Rows in memory-mapped files that may not fit in memory."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

STAYS = 0.25  # of the memory: files up to this are taken to stay there once they are read


@contextlib.contextmanager
def random_access(arrays: Sequence[Any]) -> Iterator[bool]:
    """Whether rows of these arrays lie in large files, which are then advised for random access.

    Small files are searched several times as fast without.
    """
    maps = [found for found in map(_map_of, arrays) if found is not None]
    if not hasattr(mmap, "MADV_RANDOM") or sum(map(len, maps)) <= STAYS * _memory():
        yield False
        return
    for found in maps:
        found.madvise(mmap.MADV_RANDOM)
    try:
        yield True
    finally:
        for found in maps:
            found.madvise(mmap.MADV_NORMAL)


def _map_of(x: Any) -> mmap.mmap | None:
    """The file map under an array."""
    while isinstance(x, np.ndarray):
        x = x.base
    return x if isinstance(x, mmap.mmap) else None


@cache
def _memory() -> int:
    """Bytes of memory of the machine, or that its control group leaves."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            found = min(found, int(Path("/sys/fs/cgroup", limit).read_text()))
    return found
