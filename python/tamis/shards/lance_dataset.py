"""A Lance dataset as a shard: the rows of one version, in its order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

SUFFIX = ".lance"


def opened(path: str) -> Any:
    try:
        import lance
    except ImportError:
        raise ImportError(f"{path} needs Lance: pip install pylance") from None
    return lance.dataset(path)


def stamp(path: str) -> str:
    """Each change of a dataset is a version."""
    return f"version {opened(path).version}"


def chunks(held: Any, column: str, low: int, rows: int) -> Iterator[Any]:
    """The lists of some rows of an opened dataset; only their pages are read."""
    scanner = held.scanner(columns=[column], offset=low, limit=rows, scan_in_order=True)
    for batch in scanner.to_batches():
        yield batch.column(0)
