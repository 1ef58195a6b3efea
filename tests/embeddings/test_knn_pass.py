"""Few queries, answered in one pass over the rows: the bits of the other searches, and errors."""

import numpy as np
import pytest
import reference_embeddings as reference
import tamis
from generated import TABLES, examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tamis import _core
from tamis.embeddings import knn_exact, knn_pass
from test_knn import METRICS, rows


def both(x, k, queries, metric):
    """The answer, which is that of a search with codes or floats to the bit."""
    passes = []
    with pytest.MonkeyPatch.context() as patch:
        real = knn_pass.nearest_of_few

        def seen(*arguments):
            passes.append(real(*arguments))
            return passes[-1]

        patch.setattr(knn_exact, "nearest_of_few", seen)
        found = tamis.knn(x, k, queries=queries, metric=metric)
        patch.setattr(knn_exact, "are_few", lambda *_: False)
        wanted = tamis.knn(x, k, queries=queries, metric=metric)
    np.testing.assert_array_equal(found[1], wanted[1])
    np.testing.assert_array_equal(found[0], wanted[0])
    assert len(passes) == 1
    return found, passes[0] is not None


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("isa", [2, 3, 4])
def test_bits_of_every_instruction_set(metric, isa):
    _core.cap_isa(isa)
    try:
        for dtype, d in (("float32", 40), ("float32", 3), ("float64", 21)):
            x = rows(1300, d, dtype=dtype)
            for m in (1, 2, 3, 7):
                queries = np.concatenate([rows(m - m // 2, d, seed=m, dtype=dtype), x[: m // 2]])
                found, passed = both(x, 6, queries, metric)
                assert passed
                reference.assert_neighbours(found, x, 6, queries, metric)
    finally:
        _core.cap_isa(4)


@pytest.mark.parametrize("metric", METRICS)
def test_rows_in_every_order_and_all_neighbours(metric):
    """Also rows that come nearer to the query one by one, equal rows, and ties across threads."""
    x = rows(3000, 16)
    query = rows(1, 16, seed=5)
    far = np.argsort(-tamis.knn(x, 1, queries=x, metric=metric)[0][:, 0], kind="stable")
    towards = np.argsort(((x - query) ** 2).sum(1))[::-1]
    for order in (far, towards, np.zeros(3000, int)):
        assert both(x[order], 5, query, metric)[1]
    assert both(x[:1024], 1024, query, metric)[1]
    assert both(x[:1], 1, query, metric)[1]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["far", "huge", "tiny", "one huge"])
def test_rows_that_float32_sums_cannot_tell_apart(metric, kind):
    x, queries = rows(900, 24), rows(3, 24, seed=2)
    for part in (x, queries):
        if kind == "far":
            part += 1e4
        elif kind != "one huge":
            part *= {"huge": 1e18, "tiny": 1e-24}[kind]
    if kind == "one huge":
        x[77] *= 1e25
    if kind != "huge" or metric in ("cosine", "euclidean"):
        assert both(x, 7, queries, metric)[1]


def test_rows_without_a_direction_are_left_to_the_other_search():
    x, queries = rows(500, 8), rows(2, 8, seed=1)
    x[400] = 0
    assert not both(x, 5, queries, "cosine")[1]
    assert both(x, 5, queries, "euclidean")[1]
    queries[1] = 0
    assert not both(x[:400], 5, queries, "cosine")[1]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_bad_row_is_named(metric, dtype, bad):
    x, queries = rows(5000, 20, dtype=dtype), rows(2, 20, seed=1, dtype=dtype)
    queries[1, 3] = bad
    with pytest.raises(ValueError, match=r"knn: queries must be finite.*in row 1"):
        tamis.knn(x, 3, queries=queries, metric=metric)
    x[[4321, 2999], [19, 3]] = bad
    for asked in (queries, queries[:1]):
        with pytest.raises(ValueError, match=r"knn: x must be finite.*in row 2999"):
            tamis.knn(x, 3, queries=asked, metric=metric)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_float64_rows_that_cannot_be_squared_are_named(size):
    x = rows(300, 8, dtype="float64")
    x[123] *= size
    with pytest.raises(ValueError, match="knn: x: row 123 is too"):
        tamis.knn(x, 3, queries=rows(1, 8, dtype="float64"))


def test_threads_do_not_matter_and_progress_ends(monkeypatch):
    x, queries = rows(9000, 12), rows(4, 12, seed=3)
    monkeypatch.setattr(knn_pass, "VALUES", 12 * 2000)
    seen, answers = [], []
    for threads in (1, 2, 5):
        tamis.set_num_threads(threads)
        progress = lambda done, total: seen.append((done, total))  # noqa: E731
        answers.append(tamis.knn(x, 9, queries=queries, progress=progress))
    tamis.set_num_threads(0)
    for answer in answers:
        np.testing.assert_array_equal(answer, answers[0])
    assert seen[:5] == [(2000, 9000), (4000, 9000), (6000, 9000), (8000, 9000), (9000, 9000)]


values = st.one_of(st.integers(-3, 3).map(float), st.floats(-(2.0**100), 2.0**100, width=32))


@examples(100)
@given(
    hnp.arrays(np.float32, TABLES, elements=values),
    st.sampled_from(("euclidean", "cosine")),
    st.integers(1, 5),
)
def test_generated_rows(x, metric, k):
    both(x[1:], min(k, len(x) - 1), x[:1], metric)
