"""IoU of masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, overload

import numpy as np

from tamis import _core
from tamis._shared import arrays, ragged
from tamis._shared.arrays import Array
from tamis._shared.columns import read_column
from tamis._shared.out import out_of
from tamis._shared.typed import AnyColumn, Float64, Int64
from tamis.regions.masks import Masks
from tamis.regions.masks_cuda import DeviceMasks, batched_iou
from tamis.regions.masks_input import Rle, named

OnHost: TypeAlias = Masks | Sequence[Rle]
AnyMasks: TypeAlias = OnHost | DeviceMasks

DILATION_RATIO = 0.02  # boundary-iou-api's
_TOO_FAR = 2.0**33  # beyond every image


def _masks(function: str, name: str, masks: Any) -> Masks:
    if isinstance(masks, Masks):
        return masks
    if isinstance(masks, (list, tuple)):
        with named(f"{function}: {name}: "):
            return Masks.from_coco(masks)
    raise TypeError(
        f"{function}: {name} must be Masks or a list of COCO RLE, got {type(masks).__name__}"
    )


def _pair(function: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Both sides as Masks, or both as DeviceMasks of one device."""
    if not isinstance(a, DeviceMasks) and not isinstance(b, DeviceMasks):
        return _masks(function, "a", a), _masks(function, "b", b)
    sides = {
        name: x if isinstance(x, DeviceMasks) else _masks(function, name, x)
        for name, x in {"a": a, "b": b}.items()
    }
    arrays.one_device(function, **{name: x.splits for name, x in sides.items()})
    return sides["a"], sides["b"]


def _crowd(function: str, iscrowd: Any, n: int) -> Array | None:
    if iscrowd is None:
        return None
    flags: Array = read_column(function, "iscrowd", iscrowd, n, "biu") != 0
    return flags.view(np.uint8)


@overload
def mask_iou(
    a: OnHost, b: OnHost, *, iscrowd: AnyColumn | None = None, out: Float64 | None = None
) -> Float64: ...
@overload
def mask_iou(
    a: AnyMasks, b: AnyMasks, *, iscrowd: AnyColumn | None = None, out: Any = None
) -> Any: ...
def mask_iou(a: AnyMasks, b: AnyMasks, *, iscrowd: AnyColumn | None = None, out: Any = None) -> Any:
    """IoU of each mask of `a` with each of `b`, without drawing pixels.

    Parameters
    ----------
    a, b : Masks or list of COCO RLE objects, or DeviceMasks
        n and m masks, all of one image size.
    iscrowd : (m,) bool or integer array, optional
        Where nonzero, the intersection is divided by the area of `a`'s mask alone.
    out : (n, m) float64 array, optional
        Takes the result, in the place of a new array: of the library and device of the result,
        C-contiguous, writable, and without memory of an input.

    Returns
    -------
    (n, m) float64 array
        In [0, 1]; 0 for two empty masks. NumPy's, or of masks on a device in the library they were
        given with, on that device.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a mask, sizes differ, only one side is on a device, or `iscrowd` or
        `out` has the wrong shape or dtype.

    Notes
    -----
    Bit-identical to ``pycocotools.mask.iou`` 2.0.11, for any number of threads and on a device.
    Time: a step per run of both for pairs whose bounding boxes touch; memory: the result, and a few
    bytes per run of `b` and thread. On a device only the result is allocated, and the work is
    queued on the caller's current stream.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> pixels = np.zeros((2, 8, 8), bool)
    >>> pixels[0, :4] = pixels[1, :2] = True
    >>> masks = tamis.Masks.encode(pixels)
    >>> tamis.mask_iou(masks, masks)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    rows, columns = _pair("mask_iou", a, b)
    ends = [np.array([0, len(side)]) for side in (rows, columns)]
    shape = len(rows), len(columns)
    return _batched("mask_iou", rows, ends[0], columns, ends[1], iscrowd, out, shape)[0]


def mask_boundary(masks: OnHost, *, dilation_ratio: float = DILATION_RATIO) -> Masks:
    """The pixels of each mask that are near its edge, computed on the runs.

    Parameters
    ----------
    masks : Masks or list of COCO RLE objects
        n masks, each with its own image size.
    dilation_ratio : float, optional
        Width of the boundary as a share of the image's diagonal, in whole pixels, at least 1. The
        image's border counts as an edge.

    Returns
    -------
    Masks
        Those of boundary IoU (Cheng et al. 2021): ``mask_iou(mask_boundary(a), mask_boundary(b))``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a mask, or the ratio is negative or not finite.

    Notes
    -----
    Bit-identical to boundary-iou-api's ``mask_to_boundary``. Time: a few steps per run of a mask,
    and per column where its boundary has runs of its own; memory: twice the result, and per thread
    a few bytes per run of 32 masks.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> pixels = np.zeros((1, 40, 40), bool)
    >>> pixels[0, 5:35, 5:35] = True
    >>> tamis.mask_boundary(tamis.Masks.encode(pixels)).area()
    array([116], dtype=uint32)
    """
    masks = _masks("mask_boundary", "masks", masks)
    ratio = dilation_ratio
    if isinstance(ratio, bool) or not isinstance(ratio, (int, float, np.integer, np.floating)):
        raise TypeError(f"mask_boundary: dilation_ratio must be a number, got {ratio!r}")
    if not 0 <= ratio < np.inf:
        raise ValueError(
            f"mask_boundary: dilation_ratio must be at least 0 and finite, got {ratio}"
        )
    diagonal = np.sqrt((masks.size**2).sum(axis=1))
    dilation = np.rint(np.minimum(float(ratio) * diagonal, _TOO_FAR)).clip(1).astype(np.int64)
    return Masks._of(
        *_core.mask_boundaries(masks.text, masks.splits, masks.size, dilation), masks.size
    )


@overload
def mask_iou_batched(
    a: OnHost,
    a_splits: AnyColumn,
    b: OnHost,
    b_splits: AnyColumn,
    *,
    iscrowd: AnyColumn | None = None,
    out: Float64 | None = None,
) -> tuple[Float64, Int64]: ...
@overload
def mask_iou_batched(
    a: AnyMasks,
    a_splits: AnyColumn,
    b: AnyMasks,
    b_splits: AnyColumn,
    *,
    iscrowd: AnyColumn | None = None,
    out: Any = None,
) -> tuple[Any, Any]: ...
def mask_iou_batched(
    a: AnyMasks,
    a_splits: AnyColumn,
    b: AnyMasks,
    b_splits: AnyColumn,
    *,
    iscrowd: AnyColumn | None = None,
    out: Any = None,
) -> tuple[Any, Any]:
    """IoU of the masks of each image, many images in one call.

    Parameters
    ----------
    a, b : Masks or list of COCO RLE objects, or DeviceMasks
        Masks of all images, concatenated.
    a_splits, b_splits : (images + 1,) integer arrays
        Image `i` has masks ``a_splits[i]:a_splits[i + 1]`` of `a`, and likewise of `b`; all of one
        size. Read on the host: give them as host arrays, for masks on a device too.
    iscrowd : (len(b),) bool or integer array, optional
        As in :func:`tamis.mask_iou`.
    out : (sum of n_i * m_i,) float64 array, optional
        As in :func:`tamis.mask_iou`.

    Returns
    -------
    values : float64 array
        Of each image its ``(n_i, m_i)`` IoUs, rows first, concatenated.
    splits : (images + 1,) int64 array
        Where the values of each image begin. Both as in :func:`tamis.mask_iou`.

    Raises
    ------
    TypeError, ValueError
        As :func:`tamis.mask_iou`; splits that do not fit.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> pixels = np.zeros((2, 8, 8), bool)
    >>> pixels[0, :4] = pixels[1, :2] = True
    >>> masks, splits = tamis.Masks.encode(pixels), np.array([0, 1, 2])
    >>> tamis.mask_iou_batched(masks, splits, masks, splits)
    (array([1., 1.]), array([0, 1, 2]))
    """
    return _batched("mask_iou_batched", a, a_splits, b, b_splits, iscrowd, out)


def _batched(
    name: str,
    a: Any,
    a_splits: AnyColumn,
    b: Any,
    b_splits: AnyColumn,
    iscrowd: AnyColumn | None,
    out: Any,
    shape: tuple[int, ...] | None = None,
) -> tuple[Any, Any]:
    """Values, of `shape` if it is given, and their splits."""
    a, b = _pair(name, a, b)
    rows = ragged.splits(name, "a_splits", a_splits, len(a))
    columns = ragged.splits(name, "b_splits", b_splits, len(b), len(rows) - 1)
    splits = ragged.pair_splits(rows, columns)
    check_image_sizes(name, {"a": (a, rows), "b": (b, columns)})
    shape = shape or (int(splits[-1]),)
    if isinstance(a, DeviceMasks):
        values = out_of(name, a.ends, shape, "float64", out, a=a.ends, b=b.ends)
        return values, batched_iou(name, a, b, iscrowd, (rows, columns, splits), values)
    crowd = _crowd(name, iscrowd, len(b))
    values = out_of(name, a.text, shape, "float64", out, a=a.text, b=b.text)
    grouped_iou(a, rows, b, columns, values.size, crowd=crowd, out=values.reshape(-1))
    return values, splits


def check_image_sizes(function: str, sides: dict[str, tuple[Masks | DeviceMasks, Array]]) -> None:
    """Raise unless the masks of an image, on all sides, are of one size: masks and their splits."""
    size = np.zeros((max(len(splits) for _, splits in sides.values()) - 1, 2), np.int64)
    images = {}
    for name, (masks, splits) in reversed(sides.items()):
        images[name] = np.repeat(np.arange(len(splits) - 1), np.diff(splits))
        size[images[name]] = masks.size
    for name, (masks, _) in sides.items():
        wrong = (masks.size != size[images[name]]).any(axis=1)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(
                f"{function}: masks of an image must be of one size, got {masks.size[i].tolist()}"
                f" at row {i} of {name} among {size[images[name][i]].tolist()}"
            )


def grouped_iou(
    a: Masks,
    a_splits: Array,
    b: Masks,
    b_splits: Array,
    n: int,
    *,
    crowd: Array | None = None,
    a_index: Array | None = None,
    b_index: Array | None = None,
    a_boxes: Array | None = None,
    least: float = -np.inf,
    out: Array | None = None,
) -> Array:
    """(n,) IoUs of the pairs of each group; -1 where sizes differ. Groups hold rows or indices.

    With the boxes of `a`, as `to_bbox` gives them, those that touch nothing are not even read.
    IoUs below `least` are lower bounds (faster).
    """
    out = np.empty(n) if out is None else out
    _core.mask_iou_batched(
        a_text=a.text, a_text_splits=a.splits, a_size=a.size, b_text=b.text,
        b_text_splits=b.splits, b_size=b.size, crowd=crowd, a_index=a_index, a_splits=a_splits,
        b_index=b_index, b_splits=b_splits, a_boxes=a_boxes, least=least, out=out,
    )  # fmt: skip
    return out


def grouped_boundary_iou(
    a: Masks,
    a_splits: Array,
    b: Masks,
    b_splits: Array,
    n: int,
    *,
    dilation_ratio: float,
    crowd: Array,
    a_index: Array,
    b_index: Array,
    a_boxes: Array | None = None,
    least: float = -np.inf,
) -> Array:
    """As `grouped_iou`, but at most the IoU of the boundaries unless `b` is a crowd."""
    whole = grouped_iou(
        a, a_splits, b, b_splits, n, crowd=crowd, a_index=a_index, b_index=b_index, a_boxes=a_boxes,
        least=least,
    )  # fmt: skip
    group, columns = np.diff(a_splits) * np.diff(b_splits), np.diff(b_splits)
    place = np.arange(n) - np.repeat(np.cumsum(group) - group, group)  # among the group's pairs
    row = np.repeat(a_splits[:-1], group) + place // np.repeat(columns, group)
    column = np.repeat(b_splits[:-1], group) + place % np.repeat(columns, group)
    is_crowd = crowd[b_index[column]] != 0
    out: Array = np.where(is_crowd | (whole >= least), whole, np.minimum(whole, 0))
    near = np.flatnonzero(~is_crowd & (whole >= least) & (whole > 0))  # whose boundaries count
    sides = []
    for masks, rows in ((a, a_index[row[near]]), (b, b_index[column[near]])):
        some, at = np.unique(rows, return_inverse=True)
        sides.append((mask_boundary(masks[some], dilation_ratio=dilation_ratio), at))
    (edge_a, a_at), (edge_b, b_at) = sides
    each = np.arange(len(near) + 1)
    edges = grouped_iou(
        edge_a, each, edge_b, each, len(near), a_index=a_at, b_index=b_at, least=least
    )
    out[near] = np.minimum(whole[near], edges)
    return out
