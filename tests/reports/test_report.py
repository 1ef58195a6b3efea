"""The report: what it says, that nothing hostile gets through, and that its bytes do not vary."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from tamis.cli import main

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("jinja2", reason="Jinja2 is not installed")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

BAD = "<script>alert(1)</script>"
CLASSES = {1: f"{BAD}", 2: "$x_{$", 3: '"><img src=x onerror=alert(2)>', 4: "{{ 7 * 7 }}"}
FILES = [f"<script>alert({i})<!--.jpg" for i in range(12)]


def annotated(seed: int = 0, scores: bool = False, names: Any = CLASSES) -> tamis.Annotations:
    rng = np.random.default_rng(0)
    n, images = 96, len(FILES)
    boxes = np.concatenate([rng.uniform(0, 50, (n, 2)), rng.uniform(8, 45, (n, 2))], 1)
    labels = rng.integers(1, 5, n)
    rng = np.random.default_rng(seed)
    if seed:
        boxes = np.concatenate([boxes + rng.normal(0, 3, (n, 4)), boxes[::-1] + 20])
        boxes[:, 2:] = np.abs(boxes[:, 2:]) + 1
        labels = np.concatenate([np.where(rng.random(n) < 0.2, 1, labels), labels])
        order = np.argsort(np.tile(np.arange(n) // 8, 2), kind="stable")
        boxes, labels = boxes[order], labels[order]
    return tamis.Annotations(
        boxes=boxes, labels=labels, splits=np.linspace(0, len(boxes), images + 1).astype(np.int64),
        image_ids=np.arange(images), classes=dict(names), image_names=tuple(FILES),
        image_sizes=np.full((images, 2), 100), scores=rng.random(len(boxes)) if scores else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of these names; one is missing and one is broken."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name in FILES[2:]:
        pixels = np.kron(
            rng.integers(0, 255, (10, 10, 3), np.uint8), np.ones((10, 10, 1), np.uint8)
        )
        Image.fromarray(pixels.astype(np.uint8)).save(root / name.replace("/", "_"))
    (root / FILES[1].replace("/", "_")).write_bytes(b"\xff\xd8\xff no image")
    return root


class Page(html.parser.HTMLParser):
    """Ids, links, elements and texts of a page; raises for tags that do not close in turn."""

    VOID = ("meta", "link", "img", "br", "input")

    def __init__(self, path: Any) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(Path(path).read_text("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A report of two models with hostile names everywhere, and its numbers."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    numbers = tamis.report(
        path, annotated(), annotated(1, True), annotated(2, True), images=folder,
        names=[BAD, "second"], slices={BAD: np.arange(12) % 2 == 0}, json=path.with_suffix(".json"),
        samples=20, tiles=12,
    )  # fmt: skip
    return path, numbers


def test_sections_are_those_of_what_was_given(made: Any) -> None:
    page = Page(made[0])
    sections = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert sections == [
        "summary", "comparison", "data", "curves", "classes", "errors", "confusion", "sizes",
        "slices", "images", "provenance", "methods",
    ]  # fmt: skip
    assert len(set(page.ids)) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert set(sections) - {"methods"} <= {link.removeprefix("#") for link in page.links}


def test_the_numbers_are_those_of_the_evaluation(made: Any) -> None:
    path, numbers = made
    assert json.loads(path.with_suffix(".json").read_text()) == numbers
    evaluator = tamis.DetectionEvaluator(fmt="xywh", classes=CLASSES)
    evaluator.update(annotated(1, True).preds(), annotated().targets())
    result = evaluator.compute()
    first = numbers["evaluation"]["models"][0]
    assert first["stats"] == {k: None if v == -1 else v for k, v in result.stats.items()}
    assert first["errors"]["points"] == result.errors().main | result.errors().special
    said = Page(path).said
    for name in ("AP", "AP50", "AR100"):
        assert f"{result.stats[name]:.3f}" in said
    interval = tamis.intervals(result, 20).stats["AP"]
    assert f"{interval.low:.3f} to {interval.high:.3f}" in said
    matrix = result.confusion_matrix(confidence=float(result.best_f1().confidence[-1])).matrix
    assert numbers["evaluation"]["confusion"]["matrix"] == matrix.tolist()


def test_hostile_names_are_text(made: Any) -> None:
    path, _ = made
    page = Page(path)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1 and "iframe" not in tags
    for tag, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")], tag
        if tag == "img":
            assert attrs["src"].startswith("data:image/webp;base64,")
    for name in [*CLASSES.values(), FILES[5]]:
        assert name in page.said
    assert "49" not in re.findall(r"\{\{.*?\}\}|\b49\b", page.said)


def test_the_script_is_short_and_the_only_one_allowed(made: Any) -> None:
    import base64
    import hashlib

    text = made[0].read_text("utf-8")
    script = re.findall(r"<script>(.*?)</script>", text, re.S)
    assert len(script) == 1 and len(script[0].splitlines()) <= 25
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None and f"script-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; img-src data:;")


def test_every_picture_has_a_text_alternative(made: Any) -> None:
    page = Page(made[0])
    images = [attrs for tag, attrs in page.tags if tag == "img" or attrs.get("role") == "img"]
    assert len(images) > 20
    assert all(attrs.get("alt") or attrs.get("aria-label") for attrs in images)
    drawings = [tag for tag, _ in page.tags if tag == "svg"]
    assert len(drawings) == sum(attrs.get("role") == "img" for _, attrs in page.tags)


def test_missing_and_broken_images_keep_their_names(made: Any) -> None:
    text = made[0].read_text("utf-8")
    assert text.count('class="none"') >= 1
    numbers = made[1]["evaluation"]["images"]
    assert [image["image"] for image in numbers] == FILES


def test_equal_input_gives_equal_bytes(made: Any, tmp_path: Path, folder: Path) -> None:
    again = tmp_path / "again.html"
    numbers = tamis.report(
        again, annotated(), annotated(1, True), annotated(2, True), images=folder,
        names=[BAD, "second"], slices={BAD: np.arange(12) % 2 == 0}, samples=20, tiles=12,
    )  # fmt: skip
    assert again.read_bytes() == made[0].read_bytes()
    assert numbers == made[1]


def test_embeddings_and_drift(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 16)).astype(np.float32)
    x[150:155] = x[:5]
    names = [f"{BAD}{i}" for i in range(200)]
    path = tmp_path / "report.html"
    numbers = tamis.report(
        path, embeddings=x, names=names, splits=np.where(np.arange(200) < 100, "train", BAD),
        labelled=np.arange(20), failures=[30, 31], count=7, reference=x[:100], batch=x[100:] + 1,
    )  # fmt: skip
    page = Page(path)
    sections = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert sections == ["embeddings", "near-duplicates", "leaks", "unique", "coverage", "label",
                        "drift", "methods"]  # fmt: skip
    found = numbers["embeddings"]
    assert [[names[i], names[150 + i]] for i in range(5)] == found["groups"]
    assert len(found["leaks"]) == 5 and len(found["batch"]) == 7
    assert not {names[i] for i in range(20)} & set(found["batch"])
    assert numbers["drift"]["drifted"] is True
    assert BAD in page.said and [tag for tag, _ in page.tags].count("script") == 1
    assert tamis.report(path, embeddings=x, names=names)["embeddings"]["leaks"] is None


def test_odd_arguments(tmp_path: Path) -> None:
    path, gt, dt = tmp_path / "x.html", annotated(), annotated(1, True)
    for text, error, args, options in (
        ("give gt and results, embeddings, or reference and batch", TypeError, (), {}),
        ("gt and results must be given together", TypeError, (gt,), {}),
        ("results must have scores, model 1 has none", ValueError, (gt, gt), {}),
        ("results must be Annotations or a path, got int", TypeError, (gt, 3), {}),
        ("names must be 1, one a model, got 2", ValueError, (gt, dt), {"names": ["a", "b"]}),
        ("images must be a folder", ValueError, (gt, dt), {"images": path}),
        ("samples must be 0 or at least 2, got 1", ValueError, (gt, dt), {"samples": 1}),
        ("reference and batch must be given together", TypeError, (), {"reference": np.eye(4)}),
        ("names must have 9 rows, got 1", ValueError, (),
         {"embeddings": np.eye(9), "names": ["a"]}),
        ("names must be a list, got str", TypeError, (gt, dt), {"names": "ab"}),
        ("splits must have 9 rows, got int", TypeError, (),
         {"embeddings": np.eye(9), "splits": 3}),
        ("xy must be finite of shape (9, 2), got (9, 3)", ValueError, (),
         {"embeddings": np.eye(9), "xy": np.zeros((9, 3))}),
        ("images must be a path, got int", TypeError, (gt, dt), {"images": 3}),
        ("title must be a str, got int", TypeError, (gt, dt), {"title": 3}),
    ):  # fmt: skip
        with pytest.raises(error, match=f"^report: {re.escape(text)}"):
            tamis.report(path, *args, **options)
    with pytest.raises(FileNotFoundError):
        tamis.report(tmp_path / "none" / "x.html", gt, dt)
    assert not path.exists()


def test_one_image_one_class_and_no_detections(tmp_path: Path) -> None:
    box = np.array([[1.0, 2.0, 30.0, 40.0]])
    gt = tamis.Annotations(
        boxes=box, labels=np.array([1]), splits=np.array([0, 1]), image_ids=np.array([7]),
        classes={1: "a"},
    )  # fmt: skip
    dt = tamis.Annotations(
        boxes=box[:0], labels=np.empty(0, np.int64), splits=np.array([0, 0]),
        image_ids=np.array([7]), classes={1: "a"}, scores=np.empty(0),
    )  # fmt: skip
    numbers = tamis.report(tmp_path / "x.html", gt, dt)
    assert numbers["evaluation"]["models"][0]["stats"]["AP"] == 0
    Page(tmp_path / "x.html")


def test_masks_are_compared_as_masks(tmp_path: Path) -> None:
    gt = annotations_of_one({"segmentation": [[0, 0, 20, 0, 20, 20, 0, 20]]}, tmp_path / "gt.json")
    dt = annotations_of_one({"score": 0.9, "segmentation": [[0, 0, 20, 0, 20, 20, 0, 20]]}, None)
    (tmp_path / "dt.json").write_text(json.dumps([{**dt, "bbox": [0, 0, 40, 40]}]))
    files = tmp_path / "gt.json", tmp_path / "dt.json"
    for kind, ap in (("auto", 1), ("segm", 1), ("boundary", 1), ("bbox", 0)):
        numbers = tamis.report(tmp_path / "x.html", *files, iou_type=kind, samples=0)
        assert numbers["evaluation"]["models"][0]["stats"]["AP"] == pytest.approx(ap)
        assert ("IoU of boxes" in Page(tmp_path / "x.html").said) == (kind == "bbox")
    with pytest.raises(ValueError, match="report: iou_type must be one of auto, bbox, obb, segm"):
        tamis.report(tmp_path / "x.html", *files, iou_type="mask")
    assert gt["bbox"] == [0, 0, 20, 20]


def people(scores: bool, k: int = 17, n: int = 6) -> tamis.Annotations:
    """One person an image; of results half are far off."""
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(10, 90, (n, k, 2)), np.full((n, k, 1), 2.0)], axis=2)
    if scores:
        points[::2, :, :2] += 40
    return tamis.Annotations(
        boxes=np.tile([10.0, 10, 80, 80], (n, 1)), labels=np.ones(n, np.int64),
        splits=np.arange(n + 1), image_ids=np.arange(n), classes={1: "person"},
        image_names=tuple(FILES[:n]), image_sizes=np.full((n, 2), 100), keypoints=points,
        scores=np.linspace(0.4, 0.9, n) if scores else None,
    )  # fmt: skip


def test_keypoints_are_compared_as_keypoints(tmp_path: Path, folder: Path) -> None:
    path, gt, dt = tmp_path / "x.html", people(False), people(True)
    evaluator = tamis.DetectionEvaluator("keypoints", fmt="xywh", classes={1: "person"})
    evaluator.update(dt.preds("keypoints"), gt.targets("keypoints"))
    stats = evaluator.compute().stats
    numbers = tamis.report(path, gt, dt, dt, images=folder, samples=10)["evaluation"]
    model = numbers["models"][0]
    assert model["stats"] == {k: None if v == -1 else v for k, v in stats.items()}
    assert 0 < stats["AP"] < 1
    assert model["errors"] is None and numbers["confusion"] is None
    page = Page(path)
    sections = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert sections == [
        "summary", "comparison", "data", "curves", "classes", "errors", "sizes", "images",
        "provenance", "methods",
    ]  # fmt: skip
    assert "OKS of keypoints" in page.said and "IoU 0" not in page.said
    groups = [attrs.get("data-group") for tag, attrs in page.tags if tag == "li"]
    # the third wrong one lies below the confidence of the best F1
    assert [groups.count(word) for word in ("wrong detection", "missed")] == [2, 3]
    tamis.report(path, gt, gt_as_results(gt), samples=0)
    assert "Nothing is wrong, and nothing is missed." in Page(path).said
    tamis.report(path, people(False, k=5), people(True, k=5), samples=0)  # no COCO's points
    assert "IoU of boxes" in Page(path).said
    with pytest.raises(ValueError, match="keypoints"):
        tamis.report(path, people(False, k=5), people(True, k=5), iou_type="keypoints")


def gt_as_results(gt: tamis.Annotations) -> tamis.Annotations:
    return dataclasses.replace(gt, scores=np.full(len(gt), 0.5))


def annotations_of_one(more: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """An annotation, which a ground truth at `path` holds alone."""
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 20, 20], "area": 400}
    one |= {"iscrowd": 0, **more}
    if path is not None:
        image = {"id": 1, "file_name": "a.jpg", "height": 40, "width": 40}
        held = {"images": [image], "categories": [{"id": 1, "name": "cat"}], "annotations": [one]}
        path.write_text(json.dumps(held))
    return one


def test_the_command(tmp_path: Path, capsys: Any) -> None:
    gt, dt = annotated(names={i: f"c{i}" for i in range(1, 5)}), annotated(1, True)
    coco = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 100, "height": 100}
                   for i in range(12)],
        "categories": [{"id": i, "name": f"c{i}"} for i in range(1, 5)],
        "annotations": [
            {"id": r + 1, "image_id": int(gt.image_index[r]), "category_id": int(gt.labels[r]),
             "bbox": gt.boxes[r].tolist(), "area": float(np.prod(gt.boxes[r, 2:])), "iscrowd": 0}
            for r in range(len(gt))
        ],
    }  # fmt: skip
    found = [
        {"image_id": int(dt.image_index[r]), "category_id": int(dt.labels[r]),
         "bbox": dt.boxes[r].tolist(), "score": float(dt.scores[r])}
        for r in range(len(dt))
    ]  # fmt: skip
    paths = [str(tmp_path / name) for name in ("gt.json", "dt.json", "r.html", "r.json", "s.csv")]
    Path(paths[0]).write_text(json.dumps(coco))
    Path(paths[1]).write_text(json.dumps(found))
    rows = [f"{i},{'day' if i % 3 else 'night'}" for i in range(12)]
    Path(paths[4]).write_text("\n".join(["image_id,time", *rows]))
    options = ["-o", paths[2], "--json", paths[3], "--slices", paths[4], "--samples", "0"]
    assert main(["report", *paths[:2], *options, "--date", "a date"]) == 0
    assert capsys.readouterr().out.startswith(f"{paths[2]} (")
    numbers = json.loads(Path(paths[3]).read_text())["evaluation"]
    assert numbers["intervals"] is None
    assert {part["name"] for part in numbers["slices"]["parts"]} == {"time=day", "time=night"}
    assert "a date" in Page(paths[2]).said
    assert main(["report", paths[0], "-o", paths[2]]) == 2
    assert main(["report", *paths[:2], "--map", "x.npy", "-o", paths[2]]) == 2
    assert "--map needs --embeddings" in capsys.readouterr().err


def test_the_map_command(tmp_path: Path, capsys: Any) -> None:
    x = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    path = tmp_path / "map.json"
    options = ["--method", "pca", "-k", "4", "--draws", "1000", "-o", str(path)]
    assert main(["map", str(tmp_path / "x.npy"), *options]) == 0
    rows = json.loads(path.read_text())
    assert list(rows[0]) == ["name", "x", "y", "zcore", "uniqueness", "neighbors"]
    far, near = tamis.knn(x, 4, metric="cosine")
    assert rows[3]["neighbors"] == {"ids": near[3].tolist(), "distances": far[3].tolist()}
    np.testing.assert_array_equal([r["x"] for r in rows], tamis.map2d(x, "pca")[:, 0])


def test_without_jinja_the_error_names_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['jinja2'] = None; import numpy as np, tamis\n"
        f"try: tamis.report({str(tmp_path / 'x.html')!r}, embeddings=np.eye(4))\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "report: Jinja2 is missing: pip install tamis[report]"
