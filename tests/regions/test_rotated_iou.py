"""rotated_box_iou, rotated_box_iou_paired and rotated_box_iou_batched."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import reference_rotated as reference
import tamis
from generated import examples
from hypothesis import example, given
from hypothesis import strategies as st
from reference import same_bits, some_splits
from tamis.regions.rotated_iou import KINDS

UNIT = np.array([[0, 0, 2, 2, 0]], np.float64)


def boxes(n: int, dtype: str = "float64", seed: int = 0, spread: float = 60) -> np.ndarray:
    """A third on a grid in quarter turns (they touch, nest and repeat), some without extent."""
    rng = np.random.default_rng((seed, n))
    place, size = rng.uniform(0, spread, (n, 2)), rng.uniform(2, 30, (n, 2))
    x = np.concatenate([place, size, rng.uniform(-400, 400, (n, 1))], axis=1)
    grid = rng.random(n) < 0.33
    x[grid] = np.round(x[grid] / [10, 10, 10, 10, 90]) * [10, 10, 10, 10, 90]
    return x.astype(dtype)


def close(got: np.ndarray, want: np.ndarray, within: float = 1e-9) -> None:
    np.testing.assert_allclose(got, want, rtol=within, atol=1e-15)


def one(a, b, **options) -> float:
    a, b = (np.array([x], np.float64) for x in (a, b))
    return tamis.rotated_box_iou(a, b, **options).item()


# Hand cases and edges


def test_an_octagon():
    """A square and itself turned by 45 degrees have a regular octagon in common."""
    common = 8 * (math.sqrt(2) - 1)
    assert one([5, 5, 2, 2, 0], [5, 5, 2, 2, 45]) == pytest.approx(common / (8 - common), rel=1e-15)
    assert one([5, 5, 2, 2, 0], [5, 5, 2, 2, 45], kind="iof") == pytest.approx(
        common / 4, rel=1e-15
    )


def test_a_corner_and_a_cross():
    half = math.sqrt(0.5)
    # the corner of a diamond reaches 0.5 deep into the side of a square
    assert one([0, 0, 2, 2, 0], [1 + half - 0.5, 0, 1, 1, 45]) == pytest.approx(
        0.25 / 4.75, rel=1e-14
    )
    for angle in (90, 30, 1):
        common = 1 / math.sin(math.radians(angle))
        got = one([0, 0, 1000, 1, 10], [0, 0, 1000, 1, 10 + angle])
        assert got == pytest.approx(common / (2000 - common), rel=1e-12)


def test_unturned_boxes_are_box_iou():
    x = boxes(300)
    x[:, 4] = 0
    x[:, :4] = np.round(x[:, :4]) * 2  # so that corners are exact
    same_bits(tamis.rotated_box_iou(x, x[:200]), tamis.box_iou(x[:, :4], x[:200, :4], fmt="cxcywh"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_box_and_itself(dtype):
    x = boxes(4000, dtype)
    x = x[(x[:, 2:4] > 0).all(axis=1)]
    x[:, 4] = np.round(x[:, 4] * 8) / 8  # so that adding turns is exact
    x = np.concatenate([x, x * np.array([1e-9] * 4 + [1]), x * np.array([1e9] * 4 + [1])]).astype(
        dtype
    )
    for turn in (0, 180, -360, 720):
        assert (tamis.rotated_box_iou_paired(x, x + np.array([0, 0, 0, 0, turn], dtype)) == 1).all()
    quarter = x[:, [0, 1, 3, 2, 4]] + np.array([0, 0, 0, 0, 90], dtype)
    assert (tamis.rotated_box_iou_paired(x, quarter) == 1).all()


@pytest.mark.parametrize("step", [1e-15, 1e-12, 1e-9, 1e-6, 1e-4])
def test_nearly_the_same(step):
    """Where corners sorted into in and out of the other box give anything from 0 to 2."""
    rng = np.random.default_rng(1)
    x = boxes(300)[:, :5]
    x = x[(x[:, 2:4] > 0).all(axis=1)]
    for which in ([1] * 5, [0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 1, 1, 0]):
        y = x + step * rng.choice([-1, 0, 1], x.shape) * which
        got = tamis.rotated_box_iou_paired(x, y)
        assert (got <= 1).all()
        close(got, [reference.overlap(p, q) for p, q in zip(x, y, strict=True)], 1e-13)


def test_float32_neighbours():
    x = boxes(1000, "float32")
    x = x[(x[:, 2:4] > 0).all(axis=1)]
    for toward in (np.float32(-1e9), np.float32(1e9)):
        got = tamis.rotated_box_iou_paired(x, np.nextafter(x, toward))
        assert (got > 1 - 1e-4).all() and (got <= 1).all()


def test_touching_nested_and_apart():
    assert one([0, 0, 2, 2, 0], [2, 0, 2, 2, 0]) == 0
    assert one([0, 0, 2, 2, 0], [2, 2, 2, 2, 90]) == 0
    assert one([0, 0, 2, 2, 30], [9, 0, 2, 2, 60]) == 0
    assert one([0, 0, 2, 2, 45], [math.sqrt(2), math.sqrt(2), 2, 2, 45]) < 1e-15
    assert one([0, 0, 10, 10, 20], [1, 1, 2, 3, 77]) == pytest.approx(6 / 100, rel=1e-14)
    assert one([1, 1, 2, 3, 77], [0, 0, 10, 10, 20], kind="iof") == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("side", [0, -3])
def test_sides_that_are_not_positive(side):
    flat = np.array([[0, 0, side, 2, 20], [0, 0, 2, side, 20], [0, 0, side, side, 0]], np.float64)
    for kind in KINDS:
        for other in (flat, UNIT, UNIT + 0.1):
            assert (tamis.rotated_box_iou(flat, other, kind=kind) == 0).all()
            assert (tamis.rotated_box_iou(other, flat, kind=kind) == 0).all()


def test_huge_angles_are_exact():
    x = boxes(200)
    for turns in (360.0 * 2**60, -360.0 * 2**1000, 0.0):
        x[:, 4] = turns
        close(tamis.rotated_box_iou(x[:1], x), tamis.rotated_box_iou(x[:1] * [1, 1, 1, 1, 0], x))
    for quarters, want in ((2.0**47 + 1, 1), (2.0**48 + 2, 1 / 3), (-(2.0**47) - 1, 1)):
        assert one([0, 0, 4, 2, 90 * quarters], [0, 0, 2, 4, 0]) == want


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0), (1, 1), (1, 1500), (700, 1)])
def test_sizes(n, m, library):
    a, b = boxes(n), boxes(m, seed=1)
    got = tamis.rotated_box_iou(library.array(a), library.array(b))
    close(library.numpy(got), reference.rotated_box_iou(a, b))


def test_paired_and_batched_without_boxes():
    none = np.empty((0, 5), np.float32)
    assert tamis.rotated_box_iou_paired(none, none).shape == (0,)
    for images in (0, 1, 3):
        zeros = np.zeros(images + 1, int)
        values, splits = tamis.rotated_box_iou_batched(none, zeros, none, zeros)
        assert values.shape == (0,) and splits.tolist() == zeros.tolist()


# Every path equals the reference; the three functions and all instruction sets agree bit by bit


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_pairs(isa, library, dtype, kind):
    a, b = boxes(23, dtype), boxes(90, dtype, seed=1)
    got = library.numpy(tamis.rotated_box_iou(library.array(a), library.array(b), kind=kind))
    want = reference.rotated_box_iou(a, b, kind)
    close(got, want, 1e-9 if dtype == "float64" else 1e-7)
    assert got.dtype == dtype and 0.1 < (got > 0).mean() < 0.9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_instruction_set_has_the_same_bits(dtype, kind):
    a, b = boxes(300, dtype), boxes(1100, dtype, seed=1)
    before, results = tamis._core.isa(), []
    try:
        for level in range(2, before + 1):
            tamis._core.cap_isa(level)
            results.append(tamis.rotated_box_iou(a, b, kind=kind))
    finally:
        tamis._core.cap_isa(before)
    for got in results:
        same_bits(got, results[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_paired_and_batched_have_the_bits_of_all_pairs(isa, library, dtype, kind):
    a, b = boxes(1100, dtype), boxes(1100, dtype, seed=1)
    got = tamis.rotated_box_iou_paired(library.array(a), library.array(b), kind=kind)
    same_bits(library.numpy(got), np.diag(tamis.rotated_box_iou(a, b, kind=kind)).copy())
    a_splits, b_splits = some_splits(40, 30, seed=2), some_splits(40, 9, seed=3)
    a, b = boxes(a_splits[-1], dtype), boxes(b_splits[-1], dtype, seed=1)
    inputs = [library.array(x) for x in (a, a_splits, b, b_splits)]
    values, ends = tamis.rotated_box_iou_batched(*inputs, kind=kind)
    values, ends = library.numpy(values), library.numpy(ends)
    pairs = (itertools.pairwise(x) for x in (a_splits, b_splits, ends))
    for (i, j), (k, n), (first, last) in zip(*pairs, strict=True):
        want = tamis.rotated_box_iou(a[i:j], b[k:n], kind=kind)
        same_bits(values[first:last], want.ravel())


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_matter(threads):
    a, b = boxes(700), boxes(1300, seed=1)
    want = tamis.rotated_box_iou(a, b)
    ends = np.array([0, 700]), np.array([0, 1300])
    try:
        tamis.set_num_threads(threads)
        same_bits(tamis.rotated_box_iou(a, b), want)
        same_bits(tamis.rotated_box_iou_batched(a, ends[0], b, ends[1])[0], want.ravel())
    finally:
        tamis.set_num_threads(0)


# Scales and places


@pytest.mark.parametrize("scale", [1e-70, 1e-9, 1e9, 1e70])
def test_scale_does_not_matter(scale):
    a, b = boxes(12), boxes(12, seed=1)
    want, by = reference.rotated_box_iou(a, b), [scale] * 4 + [1]
    close(tamis.rotated_box_iou(a * by, b * by), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_from_the_origin(dtype):
    far = np.array([1e7, -3e7, 0, 0, 0] if dtype == "float32" else [1e12, -3e12, 0, 0, 0])
    a, b = ((boxes(12, seed=i) + far).astype(dtype) for i in (0, 1))
    want = reference.rotated_box_iou(a, b)
    assert (want > 0).sum() > 10
    close(tamis.rotated_box_iou(a, b), want, 1e-9 if dtype == "float64" else 1e-7)


@pytest.mark.parametrize("factor", [1e2, 1e4, 1e6])
def test_long_ones_and_small_ones_in_large_ones(factor):
    a, b = boxes(15, spread=20), boxes(15, seed=1, spread=20)
    for to in ([1, 1, factor, 1, 1], [1, 1, factor, factor, 1], [1, 1, 1 / factor, 1 / factor, 1]):
        want = reference.rotated_box_iou(a, b * to)
        got = tamis.rotated_box_iou(a, b * to)
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-13 * want.max())


@pytest.mark.parametrize(("part", "within"), [(1e-3, 1e-10), (1e-6, 1e-8), (1e-8, 1e-6)])
def test_slivers(part, within):
    """Boxes pushed apart until only this part of the smaller one is left."""
    a, b = (x[(x[:, 2:4] > 0).all(axis=1)] for x in (boxes(70), boxes(70, seed=1)))
    n = min(len(a), len(b))
    a, b, turn = a[:n], b[:n].copy(), np.random.default_rng(2).uniform(0, 7, n)
    smaller = np.minimum(a[:, 2] * a[:, 3], b[:, 2] * b[:, 3]) / (a[:, 2] * a[:, 3])
    low, high = np.zeros(n), np.full(n, 100.0)
    for _ in range(60):
        far = (low + high) / 2
        b[:, :2] = a[:, :2] + np.stack([np.cos(turn), np.sin(turn)], 1) * far[:, None]
        over = tamis.rotated_box_iou_paired(a, b, kind="iof") > part * smaller
        low, high = np.where(over, far, low), np.where(over, high, far)
    b[:, :2] = a[:, :2] + np.stack([np.cos(turn), np.sin(turn)], 1) * low[:, None]
    want = np.array([reference.overlap(p, q) for p, q in zip(a, b, strict=True)])
    assert (want > part / 1e3).all()
    np.testing.assert_allclose(tamis.rotated_box_iou_paired(a, b), want, rtol=within)


# Arrays: anything that exports memory


def test_mixed_dtypes_and_halves(library):
    a, b = boxes(5, "float32"), boxes(7, seed=1)
    got = library.numpy(tamis.rotated_box_iou(library.array(a), library.array(b)))
    same_bits(got, tamis.rotated_box_iou(a.astype(np.float64), b))
    half = a.astype(np.float16)
    got = library.numpy(tamis.rotated_box_iou(library.array(half), library.array(half)))
    same_bits(got, tamis.rotated_box_iou(*[half.astype(np.float32)] * 2))


def test_layouts():
    a, b = boxes(6), boxes(9, seed=1)
    want = tamis.rotated_box_iou(a, b)
    read_only = a.copy()
    read_only.flags.writeable = False
    strided, fortran = np.repeat(a, 2, axis=0)[::2], np.asfortranarray(a)
    for x in (read_only, strided, fortran, a.astype(">f8"), memoryview(a)):
        same_bits(tamis.rotated_box_iou(x, b), want)


# Errors come before work

GOOD = boxes(4)
SPLITS = np.array([0, 1, 4])
BAD = np.where(np.arange(4)[:, None] == 2, [[1, 1, 1, 1, math.nan]], GOOD)
BATCHED = tamis.rotated_box_iou_batched
ERRORS = [
    (ValueError, r"rotated_box_iou: a must have shape \(N, 5\), got \(4, 4\)", GOOD[:, :4], GOOD),
    (ValueError, r"rotated_box_iou: b must have shape \(N, 5\), got \(5,\)", GOOD, GOOD[0]),
    (ValueError, "rotated_box_iou: b has a NaN or infinite value in row 2", GOOD, BAD),
    (TypeError, "rotated_box_iou: b must be float16, .*, got int64", GOOD, GOOD.astype(int)),
    (TypeError, "rotated_box_iou: a must be an array .*, got list", [[0, 0, 1, 1, 0]], GOOD),
    (ValueError, r"rotated_box_iou_paired: b must have shape \(4, 5\), got", GOOD, GOOD[:3]),
    (ValueError, "rotated_box_iou_batched: a_splits must begin", GOOD, SPLITS + 1, GOOD, SPLITS),
    (ValueError, r"rotated_box_iou_batched: b_splits must", GOOD, SPLITS, GOOD, SPLITS[:2]),
]


@pytest.mark.parametrize(("error", "text", "arguments"), [(e, t, a) for e, t, *a in ERRORS])
def test_errors(error, text, arguments):
    with pytest.raises(error, match=f"^{text}"):
        getattr(tamis, text.split(":")[0])(*arguments)


def test_unknown_kind():
    with pytest.raises(ValueError, match="kind must be one of iou, iof, got 'giou'"):
        tamis.rotated_box_iou(GOOD, GOOD, kind="giou")


# Properties


def any_box():
    centre = st.integers(-3, 3) | st.floats(-5, 5)
    side = st.integers(0, 5) | st.floats(1e-3, 9)
    angle = st.sampled_from([0, 45, 90, -180, 30]) | st.floats(-720, 720)
    return st.tuples(centre, centre, side, side, angle)


@examples(300)
@given(any_box(), any_box())
@example((0, 0, 1, 1, 0), (0, 0, 1, 1, 5e-324))
@example((0, 0, 1, 1, 45), (0, 0, 1, 1, math.nextafter(45, 0)))
def test_any_two_boxes(a, b):
    a, b = np.array([a], np.float64), np.array([b], np.float64)
    for kind in KINDS:
        got = tamis.rotated_box_iou(a, b, kind=kind)
        assert 0 <= got.item() <= 1
        np.testing.assert_allclose(
            got, reference.rotated_box_iou(a, b, kind), rtol=1e-9, atol=1e-13
        )
    same_bits(tamis.rotated_box_iou(a, b), tamis.rotated_box_iou(b, a))


# Parity with polygon clipping in shapely


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shapely_parity(dtype):
    shapely = pytest.importorskip("shapely")
    a, b = boxes(150, dtype), boxes(250, dtype, seed=1)
    p, q = (reference.polygons(shapely, x.astype(np.float64)) for x in (a, b))
    common = shapely.area(shapely.intersection(p[:, None], q))
    for kind in KINDS:
        whole = shapely.area(p)[:, None] + (0 if kind == "iof" else shapely.area(q) - common)
        want = np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)
        got = tamis.rotated_box_iou(a, b, kind=kind)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)
        assert np.abs(got - want).max() < (1e-7 if dtype == "float32" else 1e-13)
