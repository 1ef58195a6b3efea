"""pycocotools._mask: the same functions, on lists and (h, w, n) arrays only."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis.coco import mask

iou, merge, frPyObjects = mask.iou, mask.merge, mask.frPyObjects


def encode(mask_: Any) -> list[dict[str, Any]]:
    """The n objects of an (h, w, n) uint8 array in Fortran order."""
    if np.ndim(mask_) != 3:
        raise ValueError(
            f"Buffer has wrong number of dimensions (expected 3, got {np.ndim(mask_)})"
        )
    objects: list[dict[str, Any]] = mask.encode(mask_)
    return objects


def decode(rleObjs: Any) -> Any:
    """The (h, w, n) masks of n objects."""
    return mask.decode(list(rleObjs))


def area(rleObjs: Any) -> Any:
    """The (n,) areas of n objects."""
    return mask.area(list(rleObjs))


def toBbox(rleObjs: Any) -> Any:
    """The (n, 4) boxes of n objects."""
    return mask.toBbox(list(rleObjs))


def frBbox(bb: Any, h: Any, w: Any) -> list[dict[str, Any]]:
    """Objects of (n, 4) boxes x, y, w, h."""
    return mask._from_boxes(bb, h, w)


def frPoly(poly: Any, h: Any, w: Any) -> list[dict[str, Any]]:
    """An object for each polygon."""
    return mask._from_polygons(poly, h, w)


def frUncompressedRLE(ucRles: Any, h: Any = None, w: Any = None) -> list[dict[str, Any]]:
    """Objects of objects whose counts are lists."""
    return mask._from_counts(ucRles)
