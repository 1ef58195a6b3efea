"""Commands of embeddings: people's files in, names out, exit codes for CI."""

from __future__ import annotations

import csv
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from tamis.cli import main
from tamis.embeddings import files


def rows(n: int = 80, d: int = 8, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng((seed, n)).normal(size=(n, d)).astype(np.float32)
    x[-10:] = x[:10] + np.float32(1e-4)
    return x


@pytest.fixture
def given(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", rows())
    names = [f"img_{i:03}.jpg" for i in range(80)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    (tmp_path / "names.csv").write_text(
        "id,file\n" + "".join(f"{i},{n}\n" for i, n in enumerate(names))
    )
    return tmp_path


def said(capsys: Any, *arguments: Any, code: int = 0) -> Any:
    assert main([*map(str, arguments), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_near_duplicates(given: Path, capsys: Any) -> None:
    x, names = given / "x.npy", given / "names.txt"
    found = said(capsys, "near-duplicates", x, "--names", names, "-o", given / "out.csv")
    want = [(f"img_{70 + i:03}.jpg", f"img_{i:03}.jpg") for i in range(10)]
    assert [(d["name"], d["repeats"]) for d in found["duplicates"]] == want
    with open(given / "out.csv", newline="") as file:
        assert [(r["name"], r["repeats"]) for r in csv.DictReader(file)] == want
    assert main(["near-duplicates", str(x), "--threshold", "0.001"]) == 0
    out = capsys.readouterr().out
    assert "10 of 80 rows repeat" in out and "<- chosen" in out and "70 repeats 0" in out


def test_leaks(given: Path, capsys: Any) -> None:
    (given / "splits.txt").write_text("\n".join(["train"] * 75 + ["test"] * 5))
    how = ["--names", f"{given / 'names.csv'}::file", "--threshold", "0.01"]
    args = ["leaks", given / "x.npy", "--splits", given / "splits.txt", *how]
    found = said(capsys, *args, code=1)
    assert found["pairs"] == 5 and found["name"][0] == "img_005.jpg"
    (given / "splits.txt").write_text("\n".join(["train"] * 80))
    assert said(capsys, *args)["pairs"] == 0


def test_select_and_batch(given: Path, capsys: Any) -> None:
    x = np.load(given / "x.npy")
    scores = tamis.zcore(x, n_samples=500)
    how = [given / "x.npy", "--names", given / "names.txt", "--draws", 500]
    chosen = said(capsys, "select", *how, "--count", 7, "-o", given / "train.txt")["chosen"]
    assert chosen == [f"img_{i:03}.jpg" for i in tamis.select_coreset(scores, count=7)]
    assert (given / "train.txt").read_text().split() == chosen
    np.save(given / "scores.npy", scores)
    (given / "failed.txt").write_text("img_003.jpg\nimg_004.jpg\n")
    args = ["batch", *how, "--count", 9, "--failures", given / "failed.txt"]
    args += ["--exclude", given / "train.txt", "--scores", given / "scores.npy"]
    chosen = said(capsys, *args, "-o", given / "next.json")["chosen"]
    exclude = tamis.select_coreset(scores, count=7)
    want = tamis.select_batch(scores, x, np.array([3, 4]), budget=9, exclude=exclude)
    assert chosen == [f"img_{i:03}.jpg" for i in want]
    assert [r["name"] for r in json.loads((given / "next.json").read_text())] == chosen


def test_split_and_verify(given: Path, capsys: Any) -> None:
    (given / "root").mkdir()
    for i in range(80):
        (given / "root" / f"img_{i:03}.jpg").write_bytes(b"%d" % i)
    how = [given / "x.npy", "--names", given / "names.txt", "--root", given / "root"]
    made = ["split", *how, "--manifest", given / "m.json", "--fractions", "train=.5,test=.5"]
    found = said(capsys, *made, "-o", given / "split.csv")
    assert sum(found["rows"].values()) == 80
    check = [
        "split",
        *how,
        "--verify",
        given / "m.json",
        "--splits",
        f"{given / 'split.csv'}::split",
    ]
    assert said(capsys, *check)["ok"]
    (given / "root" / "img_007.jpg").write_bytes(b"another")
    assert said(capsys, *check, code=1)["changed"] == ["img_007.jpg"]


def test_drift(given: Path, capsys: Any) -> None:
    np.save(given / "y.npy", rows(seed=1) + 1)
    how = ["--permutations", 199]
    assert said(capsys, "drift", given / "x.npy", given / "y.npy", *how, code=1)["drifted"]
    np.save(given / "y.npy", np.random.default_rng(5).normal(size=(60, 8)).astype(np.float32))
    np.save(given / "z.npy", np.random.default_rng(6).normal(size=(60, 8)).astype(np.float32))
    assert not said(capsys, "drift", given / "y.npy", given / "z.npy", *how)["drifted"]
    for name in ("d.json", "d.csv", "d.txt"):
        want = said(capsys, "drift", given / "y.npy", given / "z.npy", *how, "-o", given / name)
    assert json.loads((given / "d.json").read_text()) == want
    head, *checks = (given / "d.csv").read_text().splitlines()
    assert head.startswith("name,statistic,effect") and [c["name"] for c in want["checks"]] == [
        row.partition(",")[0] for row in checks
    ]
    assert (given / "d.txt").read_text().startswith("no drift (alpha 0.05 over 4 checks)\n")
    assert main(["drift", *[str(given / "y.npy")] * 2, "-o", str(given / "y.npy")]) == 2
    coco: dict[str, Any] = {"images": [{"id": 1}], "annotations": [], "categories": []}
    (given / "a.json").write_text(json.dumps(coco))
    coco["categories"] = [{"id": 1, "name": "car"}]
    (given / "b.json").write_text(json.dumps(coco))
    found = said(capsys, "drift", given / "a.json", given / "b.json", *how, code=1)
    assert found["details"]["new"] == ["car"]


@pytest.mark.parametrize("command", ["uniqueness", "zcore"])
def test_scores_of_every_input_have_names(command: str, given: Path, capsys: Any) -> None:
    x, how = np.load(given / "x.npy"), ["--draws", 500] if command == "zcore" else []
    want = tamis.zcore(x, n_samples=500) if command == "zcore" else tamis.uniqueness(x)
    np.savez(given / "x.npz", x)
    (given / "shards").mkdir()
    np.save(given / "shards" / "a.npy", x[:30])
    np.save(given / "shards" / "b.npy", x[30:])
    names = ["--names", f"{given / 'names.csv'}::file"]
    for source in ("x.npy", "x.npz", "shards"):
        out = given / f"{source}.csv"
        found = said(capsys, command, given / source, *how, *names, "-o", out, "--top", 3)
        key = "first" if command == "zcore" else "most"
        assert found[key] == [f"img_{i:03}.jpg" for i in np.argsort(-want, kind="stable")[:3]]
        with open(out, newline="") as file:
            rows = list(csv.DictReader(file))
        assert [r["name"] for r in rows] == [f"img_{i:03}.jpg" for i in range(80)]
        assert [float(r["score"]) for r in rows] == want.tolist()
    assert main([command, str(given / "x.npz"), *map(str, [*how, *names])]) == 0
    assert "img_0" in capsys.readouterr().out


LABELS: dict[str, Any] = {
    "info": {"year": 2024},
    "images": [
        {"id": 5 + i, "file_name": f"data/img_{i:03}.jpg", "width": 64, "height": 48, "license": 3}
        for i in range(80)
    ],
    "annotations": [
        {"id": i, "image_id": 5 + i % 80, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12,
         "iscrowd": 0, "track": i}
        for i in range(160)
    ],
    "categories": [{"id": 1, "name": "car", "supercategory": "vehicle"}],
}  # fmt: skip


def test_outputs_for_other_tools(given: Path, capsys: Any) -> None:
    (given / "gt.json").write_text(json.dumps(LABELS))
    how = ["select", given / "x.npy", "--names", given / "names.txt", "--draws", 500, "--count", 4]
    labels = ["--annotations", given / "gt.json"]
    chosen = said(capsys, *how, *labels, "--as", "coco", "-o", given / "part.json")["chosen"]
    rows = [int(name[4:7]) for name in chosen]
    part = json.loads((given / "part.json").read_text())
    assert part["images"] == [LABELS["images"][i] for i in rows]
    assert part["info"] == LABELS["info"] and part["categories"] == LABELS["categories"]
    kept = [a for a in LABELS["annotations"] if a["image_id"] - 5 in rows]
    assert part["annotations"] == kept and len(kept) == 8
    said(capsys, *how, *labels, "-o", given / "part.xml")
    read = tamis.read(given / "part.xml")
    assert [read.image_name(i) for i in range(4)] == [f"data/{name}" for name in chosen]
    assert len(read) == 8 and read.class_names == ["car"]
    prefix = ["--prefix", "images/"]
    said(capsys, *how, *prefix, "--as", "yolo", "-o", given / "train.txt")
    lines = (given / "train.txt").read_text().splitlines()
    assert lines == [f"images/{name}" for name in chosen]
    said(capsys, *how, *prefix, "--as", "label-studio", "-o", given / "tasks.json")
    tasks = json.loads((given / "tasks.json").read_text())
    assert [task["data"]["image"] for task in tasks] == lines and "score" in tasks[0]["meta"]
    (given / "names.txt").write_text("\n".join(f"other_{i}" for i in range(80)))
    cases = {
        "gt.json lacks 4 of the samples": [*labels, "--as", "coco", "-o", given / "part.json"],
        "needs --annotations PATH": ["-o", given / "part.xml"],
        "--as needs --output": ["--as", "yolo"],
        "--output must not be the file": [*labels, "--as", "coco", "-o", given / "gt.json"],
    }
    for text, more in cases.items():
        assert main([*map(str, [*how, *more])]) == 2
        assert text in capsys.readouterr().err


def test_a_part_of_labels_of_another_format_becomes_coco(given: Path, capsys: Any) -> None:
    (given / "gt.json").write_text(json.dumps(LABELS))
    tamis.write(tamis.read(given / "gt.json"), given / "gt.xml")
    how = ["coverage", given / "x.npy", "--names", given / "names.txt", "--eps", 0.1]
    more = ["--as", "coco", "--annotations", given / "gt.xml", "-o", given / "holes.json"]
    holes = said(capsys, *how, *more)["holes"]
    part = tamis.read(given / "holes.json")
    assert [part.image_name(i).rpartition("/")[2] for i in range(len(holes))] == holes
    assert len(part) == 2 * len(holes)


def test_duplicates_of_any_format(tmp_path: Path, capsys: Any) -> None:
    twice = {**LABELS, "annotations": [*LABELS["annotations"][:3], LABELS["annotations"][81]]}
    (tmp_path / "gt.json").write_text(json.dumps(twice))
    found = said(capsys, "duplicates", tmp_path / "gt.json", "-o", tmp_path / "out.csv")
    assert found == [{"annotation": 81, "repeats": 1, "image": 6, "IoU": 1.0}]
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "81,1,6,1.0"
    tamis.write(tamis.read(tmp_path / "gt.json"), tmp_path / "gt.xml")
    found = said(capsys, "duplicates", tmp_path / "gt.xml")
    assert [row["image"] for row in found] == ["data/img_001.jpg"] and found[0]["IoU"] == 1


def test_progress_is_there_at_once_and_says_how_long(monkeypatch: Any, capsys: Any) -> None:
    from tamis._shared import progress

    clock = iter([0.0, 0.0, 30.0, 40.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    report = progress._line("zcore")
    assert capsys.readouterr().err.strip() == "zcore:   0 %  0:00"
    report(1, 4)
    assert capsys.readouterr().err.strip() == "zcore:  25 %  0:30, 1:30 left"
    report(4, 4)
    err = capsys.readouterr().err
    assert err.strip() == "zcore: 100 %  0:40" and err.endswith("\n")


def test_coverage(given: Path, capsys: Any) -> None:
    (given / "labelled.txt").write_text("\n".join(f"img_{i:03}.jpg" for i in range(30)))
    how = [given / "x.npy", "--names", given / "names.txt", "--labelled", given / "labelled.txt"]
    found = said(capsys, "coverage", *how, "--eps", 2.5)
    want = tamis.coverage(rows(), np.arange(30), eps=2.5)
    assert found["share"] == want.share
    assert found["holes"] == [f"img_{i:03}.jpg" for i in want.hole_rows]
    assert main(["coverage", *map(str, how)]) == 0
    assert "holes" in capsys.readouterr().out


# Files


def safetensors(path: Path, x: np.ndarray, kind: str) -> None:
    data = x.tobytes()
    header = json.dumps({"e": {"dtype": kind, "shape": x.shape, "data_offsets": [0, len(data)]}})
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + data)


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    x = rows()
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x)
    np.savez(tmp_path / "two.npz", a=x[:5], b=x)
    safetensors(tmp_path / "x.safetensors", x, "F32")
    (tmp_path / "shards").mkdir()
    for i in range(4):
        np.save(tmp_path / "shards" / f"{i}.npy", x[20 * i : 20 * (i + 1)])
    names = ["x.npy", "x.npz", "two.npz::b", "x.safetensors", "x.safetensors::e", "shards"]
    for name in names:
        np.testing.assert_array_equal(files.read_embeddings(str(tmp_path / name)), x)
    assert isinstance(files.read_embeddings(str(tmp_path / "x.safetensors")), np.memmap)
    half = (x.view(np.uint32) >> 16).astype(np.uint16)
    safetensors(tmp_path / "half.safetensors", half, "BF16")
    got = files.read_embeddings(str(tmp_path / "half.safetensors"))
    np.testing.assert_array_equal(got.view(np.uint32), half.astype(np.uint32) << 16)


def test_parquet_and_arrow(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    parquet = pytest.importorskip("pyarrow.parquet")
    x = rows()
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 8)
    names = [f"n{i}" for i in range(80)]
    for i, column in enumerate((fixed, pa.array(list(x)))):
        table = pa.table({"name": names, "embedding": column})
        parquet.write_table(table, tmp_path / f"{i}.parquet", row_group_size=30)
        feather.write_feather(table, str(tmp_path / f"{i}.arrow"), compression="uncompressed")
        for suffix in ("parquet", "arrow"):
            path = str(tmp_path / f"{i}.{suffix}")
            np.testing.assert_array_equal(files.read_embeddings(path), x)
            assert files.read_names(path, 80) == names
    files.write_table(str(tmp_path / "out.parquet"), {"name": names, "row": list(range(80))})
    assert files.read_column(str(tmp_path / "out.parquet") + "::row")[:2] == ["0", "1"]
    ragged = pa.table({"e": [[1.0, 2.0], [3.0]]})
    parquet.write_table(ragged, tmp_path / "ragged.parquet")
    with pytest.raises(ValueError, match="one length, row 1 has 1 instead of 2"):
        files.read_embeddings(str(tmp_path / "ragged.parquet"))


def test_bad_input_is_one_line(given: Path, capsys: Any) -> None:
    (given / "short.txt").write_text("a\nb\n")
    (given / "bad.safetensors").write_bytes(b"\xff" * 40)
    (given / "empty").mkdir()
    np.savez(given / "two.npz", a=rows(), b=rows())
    np.save(given / "ints.npy", np.zeros((3, 3), int))
    x = str(given / "x.npy")
    cases = {
        "must have 80 names": ["select", x, "--count", "1", "--names", str(given / "short.txt")],
        "is not a safetensors file": ["select", str(given / "bad.safetensors"), "--count", "1"],
        "holds no shards": ["select", str(given / "empty"), "--count", "1"],
        "must name one of a, b": ["select", str(given / "two.npz"), "--count", "1"],
        "must hold (N, D) floats": ["select", str(given / "ints.npy"), "--count", "1"],
        "give --count or --fraction": ["select", x],
        "--output must end in": ["select", x, "--count", "1", "-o", "out.exe"],
        "--output must not be the file": ["coverage", x, "--names", str(given / "names.csv"), "-o",
                                         str(given / "names.csv")],
        "2 that are no rows, the first is 'a'": [
            "coverage", x, "--labelled", str(given / "short.txt"),
        ],
        "coverage: k must be": ["coverage", x, "-k", "90"],
    }  # fmt: skip
    for text, arguments in cases.items():
        assert main(arguments) == 2, text
        err = capsys.readouterr().err
        assert text in err and err.count("\n") == 1, err
