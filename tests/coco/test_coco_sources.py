"""How results and files become columns: arrays row by row, files by parallel reads."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tamis import _core
from tamis.coco import _coco_json, _sources


def slow(data: Any) -> dict[str, Any] | None:
    """What loadNumpyAnnotations and loadRes make of the rows."""
    ids = data[:, [0, 6]]
    if not (np.abs(ids) < 2**53).all():
        return None
    boxes = data[:, 1:5]
    with np.errstate(all="ignore"):
        area = boxes[:, 2] * boxes[:, 3]
    return {
        "id": np.arange(1, len(data) + 1),
        "image_id": np.array([int(i) for i in ids[:, 0]]),
        "category_id": np.array([int(i) for i in ids[:, 1]]),
        "bbox": boxes.astype(np.float64),
        "area": area,
        "score": data[:, 5].astype(np.float64),
    }


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("n", [1, 7, 20000])
def test_rows_become_columns(dtype: str, n: int) -> None:
    rows = (np.random.default_rng(n).normal(size=(n, 7)) * 1e3).astype(dtype)
    if n == 7:
        rows[2, 3], rows[3, 4], rows[1, 5] = np.nan, np.inf, np.nan
    views = [rows, rows[::2], np.asfortranarray(rows), np.repeat(rows, 2, 1)[:, ::2]]
    for view in views:
        source = _coco_json.results_from_array(view, _sources.Base(None))
        want = slow(view)
        assert source is not None and want is not None
        for name, values in want.items():
            got = getattr(source.columns, name)
            np.testing.assert_array_equal(got, values)
            assert got.dtype == values.dtype.newbyteorder("=")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2.0**53, -(2.0**53)])
@pytest.mark.parametrize("column", [0, 6])
def test_ids_that_are_no_integers_take_the_slow_way(bad: float, column: int) -> None:
    rows = np.ones((20000, 7))
    rows[15000, column] = bad
    assert _coco_json.results_from_array(rows, _sources.Base(None)) is None


@pytest.mark.parametrize("rows", [np.ones((3, 7), int), np.ones((3, 7, 2)), np.ones((0, 7))])
def test_other_arrays_take_the_slow_way(rows: Any) -> None:
    assert _coco_json.results_from_array(rows, _sources.Base(None)) is None


@pytest.mark.parametrize("size", [0, 1, 5_000_011])
def test_files_are_read_whole(size: int, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(size)
    (tmp_path / "f").write_bytes(content)
    assert _coco_json._read(tmp_path / "f").tobytes() == content


def test_a_file_shorter_than_it_was_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    with open(tmp_path / "f", "rb") as f:
        assert not _core.read_file(f.fileno(), np.empty(10, np.uint8))
    assert not _core.read_file(9999, np.empty(10, np.uint8))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_pipe_with_a_name(tmp_path: Path) -> None:
    """It can be read only once."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    # a daemon: if nobody reads, it waits in `open`, and so would the interpreter at its end
    writer = threading.Thread(target=lambda: path.write_text("{}"), daemon=True)
    writer.start()
    source, dataset = _coco_json.read_dataset(path)
    assert source is None and dataset == {}
    writer.join(10)
