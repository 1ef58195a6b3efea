"""pycocotools.mask: COCO's run-length encoding, with the same forms, dtypes and exceptions.

A mask is ``{"size": [h, w], "counts": bytes}``. For many masks at a time see :class:`tamis.Masks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis.regions.mask_iou import grouped_iou
from tamis.regions.masks import LenientMasks, Masks
from tamis.regions.masks_input import join_texts

__all__ = ["area", "decode", "encode", "frPyObjects", "iou", "merge", "toBbox"]


def _siz(value: Any) -> int:
    """A length, as Cython reads one."""
    length = int(value)
    if length < 0:
        raise OverflowError("can't convert negative value to siz")
    return length


def _text(counts: Any) -> bytes:
    if type(counts) is str:
        return counts.encode()
    if type(counts) is not bytes:
        if counts is None:
            raise TypeError("expected bytes, NoneType found")
        kind = type(counts)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        raise TypeError(f"Expected bytes, got {module}{kind.__name__}")
    return counts


def compressed(objects: Sequence[Any]) -> Masks:
    """Masks of compressed objects; counts are checked as little as in pycocotools."""
    texts = [_text(obj["counts"]) for obj in objects]
    sizes = [(_siz(obj["size"][0]), _siz(obj["size"][1])) for obj in objects]
    return LenientMasks._of(*join_texts(texts), np.array(sizes, np.uint64).reshape(-1, 2))


def encode(bimask: Any) -> Any:
    """Compress an (h, w) mask to an object, or an (h, w, n) array to a list of n objects.

    `bimask` is uint8 or bool in Fortran order, else ValueError.
    """
    if len(bimask.shape) == 3:
        return _encode(bimask)
    if len(bimask.shape) == 2:
        return _encode(bimask.reshape((*bimask.shape, 1), order="F"))[0]
    return None


def _encode(bimask: Any) -> list[dict[str, Any]]:
    pixels = np.asarray(bimask)
    if not pixels.flags.f_contiguous:
        raise ValueError("ndarray is not Fortran contiguous")
    if pixels.dtype not in (np.uint8, np.bool_):
        raise ValueError(f"Buffer dtype mismatch, expected 'uint8_t' but got '{pixels.dtype}'")
    return Masks._encode(pixels.T).to_coco()


def decode(rleObjs: Any) -> Array:
    """The (h, w) uint8 mask of an object, or the (h, w, n) masks of a list, in Fortran order."""
    if type(rleObjs) is not list:
        one: Array = decode([rleObjs])[:, :, 0]
        return one
    masks = compressed(rleObjs)
    h, w = masks.size[0].tolist() if len(masks) else (0, 0)
    pixels: Array = masks._decode(h, w).T
    return pixels


def area(rleObjs: Any) -> Any:
    """Foreground pixels of an object (numpy.uint32), or of a list (n,)."""
    if type(rleObjs) is not list:
        return area([rleObjs])[0]
    return compressed(rleObjs).area()


def toBbox(rleObjs: Any) -> Array:
    """Bounding box x, y, w, h of an object (4,), or of a list (n, 4), float64."""
    if type(rleObjs) is not list:
        one: Array = toBbox([rleObjs])[0]
        return one
    return compressed(rleObjs).to_bbox()


def merge(rleObjs: Sequence[Any], intersect: Any = 0) -> dict[str, Any]:
    """Union of a list of masks, or their intersection."""
    masks = compressed(rleObjs)
    merged: dict[str, Any] = masks._merge(np.array([0, len(masks)]), bool(intersect))[0]
    return merged


def iou(dt: Any, gt: Any, pyiscrowd: Any) -> Any:
    """(D, G) IoU of masks or of boxes x, y, w, h; over the detection's own area where crowd.

    Both are lists of compressed objects, or lists or arrays of boxes. Returns ``[]`` where either
    is empty; -1 for masks of different sizes whose boxes touch.
    """
    crowd = np.array(pyiscrowd, dtype=np.uint8)
    d, g = _regions(dt), _regions(gt)
    if len(d) == 0 or len(g) == 0:
        return []
    if type(d) is not type(g):
        raise Exception(
            "The dt and gt should have the same data type, either RLEs, list or np.ndarray"
        )
    if len(crowd) != len(g):  # no assert: pytest adds to their texts in plugins
        raise AssertionError("iou(iscrowd=) must have the same length as gt")
    if isinstance(d, Masks):
        ends = [np.array([0, len(side)]) for side in (d, g)]
        out = grouped_iou(d, ends[0], g, ends[1], len(d) * len(g), crowd=crowd)
        return np.asfortranarray(out.reshape(len(d), len(g)))
    out = np.empty((len(d), len(g)))
    _core.coco_iou(d, g, crowd, out)
    return np.asfortranarray(out)


def _regions(objs: Any) -> Any:
    """Masks, or (n, 4) float64 boxes, or an empty thing as it is."""
    if len(objs) == 0:
        return objs
    if type(objs) is np.ndarray:
        if objs.ndim == 1:
            objs = objs.reshape((int(objs[0]), 1))
        if objs.ndim != 2 or objs.shape[1] != 4:
            raise Exception(
                "numpy ndarray input is only for *bounding boxes* and should have Nx4 dimension"
            )
        return np.require(objs, np.float64, ["C", "A"])
    if type(objs) is not list:
        raise Exception(
            "unrecognized type.  The following type: RLEs (rle), np.ndarray (box), and list (box)"
            " are supported."
        )
    if all(len(obj) == 4 and type(obj) in (list, np.ndarray) for obj in objs):
        return np.array(objs, dtype=np.float64).reshape(-1, 4)
    if all(type(obj) is dict for obj in objs):
        return compressed(objs)
    raise Exception("list input can be bounding box (Nx4) or RLEs ([RLE])")


def frPyObjects(pyobj: Any, h: Any, w: Any) -> Any:
    """Compress polygons, boxes or uncompressed masks of an (h, w) image.

    Parameters
    ----------
    pyobj : (n, 4) float64 array, list of polygons, object with counts, or a list of those
        Boxes x, y, w, h; polygons ``[x, y, ...]`` of at least 5 numbers; ``{"size", "counts"}``
        with a list of counts, whose own size stays.
    h, w : int

    Returns
    -------
    list of objects, or an object for a single one

    Raises
    ------
    Exception, TypeError, IndexError, OverflowError
        As pycocotools. ValueError for a coordinate that is NaN or beyond 2**27, where it hangs.
    """
    if type(pyobj) is np.ndarray:
        return _from_boxes(pyobj, h, w)
    if type(pyobj) is list and len(pyobj[0]) == 4:
        raise TypeError("Argument 'bb' has incorrect type (expected numpy.ndarray, got list)")
    if type(pyobj) is list and len(pyobj[0]) > 4:
        return _from_polygons(pyobj, h, w)
    if type(pyobj) is list and _uncompressed(pyobj[0]):
        return _from_counts(pyobj)
    if _uncompressed(pyobj):
        return _from_counts([pyobj])[0]
    raise Exception("input type is not supported.")


def _uncompressed(obj: Any) -> bool:
    return type(obj) is dict and "counts" in obj and "size" in obj


def _check_rank(values: Array, rank: int) -> Array:
    if values.ndim != rank:
        raise ValueError(
            f"Buffer has wrong number of dimensions (expected {rank}, got {values.ndim})"
        )
    return values


def _image_sizes(n: int, h: Any, w: Any) -> Array:
    return np.tile(np.array([_siz(h), _siz(w)], np.int64), (n, 1))


def _from_boxes(boxes: Array, h: Any, w: Any) -> list[dict[str, Any]]:
    _check_rank(boxes, 2)
    if boxes.dtype != np.float64:
        raise ValueError(f"Buffer dtype mismatch, expected 'double_t' but got '{boxes.dtype}'")
    if boxes.shape[1] < 4:
        raise ValueError(f"frPyObjects: boxes must have shape (N, 4), got {boxes.shape}")
    xywh = boxes.ravel()[: 4 * len(boxes)].reshape(-1, 4)
    return Masks._boxes(xywh, _image_sizes(len(xywh), h, w)).to_coco()


def _from_polygons(polygons: list[Any], h: Any, w: Any) -> list[dict[str, Any]]:
    sizes = _image_sizes(len(polygons), h, w)
    points = [_check_rank(np.array(p, dtype=np.float64), 1) for p in polygons]
    return Masks._polygons(points, sizes).to_coco()


def draw(polygons: list[list[Any]], images: list[Any]) -> list[dict[str, Any]]:
    """The union of each list of polygons in its image; None if any polygon is unusual."""
    if not polygons:
        return []
    try:
        sizes = np.array([(_siz(image["height"]), _siz(image["width"])) for image in images])
        points = [np.array(p, dtype=np.float64) for parts in polygons for p in parts]
        if any(p.ndim != 1 for p in points) or not all(len(parts[0]) > 4 for parts in polygons):
            return []
        ends = np.cumsum([0, *map(len, polygons)])
        each = Masks._polygons(points, np.repeat(sizes, np.diff(ends), axis=0))
        return each._merge(ends, False).to_coco()
    except Exception:
        return []  # drawn one by one, the first bad one raises what it should


def _from_counts(objects: list[Any]) -> list[dict[str, Any]]:
    counts = [_check_rank(np.array(obj["counts"], dtype=np.uint32), 1) for obj in objects]
    sizes = [(_siz(obj["size"][0]), _siz(obj["size"][1])) for obj in objects]
    splits = np.cumsum([0, *map(len, counts)])
    text, ends = _core.encode_counts(np.concatenate(counts), splits)
    return LenientMasks._of(text, ends, np.array(sizes, np.uint64)).to_coco()
