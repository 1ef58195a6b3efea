"""Rows with ids, in blocks of no order of their own, become shards: what workers do."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.shards.storage import Folder, is_url, npy_header, stamp

SHARD = 1 << 18  # rows of a shard


def write_block(batch: Any, id: str, column: str, folder: str) -> dict[str, Any]:
    """A block by ascending id as two files, named by what is in them: a retry writes the same."""
    ids, rows = plain_ids(batch[id]), np.asarray(batch[column])
    if len(ids) == 0:
        return {"block": np.empty(0, "U1")}
    if rows.dtype == object:
        rows = np.stack([np.asarray(row) for row in rows])
    order = np.argsort(ids, kind="stable")
    ids, rows = ids[order], np.ascontiguousarray(rows[order])
    name = hashlib.blake2b(ids.tobytes() + rows.tobytes(), digest_size=12).hexdigest()
    save(folder, f"{name}.ids", ids)
    save(folder, f"{name}.block", rows)
    return {"block": np.array([name])}


def sort_ids(folder: str, blocks: list[str]) -> Array | None:
    """Write all ids in order, and where their rows are; where blocks end, None if ids repeat."""
    held = [read(folder, f"{block}.ids") for block in blocks]
    ids = np.concatenate(held)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        return None
    save(folder, "all.ids", ids)
    save(folder, "all.order", order)
    return np.cumsum([len(part) for part in held])


def write_shard(folder: str, blocks: list[str], ends: Array, first: int) -> str:
    """Rows in the order of their ids, a run of them from each block; one that is there stays."""
    order = read(folder, "all.order", first, first + SHARD)
    block_of = np.searchsorted(ends, order, side="right")
    rows: Any = None
    for i in np.unique(block_of):
        mine = np.flatnonzero(block_of == i)
        low = int(order[mine[0]] - (ends[i - 1] if i else 0))
        run = read(folder, f"{blocks[i]}.block", low, low + len(mine))
        if rows is None:
            rows = np.empty((len(order), *run.shape[1:]), run.dtype)
        rows[mine] = run
    name = f"{first:012d}-{hashlib.blake2b(rows.tobytes(), digest_size=12).hexdigest()}.npy"
    if not Folder(folder).has(name):
        save(folder, name, rows)
    return Folder(folder).file(name)


def save(folder: str, name: str, values: Array) -> None:
    Folder(folder).write(name, lambda file: np.save(file, values))


def read(folder: str, name: str, begin: int = 0, end: int | None = None) -> Array:
    """Some values of a file, and no others."""
    with Folder(folder).open(name) as file:
        shape, _, dtype = npy_header(file)
        end = shape[0] if end is None else min(end, shape[0])
        size = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        file.seek(file.tell() + begin * size)
        return np.frombuffer(file.read((end - begin) * size), dtype).reshape(-1, *shape[1:])


def plain_ids(ids: Any) -> Array:
    ids = np.asarray(ids)
    return ids if ids.dtype.kind in "iuUS" else np.array([str(one) for one in ids])


def look_up(table: Any, id: str, output: str, folder: str) -> Any:
    """A block with the values of its ids."""
    import pyarrow as pa

    ids, values = _all(folder, "all.ids"), _all(folder, f"all.{output}")
    asked = plain_ids(np.array(table[id].to_pylist()))
    return table.append_column(output, pa.array(values[np.searchsorted(ids, asked)]))


def _all(folder: str, name: str) -> Array:
    """A file that is looked up in: on a disk where it lies, else kept by the process."""
    path = Folder(folder).file(name)
    if is_url(path):
        return _kept(folder, name, stamp(path))
    found: Array = np.load(path, mmap_mode="r")
    return found


@functools.lru_cache(maxsize=4)
def _kept(folder: str, name: str, stamp: str) -> Array:
    return read(folder, name)
