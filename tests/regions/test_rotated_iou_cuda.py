"""Rotated boxes of CUDA arrays: what the host computes, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import tamis
from reference import same_bits, some_splits
from tamis.regions.rotated_iou import KINDS
from test_rotated_iou import boxes

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_pairs(gpu_library, dtype, kind):
    """Narrow and wide ones, tiles cut short on both sides, and full ones."""
    on = gpu_library.array
    for n, m in ((1, 1), (23, 90), (150, 127), (3, 256), (37, 300), (8, 512), (9, 1000)):
        a, b = boxes(n, dtype), boxes(m, dtype, seed=1)
        got = gpu_library.numpy(tamis.rotated_box_iou(on(a), on(b), kind=kind))
        same_bits(got, tamis.rotated_box_iou(a, b, kind=kind))
    assert 0.1 < (got > 0).mean() < 0.9


@pytest.mark.parametrize("spread", [1, 1000])
def test_all_overlap_or_hardly_any(gpu_library, spread):
    a, b = boxes(70, spread=spread), boxes(260, seed=1, spread=spread)
    got = tamis.rotated_box_iou(gpu_library.array(a), gpu_library.array(b))
    same_bits(gpu_library.numpy(got), tamis.rotated_box_iou(a, b))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_paired_and_batched(gpu_library, dtype, kind):
    on = gpu_library.array
    a, b = boxes(700, dtype), boxes(700, dtype, seed=1)
    got = gpu_library.numpy(tamis.rotated_box_iou_paired(on(a), on(b), kind=kind))
    same_bits(got, tamis.rotated_box_iou_paired(a, b, kind=kind))
    a_splits, b_splits = some_splits(40, 30, seed=2), some_splits(40, 9, seed=3)
    a, b = boxes(a_splits[-1], dtype), boxes(b_splits[-1], dtype, seed=1)
    want = tamis.rotated_box_iou_batched(a, a_splits, b, b_splits, kind=kind)
    for splits in ((a_splits, b_splits), (on(a_splits), on(b_splits))):
        got = tamis.rotated_box_iou_batched(on(a), splits[0], on(b), splits[1], kind=kind)
        for mine, theirs in zip(got, want, strict=True):
            same_bits(gpu_library.numpy(mine), theirs)


def test_no_boxes(gpu_library):
    none, some = (gpu_library.array(boxes(n, "float32")) for n in (0, 3))
    for a, b in ((none, none), (none, some), (some, none)):
        assert tuple(tamis.rotated_box_iou(a, b).shape) == (len(a), len(b))
    assert tuple(tamis.rotated_box_iou_paired(none, none).shape) == (0,)
    zeros = np.zeros(4, int)
    values, splits = tamis.rotated_box_iou_batched(none, zeros, none, zeros)
    assert tuple(values.shape) == (0,) and gpu_library.numpy(splits).tolist() == zeros.tolist()


def test_mixed_dtypes_and_layouts(gpu_library):
    a, b = boxes(20, "float32"), boxes(30, seed=1)
    got = tamis.rotated_box_iou(
        gpu_library.array(np.repeat(a, 2, axis=0))[::2], gpu_library.array(b)
    )
    same_bits(gpu_library.numpy(got), tamis.rotated_box_iou(a, b))


def test_numbers_that_are_not_finite_harm_no_other_pair(gpu_library):
    a, b = boxes(40), boxes(150, seed=1)
    want = tamis.rotated_box_iou(a, b)
    a[7, 4], a[9, 2], a[11, 0] = np.inf, np.nan, -np.inf
    got = gpu_library.numpy(tamis.rotated_box_iou(gpu_library.array(a), gpu_library.array(b)))
    rows = np.setdiff1d(np.arange(40), [7, 9, 11])
    same_bits(got[rows], want[rows])


def test_runs_on_the_current_stream(gpu_library):
    a, b = boxes(2000), boxes(3000, seed=1)
    stream, current = gpu_library.new_stream()
    with current:
        got = tamis.rotated_box_iou(gpu_library.array(a), gpu_library.array(b))
        stream.synchronize()
    same_bits(gpu_library.numpy(got), tamis.rotated_box_iou(a, b))


def test_errors(gpu_library):
    on, x = gpu_library.array, boxes(4)
    with pytest.raises(ValueError, match=r"rotated_box_iou_paired: b must have shape \(4, 5\)"):
        tamis.rotated_box_iou_paired(on(x), on(x[:3]))
    with pytest.raises(ValueError, match="rotated_box_iou: b must be on the device of a"):
        tamis.rotated_box_iou(on(x), x)
