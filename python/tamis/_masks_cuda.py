"""Masks on a CUDA device, as the ends of their runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _arrays


@dataclass(frozen=True, eq=False)
class DeviceMasks:
    """Masks on a CUDA device: what `Masks.to_device` gives."""

    ends: Any  # of the runs of mask i, from splits[i] on
    splits: Any
    masks: Any  # (n, bytes), tamis::host::Runs
    size: NDArray[np.int64]  # (n, 2), on the host

    def __len__(self) -> int:
        return len(self.size)

    def __repr__(self) -> str:
        return f"DeviceMasks({len(self)} masks on {_arrays.device(self.ends)})"


def upload(like: Any, text: Any, splits: Any, size: Any) -> DeviceMasks:
    """Checked masks beside `like`, in its library; the host does not wait."""
    function = "Masks.to_device"
    like = _arrays.as_array(function, "like", like)
    if _arrays.device(like) == "cpu":
        raise ValueError(f"{function}: like must be an array on a CUDA device, got one on the CPU")
    module = _arrays.backend(function, _arrays.device(like))
    letters, starts, sizes = (_arrays.from_host(like, x) for x in (text, splits, size))
    ends = _arrays.empty(like, (len(text),), "int32")
    masks = _arrays.empty(like, (len(size), module.MASK_BYTES), "uint8")
    _arrays.call("mask_read", like, letters, starts, sizes, ends, masks)
    return DeviceMasks(ends, starts, masks, size)


def batched_iou(
    function: str,
    a: DeviceMasks,
    b: DeviceMasks,
    iscrowd: Any,
    splits: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> tuple[Any, Any]:
    """(values, their splits) of the images' masks; `splits` are those of a, b and the values."""
    values = _arrays.empty(a.ends, (int(splits[-1][-1]),), "float64")
    sides = a.ends, a.splits, a.masks, b.ends, b.splits, b.masks
    crowd = _crowd(function, b, iscrowd)
    table = [_arrays.from_host(a.ends, x) for x in splits]
    _arrays.call("mask_iou_batched", a.ends, *sides, crowd, *table, values)
    return values, table[-1]


def _crowd(function: str, b: DeviceMasks, iscrowd: Any) -> Any:
    """(n,) uint8 beside `b`, empty for None."""
    if iscrowd is None:
        return _arrays.empty(b.ends, (0,), "uint8")
    flags = _arrays.as_array(function, "iscrowd", iscrowd)
    _arrays.check_shape(function, "iscrowd", flags, (len(b),))
    if _arrays.device(flags) == "cpu":
        flags = _arrays.from_host(b.ends, (_arrays.host(function, "iscrowd", flags) != 0))
    _arrays.one_device(function, b=b.ends, iscrowd=flags)
    return _arrays.cast(_arrays.same_library(b.ends, flags) != 0, "uint8")
