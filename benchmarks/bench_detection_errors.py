"""detection_errors against tidecv, on the evaluation of synthetic boxes both have been given."""

from __future__ import annotations

import contextlib
import io
import json
import warnings

import pytest
import tamis
from synthetic import make_dataset, make_detections
from tamis.coco import COCO, COCOeval


def problem(images, detections):
    """A dataset and results, as `json.load` would give them."""
    dataset = make_dataset(images, n_annotations=images * 7)
    results = [
        {"image_id": int(r[0]), "category_id": int(r[6]), "bbox": r[1:5], "score": r[5]}
        for r in make_detections(dataset, detections).tolist()
    ]
    return dataset, results


def evaluated(dataset, results):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
        e = COCOeval(truth, truth.loadRes(json.loads(json.dumps(results))), "bbox")
        e.evaluate()
    return e


def tide_data(dataset, results):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tidecv = pytest.importorskip("tidecv")
    truth, found = tidecv.Data("gt"), tidecv.Data("dt")
    for image in sorted(i["id"] for i in dataset["images"]):
        truth.add_image(image, "")
    for a in dataset["annotations"]:
        add = truth.add_ignore_region if a["iscrowd"] else truth.add_ground_truth
        add(a["image_id"], a["category_id"], a["bbox"])
    for d in results:
        found.add_detection(d["image_id"], d["category_id"], d["score"], d["bbox"])
    return tidecv, truth, found


def tide(tidecv, truth, found):
    run = tidecv.TIDE()
    run.evaluate(truth, found)
    return run.get_main_errors()["dt"] | run.get_special_errors()["dt"]


@pytest.mark.parametrize("who", ["tamis", "tidecv"])
@pytest.mark.benchmark(group="errors of 100 boxes in 200 images", min_rounds=3)
def test_against_tidecv(benchmark, who):
    dataset, results = problem(200, 20_000)
    e, theirs = evaluated(dataset, results), tide_data(dataset, results)

    def ours():
        errors = tamis.detection_errors(e)
        return errors.main | errors.special

    assert ours() == pytest.approx(tide(*theirs), abs=1e-9)
    benchmark(ours) if who == "tamis" else benchmark(tide, *theirs)


ANALYSES = {
    "errors": tamis.detection_errors,
    "confusion": tamis.confusion_matrix,
    "best_f1": tamis.best_f1,
    "images": tamis.image_scores,
}


@pytest.mark.parametrize("what", ["compute", *ANALYSES])
@pytest.mark.benchmark(group="a closer look at 100 boxes in 5,000 images", min_rounds=3)
def test_all_analyses(benchmark, what):
    e = evaluated(*problem(5000, 500_000))

    def evaluation():
        with contextlib.redirect_stdout(io.StringIO()):
            e.evaluate()
            e.accumulate()

    benchmark(evaluation) if what == "compute" else benchmark(ANALYSES[what], e)
