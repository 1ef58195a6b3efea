"""Object keypoint similarity of COCO."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from tamis import _core
from tamis._shared import arrays, ragged
from tamis._shared.arrays import Array
from tamis._shared.out import out_of
from tamis._shared.typed import AnyArray, AnyColumn, Float64, Host
from tamis.regions import oks_cuda

# of COCO's 17 keypoints of a person, nose to ankles; hundredths first: the last bits count
COCO_SIGMAS = (
    np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 100 / 10.0
)


@overload
def oks(
    keypoints: Host,
    gt_keypoints: AnyArray,
    gt_areas: AnyColumn,
    *,
    gt_boxes: AnyArray | None = None,
    sigmas: AnyColumn | None = None,
    out: Float64 | None = None,
) -> Float64: ...
@overload
def oks(
    keypoints: object,
    gt_keypoints: AnyArray,
    gt_areas: AnyColumn,
    *,
    gt_boxes: AnyArray | None = None,
    sigmas: AnyColumn | None = None,
    out: Any = None,
) -> Any: ...
def oks(
    keypoints: Any,
    gt_keypoints: Any,
    gt_areas: Any,
    *,
    gt_boxes: Any = None,
    sigmas: Any = None,
    out: Any = None,
) -> Any:
    """Object keypoint similarity of each detection with each ground truth.

    Parameters
    ----------
    keypoints : (n, k, 2) or (n, k, 3) array
        Detected keypoints x, y in pixels; a third number, their score, is ignored.
    gt_keypoints : (m, k, 3) array
        x, y and visibility; those of visibility 0 do not count.
    gt_areas : (m,) array
        Areas in square pixels: the scale of the distances.
    gt_boxes : (m, 4) array, optional
        x, y, w, h. Needed if no keypoint of a ground truth is visible: distances are then measured
        from the box, extended on each side by its width or height.
    sigmas : (k,) array, optional
        Standard deviation of each keypoint over the square root of the area. Default: COCO's 17.
    out : (n, m) float64 array, optional
        Takes the result, in the place of a new array: of the library and device of the result,
        C-contiguous, writable, and without memory of an input.

    Returns
    -------
    (n, m) float64 array
        In [0, 1]. NumPy's, or of CUDA keypoints in their library, on their device.

    Raises
    ------
    TypeError, ValueError
        Wrong shapes or dtypes, NaN or infinity, sigmas that are not positive, boxes missing, an
        `out` that cannot take the result.

    Notes
    -----
    Bit-identical to pycocotools 2.0.11 `COCOeval.computeOks` on the same machine: the exponentials
    are NumPy's. Memory: the result, and 24 bytes per keypoint of an image's ground truths.

    CUDA keypoints are compared on their device; both sides must live there, and the other arrays
    are copied there. The device computes the exponentials, so the result may differ from the host's
    in the last bits. The host does not wait: NaN and infinity follow the formula, and a ground
    truth without a visible keypoint gives NaN if boxes are missing. Memory: the result, and copies
    of what is not C-contiguous float64.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> people = np.zeros((1, 17, 3))
    >>> people[:, :, 2] = 2  # visible
    >>> tamis.oks(people + [1, 0, 0], people, np.array([500.0])).round(3)
    array([[0.894]])
    """
    det = arrays.as_array("oks", "keypoints", keypoints)
    gt = arrays.as_array("oks", "gt_keypoints", gt_keypoints)
    for name, x in (("keypoints", det), ("gt_keypoints", gt)):
        if len(x.shape) == 0:
            raise ValueError(f"oks: {name} must have shape (n, k, 3), got {tuple(x.shape)}")
    ends = np.array([0, len(det)]), np.array([0, len(gt)])
    shape = len(det), len(gt)
    return _batched("oks", det, ends[0], gt, ends[1], gt_areas, gt_boxes, sigmas, out, shape)[0]


def oks_batched(
    keypoints: AnyArray,
    splits: AnyColumn,
    gt_keypoints: AnyArray,
    gt_splits: AnyColumn,
    gt_areas: AnyColumn,
    *,
    gt_boxes: AnyArray | None = None,
    sigmas: AnyColumn | None = None,
    out: Any = None,
) -> tuple[Any, Any]:
    """Object keypoint similarity within each image, many images in one call.

    Parameters
    ----------
    keypoints, gt_keypoints, gt_areas, gt_boxes, sigmas
        As in :func:`tamis.oks`, of all images, concatenated.
    splits, gt_splits : (images + 1,) integer arrays
        Image `i` has the detections ``splits[i]:splits[i + 1]``, and likewise ground truths. Read
        on the host: give them as host arrays, for CUDA keypoints too.
    out : (sum of n_i * m_i,) float64 array, optional
        As in :func:`tamis.oks`.

    Returns
    -------
    values : float64 array
        Of each image its ``(n_i, m_i)`` similarities, rows first, concatenated.
    splits : (images + 1,) int64 array
        Where the values of each image begin. Both as in :func:`tamis.oks`.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> people = np.zeros((2, 17, 3))
    >>> people[:, :, 2] = 2  # visible
    >>> splits = np.array([0, 1, 2])  # two images
    >>> tamis.oks_batched(people, splits, people, splits, np.array([500.0, 80.0]))
    (array([1., 1.]), array([0, 1, 2]))
    """
    rest = gt_areas, gt_boxes, sigmas, out
    return _batched("oks_batched", keypoints, splits, gt_keypoints, gt_splits, *rest)


def _batched(
    name: str,
    keypoints: Any,
    splits: Any,
    gt_keypoints: Any,
    gt_splits: Any,
    gt_areas: Any,
    gt_boxes: Any,
    sigmas: Any,
    out: Any,
    shape: tuple[int, ...] | None = None,
) -> tuple[Any, Any]:
    """Values, of `shape` if it is given, and their splits."""
    k_sigmas = read_sigmas(name, COCO_SIGMAS if sigmas is None else sigmas)
    k = len(k_sigmas)
    first = arrays.as_array(name, "keypoints", keypoints)
    if arrays.device(first) != "cpu":
        rest = splits, gt_keypoints, gt_splits, gt_areas, gt_boxes, variances(k_sigmas)
        return oks_cuda.batched(name, first, *rest, out, shape)
    det = _numbers(name, "keypoints", keypoints, ("n", k, "2 or 3"))
    if det.shape[2] == 2:
        det = np.concatenate([det, np.zeros_like(det[:, :, :1])], axis=2)
    arrays.check_shape(name, "keypoints", det, ("n", k, 3))
    gt = _numbers(name, "gt_keypoints", gt_keypoints, ("m", k, 3))
    areas = arrays.column(name, "gt_areas", gt_areas)
    areas = _numbers(name, "gt_areas", areas, (len(gt),))
    if gt_boxes is None and len(gt) and not (gt[:, :, 2] > 0).any(axis=1).all():
        row = int(np.argmin((gt[:, :, 2] > 0).any(axis=1)))
        raise ValueError(f"{name}: gt_boxes must be given, as row {row} has no visible keypoint")
    boxes = np.zeros((len(gt), 4))
    if gt_boxes is not None:
        boxes = _numbers(name, "gt_boxes", gt_boxes, (len(gt), 4))
    rows = ragged.splits(name, "splits", splits, len(det))
    columns = ragged.splits(name, "gt_splits", gt_splits, len(gt), len(rows) - 1)
    ends = ragged.pair_splits(rows, columns)
    inputs = {"keypoints": det, "gt_keypoints": gt, "gt_areas": areas, "gt_boxes": boxes}
    values = out_of(name, det, shape or (int(ends[-1]),), "float64", out, **inputs)
    grouped_oks(det, rows, gt, boxes, areas, columns, k_sigmas, out=values.reshape(-1))
    return values, ends


def read_sigmas(function: str, sigmas: Any) -> Array:
    """(k,) float64."""
    if arrays.library(sigmas) != "numpy":
        sigmas = arrays.host(function, "sigmas", sigmas)
    try:
        got = np.array(sigmas).astype(np.float64, casting="same_kind")
    except (TypeError, ValueError):
        raise TypeError(f"{function}: sigmas must be numbers, got {sigmas!r}") from None
    if got.ndim != 1 or len(got) == 0 or not (got > 0).all():
        raise ValueError(f"{function}: sigmas must be positive and have shape (k,), got {sigmas!r}")
    return got


def _numbers(function: str, name: str, values: Any, shape: tuple[int | str, ...]) -> Array:
    got = arrays.host(function, name, values)
    arrays.check_shape(function, name, got, shape)
    if got.dtype.kind not in "fiu":
        raise TypeError(f"{function}: {name} must hold numbers, got {got.dtype}")
    bad = ~np.isfinite(got)
    if bad.any():
        row = int(np.argmax(bad.reshape(len(got), -1).any(axis=1)))
        raise ValueError(f"{function}: {name} has a NaN or infinite value in row {row}")
    return np.ascontiguousarray(got, np.float64)


def grouped_oks(
    det: Array,
    det_splits: Array,
    gt: Array,
    gt_boxes: Array,
    gt_areas: Array,
    gt_splits: Array,
    sigmas: Array,
    *,
    det_index: Array | None = None,
    gt_index: Array | None = None,
    least: float = -np.inf,
    out: Array | None = None,
) -> Array:
    """Similarities of the pairs of each group, which holds rows, or indices of rows.

    Similarities below `least` are lower bounds (faster).
    """
    if out is None:
        out = np.empty(int(np.sum(np.diff(det_splits) * np.diff(gt_splits))))
    _core.oks(
        det=det, det_index=det_index, det_splits=det_splits, gt=gt, gt_boxes=gt_boxes,
        gt_area=gt_areas, gt_index=gt_index, gt_splits=gt_splits, variances=variances(sigmas),
        least=least, exp=_exp, out=out,
    )  # fmt: skip
    return out


def variances(sigmas: Array) -> Array:
    """(2 sigma)^2, clamped so that 0 and infinity can be divided by it."""
    limits = np.finfo(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.clip((sigmas * 2) ** 2, limits.tiny, limits.max))


def _exp(terms: Array) -> None:
    with np.errstate(all="ignore"):
        np.exp(terms, out=terms)
