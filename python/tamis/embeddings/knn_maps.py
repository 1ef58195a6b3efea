"""Rows that lie in a file."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np


def map_of(x: Any) -> mmap.mmap | None:
    """The file map under an array."""
    while isinstance(x, np.ndarray):
        x = x.base
    return x if isinstance(x, mmap.mmap) else None
