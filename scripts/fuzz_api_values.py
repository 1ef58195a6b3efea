"""Good arguments of the public functions by the parameter's name, and ways to spoil them."""

from __future__ import annotations

import contextlib
import copy
import inspect
import pickle
from typing import Any, ClassVar

import numpy as np
import tamis
import tamis.coco
import tamis.lvis
from fuzz_api_special import ALWAYS, SELVES, SPECIAL

try:
    import torch
except ImportError:
    torch = None

Rng = np.random.Generator
H, W = 12, 15  # of images with masks


class Problem:
    """A few images; `value` gives an argument that fits the others."""

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

    # evaluation
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


DTYPES = (
    "float16",
    "float32",
    "float64",
    ">f4",
    ">f8",
    "int8",
    ">i4",
    "int64",
    "uint8",
    "uint64",
    "bool",
    "O",
    "complex64",
    "U3",
    "S2",
    "M8[s]",
    "longdouble",
    [("x", "f4")],
)
VALUES = (
    np.nan,
    np.inf,
    -np.inf,
    1e308,
    -1e308,
    1e38,
    1e-310,
    -1.0,
    0.0,
    2.0**31,
    2.0**63,
    -(2.0**63),
    1e15,
)
COUNTS = (2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30)
SLOW = (
    "n_samples",
    "n",
    "num_workers",
    "samples",
    "permutations",
    "most_samples",
    "max_rows",
)  # where a large number is only much work


def odd_scalar(parameter: str, rng: Rng) -> Any:
    """An option of a wrong type or out of range."""
    odd = [
        0,
        1,
        -1,
        2,
        3,
        100,
        0.5,
        1.5,
        -0.0,
        np.nan,
        np.inf,
        -np.inf,
        1e-320,
        True,
        False,
        None,
        "",
        "x",
        b"x",
        [],
        {},
        (),
        [0.5, 0.75],
        np.int8(3),
        np.uint64(3),
        np.float32(0.5),
        np.array(3),
        np.array([1, 2]),
        1j,
        object(),
        lambda *_: None,
        type,
        np.datetime64("now"),
    ]
    if parameter not in SLOW:
        odd += COUNTS
    if parameter == "progress":
        odd = [value for value in odd if value is not type]
    return odd[int(rng.integers(len(odd)))]


def odd_values(x: np.ndarray, rng: Rng) -> np.ndarray:
    x = x.copy()
    if x.size == 0 or x.dtype.kind not in "fiub":
        return x
    some = rng.integers(0, x.size, 1 + int(rng.integers(x.size)))
    with np.errstate(all="ignore"):
        odd = np.asarray(VALUES[int(rng.integers(len(VALUES)))]).astype(x.dtype)
    x.flat[some] = odd
    return x


def odd_memory(x: np.ndarray, rng: Rng) -> Any:
    fixed = x.copy()
    fixed.flags.writeable = False
    unaligned = x
    if not x.dtype.hasobject:
        unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    ways = [
        np.repeat(x, 2, axis=0)[::2] if x.ndim else x,
        x[::-1] if x.ndim else x,
        np.asfortranarray(x),
        fixed,
        np.broadcast_to(x[:1], x.shape) if x.ndim else x,
        unaligned,
        x.astype(x.dtype.newbyteorder(">")),
        np.flip(x),
        x.T,
    ]
    return ways[int(rng.integers(len(ways)))]


def odd_shape(x: np.ndarray, rng: Rng) -> Any:
    ways = [
        x[:0] if x.ndim else x,
        x[None],
        x.ravel(),
        x[..., :-1] if x.ndim else x,
        x.reshape(-1, 1),
        np.concatenate([x, x]) if x.ndim else x,
        x.ravel()[0] if x.size else x,
        np.empty((0, 0), x.dtype),
        np.empty((3, 0), x.dtype),
        x[:1] if x.ndim else x,
    ]
    return ways[int(rng.integers(len(ways)))]


def odd_library(x: np.ndarray, rng: Rng) -> Any:
    ways: list[Any] = [
        x.tolist(),
        tuple(x.tolist()) if x.ndim else x,
        np.ma.masked_array(x),
        None,
        "text",
        {},
        1.5,
        object(),
        iter(()),
        type,
    ]
    with contextlib.suppress(ValueError, TypeError):
        ways.append(memoryview(x))
    if torch is not None:
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            t = torch.from_numpy(np.ascontiguousarray(x).copy())
            ways += [
                t,
                t,
                t,
                t.flip(0) if t.ndim else t,
                t.to_sparse(),
                t.to("meta"),
                t.expand(2, *t.shape),
            ]
            if t.is_floating_point():
                ways += [
                    t.requires_grad_(),
                    t.detach().half(),
                    t.detach().bfloat16(),
                    torch._neg_view(t.detach()),
                ]
    return ways[int(rng.integers(len(ways)))]


def odd_array(x: np.ndarray, rng: Rng) -> Any:
    """Several things at once, the library last."""
    found: Any = x
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        way = int(rng.integers(5))
        if way == 0:
            with contextlib.suppress(TypeError, ValueError, ArithmeticError, RuntimeError, Warning):
                wanted = DTYPES[int(rng.integers(len(DTYPES)))]
                if wanted != "M8[s]" or found.dtype.kind not in "US":  # NumPy itself may crash
                    found = found.astype(wanted)
        elif way < 4:
            found = np.asarray((odd_values, odd_memory, odd_shape)[way - 1](found, rng))
        else:
            return odd_library(found, rng)
    return found


def spoilt(value: Any, parameter: str, rng: Rng) -> Any:
    """`value`, or a part of it, made odd."""
    if isinstance(value, np.ndarray):
        return odd_array(value, rng)
    if torch is not None and isinstance(value, torch.Tensor):
        return odd_array(value.numpy(), rng)
    if isinstance(value, tamis.Masks):
        return (value, value[:0], value.to_coco(), odd_scalar(parameter, rng))[int(rng.integers(4))]
    if isinstance(value, (dict, list)) and value and rng.random() < 0.8:
        found = copy.copy(value)
        keys = list(found) if isinstance(found, dict) else list(range(len(found)))
        key = keys[int(rng.integers(len(keys)))]
        if rng.random() < 0.15:
            del found[key]
        else:
            found[key] = spoilt(found[key], parameter, rng)
        return found
    return odd_scalar(parameter, rng)
