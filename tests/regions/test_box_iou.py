"""box_iou, box_iou_paired and box_iou_batched."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import reference
import tamis
from generated import examples
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference import same_bits, some_splits
from tamis._shared.columns import FORMATS
from tamis.regions.box_iou import KINDS

OPTIONS = list(itertools.product(KINDS, FORMATS))
UNIT = np.array([[0, 0, 2, 2]], np.float32)


def boxes(n: int, dtype: str = "float32", fmt: str = "xyxy", seed: int = 0) -> np.ndarray:
    """Boxes on a half-pixel grid (many touch, nest and repeat) with points and lines among them."""
    rng = np.random.default_rng((seed, n))
    start = rng.integers(0, 60, (n, 2)) / 2
    size = rng.integers(0, 25, (n, 2)) / 2
    jitter = np.where(rng.random((n, 1)) < 0.5, rng.random((n, 2)), 0)
    parts = {"xyxy": (start, start + size + jitter), "xywh": (start, size + jitter)}
    return np.concatenate(parts.get(fmt, (start, size + jitter)), axis=1).astype(dtype)


# Hand cases and edges


EXPECTED = (1 / 7, 1 / 7 - 2 / 9, 1 / 7 - 2 / 18, 1 / 7 - 2 / 18, 1 / 4)


@pytest.mark.parametrize(("kind", "want"), [*zip(KINDS, EXPECTED, strict=True)])
def test_two_squares(kind, want):
    got = tamis.box_iou(UNIT, UNIT + 1, kind=kind)
    assert got.dtype == np.float32 and got.shape == (1, 1)
    assert got[0, 0] == pytest.approx(want, rel=1e-6)


def test_aspect_of_a_line_and_a_point():
    a = np.array([[0, 0, 2, 0], [0, 0, 0, 2], [1, 1, 1, 1.0]])
    got = tamis.box_iou(a, a, kind="ciou")
    assert np.isfinite(got).all()
    v = 4 / math.pi**2 * (math.pi / 2) ** 2
    assert got[0, 1] == pytest.approx(-2 / 8 - v * v / (1 + v), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_zero_union_is_zero(kind):
    point = np.zeros((1, 4), np.float32)
    assert tamis.box_iou(point, point, kind=kind)[0, 0] == 0


def test_touching_and_inverted():
    a = np.array([[0, 0, 1, 1]], np.float64)
    b = np.array([[1, 0, 2, 1], [1, 1, 0, 0], [3, 0, 1, 1]], np.float64)
    assert (tamis.box_iou(a, b) == 0).all()
    # the area of the third is -2: the union is -1 and the hull 3
    assert tamis.box_iou(a, b, kind="giou")[0, 2] == -((1 - -1) / 1)


def test_formats_agree():
    a = np.array([[1, 2, 4, 8]], np.float32)
    b = np.array([[2, 3, 8, 9]], np.float32)
    sides = np.array([0, 0, 1, 1], bool)
    to_xywh = [np.where(sides, x - np.roll(x, 2, axis=1), x) for x in (a, b)]
    centres = ((x + np.roll(x, -2, axis=1)) / 2 for x in (a, b))
    to_centre = [np.where(sides, s, c) for s, c in zip(to_xywh, centres, strict=True)]
    for kind in KINDS:
        want = tamis.box_iou(a, b, kind=kind)
        assert tamis.box_iou(*to_xywh, kind=kind, fmt="xywh") == want
        assert tamis.box_iou(*to_centre, kind=kind, fmt="cxcywh") == want


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0), (1, 1), (1, 70_000), (70_000, 1)])
def test_sizes(n, m, library):
    a, b = boxes(n), boxes(m, seed=1)
    got = tamis.box_iou(library.array(a), library.array(b))
    same_bits(library.numpy(got), reference.box_iou(a, b))


def test_paired_and_batched_without_boxes():
    none = np.empty((0, 4), np.float32)
    assert tamis.box_iou_paired(none, none).shape == (0,)
    for images in (0, 1, 3):
        zeros = np.zeros(images + 1, int)
        values, splits = tamis.box_iou_batched(none, zeros, none, zeros)
        assert values.shape == (0,) and splits.tolist() == zeros.tolist()


def test_huge_coordinates_follow_the_arithmetic():
    a = np.array([[-3e38, -3e38, 3e38, 3e38], [0, 0, 1e30, 1e30]], np.float32)
    for kind, fmt in OPTIONS:
        np.testing.assert_array_equal(
            tamis.box_iou(a, a, kind=kind, fmt=fmt), reference.box_iou(a, a, kind, fmt)
        )


# Every path equals the reference, bit by bit


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "fmt"), OPTIONS)
def test_all_pairs(isa, library, dtype, kind, fmt):
    a, b = boxes(37, dtype, fmt), boxes(1100, dtype, fmt, seed=1)
    got = tamis.box_iou(library.array(a), library.array(b), kind=kind, fmt=fmt)
    same_bits(library.numpy(got), reference.box_iou(a, b, kind, fmt))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "fmt"), OPTIONS)
def test_paired(isa, library, dtype, kind, fmt):
    a, b = boxes(2500, dtype, fmt), boxes(2500, dtype, fmt, seed=1)
    got = tamis.box_iou_paired(library.array(a), library.array(b), kind=kind, fmt=fmt)
    same_bits(library.numpy(got), reference.box_iou_paired(a, b, kind, fmt))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "fmt"), OPTIONS)
def test_batched(isa, library, dtype, kind, fmt):
    a_splits, b_splits = some_splits(40, 30, seed=2), some_splits(40, 9, seed=3)
    a, b = boxes(a_splits[-1], dtype, fmt), boxes(b_splits[-1], dtype, fmt, seed=1)
    inputs = [library.array(x) for x in (a, a_splits, b, b_splits)]
    values, splits = tamis.box_iou_batched(*inputs, kind=kind, fmt=fmt)
    want, want_splits = reference.box_iou_batched(a, a_splits, b, b_splits, kind, fmt)
    same_bits(library.numpy(values), want)
    same_bits(library.numpy(splits), want_splits)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_matter(threads):
    a, b = boxes(1500), boxes(1700, seed=1)
    a_splits, b_splits = np.array([0, 1500]), np.array([0, 1700])
    want = reference.box_iou(a, b)
    try:
        tamis.set_num_threads(threads)
        same_bits(tamis.box_iou(a, b), want)
        same_bits(tamis.box_iou_batched(a, a_splits, b, b_splits)[0], want.ravel())
    finally:
        tamis.set_num_threads(0)


# Arrays: anything that exports memory


def test_mixed_dtypes_and_halves(library):
    a, b = boxes(5), boxes(7, seed=1)
    double = library.array(b.astype(np.float64))
    got = tamis.box_iou(library.array(a), double)
    same_bits(library.numpy(got), reference.box_iou(a.astype(np.float64), b.astype(np.float64)))
    half = a.astype(np.float16)
    got = tamis.box_iou(library.array(half), library.array(half))
    same_bits(library.numpy(got), reference.box_iou(*[half.astype(np.float32)] * 2))


def test_bfloat16_and_gradients():
    torch = pytest.importorskip("torch")
    a = torch.from_numpy(boxes(5)).to(torch.bfloat16)
    same_bits(tamis.box_iou(a, a).numpy(), reference.box_iou(*[a.float().numpy()] * 2))
    b = torch.from_numpy(boxes(5)).requires_grad_()
    got = tamis.box_iou(b, b)
    assert not got.requires_grad
    same_bits(got.numpy(), reference.box_iou(boxes(5), boxes(5)))


def test_layouts(tmp_path):
    a, b = boxes(6), boxes(9, seed=1)
    want = reference.box_iou(a, b)
    read_only = a.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"x" + a.tobytes(), np.float32, offset=1).reshape(-1, 4)
    a.tofile(tmp_path / "a.bin")
    mapped = np.memmap(tmp_path / "a.bin", np.float32, "r", shape=a.shape)
    strided, fortran = np.repeat(a, 2, axis=0)[::2], np.asfortranarray(a)
    big_endian, buffer = a.astype(">f4"), memoryview(a)
    for x in (read_only, unaligned, mapped, strided, fortran, big_endian, buffer):
        same_bits(tamis.box_iou(x, b), want)
    same_bits(np.asarray(tamis.box_iou(a[::-1], b)), want[::-1])


def test_read_only_splits_with_torch():
    torch = pytest.importorskip("torch")
    a, splits = torch.from_numpy(boxes(4)), np.array([0, 4])
    splits.flags.writeable = False
    assert torch.equal(tamis.box_iou_batched(a, splits, a, splits)[0], tamis.box_iou(a, a).ravel())


def test_libraries_may_mix():
    torch = pytest.importorskip("torch")
    a, b = boxes(6), boxes(9, seed=1)
    assert isinstance(tamis.box_iou(torch.from_numpy(a), b), torch.Tensor)
    same_bits(tamis.box_iou(a, torch.from_numpy(b)), reference.box_iou(a, b))


# Errors come before work

GOOD = boxes(4)
SPLITS, DECREASING = np.array([[0, 1, 4], [0, 5, 4]])
ERRORS = [  # the function's name, what it says, and its arguments
    ("box_iou", r"a must have shape \(N, 4\), got \(4, 3\)", GOOD[:, :3], GOOD),
    ("box_iou", r"b must have shape \(N, 4\), got \(4,\)", GOOD, GOOD[0]),
    ("box_iou_paired", r"b must have shape \(4, 4\), got \(3, 4\)", GOOD, GOOD[:3]),
    ("box_iou_batched", r"b_splits must have shape \(3,\), got \(2,\)", SPLITS, SPLITS[:2]),
    ("box_iou_batched", "a_splits must begin with 0 and end with 4, got .*", SPLITS + 1, SPLITS),
    ("box_iou_batched", "a_splits must begin with 0 .*, got no offsets", SPLITS[:0], SPLITS),
    (
        "box_iou_batched",
        "b_splits must not decrease, got 4 after 5 at .* 2",
        SPLITS,
        np.array([0, 5, 4]),
    ),
]
WRONG_TYPES = [
    ("box_iou", "b must be float16, .* or float64, got int64", GOOD, GOOD.astype(int)),
    ("box_iou", r"a must be an array \(.*\), got list", [[0, 0, 1, 1]], GOOD),
    ("box_iou_batched", "a_splits must be int8 to int64, got float64", SPLITS / 1, SPLITS),
]


@pytest.mark.parametrize("case", [*ERRORS, *WRONG_TYPES], ids=lambda case: f"{case[0]} {case[1]}")
def test_errors(case):
    name, text, *arguments = case
    if name == "box_iou_batched":
        arguments = GOOD, arguments[0], GOOD, arguments[1]
    error = ValueError if any(case is c for c in ERRORS) else TypeError
    with pytest.raises(error, match=f"^{name}: {text}$"):
        getattr(tamis, name)(*arguments)


def test_unknown_options():
    with pytest.raises(ValueError, match=r"kind must be one of iou, .*, iof, got 'best'"):
        tamis.box_iou(GOOD, GOOD, kind="best")
    with pytest.raises(ValueError, match="fmt must be one of xyxy, xywh, cxcywh, got 'yxyx'"):
        tamis.box_iou_paired(GOOD, GOOD, fmt="yxyx")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("row", [0, 3, 999])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_non_finite_coordinates(isa, bad, row, dtype):
    a, b = boxes(1000, dtype), boxes(1000, dtype)
    b[row, row % 4] = b[999, 2] = bad
    text = f"^box_iou_paired: b has a NaN or infinite coordinate in row {row}$"
    with pytest.raises(ValueError, match=text):
        tamis.box_iou_paired(a, b)


def test_other_devices_are_refused():
    meta = pytest.importorskip("torch").empty((4, 4), device="meta")
    with pytest.raises(ValueError, match=r"b must be on the device of a \(cpu\), got meta"):
        tamis.box_iou(GOOD, meta)
    with pytest.raises(ValueError, match="arrays must be on the CPU or on CUDA, got meta"):
        tamis.box_iou(meta, meta)


def test_the_cuda_part_is_named_where_it_is_missing():
    from tamis._shared import arrays

    try:
        from tamis import _cuda
    except ImportError:
        with pytest.raises(tamis.CudaUnavailable, match=r"box_iou: got an array on cuda:0.*nvcc"):
            arrays.backend("box_iou", "cuda:0")
    else:
        assert arrays.backend("box_iou", "cuda:0") is _cuda


# Properties

COORDINATES = st.floats(-100, 100, width=32) | st.sampled_from([0.0, 1.0, 2.0, -1.0])


def any_boxes(most: int = 8):
    shapes = st.tuples(st.integers(0, most), st.just(4))
    return shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=COORDINATES))


@examples(150)
@given(any_boxes(), any_boxes(), st.sampled_from(OPTIONS))
@example(np.zeros((1, 4), np.float32), np.zeros((1, 4), np.float32), ("giou", "xyxy"))
def test_any_boxes_equal_the_reference(a, b, options):
    same_bits(
        tamis.box_iou(a, b, kind=options[0], fmt=options[1]), reference.box_iou(a, b, *options)
    )


@examples(100)
@given(any_boxes(), any_boxes())
def test_bounds_and_symmetry(a, b):
    a, b = (
        np.sort(a.reshape(-1, 2, 2), 1).reshape(-1, 4),
        np.sort(b.reshape(-1, 2, 2), 1).reshape(-1, 4),
    )
    iou = tamis.box_iou(a, b)
    assert ((iou >= 0) & (iou <= 1)).all()
    assert np.array_equal(iou, tamis.box_iou(b, a).T)
    itself = tamis.box_iou_paired(a, a)
    assert np.array_equal(
        itself, ((a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1]) != 0).astype(np.float32)
    )


def test_arctangent_is_close_to_numpy():
    x = np.r_[np.logspace(-300, 300, 200_001), np.linspace(0, 4, 400_001), np.inf]
    x = np.r_[x, -x]
    got, want = reference.arctangent(x), np.arctan(x)
    assert (np.abs(got - want) <= 2 * np.spacing(np.abs(want))).all()
    x = x[np.abs(x) < 1e30].astype(np.float32).astype(np.float64)
    got, want = (f(x).astype(np.float32) for f in (reference.arctangent, np.arctan))
    assert (np.abs(got - want) <= np.spacing(np.abs(want))).all()


# Parity with torchvision.ops, whose formulas these are


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
def test_torchvision_parity(kind, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    a, b = (
        torch.from_numpy(np.concatenate([p, p + rng.uniform(1, 200, p.shape)], 1).astype(dtype))
        for p in (rng.uniform(0, 600, (300, 2)), rng.uniform(0, 600, (200, 2)))
    )
    got, want = tamis.box_iou(a, b, kind=kind), reference.torchvision_overlap(a, b, kind)
    if kind == "ciou":  # the atan differs in the last bit
        torch.testing.assert_close(got, want, rtol=1e-5, atol=4 * torch.finfo(got.dtype).eps)
    else:
        assert torch.equal(got, want)
