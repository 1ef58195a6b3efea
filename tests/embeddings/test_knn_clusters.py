"""Searches of clustered rows leave out what lies apart, and have the bits of those that do not."""

import functools

import numpy as np
import pytest
import tamis
from test_knn import instruction_set, use_filter  # noqa: F401


@functools.cache
def clusters(kind):
    """(4,500 rows, which are enough for cells, queries)."""
    rng = np.random.default_rng(7)
    label = rng.integers(0, 30, 4500)
    if kind == "uneven":
        label = np.minimum(rng.geometric(0.3, 4500), 40)
    x = rng.normal(0, 4 if kind != "touching" else 0.5, (41, 24))[label]
    x += rng.normal(0, 0.3, (4500, 24))
    if kind == "equal":
        x[2500:] = x[rng.integers(0, 100, 2000)]
    if kind == "far":
        x[rng.integers(0, 4500, 20)] *= 1000
    return x.astype(np.float32), np.concatenate([x[::9] + 0.1, -x[:7]]).astype(np.float32)


def found_in(kind):
    x, queries = clusters(kind)
    pairs = tamis.near_duplicates(x, threshold=0.001)
    return [*tamis.knn(x, 4), *tamis.knn(x, 4, queries=queries), pairs.pairs, pairs.distances]


FOUND = {}  # by floats and without order, which leave out nothing


@pytest.mark.parametrize("way", ["codes", "leading", 16])
@pytest.mark.parametrize("kind", ["even", "uneven", "touching", "equal", "far"])
def test_clusters(use_filter, instruction_set, kind, way):  # noqa: F811
    """What lies apart is left out, and no neighbour with it."""
    if kind not in FOUND:
        use_filter("floats", ordered=False)
        FOUND[kind] = found_in(kind)
    use_filter(way)
    for got, right in zip(found_in(kind), FOUND[kind], strict=True):
        np.testing.assert_array_equal(got, right)
