"""tamis.fiftyone against the real FiftyOne on the same database, results compared first.

    python benchmarks/bench_fiftyone.py                      all bars (a quarter of an hour)
    python benchmarks/bench_fiftyone.py --quick              small sets, one turn
    python benchmarks/bench_fiftyone.py --turns 3 uniqueness only those whose name starts so

Needs FiftyOne and FIFTYONE_DATABASE_URI, the MongoDB it may use; data sets made here are deleted.
FiftyOne runs on a share of the samples where a turn would take minutes; its time, which is a loop
over samples, is then scaled, and the table says so and how long half of the share took.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import bson
import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
import tamis
import tamis.fiftyone as tf

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reference"))
from fiftyone_data import assert_same_results, schema, stored

CLASSES = [f"class {i}" for i in range(10)]


@dataclass
class Work:
    name: str
    samples: int
    share: float  # of the samples that FiftyOne gets
    bar: float
    make: Callable[[int], Any]
    ours: Callable[[Any], Any]
    theirs: Callable[[Any], Any]
    forget: Callable[[Any], Any]  # before the next turn


def labels(rng: np.random.Generator, n: int, *, scored: bool) -> list[dict[str, Any]]:
    boxes = np.concatenate([rng.uniform(0, 0.7, (n, 2)), rng.uniform(0.05, 0.3, (n, 2))], axis=1)
    names, scores = rng.integers(0, len(CLASSES), n), rng.random(n)
    return [
        {"label": CLASSES[k], "bounding_box": box} | ({"confidence": c} if scored else {})
        for k, box, c in zip(names, boxes.tolist(), scores.tolist(), strict=True)
    ]


def near(rng: np.random.Generator, gts: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """Predictions around ground truths, four in five of their class."""
    found = []
    for det in labels(rng, n, scored=True):
        gt = gts[rng.integers(len(gts))]
        box = np.array(gt["bounding_box"]) + rng.normal(0, 0.02, 4)
        box[2:] = np.maximum(box[2:], 0.01)
        kind = gt["label"] if rng.random() < 0.8 else det["label"]
        found.append({**det, "bounding_box": box.tolist(), "label": kind})
    return found


def dataset(n: int, fields: Callable[[np.random.Generator], dict[str, list[Any]]]) -> Any:
    """`n` samples with these labels; the first by FiftyOne, which declares the fields."""
    rng = np.random.default_rng(0)
    first = fo.Sample(filepath="/nowhere/0.jpg")
    for name, items in fields(rng).items():
        first[name] = fo.Detections(detections=[fo.Detection(**item) for item in items])
    made = fo.Dataset()
    made.add_sample(first)
    collection = made._sample_collection
    pattern = collection.find_one()
    common = {"_cls": "Detection", "attributes": {}, "tags": []}
    documents = []
    for i in range(1, n):
        document = copy.copy(pattern) | {"_id": bson.ObjectId(), "filepath": f"/nowhere/{i}.jpg"}
        for name, items in fields(rng).items():
            rows = [{"_id": bson.ObjectId(), **common, **item} for item in items]
            document[name] = {"_cls": "Detections", "detections": rows}
        documents.append(document)
    if documents:
        collection.insert_many(documents)
    made.reload()
    return made


def detection_set(predictions: int) -> Callable[[int], Any]:
    def fields(rng: np.random.Generator) -> dict[str, list[Any]]:
        gts = labels(rng, 8, scored=False)
        return {"ground_truth": gts, "predictions": near(rng, gts, predictions)}

    return lambda n: dataset(n, fields)


def box_set(n: int) -> Any:
    def fields(rng: np.random.Generator) -> dict[str, list[Any]]:
        found = labels(rng, 14, scored=False)
        return {"boxes": [*found, {**found[0], "label": CLASSES[0]}]}

    return dataset(n, fields)


@cache
def embeddings(n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    centres = 3 * rng.normal(size=(100, 512))
    return (centres[rng.integers(0, 100, n)] + rng.normal(size=(n, 512))).astype(np.float32)


def evaluation(name: str, predictions: int, share: float, bar: float, **options: Any) -> Work:
    def run(evaluate: Callable[..., Any]) -> Callable[[Any], Any]:
        return lambda d: evaluate(d, "predictions", eval_key="ev", progress=False, **options)

    return Work(
        name, 1_000, share, bar, detection_set(predictions), run(tf.evaluate_detections),
        run(tf.detections.fiftyone_evaluate_detections), lambda d: d.delete_evaluation("ev"),
    )  # fmt: skip


def works() -> list[Work]:
    ious, brain = tf.ious, tf.embeddings
    return [
        evaluation("evaluate_detections mAP, 30 predictions", 30, 0.1, 60, compute_mAP=True),
        evaluation("evaluate_detections, 100 predictions", 100, 0.03, 200),
        Work(
            "compute_max_ious, 15 boxes", 10_000, 0.1, 15, box_set,
            lambda d: tf.compute_max_ious(d, "boxes"),
            lambda d: ious.fiftyone_compute_max_ious(d, "boxes"),
            lambda d: None,
        ),
        Work(
            "find_duplicates, 15 boxes", 10_000, 0.1, 15, box_set,
            lambda d: tf.find_duplicates(d, "boxes"),
            lambda d: ious.fiftyone_find_duplicates(d, "boxes"),
            lambda d: None,
        ),
        Work(
            "uniqueness, 512 dimensions", 15_000, 1, 10, lambda n: dataset(n, lambda rng: {}),
            lambda d: tf.compute_uniqueness(d, embeddings=embeddings(len(d))),
            lambda d: brain.fiftyone_compute_uniqueness(d, embeddings=embeddings(len(d))),
            lambda d: d.delete_brain_run("uniqueness"),
        ),
    ]  # fmt: skip


def compare(work: Work, n: int) -> None:
    """Both on clones of `n` samples: every field and result alike."""
    source = work.make(n)
    ours, theirs = source.clone(), source.clone()
    got, want = work.ours(ours), work.theirs(theirs)
    if hasattr(want, "ytrue"):
        assert_same_results(got, want)
    else:
        assert got == want
    assert schema(ours) == schema(theirs)
    assert stored(ours) == stored(theirs)
    for made in (source, ours, theirs):
        made.delete()


def seconds(run: Callable[[Any], Any], made: Any) -> float:
    start = time.perf_counter()
    run(made)
    return time.perf_counter() - start


def measure(work: Work, turns: int, scale: float) -> str:
    n = max(10, int(work.samples * scale))
    compare(work, min(n, 50))
    ours, theirs = work.make(n), work.make(max(10, int(n * work.share)))
    work.ours(ours)  # FiftyOne's caches are warm from the comparison
    work.forget(ours)
    mine, other, ratios = [], [], []
    for _ in range(turns):
        other.append(seconds(work.theirs, theirs) * n / len(theirs))
        mine.append(seconds(work.ours, ours))
        ratios.append(other[-1] / mine[-1])
        work.forget(ours)
        work.forget(theirs)
    share = ""
    if work.share != 1:
        half = work.make(len(theirs) // 2)
        part = median(other) * len(theirs) / n, seconds(work.theirs, half)
        share = f" (scaled from {part[0]:.2f} s for {len(theirs)}; half of them: {part[1]:.2f} s)"
        half.delete()
    for made in (ours, theirs):
        made.delete()
    return (
        f"{work.name}, {n} samples: FiftyOne {median(other):.2f} s{share}, tamis"
        f" {median(mine):.3f} s, {median(ratios):.0f} times (bar {work.bar:.0f}; turns"
        f" {', '.join(f'{r:.0f}' for r in ratios)})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="the beginnings of the works' names")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    fo.config.show_progress_bars = False
    fob.brain_config  # noqa: B018 - loads Brain before anything is timed
    print(
        f"FiftyOne {fo.__version__}, tamis with {tamis.num_threads()} threads (FiftyOne as it is)"
    )
    for work in works():
        if not options.names or any(work.name.startswith(name) for name in options.names):
            turns, scale = (1, 0.02) if options.quick else (options.turns, 1)
            print(measure(work, turns, scale), flush=True)


if __name__ == "__main__":
    main()
