"""Masks on a CUDA device, as the ends of their runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis._shared import arrays, device_arrays
from tamis._shared.columns import read_device_column

PIXELS_AT_ONCE = 1 << 26  # of masks that are encoded together


@dataclass(frozen=True, eq=False)
class DeviceMasks:
    """Masks on a CUDA device, made by `Masks.to_device`.

    Examples
    --------
    With PyTorch and a device:

    >>> masks = tamis.Masks.encode(np.eye(3, dtype=bool)[None])  # doctest: +SKIP
    >>> there = masks.to_device(torch.empty(0, device="cuda"))  # doctest: +SKIP
    >>> tamis.mask_iou(there, there)  # doctest: +SKIP
    tensor([[1.]], device='cuda:0', dtype=torch.float64)
    """

    ends: Any  # of the runs of mask i, from splits[i] on
    splits: Any
    masks: Any  # (n, bytes), tamis::host::Runs
    size: NDArray[np.int64]  # (n, 2), on the host, read-only

    def __post_init__(self) -> None:
        device = arrays.one_device(
            "DeviceMasks", ends=self.ends, splits=self.splits, masks=self.masks
        )
        size = np.array(self.size, np.int64)
        size.flags.writeable = False
        object.__setattr__(self, "size", size)
        n, table = len(size), arrays.backend("DeviceMasks", device).MASK_BYTES
        wanted: dict[str, tuple[str, tuple[int | str, ...]]] = {
            "ends": ("int32", ("c",)),
            "splits": ("int64", (n + 1,)),
            "masks": ("uint8", (n, table)),
        }
        arrays.check_shape("DeviceMasks", "size", size, ("n", 2))
        for name, (dtype, shape) in wanted.items():
            x = getattr(self, name)
            arrays.check_shape("DeviceMasks", name, x, shape)
            if arrays.dtype_name(x) != dtype:
                raise TypeError(f"DeviceMasks: {name} must be {dtype}, got {arrays.dtype_name(x)}")

    def __len__(self) -> int:
        return len(self.size)

    def __getitem__(self, index: Any) -> DeviceMasks:
        """Some of the masks, by a slice or an array of row numbers; their runs are not copied."""
        if arrays.library(index) != "numpy":
            index = arrays.host("DeviceMasks", "index", index)
        rows = np.arange(len(self))[index]
        if rows.ndim != 1:
            raise IndexError(f"DeviceMasks: an index must have one dimension, got {index!r}")
        placed = arrays.from_host(self.ends, rows)
        starts = arrays.concatenate([self.splits[placed], self.splits[-1:]])
        return DeviceMasks(self.ends, starts, self.masks[placed], self.size[rows])

    def area(self) -> Any:
        """(n,) int64 foreground pixels, on the device."""
        word = arrays.backend("DeviceMasks", arrays.device(self.ends)).MASK_AREA // 4
        return arrays.cast(_viewed(self.masks, "int32")[:, word], "int64") & 0xFFFFFFFF

    def to_bbox(self) -> Any:
        """(n, 4) float64 x, y, w, h, on the device; as in :meth:`Masks.to_bbox`."""
        first = arrays.backend("DeviceMasks", arrays.device(self.ends)).MASK_BOX // 8
        return arrays.copied(_viewed(self.masks, "float64")[:, first : first + 4], "float64")

    def __repr__(self) -> str:
        return f"DeviceMasks({len(self)} masks on {arrays.device(self.ends)})"

    def decode(self) -> Any:
        """(n, h, w) bool pixels, on the device; all masks must have one size."""
        if len(self) and (self.size != self.size[0]).any():
            raise ValueError("DeviceMasks.decode: masks must be of one size")
        h, w = self.size[0].tolist() if len(self) else (0, 0)
        out = arrays.full(self.ends, (len(self), w * h), "uint8", 0)
        arrays.call("mask_decode", self.ends, self.ends, self.splits, self.masks, out)
        return _viewed(out, "bool").reshape(len(self), w, h).swapaxes(1, 2)


def _viewed(x: Any, dtype: str) -> Any:
    """The bytes of `x` as numbers."""
    torch = arrays.library(x) == "torch"
    return x.view(getattr(sys.modules["torch"], dtype) if torch else dtype)


def run_counts(pixels: Any) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """COCO's counts of (n, w, h) bytes on a device, and their splits by mask, on the host."""
    n, w, h = pixels.shape
    size, ends = w * h, [np.empty(0, np.int64)]
    step = max(1, PIXELS_AT_ONCE // max(size, 1))
    for first in range(0, n, step):
        flat = pixels[first : first + step]
        flat = flat.reshape(len(flat), size)
        change = arrays.empty(flat, tuple(flat.shape), "bool")
        change[:, :1] = flat[:, :1] != 0
        change[:, 1:] = flat[:, 1:] != flat[:, :-1]
        where = device_arrays.nonzero(change.reshape(-1))
        ends.append(arrays.host("Masks.encode", "runs", where) + first * size)
    joined = np.concatenate(ends)
    splits = np.searchsorted(joined, np.arange(n + 1) * size)
    # the last run of a mask ends with it
    joined = np.insert(joined - np.repeat(np.arange(n) * size, np.diff(splits)), splits[1:], size)
    splits = splits + np.arange(n + 1)
    counts = np.diff(joined, prepend=0)
    counts[splits[:-1]] = joined[splits[:-1]]
    return counts.astype(np.uint32), splits


def upload(like: Any, text: Any, splits: Any, size: Any) -> DeviceMasks:
    """Copy checked masks to the device and library of `like`; the host does not wait."""
    function = "Masks.to_device"
    like = arrays.as_array(function, "like", like)
    if arrays.device(like) == "cpu":
        raise ValueError(f"{function}: like must be an array on a CUDA device, got one on the CPU")
    module = arrays.backend(function, arrays.device(like))
    letters, starts, sizes = (arrays.from_host(like, x) for x in (text, splits, size))
    ends = arrays.empty(like, (len(text),), "int32")
    masks = arrays.empty(like, (len(size), module.MASK_BYTES), "uint8")
    arrays.call("mask_read", like, letters, starts, sizes, ends, masks)
    return DeviceMasks(ends, starts, masks, size)


def batched_iou(
    function: str,
    a: DeviceMasks,
    b: DeviceMasks,
    iscrowd: Any,
    splits: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    out: Any,
) -> Any:
    """Fill `out` with the IoUs of the images' masks; `splits` are those of a, b and `out`.

    The last of these are given back, on the device.
    """
    a_splits, b_splits, out_splits = device_arrays.all_from_host(a.ends, *splits)
    arrays.call(
        "mask_iou_batched", a.ends, a_ends=a.ends, a_text_splits=a.splits, a_masks=a.masks,
        b_ends=b.ends, b_text_splits=b.splits, b_masks=b.masks, crowd=_crowd(function, b, iscrowd),
        a_splits=a_splits, b_splits=b_splits, out_splits=out_splits,
        out=out.reshape(-1),
    )  # fmt: skip
    return out_splits


def _crowd(function: str, b: DeviceMasks, iscrowd: Any) -> Any:
    """(n,) uint8 on the device of `b`, empty for None."""
    if iscrowd is None:
        return arrays.empty(b.ends, (0,), "uint8")
    return read_device_column(function, "iscrowd", iscrowd, b.ends, "biu", beside="b", n=len(b))
