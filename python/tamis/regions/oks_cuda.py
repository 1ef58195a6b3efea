"""Object keypoint similarity of arrays on a CUDA device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis._shared import arrays, device_arrays, ragged
from tamis._shared.columns import read_device_numbers
from tamis._shared.out import out_of

Array = Any  # of the caller's library, on its device


def batched(
    function: str,
    keypoints: Array,
    splits: Any,
    gt_keypoints: Any,
    gt_splits: Any,
    gt_areas: Any,
    gt_boxes: Any,
    variances: NDArray[Any],
    out: Any,
    shape: tuple[int, ...] | None,
) -> tuple[Array, Array]:
    """(values, their splits) of `oks_batched`; the host does not wait."""
    arrays.backend(function, arrays.device(keypoints))
    k = len(variances)
    gt = arrays.as_array(function, "gt_keypoints", gt_keypoints)
    arrays.one_device(function, keypoints=keypoints, gt_keypoints=gt)
    arrays.check_shape(function, "keypoints", keypoints, ("n", k, "2 or 3"))
    if keypoints.shape[2] != 2:
        arrays.check_shape(function, "keypoints", keypoints, ("n", k, 3))

    def numbers(name: str, x: Any, shape: tuple[int | str, ...]) -> Array:
        return read_device_numbers(function, name, x, keypoints, shape, "keypoints")

    det = numbers("keypoints", keypoints, tuple(keypoints.shape))
    gt = numbers("gt_keypoints", gt, ("m", k, 3))
    n, m = len(det), len(gt)
    areas = numbers("gt_areas", gt_areas, (m,))
    if gt_boxes is None:
        boxes = arrays.full(det, (m, 4), "float64", np.nan)  # makes NaN where they are needed
    else:
        boxes = numbers("gt_boxes", gt_boxes, (m, 4))
    rows = ragged.splits(function, "splits", splits, n)
    columns = ragged.splits(function, "gt_splits", gt_splits, m, len(rows) - 1)
    ends = ragged.pair_splits(rows, columns)
    inputs = {"keypoints": det, "gt_keypoints": gt, "gt_areas": areas, "gt_boxes": boxes}
    values = out_of(function, det, shape or (int(ends[-1]),), "float64", out, **inputs)
    rows, columns, variances, ends = device_arrays.all_from_host(
        det, rows, columns, variances, ends
    )
    arrays.call(
        "oks", det, det=det, splits=rows, gt=gt, boxes=boxes, area=areas, gt_splits=columns,
        variances=variances, out_splits=ends, out=values.reshape(-1),
    )  # fmt: skip
    return values, ends
