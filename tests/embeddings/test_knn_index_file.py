"""Files of tamis.KnnIndex: there and back, mapped, and refused where they are not whole."""

import os
from typing import Any

import numpy as np
import pytest
from tamis import KnnIndex, _core
from test_knn import FILTERS, METRICS, rows, use_filter  # noqa: F401
from test_knn_index import planned, same  # noqa: F401


class TestFiles:
    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("name", FILTERS)
    def test_there_and_back(self, metric, name, planned, tmp_path):  # noqa: F811
        x, queries = rows(2100, 40), rows(30, 40, seed=1)
        x[[5, 9]] = 0
        planned(name)
        made = KnnIndex(x, metric=metric)
        made.save(tmp_path / "a")
        for verify in (True, False):
            index = KnnIndex.load(tmp_path / "a", x=x, verify=verify)
            assert index.metric == metric and index.shape == x.shape
            same(index.search(queries, 5), made.search(queries, 5))
            same(index.self_search(3), made.self_search(3))
            same(index.within(queries, 0.5), made.within(queries, 0.5))

    def test_rows_and_codes_stay_in_the_file(self, planned, tmp_path):  # noqa: F811
        planned("codes")
        KnnIndex(rows(2100, 40)).save(tmp_path / "a")
        index = KnnIndex.load(tmp_path / "a")
        assert isinstance(index._rows.x, np.memmap) and not index._rows.x.flags.writeable
        index.save(tmp_path / "a")  # over the file it is mapped from
        same(index.self_search(2), KnnIndex.load(tmp_path / "a").self_search(2))
        assert os.listdir(tmp_path) == ["a"]

    def test_codes_of_another_processor_are_made_anew(self, planned, tmp_path):  # noqa: F811
        planned("codes")
        x = rows(2100, 40)
        made = KnnIndex(x)
        made.save(tmp_path / "a")
        _core.cap_knn_codes(0)
        try:
            same(KnnIndex.load(tmp_path / "a").self_search(3), made.self_search(3))
        finally:
            _core.cap_knn_codes(2)

    def test_no_rows(self, tmp_path):
        KnnIndex(np.empty((0, 3))).save(tmp_path / "a")
        assert KnnIndex.load(tmp_path / "a").shape == (0, 3)

    def test_other_rows(self, tmp_path):
        x = rows(90, 4)
        KnnIndex(x).save(tmp_path / "a")
        other = x.copy()
        other[31, 1] += 1
        with pytest.raises(ValueError, match="is an index of other rows: row 31 differs"):
            KnnIndex.load(tmp_path / "a", x=other)
        with pytest.raises(ValueError, match="is an index of other rows: float32 of shape"):
            KnnIndex.load(tmp_path / "a", x=x[:80])

    def test_damage_anywhere_is_found(self, planned, tmp_path):  # noqa: F811
        planned(16)
        KnnIndex(rows(2000, 40)).save(tmp_path / "a")
        good = (tmp_path / "a").read_bytes()
        rng = np.random.default_rng(0)
        head = len(good.split(b"}", 1)[0])
        for at in [0, 20, *rng.integers(0, head, 6), *rng.integers(0, len(good), 30)]:
            bad = bytearray(good)
            bad[at] ^= 0x41
            (tmp_path / "b").write_bytes(bad)
            try:
                index = KnnIndex.load(tmp_path / "b")
            except ValueError as error:
                assert "is not an index that can be read" in str(error)
            else:  # between two sections
                same(index.self_search(2), KnnIndex.load(tmp_path / "a").self_search(2))
        for bad in (b"", good[:10], good[:100], good[:-1], good + b"\0"):
            (tmp_path / "b").write_bytes(bad)
            with pytest.raises(ValueError, match="is not an index that can be read"):
                KnnIndex.load(tmp_path / "b")

    def test_another_version(self, tmp_path):
        KnnIndex(rows(20, 4)).save(tmp_path / "a")
        good = (tmp_path / "a").read_bytes()
        (tmp_path / "a").write_bytes(good.replace(b"KnnIndex 1", b"KnnIndex 2", 1))
        with pytest.raises(ValueError, match="it is of another version"):
            KnnIndex.load(tmp_path / "a")

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            KnnIndex.load(tmp_path / "a")
        with pytest.raises(IsADirectoryError):
            KnnIndex(rows(20, 4)).save(tmp_path)


def parts_of(x, **change):
    """A `_core.KnnIndex` of codes from parts, some of them changed."""
    plan = dict(x=x, scale=None, offset=None, dots=False, mean=np.zeros(x.shape[1]), gain=1.0,
                codes=True, ordered=True, basis=None)  # fmt: skip
    parts: Any = _core.KnnIndex(parts=None, **plan).parts()
    return _core.KnnIndex(
        parts={**parts, **{n: f(parts[n].copy()) for n, f in change.items()}}, **plan
    )


def put(at, value):
    def change(column):
        column[at] = value
        return column

    return change


def test_parts_that_lead_outside_are_refused():
    """A file may have right checksums and wrong content."""
    x = rows(5000, 20)  # enough for cells
    parts_of(x)
    parts_of(x, cells=lambda c: c[:0])  # as older files are
    for change in (
        {"order": put(3, 5000)}, {"order": put(3, -1)}, {"order": put([3, 4], 7)},
        {"nodes": put(2, 0)}, {"nodes": put(2, 10**6)}, {"nodes": put(1, 5001)},
        {"directions": lambda d: d[:-1]}, {"norm": put(5, np.nan)}, {"lost": put(5, np.inf)},
        {"sum": put(5, 2**31 - 1)}, {"squares": put(5, -1)}, {"full": lambda b: b[:-1]},
        {"numbers": put(0, np.nan)}, {"splits": lambda s: s[:0]}, {"cells": lambda c: c[:-1]},
        {"cells": lambda c: np.tile(c, 100)}, {"cells": lambda c: c[:64]},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="KnnIndex: "):
            parts_of(x, **change)
