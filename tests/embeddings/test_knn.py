"""tamis.knn: hand cases, every filter on every instruction set, generated rows, and the peers."""

import functools
import threading
from dataclasses import replace

import numpy as np
import pytest
import reference_embeddings as reference
import tamis
from conftest import data_path
from generated import TABLES, examples, share
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tamis import _core
from tamis.embeddings import knn_exact, knn_paged, knn_plan, knn_search

METRICS = ("euclidean", "sqeuclidean", "cosine", "inner_product")
FILTERS = ("floats", "codes", "leading", 16)  # 16: a prefix of so many dimensions, then codes


def rows(n, d, seed=0, dtype="float32"):
    """Clusters of rows around a few centres, some of them twice."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((8, d))[rng.integers(0, 8, n)] + 0.3 * rng.standard_normal((n, d))
    x[rng.choice(n, n // 20, replace=False)] = x[rng.choice(n, n // 20, replace=False)]
    return x.astype(dtype)


@pytest.fixture
def use_filter(monkeypatch):
    """Makes every search take one filter, whatever a plan would say."""

    def choose(name, ordered=True):
        def plan(x, scale, offset, n_queries, *, k, radius, dots):
            sample = knn_plan.Sample(x, scale, offset, dots=dots, size=256)
            if name == "floats":
                return sample.plain()
            basis = None
            if name == "leading":  # mixed coordinates, then codes
                leading = 0 if dots else min(15, x.shape[1] // 2)
                return replace(sample.coded(), ordered=ordered, leading=leading)
            if name != "codes":
                basis = next((basis for _, basis, _ in sample.prefixes((name,))), None)
            return replace(sample.coded(basis), ordered=ordered)

        monkeypatch.setattr(knn_search, "make_plan", plan)
        monkeypatch.setattr(knn_exact, "are_few", lambda *_: False)

    return choose


@pytest.fixture(params=["amx", "vnni", "i8mm", "dotprod", "v4", "v3", "v2"])
def instruction_set(request):
    level = {"amx": 2, "i8mm": 2, "vnni": 1, "dotprod": 1}.get(request.param, 0)
    _core.cap_isa(int(request.param[1]) if request.param in ("v2", "v3") else 4)
    _core.cap_knn_codes(level)
    if level > 0 and _core.knn_codes() != request.param:
        _core.cap_knn_codes(2)
        pytest.skip(f"this CPU has no {request.param}")
    yield request.param
    _core.cap_isa(4)
    _core.cap_knn_codes(2)


class TestByHand:
    x = np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.float32)

    def test_neighbours(self):
        distances, indices = tamis.knn(self.x, 2)
        assert indices.tolist() == [[3, 1], [0, 3], [0, 3], [0, 1]]
        assert distances.tolist() == [[0, 1], [1, 1], [2, 2], [0, 1]]
        assert distances.dtype == np.float32 and indices.dtype == np.int64

    def test_itself_stands_where_its_index_does(self):
        distances, indices = tamis.knn(self.x, 2, exclude_self=False)
        assert indices.tolist() == [[0, 3], [1, 0], [2, 0], [0, 3]]
        assert distances.tolist() == [[0, 0], [0, 1], [0, 2], [0, 0]]

    def test_queries(self):
        query = np.array([[1, 1]], np.float32)
        distances, indices = tamis.knn(self.x, 3, queries=query, metric="sqeuclidean")
        assert indices.tolist() == [[1, 0, 2]] and distances.tolist() == [[1, 2, 2]]

    def test_zero_rows_are_at_cosine_distance_one_from_all_others(self):
        distances, indices = tamis.knn(self.x, 3, metric="cosine")
        assert indices.tolist() == [[3, 1, 2], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
        assert distances.tolist() == [[0, 1, 1], [1, 1, 1], [1, 1, 1], [0, 1, 1]]

    def test_inner_product_is_descending(self):
        distances, indices = tamis.knn(self.x, 1, metric="inner_product", exclude_self=False)
        assert distances[:, 0].tolist() == [0, 1, 4, 0] and indices[:, 0].tolist() == [0, 1, 2, 0]

    def test_no_rows_and_no_queries(self):
        assert tamis.knn(np.empty((0, 3), np.float32), 5)[1].shape == (0, 5)
        assert tamis.knn(self.x, 2, queries=np.empty((0, 2), np.float32))[0].shape == (0, 2)

    def test_huge_and_tiny_values(self):
        for size in (1e30, 1e-30):
            x = (self.x * size).astype(np.float32)
            assert tamis.knn(x, 2)[1].tolist() == [[3, 1], [0, 3], [0, 3], [0, 1]]

    @pytest.mark.parametrize("metric", METRICS)
    def test_values_that_cannot_be_squared(self, metric):
        x = rows(9, 4, dtype="float64")
        for size, kind in (
            (1e153, "large"),
            (1e200, "large"),
            (1e-155, "small"),
            (1e-200, "small"),
        ):
            bad = x.copy()
            bad[[3, 5]] *= size
            with pytest.raises(ValueError, match=f"knn: x: row 3 is too {kind}"):
                tamis.knn(bad, 2, metric=metric)
            with pytest.raises(ValueError, match=f"knn: queries: row 3 is too {kind}"):
                tamis.knn(x, 2, queries=bad, metric=metric)
        for size in (2.0**480, 2.0**-480):
            scaled = tamis.knn(x * size, 3, metric=metric)
            assert (scaled[1] == tamis.knn(x, 3, metric=metric)[1]).all()
        x[4] = 0
        tamis.knn(x, 2, metric=metric)

    def test_input_is_not_written(self):
        x = rows(50, 8)
        x.flags.writeable = False
        tamis.knn(x, 3, metric="cosine")

    def test_strided_and_fortran_rows(self):
        x = rows(60, 10)
        wanted = tamis.knn(np.ascontiguousarray(x[::2, ::2]), 4)[1]
        assert (tamis.knn(x[::2, ::2], 4)[1] == wanted).all()
        assert (tamis.knn(np.asfortranarray(x[::2, ::2]), 4)[1] == wanted).all()

    def test_memory_map(self, tmp_path):
        x = rows(200, 32)
        np.save(tmp_path / "x.npy", x)
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        assert (tamis.knn(mapped, 5)[1] == tamis.knn(x, 5)[1]).all()


class TestErrors:
    @pytest.mark.parametrize(
        ("x", "options", "message"),
        [
            (np.zeros(3, np.float32), {}, r"knn: x must have shape \(N, D\), got \(3,\)"),
            (np.zeros((3, 0), np.float32), {}, r"knn: x must have at least one column"),
            (np.zeros((3, 2), np.float32), {"k": 3}, "knn: k must be at most 2 for 3 rows, got 3"),
            (np.zeros((3, 2), np.float32), {"k": 0}, "knn: k must be 1 to 1024, got 0"),
            (np.zeros((3, 2), np.float32), {"metric": "l1"}, "knn: metric must be one of"),
            (
                np.zeros((3, 2), np.float32),
                {"queries": np.zeros((3, 3), np.float32)},
                r"knn: queries must have shape \(M, 2\)",
            ),
        ],
    )
    def test_values(self, x, options, message):
        with pytest.raises(ValueError, match=message):
            tamis.knn(x, **{"k": 1, **options})

    def test_types(self):
        with pytest.raises(TypeError, match=r"knn: x must be float16.*got int64"):
            tamis.knn(np.zeros((3, 2), np.int64), 1)
        with pytest.raises(TypeError, match=r"knn: x must be an array.*got list"):
            tamis.knn([[1.0, 2.0]], 1)
        with pytest.raises(TypeError, match=r"knn: k must be an integer, got 1\.0"):
            tamis.knn(np.zeros((3, 2), np.float32), 1.0)
        with pytest.raises(TypeError, match="queries must be float32 as x is, got float64"):
            tamis.knn(np.zeros((3, 2), np.float32), 1, queries=np.zeros((3, 2)))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_the_first_bad_row_is_named(self, bad, dtype):
        x = rows(5000, 20, dtype=dtype)
        x[[4321, 2999], [19, 3]] = bad
        with pytest.raises(
            ValueError, match="knn: x must be finite, got NaN or infinity in row 2999"
        ):
            tamis.knn(x, 3)
        with pytest.raises(ValueError, match=r"knn: queries must be finite.*row 2999"):
            tamis.knn(x[:100], 3, queries=x)


@pytest.mark.parametrize("way", FILTERS)
@pytest.mark.parametrize("metric", METRICS)
class TestEveryPath:
    def test_instruction_sets_and_filters(self, use_filter, instruction_set, metric, way):
        use_filter(way)
        for n, d, k in ((300, 40, 5), (1130, 33, 12)):
            x = rows(n, d)
            distances, indices = tamis.knn(x, k, metric=metric)
            use_filter("floats", ordered=False)
            wanted = tamis.knn(x, k, metric=metric)
            use_filter(way)
            assert (distances == wanted[0]).all() and (indices == wanted[1]).all()

    def test_reference(self, use_filter, metric, way):
        use_filter(way)
        for dtype in ("float32", "float64", "float16"):
            x = rows(260, 37, dtype=dtype)
            reference.assert_neighbours(tamis.knn(x, 9, metric=metric), x, 9, None, metric)
            q = rows(21, 37, seed=3, dtype=dtype)
            found = tamis.knn(x, 9, queries=q, metric=metric)
            reference.assert_neighbours(found, x, 9, q, metric)

    def test_queries_over_many_blocks(self, use_filter, metric, way):
        use_filter(way)
        x, q = rows(3100, 32), rows(1000, 32, seed=1)
        found = tamis.knn(x, 7, queries=q, metric=metric)
        use_filter("floats", ordered=False)
        wanted = tamis.knn(x, 7, queries=q, metric=metric)
        assert (found[1] == wanted[1]).all() and (found[0] == wanted[0]).all()
        if metric != "inner_product":
            far = reference.keys(x, q[:40], metric)
            assert (np.sort(far, 1)[:, 6] >= wanted[0][:40, 6] * (1 - 1e-6)).all()


@pytest.mark.parametrize("way", FILTERS)
def test_threads_do_not_matter(use_filter, way):
    use_filter(way)
    x = rows(2500, 48)
    answers = []
    for threads in (1, 2, 5):
        tamis.set_num_threads(threads)
        answers.append(tamis.knn(x, 6))
    tamis.set_num_threads(0)
    for distances, indices in answers[1:]:
        assert (distances == answers[0][0]).all() and (indices == answers[0][1]).all()


@pytest.mark.parametrize("way", FILTERS)
@pytest.mark.parametrize("kind", ["same", "twice", "far", "flat", "outlier"])
def test_hard_rows(use_filter, way, kind):
    """What int8 bounds like least: equal rows, a large mean, no spread, one row far away."""
    use_filter(way)
    x = rows(400, 40)
    if kind == "same":
        x[:] = x[0]
    elif kind == "twice":
        x[200:] = x[:200]
    elif kind == "far":
        x += 1e4
    elif kind == "flat":
        x[:, 1:] = 0
    else:
        x[7] *= 1e6
    reference.assert_neighbours(tamis.knn(x, 8), x, 8)


def test_many_neighbours(use_filter):
    x, found = rows(1100, 24), []
    for way in FILTERS:
        use_filter(way)
        found.append(tamis.knn(x, 1024))
        for part, first in zip(found[-1], found[0], strict=True):
            np.testing.assert_array_equal(part, first)
    reference.assert_neighbours(found[0], x, 1024)


def test_progress_and_interrupt():
    seen = []
    tamis.knn(rows(3000, 16), 3, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tamis.knn(rows(3000, 16), 3, progress=stop)


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_memory_map(tmp_path, use_filter, monkeypatch, dtype, stays):
    """Of a file that stays in memory, or one whose rows are read one by one."""
    monkeypatch.setattr(knn_paged, "STAYS", 0.25 if stays else 0)
    x = rows(1200, 40, dtype=dtype)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for way in FILTERS:
        use_filter(way)
        wanted = tamis.knn(x, 5, queries=x[:50]), tamis.knn(x, 5)
        found = tamis.knn(mapped, 5, queries=mapped[:50]), tamis.knn(mapped, 5)
        for a, b in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(a, b)
    pairs = tamis.near_duplicates(mapped, threshold=0.05).pairs
    np.testing.assert_array_equal(pairs, tamis.near_duplicates(x, threshold=0.05).pairs)


def test_progress_bar_without_tqdm(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    tamis.knn(rows(100, 8), 3, progress=True)
    assert "knn: 100 %" in capsys.readouterr().err


def test_calls_from_many_threads():
    x = rows(700, 32)
    wanted = tamis.knn(x, 5)[1]
    found = [None] * 6

    def call(i):
        found[i] = tamis.knn(x, 5)[1]

    threads = [threading.Thread(target=call, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((f == wanted).all() for f in found)


def test_torch():
    torch = pytest.importorskip("torch")
    x = rows(150, 16)
    distances, indices = tamis.knn(torch.from_numpy(x), 4)
    assert isinstance(distances, torch.Tensor) and indices.dtype == torch.int64
    assert (indices.numpy() == tamis.knn(x, 4)[1]).all()
    half = torch.from_numpy(x).bfloat16()
    assert (tamis.knn(half, 4)[1] == tamis.knn(half.float(), 4)[1]).all()


values = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e3, 1e3, width=32))


@examples(150)
@given(
    hnp.arrays(np.float32, TABLES, elements=values),
    st.sampled_from(METRICS),
    st.integers(1, 5),
    st.sampled_from(("floats", "codes")),
)
def test_generated_rows(x, metric, k, way):
    k = min(k, len(x) - 1)
    with pytest.MonkeyPatch.context() as patch:
        if way == "codes":

            def plan(x, scale, offset, n_queries, *, k, radius, dots):
                return knn_plan.Sample(x, scale, offset, dots=dots, size=256).coded()

            patch.setattr(knn_search, "make_plan", plan)
        found = tamis.knn(x, k, metric=metric)
    reference.assert_neighbours(found, x, k, None, metric, ties=1e-10)


@functools.cache  # for all ways
def keys_of_some(name, metric):
    x = np.load(data_path("embeddings", name))
    some = np.random.default_rng(0).choice(len(x), share(150), replace=False)
    far = reference.keys(x, x[some], metric)
    far[np.arange(len(some)), some] = np.inf
    return x, some, far


@pytest.mark.parametrize("way", ["plan", *FILTERS])
@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("ngt_sift_5k_128.npy", "euclidean"),
        ("pynndescent_cosine_hang.npy", "cosine"),
        ("semanticlip_train.npy", "cosine"),
        ("pool_512.npy", "euclidean"),
    ],
)
def test_real_embeddings(use_filter, name, metric, way):
    x, some, far = keys_of_some(name, metric)
    if way != "plan":
        use_filter(way)
    distances, indices = tamis.knn(x, 10, metric=metric)
    order = np.argsort(far, axis=1, kind="stable")[:, :10]
    wanted, mine = np.take_along_axis(far, order, 1), np.take_along_axis(far, indices[some], 1)
    np.testing.assert_allclose(distances[some], wanted, rtol=1e-6, atol=1e-12)
    same = indices[some] == order
    assert np.all(same | (np.abs(mine - wanted) <= 1e-12 * np.abs(wanted).max()))


def test_scikit_learn():
    neighbors = pytest.importorskip("sklearn.neighbors")
    x = rows(600, 20, dtype="float64")
    for metric in ("euclidean", "cosine"):
        wanted = neighbors.NearestNeighbors(metric=metric, algorithm="brute").fit(x)
        distances, _ = wanted.kneighbors(n_neighbors=6)
        np.testing.assert_allclose(tamis.knn(x, 6, metric=metric)[0], distances, atol=1e-6)
