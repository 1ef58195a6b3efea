"""Embeddings in several .npy or Parquet files or Lance datasets, numbered through as one matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.embeddings.knn_search import BadRow, checked_norms
from tamis.shards import lance_dataset, storage

SUFFIXES = (".npy", ".parquet", lance_dataset.SUFFIX)
WIDTHS = {"float16": "float32", "float32": "float32", "float64": "float64"}  # as they are held


@dataclass(frozen=True)
class Shard:
    """One file: its rows, and what changes when it does."""

    path: str
    rows: int
    stamp: str


@dataclass(frozen=True)
class ShardRows:
    """The rows of all shards in turn."""

    shards: tuple[Shard, ...]
    column: str | None
    width: int
    dtype: str  # that rows are held in

    @property
    def n(self) -> int:
        return sum(shard.rows for shard in self.shards)

    def pieces(self, begin: int, end: int) -> Iterator[tuple[Shard, int, int]]:
        """(shard, from, to) of the shards that have rows of [begin, end)."""
        first = 0
        for shard in self.shards:
            low, high = max(begin, first), min(end, first + shard.rows)
            if low < high:
                yield shard, low - first, high - first
            first += shard.rows

    def read(
        self,
        function: str,
        spans: Sequence[tuple[int, int]],
        check: Callable[[str, str, Array], Any] | None = checked_norms,
    ) -> Array:
        """The rows of some spans, which pass `check` where one is given."""
        out = np.empty((sum(end - begin for begin, end in spans), self.width), self.dtype)
        at = 0
        for begin, end in spans:
            for shard, low, high in self.pieces(begin, end):
                storage.check_same(function, shard.path, shard.stamp)
                part = out[at : at + high - low]
                _fill(function, shard, self.column, low, part)
                try:
                    if check is not None:
                        check(function, shard.path, part)
                except BadRow as bad:
                    raise bad_row(function, shard, low + bad.row, bad.what) from None
                at += high - low
        return out

    def where(self, row: int) -> tuple[Shard, int]:
        """The shard of a row, and its number in it."""
        shard, low, _ = next(self.pieces(row, row + 1))
        return shard, low


def bad_row(function: str, shard: Shard, row: int, what: str) -> ValueError:
    return ValueError(f"{function}: {shard.path}: row {row} {what}")


def describe(function: str, paths: Any, column: str | None) -> ShardRows:
    """The shards that paths name; their rows, width and dtype from their headers."""
    shards, kinds = [], []
    for path in paths_of(function, paths, SUFFIXES):
        rows, width, dtype = _header(function, path, column)
        if dtype not in WIDTHS:
            raise TypeError(
                f"{function}: {path} must hold float16, float32 or float64, got {dtype}"
            )
        shards.append(Shard(path, rows, storage.stamp(path)))
        kinds.append((path, width, WIDTHS[dtype]))
    first, width, held = kinds[0]
    for path, other, dtype in kinds:
        if (other, dtype) != (width, held):
            raise ValueError(
                f"{function}: {path} must have {width} columns of {held} as {first} has,"
                f" got {other} of {dtype}"
            )
    if width == 0:
        raise ValueError(f"{function}: {first} must have at least one column")
    return ShardRows(tuple(shards), column, width, held)


def paths_of(function: str, paths: Any, suffixes: tuple[str, ...]) -> list[str]:
    """One path, several, or a folder, as files that can be read."""
    given = [paths] if isinstance(paths, str) or hasattr(paths, "__fspath__") else list(paths)
    found = [one for path in given for one in storage.listed(storage.plain(path), suffixes)]
    if not found:
        raise ValueError(f"{function}: paths must name {' or '.join(suffixes)} files, got none")
    for path in found:
        if not path.endswith(suffixes):
            raise ValueError(f"{function}: {path} must end in {' or '.join(suffixes)}")
    return found


def _header(function: str, path: str, column: str | None) -> tuple[int, int, str]:
    """(rows, width, dtype) without the rows."""
    if path.endswith(lance_dataset.SUFFIX):
        held = lance_dataset.opened(path)
        column, kind = _list_column(function, path, held.schema, column)
        width = _width_of(kind, lance_dataset.chunks(held, column, 0, 1))
        return held.count_rows(), width, _dtype_of(kind)
    with storage.opened(path) as file:
        if path.endswith(".npy"):
            shape, dtype, _ = _npy_header(function, path, file)
            return shape[0], shape[1], dtype.name
        return _parquet_header(function, path, file, column)


def _npy_header(function: str, path: str, file: Any) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    try:
        shape, fortran, dtype = storage.npy_header(file)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{function}: {path} is not a .npy file: {error}") from None
    if fortran or len(shape) != 2:
        order = " in Fortran order" if fortran else ""
        raise ValueError(f"{function}: {path} must hold (N, D) in C order, got {shape}{order}")
    return shape, dtype, file.tell()


def _fill(function: str, shard: Shard, column: str | None, low: int, out: Array) -> None:
    """Rows of a shard from `low` on."""
    if shard.path.endswith(lance_dataset.SUFFIX):
        held = lance_dataset.opened(shard.path)
        column, _ = _list_column(function, shard.path, held.schema, column)
        chunks = lance_dataset.chunks(held, column, low, len(out))
        return _fill_lists(function, shard, low, out, chunks)
    with storage.opened(shard.path) as file:
        if shard.path.endswith(".npy"):
            _fill_npy(function, shard, low, out, file)
        else:
            _fill_parquet(function, shard, column, low, out, file)


def _fill_npy(function: str, shard: Shard, low: int, out: Array, file: Any) -> None:
    shape, dtype, start = _npy_header(function, shard.path, file)
    file.seek(start + low * shape[1] * dtype.itemsize)
    held: Any = out if dtype == out.dtype else np.empty(out.shape, dtype)
    view = memoryview(held).cast("B") if held.size else memoryview(b"")
    done = 0
    while done < len(view):
        got = file.readinto(view[done:])
        if not got:
            row = low + done // max(1, shape[1] * dtype.itemsize)
            raise bad_row(function, shard, row, "is not there: the file ends before it")
        done += got
    if held is not out:
        out[:] = held


def read_parquet(function: str, path: str, file: Any) -> Any:
    """A Parquet file of which nothing but the end is read yet."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError:
        raise ImportError(f"{path} needs pyarrow: pip install tamis[arrow]") from None
    try:
        return parquet.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{function}: {path} is not a Parquet file: {error}") from None


def _parquet_header(
    function: str, path: str, file: Any, column: str | None
) -> tuple[int, int, str]:
    held = read_parquet(function, path, file)
    column, kind = _list_column(function, path, held.schema_arrow, column)
    width = _width_of(kind, (one.column(0) for one in held.iter_batches(1, columns=[column])))
    return held.metadata.num_rows, width, _dtype_of(kind)


def _list_column(function: str, path: str, schema: Any, column: str | None) -> tuple[str, Any]:
    """The column of lists that is meant, and its type."""
    import pyarrow as pa

    is_list = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
    lists = [f.name for f in schema if any(is_kind(f.type) for is_kind in is_list)]
    if column is None and len(lists) == 1:
        column = lists[0]
    if column is None or column not in lists:
        raise ValueError(
            f"{function}: column must be one of the lists of {path}: {', '.join(lists) or 'none'},"
            f" got {column!r}"
        )
    return column, schema.field(column).type


def _dtype_of(kind: Any) -> str:
    name = str(kind.value_type)
    return {"halffloat": "float16", "float": "float32", "double": "float64"}.get(name, name)


def _width_of(kind: Any, chunks: Iterator[Any]) -> int:
    """The length of lists; only where it is not fixed is the first of them read."""
    if hasattr(kind, "list_size"):
        return int(kind.list_size)
    first: Any = next(chunks, ())
    return len(first[0]) if len(first) else 0


def _fill_parquet(
    function: str, shard: Shard, column: str | None, low: int, out: Array, file: Any
) -> None:
    """Row group by row group; only those that have some of the rows are read."""
    held = read_parquet(function, shard.path, file)
    column, _ = _list_column(function, shard.path, held.schema_arrow, column)
    first, high = 0, low + len(out)
    for group in range(held.num_row_groups):
        rows = held.metadata.row_group(group).num_rows
        begin, end = max(low, first), min(high, first + rows)
        if begin < end:
            part = held.read_row_group(group, columns=[column], use_threads=False)[column]
            part = part.slice(begin - first, end - begin)
            _fill_lists(function, shard, begin, out[begin - low : end - low], part.chunks)
        first += rows


def _fill_lists(function: str, shard: Shard, low: int, out: Array, chunks: Iterable[Any]) -> None:
    """Chunks of lists, whose first row is `low` of the shard."""
    at = 0
    for chunk in chunks:
        out[at : at + len(chunk)] = _values(function, shard, low + at, chunk, out.shape[1])
        at += len(chunk)
    if at < len(out):
        raise bad_row(function, shard, low + at, "is not there: the file ends before it")


def _values(function: str, shard: Shard, row: int, chunk: Any, width: int) -> Array:
    """(rows, width) of a chunk of lists, whose first row is `row` of the shard."""
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(chunk), -1).to_numpy(zero_copy_only=False)
    if (lengths != width).any():
        bad = int(np.argmax(lengths != width))
        got = "null" if lengths[bad] < 0 else f"{lengths[bad]}"
        raise bad_row(function, shard, row + bad, f"must have {width} values, got {got}")
    flat = chunk.flatten()
    if flat.null_count:
        bad = int(np.argmax(flat.is_null().to_numpy(zero_copy_only=False))) // width
        raise bad_row(function, shard, row + bad, "must have no nulls")
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(chunk), width)
