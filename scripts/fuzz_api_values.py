"""Good arguments of the functions on arrays, by the parameter's name."""

from __future__ import annotations

import contextlib
import inspect
import pickle
from typing import Any, ClassVar

import numpy as np
import tamis
from fuzz_api_odd import Rng
from fuzz_api_special import ALWAYS, SELVES, SPECIAL

try:
    import torch
except ImportError:
    torch = None

H, W = 12, 15  # of images with masks


class ArrayArguments:
    """Of a few images; `value` gives an argument that fits the others."""

    me: Any  # of a `Problem`: whose method is called, and an evaluator of these images
    evaluator: Any

    UNSIGNED: ClassVar[dict[str, list[str]]] = {"num_threads": [], "set_num_threads": ["n"]}
    OPTIONS: ClassVar[dict[str, list[str]]] = {
        "DetectionResult.best_f1": ["iou"],
        "Split.save": ["keys", "root", "labels"],
        "DetectionResult.confusion_matrix": ["iou", "confidence"],
        "DetectionResult.errors": ["iou", "background", "max_detections"],
        "DetectionResult.per_image": ["confidence"],
        "torchmetrics.MeanAveragePrecision": [],
    }
    SELVES = (
        *SELVES,
        "DetectionEvaluator",
        "Masks",
        "COCO",
        "COCOeval",
        "LVIS",
        "LVISEval",
        "LVISResults",
        "MeanAveragePrecision",
    )

    def __init__(self, name: str, rng: Rng) -> None:
        self.name, self.rng = name, rng
        parts = name.split(".")
        self.drop_in = parts[0] in ("coco", "lvis", "torchmetrics")
        self.owner = parts[-2] if len(parts) > 1 and parts[-2] in self.SELVES else None
        self.rotated = "rotated" in name
        images = int(rng.integers(0, 5))
        self.counts, self.gt_counts = (rng.integers(0, 6, images) for _ in range(2))
        if name.endswith("_paired"):
            self.gt_counts = self.counts
        self.n, self.m = int(self.counts.sum()), int(self.gt_counts.sum())
        self.rows, self.columns = (
            int(rng.choice([1, 2, 5, 40, 300])),
            int(rng.choice([1, 2, 3, 8, 33])),
        )
        self.k = min(self.columns, 2)
        self.float = rng.choice(["float32", "float64"])

    @classmethod
    def knows(cls, name: str, parameter: str) -> bool:
        return parameter in SPECIAL.get(name, ()) or hasattr(cls, f"a_{parameter}")

    def is_given(self, thing: Any, parameter: str) -> bool:
        """Whether the case says it: what must be, and mostly the rest."""
        if parameter in ALWAYS or f"{self.name}.{parameter}" in ALWAYS:
            return True
        with contextlib.suppress(ValueError):
            for p in inspect.signature(thing).parameters.values():
                if p.name == parameter and p.default is not p.empty:
                    return bool(self.rng.random() < 0.6)
        return True

    def value(self, parameter: str) -> Any:
        special = SPECIAL.get(self.name, {}).get(parameter)
        return special(self) if special else getattr(self, f"a_{parameter}")()

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def use(self, result: Any) -> None:
        """Look at a result as a caller would."""
        if isinstance(result, (tamis.DetectionEvaluator, tamis.Masks)):
            pickle.loads(pickle.dumps(result))
        if self.owner == "DetectionEvaluator" and self.name.endswith(("update", "merge")):
            self.me.compute()
        if self.name == "threads":
            with result:
                pass
        if self.name.endswith(".submit"):
            result = result.result()
        repr(result)

    # boxes
    def boxes(self, n: int, width: int = 4) -> Any:
        low, size = self.rng.uniform(0, 9, (n, 2)), self.rng.uniform(0, 6, (n, 2))
        turned = np.c_[low, size, self.rng.uniform(-360, 360, n)]
        return (turned if width == 5 else np.c_[low, low + size]).astype(self.float)

    def masks(self, n: int) -> tamis.Masks:
        return tamis.Masks.encode(self.rng.random((n, H, W)) < 0.4)

    def splits(self, counts: Any) -> Any:
        return np.concatenate([[0], np.cumsum(counts)]).astype(self.pick("int64", "int32"))

    def side(self, counts: Any, boxes: bool = True) -> Any:
        n = int(counts.sum())
        if "mask_iou" in self.name:
            return self.masks(n)
        if self.name.startswith("oks"):
            return self.rng.uniform(0, 9, (n, 17, 3)) + 0.5
        return self.boxes(n, 5 if self.rotated else 4)

    def a_boxes(self) -> Any:
        if self.name == "find_duplicate_boxes":
            return self.pick(self.boxes(self.n), self.boxes(self.n, 5), self.masks(self.n))
        return self.boxes(self.n)

    def a_a(self) -> Any:
        return self.side(self.counts)

    def a_b(self) -> Any:
        return self.side(self.gt_counts)

    def a_other(self) -> Any:
        if self.name == "leaks":
            return self.embeddings(self.rows // 2 + 1)
        if self.owner == "DetectionEvaluator":
            return self.evaluator()
        return self.boxes(self.m)

    def a_gt_boxes(self) -> Any:
        return self.boxes(self.m)

    def a_groups(self) -> Any:
        return self.rng.integers(0, 3, self.rows)

    def a_splits(self) -> Any:
        if self.name == "Masks":
            return self.masks(3).splits
        if self.name == "Masks.merge":
            return np.array([0, 2, 2, 4])
        return self.splits(self.counts)

    a_a_splits = a_splits

    def a_b_splits(self) -> Any:
        return self.splits(self.gt_counts)

    a_gt_splits = a_other_splits = a_b_splits

    def a_labels(self) -> Any:
        return self.rng.integers(0, 3, self.n)

    def a_gt_labels(self) -> Any:
        return self.rng.integers(0, 3, self.m)

    a_other_labels = a_gt_labels

    def a_scores(self) -> Any:
        n = self.rows if self.name.startswith("select") else self.n
        return self.rng.random(n).astype(self.float)

    def a_iscrowd(self) -> Any:
        n = self.n if self.name == "find_duplicate_boxes" else self.m
        return self.pick(np.zeros(n, bool), self.rng.random(n) < 0.4, self.rng.integers(0, 2, n))

    def a_confidence(self) -> Any:
        if self.owner == "DetectionResult" or self.name in ("confusion_matrix", "image_scores"):
            return 0.3
        return self.rng.random(self.n)

    def a_logits(self) -> Any:
        return self.pick(None, self.rng.normal(size=(self.n, 4)).astype(self.float))

    def a_correct(self) -> Any:
        return self.rng.random(self.n) < 0.5

    a_predicted = a_labelled = a_correct

    def a_judged(self) -> Any:
        return self.rng.random(self.m) < 0.5

    def a_gt(self) -> Any:
        if self.name == "coco.mask.iou":
            return self.masks(3).to_coco()
        gt = np.full(self.n, -1)
        gt[: min(self.n, self.m)] = np.arange(min(self.n, self.m))
        return gt

    def a_det(self) -> Any:
        det = np.full(self.m, -1)
        det[: min(self.n, self.m)] = np.arange(min(self.n, self.m))
        return det

    def a_det_iou(self) -> Any:
        return self.rng.random(self.n)

    def a_keypoints(self) -> Any:
        return self.side(self.counts)

    def a_gt_keypoints(self) -> Any:
        return self.side(self.gt_counts)

    def a_gt_areas(self) -> Any:
        return self.rng.uniform(1, 99, self.m)

    def a_sigmas(self) -> Any:
        return self.rng.uniform(0.01, 1, 17)

    # options
    def a_kind(self) -> Any:
        return self.pick("iou", "iof")

    def a_fmt(self) -> Any:
        return self.pick("xyxy", "xywh", "cxcywh")

    def a_out(self) -> Any:
        shape = self.pick((self.rows, self.rows), (self.rows,))
        return self.pick(None, np.empty(shape, np.float32), np.empty(shape))

    def a_threshold(self) -> Any:
        return self.pick(0.1, 0.5, 0.9)

    a_thresholds = a_iou = a_missing_confidence = a_coverage = a_fraction = a_background = (
        a_threshold
    )

    def a_method(self) -> Any:
        if self.name == "knn":
            return "exact"
        if self.name == "representativeness":
            return self.pick("cluster-center", "cluster-center-downweight")
        if self.name.endswith("match_fiftyone"):
            return self.pick("coco", "open-images")
        return self.pick("simple", "greedy", "groups")

    def a_metric(self) -> Any:
        kinds = ("euclidean", "cosine", "sqeuclidean", "inner_product")
        return self.pick(*kinds[: 4 if self.name == "knn" else 2])

    def a_compat(self) -> Any:
        return self.pick(None, None, "brain")

    def a_rule(self) -> Any:
        return self.pick("coco", "open-images")

    def a_score_thrs(self) -> Any:
        return 0.5

    def a_max_detections(self) -> Any:
        return (1, 10, 100) if self.name == "DetectionEvaluator" else 100

    def a_max_pairs(self) -> Any:
        return 10**6

    a_max_preds = a_max_detections

    def a_progress(self) -> Any:
        return self.pick(None, lambda done, total: None)

    def a_n(self) -> Any:
        return 2

    def a_num_workers(self) -> Any:
        return self.pick(None, 1, 2)

    def a_paths(self) -> Any:
        for name, text in (("one", "a"), ("two", "a"), ("three", "b")):
            with open(name, "w") as f:
                f.write(text)
        return ["one", "two", "three"]

    # embeddings
    def embeddings(self, rows: int) -> Any:
        return self.rng.normal(size=(rows, self.columns)).astype(self.float)

    def a_x(self) -> Any:
        return self.embeddings(self.rows)

    def a_queries(self) -> Any:
        return self.embeddings(7)

    def a_k(self) -> Any:
        return self.pick(1, 2, 3)

    a_count = a_budget = a_n_clusters = a_sample_dim = a_k

    def a_exclude_self(self) -> Any:
        return self.pick(True, False)

    a_random_init = a_intersect = a_classwise = a_exclude_self

    def a_recall_sample(self) -> Any:
        return 0

    a_seed = a_first = a_recall_sample

    def a_weights(self) -> Any:
        return None

    a_image_index = a_checkpoint = a_weights

    def a_failures(self) -> Any:
        return self.pick(self.rng.integers(0, self.rows, 3), self.embeddings(2))

    def a_exclude(self) -> Any:
        return self.rng.integers(0, self.rows, 2)

    def a_n_samples(self) -> Any:
        return 50

    def a_redundancy_nn(self) -> Any:
        return 5

    def a_redundancy_exp(self) -> Any:
        return 4

    def a_dims(self) -> Any:
        return np.array([self.rng.permutation(self.columns)[: self.k] for _ in range(20)])

    def a_points(self) -> Any:
        return self.rng.normal(size=(20, self.k))

    def a_sums(self) -> Any:
        return self.rng.random(self.rows)

    # masks
    def a_masks(self) -> Any:
        if self.name == "Masks.encode":
            return self.rng.random((3, H, W)) < 0.4
        return self.masks(3)

    def a_text(self) -> Any:
        return self.masks(3).text

    def a_size(self) -> Any:
        return self.masks(3).size if self.name == "Masks" else (H, W)

    def a_objects(self) -> Any:
        return self.masks(4).to_coco()

    a_rleObjs = a_dt = a_objects

    def a_polygons(self) -> Any:
        return [[self.rng.uniform(0, H, 8).tolist()] for _ in range(3)]

    def a_dilation_ratio(self) -> Any:
        return 0.1

    def a_bimask(self) -> Any:
        return np.asfortranarray((self.rng.random((H, W, 3)) < 0.4).astype(np.uint8))

    def a_pyobj(self) -> Any:
        return self.pick(
            [[1, 1, 5, 1, 5, 5]], [[1.0, 2, 3, 4]], {"size": [H, W], "counts": [9, 9, H * W - 18]}
        )

    def a_h(self) -> Any:
        return H

    def a_w(self) -> Any:
        return W

    def a_pyiscrowd(self) -> Any:
        return [0, 1, 0]

    def a_like(self) -> Any:
        return np.zeros(1) if torch is None else torch.zeros(1)
