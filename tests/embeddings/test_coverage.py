"""coverage and diversity against slow definitions, prdc, DataEval and vendi-score."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import tamis
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis.embeddings import distances


def rows(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, n)).normal(size=(n, d))


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def slow_prdc(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, float]:
    """The formulas, on whole matrices."""
    of_real = np.sort(apart(real, real), 1)[:, k]
    of_fake = np.sort(apart(fake, fake), 1)[:, k]
    far = apart(real, fake)
    within = far < of_real[:, None]
    return {
        "precision": within.any(0).mean(),
        "recall": (far < of_fake[None]).any(1).mean(),
        "density": within.sum(0).mean() / k,
        "coverage": (far.min(1) < of_real).mean(),
    }


def scores(found: tamis.Coverage) -> dict[str, float]:
    return {key: getattr(found, key) for key in ("precision", "recall", "density", "coverage")}


@examples(25)
@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(0.05, 2))
def test_prdc_equals_whole_matrices(seed, k, spread):
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(rng.integers(k + 1, 120), 3))
    fake = rng.normal(size=(rng.integers(k + 1, 120), 3)) * spread
    got = scores(tamis.coverage(real, fake, k=k))
    want = slow_prdc(real, fake, k)
    assert got == pytest.approx(want, abs=1e-12)


@examples(40)
@given(st.integers(0, 10_000), st.integers(1, 5), st.sampled_from(["euclidean", "cosine"]))
def test_row_numbers_say_what_their_embeddings_say(seed, k, metric):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(k + 2, 90))
    pool = rng.normal(size=(n, 3))
    copies = rng.random(n) < rng.choice([0, 0.3, 0.9])
    pool[copies] = pool[rng.integers(0, n, int(copies.sum()))]
    grid = rng.random() < 0.4  # many rows at a radius, which a ball does not hold
    pool = np.round(pool) if grid else pool
    labelled = np.sort(rng.permutation(n)[: rng.integers(1, n + 1)])
    by_row = tamis.coverage(pool, labelled, k=k, metric=metric)
    elsewhere = tamis.coverage(pool, pool[labelled], k=k, metric=metric)
    np.testing.assert_array_equal(by_row.nearest, labelled[elsewhere.nearest])
    for name in ("distance", "hole", "hole_rows", "hole_sizes"):
        np.testing.assert_array_equal(getattr(by_row, name), getattr(elsewhere, name))
    assert by_row.eps == elsewhere.eps
    if len(labelled) > k:
        assert scores(by_row) == scores(elsewhere)
    if metric == "euclidean" and len(labelled) > k and (grid or not copies.any()):
        assert scores(by_row) == pytest.approx(slow_prdc(pool, pool[labelled], k), abs=1e-12)


@pytest.mark.parametrize("d", [3, 40])
def test_who_is_within_a_radius_of_another_row(d):
    """Of searches with floats and with codes, in several blocks, whose lists are shorter."""
    x = rows(3000, d).astype(np.float32)
    far = tamis.knn(x.astype(np.float64), 30)[0][:90]
    radii = np.zeros(3000)
    radii[:90] = (far[:, -2] + far[:, -1]) / 2
    *found, held = distances.neighbours_and_held(
        "", x, 2, radii, metric="euclidean", name="x", progress=None
    )
    assert held is not None
    for part, whole in zip(found, distances.neighbours("", x, 2), strict=True):
        np.testing.assert_array_equal(part, whole)
    within = apart(x[:90].astype(np.float64), x.astype(np.float64)) < radii[:90, None]
    within[np.arange(90), np.arange(90)] = False
    np.testing.assert_array_equal(held, within.any(0))
    assert 90 < held.sum() < 3000


@examples(100)
@given(st.lists(st.floats(2e-162, 1e150), min_size=1))
def test_squares_say_what_roots_say(radii):
    radii = np.sqrt(np.square(radii))
    squares = distances._squares(radii)
    below = np.nextafter(squares, 0)
    assert (np.sqrt(squares) >= radii).all() and (np.sqrt(below) < radii).all()


def test_rows_on_a_disk(tmp_path):
    real, fake = rows(90, 4), rows(80, 4, seed=1) + 0.5
    np.save(tmp_path / "real.npy", real)
    on_disk = np.load(tmp_path / "real.npy", mmap_mode="r")
    assert tamis.coverage(on_disk, fake, k=3) == tamis.coverage(real, fake, k=3)


def test_a_bad_row_is_named_by_its_own_number():
    bad = rows(20, 4)
    bad[3, 0] = np.nan
    with pytest.raises(ValueError, match=r"coverage: labelled must be finite, .* in row 3"):
        tamis.coverage(rows(30, 4), bad)


def test_balls_that_hold_more_than_a_list():
    real = np.concatenate([rows(40, 2) * 100, np.full((1, 2), 500.0)])
    fake = rows(3000, 2, seed=1)  # all of them within the balls of the far rows
    got = scores(tamis.coverage(real, fake, k=2))
    assert got == pytest.approx(slow_prdc(real, fake, 2), abs=1e-12)
    assert got["density"] > 0.5  # one ball holds all 3,000


def test_prdc_equals_the_package():
    package = pytest.importorskip("prdc")
    real, fake = rows(300), 0.7 * rows(200, seed=1)
    got = scores(tamis.coverage(real, fake, k=5))
    assert got == pytest.approx(package.compute_prdc(real, fake, 5), abs=1e-12)


def test_distances_and_share(library):
    pool, labelled = rows(200).astype(np.float32), np.arange(0, 200, 10)
    found = tamis.coverage(library.array(pool), library.array(labelled), eps=2.0)
    far = apart(pool.astype(np.float64), pool[labelled].astype(np.float64))
    np.testing.assert_allclose(found.distance, far.min(1), atol=1e-6)
    np.testing.assert_array_equal(found.nearest, labelled[far.argmin(1)])
    assert found.radius == pytest.approx(far.min(1).max())
    assert found.share == (far.min(1) <= 2).mean()
    assert found.quantiles[0.5] == pytest.approx(np.median(far.min(1)), rel=1e-6)
    elsewhere = tamis.coverage(library.array(pool), library.array(pool[labelled]), eps=2.0)
    np.testing.assert_array_equal(elsewhere.distance, found.distance)
    np.testing.assert_array_equal(elsewhere.nearest, far.argmin(1))


def test_holes_are_the_clusters_nothing_was_taken_from():
    middle = np.repeat([[0.0, 0], [40, 0], [0, 40]], [50, 30, 20], axis=0)
    pool = middle + rows(100, 2) * 0.5
    found = tamis.coverage(pool, np.arange(50), eps=3.0)
    assert found.hole_sizes.tolist() == [30, 20]
    assert (found.hole == np.repeat([-1, 0, 1], [50, 30, 20])).all()
    for hole, row in enumerate(found.hole_rows):
        members = np.flatnonzero(found.hole == hole)
        off = np.linalg.norm(pool[members] - pool[members].mean(0), axis=1)
        assert row == members[off.argmin()]
    assert "30 rows about row" in str(found)


@pytest.mark.parametrize("percent", [0.01, 0.1])
def test_adaptive_radii_are_those_of_dataeval(percent):
    core = pytest.importorskip("dataeval.core")
    x = np.load(data_path("embeddings", "pool_512.npy"))[:1500].astype(np.float64)
    x = (x - x.min()) / (x.max() - x.min())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = core.coverage_adaptive(x, 20, percent)
    found = tamis.coverage(x, k=20, percent=percent)
    np.testing.assert_allclose(found.distance, want["critical_value_radii"], rtol=1e-6)
    assert found.eps == pytest.approx(want["coverage_radius"], rel=1e-6)
    uncovered = np.flatnonzero(found.distance > found.eps)
    np.testing.assert_array_equal(uncovered, np.sort(want["uncovered_indices"]))


def test_adaptive_radius_by_hand():
    found = tamis.coverage(np.array([[0.0], [1.0], [3.0], [10.0]]), k=1, percent=0.25)
    assert found.distance.tolist() == [1, 1, 2, 7] and found.eps == 4.5 and found.share == 0.75
    assert np.isnan(found.recall) and found.to_dict()["recall"] is None


def test_results_are_plain_and_comparable():
    pool = rows(60)
    found = tamis.coverage(pool, np.arange(8))
    assert found == tamis.coverage(pool, np.arange(8)) and found != tamis.coverage(pool)
    assert len(repr(found).splitlines()) <= 20 and len(str(found).splitlines()) <= 20
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["radius"] == found.radius


def test_what_does_not_fit():
    pool = rows(10)
    cases = {
        "coverage: labelled must be 0 to 9, got 10": {"labelled": np.array([10])},
        r"coverage: labelled must be float64 of shape \(M, 8\)": {"labelled": rows(3, 4)},
        "coverage: eps must be a finite number of 0 or more, got -1": {"labelled": [1], "eps": -1},
        "pool and labelled must have at least one row": {"labelled": np.empty(0, np.int64)},
        "coverage: k must be at most 9 for 10 rows, got 12": {"k": 12},
        "metric must be euclidean or cosine": {"metric": "dot"},
    }
    for text, options in cases.items():
        with pytest.raises(ValueError, match=text):
            tamis.coverage(pool, **options)
    pool[4] = np.inf
    with pytest.raises(ValueError, match=r"coverage: pool must be finite, got NaN .* in row 4"):
        tamis.coverage(pool, [1, 2])


# diversity


def slow_diversity(x: np.ndarray) -> tuple[float, float]:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)

    def exp_entropy(values):
        share = values[values > 1e-12] / values.sum()
        return np.exp(-(share * np.log(share)).sum())

    vendi = exp_entropy(np.linalg.eigvalsh(unit @ unit.T / len(x)))
    return vendi, exp_entropy(np.linalg.svd(x - x.mean(0), compute_uv=False))


@pytest.mark.parametrize(("n", "d"), [(30, 6), (6, 30), (1, 4), (5000, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_diversity_is_that_of_the_similarity_matrix(library, n, d, dtype):
    x = rows(n, d).astype(dtype)
    found = tamis.diversity(library.array(x))
    if n < 1000:
        vendi, rank = slow_diversity(x.astype(np.float64))
        assert found.vendi == pytest.approx(vendi)
        assert found.effective_rank == pytest.approx(rank if n > 1 else 0)
    assert len(found.spectrum) == min(n, d) and found.spectrum.sum() == pytest.approx(1)


def test_diversity_equals_vendi_score():
    vendi = pytest.importorskip("vendi_score.vendi")
    x = rows(80, 10)
    assert tamis.diversity(x).vendi == pytest.approx(vendi.score_dual(x, normalize=True))


def test_diversity_of_copies_and_of_axes():
    assert tamis.diversity(np.ones((7, 3))).vendi == pytest.approx(1)
    assert tamis.diversity(np.ones((7, 3))).effective_rank == 0
    found = tamis.diversity(np.eye(5))
    assert found.vendi == pytest.approx(5) and found.effective_rank == pytest.approx(4)
    with pytest.raises(ValueError, match="other than all zeros, row 1 is not"):
        tamis.diversity(np.array([[1.0], [0.0]]))
    with pytest.raises(ValueError, match="x must be finite, row 1 is not"):
        tamis.diversity(np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match="at least one row"):
        tamis.diversity(np.empty((0, 2)))
