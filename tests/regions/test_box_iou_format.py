"""Boxes of many images by one call: what converts them, and what is left to the caller."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tamis import _core


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_numpy_in_the_precision_of_the_boxes(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    images = [rng.normal(scale=1e3, size=(n, 4)).astype(dtype) for n in (3, 0, 1, 100)]
    images[0][0] = np.inf, -0.0, np.inf, np.nan
    kept = [x.copy() for x in images]
    with np.errstate(invalid="ignore"):
        want = [np.hstack([x[:, :2], x[:, 2:] - x[:, :2]]) for x in images]
    found = _core.xyxy_to_xywh(images)
    assert found is not None
    for x, before, got, expected in zip(images, kept, found, want, strict=True):
        assert got.dtype == dtype and got.flags.owndata
        assert got.shape == expected.shape
        np.testing.assert_array_equal(got.view(np.uint8), expected.view(np.uint8))
        np.testing.assert_array_equal(x, before)
    assert _core.xyxy_to_xywh([]) == []


ODD = {
    "another precision": np.zeros((2, 4), np.float64),
    "half": np.zeros((2, 4), np.float16),
    "integers": np.zeros((2, 4), np.int32),
    "five columns": np.zeros((2, 5), np.float32),
    "one box": np.zeros(4, np.float32),
    "columns apart": np.zeros((2, 8), np.float32)[:, ::2],
    "a list": [[0.0, 0.0, 1.0, 1.0]],
    "nothing": None,
}


@pytest.mark.parametrize("odd", ODD)
def test_anything_else_is_left_to_the_caller(odd: str) -> None:
    assert _core.xyxy_to_xywh([np.zeros((2, 4), np.float32), ODD[odd]]) is None


@pytest.mark.parametrize("needs_grad", [False, True])
def test_tensors(needs_grad: bool) -> None:
    torch = pytest.importorskip("torch")
    boxes = torch.tensor([[1.0, 2.0, 4.0, 8.0]], requires_grad=needs_grad)
    found = _core.xyxy_to_xywh([boxes])
    if found is not None:  # a torch without DLPack's C functions refuses tensors with gradients
        np.testing.assert_array_equal(found[0], [[1.0, 2.0, 3.0, 6.0]])
    assert found is not None or needs_grad
