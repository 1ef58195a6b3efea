"""What people change in pycocotools' objects: methods, parameters, sides. The same numbers."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import types
from typing import Any

import numpy as np
import pytest
import tamis.coco

pytest.importorskip("pycocotools")
pytest.importorskip("torch")
import pycocotools.coco
import pycocotools.cocoeval
import pycocotools.mask
import torch

THEIRS = types.SimpleNamespace(
    COCO=pycocotools.coco.COCO,
    COCOeval=pycocotools.cocoeval.COCOeval,
    Params=pycocotools.cocoeval.Params,
    mask=pycocotools.mask,
)


def square(x: float, y: float, s: float) -> list[float]:
    return [x, y, x + s, y, x + s, y + s, x, y + s]


def data() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rng = np.random.default_rng(11)
    anns, results = [], []
    for i in range(1, 61):
        x, y, s = [*rng.uniform(1, 60, 2).round(1).tolist(), float(rng.integers(5, 30))]
        crowd = int(rng.random() < 0.2)
        of = {"image_id": int(rng.integers(1, 9)), "category_id": int(rng.integers(1, 4))}
        anns.append(
            {"id": i, **of, "bbox": [x, y, s, s], "area": s * s, "iscrowd": crowd,
             "segmentation": [square(x, y, s)]}
        )  # fmt: skip
        results.append({**of, "bbox": [x + 1, y, s, s], "score": round(float(rng.random()), 2)})
    images = [{"id": i, "width": 100, "height": 100} for i in range(1, 9)]
    gt = {"images": images, "annotations": anns, "categories": [{"id": i} for i in range(1, 4)]}
    return gt, results


@pytest.fixture
def files(tmp_path: Any) -> tuple[str, str]:
    gt, dt = data()
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    (tmp_path / "dt.json").write_text(json.dumps(dt))
    return str(tmp_path / "gt.json"), str(tmp_path / "dt.json")


def numbers(
    library: Any, gt: Any, dt: Any, kind: str = "bbox", change: Any = None, results: Any = None
) -> Any:
    """Stats, or the error, of results against a ground truth; either may be a `COCO` already."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            gt = library.COCO(gt) if isinstance(gt, str) else gt
            e = library.COCOeval(gt, gt.loadRes(dt) if results is None else results, kind)
            if change is not None:
                change(e)
            e.evaluate()
            e.accumulate()
            e.summarize()
        except Exception as error:
            return type(error).__name__
    return e.stats.tolist()


@contextlib.contextmanager
def patched(owner: Any, name: str, new: Any) -> Any:
    real = getattr(owner, name)
    setattr(owner, name, new(real))
    try:
        yield
    finally:
        setattr(owner, name, real)


def no_crowds(real: Any) -> Any:
    return lambda self, imgIds=[], catIds=[], areaRng=[], iscrowd=None: real(
        self, imgIds, catIds, areaRng, 0
    )


def every_other(real: Any) -> Any:
    return lambda self, ids=[]: real(self, ids)[::2]


def whole_image(real: Any) -> Any:
    return lambda self, ann: real(self, {**ann, "segmentation": [square(0, 0, 90)]})


def all_but_two(real: Any) -> Any:
    return lambda self, *of, **named: real(self, *of, **named)[2:]


METHODS = [
    ("getImgIds", all_but_two, "bbox"),
    ("getCatIds", all_but_two, "bbox"),
    ("getAnnIds", no_crowds, "bbox"),
    ("getAnnIds", no_crowds, "segm"),
    ("loadAnns", every_other, "bbox"),
    ("annToRLE", whole_image, "segm"),
]


@pytest.mark.parametrize("how", ["class", "subclass", "instance"])
@pytest.mark.parametrize(("name", "new", "kind"), METHODS)
def test_methods_of_coco(name, new, kind, how, files):
    def run(library: Any, changed: bool) -> Any:
        real = getattr(library.COCO, name)
        mine = new(real) if changed else real
        if how == "class":
            with patched(library.COCO, name, lambda _: mine):
                return numbers(library, *files, kind)
        if how == "subclass":
            gt: Any = type("Mine", (library.COCO,), {name: mine})(files[0])
        else:
            gt = library.COCO(files[0])
            if changed:
                setattr(gt, name, types.MethodType(mine, gt))
        return numbers(library, gt, files[1], kind)

    want = run(THEIRS, True)
    assert want != run(THEIRS, False)
    assert run(tamis.coco, True) == want


@pytest.mark.parametrize("dicts", [False, True])
def test_annotations_drawn_otherwise_on_both_sides(dicts, files):
    def run(library: Any) -> Any:
        with patched(library.COCO, "annToRLE", whole_image):
            return numbers(library, files[0], data()[1] if dicts else files[1], "segm")

    assert run(tamis.coco) == run(THEIRS)


@pytest.mark.parametrize(
    ("name", "new", "kind"),
    [
        ("iou", lambda real: lambda d, g, crowd: np.ones((len(d), len(g))), "bbox"),
        ("iou", lambda real: lambda d, g, crowd: np.ones((len(d), len(g))), "segm"),
        ("merge", lambda real: lambda rles, *more: tamis.coco.mask.encode(HALF), "segm"),
    ],
)
def test_functions_of_the_mask_module(name, new, kind, files):
    assert numbers(THEIRS, *files, kind) == numbers(tamis.coco, *files, kind)
    with patched(pycocotools.mask, name, new), patched(tamis.coco.mask, name, new):
        assert numbers(tamis.coco, *files, kind) == numbers(THEIRS, *files, kind)


HALF = np.asfortranarray(np.repeat([[0] * 50 + [1] * 50], 100, axis=0).astype(np.uint8))


@pytest.mark.parametrize("how", ["class", "subclass", "instance"])
def test_own_conversion_of_arrays(how, files, capsys):
    rows = np.array([[1, 1, 1, 5, 5, 0.5, 1], [2, 2, 2, 5, 5, 0.5, 1]])
    real = tamis.coco.COCO.loadNumpyAnnotations

    def first(self: Any, rows: Any) -> Any:
        return real(self, rows)[:1]

    if how == "class":
        with patched(tamis.coco.COCO, "loadNumpyAnnotations", lambda _: first):
            results = tamis.coco.COCO(files[0]).loadRes(rows)
    elif how == "subclass":
        kind = type("Mine", (tamis.coco.COCO,), {"loadNumpyAnnotations": first})
        results = kind(files[0]).loadRes(rows)
    else:
        gt = tamis.coco.COCO(files[0])
        vars(gt)["loadNumpyAnnotations"] = types.MethodType(first, gt)
        results = gt.loadRes(rows)
    assert len(results.anns) == 1


def test_sides_of_any_origin(files):
    gt, dt = data()
    scored = copy.deepcopy(gt)
    for ann, result in zip(scored["annotations"], dt, strict=True):
        ann["score"] = result["score"]
    with open(files[0], "w") as f:
        json.dump(scored, f)

    def sides(library: Any) -> list[Any]:
        out = []
        for kind in ("bbox", "segm"):
            one, other = library.COCO(files[0]), library.COCO(files[0])
            results = one.loadRes(files[1])
            out += [
                numbers(library, one, None, kind, results=other),
                numbers(library, one, None, kind, results=one),
                numbers(library, results, None, kind, results=results),
                numbers(library, results, None, kind, results=one),
                numbers(library, other, None, kind, results=results),
            ]
        return out

    with contextlib.redirect_stdout(io.StringIO()):
        want, got = sides(THEIRS), sides(tamis.coco)
    assert all(isinstance(stats, list) for stats in want)
    assert got == want


def own_params(params: Any, like: Any) -> Any:
    for name in ("imgIds", "catIds"):
        setattr(params, name, getattr(like, name))
    return params


@pytest.mark.parametrize("library", [THEIRS, tamis.coco], ids=["theirs", "ours"])
def test_parameters_of_another_class(library, files):
    class Own(library.Params):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__("bbox")
            self.iouThrs = np.array([0.5, 0.75])

    def replace(make: Any) -> Any:
        return lambda e: setattr(e, "params", own_params(make(e), e.params))

    plain = numbers(tamis.coco, *files)
    for make in (
        lambda e: pycocotools.cocoeval.Params("bbox"),
        lambda e: types.SimpleNamespace(**vars(e.params)),
    ):
        assert numbers(tamis.coco, *files, change=replace(make)) == plain
    want = numbers(THEIRS, *files, change=replace(lambda e: Own()))
    assert numbers(tamis.coco, *files, change=replace(lambda e: Own())) == want


def settings(**params: Any) -> Any:
    return lambda e: [setattr(e.params, name, value) for name, value in params.items()]


@pytest.mark.parametrize(
    "params",
    [
        {"useCats": 0, "catIds": {1, 2, 3}},
        {"useCats": 0, "catIds": (3, 1)},
        {"useCats": 0, "catIds": {3: "c", 2: "b"}.keys()},
        {"useCats": 0, "catIds": np.array([2, 1])},
        {"useCats": 0, "catIds": [2, 2]},
        {"catIds": (3, 1, 1)},
        {"catIds": np.array([2.0, 1.0])},
        {"catIds": torch.tensor([1, 2])},
        {"imgIds": torch.tensor([4, 2, 2])},
        {"imgIds": (5, 1)},
        {"imgIds": np.array([5.0, 1.0])},
        {"imgIds": [1.5, 2]},
        {"imgIds": ["1", "2"]},
        {"imgIds": {1, 2}},
        {"imgIds": 3},
        {"imgIds": []},
        {"maxDets": [1, 10, 10**20]},
        {"maxDets": (100, 1, 10)},
        {"maxDets": np.array([1, 10, 100])},
        {"maxDets": [1, 10, 100.0]},
        {"iouThrs": torch.tensor([0.5, 0.75])},
        {"areaRng": ((0, 1e10), (0, 100), (100, 400), (400, 1e10))},
    ],
    ids=repr,
)
def test_parameters_of_any_type(params, files):
    want = numbers(THEIRS, *files, change=settings(**params))
    assert numbers(tamis.coco, *files, change=settings(**params)) == want


def test_the_cap_is_shown_as_it_was_set(files):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = tamis.coco.COCO(files[0])
        e = tamis.coco.COCOeval(gt, gt.loadRes(files[1]), "bbox")
        e.params.maxDets = [1, 10**20]
        e.evaluate()
    assert {record["maxDet"] for record in e.evalImgs if record} == {10**20}


@pytest.mark.parametrize(
    "ids",
    [
        torch.tensor([1, 2]),
        [torch.tensor(1)],
        np.array([1, 2]),
        np.array([1.0, 3.5]),
        (2, 3),
        {1, 3},
        {1: 0}.keys(),
        range(1, 3),
        [np.int64(1), 2.0],
        2,
        ["1"],
    ],
    ids=repr,
)
def test_ids_of_any_type(ids, files, capsys):
    want, got = THEIRS.COCO(files[0]), tamis.coco.COCO(files[0])
    for name, key in (("getAnnIds", "catIds"), ("getAnnIds", "imgIds"), ("getCatIds", "catIds")):
        assert getattr(got, name)(**{key: ids}) == getattr(want, name)(**{key: ids})


MUTATIONS = {
    "crowd set in anns": lambda gt: gt.anns[3].update(iscrowd=1),
    "area in dataset": lambda gt: gt.dataset["annotations"][0].update(area=1e9),
    "image dropped from imgs": lambda gt: gt.imgs.pop(2),
    "annotations dropped from imgToAnns": lambda gt: gt.imgToAnns.pop(2),
    "catToImgs emptied": lambda gt: gt.catToImgs.clear(),
    "category dropped": lambda gt: gt.cats.pop(1),
    "annotations filtered": lambda gt: (
        gt.dataset.update(annotations=gt.dataset["annotations"][::2]),
        gt.createIndex(),
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_edited_ground_truths(mutation, files):
    def run(library: Any, dt: Any) -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            gt = library.COCO(files[0])
            MUTATIONS[mutation](gt)
        return numbers(library, gt, dt)

    assert run(tamis.coco, files[1]) == run(THEIRS, files[1])
    assert run(tamis.coco, data()[1]) == run(THEIRS, data()[1])


def test_flags_are_written_where_pycocotools_writes_them(files, capsys):
    def flags(library: Any, change: Any) -> Any:
        gt = library.COCO(files[0])
        e = library.COCOeval(gt, gt.loadRes(files[1]), "bbox")
        change(e)
        for _ in range(2):
            e.evaluate()
        return {i: ann.get("ignore", "none") for i, ann in gt.anns.items()}

    for change in (settings(), settings(imgIds=[1, 2]), settings(imgIds=[3], catIds=[1])):
        assert flags(tamis.coco, change) == flags(THEIRS, change)


def test_a_class_that_never_calls_our_constructor(files, capsys):
    class Own(tamis.coco.COCO):
        def __init__(self, dataset: Any) -> None:
            self.dataset = dataset
            self.createIndex()

    gt, dt = data()
    plain = numbers(tamis.coco, *files)
    for coco in (Own(gt), copy.deepcopy(Own(gt)), copy.copy(Own(gt))):
        assert numbers(tamis.coco, coco, dt) == plain
