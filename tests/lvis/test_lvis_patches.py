"""Methods of LVIS that people patch are called, in a class, a subclass and an object."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest
import tamis.lvis as ours
from lvis_cases import problem


@pytest.fixture(scope="module")
def theirs() -> Any:
    pytest.importorskip("lvis.lvis", reason="lvis is not installed")  # "lvis" finds this folder
    lvis = pytest.importorskip("lvis")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "float", float, raising=False)
        yield lvis


def first_half(real: Any) -> Any:
    return lambda self, *a, **k: (ids := real(self, *a, **k))[: len(ids) // 2]


def no_negatives(real: Any) -> Any:
    return lambda self, ids: [{**img, "neg_category_ids": []} for img in real(self, ids)]


def all_rare(real: Any) -> Any:
    return lambda self, ids: [{**cat, "frequency": "r"} for cat in real(self, ids)]


def whole(real: Any) -> Any:
    box = [[0, 0, 40, 0, 40, 40, 0, 40]]
    return lambda self, ann: real(self, {**ann, "segmentation": box})


METHODS = {
    "get_ann_ids": (first_half, "bbox"),
    "load_anns": (first_half, "bbox"),
    "load_imgs": (no_negatives, "bbox"),
    "load_cats": (all_rare, "bbox"),
    "get_img_ids": (first_half, "bbox"),
    "get_cat_ids": (first_half, "bbox"),
    "ann_to_rle": (whole, "segm"),
}


def numbers(library: Any, name: str, new: Any, kind: str, how: str, files: Any) -> Any:
    real = getattr(library.LVIS, name)
    mine = new(real)
    if how == "class":
        setattr(library.LVIS, name, mine)
    try:
        gt: Any
        if how == "subclass":
            gt = type("Mine", (library.LVIS,), {name: mine})(files[0])
        else:
            gt = library.LVIS(files[0])
        if how == "instance":
            setattr(gt, name, types.MethodType(mine, gt))
        e = library.LVISEval(gt, library.LVISResults(gt, files[1]), kind)
        e.run()
        return dict(e.results)
    except Exception as error:
        return type(error).__name__
    finally:
        setattr(library.LVIS, name, real)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["class", "subclass", "instance"])
@pytest.mark.parametrize("name", METHODS)
def test_patched(theirs: Any, name: str, how: str, tmp_path: Any) -> None:
    import json

    gt, dt = problem(7, masks=METHODS[name][1] == "segm")
    files = str(tmp_path / "gt.json"), str(tmp_path / "dt.json")
    for path, content in zip(files, (gt, dt), strict=True):
        with open(path, "w") as f:
            json.dump(content, f)
    new, kind = METHODS[name]
    want = numbers(theirs, name, new, kind, how, files)
    assert numbers(ours, name, new, kind, how, files) == want
    assert want != numbers(ours, name, lambda real: real, kind, how, files)
