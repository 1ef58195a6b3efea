"""COCOeval of pycocotools 2.0.11: on columns if everything is plain, else on objects."""

from __future__ import annotations

import copy  # noqa: F401  for those who import it from pycocotools.cocoeval
import datetime
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tamis.coco import _plain, _records, mask
from tamis.coco._faults import naming_records
from tamis.coco._hooks import Originals
from tamis.coco._matches import Matches, Merged, matches_of
from tamis.coco.params import Params, snapshot
from tamis.evaluation.analysis import Evaluated
from tamis.evaluation.results import names_of
from tamis.evaluation.summary import summarize
from tamis.regions.mask_iou import DILATION_RATIO

maskUtils = mask  # by this name others import it from here
_HOOKS = ("_prepare", "computeIoU", "computeOks", "evaluateImg")
_BUILT = ("evalImgs", "ious", "_gts", "_dts")


class COCOeval:
    """Average precision and recall of detections, with pycocotools' names, bit-identical to it.

    Parameters
    ----------
    cocoGt, cocoDt : COCO
        Ground truth, and the results its `loadRes` gave. pycocotools' own objects work too.
    iouType : {"segm", "bbox", "keypoints", "boundary"}
        "boundary" is the smaller of mask IoU and boundary IoU, as in boundary-iou-api.
    dilation_ratio : float
        Boundaries only: width of the boundary, as a share of the image's diagonal.

    Attributes
    ----------
    params : Params
        Set what you need before `evaluate`.
    evalImgs : list of dict or None
        Per category, area range and image (in this order). Built when first accessed; `accumulate`
        uses edits to it.
    ious : dict
        (image, category) -> (D, G) IoUs. Built when first accessed.
    eval : dict
        ``precision`` (T, R, K, A, M), ``recall`` (T, K, A, M), ``scores`` (T, R, K, A, M).
    stats : (12,) array, or (10,) for keypoints
        What `summarize` prints.

    Notes
    -----
    A subclass or instance may override `evaluateImg`, `computeIoU` or `_prepare`: images are then
    evaluated one by one, as in pycocotools, at about its speed.
    """

    def __init__(
        self,
        cocoGt: Any = None,
        cocoDt: Any = None,
        iouType: Any = "segm",
        dilation_ratio: float = DILATION_RATIO,
    ) -> None:
        if not iouType:
            print("iouType not specified. use default iouType segm")
        self.cocoGt = cocoGt
        self.cocoDt = cocoDt
        self.evalImgs: Any = defaultdict(list)
        self.eval: dict[str, Any] = {}
        self._gts: Any = defaultdict(list)
        self._dts: Any = defaultdict(list)
        self.params = Params(iouType=iouType)
        if iouType == "boundary":
            self.params.dilationRatio = dilation_ratio
        self._paramsEval: Any = {}
        self.stats: Any = []
        self.ious: Any = {}
        self._plain: _plain.Evaluation | Merged | None = None
        if cocoGt is not None:
            self.params.imgIds = sorted(cocoGt.getImgIds())
            self.params.catIds = sorted(cocoGt.getCatIds())

    def __getattr__(self, name: str) -> Any:
        plain = self.__dict__.get("_plain")
        if name not in _BUILT or plain is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in ("_gts", "_dts"):
            _records.prepare(self)
        elif name == "ious":
            self.ious = plain.ious()
        else:
            self.evalImgs = plain.eval_imgs()
        return self.__dict__[name]

    def _evaluated(self) -> Evaluated | None:
        """For `tamis.detection_errors` and the like; None if images were evaluated one by one."""
        found = None if self._plain is None else self._plain.evaluated()
        if found is None:
            return None
        p, names = self._paramsEval, names_of(self.cocoGt)
        called = tuple(map(names.get, found.classes.tolist())) if p.useCats else ()
        return replace(found, settings=p, class_names=called if any(called) else None)

    def _prepare(self) -> None:
        _records.prepare(self)

    def evaluate(self) -> None:
        """Match every image, category and area range."""
        tic = time.time()
        print("Running per image evaluation...")
        p = self.params
        if p.useSegm is not None:
            p.iouType = "segm" if p.useSegm == 1 else "bbox"
            print(f"useSegm (deprecated) is not None. Running {p.iouType} evaluation")
        print(f"Evaluate annotation type *{p.iouType}*")
        p.imgIds = list(np.unique(p.imgIds))
        if p.useCats:
            p.catIds = list(np.unique(p.catIds))
        p.maxDets = sorted(p.maxDets)
        walked = _ORIGINAL.replaced(self) or _COMPARED.replaced(mask)
        with naming_records(
            ("annotations", lambda: self.cocoGt.dataset["annotations"]),
            ("results", lambda: self.cocoDt.dataset["annotations"]),
            ("images", lambda: self.cocoGt.dataset["images"]),
        ):
            self._plain = None if walked else _plain.evaluate(self.cocoGt, self.cocoDt, p)
            if self._plain is None:
                _records.evaluate(self)
        if self._plain is not None:
            self._forget_built()
            self.eval = {}
        self._paramsEval = snapshot(p)
        print(f"DONE (t={time.time() - tic:0.2f}s).")

    def matches(self) -> Matches:
        """What the detections of the evaluated images are, for `merged`: 20 bytes a detection.

        Raises
        ------
        ValueError
            Before `evaluate`, or where it went image by image.
        """
        p = self._paramsEval
        return matches_of("COCOeval.matches", self._plain, p, "imgIds", p)

    @classmethod
    def merged(cls, parts: Sequence[Matches]) -> COCOeval:
        """An evaluation of all images of several, for `accumulate` and `summarize`.

        Parameters
        ----------
        parts : list of Matches
            Of evaluations with the same parameters but for their images, no image in two.

        Returns
        -------
        COCOeval
            Its `eval` and `stats` are bit-identical to one evaluation of all images. It has no data
            sets, `evalImgs` and `ious`.

        Raises
        ------
        TypeError, ValueError
            For parts that do not fit together.
        """
        plain = Merged("COCOeval.merged", parts, "imgIds")
        found = cls(iouType=plain.params.iouType)
        found.params, found._paramsEval = plain.params, snapshot(plain.params)
        found._plain = plain.build(plain.params)
        found._forget_built()
        return found

    def _forget_built(self) -> None:
        """The objects of an evaluation before; those of this one are built when asked for."""
        for name in _BUILT:
            self.__dict__.pop(name, None)

    def computeIoU(self, imgId: Any, catId: Any) -> Any:
        """(D, G) IoUs of an image's detections, best score first, with its ground truths."""
        return _records.compute_iou(self, imgId, catId)

    def computeOks(self, imgId: Any, catId: Any) -> Any:
        """(D, G) keypoint similarities, best score first."""
        return _records.compute_oks(self, imgId, catId)

    def evaluateImg(self, imgId: Any, catId: Any, aRng: Any, maxDet: Any) -> Any:
        """The matches of one image, category and area range, or None where there is nothing."""
        return _records.evaluate_image(self, imgId, catId, aRng, maxDet)

    def accumulate(self, p: Any = None) -> None:
        """Precision and recall over all images, into `eval`."""
        print("Accumulating evaluation results...")
        tic = time.time()
        plain = self._plain if "evalImgs" not in self.__dict__ else None
        if plain is None and not self.evalImgs:
            print("Please run evaluate() first")
        if p is None:
            p = self.params
        p.catIds = p.catIds if p.useCats == 1 else [-1]
        if plain is not None and plain.covers(p, self._paramsEval):
            arrays = plain.accumulate(p)
        else:
            arrays = _records.accumulate(self.evalImgs, p, self._paramsEval)
        k = len(p.catIds) if p.useCats else 1
        precision, recall, scores = arrays
        self.eval = {
            "params": p,
            "counts": [len(p.iouThrs), len(p.recThrs), k, len(p.areaRng), len(p.maxDets)],
            "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            "precision": precision,
            "recall": recall,
            "scores": scores,
        }
        print(f"DONE (t={time.time() - tic:0.2f}s).")

    def summarize(self) -> None:
        """Print the summary table and set `stats`."""
        if not self.eval:
            raise Exception("Please run accumulate() first")
        self.stats = summarize(self.eval, self.params)

    def __str__(self) -> str:
        self.summarize()
        return ""


_ORIGINAL, _COMPARED = Originals(COCOeval, *_HOOKS), Originals(mask, "iou")
