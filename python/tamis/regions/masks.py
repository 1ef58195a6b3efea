"""Masks as COCO run-length encoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from tamis import _core
from tamis._shared import arrays, ragged
from tamis._shared.arrays import Array
from tamis._shared.columns import read_rows
from tamis._shared.typed import AnyArray, AnyColumn, Exporter
from tamis.regions.masks_cuda import DeviceMasks, upload
from tamis.regions.masks_input import (
    TOO_LARGE,
    Rle,
    count_text,
    encoded,
    image_sizes,
    join_texts,
    named,
    polygon_points,
    size_of,
)


class Masks:
    """Masks as COCO run-length encoding: n of them, each with an image size of its own.

    A sequence: ``len(masks)``, ``masks[i]`` (a COCO dict), ``masks[2:5]`` and ``masks[index]`` (a
    `Masks`), and iteration. Build one with :meth:`encode`, :meth:`from_coco`,
    :meth:`from_polygons` or :meth:`from_boxes`.

    Parameters
    ----------
    text : (c,) uint8 array
        COCO's compressed counts of all masks, consecutively.
    splits : (n + 1,) integer array
        Mask `i` is ``text[splits[i]:splits[i + 1]]``.
    size : (n, 2) integer array
        Height and width of each mask, in pixels; their product is below 2**32.

    Raises
    ------
    TypeError, ValueError
        Wrong shapes or dtypes, or a mask whose counts do not cover its image exactly.

    Notes
    -----
    The numbers are those of pycocotools.mask 2.0.11. Every operation runs on all threads and
    releases the GIL. Memory: ``c + 24 n`` bytes, about half of that of uncompressed counts.
    """

    _parts: tuple[Array, Array, Array]
    _exact = True  # whether the counts have to cover their image

    def __init__(
        self, text: AnyColumn, splits: AnyColumn | None = None, size: AnyColumn | None = None
    ) -> None:
        if splits is None or size is None:
            raise TypeError(
                "Masks: takes text, splits and size of run-length encodings; Masks.encode takes"
                " pixels, Masks.from_coco COCO objects, Masks.from_polygons polygons, got"
                f" {type(text).__name__} alone"
            )
        text = arrays.host("Masks", "text", text)
        if text.dtype.itemsize != 1 or text.ndim != 1:
            raise TypeError(f"Masks: text must be a uint8 array of shape (c,), got {text.dtype}")
        shape = arrays.host("Masks", "size", arrays.integers("Masks", "size", size))
        arrays.check_shape("Masks", "size", shape, ("n", 2))
        offsets = np.array(ragged.splits("Masks", "splits", splits, len(text), len(shape)))
        self._set(text.copy(), offsets, shape.copy())
        ragged.splits("Masks", "splits", self.splits, len(self.text))  # now nobody else's
        if self._exact:
            self._check("Masks")

    def _set(self, text: Any, splits: Any, size: Any) -> None:
        text = np.ascontiguousarray(text).view(np.uint8)
        integers = (np.ascontiguousarray(x, np.int64).view() for x in (splits, size))
        self._parts = (text, *integers)
        for part in self._parts:
            part.flags.writeable = False

    @property
    def text(self) -> Array:
        """(c,) uint8, read-only."""
        return self._parts[0]

    @property
    def splits(self) -> Array:
        """(n + 1,) int64, read-only."""
        return self._parts[1]

    @property
    def size(self) -> Array:
        """(n, 2) int64, read-only."""
        return self._parts[2]

    def __getstate__(self) -> dict[str, Any]:
        return {"text": self.text, "splits": self.splits, "size": self.size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if not isinstance(state, dict) or not {"text", "splits", "size"} <= state.keys():
            raise TypeError("Masks: a pickled state must hold text, splits and size")
        Masks.__init__(self, state["text"], state["splits"], state["size"])

    @classmethod
    def _of(cls, text: Any, splits: Any, size: Any) -> Masks:
        """Unchecked arrays, which are tamis' own."""
        rle = cls.__new__(cls)
        rle._set(text, splits, size)
        return rle

    def _check(self, function: str) -> Masks:
        wrong = np.flatnonzero(((self.size < 0) | (self.size > 2**62)).any(axis=1))
        bad = (
            int(wrong[0]) if len(wrong) else _core.first_bad_mask(self.text, self.splits, self.size)
        )
        if bad >= 0:
            h, w = self.size[bad].tolist()
            raise ValueError(
                f"{function}: the counts of mask {bad} must be compressed RLE of {h} x {w} pixels,"
                f" got {self._text(bad)[:40]!r}"
            )
        return self

    # --- from other forms ------------------------------------------------------------------

    @classmethod
    def from_coco(cls, objects: Sequence[Rle]) -> Masks:
        """Masks from COCO objects.

        Parameters
        ----------
        objects : sequence of dict
            ``{"size": [h, w], "counts": ...}`` with compressed counts (str or bytes) or a list.

        Raises
        ------
        TypeError, ValueError
            For anything else, or counts that do not cover the image exactly.
        """
        texts, sizes = [], []
        for i, obj in enumerate(arrays.as_list("Masks.from_coco", "objects", objects)):
            if not isinstance(obj, dict) or "counts" not in obj or "size" not in obj:
                raise TypeError(
                    f"Masks: object {i} must be a dict with size and counts,"
                    f" got {type(obj).__name__}"
                )
            counts = obj["counts"]
            if isinstance(counts, str):
                texts.append(counts.encode())
            elif isinstance(counts, (bytes, bytearray, memoryview)):
                texts.append(bytes(counts))
            else:
                texts.append(count_text(i, counts))
            sizes.append(size_of(i, obj["size"]))
        try:
            size = np.array(sizes, np.int64).reshape(-1, 2)
        except OverflowError:
            raise ValueError("Masks: sizes must be below 2**63") from None
        return cls._of(*join_texts(texts), size)._check("Masks")

    @classmethod
    def encode(cls, masks: AnyArray) -> Masks:
        """Encode pixel masks.

        Parameters
        ----------
        masks : (n, h, w) or (h, w) bool or uint8 array
            Of any library; nonzero is foreground. A copy is made unless each mask lies row after
            row or column after column in memory. Of a CUDA array only the ends of the runs are
            copied to the host, which waits for them: 8 bytes each. On the device this takes three
            times the memory of the pixels (200 MB at most, or that of one mask), and a copy if they
            are uint8.
        """
        pixels = arrays.as_array("Masks.encode", "masks", masks)
        if not arrays.device(pixels).startswith("cuda"):
            pixels = arrays.host("Masks.encode", "masks", pixels)
        if len(pixels.shape) == 2:
            pixels = pixels[None]
        arrays.check_shape("Masks.encode", "masks", pixels, ("n", "h", "w"))
        if arrays.dtype_name(pixels) not in ("bool", "uint8"):
            raise TypeError(
                f"Masks.encode: masks must be bool or uint8, got {arrays.dtype_name(pixels)}"
            )
        _, h, w = pixels.shape
        if h * w >= TOO_LARGE:
            raise ValueError(f"Masks.encode: masks must have under 2**32 pixels, got {h} x {w}")
        return cls._encode(pixels.swapaxes(1, 2), nonzero=True)

    @classmethod
    def _encode(cls, pixels: Any, *, nonzero: bool = False) -> Masks:
        """Encode (n, w, h) bytes: a run ends at any change; with `nonzero` from or to 0 only."""
        n, w, h = pixels.shape
        text, splits = encoded("Masks.encode", pixels, nonzero)
        return cls._of(text, splits, np.tile(np.array([h, w]), (n, 1)))

    @classmethod
    def from_polygons(cls, polygons: Sequence[Sequence[Any]], size: AnyColumn) -> Masks:
        """Masks from polygons, with pycocotools' rasteriser.

        Parameters
        ----------
        polygons : sequence of sequences of polygons
            For each mask its polygons, for each polygon ``[x0, y0, x1, y1, ...]`` in pixels, at
            least three points. A mask is the union of its polygons.
        size : (2,) or (n, 2) integers
            Height and width of the image, or of each mask's image.

        Raises
        ------
        ValueError
            A polygon of an odd count or of fewer than 6 numbers; a coordinate that is NaN or
            beyond 2**27.

        Notes
        -----
        Time: a step per column that an edge crosses; memory: a few bytes per number and per run.
        """
        parts, groups = [], [0]
        for i, mask in enumerate(arrays.as_list("Masks.from_polygons", "polygons", polygons)):
            for polygon in arrays.as_list("Masks.from_polygons", f"polygons[{i}]", mask):
                parts.append(polygon_points(i, polygon))
            groups.append(len(parts))
        sizes = image_sizes("Masks.from_polygons", size, len(groups) - 1)
        with named("Masks.from_polygons: "):
            each = cls._polygons(parts, np.repeat(sizes, np.diff(groups), axis=0))
        return each._merge(np.array(groups), False, sizes)

    @classmethod
    def _polygons(cls, polygons: Sequence[Array], sizes: Array) -> Masks:
        """One mask a polygon."""
        splits = np.cumsum([0, *(len(p) for p in polygons)])
        return cls._points(np.concatenate([np.empty(0), *polygons]), splits, sizes)

    @classmethod
    def _points(cls, points: Array, splits: Array, sizes: Array) -> Masks:
        return cls._of(*_core.polygon_masks(points, splits, sizes), sizes)

    @classmethod
    def from_boxes(cls, boxes: AnyArray, size: AnyColumn) -> Masks:
        """Masks from (n, 4) boxes x, y, w, h in pixels, as :meth:`from_polygons` draws them."""
        xywh = read_rows("Masks.from_boxes", "boxes", boxes, 4)
        sizes = image_sizes("Masks.from_boxes", size, len(xywh))
        with named("Masks.from_boxes: boxes as polygons, "):
            return cls._boxes(xywh, sizes)

    @classmethod
    def _boxes(cls, xywh: Array, sizes: Array) -> Masks:
        x0, y0 = xywh[:, 0], xywh[:, 1]
        with np.errstate(over="ignore"):  # an infinite corner is refused by name
            x1, y1 = x0 + xywh[:, 2], y0 + xywh[:, 3]
        points = np.stack([x0, y0, x0, y1, x1, y1, x1, y0], axis=1)
        return cls._points(points.ravel(), 8 * np.arange(len(xywh) + 1), sizes)

    # --- a sequence ------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.size)

    def _text(self, i: int) -> bytes:
        # a text ends at a zero: those of files have some between them
        return self.text[self.splits[i] : self.splits[i + 1]].tobytes().partition(b"\0")[0]

    @overload
    def __getitem__(self, index: int) -> Rle: ...
    @overload
    def __getitem__(self, index: slice | AnyColumn) -> Masks: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            i = range(len(self))[index]
            return {"size": self.size[i].tolist(), "counts": self._text(i)}
        if arrays.library(index) != "numpy":
            index = arrays.host("Masks", "index", index)
        rows = np.ascontiguousarray(np.arange(len(self))[index])
        if rows.ndim != 1:
            raise IndexError(f"Masks: an index must have one dimension, got shape {rows.shape}")
        return self._of(*_core.take_masks(self.text, self.splits, self.size, rows), self.size[rows])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Masks({len(self)} masks, {len(self.text)} bytes)"

    # --- what they hold --------------------------------------------------------------------

    def to_coco(self) -> list[dict[str, Any]]:
        """A list of ``{"size": [h, w], "counts": bytes}``, as pycocotools gives them."""
        return list(self)

    def counts(self) -> list[list[int]]:
        """Uncompressed counts of each mask."""
        counts, splits = _core.mask_counts(self.text, self.splits, self.size)
        return [part.tolist() for part in np.split(counts, splits[1:-1])][: len(self)]

    def to_device(self, like: Exporter) -> DeviceMasks:
        """The masks on a CUDA device: for :func:`mask_iou` and :func:`find_duplicate_boxes` there.

        Parameters
        ----------
        like : array
            Any PyTorch or CuPy array on the device; results come in its library.

        Returns
        -------
        DeviceMasks
            The same masks, with their `size` on the host: a sequence with `area`, `to_bbox` and
            `decode`, whose results are on the device.

        Raises
        ------
        ValueError, CudaUnavailable
            For an array on the host, for a mask whose counts do not cover its image exactly, or if
            tamis was built without its CUDA part.

        Notes
        -----
        The text is copied and read there, queued on the caller's current stream. Memory on the
        device: ``4 c + 104 n`` bytes, and the text while it is read.
        """
        self._check("Masks.to_device")
        return upload(like, self.text, self.splits, self.size)

    def decode(self) -> Array:
        """(n, h, w) bool pixels; all masks must have one size. Memory: ``n h w`` bytes."""
        if len(self) and (self.size != self.size[0]).any():
            raise ValueError("Masks.decode: masks must be of one size")
        h, w = self.size[0].tolist() if len(self) else (0, 0)
        pixels: Array = self._decode(h, w).view(bool).transpose(0, 2, 1)
        return pixels

    def _decode(self, h: int, w: int) -> Array:
        """(n, w, h) bytes; ValueError where the counts are too many."""
        out = np.zeros((len(self), w, h), np.uint8)
        if not _core.decode_masks(self.text, self.splits, self.size, out.reshape(-1)):
            raise ValueError("Invalid RLE mask representation")
        return out

    def area(self) -> Array:
        """(n,) uint32 foreground pixels."""
        return self._measures()[0]

    def to_bbox(self) -> Array:
        """(n, 4) float64 x, y, w, h; zeros for a mask that has no foreground run."""
        return self._measures()[1]

    def _measures(self) -> tuple[Array, Array]:
        area, bbox = np.empty(len(self), np.uint32), np.empty((len(self), 4))
        _core.measure_masks(self.text, self.splits, self.size, area, bbox)
        return area, bbox

    def merge(self, splits: AnyColumn | None = None, *, intersect: bool = False) -> Masks:
        """Union, or intersection, of groups of masks.

        Parameters
        ----------
        splits : (groups + 1,) integer array, optional
            Group `i` is masks ``splits[i]:splits[i + 1]``, at least one and of one size. Default:
            all masks are one group.
        """
        ends = np.array([0, len(self)]) if splits is None else splits
        groups = ragged.splits("Masks.merge", "splits", ends, len(self))
        if (np.diff(groups) < 1).any():
            raise ValueError("Masks.merge: groups must not be empty")
        merged = self._merge(groups, intersect)
        if (self.size != np.repeat(merged.size, np.diff(groups), axis=0)).any():
            raise ValueError("Masks.merge: masks of a group must be of one size")
        return merged

    def _merge(self, groups: Array, intersect: bool, sizes: Array | None = None) -> Masks:
        size = np.empty((len(groups) - 1, 2), np.int64)
        text, splits = _core.merge_masks(
            self.text, self.splits, self.size, groups, intersect=intersect, out_size=size
        )
        merged = self._of(text, splits, size)
        empty = np.flatnonzero(np.diff(groups) == 0)
        if sizes is None or len(empty) == 0:
            return merged
        objects = merged.to_coco()
        for i in empty:  # an empty group: an all-background mask
            objects[i] = {"size": sizes[i].tolist(), "counts": [int(sizes[i].prod())]}
        return self.from_coco(objects)


class LenientMasks(Masks):
    """Masks as drop-ins read them: their counts may cover less than the image, or more."""

    _exact = False
