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


def rotated(n, size):
    """A tenth of them repeat another box within a hundredth of a pixel."""
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.uniform(0, size, (n, 2)), rng.uniform(5, 60, (n, 2)), rng.uniform(0, 360, (n, 1))], 1
    )
    x[: n // 10] = x[n // 10 : n // 10 * 2] + rng.normal(0, 0.01, (n // 10, 5))
    return rng.permutation(x)


def with_shapely(x, splits):
    """The later boxes of pairs over 0.9, as one finds them with shapely: a tree, then clipping."""
    shapely = pytest.importorskip("shapely")
    turn = np.deg2rad(x[:, 4])
    u = np.stack([np.cos(turn), np.sin(turn)], 1) * x[:, 2:3] / 2
    v = np.stack([-np.sin(turn), np.cos(turn)], 1) * x[:, 3:4] / 2
    c = x[:, :2]
    shapes = shapely.polygons(np.stack([c - u - v, c + u - v, c + u + v, c - u + v], 1))
    area, found = shapely.area(shapes), []
    for first, end in itertools.pairwise(splits):
        i, j = shapely.STRtree(shapes[first:end]).query(shapes[first:end]) + first
        i, j = i[i < j], j[i < j]
        common = shapely.area(shapely.intersection(shapes[i], shapes[j]))
        found.append(np.unique(j[common / (area[i] + area[j] - common) > 0.9]))
    return np.concatenate(found)


@pytest.mark.parametrize("who", ["tamis", "shapely"])
@pytest.mark.parametrize(("images", "each", "size"), [(1000, 15, 200), (1, 20_000, 6000)])
def test_rotated(benchmark, who, images, each, size):
    x, splits = rotated(images * each, size), np.arange(images + 1) * each
    got = tamis.find_duplicate_boxes(x, splits, threshold=0.9)
    np.testing.assert_array_equal(got.duplicates, with_shapely(x, splits))
    benchmark.group = f"rotated duplicates {images} x {each}, {tamis.num_threads()} threads"
    run = {
        "tamis": lambda: tamis.find_duplicate_boxes(x, splits, threshold=0.9),
        "shapely": lambda: with_shapely(x, splits),
    }[who]
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("who", ["tamis", "pycocotools"])
@pytest.mark.parametrize(("images", "each"), [(1000, 15), (1, 2000)])
def test_masks(benchmark, who, images, each):
    theirs = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    turn = np.linspace(0, 6, 20)
    centre, radius = rng.uniform(0, 600, (2, images * each, 1)), rng.uniform(5, 60, images * each)
    x, y = (c + radius[:, None] * f(turn) for c, f in zip(centre, (np.cos, np.sin), strict=True))
    points = np.stack([x, y], 2).reshape(len(radius), 1, -1)
    points[1::10] = points[::10] + 0.1
    masks, splits = tamis.Masks.from_polygons(points, (640, 640)), np.arange(images + 1) * each
    records = masks.to_coco()

    def with_pycocotools():
        found = []
        for first, end in itertools.pairwise(splits.tolist()):
            some = records[first:end]
            over = np.triu(theirs.iou(some, some, [0] * len(some)), 1) > 0.9
            found.append(first + simple(over))
        return np.concatenate(found)

    got = tamis.find_duplicate_boxes(masks, splits, threshold=0.9)
    np.testing.assert_array_equal(got.duplicates, with_pycocotools())
    assert len(got.duplicates) > images * each // 20
    benchmark.group = f"mask duplicates {images} x {each}, {tamis.num_threads()} threads"
    run = {
        "tamis": lambda: tamis.find_duplicate_boxes(masks, splits, threshold=0.9),
        "pycocotools": with_pycocotools,
    }[who]
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
