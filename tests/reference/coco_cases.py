"""One evaluation for each behaviour of pycocotools 2.0.11 that boxes depend on."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from coco_harness import Case, dataset, found, truth

BOX, FAR, SMALL = (0, 0, 100, 100), (200, 0, 100, 100), (0, 0, 20, 20)


def set_params(**values: Any) -> Any:
    def change(e: Any) -> None:
        for name, value in values.items():
            setattr(e.params, name, value)

    return change


def two(scores: Any = (0.9, 0.8), **more: Any) -> Case:
    """Two ground truths, a good detection and one that is off by 10 %."""
    gt = dataset([truth(1, 1, 1, BOX), truth(2, 1, 1, FAR)])
    dt = [found(1, 1, BOX, scores[0]), found(1, 1, (210, 0, 100, 100), scores[1])]
    return Case(gt, dt, **more)


def scored(scores: list[Any], images: int = 1) -> Case:
    """Overlapping detections of the same ground truth, one score each."""
    gt = dataset([truth(i, i, 1, BOX) for i in range(1, images + 1)], images)
    dt = [found(1 + i % images, 1, (i, 0, 100, 100), s) for i, s in enumerate(scores)]
    return Case(gt, dt)


def crowded(n: int, **more: Any) -> Case:
    gt = dataset([truth(i, 1, 1, (10 * i, 0, 10, 10)) for i in range(1, 40)])
    dt = [found(1, 1, (10 * (i % 50) + i / n, 0, 10, 10), 1 - i / n) for i in range(n)]
    return Case(gt, dt, **more)


def random_problem(seed: int, n_images: int = 6, n_cats: int = 4, per_image: int = 25) -> Case:
    """Ties, duplicates, crowds, tiny and huge areas."""
    rng = np.random.default_rng(seed)

    def box() -> list[float]:
        scale = 10.0 ** rng.uniform(0, 3)
        return [
            float(v) for v in np.round([*rng.uniform(0, scale, 2), *rng.uniform(0, scale, 2)], 1)
        ]

    anns, dets = [], []
    for i in range(1, n_images + 1):
        for _ in range(int(rng.integers(0, per_image))):
            cat, b = int(rng.integers(1, n_cats + 1)), box()
            if rng.random() < 0.8:
                area = {"area": float(10 ** rng.uniform(0, 11))} if rng.random() < 0.3 else {}
                crowd = int(rng.random() < 0.15)
                anns.append(truth(len(anns) + 1, i, cat, b, crowd, **area))
            for _ in range(int(rng.integers(0, 4))):
                shifted = [b[0] + float(rng.normal()) * b[2] / 8, *b[1:]]
                dets.append(found(i, cat, shifted, float(rng.integers(0, 11)) / 10))
    rng.shuffle(dets)  # type: ignore[arg-type]
    return Case(dataset(anns, n_images, range(1, n_cats + 1)), dets or [found(1, 1, BOX, 0.5)])


def edit(**values: Any) -> Any:
    """Every record of `evalImgs` changed in place."""

    def change(e: Any) -> None:
        for record in e.evalImgs:
            if record is not None:
                record.update({k: f(record) for k, f in values.items()})

    return change


def _hook(name: str, wrap: Any) -> Any:
    def subclass(base: type) -> type:
        def method(self: Any, *args: Any) -> Any:
            return wrap(getattr(base, name)(self, *args))

        return type("Hooked", (base,), {name: method})

    return subclass


def _ignore_all(record: Any) -> Any:
    if record is not None:
        record["dtIgnore"][:] = True
    return record


def _accumulate_part(**values: Any) -> Any:
    def accumulate(e: Any) -> None:
        p = copy.deepcopy(e.params)
        for name, value in values.items():
            setattr(p, name, value)
        e.accumulate(p)

    return accumulate


def _twice(e: Any) -> None:
    e.accumulate()
    e.params.iouThrs = np.array([0.5, 0.75])
    e.evaluate()
    e.accumulate()


def _touch_crowd(e: Any) -> None:
    e.cocoGt.anns[2]["iscrowd"] = 1


def _reindex(e: Any) -> None:
    for ann in e.cocoGt.dataset["annotations"]:
        ann["area"] = 500
    e.cocoGt.createIndex()


def in_place(name: str, index: int, value: Any) -> Any:
    return lambda e: getattr(e.params, name).__setitem__(index, value)


def at(scale: float) -> list[Any]:
    """Detections whose area lies around 1024 by a scale of the side."""
    return [found(1, 1, (0, 0, 32 * scale, 32), 0.9)]


ids = [truth(0, 1, 1, BOX), truth(-3, 1, 1, FAR), truth(2**60 + 1, 1, 1, (400, 0, 100, 100))]
spread = [found(1, 1, (x, 0, 100, 100), s) for x, s in ((0, 0.9), (200, 0.8), (401, 0.7), (1, 0.6))]
classes = dataset(
    [truth(1, 1, 2, BOX), truth(2, 1, 1, FAR), truth(3, 2, 3, (0, 200, 100, 100))], 2, (1, 2, 3)
)
mixed = [found(1, 3, BOX, 0.5), found(1, 1, (2, 0, 100, 100), 0.5), found(1, 2, BOX, 0.5)]
own = [{**d, "id": i, "area": 1e4, "iscrowd": 0} for i, d in enumerate(spread)]
rows = np.array([[1, 0, 0, 32.000004, 31.999998, 0.1, 1], [1, 200, 0, 100, 100, 0.7, 1]])
rle = {"size": [480, 640], "counts": "PPYo1d0d>"}

CASES: dict[str, Case] = {
    # sorting and ties
    "a01 equal scores": two((0.5, 0.5)),
    "a02 equal scores across images": scored([0.5] * 6, images=3),
    "a03 zeros of both signs": scored([0.0, -0.0, 0.0, -0.0]),
    "a04 NaN scores": scored([0.3, float("nan"), 0.9, float("nan"), 0.1]),
    "a05 infinite scores": scored([0.3, float("inf"), -float("inf"), 0.9]),
    "a06 integer and bool scores": scored([0, 1, True, False, 0.5]),
    "a06 integers only": scored([3, 1, 2]),
    "a07 integers above 2**53": scored([2**53 + 1, 2**53, 2**53 + 2]),
    "a08 images interleaved": scored([0.1, 0.9, 0.4, 0.4, 0.8, 0.2, 0.6], images=3),
    # caps
    "b01 over 100 in an image": crowded(150),
    "b02 caps to 500": crowded(150, before=set_params(maxDets=[1, 10, 500])),
    "b03 caps changed in place": crowded(150, before=in_place("maxDets", 2, 120)),
    "b04 caps unsorted": crowded(30, before=set_params(maxDets=[100, 1, 10])),
    "b05 one cap": crowded(30, before=set_params(maxDets=[100])),
    "b06 four caps": crowded(30, before=set_params(maxDets=[1, 10, 100, 300])),
    "b07 a cap of 0": crowded(30, before=set_params(maxDets=[0, 10, 100])),
    "b08 equal caps": crowded(30, before=set_params(maxDets=[10, 10, 10])),
    # matching
    "c01 IoU just at thresholds": Case(
        dataset([truth(1, 1, 1, BOX), truth(2, 2, 1, BOX)], 2),
        [found(1, 1, (0, 0, 100, 50), 0.9), found(2, 1, (0, 0, 100, 75), 0.8)],
    ),
    "c02 threshold 1": two(before=set_params(iouThrs=np.array([1.0]))),
    "c03 equal IoU takes the later": Case(
        dataset([truth(1, 1, 1, BOX), truth(2, 1, 1, BOX)]),
        [found(1, 1, BOX, 0.9), found(1, 1, BOX, 0.8)],
    ),
    "c04 crowd taken by many": Case(
        dataset([truth(1, 1, 1, (0, 0, 300, 300), 1), truth(2, 1, 1, BOX)]),
        [found(1, 1, (i, 0, 90, 90), 0.9 - i / 100) for i in range(0, 60, 10)],
    ),
    "c05 regular before ignored": Case(
        dataset([truth(1, 1, 1, BOX, area=2e10), truth(2, 1, 1, (0, 0, 100, 60))]),
        [found(1, 1, BOX, 0.9), found(1, 1, (0, 0, 100, 61), 0.8)],
    ),
    "c06 empty boxes": Case(
        dataset([truth(1, 1, 1, (0, 0, 0, 0)), truth(2, 1, 1, (5, 5, 0, 10))]),
        [found(1, 1, (0, 0, 0, 0), 0.9), found(1, 1, (5, 5, 0, 10), 0.8)],
    ),
    "c07 negative sizes": Case(
        dataset([truth(1, 1, 1, (50, 50, -40, -40)), truth(2, 1, 1, BOX)]),
        [found(1, 1, (50, 50, -40, -40), 0.9), found(1, 1, (0, 0, -100, 100), 0.8)],
    ),
    "c08 NaN box matches": Case(
        dataset([truth(1, 1, 1, BOX), truth(2, 1, 1, FAR)]),
        [found(1, 1, (float("nan"), 0, 10, 10), 0.9), found(1, 1, BOX, 0.8)],
    ),
    "c08 NaN ground truth": Case(
        dataset([truth(1, 1, 1, (0, 0, float("nan"), 9)), truth(2, 1, 1, BOX)]),
        [found(1, 1, BOX, 0.9), found(1, 1, BOX, 0.8)],
    ),
    "c09 infinite box": Case(
        dataset([truth(1, 1, 1, (0, 0, float("inf"), 10)), truth(2, 1, 1, BOX)]),
        [found(1, 1, (0, 0, float("inf"), 10), 0.9), found(1, 1, (float("inf"), 0, 1, 1), 0.8)],
    ),
    # areas
    "d01 area at a bound": Case(dataset([truth(1, 1, 1, (0, 0, 32, 32))]), at(1.0)),
    "d02 the area field decides": Case(dataset([truth(1, 1, 1, BOX, area=500)]), at(2.0)),
    "d03 area of a result is overwritten": Case(
        dataset([truth(1, 1, 1, BOX)]), [found(1, 1, SMALL, 0.9, area=1e4, id=7, iscrowd=1)]
    ),
    "d04 area above 1e10, and negative": Case(
        dataset([truth(1, 1, 1, BOX, area=1.1e10), truth(2, 1, 1, FAR, area=-1)]), spread
    ),
    "d05 no area": Case(
        dataset([{k: v for k, v in truth(1, 1, 1, BOX).items() if k != "area"}]), spread
    ),
    "d06 five ranges": two(
        before=set_params(
            areaRng=[[0, 1e10], [0, 50], [50, 1e4], [1e4, 1e4], [0, 10100]],
            areaRngLbl=["all", "small", "medium", "large", "x"],
        )
    ),
    "d07 range changed in place": two(before=in_place("areaRng", 1, [0, 20000])),
    "d08 range to infinity": two(before=in_place("areaRng", 3, [9216, float("inf")])),
    # crowd and ignore
    "e01 ignore is overwritten": Case(dataset([truth(1, 1, 1, BOX, ignore=1)]), spread),
    "e02 no iscrowd": Case(
        dataset([{k: v for k, v in truth(1, 1, 1, BOX).items() if k != "iscrowd"}]), spread
    ),
    "e03 iscrowd True and 2": Case(
        dataset([truth(1, 1, 1, BOX, True), truth(2, 1, 1, FAR, 2)]), spread
    ),
    "e03 iscrowd 1.0": Case(dataset([truth(1, 1, 1, BOX, 1.0)]), spread),
    "e04 only a crowd": Case(dataset([truth(1, 1, 1, BOX, 1)]), spread),
    # ids
    "f01 ids 0, negative and above 2**53": Case(dataset(ids), spread),
    "f02 detection ids from 0": Case(dataset(ids), {"annotations": own}, mode="dataset"),
    "f03 negative detection ids": Case(
        dataset([truth(1, 1, 1, BOX)]),
        {"annotations": [{**d, "id": -i - 1} for i, d in enumerate(own)]},
        mode="dataset",
    ),
    "f05 an id twice": Case(dataset([truth(1, 1, 1, BOX), truth(1, 1, 1, FAR)]), spread),
    "f06 an id twice, in two images": Case(
        dataset([truth(1, 1, 1, BOX), truth(1, 2, 1, FAR)], 2), spread
    ),
    "f07 an image twice": Case(dataset([truth(1, 1, 1, BOX)], (1, 1, 2)), spread),
    "f08 annotation of no image": Case(dataset([truth(1, 9, 1, BOX), truth(2, 1, 1, FAR)]), spread),
    "f09 unknown category": Case(
        dataset([truth(1, 1, 7, BOX), truth(2, 1, 1, FAR)]), [*spread, found(1, 7, BOX, 1.0)]
    ),
    "f10 result of an unknown image": Case(dataset([truth(1, 1, 1, BOX)]), [found(5, 1, BOX, 0.5)]),
    "f11 a category twice": Case(dataset([truth(1, 1, 1, BOX)], 1, (1, 1, 2)), spread),
    "f13 float ids": Case(dataset([truth(1, 1, 1, BOX)]), [found(1.0, 1.0, BOX, 0.5)]),
    "f14 string image ids": Case(
        dataset([truth(1, "a", 1, BOX)], ("b", "a")), [found("a", 1, BOX, 0.5)]
    ),
    # parameters
    "g01 classes pooled": Case(classes, mixed, before=set_params(useCats=0)),
    "g02 the cap on pooled classes": Case(
        classes, mixed, before=set_params(useCats=0, maxDets=[1, 2, 2])
    ),
    "g03 pooled, a class twice": Case(
        classes, mixed, before=set_params(useCats=0, catIds=[3, 1, 1])
    ),
    "g03 pooled, unsorted": Case(classes, mixed, before=set_params(useCats=0, catIds=[3, 2, 1])),
    "g04 some images, twice and unsorted": Case(
        classes, mixed, before=set_params(imgIds=[2, 1, 2])
    ),
    "g05 categories without data": Case(classes, mixed, before=set_params(catIds=[3, 99, 1])),
    "g06 one threshold": two(before=set_params(iouThrs=np.array([0.5]))),
    "g07 float32 grids": two(
        before=set_params(
            iouThrs=np.linspace(0.5, 0.95, 10, dtype=np.float32).tolist(),
            recThrs=np.linspace(0, 1, 101, dtype=np.float32).tolist(),
        )
    ),
    "g08 recall thresholds above 1": two(
        before=set_params(recThrs=np.array([0, 0.3, 0.5, 1, 1.2]))
    ),
    "g09 recall thresholds unsorted": two(before=set_params(recThrs=np.array([0.5, 1.1, 0.2, -1]))),
    "g11 useSegm": two(iou_type="segm", before=set_params(useSegm=0)),
    "g12 accumulate a part": Case(
        classes, mixed, accumulate=_accumulate_part(catIds=[2], maxDets=[1, 100])
    ),
    "g13 other images in accumulate": scored([0.1, 0.9, 0.4, 0.7], images=3),
    "g14 thresholds unsorted": two(before=set_params(iouThrs=np.array([0.75, 0.5]))),
    "g15 thresholds as a list": two(before=set_params(iouThrs=[0.5, 0.75])),
    "g16 threshold 0": two(before=set_params(iouThrs=np.array([0.0]))),
    "g17 70 thresholds": two(before=set_params(iouThrs=np.linspace(0.01, 0.99, 70))),
    # accumulation
    "h02 no ground truth, no detection": Case(
        dataset([truth(1, 1, 2, BOX)], 1, (1, 2)), [found(1, 1, BOX, 0.5)]
    ),
    "h03 all ignored": Case(
        dataset([truth(1, 1, 1, BOX, 1), truth(2, 1, 1, (500, 500, 9, 9))]), spread[:1]
    ),
    "h04 no results": Case(dataset([truth(1, 1, 1, BOX)]), []),
    "h05 no ground truths": Case(dataset([]), spread),
    "h07 ignored ones score best": Case(
        dataset([truth(1, 1, 1, BOX, 1), truth(2, 1, 1, FAR)]), spread
    ),
    # loading
    "i02 first box empty": Case(
        dataset([truth(1, 1, 1, BOX)]),
        [found(1, 1, (), 0.5, segmentation=rle), found(1, 1, BOX, 0.4, segmentation=rle)],
    ),
    "i04 masks evaluated as boxes": Case(
        dataset([truth(1, 1, 1, BOX)]),
        [{"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": rle}],
    ),
    "i05 float64 rows": Case(dataset([truth(1, 1, 1, BOX), truth(2, 1, 1, FAR)]), rows),
    "i06 float32 rows": Case(dataset([truth(1, 1, 1, (0, 0, 32, 32))]), rows.astype(np.float32)),
    "i08 NaN in a file": Case(
        dataset([truth(1, 1, 1, BOX)]), [found(1, 1, BOX, float("nan"))], mode="file"
    ),
    "i09 no score": Case(
        dataset([truth(1, 1, 1, BOX)]), [{"image_id": 1, "category_id": 1, "bbox": list(BOX)}]
    ),
    "i11 files": Case(classes, mixed, mode="file"),
    "i11 odd files": Case(
        {**classes, "info": {"year": "20x7"}, "licenses": None, "x": [None, {"ü": "\ud800"}]},
        [{**d, "more": {"a": [1, None]}} for d in mixed],
        mode="file",
    ),
    "i14 both sides set by hand": Case(
        dataset([truth(1, 1, 1, BOX)]), {"annotations": own}, mode="dataset"
    ),
    "i15 edited after loading": two(mode="file", before=_touch_crowd),
    "i16 edited and indexed again": two(mode="file", before=_reindex),
    "i17 tuples as boxes": Case(
        dataset([truth(1, 1, 1, BOX)]), {"annotations": [{**own[1], "bbox": BOX}]}, mode="dataset"
    ),
    # hooks and edits
    "l01 evaluateImg overridden": two(subclass=_hook("evaluateImg", _ignore_all)),
    "l02 computeIoU overridden": two(
        subclass=_hook("computeIoU", lambda iou: iou * 0.9 if len(iou) else iou)
    ),
    "l03 evalImgs edited": scored([0.1, 0.9, 0.4, 0.7], images=3),
    "l04 twice with other thresholds": two(accumulate=_twice),
    **{f"l06 random {seed}": random_problem(seed) for seed in range(30)},
    **{f"l07 files, random {seed}": random_problem(seed) for seed in range(30, 40)},
}
CASES["g13 other images in accumulate"].between = set_params(imgIds=[3, 1])
CASES["l03 evalImgs edited"].between = edit(dtIgnore=lambda r: np.ones_like(r["dtIgnore"]))
for name, case in CASES.items():
    if name.startswith("l07"):
        case.mode = "file"
