"""Float16 rows are searched as they are stored, with the bits that their float32 values give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tamis
from tamis import _core
from tamis.embeddings import knn_search


def rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng((seed, n))
    x = rng.normal(size=(40, d))[rng.integers(0, 40, n)] + 0.3 * rng.normal(size=(n, d))
    x[-n // 10 :] = x[: n // 10 + (n % 10 > 0)]
    return x.astype(np.float16)


def all_halves() -> np.ndarray:
    """Every finite float16, in rows."""
    x = np.arange(65536, dtype=np.uint16).view(np.float16)
    return x[np.isfinite(x)].reshape(-1, 31)


FUNCTIONS: dict[str, Any] = {
    "knn": lambda x: tamis.knn(x, 4),
    "products": lambda x: tamis.knn(x, 4, metric="inner_product", exclude_self=False),
    "cosine": lambda x: tamis.knn(x, 4, metric="cosine"),
    "uniqueness": lambda x: [tamis.uniqueness(x)],
    "outliers": lambda x: [tamis.outliers(x, 5)],
    "near_duplicates": lambda x: vars(tamis.near_duplicates(x, threshold=0.02)).values(),
    "euclidean": lambda x: vars(
        tamis.near_duplicates(x, threshold=1.0, metric="euclidean")
    ).values(),
    "auto": lambda x: [tamis.duplicate_threshold(x).threshold],
    "unique": lambda x: [tamis.find_unique(x, 50)],
    "split": lambda x: [tamis.split(x).unit],
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(200, 7), (1500, 64), (3000, 96)])
def test_the_bits_of_float32(name: str, shape: tuple[int, int]) -> None:
    x = rows(*shape)
    for half, single in zip(FUNCTIONS[name](x), FUNCTIONS[name](x.astype(np.float32)), strict=True):
        np.testing.assert_array_equal(half, single)
        assert np.asarray(half).dtype == np.asarray(single).dtype


def test_every_value_is_read_as_it_is() -> None:
    x = all_halves()
    norms, sums = np.empty(len(x)), np.zeros(x.shape[1])
    assert _core.knn_scan(knn_search.bits(x), None, norms, sums) == -1
    wide = x.astype(np.float32)
    expected = np.empty(len(x)), np.zeros(x.shape[1])
    assert _core.knn_scan(wide, None, *expected) == -1
    np.testing.assert_array_equal(norms, expected[0])
    np.testing.assert_array_equal(sums, expected[1])
    for half, single in zip(tamis.knn(x, 3), tamis.knn(wide, 3), strict=True):
        np.testing.assert_array_equal(half, single)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 17, 39])
def test_a_bad_row_is_named(bad: float, column: int) -> None:
    x = rows(100, 40)
    x[61, column] = bad
    with pytest.raises(ValueError, match=r"uniqueness: x must be finite, .* in row 61"):
        tamis.uniqueness(x)


def test_other_ways_in(tmp_path: Any) -> None:
    x = rows(300, 16)
    want = tamis.knn(x, 2)[1]
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for other in (mapped, x.astype(">f2"), np.asfortranarray(x), x.repeat(2, axis=0)[::2]):
        np.testing.assert_array_equal(tamis.knn(other, 2)[1], want)
    assert knn_search.matrix("f", "x", mapped, keep_float16=True).base is not None  # not copied
    near = tamis.knn(x, 2, queries=x[:9].astype(np.float32))  # both widths together
    np.testing.assert_array_equal(near[1][:, 1], want[:9, 0])
