"""`COCOeval.merged` and `LVISEval.merged`: parts give the bits of one evaluation."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_harness import Case, category, dataset, found, image, truth
from coco_kinds import masks, people
from lvis_cases import problem
from tamis import coco, lvis


def boxes(seed: int, n_images: int = 12) -> Case:
    rng = np.random.default_rng(seed)
    anns: list[Any] = []
    dets: list[Any] = []
    for img in rng.permutation(n_images).tolist():
        for _ in range(int(rng.integers(0, 9))):
            box = [*rng.uniform(0, 200, 2), *10 ** rng.uniform(0.5, 2.5, 2)]
            crowd = int(rng.random() < 0.2)
            anns.append(truth(len(anns), img, int(rng.integers(1, 4)), box, crowd))  # ids from 0
            for _ in range(int(rng.integers(0, 4))):
                near = [v * rng.uniform(0.9, 1.1) for v in box]
                score = float(rng.integers(0, 5)) / 4
                dets.append(found(img, int(rng.integers(1, 5)), near, score))
    order = rng.permutation(len(dets)).tolist()
    gt = dataset(anns, cats=(1, 2, 3, 4)) | {"images": [image(i) for i in range(n_images)]}
    return Case(gt, [dets[i] for i in order])


def ran(case: Case, image_ids: Any = None, use_cats: int = 1) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco.COCO()
        data.dataset = case.gt
        data.createIndex()
        e = coco.COCOeval(data, data.loadRes([dict(d) for d in case.dt]), case.iou_type)
        e.params.useCats = use_cats
        if image_ids is not None:
            e.params.imgIds = image_ids
        e.evaluate()
        e.accumulate()
        e.summarize()
    return e


def finished(e: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        e.accumulate()
        e.summarize()
    return e


def equal(a: Any, b: Any, *keys: str) -> bool:
    return all(np.array_equal(a[key], b[key]) for key in keys)


@pytest.mark.parametrize("make", [boxes, masks, people])
@pytest.mark.parametrize(("n_parts", "seed"), [(1, 0), (2, 1), (3, 2), (5, 3)])
def test_parts_of_the_images(make: Any, n_parts: int, seed: int) -> None:
    case = make(seed)
    one = ran(case)
    ids = np.random.default_rng(seed).permutation([img["id"] for img in case.gt["images"]])
    parts = [pickle.loads(pickle.dumps(ran(case, part).matches()))
             for part in np.array_split(ids, n_parts)]  # fmt: skip
    merged = finished(coco.COCOeval.merged(parts))
    assert equal(one.eval, merged.eval, "precision", "recall", "scores")
    assert np.array_equal(one.stats, merged.stats) and list(one.params.imgIds) == list(
        merged.params.imgIds
    )
    assert (one.eval["precision"] > 0).any()


def test_all_categories_as_one() -> None:
    case = boxes(7)
    parts = [ran(case, ids, use_cats=0).matches() for ids in ([0, 3, 5, 11], [1, 2, 4, 6, 7, 8])]
    rest = ran(case, [9, 10], use_cats=0).matches()
    nothing = ran(case, [], use_cats=0).matches()  # of a process that has no image
    merged = finished(coco.COCOeval.merged([rest, nothing, *parts]))
    empty = coco.COCOeval.merged([nothing])
    assert len(empty.params.imgIds) == 0 and (finished(empty).stats == -1).all()
    one = ran(case, use_cats=0)
    assert equal(one.eval, merged.eval, "precision", "recall", "scores")


def test_bytes_of_a_detection() -> None:
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 99, (300 * 90, 4)).tolist()
    dets = [found(i // 90, 1, box, rng.random()) for i, box in enumerate(place)]
    gt = dataset([truth(i + 1, i, 1, [1, 1, 9, 9]) for i in range(300)])
    gt |= {"images": [image(i) for i in range(300)], "categories": [category(1)]}
    assert len(pickle.dumps(ran(Case(gt, dets)).matches())) < 22 * len(dets)


def test_errors() -> None:
    case = boxes(1)
    one, two = ran(case, [0, 1]), ran(case, [1, 2])
    with pytest.raises(ValueError, match=r"^COCOeval.matches: evaluate\(\) must have run"):
        coco.COCOeval().matches()
    with pytest.raises(ValueError, match=r"^COCOeval.merged: parts must hold each image once, 1"):
        coco.COCOeval.merged([one.matches(), two.matches()])
    with pytest.raises(ValueError, match=r"^COCOeval.merged: parts must hold at least one part"):
        coco.COCOeval.merged([])
    with pytest.raises(TypeError, match=r"^COCOeval.merged: parts must be Matches, got int"):
        coco.COCOeval.merged([1])  # type: ignore[list-item]
    other = ran(case, [5], use_cats=0)
    with pytest.raises(ValueError, match=r"^COCOeval.merged: useCats of parts differ"):
        coco.COCOeval.merged([one.matches(), other.matches()])
    merged = coco.COCOeval.merged([one.matches()])
    with pytest.raises(ValueError, match=r"^COCOeval.merged: merged matches have no images"):
        merged.evalImgs  # noqa: B018
    with pytest.raises(ValueError, match=r"^COCOeval.matches: evaluate\(\) must have run"):
        merged.matches()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_lvis(seed: int, kind: str, tmp_path: Path) -> None:
    gt, dt = problem(seed, masks=kind == "segm")

    def ran_on(ids: Any) -> Any:
        part = {**gt, "images": [i for i in gt["images"] if i["id"] in ids]}
        part["annotations"] = [a for a in gt["annotations"] if a["image_id"] in ids]
        (tmp_path / "gt.json").write_text(json.dumps(part))
        data = lvis.LVIS(str(tmp_path / "gt.json"))
        e = lvis.LVISEval(data, [dict(d) for d in dt if d["image_id"] in ids], kind)
        e.run()
        return e

    ids = [i["id"] for i in gt["images"]]
    one = ran_on(ids)
    merged = lvis.LVISEval.merged([ran_on(part).matches() for part in (ids[5:], ids[:3], ids[3:5])])
    merged.accumulate()
    merged.summarize()
    assert equal(one.eval, merged.eval, "precision", "recall")
    assert one.results == merged.results and merged.eval["dt_pointers"] == {}
