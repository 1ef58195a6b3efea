"""CUDA arrays of PyTorch and CuPy together, and what holds for arrays of either."""

from __future__ import annotations

import numpy as np
import pytest
import tamis
from conftest import Library
from reference import same_bits
from tamis import Masks
from test_knn import rows
from test_mask_iou import blobs
from test_rotated_iou import boxes as rotated

pytestmark = pytest.mark.gpu


@pytest.fixture
def other(gpu_library):
    """CuPy with PyTorch, PyTorch with CuPy; if the device is emulated, PyTorch twice."""
    if gpu_library.emulated:
        return gpu_library
    name = {"torch": "cupy", "cupy": "torch"}[gpu_library.name]
    pytest.importorskip(name)
    return Library(name, "cuda")


def boxes(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.uniform(0, 5, (n, 2)), rng.uniform(5, 9, (n, 2))], axis=1)


def test_the_second_array_is_of_the_other_library(gpu_library, other):
    a, b, p, q, x = boxes(40), boxes(30, 1), rotated(40), rotated(30, seed=1), rows(60, 8)
    splits, labels = np.array([0, 12, 40]), np.arange(40) % 3
    masks, crowd = Masks.encode(blobs(30, 12, 15)), np.arange(30) % 2
    calls = {
        "box_iou": lambda one, two: tamis.box_iou(one(a), two(b)),
        "rotated_box_iou": lambda one, two: tamis.rotated_box_iou(one(p), two(q)),
        "max_iou": lambda one, two: tamis.max_iou(one(a), two(splits), labels=two(labels)),
        "duplicates": lambda one, two: (
            tamis.find_duplicate_boxes(one(a), two(splits), labels=two(labels), threshold=0.6).of
        ),
        "knn": lambda one, two: tamis.knn(one(x), 3, queries=two(x[:9] + 1))[1],
    }
    for call in calls.values():
        got = gpu_library.numpy(call(gpu_library.array, other.array))
        same_bits(got, call(np.asarray, np.asarray))
    found = tamis.leaks(gpu_library.array(x), other=other.array(x[:9]), threshold=1e-6)
    assert {*range(9)} <= {*found.rows.tolist()}
    placed = masks.to_device(gpu_library.array(a))
    got = tamis.mask_iou(placed, placed, iscrowd=other.array(crowd))
    same_bits(gpu_library.numpy(got), tamis.mask_iou(masks, masks, iscrowd=crowd))


def test_bfloat16_and_float16(gpu_library):
    a, b = boxes(20).astype(np.float16), boxes(30, 1).astype(np.float16)
    got = tamis.box_iou(gpu_library.array(a), gpu_library.array(b))
    same_bits(gpu_library.numpy(got), tamis.box_iou(a, b))
    if gpu_library.name == "torch":
        torch = gpu_library.module
        wide = [gpu_library.array(x).to(torch.bfloat16) for x in (a, b)]
        same_bits(
            gpu_library.numpy(tamis.box_iou(*wide)),
            gpu_library.numpy(tamis.box_iou(*(x.to(torch.float32) for x in wide))),
        )


def test_the_host_does_not_wait(gpu_library):
    on = gpu_library.array
    a, b, p, splits = on(boxes(40)), on(boxes(30, 1)), on(rotated(40)), np.array([0, 12, 40])
    masks = Masks.encode(blobs(9, 12, 15))
    with gpu_library.not_waiting():
        tamis.box_iou(a, b)
        tamis.box_iou_batched(a, splits, a, splits)
        tamis.rotated_box_iou(p, p)
        tamis.rotated_box_iou_paired(p, p)
        tamis.rotated_box_iou_batched(p, splits, p, splits)
        tamis.max_iou(a, splits)
        placed = masks.to_device(a)
        tamis.mask_iou(placed, placed)


def test_results_are_on_the_device_of_the_first_array(gpu_library):
    torch = pytest.importorskip("torch")
    if torch.cuda.device_count() < 2:
        pytest.skip("fewer than two CUDA devices")
    a, p = (torch.from_numpy(x).to("cuda:1") for x in (boxes(40), rotated(40)))
    placed = Masks.encode(blobs(9, 12, 15)).to_device(a)
    for got in (tamis.box_iou(a, a), tamis.rotated_box_iou(p, p), tamis.mask_iou(placed, placed)):
        assert str(got.device) == "cuda:1"
    with pytest.raises(ValueError, match=r"box_iou: b must be on the device of a \(cuda:1\)"):
        tamis.box_iou(a, a.to("cuda:0"))
