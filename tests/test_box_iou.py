"""box_iou, box_iou_paired and box_iou_batched."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import reference
import tamis
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tamis.box_iou import FORMATS, KINDS

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


def same_bits(got: np.ndarray, want: np.ndarray) -> None:
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_array_equal(got.view(f"i{got.itemsize}"), want.view(f"i{want.itemsize}"))


# Hand cases and edges


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        ("iou", 1 / 7),
        ("iof", 1 / 4),
        ("giou", 1 / 7 - 2 / 9),
        ("diou", 1 / 7 - 2 / 18),
        ("ciou", 1 / 7 - 2 / 18),
    ],
)
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
    to_centre = [
        np.where(sides, s, (x + np.roll(x, -2, axis=1)) / 2)
        for x, s in zip((a, b), to_xywh, strict=True)
    ]
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


def some_splits(images: int, most: int, seed: int) -> np.ndarray:
    counts = np.random.default_rng(seed).integers(0, most + 1, images)
    return np.concatenate([[0], np.cumsum(counts)])


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


def test_libraries_may_mix():
    torch = pytest.importorskip("torch")
    a, b = boxes(6), boxes(9, seed=1)
    assert isinstance(tamis.box_iou(torch.from_numpy(a), b), torch.Tensor)
    same_bits(tamis.box_iou(a, torch.from_numpy(b)), reference.box_iou(a, b))


# Errors come before work


GOOD = boxes(4)
SPLITS = np.array([0, 1, 4])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: tamis.box_iou(GOOD[:, :3], GOOD),
            ValueError,
            r"box_iou: a must have shape \(N, 4\), got \(4, 3\)",
        ),
        (
            lambda: tamis.box_iou(GOOD, GOOD[0]),
            ValueError,
            r"box_iou: b must have shape \(N, 4\), got \(4,\)",
        ),
        (
            lambda: tamis.box_iou(GOOD, GOOD.astype(int)),
            TypeError,
            "box_iou: b must be float16, bfloat16, float32 or float64, got int64",
        ),
        (
            lambda: tamis.box_iou([[0, 0, 1, 1]], GOOD),
            TypeError,
            r"box_iou: a must be an array \(.*\), got list",
        ),
        (
            lambda: tamis.box_iou(GOOD, GOOD, kind="best"),
            ValueError,
            "box_iou: kind must be one of iou, giou, diou, ciou, iof, got 'best'",
        ),
        (
            lambda: tamis.box_iou(GOOD, GOOD, fmt="yxyx"),
            ValueError,
            "box_iou: fmt must be one of xyxy, xywh, cxcywh, got 'yxyx'",
        ),
        (
            lambda: tamis.box_iou_paired(GOOD, GOOD[:3]),
            ValueError,
            r"box_iou_paired: b must have shape \(4, 4\), got \(3, 4\)",
        ),
        (
            lambda: tamis.box_iou_batched(GOOD, SPLITS, GOOD, SPLITS[:2]),
            ValueError,
            r"box_iou_batched: b_splits must have shape \(3,\), got \(2,\)",
        ),
        (
            lambda: tamis.box_iou_batched(GOOD, SPLITS + 1, GOOD, SPLITS),
            ValueError,
            "box_iou_batched: a_splits must begin with 0 and end with 4, got 1 and 5",
        ),
        (
            lambda: tamis.box_iou_batched(GOOD, SPLITS, GOOD, np.array([0, 5, 4])),
            ValueError,
            "box_iou_batched: b_splits must not decrease, got 4 after 5 at position 2",
        ),
        (
            lambda: tamis.box_iou_batched(GOOD, SPLITS / 1, GOOD, SPLITS),
            TypeError,
            "box_iou_batched: a_splits must be int8 to int64, got float64",
        ),
        (
            lambda: tamis.box_iou_batched(GOOD, SPLITS[:0], GOOD, SPLITS),
            ValueError,
            "box_iou_batched: a_splits must begin with 0 and end with 4, got no offsets",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=f"^{text}$"):
        call()


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
    torch = pytest.importorskip("torch")
    meta = torch.empty((4, 4), device="meta")
    with pytest.raises(
        ValueError, match=r"box_iou: b must be on the device of a \(cpu\), got meta"
    ):
        tamis.box_iou(GOOD, meta)
    with pytest.raises(ValueError, match="box_iou: arrays must be on the CPU or on CUDA, got meta"):
        tamis.box_iou(meta, meta)


def test_the_cuda_part_is_named_where_it_is_missing():
    from tamis import _arrays

    try:
        from tamis import _cuda
    except ImportError:
        with pytest.raises(tamis.CudaUnavailable, match=r"box_iou: got an array on cuda:0.*nvcc"):
            _arrays.backend("box_iou", "cuda:0")
    else:
        assert _arrays.backend("box_iou", "cuda:0") is _cuda


# Properties


COORDINATES = st.floats(-100, 100, width=32) | st.sampled_from([0.0, 1.0, 2.0, -1.0])


def any_boxes(most: int = 8):
    shapes = st.tuples(st.integers(0, most), st.just(4))
    return shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=COORDINATES))


@settings(max_examples=150, deadline=None)
@given(any_boxes(), any_boxes(), st.sampled_from(OPTIONS))
@example(np.zeros((1, 4), np.float32), np.zeros((1, 4), np.float32), ("giou", "xyxy"))
def test_any_boxes_equal_the_reference(a, b, options):
    same_bits(
        tamis.box_iou(a, b, kind=options[0], fmt=options[1]), reference.box_iou(a, b, *options)
    )


@settings(max_examples=100, deadline=None)
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
    x = np.concatenate([np.logspace(-300, 300, 200_001), np.linspace(0, 4, 400_001), [np.inf]])
    x = np.concatenate([x, -x])
    got, want = reference.arctangent(x), np.arctan(x)
    assert (np.abs(got - want) <= 2 * np.spacing(np.abs(want))).all()
    single = x[np.abs(x) < 1e30].astype(np.float32)
    got = reference.arctangent(single.astype(np.float64)).astype(np.float32)
    want = np.arctan(single.astype(np.float64)).astype(np.float32)
    assert (np.abs(got - want) <= np.spacing(np.abs(want))).all()


# Parity with torchvision.ops, whose formulas these are


def torchvision_overlap(a, b, kind, eps=1e-7):
    import torch

    area_a, area_b = ((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b))
    low = torch.max(a[:, None, :2], b[:, :2])
    high = torch.min(a[:, None, 2:], b[:, 2:])
    inter = (high - low).clamp(min=0).prod(dim=2)
    union = area_a[:, None] + area_b - inter
    iou = inter / union
    if kind == "iou":
        return iou
    hull = torch.max(a[:, None, 2:], b[:, 2:]) - torch.min(a[:, None, :2], b[:, :2])
    hull = hull.clamp(min=0)
    if kind == "giou":
        area = hull[..., 0] * hull[..., 1]
        return iou - (area - union) / area
    gap = (a[:, None, :2] + a[:, None, 2:]) / 2 - (b[:, :2] + b[:, 2:]) / 2
    diou = iou - (gap[..., 0] ** 2 + gap[..., 1] ** 2) / (
        hull[..., 0] ** 2 + hull[..., 1] ** 2 + eps
    )
    if kind == "diou":
        return diou
    turn = [torch.atan((x[:, 2] - x[:, 0]) / (x[:, 3] - x[:, 1])) for x in (a, b)]
    v = (4 / torch.pi**2) * torch.pow(turn[0][:, None] - turn[1], 2)
    return diou - v / (1 - iou + v + eps) * v


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
def test_torchvision_parity(kind, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    a, b = (
        torch.from_numpy(np.concatenate([p, p + rng.uniform(1, 200, p.shape)], 1).astype(dtype))
        for p in (rng.uniform(0, 600, (300, 2)), rng.uniform(0, 600, (200, 2)))
    )
    got, want = tamis.box_iou(a, b, kind=kind), torchvision_overlap(a, b, kind)
    if kind == "ciou":  # the atan differs in the last bit
        torch.testing.assert_close(got, want, rtol=1e-5, atol=4 * torch.finfo(got.dtype).eps)
    else:
        assert torch.equal(got, want)


# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "fmt"), OPTIONS)
def test_gpu_equals_the_reference(gpu_library, dtype, kind, fmt):
    on = gpu_library.array
    for n, m in ((70, 1100), (70, 1101), (300, 3), (0, 5), (5, 0)):
        a, b = boxes(n, dtype, fmt), boxes(m, dtype, fmt, seed=1)
        got = tamis.box_iou(on(a), on(b), kind=kind, fmt=fmt)
        same_bits(gpu_library.numpy(got), reference.box_iou(a, b, kind, fmt))
    a, b = boxes(2500, dtype, fmt), boxes(2500, dtype, fmt, seed=1)
    got = tamis.box_iou_paired(on(a), on(b), kind=kind, fmt=fmt)
    same_bits(gpu_library.numpy(got), reference.box_iou_paired(a, b, kind, fmt))


@pytest.mark.gpu
@pytest.mark.parametrize("splits_on_device", [False, True])
def test_gpu_batched(gpu_library, splits_on_device):
    a_splits, b_splits = some_splits(40, 30, seed=2), some_splits(40, 9, seed=3)
    a, b = boxes(a_splits[-1]), boxes(b_splits[-1], seed=1)
    inputs = [gpu_library.array(a), a_splits, gpu_library.array(b), b_splits]
    if splits_on_device:
        inputs[1::2] = [gpu_library.array(a_splits), gpu_library.array(b_splits)]
    values, splits = tamis.box_iou_batched(*inputs)
    want, want_splits = reference.box_iou_batched(a, a_splits, b, b_splits)
    same_bits(gpu_library.numpy(values), want)
    same_bits(gpu_library.numpy(splits), want_splits)


@pytest.mark.gpu
def test_gpu_layouts(gpu_library):
    a, b = boxes(64), boxes(512, seed=1)
    flat = gpu_library.array(np.concatenate([[0], a.ravel()]).astype(np.float32))
    unaligned = flat[1:].reshape(-1, 4)  # contiguous, but not on a 16-byte boundary
    strided = gpu_library.array(np.repeat(a, 2, axis=0))[::2]
    on_b = gpu_library.array(b)
    for x in (unaligned, strided):
        same_bits(gpu_library.numpy(tamis.box_iou(x, on_b)), reference.box_iou(a, b))


@pytest.mark.gpu
def test_gpu_runs_on_the_current_stream(gpu_library):
    a, b = boxes(500), boxes(700, seed=1)
    if gpu_library.name == "torch":
        stream = gpu_library.module.cuda.Stream()
        current = gpu_library.module.cuda.stream(stream)
    else:
        current = stream = gpu_library.module.cuda.Stream(non_blocking=True)
    with current:
        got = tamis.box_iou(gpu_library.array(a), gpu_library.array(b))
        stream.synchronize()
        same_bits(gpu_library.numpy(got), reference.box_iou(a, b))


@pytest.mark.gpu
def test_gpu_refuses_mixed_devices_and_passes_nan(gpu_library):
    a = boxes(4)
    with pytest.raises(ValueError, match=r"b must be on the device of a \(cuda:0\), got cpu"):
        tamis.box_iou(gpu_library.array(a), a)
    a[2, 1] = math.nan
    got = gpu_library.numpy(tamis.box_iou(gpu_library.array(a), gpu_library.array(a)))
    assert np.isnan(got[2]).all() and np.isfinite(got[:2, :2]).all()
