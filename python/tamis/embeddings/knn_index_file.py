"""The file of a `KnnIndex`: a line of JSON that describes sections, and the sections.

Each begins at a multiple of 64 bytes, so that it can be mapped; each has a checksum.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from tamis._shared import output
from tamis._shared.arrays import Array
from tamis.embeddings.knn_exact import Metric
from tamis.embeddings.knn_plan import Plan
from tamis.embeddings.knn_search import METRICS, Rows

MAGIC = b"tamis KnnIndex 1\n"
ALIGNED = 64
BLOCK = 1 << 24  # bytes between which Ctrl-C is heard
MAPPED = ("x", "full", "prefix")
DTYPES = {
    "scale": "f8", "mean": "f8", "basis": "f4", "numbers": "f8", "order": "i8", "norm": "f4",
    "sum": "i4", "squares": "i4", "lost": "f4", "nodes": "i8", "splits": "f8", "directions": "f4",
    "cells": "u1", "full": "u1", "prefix": "u1",
}  # fmt: skip
PARTS = tuple(DTYPES)[3:]


@dataclass(frozen=True)
class Stored:
    """What a file holds of an index."""

    rows: Rows
    metric: Metric
    plan: Plan | None  # None where no row has a direction
    parts: dict[str, Any] | None  # of an index with codes


def save(path: output.Path, rows: Rows, kept: Rows, plan: Plan | None, metric: str) -> None:
    """Write an index of `kept`, the rows with a direction."""
    head: dict[str, Any] = {"metric": metric, "largest": float(rows.largest)}
    sections = {"x": rows.x}
    if rows.scale is not None:
        sections["scale"] = rows.scale
    if plan is not None:
        head |= {name: getattr(plan, name) for name in ("gain", "codes", "ordered", "leading")}
        sections["mean"] = plan.mean
        if plan.basis is not None:
            sections["basis"] = plan.basis
    if plan is not None and plan.codes:
        parts = kept.index.parts()
        head["bias"] = parts.pop("bias")
        sections |= parts
    output.write("KnnIndex.save: path", path, lambda file: _fill(file, head, sections))


def _fill(file: BinaryIO, head: dict[str, Any], sections: dict[str, Array]) -> None:
    listed, begin = {}, 0
    for name, array in sections.items():
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        sections[name] = array
        crc = _checksum(array)
        listed[name] = [array.dtype.str, list(array.shape), begin, crc]
        begin += -(-array.nbytes // ALIGNED) * ALIGNED
    text = json.dumps(head | {"sections": listed, "size": begin}).encode()
    first = MAGIC + b"%d %d\n" % (len(text), zlib.crc32(text)) + text
    file.write(first + b"\0" * (-len(first) % ALIGNED))
    for array in sections.values():
        for block in _blocks(array):
            file.write(block)
        file.write(b"\0" * (-array.nbytes % ALIGNED))


def load(path: output.Path, *, verify: bool) -> Stored:
    """What a file holds, its large sections mapped."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"KnnIndex.load: path must be the name of a file, got {path!r}")
    if os.fspath(path) in ("", b""):
        raise ValueError("KnnIndex.load: path must be the name of a file, got ''")
    output.check_readable("KnnIndex.load: path", path)
    try:
        head, first = _head(path)
        sections = _sections(path, head["sections"], first, verify)
        return _stored(head, sections)
    except OSError:
        raise
    except Exception as error:  # a damaged file can raise about anything
        raise damaged(path, str(error)) from None


def damaged(path: output.Path, what: str) -> ValueError:
    return ValueError(
        f"KnnIndex.load: {os.fspath(path)!r} is not an index that can be read: {what}"
    )


def check_same(path: output.Path, stored: Array, x: Array) -> None:
    """Raise unless an index is of these rows."""
    where = f"KnnIndex.load: {os.fspath(path)!r} is an index of other rows"
    if stored.shape != x.shape or stored.dtype != x.dtype:
        raise ValueError(
            f"{where}: {stored.dtype} of shape {stored.shape}, got {x.dtype} {x.shape}"
        )
    step = max(1, BLOCK // max(1, stored[:1].nbytes))
    for begin in range(0, len(x), step):
        differ = (stored[begin : begin + step] != x[begin : begin + step]).any(1)
        if differ.any():
            raise ValueError(f"{where}: row {begin + int(differ.argmax())} differs")


def _head(path: output.Path) -> tuple[dict[str, Any], int]:
    """(what describes the sections, where the first begins)."""
    with open(path, "rb") as file:
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            known = magic.startswith(MAGIC[:15])
            raise ValueError("it is of another version" if known else "it does not begin as one")
        length, crc = (int(part) for part in file.readline(64).split())
        size = os.fstat(file.fileno()).st_size
        if not 0 <= length <= size:
            raise ValueError("it is cut")
        text = file.read(length)
        if len(text) != length or zlib.crc32(text) != crc:
            raise ValueError("its head is damaged")
        first = -(-file.tell() // ALIGNED) * ALIGNED
    head = json.loads(text)
    if size != first + head["size"]:
        raise ValueError(f"it has {size} bytes instead of {first + head['size']}")
    return head, first


def _sections(
    path: output.Path, listed: dict[str, Any], first: int, verify: bool
) -> dict[str, Array]:
    sections = {}
    for name, (dtype, shape, begin, crc) in listed.items():
        array: Array = np.empty(0, dtype)
        if 0 not in shape:
            array = np.memmap(path, dtype, "r", first + begin, tuple(shape))
        if (verify or name not in MAPPED) and _checksum(array) != crc:
            raise ValueError(f"its section {name} is damaged")
        sections[name] = array.reshape(shape) if name in MAPPED else np.array(array.reshape(shape))
    return sections


def _stored(head: dict[str, Any], sections: dict[str, Array]) -> Stored:
    x, metric = sections["x"], head["metric"]
    for name, dtype in DTYPES.items():
        if name in sections and sections[name].dtype != np.dtype(dtype):
            raise ValueError(f"its section {name} is {sections[name].dtype}")
    if metric not in METRICS or x.ndim != 2 or x.dtype not in (np.float32, np.float64):
        raise ValueError(f"it holds {x.dtype} {x.shape} and metric {metric!r}")
    rows = Rows(x, float(head["largest"]))
    if metric == "cosine":
        scale = sections["scale"]
        zeros = np.flatnonzero(~np.isfinite(scale))
        rows = Rows(x, 1.0, scale, np.zeros(x.shape[1]), zeros)
    plan = parts = None
    if "mean" in sections:
        codes, ordered = bool(head["codes"]), bool(head["ordered"])
        gain, basis = float(head["gain"]), sections.get("basis")
        leading = int(head.get("leading", 0))  # older files have none
        plan = Plan(sections["mean"], gain, codes, ordered, basis, leading)
        sections.setdefault("cells", np.zeros(0, np.uint8))  # nor these
        parts = {"bias": head["bias"]} | {n: sections[n] for n in PARTS} if codes else None
    return Stored(rows, metric, plan, parts)


def _checksum(array: Array) -> int:
    crc = 0
    for block in _blocks(array):
        crc = zlib.crc32(block, crc)
    return crc


def _blocks(array: Array) -> Iterator[memoryview]:
    """The bytes of a contiguous array."""
    flat = array.reshape(-1).view(np.uint8)
    for begin in range(0, len(flat), BLOCK):
        yield flat[begin : begin + BLOCK].data
