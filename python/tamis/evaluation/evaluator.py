"""COCO detection evaluation from arrays: no JSON, no dicts per box."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.background import in_background
from tamis._shared.columns import REGIONS, check_fmt
from tamis._shared.locks import Lock
from tamis._shared.ragged import image_of
from tamis._shared.typed import AnyColumn
from tamis.evaluation import settings
from tamis.evaluation.average_precision import curves
from tamis.evaluation.detection_result import DetectionResult, Made
from tamis.evaluation.distributed import gathered, same
from tamis.evaluation.image_ids import check_ids, ordered_images, read_ids
from tamis.evaluation.kinds import Kind, box_similarity
from tamis.evaluation.match_state import condensed, no_sides, none, restored
from tamis.evaluation.match_table import Detections, Sides, Targets, match
from tamis.evaluation.matching import class_positions
from tamis.evaluation.matching_cuda import DeviceRows, classes_of, evaluate, host_sides
from tamis.evaluation.updates import (
    Given,
    Part,
    Update,
    common_device,
    joined,
    nothing,
    on_host,
    read_update,
    to_degrees,
)
from tamis.regions.mask_iou import DILATION_RATIO
from tamis.regions.oks import COCO_SIGMAS, read_sigmas

CHECKED = ("preds boxes", "preds scores", "targets boxes", "targets area")  # late, on a device
SETTINGS = (
    "iou_type", "iou_thresholds", "recall_thresholds", "max_detections", "area_ranges", "sigmas",
    "dilation_ratio", "state",
)  # fmt: skip


class DetectionEvaluator:
    """Average precision and recall of detections given as arrays.

    Parameters
    ----------
    iou_type : {"bbox", "obb", "segm", "boundary", "keypoints"}
        "obb": oriented boxes (n, 5), cx cy w h and the angle as in :func:`tamis.rotated_box_iou`;
        their area is w h. "segm": masks. "boundary": masks, by the smaller of their IoU and that
        of their boundaries. "keypoints": object keypoint similarity.
    fmt : {"xyxy", "xywh", "cxcywh"}
        Format of all boxes given to `update` except oriented ones; in pixels, like the area ranges.
    angle : {"degrees", "radians"}
        Of oriented boxes. Angles that all look like radians raise a warning.
    iou_thresholds : (T,) floats, default 0.50, 0.55, ... 0.95
    recall_thresholds : (R,) floats, default 0.00, 0.01, ... 1.00
    max_detections : three ints, default (1, 10, 100); one int for keypoints, default (20,)
        Detections that count per image and class, ascending.
    area_ranges : dict of str to (low, high), default COCO's all, small, medium, large
        Closed ranges in square pixels. One is called `all`, the range of `AP`; ``APs APm APl`` are
        those called `small`, `medium` and `large`, -1 where there is none. Keypoints have no
        `small`.
    sigmas : (k,) floats, default COCO's 17
        Of keypoints, as in :func:`tamis.oks`.
    dilation_ratio : float, default 0.02
        Of boundaries, as in :func:`tamis.mask_boundary`.
    classes : sequence of str, or dict of int to str, optional
        Names of the labels; those of a sequence are numbered from 0.
    image_names : sequence of str, or dict of image id to str, optional
        Names of the images, all different; those of a sequence are numbered from 0. A result has
        them in place of the ids; an id without a name is its own, as text.
    state : {"boxes", "matches"}
        What is kept of each image. "matches": only what its detections are, so that a result has
        its numbers and tables, bit-identical, and no analyses. Each `update` then matches its
        images, on the host.

    Notes
    -----
    Bit-identical to pycocotools 2.0.11 on the same boxes in xywh, masks or keypoints, and to
    boundary-iou-api. Masks and keypoints are compared on the host. Equal scores keep the order of
    `update`. The state is 48 bytes per detection, with state="matches" 20 (COCO's settings, labels
    below 32,768); it pickles as NumPy arrays, and evaluators of several processes `merge` or
    `all_reduce`.

    Threads may share an evaluator, and such a process may fork: each `update` and `merge` adds all
    its images at once, in the order of the calls. `compute`, `merge(other)`, copies and pickles see
    only complete calls.

    If tamis was built with CUDA, boxes on a CUDA device stay there, with their other columns:
    `update` copies nothing to the host and does not wait (except for `splits` on the device), and
    `compute` runs there, bit-identical. Only its tables are copied to the host; the analyses of the
    result copy and match on the host when first used. NaN and infinity are then found by `compute`.
    Memory there: about 300 bytes per box with the default settings, 60 of which the result keeps
    until it goes.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> box = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> evaluator.update(
    ...     {"boxes": box, "scores": np.array([0.9]), "labels": np.array([1])},
    ...     {"boxes": box, "labels": np.array([1])},
    ... )
    >>> round(evaluator.compute().stats["AP"], 6)
    1.0
    """

    def __init__(
        self,
        iou_type: str = "bbox",
        *,
        fmt: str = "xyxy",
        angle: str = "degrees",
        iou_thresholds: AnyColumn | None = None,
        recall_thresholds: AnyColumn | None = None,
        max_detections: Sequence[int] | None = None,
        area_ranges: Mapping[str, tuple[float, float]] | None = None,
        sigmas: AnyColumn | None = None,
        dilation_ratio: float = DILATION_RATIO,
        classes: Sequence[str] | Mapping[int, str] | None = None,
        image_names: Sequence[str] | Mapping[Any, str] | None = None,
        state: str = "boxes",
    ) -> None:
        name = "DetectionEvaluator"
        if not arrays.one_of(iou_type, REGIONS):
            raise ValueError(f"{name}: iou_type must be one of {list(REGIONS)}, got {iou_type!r}")
        check_fmt(name, fmt)
        if not arrays.one_of(angle, ("degrees", "radians")):
            raise ValueError(f"{name}: angle must be 'degrees' or 'radians', got {angle!r}")
        if not arrays.one_of(state, ("boxes", "matches")):
            raise ValueError(f"{name}: state must be 'boxes' or 'matches', got {state!r}")
        self.state = state
        people = iou_type == "keypoints"
        self.iou_type, self.fmt, self.angle = iou_type, fmt, angle
        self.sigmas = read_sigmas(name, COCO_SIGMAS if sigmas is None else sigmas)
        self.dilation_ratio = arrays.check_number(name, "dilation_ratio", dilation_ratio, 0, 1)
        self.classes = settings.names("classes", "labels", classes)
        self.image_names = settings.image_names(image_names)
        self._lock = Lock()
        self.iou_thresholds = settings.levels(
            "iou_thresholds", iou_thresholds, default=np.linspace(0.5, 0.95, 10)
        )
        self.recall_thresholds = settings.levels(
            "recall_thresholds", recall_thresholds, default=np.linspace(0.0, 1.0, 101)
        )
        self.max_detections = settings.caps(
            max_detections if max_detections is not None else (20,) if people else (1, 10, 100),
            1 if people else 3,
        )
        if area_ranges is None:
            left_out = "small" if people else None
            area_ranges = {k: v for k, v in settings.AREA_RANGES.items() if k != left_out}
        self.area_ranges = settings.ranges(area_ranges)
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        with self._lock:
            self._device = "cpu"  # or that of the columns that do not live on the host
            self._parts: list[Update] = []  # detections, ground truths, and ids of their images

    def _snapshot(self) -> tuple[str, list[Update]]:
        with self._lock:
            return self._device, list(self._parts)

    def _add(self, function: str, parts: list[Update]) -> None:
        with self._lock:
            check_ids(function, [*self._parts[:1], *parts])
            self._device = common_device(
                function, self._device, [x for part in parts for x in part[:2]]
            )
            self._parts += parts

    def __getstate__(self) -> dict[str, Any]:
        parts = [(on_host(a), on_host(b), ids) for a, b, ids in self._snapshot()[1]]
        return {**vars(self), "_parts": parts, "_device": "cpu", "_lock": Lock()}

    def update(self, preds: Given, targets: Given, image_ids: AnyColumn | None = None) -> None:
        """Add images.

        Parameters
        ----------
        preds : dict of arrays, or a list of them, one per image
            ``boxes`` (n, 4), ``scores`` (n,), ``labels`` (n,) integers; "obb": ``boxes`` (n, 5).
            Instead of boxes, ``masks``: `Masks`, pixels (n, h, w) of any library and device, or a
            list of RLE dicts, or of polygons with their image's ``size``; or ``keypoints`` (n, k, 2
            or 3). Both may have ``area`` (n,), which decides the size range of a detection; the
            default is that of the mask, or of the box around all keypoints.
        targets : dict of arrays, or a list of them
            ``boxes`` (m, 4), ``labels`` (m,), and if wanted ``iscrowd`` (m,) and ``area`` (m,),
            which defaults to the regions' own. ``masks`` as above; or ``keypoints`` (m, k, 3) with
            ``area``, ``boxes`` or both, and if wanted ``num_keypoints`` (m,), by default those of
            visibility above 0; ground truths without any are ignored.

        image_ids : sequence of int or of str, one per image, optional
            With ids, images may come in any order and from any process: they are evaluated in
            ascending order of ids, and repeated images, as from a padding sampler, are left out.
            Give them in all updates or in none.

        A dict with ``splits`` (images + 1,) offsets holds many images, consecutively. Arrays are
        NumPy, PyTorch, CuPy or any other exporter; the other columns are moved to the device of the
        boxes. All are copied, so the caller may change them afterwards.

        Raises
        ------
        KeyError, TypeError, ValueError
            Naming what is missing or wrong; nothing is added then.
        """
        name = "DetectionEvaluator.update"
        read = read_update(preds, targets, self._kind())
        if self.iou_type == "obb":
            to_degrees(read, self.angle)
        ids = read_ids(name, image_ids, [len(found[0]) for found, _ in read])
        if self.state == "matches":
            read = [self._condensed(on_host(a), on_host(b)) for a, b in read]
        self._add(name, [(*both, part) for both, part in zip(read, ids, strict=True)])

    def _kind(self) -> Kind:
        return Kind(self.iou_type, self.fmt, self.sigmas, self.dilation_ratio)

    def merge(self, other: DetectionEvaluator) -> None:
        """Add the images of another evaluator with the same settings, after those of this one.

        Raises
        ------
        TypeError, ValueError
            `other` is not an evaluator, or its settings differ.
        """
        if not isinstance(other, DetectionEvaluator):
            raise TypeError(
                "DetectionEvaluator.merge: other must be a DetectionEvaluator,"
                f" got {type(other).__name__}"
            )
        for key in SETTINGS:
            mine, theirs = getattr(self, key), getattr(other, key)
            if not same(mine, theirs):
                raise ValueError(f"DetectionEvaluator.merge: {key} differ: {mine} and {theirs}")
        self._add("DetectionEvaluator.merge", other._snapshot()[1])  # one lock at a time

    def all_reduce(self, group: Any = None) -> None:
        """Merge the evaluators of all processes of torch.distributed: each then has all images.

        Call it once, on every process, before `compute`; then `reset`. Processes may have any
        number of images, or none; with `image_ids`, repeats count once and the numbers do not
        depend on which process had which. Without an initialised process group nothing happens.

        Parameters
        ----------
        group : torch.distributed.ProcessGroup, optional

        Raises
        ------
        ValueError
            On every process, where settings of evaluators differ.
        """
        name = "DetectionEvaluator.all_reduce"
        parts = [(on_host(a), on_host(b), ids) for a, b, ids in self._snapshot()[1]]
        settings = {key: getattr(self, key) for key in SETTINGS}
        everyone = gathered(name, settings, parts, group)
        check_ids(name, everyone)
        with self._lock:
            self._device, self._parts = "cpu", everyone

    def compute(self) -> DetectionResult:
        """Evaluate all images added so far; more can be added after.

        Raises
        ------
        ValueError
            If boxes, scores or areas given on a CUDA device contain NaN or infinity.
        """
        return self._computed(*self._snapshot())

    def submit(self) -> Future[DetectionResult]:
        """Start `compute` of the images added so far in a background thread.

        Returns at once. ``submit().result()`` waits, and returns or raises what `compute` does.
        More images can be added meanwhile.
        """
        return in_background(self._computed, *self._snapshot())

    def _computed(self, device: str, parts: list[Update]) -> DetectionResult:
        # an interrupted update may have set the device and added nothing
        if device != "cpu" and any(
            arrays.device(x[1]) != "cpu" for part in parts for x in part[:2]
        ):
            return self._on_device(parts)
        if self.state == "matches":
            return self._of_matches(parts)
        preds, targets, ids = zip(*(parts or [(*nothing(self._kind()), None)]), strict=True)
        images = ordered_images(ids)
        classes, sides, n_images = self._matched(preds, targets, images)
        tables = curves(
            sides.table, sides.dets.scores, recall_thresholds=self.recall_thresholds.tolist(),
            max_dets=self.max_detections,
        )  # fmt: skip
        return self._result(classes, tables, sides.table.n_regular, sides, images, n_images)

    def _matched(self, preds: Any, targets: Any, images: Any) -> tuple[Any, Sides, int]:
        """Classes, both sides with their matches, and the number of images."""
        kind = self._kind()
        like = np.empty(0)
        splits, (label, regions, scores, *measured) = joined(preds, like, images)
        gt_splits, columns = joined(targets, like, images)
        gt_label, gt_regions, crowd, gt_area, *people = columns
        classes, category, gt_category = class_positions(label, gt_label)
        gt_boxes, unlabelled = people or (None, None)
        similarity = kind.similarity(regions, gt_regions, crowd, gt_area, gt_boxes)
        boxes = (regions, gt_regions) if kind.column == "boxes" else (None, None)
        (area,) = measured or (kind.area(regions),)
        dets = Detections(image_of(splits), category, boxes[0], scores, area)
        gts = Targets(image_of(gt_splits), gt_category, boxes[1], crowd, gt_area)
        if unlabelled is not None:
            gts.ignore = unlabelled | crowd
        table = match(
            dets, gts, n_images=len(splits) - 1, n_categories=len(classes),
            thresholds=self.iou_thresholds.tolist(), area_ranges=list(self.area_ranges.values()),
            max_det=self.max_detections[-1], similarity=similarity,
        )  # fmt: skip
        return classes, Sides(dets, gts, table, similarity), len(splits) - 1

    def _condensed(self, pred: Part, target: Part) -> tuple[Part, Part]:
        """Both sides of an update as "matches" keeps them."""
        _, sides, n_images = self._matched([pred], [target], None)
        return condensed(sides.table, sides.dets, sides.gts, n_images, pred[1], target[1])

    def _of_matches(self, parts: list[Update]) -> DetectionResult:
        shape = len(self.area_ranges), len(self.iou_thresholds)
        preds, targets, ids = zip(*(parts or [(*none(*shape), None)]), strict=True)
        images = ordered_images(ids)
        classes, table, scores, n_images = restored(
            preds, targets, images, *shape, self.max_detections[-1]
        )
        tables = curves(
            table, scores, recall_thresholds=self.recall_thresholds.tolist(),
            max_dets=self.max_detections,
        )  # fmt: skip
        return self._result(classes, tables, table.n_regular, no_sides, images, n_images)

    def _on_device(self, parts: list[Update]) -> DetectionResult:
        """`compute` of boxes where they live."""
        preds, targets, ids = zip(*parts, strict=True)
        every = itertools.chain(preds, targets)
        like = next(part[2] for part in every if arrays.device(part[2]) != "cpu")
        images = ordered_images(ids)
        splits, (label, boxes, scores) = joined(preds, like, images)
        gt_splits, (gt_label, gt_boxes, crowd, gt_area) = joined(targets, like, images)
        classes, place = classes_of(arrays.concatenate([label, gt_label]))
        n = len(boxes)
        dets = DeviceRows(splits, place[:n], boxes, boxes[:, 2] * boxes[:, 3], scores=scores)
        gts = DeviceRows(gt_splits, place[n:], gt_boxes, gt_area, crowd=crowd)
        settings: dict[str, Any] = {
            "n_categories": len(classes),
            "thresholds": self.iou_thresholds.tolist(),
            "area_ranges": list(self.area_ranges.values()),
        }
        found = evaluate(
            dets, gts, recall_thresholds=self.recall_thresholds.tolist(),
            max_dets=self.max_detections, **settings,
        )  # fmt: skip
        for column, row in zip(CHECKED, found.bad, strict=True):
            if row is not None:
                raise ValueError(
                    f"DetectionEvaluator.compute: {column} has a NaN or infinite value in row {row}"
                    " of all images"
                )
        tables = found.precision, found.recall, found.scores
        settings |= {
            "max_det": self.max_detections[-1],
            "similarity_of": partial(box_similarity, self._kind()),
        }
        sides = partial(host_sides, dets, gts, **settings)
        return self._result(classes, tables, found.n_regular, sides, images, len(splits) - 1)

    def _result(
        self, classes: Any, tables: Any, n_regular: Any, sides: Any, images: Any, count: int
    ) -> DetectionResult:
        image_ids = np.arange(count) if images is None else images.ids
        if self.image_names is not None:
            image_ids = np.array([self.image_names.get(x, str(x)) for x in image_ids.tolist()], str)
        names = None if self.classes is None else tuple(map(self.classes.get, classes.tolist()))
        result = DetectionResult(
            self.iou_type, classes, self.iou_thresholds.copy(),
            self.recall_thresholds.copy(), dict(self.area_ranges), self.max_detections,
            image_ids, names,
        )  # fmt: skip
        options = {"sigmas": self.sigmas, "dilation_ratio": self.dilation_ratio}
        return result._with(Made(tables, n_regular, sides, options=options))
