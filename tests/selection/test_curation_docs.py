"""The tour of docs/curation.md runs, and comes out as it says."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import numpy as np
import tamis
from conftest import ROOT, data_path


def test_the_tour():
    text = (ROOT / "docs" / "curation.md").read_text()
    names: dict[str, Any] = {}
    exec(text.split("<!-- tour -->\n```python\n")[1].split("```")[0], names)
    assert 535 <= len(names["unique"]) <= 545
    assert names["found"].counts[names["found"].threshold] >= 118
    assert len(names["batch"]) == 20
    assert not np.isin(names["batch"], [*names["labelled"], *names["failed"]]).any()
    assert 4 < names["spread"] < 32 and names["least"] <= names["more"] <= names["most"]
    assert len(names["strange"]) == 10 and 0 < names["covered"].share <= 1


def test_what_thresholds_drop():
    x = np.load(data_path("embeddings", "pool_512.npy"))
    dropped = [len(tamis.near_duplicates(x, threshold=t).duplicates) for t in (0.2, 0.05, "auto")]
    assert dropped == [4278, 856, 25]


def example():
    spec = importlib.util.spec_from_file_location(
        "rounds_of_labels", ROOT / "examples" / "rounds_of_labels.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_the_rounds_is_the_stored_one():
    found = json.loads((ROOT / "examples" / "rounds_of_labels.json").read_text())
    text = (ROOT / "docs" / "curation.md").read_text()
    assert example().table(found) == text.split("<!-- rounds -->\n")[1].split("\n<!-- /rounds")[0]


def test_the_rounds_run():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), [300, 100, 100, 60, 30, 10])
    x = (rng.normal(size=(6, 16))[labels] + 0.5 * rng.normal(size=(600, 16))).astype(np.float32)
    curves = example().rounds(x, labels, 0, batch=6, draws=2000)
    assert [len(curve) for curve in curves.values()] == [10, 10]
    assert curves["tamis"][0] == curves["chance"][0] and curves["tamis"][-1] > 0.6
