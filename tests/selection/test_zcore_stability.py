"""zcore_stability: the same scores as zcore, the overlap of the two halves of the draws, and when
draws suffice."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import tamis
from tamis.selection.zcore_stability import overlap, rank_agreement


def rows(n: int = 2000, d: int = 16) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, d)).astype(np.float32)


@pytest.mark.filterwarnings("ignore:zcore_stability")
def test_the_scores_are_those_of_zcore(library):
    x = rows(500)
    found = tamis.zcore_stability(library.array(x), n_samples=777, seed=5)
    np.testing.assert_array_equal(found.scores, tamis.zcore(x, n_samples=777, seed=5))
    assert found.n_samples == 777 and found.count == 50
    again = tamis.zcore_stability(x, seed=5, most_samples=20_000)
    want = tamis.zcore(x, n_samples=again.n_samples, seed=5)
    np.testing.assert_array_equal(again.scores, want)


def test_draws_until_stable():
    x = rows(100)
    found = tamis.zcore_stability(x, count=25, level=0.7)
    assert found.stable and found.overlap >= 0.7 and len(found.history) > 1
    assert all(value < 0.7 for value in list(found.history.values())[:-1])
    auto = tamis.zcore(x, n_samples="auto")
    np.testing.assert_array_equal(auto, tamis.zcore_stability(x).scores)
    assert tamis.zcore_stability(x, count=25, level=0.7) == found
    json.dumps(found.to_dict(), allow_nan=False)
    assert len(str(found).splitlines()) <= 20


def test_what_halves_share_is_what_seeds_share():
    """The two halves of the draws agree about as well as two runs with half the draws."""
    x = rows(3000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reported = tamis.zcore_stability(x, count=300, n_samples=8000, random_init=False).overlap
    runs = [tamis.zcore(x, n_samples=4000, random_init=False, seed=s) for s in (1, 2)]
    assert reported == pytest.approx(overlap(*runs, 300), abs=0.07)


def test_few_draws_are_warned_of():
    with pytest.warns(RuntimeWarning, match="two halves of 500 draws share .* draw more"):
        found = tamis.zcore_stability(rows(5000), count=500, n_samples=500)
    assert not found.stable and found.overlap < 0.5


def test_overlap_and_agreement_by_hand():
    a, b = np.array([3, 2, 1, 0, 0]), np.array([3, 1, 2, 0, 0])
    assert overlap(a, b, 1) == 1 and overlap(a, b, 2) == 0.5 and overlap(a, b, 3) == 1
    assert overlap(np.zeros(10), np.zeros(10), 5) == 0  # nothing is known: nothing is shared
    assert overlap(np.zeros(10), np.zeros(10), 10) == 1
    assert rank_agreement(a, a) == pytest.approx(1) and rank_agreement(a, np.zeros(5)) == 0
    stats = pytest.importorskip("scipy.stats")
    x, y = np.random.default_rng(0).integers(0, 6, (2, 50))
    assert rank_agreement(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_what_does_not_fit():
    x = rows(50)
    with pytest.raises(ValueError, match="zcore_stability: count must be 1 to 50, got 51"):
        tamis.zcore_stability(x, count=51)
    with pytest.raises(ValueError, match=r"zcore_stability: level must be in \(0, 1\], got 0"):
        tamis.zcore_stability(x, level=0)
    with pytest.raises(ValueError, match="checkpoint must be None with n_samples='auto'"):
        tamis.zcore(x, n_samples="auto", checkpoint="file.npz")
    with pytest.raises(TypeError, match="zcore: n_samples must be an integer, got 'many'"):
        tamis.zcore(x, n_samples="many")
