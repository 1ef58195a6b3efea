"""Odd but legal people and masks: lists that are never compared, sigmas of other types, crowds."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tamis.coco
from coco_harness import Case, category, dataset, differences, found, image, run, truth
from coco_kinds import change, people

pytest.importorskip("pycocotools")
import pycocotools.coco
import pycocotools.cocoeval

THEIRS = SimpleNamespace(COCO=pycocotools.coco.COCO, COCOeval=pycocotools.cocoeval.COCOeval)
ours = tamis.coco


def unseen(points: Any) -> Any:
    def edit(ann: Any) -> None:
        if not any(v > 0 for v in ann["keypoints"][2::3]):
            ann["keypoints"] = points

    return edit


def seen(ann: Any) -> None:
    ann["keypoints"][2::3] = [2] * 17


def sigmas(values: Any) -> Any:
    return lambda e: setattr(e.params, "kpt_oks_sigmas", values)


def beyond(ann: Any) -> None:
    ann["keypoints"] = [int(v) for v in ann["keypoints"]]
    ann["keypoints"][0] = 2**24 + 1


def huge(ann: Any) -> None:
    ann["keypoints"] = [int(v) for v in ann["keypoints"]]
    ann["keypoints"][0] = 2**33


def pooled(e: Any) -> None:
    e.params.useCats = 0


PEOPLE = {
    "no points where none is seen": lambda: change(people(40), gt=unseen([])),
    "few points where none is seen": lambda: change(people(41), gt=unseen([1, 2, 0])),
    "many points where none is seen": lambda: change(people(42), gt=unseen([1, 2, 0] * 30)),
    "points beyond 2^24": lambda: change(people(43), gt=beyond, dt=beyond),
    "points beyond 2^32": lambda: change(people(44), gt=huge),
    "sigmas of float32": lambda: people(45, before=sigmas(np.full(17, 0.05, np.float32))),
    "one sigma": lambda: change(people(46, before=sigmas(np.array([0.05]))), gt=seen),
    "sigmas of integers": lambda: people(47, before=sigmas(np.arange(1, 18))),
    "boxes of 5 numbers": lambda: change(people(48), gt=lambda a: a["bbox"].append(0.0)),
    "num_keypoints 17.0": lambda: change(
        people(49), gt=lambda a: a.update(num_keypoints=float(a["num_keypoints"]))
    ),
    "text image ids": lambda: text_ids(people(50)),
    "all pooled": lambda: people(51, n_cats=2, before=pooled),
}


def text_ids(case: Case) -> Case:
    for record in case.gt["images"]:
        record["id"] = f"im{record['id']}"
    for record in [*case.gt["annotations"], *case.dt]:
        record["image_id"] = f"im{record['image_id']}"
    return case


def narrow(*keys: str, type_: Any = np.float32, of: int = 1) -> Any:
    def edit(ann: Any) -> None:
        if ann.get("id", int(10 * ann.get("score", 0))) % of == 0:
            ann.update({key: [type_(v) for v in ann[key]] for key in keys})

    return edit


NARROW = {
    "boxes of float32": lambda: change(people(60), gt=narrow("bbox")),
    "boxes of int8": lambda: change(people(61), gt=narrow("bbox", type_=np.int8)),
    "points of float32": lambda: change(people(62), gt=narrow("keypoints"), dt=narrow("keypoints")),
    "some points of float32": lambda: change(people(63), dt=narrow("keypoints", of=2)),
    "points of int64": lambda: change(people(64), dt=narrow("keypoints", type_=np.int64)),
    "some points beyond 2^32": lambda: change(
        people(65), dt=lambda a: huge(a) if a["score"] > 0.5 else None
    ),
}


@pytest.mark.parametrize("name", NARROW)
def test_people_of_narrow_numbers(name: str, tmp_path: Any) -> None:
    case = NARROW[name]()
    assert differences(run(THEIRS, case, tmp_path), run(ours, case, tmp_path)) == []


@pytest.mark.parametrize("mode", ["list", "file"])
@pytest.mark.parametrize("name", PEOPLE)
def test_people(name: str, mode: str, tmp_path: Any) -> None:
    case = PEOPLE[name]()
    case.mode = mode
    want, got = run(THEIRS, case, tmp_path), run(ours, case, tmp_path)
    assert ("raises" in want) == (name == "all pooled" and "raises" in got)
    assert differences(want, got) == []


@pytest.mark.parametrize("n_results", [1, 2, 3])
@pytest.mark.parametrize("cats", [(-1, 0), (-1, -1), (0, -1), (0, 1)])
@pytest.mark.parametrize("found_cats", [(-1, -1, 0), (0, -1, -1), (-1, 0, 0)])
def test_pooled_people_of_category_minus_one(
    cats: Any, found_cats: Any, n_results: int, tmp_path: Any
) -> None:
    """pycocotools looks for the similarities of category -1, and sometimes has them."""
    points = [1, 1, 2] * 17
    anns = [
        truth(i, 1, c, [0, 0, 5, 5], keypoints=points, num_keypoints=17)
        for i, c in enumerate(cats, 1)
    ]
    results = [
        {"image_id": 1, "category_id": c, "keypoints": points, "score": s}
        for c, s in list(zip(found_cats, (0.9, 0.5, 0.4), strict=True))[:n_results]
    ]
    for kept in (anns, anns[:1]):
        case = Case(dataset(kept, cats=(-1, 0, 1)), results, before=pooled, iou_type="keypoints")
        want, got = run(THEIRS, case, tmp_path), run(ours, case, tmp_path)
        assert differences(want, got) == []


RLE = {"size": [10, 10], "counts": b"d01c2"}


@pytest.mark.parametrize("segmentations", [([],), ([], RLE), (RLE, []), ([RLE, RLE], RLE)])
@pytest.mark.parametrize("boxes", [True, False])
def test_results_without_a_mask(segmentations: Any, boxes: bool, capsys: Any) -> None:
    """Loaded as pycocotools loads them: areas and boxes of no mask, or of several."""
    gt = {"images": [image(1, 10, 10)], "categories": [category(1)], "annotations": []}
    loaded = []
    for library in (THEIRS, ours):
        coco = library.COCO()
        coco.dataset = copy.deepcopy(gt)
        coco.createIndex()
        results = [
            {**found(1, 1, [1, 1, 5, 5], 0.5), "segmentation": copy.deepcopy(one)}
            for one in segmentations
        ]
        for result in results:
            if not boxes:
                del result["bbox"]
        anns = coco.loadRes(results).anns
        loaded.append(
            [[np.asarray(ann[k]).tolist() for k in ("area", "bbox", "id")] for ann in anns.values()]
        )
    assert loaded[0] == loaded[1]


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_evaluating_results_without_a_mask(kind: str, tmp_path: Any) -> None:
    anns = [truth(1, 1, 1, [1, 1, 5, 5], segmentation=[[1, 1, 6, 1, 6, 6, 1, 6]])]
    results = [{**found(1, 1, [1, 1, 5, 5], 0.5), "segmentation": []}]
    case = Case(dataset(anns), results, iou_type=kind)
    want, got = run(THEIRS, case, tmp_path), run(ours, case, tmp_path)
    assert ("raises" in want) == (kind == "segm")
    assert differences(want, got) == []


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools'
def test_a_crowd_has_its_own_colour(capsys: Any) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")

    ann = truth(1, 1, 1, [2, 0, 1, 10], 1, segmentation={"size": [10, 10], "counts": [20, 10, 70]})
    layers = []
    for library in (THEIRS, ours):
        coco = library.COCO()
        coco.dataset = {**dataset([copy.deepcopy(ann)]), "images": [image(1, 10, 10)]}
        coco.createIndex()
        _, axes = plt.subplots()
        coco.showAnns([coco.anns[1]])
        layers.append(np.asarray(axes.images[0].get_array()))
        plt.close("all")
    np.testing.assert_allclose(layers[1], layers[0], atol=1 / 255)
