"""Ids of images: in which order they are evaluated, and which came twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.ragged import runs


@dataclass
class ImageOrder:
    """Which of the images that came are evaluated, and in which order."""

    ids: Array  # ascending, distinct
    place: Array  # where each came

    def rows(self, splits: Array) -> tuple[Array, Array]:
        """Offsets in this order, and the rows that belong there."""
        lengths = np.diff(splits)[self.place]
        return np.cumsum([0, *lengths]), runs(splits[self.place], lengths)


def read_ids(function: str, image_ids: Any, counts: Sequence[int]) -> list[Array | None]:
    """The ids of each part of an update."""
    if image_ids is None:
        return [None] * len(counts)
    wrong = TypeError(f"{function}: image_ids must be integers or strings, got {image_ids!r}")
    if isinstance(image_ids, (list, tuple)):
        kinds = {isinstance(x, str) for x in image_ids}
        if len(kinds) > 1 or not all(isinstance(x, (str, int, np.integer)) for x in image_ids):
            raise wrong
        ids = np.array(image_ids)
    else:
        ids = np.array(arrays.host(function, "image_ids", image_ids))
    if ids.size == 0 and sum(counts) == 0:
        return [np.empty(0, np.int64) for _ in counts]
    if ids.dtype.kind not in "iuU" or ids.ndim != 1:
        raise wrong
    if len(ids) != sum(counts):
        raise ValueError(
            f"{function}: image_ids must have one id for each of {sum(counts)} images,"
            f" got {len(ids)}"
        )
    return list(np.split(ids, np.cumsum(counts)[:-1]))


def check_ids(function: str, updates: Sequence[tuple[Any, Any, Array | None]]) -> None:
    """All have ids of one type, or none has."""
    kinds = {None if ids is None else ids.dtype.kind == "U" for *_, ids in updates}
    if len(kinds) > 1:
        raise ValueError(
            f"{function}: image_ids must be given by all updates or by none, and be all integers"
            " or all strings"
        )


def ordered_images(parts: Sequence[Array | None]) -> ImageOrder | None:
    """The order of ids; None where there are none."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return ImageOrder(*np.unique(np.concatenate(known), return_index=True))
