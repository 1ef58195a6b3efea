"""Intervals and comparisons against hotcoco's `compare`, slices against evaluating them anew.

hotcoco 1.3.0 draws each image at most once a sample, so its intervals are a quarter too short: only
what both compute right, the differences themselves, is compared before the clocks start.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import tamis
from bench_average_precision import sides
from synthetic import make_dataset, make_detections

SAMPLES = 1000


def coco128():
    root = Path(os.environ.get("TAMIS_DATA", "none"))
    files = root / "coco128/instances_coco128.json", root / "coco128/dt_yolov5s.bbox.json"
    if not all(f.exists() for f in files):
        pytest.skip("no coco128 in the folder TAMIS_DATA")
    dataset, first = (json.loads(f.read_text()) for f in files)
    rng = np.random.default_rng(0)
    second = [
        {**d, "score": float(np.clip(d["score"] + rng.normal(0, 0.05), 0, 1)),
         "bbox": [float(x + rng.normal(0, 1)) for x in d["bbox"]]}
        for d in first
    ]  # fmt: skip
    return dataset, first, second


def evaluated(module, cocoeval, folder, dataset, *results):
    out = []
    with contextlib.redirect_stdout(io.StringIO()):
        for i, rows in enumerate((dataset, *results)):
            (folder / f"{i}.json").write_text(json.dumps(rows))
        truth = module.COCO(str(folder / "0.json"))
        for i in range(len(results)):
            e = cocoeval(truth, truth.loadRes(str(folder / f"{i + 1}.json")), "bbox")
            e.evaluate()
            out.append(e)
    return out


def paired(*models, samples=SAMPLES):
    return tamis.compare(*models, samples=samples, permutations=0, images=0)


@pytest.mark.parametrize("who", ["tamis", "hotcoco"])
@pytest.mark.benchmark(group="1,000 paired samples of coco128", min_rounds=1)
def test_against_hotcoco(benchmark, who, tmp_path):
    from tamis import coco
    from tamis.coco.cocoeval import COCOeval

    hotcoco = pytest.importorskip("hotcoco")
    data = coco128()
    ours = evaluated(coco, COCOeval, tmp_path, *data)
    theirs = evaluated(hotcoco, hotcoco.COCOeval, tmp_path, *data)
    deltas = hotcoco.compare(*theirs)["deltas"]
    stats = paired(*ours, samples=2).stats
    for name, delta in deltas.items():
        if name in stats:
            assert stats[name].difference == pytest.approx(delta, abs=1e-9)
    if who == "tamis":
        benchmark(paired, *ours)
    else:
        benchmark.pedantic(hotcoco.compare, theirs, {"n_bootstrap": SAMPLES}, rounds=1)


@pytest.fixture(scope="module")
def large():
    dataset = make_dataset()
    out = []
    for seed in (1, 2):
        evaluator = tamis.DetectionEvaluator(fmt="xywh")
        evaluator.update(*sides(dataset, make_detections(dataset, 200_000, seed)))
        out.append(evaluator.compute())
    return out


@pytest.mark.parametrize("what", ["intervals", "paired", "permutations"])
@pytest.mark.benchmark(group="5,000 images, 200,000 detections a model", min_rounds=1)
def test_large(benchmark, large, what):
    part = np.arange(5000) % 7 != 0
    anew = large[0].slice(part).stats["AP"]
    weights = part[None].astype(float)
    from tamis.comparison.resampling import Plan, evaluated, over_classes

    e, numbers = evaluated("bench", large[0])
    [value] = over_classes(Plan.of(numbers, e).by_class(weights))[:, 0]
    assert value == pytest.approx(anew, rel=1e-13)
    if what == "intervals":
        benchmark(tamis.intervals, large[0], SAMPLES)
    elif what == "paired":
        benchmark(paired, *large)
    else:
        benchmark(tamis.compare, *large, samples=0, permutations=SAMPLES, images=0)


@pytest.mark.parametrize("what", ["slice", "anew"])
@pytest.mark.benchmark(group="a tenth of 5,000 images, 200,000 detections")
def test_slice(benchmark, large, what):
    dataset = make_dataset()
    whole = make_detections(dataset, 200_000, 1)
    ids = np.array(sorted(i["id"] for i in dataset["images"]))
    kept = set(ids[::10].tolist())
    part = {
        **dataset, "images": [i for i in dataset["images"] if i["id"] in kept],
        "annotations": [a for a in dataset["annotations"] if a["image_id"] in kept],
    }  # fmt: skip
    rows = sides(part, whole[np.isin(whole[:, 0], ids[::10])])

    def anew():
        evaluator = tamis.DetectionEvaluator(fmt="xywh")
        evaluator.update(*rows)
        return evaluator.compute()

    mask = np.arange(5000) % 10 == 0
    assert large[0].slice(mask).stats == anew().stats
    benchmark(large[0].slice, mask) if what == "slice" else benchmark(anew)
