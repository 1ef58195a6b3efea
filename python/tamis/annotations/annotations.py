"""Annotations or results of many images, as columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tamis._shared import arrays, row_columns
from tamis._shared.arrays import Array
from tamis._shared.ragged import image_of, runs
from tamis._shared.typed import AnyColumn
from tamis.annotations.findings import Finding
from tamis.annotations.given import columns_of
from tamis.annotations.shapes import Shapes, around, corners
from tamis.regions.masks import Masks

if TYPE_CHECKING:
    from tamis.annotations.check import Report

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Source:
    """Where each row stands: an index into `paths`, and a line from 1 (0: unknown)."""

    paths: tuple[str, ...]
    file: Array
    line: Array
    unit: str = "line"

    def __len__(self) -> int:
        return len(self.file)

    def take(self, rows: Array) -> Source:
        return Source(self.paths, self.file[rows], self.line[rows], self.unit)


@dataclass(frozen=True, eq=False, repr=False)
class Annotations:
    """Labelled boxes of many images as columns, with everything else in their files.

    Made by :func:`tamis.read`. Image `i` has the rows ``splits[i]`` to ``splits[i + 1]``.

    Attributes
    ----------
    boxes : (n, 4) or (n, 5) float64
        As `fmt` says: ``"xywh"``, corner, width and height in pixels; ``"obb"``, centre, width,
        height and an angle in degrees, clockwise as seen on the screen.
    labels : (n,) int64
        Keys of `classes`.
    splits : (images + 1,) int64
    image_ids : (images,) int64, or object for names
    classes : dict of int to str
        Empty if the file has no names.
    scores : (n,) float64, or None for ground truth
    iscrowd : (n,) uint8
    area : (n,) float64, or None
        The areas of a COCO file; None means those of the regions that are evaluated. Of results
        with boxes those of the boxes, as pycocotools takes them of masks and keypoints too.
    image_sizes : (images, 2) int64
        Height and width; 0 if unknown.
    image_names : tuple of str
        File names; "" if the file has none.
    listed : (images,) bool
        False for an image that only annotations mention; evaluations leave it out.
    ids : (n,) int64, or None
        Annotation ids of a COCO file.
    keypoints : (n, k, 3) float64, or None
        x, y and visibility; NaN where a row has none.
    oriented : (n, 5) float64, or None
        Oriented boxes, if some are rotated; `boxes` are then the horizontal boxes around them.
    shapes : Shapes, or None
        Polygons and run-length masks as in the file; see `masks`.
    attributes : dict of str to (n,) arrays
        Flags and texts of the format: difficult, truncated, occluded, ...
    source : Source, or None
    format : str
    remarks : tuple of Finding
        Findings of the reader; included in :meth:`check`.
    """

    boxes: Array
    labels: Array
    splits: Array
    image_ids: Array
    classes: dict[int, str]
    scores: Array | None = None
    iscrowd: Array = field(default_factory=lambda: np.empty(0, np.uint8))
    area: Array | None = None
    image_sizes: Array = field(default_factory=lambda: np.empty((0, 2), np.int64))
    image_names: tuple[str, ...] = ()
    listed: Array = field(default_factory=lambda: np.empty(0, bool))
    ids: Array | None = None
    keypoints: Array | None = None
    oriented: Array | None = None
    shapes: Shapes | None = None
    attributes: dict[str, Array] = field(default_factory=dict)
    source: Source | None = None
    format: str = ""
    fmt: Literal["xywh", "obb"] = "xywh"
    remarks: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        n, images = len(self.boxes), len(self.image_ids)
        width = 5 if self.fmt == "obb" else 4
        if self.boxes.shape != (n, width):
            raise ValueError(
                f"Annotations: boxes must have shape (n, {width}), got {self.boxes.shape}"
            )
        _fill(self, "iscrowd", n, np.zeros(n, np.uint8))
        _fill(self, "image_sizes", images, np.zeros((images, 2), np.int64))
        _fill(self, "listed", images, np.ones(images, bool))
        _fill(self, "image_names", images, ("",) * images)
        splits = self.splits
        ends = len(splits) == images + 1 and splits[0] == 0 and splits[-1] == n
        if not ends or (np.diff(splits) < 0).any():
            raise ValueError(
                f"Annotations: splits must be {images + 1} offsets from 0 to {n}, got {splits!r}"
            )
        for name in _ROWS:
            column = getattr(self, name)
            if column is not None and len(column) != n:
                raise ValueError(f"Annotations: {name} must have {n} rows, got {len(column)}")

    # --- what they hold --------------------------------------------------------------------

    def __len__(self) -> int:
        """Rows: boxes of all images."""
        return len(self.labels)

    @property
    def n_images(self) -> int:
        return len(self.image_ids)

    @property
    def class_names(self) -> list[str]:
        """Names in the order of their ids."""
        return [self.classes[label] for label in sorted(self.classes)]

    @property
    def xyxy(self) -> Array:
        """(n, 4) left, top, right, bottom."""
        boxes = self.boxes if self.fmt == "xywh" else around(self.boxes)
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)

    @cached_property
    def image_index(self) -> Array:
        """(n,) place of each row's image."""
        return image_of(self.splits)

    @cached_property
    def masks(self) -> Masks | None:
        """Masks, drawn with pycocotools' rasteriser when first accessed; None without shapes."""
        if self.shapes is None:
            return None
        sizes = self.image_sizes[self.image_index]
        drawn = np.diff(self.shapes.row_parts) > 0
        if (drawn & (sizes == 0).any(axis=1)).any():
            row = int(np.flatnonzero(drawn & (sizes == 0).any(axis=1))[0])
            raise ValueError(f"Annotations.masks: the image of {self.where(row)} has no size")
        return self.shapes.masks(sizes)

    def label_name(self, label: int) -> str:
        try:
            return self.classes.get(int(label), str(int(label)))
        except (TypeError, ValueError, OverflowError):
            raise TypeError(
                f"Annotations.label_name: label must be an integer, got {label!r}"
            ) from None

    def image_name(self, image: int) -> str:
        try:
            return self.image_names[image] or str(self.image_ids[image])
        except (TypeError, IndexError):
            raise _no_place("image_name", "image", image, self.n_images) from None

    def where(self, row: int) -> str:
        """The place of a row in its file, for messages."""
        try:
            image = self.image_name(int(self.image_index[row]))
        except (TypeError, IndexError, OverflowError):
            raise _no_place("where", "row", row, len(self)) from None
        if self.ids is not None:
            return f"annotation {self.ids[row]} of {image}"
        if self.source is None or not self.source.paths:
            return f"row {row} of {image}"
        path, line = self.source.paths[self.source.file[row]], int(self.source.line[row])
        if self.source.unit != "line":
            return f"{self.source.unit} {line} of {image}"
        return f"{path}:{line}" if line else path

    def __repr__(self) -> str:
        kind = "results" if self.scores is not None else "ground truth"
        more = [
            name for name in ("keypoints", "shapes", "oriented", "area")
            if getattr(self, name) is not None
        ] + list(self.attributes)  # fmt: skip
        counts = np.unique(self.labels, return_counts=True)
        largest = np.argsort(-counts[1], kind="stable")[:_SHOWN]
        lines = [
            f"Annotations({self.format or 'columns'} {kind}: {len(self)} {self.fmt} boxes in"
            f" {self.n_images} images, {len(self.classes)} classes)"
        ]
        lines += [f"  {counts[1][i]:>8} {self.label_name(counts[0][i])[:60]}" for i in largest]
        if len(counts[0]) > _SHOWN:
            lines.append(f"       ... {len(counts[0]) - _SHOWN} more classes")
        if more:
            lines.append("  with " + ", ".join(more)[:70])
        if self.remarks:
            lines.append(f"  {len(self.remarks)} remarks: see check()")
        return "\n".join(lines)

    def __eq__(self, other: object) -> bool:
        """Whether all columns are equal; paths and remarks are ignored."""
        if not isinstance(other, Annotations):
            return NotImplemented
        return all(
            _same(getattr(self, f.name), getattr(other, f.name))
            for f in dataclasses.fields(self)
            if f.name not in ("source", "remarks", "format")
        )

    __hash__ = None  # type: ignore[assignment]

    # --- parts of them ---------------------------------------------------------------------

    def take(self, rows: AnyColumn, splits: AnyColumn, **changes: Any) -> Annotations:
        """These rows of the same images; `changes` replace columns of images."""
        name = "Annotations.take"
        rows = arrays.host(name, "rows", arrays.column(name, "rows", rows))
        if rows.dtype.kind not in "biu" or rows.ndim != 1:
            raise TypeError(f"{name}: rows must be (r,) integers or bool, got {rows!r}")
        splits = arrays.host(name, "splits", arrays.integers(name, "splits", splits))
        arrays.check_shape(name, "splits", splits, ("images + 1",))
        try:
            changed = {name: _take(getattr(self, name), rows) for name in _ROWS}
        except IndexError:
            raise _no_place("take", "rows", rows, len(self)) from None
        attributes = {key: value[rows] for key, value in self.attributes.items()}
        columns = {**changed, "attributes": attributes, **changes}
        return dataclasses.replace(self, **columns, splits=splits.astype(np.int64))

    def keep(self, mask: AnyColumn) -> Annotations:
        """The rows where `mask`, (n,) bool, is true; all images stay."""
        name = "Annotations.keep"
        mask = arrays.host(name, "mask", arrays.column(name, "mask", mask))
        if mask.dtype != np.bool_ or mask.shape != (len(self),):
            raise ValueError(
                f"Annotations.keep: mask must be bool of shape ({len(self)},), got"
                f" {mask.dtype} of shape {mask.shape}"
            )
        kept = np.concatenate([[0], np.cumsum(mask)])
        return self.take(np.flatnonzero(mask), kept[self.splits])

    def select(self, images: AnyColumn) -> Annotations:
        """Some images, by index or by a bool mask, in the order given.

        Parameters
        ----------
        images : integers, or (images,) bool
        """
        name = "Annotations.select"
        places = arrays.host(name, "images", arrays.column(name, "images", images))
        if places.size == 0:
            places = places.astype(np.int64)
        if places.dtype == np.bool_ and places.shape != (self.n_images,):
            raise ValueError(
                f"Annotations.select: images must be places or ({self.n_images},) bool, got shape"
                f" {places.shape}"
            )
        if places.dtype.kind not in "iub" or places.ndim != 1:
            raise TypeError(f"Annotations.select: images must be integers or bool, got {images!r}")
        try:
            places = np.arange(self.n_images)[places]
        except IndexError:
            raise _no_place("select", "images", images, self.n_images) from None
        lengths = np.diff(self.splits)[places]
        return self.take(
            runs(self.splits[places], lengths),
            np.concatenate([[0], np.cumsum(lengths)]),
            image_ids=self.image_ids[places],
            image_sizes=self.image_sizes[places],
            image_names=tuple(self.image_names[i] for i in places.tolist()),
            listed=self.listed[places],
        )

    def of_classes(self, labels: AnyColumn) -> Annotations:
        """The rows of these labels, and their names; all images stay.

        Parameters
        ----------
        labels : integers
        """
        name = "Annotations.of_classes"
        wanted = arrays.host(name, "labels", row_columns.labels(name, "labels", labels))
        arrays.check_shape(name, "labels", wanted, ("C",))
        rows = np.flatnonzero(np.isin(self.labels, wanted))
        known = set(wanted.tolist())
        kept = {k: v for k, v in self.classes.items() if k in known}
        splits = np.searchsorted(rows, self.splits).astype(np.int64)
        return self.take(rows, splits, classes=kept)

    def as_obb(self) -> Annotations:
        """With oriented boxes: `oriented`, or the horizontal ones at an angle of 0."""
        if self.fmt == "obb":
            return self
        boxes = self.oriented
        if boxes is None:
            center = self.boxes[:, :2] + self.boxes[:, 2:] / 2
            boxes = np.concatenate([center, self.boxes[:, 2:], np.zeros((len(self), 1))], axis=1)
        return dataclasses.replace(self, boxes=boxes, oriented=None, fmt="obb")

    def as_xywh(self) -> Annotations:
        """With the horizontal boxes around oriented ones, which stay as `oriented`."""
        if self.fmt == "xywh":
            return self
        return dataclasses.replace(self, boxes=around(self.boxes), oriented=self.boxes, fmt="xywh")

    def corners(self) -> Array:
        """(n, 4, 2) corners of the boxes, including rotation."""
        return corners(self.as_obb().boxes)

    # --- what other functions take ---------------------------------------------------------

    def preds(self, iou_type: str = "bbox") -> dict[str, Any]:
        """Results as :meth:`tamis.DetectionEvaluator.update` takes them: boxes of format `fmt`.

        Of ``"segm"`` and ``"boundary"`` masks, of ``"keypoints"`` keypoints.
        """
        return columns_of("Annotations.preds", self, iou_type)

    def targets(self, iou_type: str = "bbox") -> dict[str, Any]:
        """Ground truth as :meth:`tamis.DetectionEvaluator.update` takes it, as `preds` does."""
        return columns_of("Annotations.targets", self, iou_type)

    def check(self, results: Annotations | None = None) -> Report:
        """Find suspicious annotations, with counts, examples and their effect on the numbers.

        Parameters
        ----------
        results : Annotations, optional
            Results to check against these, the ground truth.
        """
        from tamis.annotations.check import check

        if results is not None and not isinstance(results, Annotations):
            raise TypeError(
                f"Annotations.check: results must be Annotations, got {type(results).__name__}"
            )
        return check(self, results)


_ROWS = (
    "boxes", "labels", "scores", "iscrowd", "area", "ids", "keypoints", "oriented", "shapes",
    "source",
)  # fmt: skip


def _no_place(method: str, name: str, value: Any, n: int) -> IndexError:
    return IndexError(f"Annotations.{method}: {name} must be among {n} from 0, got {value!r}")


def _fill(annotations: Annotations, name: str, n: int, default: Any) -> None:
    """A column that was left out; one of another length raises."""
    given = getattr(annotations, name)
    if len(given) == 0 and n:
        object.__setattr__(annotations, name, default)
    elif len(given) != n:
        raise ValueError(f"Annotations: {name} must have {n} rows, got {len(given)}")


def _take(column: Any, rows: Array) -> Any:
    if column is None:
        return None
    return column.take(rows) if isinstance(column, (Shapes, Source)) else column[rows]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Shapes) and isinstance(b, Shapes):
        return a.same(b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f")
    return type(a) is type(b) and bool(a == b)


def object_array(values: Sequence[Any]) -> Array:
    out = np.empty(len(values), object)
    out[:] = values
    return out
