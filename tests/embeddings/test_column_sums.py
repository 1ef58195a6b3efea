"""Sums of columns are exact: neither the order of rows nor their parts change a bit."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis import _core
from tamis.embeddings.column_sums import column_sums, mean_of, put_together


def exact(column: Any) -> Fraction:
    return sum((Fraction(float(v)) for v in column), Fraction(0))


def told(sums: Any) -> list[Fraction]:
    return [exact(row) for row in sums]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [0, 1, 3, 255, 256, 257, 5000])
def test_hand_sizes(n: int, dtype: str, isa: Any) -> None:
    x = np.random.default_rng(n).normal(size=(n, 19)).astype(dtype)
    x[:, 3] *= 1e-20  # below the levels of its block
    assert told(column_sums(x)) == [exact(x[:, k]) for k in range(19)]


def test_cancellation_leaves_the_small_value() -> None:
    x = np.array([[1e16], [3.0], [-1e16], [1e-300]])
    sums = column_sums(x)
    assert sums[0, 0] == 3.0 and told(sums) == [exact(x[:, 0])]
    assert column_sums(np.array([[1.0], [-1.0]])).tolist() == [[0.0]]


def test_the_same_bits_in_any_order_of_rows_and_of_parts() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(3001, 7)) * 10.0 ** rng.integers(-12, 12, (3001, 7))).astype(np.float32)
    wanted = column_sums(x)
    for _ in range(3):
        y = x[rng.permutation(len(x))]
        cuts = [0, *np.sort(rng.integers(0, len(x), 5)), len(x)]
        parts = [column_sums(y[a:b]) for a, b in itertools.pairwise(cuts)]
        assert np.array_equal(put_together(parts), wanted)
        assert np.array_equal(column_sums(y), wanted)


@given(
    st.lists(
        st.floats(-1e150, 1e150, allow_nan=False, allow_infinity=False), min_size=1, max_size=40
    )
)
@examples(60)
def test_any_values(values: list[float]) -> None:
    sums = column_sums(np.array(values)[:, None])
    assert told(sums) == [exact(values)]
    assert mean_of(sums, 1)[0] == math.fsum(values)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e12])
def test_a_mean_is_rounded_once(offset: float) -> None:
    for n in (1, 3, 7, 900):
        x = np.random.default_rng(n).normal(size=(n, 40)) + offset
        want = [float(sum(map(Fraction, column)) / n) for column in x.T.tolist()]
        assert mean_of(column_sums(x), n).tolist() == want


def test_answers_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(3, 1, size=(5000, 16)).astype(np.float32)
    order = rng.permutation(len(x))
    assert np.array_equal(tamis.uniqueness(x)[order], tamis.uniqueness(x[order]))


def test_values_that_are_not_finite_end_nothing() -> None:
    """They are refused before; another thread may write them meanwhile."""
    _core.column_sums(np.array([[np.nan, 1.0], [np.inf, 2.0]]))
