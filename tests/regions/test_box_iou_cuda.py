"""box_iou, box_iou_paired and box_iou_batched on CUDA arrays: bit-identical to the reference."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import reference
import tamis
from reference import same_bits, some_splits
from tamis._shared.columns import FORMATS
from tamis.regions.box_iou import KINDS
from test_box_iou import OPTIONS, boxes

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "fmt"), OPTIONS)
def test_equals_the_reference(gpu_library, dtype, kind, fmt):
    on = gpu_library.array
    for n, m in ((70, 1100), (70, 1101), (67, 1102), (66, 1103), (300, 3), (0, 5), (5, 0)):
        a, b = boxes(n, dtype, fmt), boxes(m, dtype, fmt, seed=1)
        got = tamis.box_iou(on(a), on(b), kind=kind, fmt=fmt)
        same_bits(gpu_library.numpy(got), reference.box_iou(a, b, kind, fmt))
    a, b = boxes(2500, dtype, fmt), boxes(2500, dtype, fmt, seed=1)
    got = tamis.box_iou_paired(on(a), on(b), kind=kind, fmt=fmt)
    same_bits(gpu_library.numpy(got), reference.box_iou_paired(a, b, kind, fmt))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_divides_any_numbers(gpu_library, dtype, kind):
    """Ratios far from 1, of nothing, of less than nothing and of infinities."""
    sizes = np.array([1e-38, 1e-15, 1e-9, 1, 1e9, 1e15, 1e18])
    a = (boxes(63) * np.repeat(sizes, 9)[:, None]).astype(dtype)
    b = np.concatenate([boxes(150, seed=1) * size for size in sizes]).astype(dtype)
    a[::7] = a[::7, [2, 3, 0, 1]]
    b[5::11, 2:] = b[5::11, :2]
    a[-1], b[-1] = 0, (0, 0, 1e-45, 1e30)
    on = gpu_library.array
    for m in (1048, 1050):
        got = tamis.box_iou(on(a), on(b[:m]), kind=kind)
        want = reference.box_iou(a, b[:m], kind)
        nan = np.isnan(want)
        np.testing.assert_array_equal(np.isnan(gpu_library.numpy(got)), nan)
        same_bits(np.where(nan, 0, gpu_library.numpy(got)), np.where(nan, 0, want))


@pytest.mark.parametrize("splits_on_device", [False, True])
def test_batched(gpu_library, splits_on_device):
    a_splits, b_splits = some_splits(40, 30, seed=2), some_splits(40, 9, seed=3)
    a, b = boxes(a_splits[-1]), boxes(b_splits[-1], seed=1)
    inputs = [gpu_library.array(a), a_splits, gpu_library.array(b), b_splits]
    if splits_on_device:
        inputs[1::2] = [gpu_library.array(a_splits), gpu_library.array(b_splits)]
    values, splits = tamis.box_iou_batched(*inputs)
    want, want_splits = reference.box_iou_batched(a, a_splits, b, b_splits)
    same_bits(gpu_library.numpy(values), want)
    same_bits(gpu_library.numpy(splits), want_splits)


def test_layouts(gpu_library):
    a, b = boxes(64), boxes(512, seed=1)
    flat = gpu_library.array(np.concatenate([[0], a.ravel()]).astype(np.float32))
    unaligned = flat[1:].reshape(-1, 4)  # contiguous, but not on a 16-byte boundary
    strided = gpu_library.array(np.repeat(a, 2, axis=0))[::2]
    on_b = gpu_library.array(b)
    for x in (unaligned, strided):
        same_bits(gpu_library.numpy(tamis.box_iou(x, on_b)), reference.box_iou(a, b))


def test_runs_on_the_current_stream(gpu_library):
    a, b = boxes(500), boxes(700, seed=1)
    stream, current = gpu_library.new_stream()
    with current:
        got = tamis.box_iou(gpu_library.array(a), gpu_library.array(b))
        stream.synchronize()
        same_bits(gpu_library.numpy(got), reference.box_iou(a, b))


def test_refuses_mixed_devices_and_passes_nan(gpu_library):
    a = boxes(4)
    with pytest.raises(ValueError, match=r"b must be on the device of a \(cuda:0\), got cpu"):
        tamis.box_iou(gpu_library.array(a), a)
    for fmt, at in itertools.product(FORMATS, range(4)):
        a = boxes(4) + 1
        a[2, at] = math.nan
        for m in (4, 300):  # as a flat matrix and in tiles
            b = np.resize(a, (m, 4))
            got = gpu_library.numpy(tamis.box_iou(*map(gpu_library.array, (a, b)), fmt=fmt))
            assert np.isnan(got[2]).all() and np.isnan(got[:, 2]).all()
            assert np.isfinite(got[:2, :2]).all()
