"""drift: statistics against slow definitions and peers, p values under no drift, and power."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tamis
from generated import share
from tamis.embeddings import two_samples
from tamis.embeddings.drift_result import benjamini_hochberg


def rows(n: int, d: int = 8, seed: int = 0, dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng((seed, n)).normal(size=(n, d)).astype(dtype)


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def slow_energy(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * apart(a, b).mean() - apart(a, a).mean() - apart(b, b).mean()


def slow_mmd(a: np.ndarray, b: np.ndarray, sigma: float) -> float:
    def kernel(x, y):
        return np.exp(-(apart(x, y) ** 2) / (2 * sigma**2))

    n, m = len(a), len(b)
    own = (kernel(a, a).sum() - n) / (n * (n - 1)) + (kernel(b, b).sum() - m) / (m * (m - 1))
    return own - 2 * kernel(a, b).mean()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "m"), [(40, 70), (2, 3), (1100, 60)])
def test_energy_and_mmd_equal_whole_matrices(library, n, m, dtype):
    a, b = rows(n, dtype=dtype) + 5, rows(m, seed=1, dtype=dtype) + 5.5
    found = tamis.drift(
        library.array(a), library.array(b), tests=["energy", "mmd"], bandwidth=2.0, permutations=9
    )
    a, b = a.astype(np.float64), b.astype(np.float64)
    near = {"abs": 1e-11 if dtype == np.float64 else 2e-6}
    assert found["energy"].statistic == pytest.approx(slow_energy(a, b), **near)
    assert found["energy"].effect == pytest.approx(
        slow_energy(a, b) / (2 * apart(a, b).mean()), **near
    )
    assert found["mmd"].statistic == pytest.approx(slow_mmd(a, b, 2.0), **near)
    assert found["mmd"].n == (n, m)


def test_permuted_values_are_those_of_permuted_rows():
    x, n = rows(50), 20
    found = two_samples.energy_and_mmd(
        x, n, wanted=["energy", "mmd"], permutations=5, bandwidth=1.5, seed=3, report=print
    )
    labels = two_samples._labels(n, 50, 5, 3, np.float64) == 1
    for i, ours in enumerate(labels):
        assert found["energy"][i] == pytest.approx(slow_energy(x[ours], x[~ours]), abs=1e-12)
        assert found["mmd"][i] == pytest.approx(slow_mmd(x[ours], x[~ours], 1.5), abs=1e-12)


@pytest.mark.parametrize("exponent", [100, -59])
def test_rows_of_any_scale_give_scaled_answers(exponent):
    a, b = rows(40, dtype=np.float32), rows(30, seed=1, dtype=np.float32) + np.float32(0.5)
    plain, scaled = (
        tamis.drift(
            np.ldexp(a, e), np.ldexp(b, e), tests=["energy", "mmd"], permutations=9,
            bandwidth=2.0**e,
        )
        for e in (0, exponent)
    )  # fmt: skip
    assert scaled["energy"].statistic == np.ldexp(plain["energy"].statistic, exponent)
    assert scaled["energy"].effect == plain["energy"].effect
    assert scaled["mmd"].statistic == plain["mmd"].statistic


def test_the_bandwidth_is_the_median_heuristic():
    a, b = rows(31), rows(20, seed=1)
    note = tamis.drift(a, b, tests=["mmd"], permutations=1)["mmd"].note
    both = np.concatenate([a, b])
    squares = np.sort((apart(both, both) ** 2).ravel())
    assert float(note.split()[1]) == pytest.approx(
        np.sqrt(0.5 * squares[len(squares) // 2 - 1]), rel=1e-3
    )


def test_mmd_equals_dataeval():
    peer = pytest.importorskip("dataeval.shift._drift._mmd")
    torch = pytest.importorskip("torch")
    a, b = rows(200, 16, dtype=np.float32), rows(150, 16, seed=1, dtype=np.float32) + 0.2
    both = torch.from_numpy(np.concatenate([a, b]))
    kernel = peer.GaussianRBF(sigma=torch.tensor([3.0]))(both, both)
    want = float(peer.mmd2_from_kernel_matrix(kernel, len(b)))
    got = tamis.drift(a, b, tests=["mmd"], bandwidth=3.0, permutations=1)["mmd"].statistic
    assert got == pytest.approx(want, abs=2e-6)


def test_neighbours_of_the_own_side_by_definition():
    a, b = rows(60, 3), rows(40, 3, seed=1) + 0.5
    found = tamis.drift(a, b, tests=["knn"], k=4)["knn"]
    both, label = np.concatenate([a, b]), np.repeat([0, 1], [60, 40])
    far = apart(both, both)
    np.fill_diagonal(far, np.inf)
    near = np.argsort(far, axis=1)[:, :4]
    share = (label[near] == label[:, None]).mean()
    chance = (60 * 59 + 40 * 39) / (100 * 99)
    assert found.statistic == pytest.approx(share)
    assert found.effect == pytest.approx((share - chance) / (1 - chance))


def test_shares_under_permutations():
    rng = np.random.default_rng(5)
    near = rng.integers(0, 90, (90, 3))
    shares = two_samples.same_label_shares(near, 30, 90, 130, seed=7)
    again = np.random.default_rng(7)
    words = [two_samples._permuted_bits(again, 30, 90) for _ in range(3)]
    for i in range(131):
        label = (words[i // 64] >> np.uint64(i % 64) & np.uint64(1)).astype(bool)
        if i == 0:
            label = np.arange(90) < 30
        assert shares[i] == pytest.approx((label[near] == label[:, None]).mean())


def test_clusters_say_what_grew():
    a = np.concatenate([rows(500, 2), rows(20, 2, seed=1) + 30])
    b = np.concatenate([rows(400, 2, seed=2), rows(120, 2, seed=3) + 30])
    found = tamis.drift(a, b, tests=["clusters"], clusters=2)
    assert found.drifted and found.exit_code == 1
    details = found.details
    assert details["share_reference"][0] == pytest.approx(20 / 520)
    assert details["share_batch"][0] == pytest.approx(120 / 520)
    assert details["rows"][0] >= 400
    assert found["clusters"].effect == pytest.approx(100 / 520)


TESTS = ("energy", "mmd", "knn", "clusters")


def test_p_is_uniform_under_no_drift():
    stats = pytest.importorskip("scipy.stats")
    found: dict[str, list[float]] = {test: [] for test in TESTS}
    times = share(200)
    for seed in range(times):
        rng = np.random.default_rng((9, seed))
        x = rng.normal(size=(120, 4)).astype(np.float32)
        x[rng.random(120) < 0.3] *= 0.3
        checks = tamis.drift(x[:60], x[60:], permutations=99, clusters=6, seed=seed).checks
        for check in checks:
            found[check.name].append(check.p)
    spread = np.random.default_rng(0).random(times) / 100  # p is one of 100 values
    for test, values in found.items():
        p = np.array(values) - spread
        assert stats.kstest(p, "uniform").pvalue > 0.01, test
        assert np.mean(np.array(values) <= 0.05) < 0.05 + 3.25 * standard_error(times), test


def standard_error(times: int) -> float:
    """Of the share of p-values up to 0.05; 3.25 of them are 5 points of 200, 8.7 of 67."""
    return float(np.sqrt(0.05 * 0.95 / times))


def test_copies_within_and_between_the_sides_are_no_drift():
    stats = pytest.importorskip("scipy.stats")
    values = []
    for seed in range(100):
        x = np.random.default_rng((4, seed)).integers(0, 12, (120, 1)).astype(np.float32)
        values.append(tamis.drift(x[:60], x[60:], tests=["knn"], permutations=99, seed=seed))
    p = np.array([v["knn"].p for v in values]) - np.random.default_rng(0).random(100) / 100
    assert stats.kstest(p, "uniform").pvalue > 0.01


def planted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """5,000 + 5,000 rows; 5 % of the batch are one tight cluster inside the cloud."""
    rng = np.random.default_rng((1, seed))
    a, b = rng.normal(size=(2, 5000, 16)).astype(np.float32)
    b[:250] = 0.15 * b[:250] + rng.normal(size=16)
    return a, b


def test_power_on_a_planted_cluster():
    """A small cluster, of 5 %, at a place where there are others: above .9 for what is local."""
    seen = {"knn": 0, "clusters": 0, "any": 0}
    times = share(10)
    for seed in range(times):
        found = tamis.drift(*planted(seed), permutations=199, max_rows=1000, seed=seed)
        for check in found.checks:
            if check.name in seen:
                seen[check.name] += check.p <= 0.05
        seen["any"] += found.drifted
    assert seen["knn"] == seen["any"] == times and seen["clusters"] >= 0.9 * times


def test_benjamini_hochberg_equals_scipy():
    stats = pytest.importorskip("scipy.stats")
    p = np.random.default_rng(0).random(20) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p))
    assert np.isnan(benjamini_hochberg(np.array([np.nan, 0.5]))[0])
    assert benjamini_hochberg(np.array([np.nan, 0.5]))[1] == 0.5


def test_result_is_plain_and_the_same_again():
    a, b = rows(100), rows(90, seed=1)
    found = tamis.drift(a, b, permutations=49)
    assert found == tamis.drift(a, b, permutations=49)
    assert found != tamis.drift(a, b + 1, permutations=49)
    assert len(str(found).splitlines()) <= 20 and len(repr(found).splitlines()) <= 20
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [c["name"] for c in plain["checks"]] == list(TESTS)
    with pytest.raises(KeyError, match="no check 'ks'"):
        found["ks"]


def test_what_does_not_fit():
    a = rows(10)
    cases = {
        r"drift: batch must be float64 of shape \(M, 8\) as reference is": (rows(5, 3), {}),
        "at least 2 rows, got 10 and 1": (a[:1], {}),
        "tests must be among energy, mmd, knn, clusters, got 'ks'": (a, {"tests": ["ks"]}),
        r"alpha must be in \(0, 1\], got 2": (a, {"alpha": 2}),
        "permutations must be 1 to 1000000, got 0": (a, {"permutations": 0}),
        "k must be at most 19 for 20 rows, got 30": (a, {"k": 30}),
    }
    for text, (batch, options) in cases.items():
        with pytest.raises(ValueError, match=text):
            tamis.drift(a, batch, **options)
    bad = a.copy()
    bad[3] = np.nan
    with pytest.raises(ValueError, match="batch must be finite"):
        tamis.drift(a, bad)


@pytest.mark.parametrize(("n", "total"), [(3, 10), (700, 3000), (1, 5), (2999, 3000), (64, 128)])
def test_permuted_labels_are_as_many_and_anywhere(n, total):
    rng = np.random.default_rng(0)
    words = np.concatenate([two_samples._permuted_bits(rng, n, total)[None] for _ in range(20)])
    bits = words[:, :, None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)
    assert (bits.sum(1) == n).all()
    share = bits.mean((0, 2))  # of 1,280 permutations
    spread = np.sqrt(n / total * (1 - n / total) / 1280)
    assert np.abs(share - n / total).max() < 5 * spread + 8 / 1280


def test_bits_of_words_are_counted():
    words = np.random.default_rng(0).integers(0, 2**64, 1001, np.uint64)
    want = [int((words >> np.uint64(i) & np.uint64(1)).sum()) for i in range(64)]
    assert two_samples.count_bits(words).tolist() == want
    assert two_samples.count_bits(words[:0]).tolist() == [0] * 64


def test_every_part_says_how_far_it_is():
    said = []
    x = np.random.default_rng(0).normal(size=(90, 8)).astype(np.float32)
    want = tamis.drift(x[:50], x[50:], permutations=99)
    assert (
        tamis.drift(x[:50], x[50:], permutations=99, progress=lambda *at: said.append(at)) == want
    )
    ends = [at for at in said if at[0] == at[1]]
    assert {(90, 90), (100, 100)} <= set(ends) and len(ends) >= 4  # pairs, knn, labels, clusters
    boxes = {"boxes": np.ones((9, 4)), "labels": np.arange(9) % 2, "splits": np.arange(10)}
    said.clear()
    tamis.drift(boxes, boxes, permutations=99, progress=lambda *at: said.append(at))
    ends = [at for at in said if at[0] == at[1]]
    assert ends.count((100, 100)) == 3 and ends.count((18, 18)) == 1  # three columns, the mix
    with pytest.raises(TypeError, match=r"^drift: progress must be"):
        tamis.drift(boxes, boxes, progress=3)
