"""learning_curve: the law behind exact scores, intervals, and what more labels bring."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st

SIZES = np.array([100, 200, 400, 800, 1600, 3200])


@examples(40)
@given(st.floats(20, 90), st.floats(0.1, 1.5), st.floats(1, 30))
def test_exact_scores_give_their_law_back(limit, exponent, drop):
    factor = drop * 100**exponent
    curve = tamis.learning_curve(SIZES, limit - factor * SIZES**-exponent)
    assert curve.exponent == pytest.approx(exponent, rel=0.02)
    assert curve.limit == pytest.approx(limit, abs=0.02 * drop)
    assert curve.predict(6400)[0] == pytest.approx(
        limit - factor * 6400**-exponent, abs=0.01 * drop
    )


def test_labels_for_a_gain():
    curve = tamis.learning_curve(SIZES, 60 - 300 * SIZES**-0.5)
    now = 60 - 300 * 3200**-0.5
    more, low, high = curve.labels_for(1.0)
    assert 60 - 300 * (3200 + more) ** -0.5 == pytest.approx(now + 1, abs=1e-3)
    assert low <= more * 1.001 and more <= high * 1.001
    assert curve.labels_for(10.0)[0] == np.inf  # beyond the limit
    with pytest.raises(ValueError, match="gain must be above 0, got 0"):
        curve.labels_for(0)


def test_intervals_hold_the_truth(monkeypatch):
    """95 % intervals of the curve at twice the size, 100 times with noise."""
    monkeypatch.setattr(sys.modules["tamis.selection.learning_curve"], "REFITS", 250)
    held = 0
    sizes = np.repeat(SIZES, 3)
    for seed in range(100):
        noise = np.random.default_rng(seed).normal(0, 0.5, len(sizes))
        curve = tamis.learning_curve(sizes, 60 - 300 * sizes**-0.5 + noise, seed=seed)
        _, low, high = curve.predict(6400)
        held += low <= 60 - 300 * 6400**-0.5 <= high
    assert held >= 88


def test_the_fit_is_that_of_least_squares():
    optimize = pytest.importorskip("scipy.optimize")
    noise = np.random.default_rng(0).normal(0, 0.3, len(SIZES))
    scores = 50 - 100 * SIZES**-0.4 + noise

    def law(n, limit, factor, exponent):
        return limit - factor * n**-exponent

    (limit, factor, exponent), _ = optimize.curve_fit(law, SIZES, scores, [50, 100, 0.4])
    curve = tamis.learning_curve(SIZES, scores)
    assert (curve.limit, curve.exponent) == pytest.approx((limit, exponent), rel=1e-3)
    assert curve.factor == pytest.approx(factor, rel=5e-3)
    missed = np.sqrt(((scores - law(SIZES, limit, factor, exponent)) ** 2).sum() / 3)
    assert curve.error == pytest.approx(missed, rel=1e-3)


def test_results_and_what_does_not_fit():
    curve = tamis.learning_curve([100, 200, 400], [30.0, 35, 38])
    assert curve == tamis.learning_curve([100, 200, 400], [30.0, 35, 38])
    json.dumps(curve.to_dict(), allow_nan=False)
    assert len(str(curve).splitlines()) <= 20
    score, low, high = curve.predict(np.array([800, 1600]))
    assert (low <= score).all() and (score <= high).all() and score.shape == (2,)
    cases = {
        "sizes must be at least 3 different ones above 0": ([1, 2, 2], [1, 2, 3]),
        r"scores must have shape \(3,\), got \(2,\)": ([1, 2, 3], [1, 2]),
        "scores must be finite": ([1, 2, 3], [1, 2, np.nan]),
        "scores must grow with sizes": ([1, 2, 3], [3, 2, 1]),
    }
    for text, given_values in cases.items():
        with pytest.raises(ValueError, match=f"learning_curve: {text}"):
            tamis.learning_curve(*given_values)
