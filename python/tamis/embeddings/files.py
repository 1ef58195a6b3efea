"""Reads embeddings and names from files, and writes results to files."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tamis._shared import output
from tamis._shared.arrays import Array

KINDS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
TABLES = (".txt", ".csv", ".json", ".parquet")
SHARDS = (".npy", ".npz", ".parquet", ".arrow", ".safetensors")


def read_embeddings(path: str) -> Array:
    """(N, D) array of a .npy (left on disk), .npz, Parquet, Arrow or safetensors file, or a folder.

    ``FILE::NAME`` takes the array or column of that name; else the one there is. The shards of a
    folder are taken in the order of their names.
    """
    file, _, name = path.partition("::")
    if os.path.isdir(file):
        shards = sorted(p for p in Path(file).iterdir() if p.suffix in SHARDS)
        if not shards:
            raise ValueError(f"{file} holds no shards, files {' '.join(SHARDS)}")
        parts = [read_embeddings(f"{p}::{name}" if name else str(p)) for p in shards]
        return np.concatenate(parts)
    output.check_readable("embeddings", file)
    suffix = Path(file).suffix
    if suffix in (".parquet", ".arrow", ".feather"):
        found = _vectors(file, name)
    elif suffix == ".safetensors":
        found = _safetensors(file, name)
    else:
        found = _numpy(file, name)
    if found.ndim != 2 or found.dtype.kind != "f":
        raise ValueError(f"{path} must hold (N, D) floats, got {found.dtype} {found.shape}")
    return found


def _numpy(file: str, name: str) -> Array:
    try:
        held = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        raise ValueError(f"{file} is not a .npy or .npz file of numbers") from None
    if isinstance(held, np.ndarray):
        return held
    with held:
        return np.asarray(held[_only(file, held.files, name)])


def _only(file: str, names: Sequence[str], wanted: str) -> str:
    """The name wanted, or the only one there is."""
    if wanted or len(names) != 1:
        if wanted not in names:
            raise ValueError(f"{file}::NAME must name one of {', '.join(names)}, got {wanted!r}")
        return wanted
    return names[0]


def _safetensors(file: str, name: str) -> Array:
    """Mapped where it lies; the format is a length, a JSON header, and the bytes."""
    size = os.path.getsize(file)
    with open(file, "rb") as opened:
        length = struct.unpack("<Q", opened.read(8).ljust(8, b"\0"))[0]
        if length > size - 8:
            raise ValueError(f"{file} is not a safetensors file")
        header = json.loads(opened.read(length))
    header.pop("__metadata__", None)
    tensor = header[_only(file, list(header), name)]
    begin, end = tensor["data_offsets"]
    kind, shape = tensor["dtype"], tuple(tensor["shape"])
    dtype = np.dtype("<u2" if kind == "BF16" else KINDS.get(kind, "V1"))
    if dtype.kind == "V":
        raise ValueError(f"{file} must hold F16, BF16, F32 or F64, got {kind}")
    if not 0 <= begin <= end <= size - 8 - length or end - begin != dtype.itemsize * np.prod(shape):
        raise ValueError(f"{file} has a tensor beyond its end, or of another size than its shape")
    found = np.memmap(file, dtype, "r", 8 + length + begin, shape)
    if kind == "BF16":
        return (found.astype(np.uint32) << 16).view(np.float32)
    return found


def _table(file: str) -> Any:
    try:
        import pyarrow.feather
        import pyarrow.parquet
    except ImportError:
        raise ImportError(f"{file} needs pyarrow: pip install tamis[arrow]") from None
    if file.endswith(".parquet"):
        return pyarrow.parquet.read_table(file)
    return pyarrow.feather.read_table(file)


def _vectors(file: str, name: str) -> Array:
    """The list column of that name, or the only one there is."""
    import pyarrow as pa

    table = _table(file)
    lists = [
        field.name
        for field in table.schema
        if pa.types.is_list(field.type)
        or pa.types.is_large_list(field.type)
        or pa.types.is_fixed_size_list(field.type)
    ]
    column = table.column(_only(file, lists, name)).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if column.null_count:
        raise ValueError(f"{file} must have no nulls among the embeddings")
    values = column.flatten().to_numpy(zero_copy_only=False)
    rows = len(column)
    if rows and not pa.types.is_fixed_size_list(column.type):
        lengths = np.diff(column.offsets.to_numpy())
        if (lengths != lengths[0]).any():
            bad = int(np.argmax(lengths != lengths[0]))
            raise ValueError(
                f"{file} must have embeddings of one length, row {bad} has {lengths[bad]}"
                f" instead of {lengths[0]}"
            )
    return np.asarray(values).reshape(rows, -1)


def read_names(path: str | None, n: int) -> list[str] | None:
    """Names of the rows: lines of a text, or a column (``FILE::COLUMN``, else the first)."""
    found = None if path is None else read_column(path)
    if found is not None and len(found) != n:
        raise ValueError(
            f"{path} must have {n} names, one a row of the embeddings, got {len(found)}"
        )
    return found


def read_column(path: str) -> list[str]:
    file, _, column = path.partition("::")
    if file.endswith((".parquet", ".arrow", ".feather")):
        table = _table(file)
        return [str(v) for v in table.column(column or table.column_names[0]).to_pylist()]
    with open(file, encoding="utf-8", newline="") as opened:
        if not file.endswith(".csv"):
            return [line for line in opened.read().splitlines() if line]
        rows = list(csv.reader(opened))
    if not rows:
        return []
    if column and column not in rows[0]:
        raise ValueError(f"{file} must have a column {column!r}, it has {', '.join(rows[0])}")
    at = rows[0].index(column) if column else 0
    return [row[at] for row in rows[1:]]


def read_rows(path: str, names: list[str] | None, n: int) -> Array:
    """Row numbers of the names in a file; without names, the row numbers in it."""
    found = read_column(path)
    if names is None:
        place = {str(i): i for i in range(n)}
    else:
        place = {name: i for i, name in enumerate(names)}
    unknown = [name for name in found if name not in place]
    if unknown:
        raise ValueError(f"{path} has {len(unknown)} that are no rows, the first is {unknown[0]!r}")
    return np.array([place[name] for name in found], np.int64)


def write_table(path: str, columns: dict[str, list[Any]]) -> None:
    """Columns as .csv, .json, .parquet, or the first of them as lines of .txt."""
    suffix = Path(path).suffix
    if suffix == ".parquet":
        _table_writer(path, columns)
        return
    names = list(columns)
    rows = list(zip(*columns.values(), strict=True))
    if suffix == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
        content = text.getvalue()
    elif suffix == ".json":
        content = json.dumps([dict(zip(names, row, strict=True)) for row in rows]) + "\n"
    elif suffix == ".txt":
        content = "".join(f"{row[0]}\n" for row in rows)
    else:
        raise ValueError(f"--output must end in {', '.join(TABLES)}, got {path!r}")
    output.write("--output", path, lambda file: file.write(content.encode()))


def _table_writer(path: str, columns: dict[str, list[Any]]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError:
        raise ImportError(f"{path} needs pyarrow: pip install tamis[arrow]") from None
    table = pa.table(columns)
    output.write("--output", path, lambda file: parquet.write_table(table, file))
