"""Images that lie in several files, each with a list of boxes and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.shards import storage
from tamis.shards.sources import Shard, bad_row, paths_of, read_parquet

SUFFIXES = (".npz", ".parquet")


@dataclass(frozen=True)
class ShardImages:
    """The images of all shards in turn."""

    shards: tuple[Shard, ...]
    width: int = 0  # rows of these have no columns of one width
    dtype: str = "float64"

    @property
    def n(self) -> int:
        return sum(shard.rows for shard in self.shards)


def describe_images(function: str, paths: Any, columns: Sequence[str]) -> ShardImages:
    """The shards that paths name, which must have these columns."""
    shards = []
    for path in paths_of(function, paths, SUFFIXES):
        with storage.opened(path) as file:
            if path.endswith(".npz"):
                names, rows = _npz(function, path, file)
            else:
                held = read_parquet(function, path, file)
                names, rows = held.schema_arrow.names, held.metadata.num_rows
        for column in columns:
            if column not in names:
                raise ValueError(
                    f"{function}: {path} must have {column!r}, it has {', '.join(names)}"
                )
        shards.append(Shard(path, rows, storage.stamp(path)))
    return ShardImages(tuple(shards))


def _npz(function: str, path: str, file: Any) -> tuple[list[str], int]:
    """(names, images) of a file of arrays, in which `splits` says which rows an image has."""
    try:
        held = np.load(file, allow_pickle=False)
        names, splits = list(held.files), held["splits"]
    except (ValueError, EOFError, KeyError, AttributeError, OSError) as error:
        raise ValueError(f"{function}: {path} is no .npz file with splits: {error}") from None
    return names, len(splits) - 1


def read_images(
    function: str, shard: Shard, boxes: str, columns: Sequence[str]
) -> tuple[Array, Array, list[Array]]:
    """(boxes, splits, columns) of a shard."""
    storage.check_same(function, shard.path, shard.stamp)
    with storage.opened(shard.path) as file:
        if shard.path.endswith(".npz"):
            held = np.load(file, allow_pickle=False)
            return held[boxes], held["splits"], [held[column] for column in columns]
        table = read_parquet(function, shard.path, file).read(columns=[boxes, *columns])
    values, splits = flat_lists(function, shard, boxes, table[boxes])
    values, inner = flat_lists(function, shard, boxes, values)
    wide = np.diff(inner)
    if len(wide) and (wide != wide[0]).any():
        image = int(np.searchsorted(splits, np.argmax(wide != wide[0]), side="right")) - 1
        raise bad_row(function, shard, image, f"must have boxes of {wide[0]} numbers")
    width = int(wide[0]) if len(wide) else 4
    found = []
    for column in columns:
        flat, ends = flat_lists(function, shard, column, table[column])
        if not np.array_equal(ends, splits):
            image = int(np.argmax(ends != splits)) - 1
            raise bad_row(function, shard, image, f"must have as many {column} as {boxes}")
        found.append(np.asarray(flat.to_numpy(zero_copy_only=False)))
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(-1, width), splits, found


def flat_lists(function: str, shard: Shard, name: str, lists: Any) -> tuple[Any, Array]:
    """(the values of all lists, their splits) of an Arrow column of lists."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], lists.type)
    kind = lists.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or hasattr(kind, "list_size")):
        raise TypeError(f"{function}: {shard.path}: {name} must be lists, got {kind}")
    lengths = pc.fill_null(pc.list_value_length(lists), -1).to_numpy(zero_copy_only=False)
    values = lists.flatten()
    if (lengths < 0).any() or values.null_count:
        raise ValueError(f"{function}: {shard.path}: {name} must have no nulls")
    return values, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
