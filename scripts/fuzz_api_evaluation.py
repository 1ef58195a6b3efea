"""Good arguments of the evaluators, the readers of COCO and the drop-ins."""

from __future__ import annotations

from typing import Any

import numpy as np
import tamis
import tamis.coco
import tamis.lvis
from fuzz_api_odd import spoilt
from fuzz_api_special import SELVES
from fuzz_api_values import ArrayArguments, H, W

try:
    import torch
except ImportError:
    torch = None


class Problem(ArrayArguments):
    """A few images, evaluated."""

    def records(self, counts: Any, scores: bool, as_tensor: bool = False) -> dict[str, Any]:
        n = int(counts.sum())
        found = {"boxes": self.boxes(n), "labels": self.rng.integers(0, 3, n)}
        if scores:
            found["scores"] = self.rng.random(n)
        if as_tensor:
            return {key: torch.from_numpy(value) for key, value in found.items()}
        return {**found, "splits": self.splits(counts)}

    def evaluator(self) -> tamis.DetectionEvaluator:
        evaluator = tamis.DetectionEvaluator()
        evaluator.update(self.records(self.counts, True), self.records(self.counts, False))
        return evaluator

    def a_preds(self) -> Any:
        if "torchmetrics" in self.name:
            return [self.records(np.array([n]), True, True) for n in self.counts]
        return self.records(self.counts, True)

    def a_targets(self) -> Any:
        return self.records(self.counts, False)

    def a_target(self) -> Any:
        return [self.records(np.array([n]), False, True) for n in self.counts]

    def a_evaluated(self) -> Any:
        return self.evaluator().compute()

    def a_area(self) -> Any:
        return "all"

    def a_iou_type(self) -> Any:
        return "bbox"

    def a_iou_thresholds(self) -> Any:
        return None

    a_recall_thresholds = a_area_ranges = a_rec_thresholds = a_max_detection_thresholds = (
        a_iou_thresholds
    )

    def a_box_format(self) -> Any:
        return self.pick("xyxy", "xywh", "cxcywh")

    def a_class_metrics(self) -> Any:
        return False

    a_extended_summary = a_draw_bbox = a_class_metrics

    def a_average(self) -> Any:
        return self.pick("macro", "micro")

    def a_backend(self) -> Any:
        return "pycocotools"

    # COCO and LVIS
    def dataset(self) -> dict[str, Any]:
        anns, box = [], self.boxes(self.n).astype(float).tolist()
        for i, b in enumerate(box):
            anns.append(
                {
                    "id": i + 1,
                    "image_id": 1 + i % 3,
                    "category_id": 1 + i % 2,
                    "iscrowd": 0,
                    "area": 9.0,
                    "bbox": b,
                    "segmentation": [[1, 1, 6, 1, 6, 6]],
                }
            )
        images = [
            {
                "id": i,
                "height": H,
                "width": W,
                "neg_category_ids": [],
                "not_exhaustive_category_ids": [],
            }
            for i in (1, 2, 3)
        ]
        frequencies = [{"id": i, "name": f"c{i}", "frequency": "f"} for i in (1, 2)]
        return {"images": images, "annotations": anns, "categories": frequencies}

    def results(self) -> list[dict[str, Any]]:
        return [
            {
                "image_id": a["image_id"],
                "category_id": a["category_id"],
                "bbox": a["bbox"],
                "score": 0.5,
            }
            for a in self.dataset()["annotations"]
        ] or [{"image_id": 1, "category_id": 1, "bbox": [0.0, 0, 1, 1], "score": 0.5}]

    def coco(self) -> Any:
        found = tamis.coco.COCO()
        found.dataset = self.dataset()
        found.createIndex()
        return found

    def lvis(self) -> Any:
        import json

        with open("lvis.json", "w") as f:
            json.dump(self.dataset(), f)
        return tamis.lvis.LVIS("lvis.json")

    def a_self(self) -> Any:
        self.me = self._self()
        return self.me

    def _self(self) -> Any:
        if self.owner == "DetectionEvaluator":
            return self.evaluator()
        if self.owner in SELVES:
            return SELVES[self.owner](self)
        if self.owner == "Masks":
            return self.masks(4)
        if self.owner == "COCO":
            return self.coco()
        if self.owner == "COCOeval":
            ground_truth = self.coco()
            found = tamis.coco.COCOeval(ground_truth, ground_truth.loadRes(self.results()), "bbox")
            found.evaluate()
            found.accumulate()
            return found
        if self.owner == "LVISEval":
            found = tamis.lvis.LVISEval(self.lvis(), self.results(), "bbox")
            found.evaluate()
            found.accumulate()
            return found
        if self.owner in ("LVIS", "LVISResults"):
            return self.lvis()
        from tamis.torchmetrics import MeanAveragePrecision

        return MeanAveragePrecision()

    def a_annotation_file(self) -> Any:
        import json

        with open("coco.json", "w") as f:
            f.write(
                json.dumps(
                    spoilt(self.dataset(), "", self.rng)
                    if self.rng.random() < 0.5
                    else self.dataset(),
                    default=str,
                )
            )
        return "coco.json"

    a_annotation_path = a_annotation_file

    def a_cocoGt(self) -> Any:
        return self.coco()

    def a_cocoDt(self) -> Any:
        return self.coco().loadRes(self.results())

    def a_lvis_gt(self) -> Any:
        return self.lvis()

    def a_lvis_dt(self) -> Any:
        return self.results()

    a_resFile = a_lvis_dt

    def a_results(self) -> Any:
        return self.results()

    def a_iouType(self) -> Any:
        return "bbox"

    def a_ids(self) -> Any:
        return self.pick(1, [1, 2], [])

    a_imgIds = a_catIds = a_img_ids = a_cat_ids = a_ids

    def a_imgId(self) -> Any:
        return 1

    a_catId = a_img_id = a_cat_id = a_imgId

    def a_areaRng(self) -> Any:
        return [0, 100]

    a_aRng = a_area_rng = a_areaRng

    def a_maxDet(self) -> Any:
        return 100

    a_max_dets = a_maxDet

    def a_catNms(self) -> Any:
        return ["c1"]

    a_supNms = a_catNms

    def a_ann(self) -> Any:
        return (
            self.dataset()["annotations"][0]
            if self.n
            else {"image_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}
        )

    def a_anns(self) -> Any:
        return [self.a_ann()]

    def a_data(self) -> Any:
        return np.c_[np.ones(3), self.boxes(3), np.ones(3), np.ones(3)]

    def a_p(self) -> Any:
        return None
