"""Boundaries of masks, and evaluation by them, against boundary-iou-api's definition."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import numpy as np
import pytest
import reference_masks as reference
import tamis
from coco_cases import random_problem
from conftest import data_path
from generated import examples
from hypothesis import example, given
from hypothesis import strategies as st
from lvis_cases import evaluate, problem
from tamis import Masks, lvis, mask_boundary
from tamis import coco as ours

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def one(mask: np.ndarray, ratio: float) -> np.ndarray:
    return mask_boundary(Masks.encode(mask), dilation_ratio=ratio).decode()[0]


def test_hand_cases() -> None:
    square = np.zeros((9, 9), bool)
    square[1:8, 2:7] = True
    inner = np.zeros((9, 9), bool)
    inner[2:7, 3:6] = True
    assert (one(square, 0) == (square & ~inner)).all()
    inner[:] = False
    inner[3:6, 4] = True
    assert (one(square, 2 / np.sqrt(162)) == (square & ~inner)).all()
    assert (one(square, 0.4) == square).all()
    assert (one(square, 1e300) == square).all()
    full = np.ones((4, 6), bool)  # the border is an edge
    assert one(full, 0).sum() == 24 - 8
    assert one(~full, 0).sum() == 0


def test_no_masks_and_no_pixels() -> None:
    assert len(mask_boundary(Masks.encode(np.zeros((0, 5, 5), bool)))) == 0
    for shape in ((1, 0, 5), (1, 5, 0), (1, 1, 1)):
        masks = Masks.encode(np.ones(shape, bool))
        assert mask_boundary(masks).to_coco() == masks.to_coco()


def test_empty_runs_and_counts_that_fall_short() -> None:
    """As pycocotools decodes them."""
    text = tamis._core.encode_counts(np.array([3, 0, 2, 4, 0, 2], np.uint32), np.array([0, 6]))
    masks = Masks._of(*text, np.array([[4, 5]]))
    pixels = masks._decode(4, 5)[0].T
    assert mask_boundary(masks).to_coco() == Masks.encode(pixels & (one(pixels, 0.02))).to_coco()


@pytest.mark.parametrize("threads", [1, 3])
def test_many_masks_of_many_sizes(threads: int) -> None:
    rng = np.random.default_rng(0)
    tamis.set_num_threads(threads)
    pixels = []
    for _ in range(200):
        mask = np.zeros(rng.integers(1, 70, 2), bool)
        for _ in range(rng.integers(0, 4)):
            y, x = rng.integers(0, mask.shape)
            mask[y : y + rng.integers(1, 50), x : x + rng.integers(1, 50)] ^= True
        pixels.append(mask & (rng.random(mask.shape) < rng.choice([0.98, 1])))
    objects = [Masks.encode(mask)[0] for mask in pixels]
    for ratio in (0.02, 0.1):
        got = mask_boundary(objects, dilation_ratio=ratio).to_coco()
        assert got == [Masks.encode(reference.boundary(m, ratio))[0] for m in pixels]
    tamis.set_num_threads(0)


@examples(200)
@given(
    rows=st.lists(st.integers(0, 2**12 - 1), min_size=1, max_size=20),
    ratio=st.sampled_from([0.0, 0.02, 0.08, 0.12, 0.3, 1.0]),
    invert=st.booleans(),
)
@example(rows=[2**12 - 1] * 12, ratio=0.12, invert=False)
def test_any_mask(rows: list[int], ratio: float, invert: bool) -> None:
    mask = np.array([[row >> i & 1 for i in range(12)] for row in rows], bool) ^ invert
    for pixels in (mask, mask.T):
        assert (one(pixels, ratio) == reference.boundary(pixels, ratio)).all()


def test_opencv(monkeypatch: Any) -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    for _ in range(50):
        mask = np.zeros(rng.integers(1, 200, 2), np.uint8)
        cv2.ellipse(mask, (60, 50), rng.integers(1, 99, 2).tolist(), 30.0, 0, 360, 1, -1)
        h, w = mask.shape
        padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        n = max(1, round(0.02 * np.sqrt(h**2 + w**2)))
        eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=n)[1:-1, 1:-1]
        assert (one(mask, 0.02) == (mask - eroded)).all()


def test_errors() -> None:
    more = Masks._of(
        *tamis._core.encode_counts(np.array([0, 7], np.uint32), np.array([0, 2])), [[2, 3]]
    )
    with pytest.raises(ValueError, match="mask_boundary: a mask has more pixels than its image"):
        mask_boundary(more)
    masks = Masks.encode(np.ones((2, 2), bool))
    for ratio in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="mask_boundary: dilation_ratio must be at least 0"):
            mask_boundary(masks, dilation_ratio=ratio)
    for ratio in (None, "0.02", True, [0.02]):
        with pytest.raises(TypeError, match="mask_boundary: dilation_ratio must be a number"):
            mask_boundary(masks, dilation_ratio=ratio)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="mask_boundary: masks must be Masks or a list"):
        mask_boundary(3)


# --- evaluation: the replaced libraries, given this definition ---------------------------------


def boundary_iou(mask: Any, dts: Any, gts: Any, crowd: Any) -> Any:
    """The smaller of both IoUs unless the ground truth is a crowd."""

    def edges(objects: Any) -> Any:
        pixels = [reference.boundary(mask.decode(obj).astype(bool)) for obj in objects]
        return [mask.encode(np.asfortranarray(p.astype(np.uint8))) for p in pixels]

    ious = mask.iou(dts, gts, crowd)
    if len(ious):
        regular = np.array(crowd) == 0
        of_edges = mask.iou(edges(dts), edges(gts), crowd)
        ious[:, regular] = np.minimum(ious, of_edges)[:, regular]
    return ious


def run(coco: Any, evaluator: Any, gt: Any, dt: Any, kind: str, **more: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco(gt)
        e = evaluator(truth, truth.loadRes(dt), kind, **more)
        e.evaluate()
        e.accumulate()
        e.summarize()
    return e


def coco_files(folder: Any, seed: int) -> tuple[str, str]:
    """Masks of boxes in images of 90 x 120 pixels."""
    case = random_problem(seed, n_images=4, per_image=10)
    for img in case.gt["images"]:
        img["height"], img["width"] = 90, 120
    for ann in (*case.gt["annotations"], *case.dt):
        x, y, w, h = (float(v) for v in np.abs(ann.pop("bbox")))
        x, y, w, h = x % 80, y % 60, w % 60 + 1, h % 60 + 1
        box = Masks.from_polygons([[[x, y, x + w, y, x + w, y + h, x, y + h]]], (90, 120))[0]
        ann["segmentation"] = {"size": box["size"], "counts": box["counts"].decode()}
        if "iscrowd" in ann:
            ann["bbox"] = [x, y, w, h]
    for name, content in (("gt", case.gt), ("dt", case.dt)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return str(folder / "gt.json"), str(folder / "dt.json")


def pycocotools_with_boundaries() -> tuple[Any, Any]:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    mask = pytest.importorskip("pycocotools.mask")

    class Evaluator(cocoeval.COCOeval):  # type: ignore[misc, name-defined]
        def computeIoU(self, image: Any, category: Any) -> Any:
            gts, dts = self._gts[image, category], self._dts[image, category]
            if not gts and not dts:
                return []
            order = np.argsort([-d["score"] for d in dts], kind="mergesort")
            dts = [dts[i] for i in order[: self.params.maxDets[-1]]]
            sides = [[ann["segmentation"] for ann in side] for side in (dts, gts)]
            return boundary_iou(mask, *sides, [int(g["iscrowd"]) for g in gts])

    return coco.COCO, Evaluator


def assert_same_evaluation(a: Any, b: Any) -> None:
    for key in ("precision", "recall", "scores"):
        assert a.eval[key].tobytes() == b.eval[key].tobytes()
    assert list(a.stats) == list(b.stats)
    assert a.ious.keys() == b.ious.keys()
    for key, iou in a.ious.items():
        assert np.asarray(iou).tobytes() == np.asarray(b.ious[key]).tobytes()


@pytest.mark.parametrize("seed", range(4))
def test_cocoeval(seed: int, tmp_path: Any) -> None:
    gt, dt = coco_files(tmp_path, seed)
    wanted = run(*pycocotools_with_boundaries(), gt, dt, "segm")
    got = run(ours.COCO, ours.COCOeval, gt, dt, "boundary")
    assert got._plain is not None
    assert_same_evaluation(got, wanted)

    class Walked(ours.COCOeval):
        def evaluateImg(self, *args: Any) -> Any:
            return super().evaluateImg(*args)

    assert_same_evaluation(run(ours.COCO, Walked, gt, dt, "boundary"), wanted)
    wide = run(ours.COCO, ours.COCOeval, gt, dt, "boundary", dilation_ratio=10.0)
    assert_same_evaluation(wide, run(ours.COCO, ours.COCOeval, gt, dt, "segm"))


def test_the_published_masks_of_coco() -> None:
    gt = str(data_path("cocoapi_val2014_100", "instances_val2014_100.json"))
    dt = str(data_path("cocoapi_val2014_100", "instances_val2014_fakesegm100_results.json"))
    wanted = run(*pycocotools_with_boundaries(), gt, dt, "segm")
    assert_same_evaluation(run(ours.COCO, ours.COCOeval, gt, dt, "boundary"), wanted)


def test_lviseval(monkeypatch: Any, tmp_path: Any) -> None:
    mask = pytest.importorskip("pycocotools.mask")

    class Evaluator(lvis.LVISEval):
        """The object path, by the definition."""

        def compute_iou(self, image: Any, category: Any) -> Any:
            gts, dts = self._get_gt_dt(image, category)
            dts = sorted(dts, key=lambda d: -d["score"])
            sides = [[ann["segmentation"] for ann in side] for side in (dts, gts)]
            return boundary_iou(mask, *sides, [0] * len(gts))

    for seed in range(3):
        gt, dt = problem(seed, masks=True)
        wanted, _ = evaluate(lvis, gt, dt, "segm", tmp_path, subclass=lambda base: Evaluator)
        got, _ = evaluate(lvis, gt, dt, "boundary", tmp_path)
        assert wanted._plain is None and got._plain is not None
        assert got.eval["precision"].tobytes() == wanted.eval["precision"].tobytes()
        assert got.results == wanted.results


def test_only_pairs_that_may_match_need_boundaries(monkeypatch: Any) -> None:
    from tamis.regions import mask_iou

    asked, make = [], mask_iou.mask_boundary
    monkeypatch.setattr(
        mask_iou,
        "mask_boundary",
        lambda masks, **how: asked.append(len(masks)) or make(masks, **how),
    )
    boxes = np.array([[0.0, 0, 30, 30], [2, 2, 30, 30], [20, 20, 30, 30], [60, 60, 30, 30]])
    masks = tamis.Masks.from_boxes(boxes, (100, 100))
    evaluator = tamis.DetectionEvaluator("boundary")
    targets = {"masks": masks, "labels": [1, 1, 1, 2], "iscrowd": [0, 0, 0, 0]}
    evaluator.update({"masks": masks[:1], "labels": [1], "scores": [0.5]}, targets)
    assert 0 < evaluator.compute().stats["AP50"] < 1
    assert asked == [1, 2]  # the third target overlaps too little, the last is of another class
