"""bson_columns against the database driver's own decoder and a loop over its dictionaries.

pytest benchmarks/bench_bson_columns.py
"""

import numpy as np
import pytest
from tamis import _core

bson = pytest.importorskip("bson")
COLUMNS = [("_id", "id"), ("label", "text"), ("bounding_box", "box"), ("confidence", "number")]


def batch(samples, each):
    rng = np.random.default_rng(0)
    labels = [
        {
            "_id": bson.ObjectId(),
            "label": f"class_{rng.integers(80)}",
            "bounding_box": rng.random(4).tolist(),
            "confidence": rng.random(),
        }
        for _ in range(samples * each)
    ]
    return b"".join(
        bson.encode({"_id": bson.ObjectId(), "preds": {"items": labels[i : i + each]}})
        for i in range(0, len(labels), each)
    )


def columns(data):
    _, (table,), texts = _core.bson_columns([data], [(["preds", "items"], COLUMNS)])
    return table, texts


def loop(data):
    flat = [label for d in bson.decode_all(data) for label in d["preds"]["items"]]
    return (
        [label["_id"] for label in flat],
        [label["label"] for label in flat],
        np.array([label["bounding_box"] for label in flat]),
        np.array([label["confidence"] for label in flat]),
    )


@pytest.mark.parametrize("who", ["tamis", "bson and a loop"])
def test_samples(benchmark, who):
    data = batch(1_000, 100)
    (table, texts), (ids, labels, boxes, confidence) = columns(data), loop(data)
    assert table["_id"].tobytes() == b"".join(i.binary for i in ids)
    assert [texts[code] for code in table["label"]] == labels
    assert np.array_equal(table["bounding_box"], boxes)
    assert np.array_equal(table["confidence"], confidence)
    benchmark.group = "bson_columns 1,000 samples of 100 labels, one thread"
    run = {"tamis": columns, "bson and a loop": loop}[who]
    benchmark.pedantic(run, args=(data,), rounds=5, warmup_rounds=1)
