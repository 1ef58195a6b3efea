"""tamis.KnnIndex: the bits of tamis.knn by every plan and metric, and threads that share it."""

import os
import pickle
import re
import signal
import threading
import time

import numpy as np
import pytest
import tamis
from conftest import ROOT
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tamis import KnnIndex, _core
from tamis.embeddings import knn_index, knn_index_rows, knn_plan, knn_search
from test_knn import FILTERS, METRICS, instruction_set, rows, use_filter  # noqa: F401


@pytest.fixture
def planned(use_filter, monkeypatch):  # noqa: F811
    """Makes every index take one filter."""

    def choose(name):
        use_filter(name)
        monkeypatch.setattr(knn_index_rows, "make_plan", knn_search.make_plan)

    return choose


def same(got, wanted):
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


def brute_within(x, queries, radius, metric):
    """(distances, indices, splits) by the float64 distances of an exact search."""
    k = min(1024, len(x))
    far, near = tamis.knn(x.astype("f8"), k, queries=queries.astype("f8"), metric=metric)
    keep = far >= radius if metric == "inner_product" else far <= radius
    assert k == len(x) or not keep[:, -1].any()
    splits = np.concatenate([[0], np.cumsum(keep.sum(1))])
    return far[keep].astype(x.dtype), near[keep], splits


class TestByHand:
    x = np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.float32)

    def test_search(self):
        distances, indices = KnnIndex(self.x).search(np.array([[1, 1]], np.float32), 3)
        assert indices.tolist() == [[1, 0, 2]]
        assert distances.tolist() == [[1, np.sqrt(np.float32(2)), np.sqrt(np.float32(2))]]

    def test_self_search(self):
        assert KnnIndex(self.x).self_search(2)[1].tolist() == [[3, 1], [0, 3], [0, 3], [0, 1]]

    def test_within_includes_the_radius_and_orders_ties_by_row(self):
        index = KnnIndex(self.x)
        asked = np.array([[0, 0], [9, 9], [0, 1]], np.float32)
        distances, indices, splits = index.within(asked, 1)
        assert indices.tolist() == [0, 3, 1, 0, 2, 3] and splits.tolist() == [0, 3, 3, 6]
        assert distances.tolist() == [0, 0, 1, 1, 1, 1]
        assert index.within(asked, np.nextafter(1, 0))[1].tolist() == [0, 3]

    def test_within_by_products_wants_no_less_than_the_radius(self):
        index = KnnIndex(self.x, metric="inner_product")
        distances, indices, _ = index.within(np.array([[1, 3]], np.float32), 1)
        assert distances.tolist() == [6, 1] and indices.tolist() == [2, 1]
        assert len(index.within(np.array([[1, 3]], np.float32), -1e300)[0]) == 4

    def test_rows_and_queries_without_direction(self):
        index = KnnIndex(self.x, metric="cosine")
        asked = np.array([[0, 0], [2, 0]], np.float32)
        same(index.search(asked, 4), tamis.knn(self.x, 4, queries=asked, metric="cosine"))
        same(index.self_search(3), tamis.knn(self.x, 3, metric="cosine"))
        assert index.within(asked, 0.5)[1].tolist() == [0, 3, 1]

    def test_no_rows_and_no_queries(self):
        nothing = np.empty((0, 2), np.float32)
        index = KnnIndex(nothing)
        assert len(index) == 0 and index.self_search(5)[1].shape == (0, 5)
        assert index.search(nothing, 3)[0].shape == (0, 3)
        assert index.within(self.x, 1)[2].tolist() == [0] * 5
        assert KnnIndex(self.x).within(nothing, 1)[2].tolist() == [0]
        with pytest.raises(ValueError, match="k must be at most 0 for 0 rows"):
            index.search(self.x, 1)

    def test_what_it_says_of_itself(self):
        index = KnnIndex(np.ones((2000, 128), np.float32), metric="cosine")
        assert len(index) == 2000 and index.shape == (2000, 128) and index.dtype == np.float32
        assert repr(index) == "KnnIndex(2,000 x 128 float32, metric='cosine', 1.0 MiB)"
        with pytest.raises(TypeError, match="KnnIndex cannot be pickled"):
            pickle.dumps(index)


class TestBits:
    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("name", FILTERS)
    def test_of_every_plan(self, metric, name, planned):
        x, queries = rows(2500, 40, dtype="float32"), rows(333, 40, seed=1)
        planned(name)
        index = KnnIndex(x, metric=metric)
        same(index.search(queries, 7), tamis.knn(x, 7, queries=queries, metric=metric))
        same(index.search(queries[:1], 7), tamis.knn(x, 7, queries=queries[:1], metric=metric))
        same(index.self_search(3), tamis.knn(x, 3, metric=metric))

    def test_of_every_instruction_set(self, planned, instruction_set):  # noqa: F811
        x, queries = rows(2100, 33, dtype="float64"), rows(70, 33, seed=1, dtype="float64")
        planned("codes")
        index = KnnIndex(x)
        for m in (1, 9, 70):
            same(index.search(queries[:m], 5), tamis.knn(x, 5, queries=queries[:m]))

    @pytest.mark.parametrize("width", [7, 33, 100])
    def test_the_order_of_rows_is_that_of_every_instruction_set(self, width, planned):
        x, found = rows(5000, width, dtype="float64"), []
        planned("codes")
        _core.cap_knn_codes(0)
        try:
            for level in (2, 3, 4):
                _core.cap_isa(level)
                plan = knn_search.make_plan(x, None, None, None, k=1, radius=0.0, dots=False)
                of = {"x": x, "scale": None, "offset": None, "parts": None}
                found.append(_core.KnnIndex(**of, **plan.arguments(1.0, False)).parts())
        finally:
            _core.cap_isa(4)
            _core.cap_knn_codes(2)
        assert sorted(found[0]["order"]) == list(range(5000))
        for name in ("full", "order", "nodes", "splits", "directions", "cells"):
            for other in found[1:]:
                np.testing.assert_array_equal(other[name], found[0][name])

    @examples(60)
    @given(
        x=hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)),
                     elements=st.integers(-3, 3).map(float)),
        queries=hnp.arrays(np.float32, st.tuples(st.integers(0, 9), st.just(3)),
                           elements=st.integers(-3, 3).map(float)),
        metric=st.sampled_from(METRICS),
        radius=st.sampled_from([0.0, 0.5, 1.0, 2.0, 1e300]),
    )  # fmt: skip
    def test_of_rows_with_ties(self, x, queries, metric, radius):
        index = KnnIndex(x, metric=metric)
        for k in {1, len(x)}:
            same(index.search(queries, k), tamis.knn(x, k, queries=queries, metric=metric))
        got, wanted = index.within(queries, radius), brute_within(x, queries, radius, metric)
        same(got, wanted)

    def test_of_queries_far_larger_than_the_rows(self):
        x = rows(300, 8)
        for size in (1e12, 1e-12):
            queries = (rows(5, 8, seed=2) * size).astype(np.float32)
            same(KnnIndex(x).search(queries, 4), tamis.knn(x, 4, queries=queries))

    @pytest.mark.parametrize("metric", METRICS)
    def test_within(self, metric, planned):
        planned("codes")
        x = rows(1100, 24)
        queries = x[:40] + np.float32(0.01)
        radius = dict(cosine=0.04, sqeuclidean=4.0, euclidean=2.0, inner_product=12.0)[metric]
        wanted = brute_within(x, queries, radius, metric)
        assert len(wanted[0]) > 0
        same(KnnIndex(x, metric=metric).within(queries, radius), wanted)


class TestArrays:
    def test_it_keeps_a_copy(self):
        x = rows(200, 8)
        index, wanted = KnnIndex(x), tamis.knn(x, 3)
        x[:] = 0
        same(index.self_search(3), wanted)

    def test_without_a_copy_it_takes_no_memory_for_rows(self):
        x = rows(200, 8)
        index = KnnIndex(x, copy=False)
        assert np.shares_memory(index._rows.x, x) and x.flags.writeable
        same(index.self_search(3), tamis.knn(x, 3))

    def test_memory(self):
        x = rows(4000, 128)
        assert x.nbytes < KnnIndex(x).nbytes < 1.5 * x.nbytes

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
    def test_results_are_in_the_library_of_the_queries(self, dtype):
        torch = pytest.importorskip("torch")
        x = torch.from_numpy(rows(90, 6)).to(getattr(torch, dtype))
        index = KnnIndex(x)
        for got, wanted in zip(index.search(x[:5], 3), tamis.knn(x, 3, queries=x[:5]), strict=True):
            assert torch.equal(got, wanted) and got.dtype == wanted.dtype
        assert all(isinstance(part, torch.Tensor) for part in index.within(x[:5], 1.0))
        assert isinstance(index.self_search(2)[0], torch.Tensor)
        host = x[:2].numpy() if dtype == "float64" else x[:2].float().numpy()
        assert isinstance(index.search(host, 2)[0], np.ndarray)

    def test_memory_maps_stay_in_their_file(self, tmp_path):
        x = rows(500, 12)
        np.save(tmp_path / "x.npy", x)
        index = KnnIndex(np.load(tmp_path / "x.npy", mmap_mode="r"), copy=False)
        same(index.search(x[:9], 3), tamis.knn(x, 3, queries=x[:9]))


class TestErrors:
    x = rows(20, 4)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_rows_that_are_not_finite(self, bad):
        x = self.x.copy()
        x[7, 2] = bad
        with pytest.raises(
            ValueError, match="KnnIndex: x must be finite, got NaN or infinity in row 7"
        ):
            KnnIndex(x)
        index = KnnIndex(self.x)
        for call in (index.search, index.within):
            with pytest.raises(
                ValueError, match="queries must be finite, got NaN or infinity in row 7"
            ):
                call(x, 1)

    def test_arguments(self):
        index = KnnIndex(self.x)
        for call, error, text in (
            (lambda: KnnIndex(self.x, metric="l1"), ValueError, "KnnIndex: metric must be one of"),
            (lambda: KnnIndex(self.x, copy=1), TypeError, "KnnIndex: copy must be True or False"),
            (lambda: KnnIndex(self.x[0]), ValueError, "KnnIndex: x must have shape"),
            (lambda: KnnIndex(self.x.astype(int)), TypeError, "KnnIndex: x must be float16"),
            (lambda: index.search(self.x, 0), ValueError, "KnnIndex.search: k must be"),
            (
                lambda: index.search(self.x, 21),
                ValueError,
                "k must be at most 20 for 20 rows, got 21",
            ),
            (lambda: index.self_search(20), ValueError, "k must be at most 19 for 20 rows, got 20"),
            (lambda: index.search(self.x[:, :3], 1), ValueError, r"shape \(M, 4\), got \(20, 3\)"),
            (lambda: index.search(self.x.astype("f8"), 1), TypeError, "queries must be float32"),
            (lambda: index.within(self.x, -1), ValueError, "radius must be 0 or more, got -1"),
            (lambda: index.within(self.x, np.nan), ValueError, "radius must be a number, got nan"),
            (lambda: index.within(self.x, "1"), TypeError, "radius must be a number, got '1'"),
        ):
            with pytest.raises(error, match=text):
                call()

    def test_results_beyond_float32(self):
        x = np.full((3, 2), 1e25, np.float32)
        x[0] = 0
        with pytest.raises(ValueError, match="x has rows whose sqeuclidean is beyond"):
            KnnIndex(x, metric="sqeuclidean").search(x, 2)


def test_threads_share_an_index():
    x, queries = rows(3000, 32), rows(400, 32, seed=1)
    index = KnnIndex(x)
    wanted, failed = index.search(queries, 5), []

    def ask(seed):
        for m in np.random.default_rng(seed).integers(1, 400, 6):
            got = index.search(queries[:m], 5)
            failed.extend(not np.array_equal(g, w[:m]) for g, w in zip(got, wanted, strict=True))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 48 and not any(failed)


def test_rows_changed_meanwhile_spoil_answers_only(planned):
    planned("codes")
    x = rows(3000, 32)
    index, stop = KnnIndex(x, copy=False), threading.Event()

    def spoil():
        rng = np.random.default_rng(0)
        while not stop.is_set():
            x[rng.integers(0, 3000, 50)] = rng.choice([np.nan, np.inf, 1e30, 0], (50, 1))

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        for _ in range(5):
            assert index.self_search(4)[1].max() < 3000
            index.search(rows(50, 32, seed=1), 4)
    finally:
        stop.set()
        thread.join()


def test_an_interrupt_leaves_the_index_whole():
    x = np.random.default_rng(0).standard_normal((20_000, 128), np.float32)
    index = KnnIndex(x)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Thread(target=lambda: (time.sleep(0.05), os.kill(os.getpid(), signal.SIGINT)))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            while True:
                index.self_search(5)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, handler)
    same(index.search(x[:20], 3), tamis.knn(x, 3, queries=x[:20]))


class TestFewQueries:
    """Plans whose rows are ready at once, for which a full one is not worth its time."""

    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("m", [1, 70, 300])
    def test_find_what_many_do(self, m, metric, monkeypatch):
        x, queries = rows(2500, 48), rows(300, 48, seed=1)
        wanted = tamis.knn(x, 5, queries=queries, metric=metric)
        monkeypatch.setattr(knn_plan, "SMALL", 0)
        got = tamis.knn(x, 5, queries=queries[:m], metric=metric)
        same(got, [part[:m] for part in wanted])
        same(knn_index.index_soon("f", x, metric).search(queries[:m], 5), got)

    def test_take_no_order_and_many_do(self, monkeypatch):
        x = rows(5000, 64)
        monkeypatch.setattr(knn_plan, "SMALL", 0)
        how = dict(k=5, radius=0.0, dots=False)
        assert not knn_plan.make_plan(x, None, None, 10, **how).ordered
        many = knn_plan.make_plan(x, None, None, 10**9, **how)
        assert many.ordered == many.codes
        exact = np.random.default_rng(0).integers(0, 2, (5000, 64)).astype("f4") * 1e-3
        exact[::100] = 1e6  # codes have no step for the others
        assert not knn_plan.make_plan(exact, None, None, 10, **how).codes


CHOSEN = re.findall(r'(\d+), "(\w+)"', (ROOT / "cpp/knn/knn_kernels.cpp").read_text())


@pytest.mark.parametrize(("bias", "name"), CHOSEN, ids=[name for _, name in CHOSEN])
def test_searches_are_planned_for_the_kernels_of_every_processor(bias, name, monkeypatch):
    monkeypatch.setattr(_core, "knn_codes", lambda: name)
    assert knn_plan.kernel().levels == int(bias) - 1
    x = rows(3000, 64)
    for n_queries in (None, 300, 10**9):
        assert knn_plan.make_plan(x, None, None, n_queries, k=5, radius=0.0, dots=False).gain > 0


def test_kernels_are_found_where_they_are_chosen():
    assert {name for _, name in CHOSEN} >= {"amx", "vnni", "i8mm", "dotprod", "bytes"}
