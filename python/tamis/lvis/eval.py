"""LVISEval of lvis 0.5.3: federated average precision."""

from __future__ import annotations

import datetime
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from tamis.coco import mask
from tamis.coco._faults import naming_records
from tamis.coco._hooks import Originals
from tamis.coco._matches import Matches, Merged, matches_of
from tamis.evaluation.summary import mean_of_present
from tamis.lvis import _plain, _records
from tamis.lvis.lvis import LVIS
from tamis.lvis.results import LVISResults
from tamis.regions.mask_iou import DILATION_RATIO

_HOOKS = ("_prepare", "_get_gt_dt", "compute_iou", "evaluate_img")
_BUILT = ("eval_imgs", "ious", "_gts", "_dts", "img_nel")


class Params:
    """What is evaluated: thresholds, area ranges, and which images and categories.

    Parameters
    ----------
    iou_type : {"segm", "bbox", "boundary"}

    Attributes
    ----------
    img_ids, cat_ids : list
        What to evaluate; `LVISEval` fills in everything of the ground truth.
    iou_thrs : (T,) array
        0.50, 0.55, ... 0.95.
    rec_thrs : (R,) array
        0.00, 0.01, ... 1.00.
    max_dets : int
        A label: results are cut when they are loaded.
    area_rng, area_rng_lbl : list
        Closed area ranges in square pixels, and their names.
    use_cats : int
        0 finds nothing: like lvis-api, it looks for category -1.
    dilation_ratio : float
        Boundaries only.
    img_count_lbl : list of str
        The frequency groups: rare, common, frequent.
    """

    def __init__(self, iou_type: str) -> None:
        self.img_ids: Any = []
        self.cat_ids: Any = []
        self.iou_thrs: Any = np.linspace(0.5, 0.95, 10)
        self.rec_thrs: Any = np.linspace(0.0, 1.0, 101)
        self.max_dets: Any = 300
        self.area_rng: Any = [[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]]
        self.area_rng_lbl: Any = ["all", "small", "medium", "large"]
        self.use_cats: Any = 1
        self.img_count_lbl: Any = ["r", "c", "f"]
        self.iou_type = iou_type
        if iou_type == "boundary":
            self.dilation_ratio = DILATION_RATIO


class LVISEval:
    """Federated average precision and recall, with lvis-api's names, bit-identical to it.

    Parameters
    ----------
    lvis_gt : LVIS or str
        Ground truth, or its file.
    lvis_dt : LVISResults, str or list of dict
        Results, their file, or their content; the best 300 of each image count.
    iou_type : {"segm", "bbox", "boundary"}
        "boundary" is the smaller of mask IoU and boundary IoU, as in boundary-iou-api.
    dilation_ratio : float
        Boundaries only: width of the boundary, as a share of the image's diagonal.

    Attributes
    ----------
    params : Params
        Set what you need before `evaluate`.
    eval_imgs : list of dict or None
        Per category, area range and image (in this order). Built when first accessed; `accumulate`
        uses edits to it.
    ious : dict
        (image, category) -> (D, G) IoUs. Built when first accessed.
    eval : dict
        ``precision`` (T, R, K, A), ``recall`` (T, K, A), ``dt_pointers`` (a mapping).
    freq_groups : list of list of int
        Places in `params.cat_ids` of the categories of each frequency.
    results : OrderedDict
        ``AP``, ``AP50``, ``AP75``, ``APs``, ``APm``, ``APl``, ``APr``, ``APc``, ``APf``,
        ``AR@300``, ``ARs@300``, ``ARm@300``, ``ARl@300``.
    """

    def __init__(
        self,
        lvis_gt: Any,
        lvis_dt: Any,
        iou_type: str = "segm",
        dilation_ratio: float = DILATION_RATIO,
    ) -> None:
        self.logger = logging.getLogger("tamis.lvis")
        if iou_type not in _records.IOU_TYPES:
            raise ValueError(f"iou_type: {iou_type} is not supported.")
        if not isinstance(lvis_gt, (LVIS, str)):
            raise TypeError(f"Unsupported type {lvis_gt} of lvis_gt.")
        self.lvis_gt: Any = LVIS(lvis_gt) if isinstance(lvis_gt, str) else lvis_gt
        if not isinstance(lvis_dt, (LVISResults, str, list)):
            raise TypeError(f"Unsupported type {lvis_dt} of lvis_dt.")
        loaded = isinstance(lvis_dt, LVISResults)
        self.lvis_dt: Any = lvis_dt if loaded else LVISResults(self.lvis_gt, lvis_dt)
        self.eval_imgs: Any = defaultdict(list)
        self.eval: dict[str, Any] = {}
        self._gts: Any = defaultdict(list)
        self._dts: Any = defaultdict(list)
        self.params = Params(iou_type=iou_type)
        if iou_type == "boundary":
            self.params.dilation_ratio = dilation_ratio
        self.results: OrderedDict[str, Any] = OrderedDict()
        self.ious: Any = {}
        self._plain: _plain.Evaluation | Merged | None = None
        self._evaluated: Any = None
        self.params.img_ids = sorted(self.lvis_gt.get_img_ids())
        self.params.cat_ids = sorted(self.lvis_gt.get_cat_ids())

    def __getattr__(self, name: str) -> Any:
        plain = self.__dict__.get("_plain")
        if name not in _BUILT or plain is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name == "ious":
            self.ious = plain.ious()
        elif name == "eval_imgs":
            self.eval_imgs = plain.eval_imgs()
        else:
            _records.prepare(self)
        return self.__dict__[name]

    def _prepare(self) -> None:
        _records.prepare(self)

    def _prepare_freq_group(self) -> list[list[int]]:
        frequency = self.lvis_gt._frequency_of(self.params.cat_ids)
        groups: list[list[int]] = [[] for _ in self.params.img_count_lbl]
        for place, label in enumerate(frequency):
            groups[self.params.img_count_lbl.index(label)].append(place)
        return groups

    def evaluate(self) -> None:
        """Match every image, category and area range."""
        self.logger.info("Running per image evaluation.")
        self.logger.info(f"Evaluate annotation type *{self.params.iou_type}*")
        self.params.img_ids = list(np.unique(self.params.img_ids))
        self.freq_groups = self._prepare_freq_group()
        walked = _ORIGINAL.replaced(self) or _COMPARED.replaced(mask)
        with naming_records(
            ("annotations", lambda: self.lvis_gt.dataset["annotations"]),
            ("results", lambda: self.lvis_dt.dataset["annotations"]),
            ("images", lambda: self.lvis_gt.dataset["images"]),
        ):
            self._plain = None if walked else _plain.evaluate(self)
            if self._plain is None:
                _records.evaluate(self)
        if self._plain is not None:
            for name in _BUILT:
                self.__dict__.pop(name, None)
        self._evaluated = _plain.as_coco(self.params)

    def matches(self) -> Matches:
        """What the detections of the evaluated images are, for `merged`: 20 bytes a detection.

        Raises
        ------
        ValueError
            Before `evaluate`, or where it went image by image.
        """
        name, now = "LVISEval.matches", _plain.as_coco(self.params)
        if self._plain is not None and not self._plain.covers(now, self._evaluated):
            raise ValueError(f"{name}: params must be those of evaluate()")
        found = matches_of(name, self._plain, self.params, "img_ids", self._evaluated and now)
        found.frequencies = self.freq_groups
        return found

    @classmethod
    def merged(cls, parts: Sequence[Matches]) -> LVISEval:
        """An evaluation of all images of several, for `accumulate` and `summarize`.

        Parameters
        ----------
        parts : list of Matches
            Of evaluations with the same parameters but for their images, no image in two.

        Returns
        -------
        LVISEval
            Its precision, recall and `results` are bit-identical to one evaluation of all images.
            It has no data sets, `eval_imgs` and `ious`, and its `dt_pointers` are empty.

        Raises
        ------
        TypeError, ValueError
            For parts that do not fit together.
        """
        plain = Merged("LVISEval.merged", parts, "img_ids")
        found = cls.__new__(cls)
        found.logger = logging.getLogger("tamis.lvis")
        found.lvis_gt = found.lvis_dt = None
        found.params, found.eval, found.results = plain.params, {}, OrderedDict()
        found.freq_groups = next(iter(parts)).frequencies
        found._evaluated = _plain.as_coco(plain.params)
        found._plain = plain.build(found._evaluated)
        return found

    def _get_gt_dt(self, img_id: Any, cat_id: Any) -> tuple[list[Any], list[Any]]:
        return _records.group(self, img_id, cat_id)

    def compute_iou(self, img_id: Any, cat_id: Any) -> Any:
        """(D, G) IoUs of an image's detections, best score first, with its ground truths."""
        return _records.compute_iou(self, img_id, cat_id)

    def evaluate_img(self, img_id: Any, cat_id: Any, area_rng: Any) -> Any:
        """The matches of one image, category and area range, or None where there is nothing."""
        return _records.evaluate_image(self, img_id, cat_id, area_rng)

    def accumulate(self) -> None:
        """Precision and recall over all images, into `eval`."""
        self.logger.info("Accumulating evaluation results.")
        p = _plain.as_coco(self.params)
        plain = self._plain if "eval_imgs" not in self.__dict__ else None
        pointers: Any
        if plain is not None and plain.covers(p, self._evaluated):
            precision, recall = (part[..., 0] for part in plain.accumulate(p)[:2])
            pointers = plain.pointers()
        else:
            if not self.eval_imgs:
                self.logger.warning("Please run evaluate first.")
            precision, recall = _records.accumulate(self.eval_imgs, p)
            pointers = _records.pointers(self.eval_imgs, p)
        self.eval = {
            "params": self.params,
            "counts": list(precision.shape),
            "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            "precision": precision,
            "recall": recall,
            "dt_pointers": pointers,
        }

    def _summarize(
        self,
        summary_type: str,
        iou_thr: float | None = None,
        area_rng: str = "all",
        freq_group_idx: int | None = None,
    ) -> Any:
        values = self.eval["precision" if summary_type == "ap" else "recall"]
        areas = [i for i, label in enumerate(self.params.area_rng_lbl) if label == area_rng]
        values = values[..., areas[0] if len(areas) == 1 else areas]  # first: most is left out
        if iou_thr is not None:
            values = values[np.where(iou_thr == self.params.iou_thrs)[0]]
        if summary_type == "ap" and freq_group_idx is not None:
            values = np.take(values, self.freq_groups[freq_group_idx], axis=2)
        return mean_of_present(values)

    def summarize(self) -> None:
        """The means of the settings that have ground truth, into `results`; -1 where none has."""
        if not self.eval:
            raise RuntimeError("Please run accumulate() first.")
        areas, cap = ("small", "medium", "large"), self.params.max_dets
        ap, r = self._summarize, self.results
        r["AP"] = ap("ap")
        r["AP50"], r["AP75"] = ap("ap", iou_thr=0.50), ap("ap", iou_thr=0.75)
        r.update({f"AP{area[0]}": ap("ap", area_rng=area) for area in areas})
        r.update({f"AP{group}": ap("ap", freq_group_idx=i) for i, group in enumerate("rcf")})
        r[f"AR@{cap}"] = ap("ar")
        r.update({f"AR{area[0]}@{cap}": ap("ar", area_rng=area) for area in areas})

    def run(self) -> None:
        """`evaluate`, `accumulate` and `summarize`."""
        self.evaluate()
        self.accumulate()
        self.summarize()

    def print_results(self) -> None:
        """Print `results`, a line each."""
        p = self.params
        for key, value in self.results.items():
            kind = "Precision  (AP)" if "AP" in key else "Recall     (AR)"
            mark = key[2:3]  # of the threshold, the frequency or the area
            iou = f"{p.iou_thrs[0]:0.2f}:{p.iou_thrs[-1]:0.2f}"
            if mark.isdigit():
                iou = f"{float(key[2:]) / 100:0.2f}"
            group = mark if mark and mark in "rcf" else "all"
            area = mark if mark and mark in "sml" else "all"
            where = f"IoU={iou:<9} | area={area:>6s} | maxDets={p.max_dets:>3d} catIds={group:>3s}"
            print(f" Average {kind} @[ {where}] = {value:0.3f}")

    def get_results(self) -> Any:
        """`results`."""
        if not self.results:
            self.logger.warning("results is empty. Call run().")
        return self.results


_ORIGINAL, _COMPARED = Originals(LVISEval, *_HOOKS), Originals(mask, "iou")
