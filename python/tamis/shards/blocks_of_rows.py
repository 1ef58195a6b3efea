"""Rows with ids, in blocks of no order of their own, become shards: what workers do."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np

from tamis._shared import output
from tamis._shared.arrays import Array

SHARD = 1 << 18  # rows of a shard


def write_block(batch: Any, id: str, column: str, folder: str) -> dict[str, Any]:
    """A block as two files, named by what is in them so that a retry writes the same."""
    ids, rows = plain_ids(batch[id]), np.asarray(batch[column])
    if len(ids) == 0:
        return {"block": np.empty(0, "U1")}
    if rows.dtype == object:
        rows = np.stack([np.asarray(row) for row in rows])
    rows = np.ascontiguousarray(rows)
    name = hashlib.blake2b(ids.tobytes() + rows.tobytes(), digest_size=12).hexdigest()
    save(os.path.join(folder, f"{name}.ids"), ids)
    save(os.path.join(folder, f"{name}.block"), rows)
    return {"block": np.array([name])}


def sort_ids(folder: str, blocks: list[str]) -> int | None:
    """Write all ids in order, and where their rows are; how many, or None where some repeat."""
    held = [np.load(os.path.join(folder, f"{block}.ids")) for block in blocks]
    ids = np.concatenate(held)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        return None
    save(os.path.join(folder, "all.ids"), ids)
    save(os.path.join(folder, "all.order"), order)
    return len(ids)


def write_shard(folder: str, blocks: list[str], first: int) -> str:
    """Rows in the order of their ids, from blocks on the disk; a shard of the same rows stays."""
    order = np.load(os.path.join(folder, "all.order"), mmap_mode="r")[first : first + SHARD]
    held = [np.load(os.path.join(folder, f"{block}.block"), mmap_mode="r") for block in blocks]
    ends = np.cumsum([len(block) for block in held])
    block_of = np.searchsorted(ends, order, side="right")
    rows = np.empty((len(order), held[0].shape[1]), held[0].dtype)
    for i, block in enumerate(held):
        mine = np.flatnonzero(block_of == i)
        rows[mine] = block[order[mine] - (ends[i] - len(block))]
    name = hashlib.blake2b(rows.tobytes(), digest_size=12).hexdigest()
    path = os.path.join(folder, f"{first:012d}-{name}.npy")
    if not os.path.exists(path):
        save(path, rows)
    return path


def save(path: str, values: Array) -> None:
    output.write("tamis.ray: state", path, lambda file: np.save(file, values))


def plain_ids(ids: Any) -> Array:
    ids = np.asarray(ids)
    return ids if ids.dtype.kind in "iuUS" else np.array([str(one) for one in ids])


def look_up(table: Any, id: str, output: str, folder: str) -> Any:
    """A block with the values of its ids."""
    import pyarrow as pa

    ids = np.load(os.path.join(folder, "all.ids"), mmap_mode="r")
    values = np.load(os.path.join(folder, f"all.{output}"), mmap_mode="r")
    asked = plain_ids(np.array(table[id].to_pylist()))
    return table.append_column(output, pa.array(values[np.searchsorted(ids, asked)]))
