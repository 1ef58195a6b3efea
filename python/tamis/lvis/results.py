"""Results against an LVIS dataset, with lvis-api's names."""

from __future__ import annotations

import logging
from typing import Any

from tamis.coco._faults import check_known, naming_records, not_a_list
from tamis.coco._hooks import Originals
from tamis.coco.coco import unknown_images
from tamis.lvis._sources import NOT_OF_THIS_SET, limit, prepare_results, read_lvis_results
from tamis.lvis.lvis import LVIS, ORIGINAL


class LVISResults(LVIS):
    """Detections as a dataset over the images of the ground truth.

    Parameters
    ----------
    lvis_gt : LVIS or str
        Ground truth, or its file.
    results : str or list of dict
        A results file, or its content; the dicts gain `id`, `area` and what else lvis-api adds.
    max_dets : int
        Detections kept of each image, the best by score; negative for all.

    Raises
    ------
    TypeError
        `lvis_gt` is neither.
    AssertionError
        The results are not a list, or name an image that the ground truth does not have.
    """

    def __init__(self, lvis_gt: Any, results: Any, max_dets: int = 300) -> None:
        if isinstance(lvis_gt, str):
            lvis_gt = LVIS(lvis_gt)
        elif not isinstance(lvis_gt, LVIS):
            raise TypeError(f"Unsupported type {lvis_gt} of lvis_gt.")
        self._start()
        self.logger = logging.getLogger("tamis.lvis")
        self.logger.info("Loading and preparing results.")
        base, path = lvis_gt._base(), results if isinstance(results, str) else None
        if isinstance(results, str) and not self._reads_itself():
            source = read_lvis_results(results, base, max_dets)
            if source is not None:
                self._set_source(source)
                if ORIGINAL.replaced(self, "get_img_ids"):
                    unknown = unknown_images(source.columns, self.get_img_ids())
                    check_known(unknown, NOT_OF_THIS_SET)
                return
        if isinstance(results, str):
            results = self._load_json(results)
        else:
            self.logger.warning("Assuming user provided the results in correct format.")
        if not isinstance(results, list):
            raise not_a_list(results, "results is not a list.", path)
        if max_dets >= 0:
            results = self.limit_dets_per_image(results, max_dets)
        with naming_records(("results", lambda: results)):
            prepare_results(results)
        self.dataset = base.dataset() | {"annotations": results}
        self._create_index()
        known = set(self.get_img_ids())
        check_known((a["image_id"] for a in results if a["image_id"] not in known), NOT_OF_THIS_SET)

    def _reads_itself(self) -> bool:
        return super()._reads_itself() or _LIMIT.replaced(self)

    def limit_dets_per_image(self, anns: Any, max_dets: int) -> Any:
        """Results by image, in the order the images come; the best where there are more."""
        return limit(anns, max_dets)

    def get_top_results(self, img_id: Any, score_thrs: float) -> list[Any]:
        """The results of an image that score above a threshold."""
        anns = self.load_anns(self.get_ann_ids(img_ids=[img_id]))
        return [ann for ann in anns if ann["score"] > score_thrs]


_LIMIT = Originals(LVISResults, "limit_dets_per_image")
