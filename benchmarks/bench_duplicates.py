"""find_duplicate_boxes against FiftyOne's rules on all pairs, which is what its callers have.

pytest benchmarks/bench_duplicates.py
"""

import itertools

import numpy as np
import pytest
import tamis

METHODS = ["simple", "greedy", "groups"]


def boxes(n, size=600.0):
    """A tenth of them repeat another box within a hundredth of a pixel."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, size, (n, 2))
    x = np.concatenate([corner, corner + rng.uniform(1, 200, (n, 2))], axis=1)
    again = rng.permutation(n)
    tenth = n // 10
    x[again[:tenth]] = x[again[tenth : 2 * tenth]] + rng.normal(0, 0.01, (tenth, 4))
    return x


def pairs_over(x, threshold):
    area = (x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1])
    low = np.maximum(x[:, None, :2], x[:, :2])
    high = np.minimum(x[:, None, 2:], x[:, 2:])
    w, h = np.moveaxis(np.clip(high - low, 0, None), 2, 0)
    inter = w * h
    return np.triu(inter / (area + area[:, None] - inter), k=1) > threshold


def simple(over):
    return np.unique(np.nonzero(over)[1])


def greedy(over):
    taken = []
    while over.any():
        k = np.argmax(np.bincount(np.concatenate(np.nonzero(over))))
        taken.append(k)
        over[k] = over[:, k] = False
    return np.sort(taken).astype(int)


def groups(over):
    first = np.arange(len(over))
    for i, j in np.argwhere(over):
        low, high = sorted((first[i], first[j]))
        first[first == high] = low
    return np.flatnonzero(first != np.arange(len(over)))


def numpy_loop(x, splits, threshold, method):
    rule = {"simple": simple, "greedy": greedy, "groups": groups}[method]
    found = [
        first + rule(pairs_over(x[first:end], threshold))
        for first, end in itertools.pairwise(splits)
    ]
    return np.concatenate(found)


def check(x, splits, threshold, method, images):
    """The first images agree with the NumPy loop."""
    some = slice(0, splits[images])
    options = {"threshold": threshold, "method": method}
    got = tamis.find_duplicate_boxes(x[some], splits[: images + 1], **options)
    want = numpy_loop(x[some], splits[: images + 1], **options)
    np.testing.assert_array_equal(got.duplicates, want)


@pytest.mark.parametrize("who", ["tamis", "numpy loop"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("images", "each"), [(500, 15), (2, 1000)])
def test_small(benchmark, who, images, each, method):
    x, splits = boxes(images * each), np.arange(images + 1) * each
    if each == 15:
        x[1::15] = x[::15]
    check(x, splits, 0.9, method, images)
    benchmark.group = (
        f"duplicates {method}, {images} x {each}, {tamis.num_threads()} threads, NumPy 1"
    )
    run = {"tamis": tamis.find_duplicate_boxes, "numpy loop": numpy_loop}[who]
    benchmark.pedantic(
        run,
        args=(x, splits),
        kwargs={"threshold": 0.9, "method": method},
        rounds=5,
        warmup_rounds=1,
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("labelled", [False, True])
def test_a_million_images_of_15(benchmark, method, labelled):
    n = 1_000_000
    x, splits = boxes(n * 15), np.arange(n + 1) * 15
    x[1::15] = x[::15] + 0.001
    labels = np.arange(len(x)) // 2 % 5 if labelled else None
    check(x, splits, 0.99, method, 300)
    benchmark.group = f"duplicates 1,000,000 x 15, {tamis.num_threads()} threads"
    benchmark.pedantic(
        tamis.find_duplicate_boxes,
        args=(x, splits),
        kwargs={"method": method, "labels": labels},
        rounds=5,
        warmup_rounds=1,
    )


CROWDS = {
    "anywhere": lambda n: boxes(n),
    "in one place": lambda n: np.repeat([[10.0, 10, 50, 50]], n, axis=0),
    "in nearly one place": lambda n: (
        np.repeat([[10.0, 10, 50, 50]], n, axis=0)
        + np.random.default_rng(0).normal(0, 0.01, (n, 4))
    ),
    "one over all": lambda n: np.concatenate([[[-1e4, -1e4, 1e4, 1e4]], boxes(n - 1)]),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("crowd", CROWDS)
@pytest.mark.parametrize("threshold", [0.99, 0.5, 0.0])
def test_one_image_of_100_000(benchmark, crowd, method, threshold):
    check(CROWDS[crowd](1000), np.array([0, 1000]), threshold, method, 1)
    x, splits = CROWDS[crowd](100_000), np.array([0, 100_000])
    benchmark.group = f"duplicates 100,000 boxes {crowd}, {tamis.num_threads()} threads"
    benchmark.pedantic(
        tamis.find_duplicate_boxes,
        args=(x, splits),
        kwargs={"method": method, "threshold": threshold},
        rounds=3,
        warmup_rounds=0,
    )
