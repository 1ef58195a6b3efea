"""tamis compare and tamis agreement: files in, tables and JSON out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tamis
from reference_resampling import coco_files, problem, result_of
from tamis.cli import main
from test_compare import two_models


@pytest.fixture
def files(tmp_path: Any) -> Any:
    paths = {}
    both = two_models(1)
    for name, images in zip("ab", both, strict=True):
        dataset, dets = coco_files(images)
        for image in dataset["images"]:
            image["file_name"] = f"{image['id']:03d}.jpg"
        paths |= {"gt": tmp_path / "gt.json", name: tmp_path / f"model_{name}.json"}
        paths["gt"].write_text(json.dumps(dataset))
        paths[name].write_text(json.dumps(dets))
    return both, {k: str(v) for k, v in paths.items()}, tmp_path


def test_compare(files: Any, capsys: Any) -> None:
    both, p, _ = files
    command = ["compare", p["gt"], p["a"], p["b"], "--samples", "30"]
    assert main([*command, "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    expected = tamis.compare(
        *(result_of(i) for i in both), samples=30, permutations=30, names=["model_a", "model_b"]
    ).to_dict()
    assert out["against"][0]["stats"] == expected["against"][0]["stats"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert text.startswith("model_b against model_a\n  AP ") and "lost most: image" in text


@pytest.mark.parametrize("key", ["image_id", "file_name"])
def test_slices(files: Any, capsys: Any, key: str) -> None:
    both, p, folder = files
    table = folder / "table.csv"
    names = [str(i + 1) if key == "image_id" else f"{i + 1:03d}.jpg" for i in range(25)]
    rows = [f"{name},{'night' if i < 9 else 'day'}" for i, name in enumerate(names)]
    table.write_text("\n".join([f"{key},time", *rows]))
    command = ["compare", p["gt"], p["a"], p["b"], "--samples", "9", "--slices", str(table)]
    assert main([*command, "--json"]) == 0
    parts = {s["name"]: s for s in json.loads(capsys.readouterr().out)["against"][0]["slices"]}
    assert list(parts) == ["time=day", "time=night"]
    anew = result_of(both[0]).slice(np.arange(25) < 9).stats["AP"]
    assert parts["time=night"]["AP"]["first"] == pytest.approx(anew, rel=1e-13)
    assert main(command) == 0 and "  time=night: AP " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("time\nday", "must have a column image_id or file_name, got ['time']"),
        ("image_id,time\n99,day", "image_id '99' is not in the ground truth"),
        ("", "must have a column image_id or file_name, got []"),
    ],
)
def test_bad_tables(files: Any, capsys: Any, text: str, error: str) -> None:
    _, p, folder = files
    (folder / "t.csv").write_text(text)
    command = ["compare", p["gt"], p["a"], p["b"], "--slices", str(folder / "t.csv")]
    assert main(command) == 2
    err = capsys.readouterr().err
    assert error in err and err.count("\n") == 1


def test_agreement(files: Any, capsys: Any, tmp_path: Any) -> None:
    _, p, _ = files
    dataset, _ = coco_files(problem(1, 25))
    dataset["annotations"][0]["category_id"] = 9
    del dataset["annotations"][5]
    new = tmp_path / "new.json"
    new.write_text(json.dumps(dataset))
    assert main(["agreement", p["gt"], str(new), "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert (out["relabelled"], out["removed"], out["added"], out["moved"]) == (1, 1, 0, 0)
    assert main(["agreement", p["gt"], str(new)]) == 0
    assert "relabelled 1\n" in capsys.readouterr().out
    assert main(["agreement", p["gt"], "nowhere.json"]) == 2
    assert "nowhere.json: No such file" in capsys.readouterr().err
