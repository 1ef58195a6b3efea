"""The compiled functions, called without Python's checks: bad offsets, indices and sizes raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tamis
from tamis import _core

N = 6
BOXES, TURNED = np.tile([0.0, 0, 9, 9], (N, 1)), np.tile([5.0, 5, 9, 9, 30], (N, 1))
SPLITS, PAIRS = np.array([0, 2, 6]), np.array([0, 4, 20])
NONE, FLAGS = np.empty(0, np.int64), np.zeros(N, np.uint8)
CODES, ROWS = np.zeros(N, np.int32), np.arange(N)
MASKS = tamis.Masks.encode(np.ones((N, 3, 4), bool))
TEXT = MASKS.text, MASKS.splits, MASKS.size
X = np.random.default_rng(0).normal(size=(N, 3))
POINTS = np.ones((N, 17, 3))
F32 = np.ones((2, 3), np.float32)


def knn(**change: Any) -> Any:
    options = dict(
        x=X, scale=None, offset=None, queries=None, query_scale=None, k=2, radius=0.0, dots=False,
        mean=np.zeros(3), gain=1.0, codes=False, ordered=False, basis=None,
    )  # fmt: skip
    return _core.KnnSearch(**{**options, **change})


def zcore(dims: Any, points: Any, k: int = 2) -> Any:
    run = _core.ZcoreRun64(_core.ZcoreTable64(X, 2), 2, 4.0, k)
    run.add(dims, points)
    return run


def oks(det_splits: Any = SPLITS, det_index: Any = None, out: int = 20) -> None:
    _core.oks(
        det=POINTS, det_index=det_index, det_splits=det_splits, gt=POINTS, gt_boxes=BOXES,
        gt_area=np.ones(N), gt_index=None, gt_splits=SPLITS, variances=np.ones(17), least=0.0,
        exp=lambda terms: None, out=np.empty(out),
    )  # fmt: skip


def match(index: Any = ROWS, category: Any = CODES, gt_image: Any = CODES, images: int = 1,
          similarity: Any = None, claims: Any = None) -> Any:  # fmt: skip
    return _core.match_detections(
        index=index, det_category=category, det_image=CODES, det_boxes=BOXES, det_claims=claims,
        gt_category=CODES, gt_image=gt_image, gt_boxes=BOXES, gt_crowd=FLAGS,
        gt_ignore=FLAGS[None], thresholds=np.array([0.5]), n_categories=1, n_images=images,
        similarity=similarity,
    )  # fmt: skip


def average_precision(**change: Any) -> None:
    problem = dict(
        splits=np.array([0, N]), rank=CODES, index=ROWS, score=np.ones(N), outside=FLAGS[None],
        row=CODES, first=np.array([0, 1]), gt=np.zeros(1, np.int32),
        at=np.ones((1, 1, 1), np.uint64), gt_ignore=FLAGS[None, :1], gt_counts=None,
        n_regular=np.ones((1, 1), np.int64), max_dets=np.array([100]),
        recall_thresholds=np.array([0.5]),
        precision=np.empty((1, 1, 1, 1, 1)), recall=np.empty((1, 1, 1, 1)),
        scores=np.empty((1, 1, 1, 1, 1)),
    )  # fmt: skip
    _core.average_precision(**{**problem, **change})


def errors(det: Any = ROWS, det_splits: Any = SPLITS, similarity: Any = None) -> None:
    kinds = dict(kind="i1", ignored="u1", fixes="u1", target="i8", gt_state="i1")
    boxes = None if similarity is not None else BOXES
    _core.detection_errors(
        det=det, det_splits=det_splits, gt=ROWS, gt_splits=SPLITS, det_label=CODES, gt_label=CODES,
        det_boxes=boxes, gt_boxes=boxes, gt_crowd=FLAGS, similarity=similarity, foreground=0.5,
        background=0.1, **{name: np.empty(N, dtype) for name, dtype in kinds.items()},
    )  # fmt: skip


def fiftyone(
    pair_gts: Any = NONE, pair_splits: Any = None, rule: int = 0, dets: Any = BOXES
) -> None:
    starts = np.zeros(N + 1, np.int64) if pair_splits is None else pair_splits
    _core.fiftyone_match(
        rule=rule, max_dets=100, thresholds=np.array([0.5]), det_splits=SPLITS, det_boxes=dets,
        det_labels=CODES, det_groups=CODES, confidence=np.ones(N), gt_splits=SPLITS,
        gt_boxes=BOXES, gt_labels=CODES, gt_groups=CODES, crowd=FLAGS, given=np.zeros(2, np.uint8),
        pair_splits=starts, pair_gts=pair_gts.astype(np.int32), pair_iou=np.zeros(len(pair_gts)),
    )  # fmt: skip


def masks(function: str, *rest: Any, text: Any = TEXT) -> Any:
    return getattr(_core, function)(*text, *rest)


def mask_iou(
    a_splits: Any = SPLITS, *, crowd: Any = None, a_index: Any = None, out: int = 20
) -> None:
    _core.mask_iou_batched(
        a_text=TEXT[0], a_text_splits=TEXT[1], a_size=TEXT[2], b_text=TEXT[0],
        b_text_splits=TEXT[1], b_size=TEXT[2], crowd=crowd, a_index=a_index, a_splits=a_splits,
        b_index=None, b_splits=SPLITS, a_boxes=None, least=0.0, out=np.empty(out),
    )  # fmt: skip


def duplicates(kind: str, **change: Any) -> None:
    shapes: dict[str, Any] = dict(
        boxes=dict(format=0, boxes=BOXES),
        rotated_boxes=dict(boxes=TURNED),
        masks=dict(text=TEXT[0], text_splits=TEXT[1], size=TEXT[2]),
    )
    problem = dict(
        method=0, threshold=0.5, splits=SPLITS, labels=NONE, scores=np.empty(0), crowd=FLAGS[:0]
    )
    getattr(_core, f"find_duplicate_{kind}")(**{**shapes[kind], **problem, **change})


def bad_splits() -> list[Any]:
    return [
        np.array(s) for s in ([0, 2, 7], [0, 7, 6], [-1, 2, 6], [0, 2, 5], [1, 2, 6], [0, 2**62, 6])
    ]


OF_SPLITS: dict[str, Callable[[Any], Any]] = {
    "box_iou_batched": lambda s: _core.box_iou_batched(
        0, 0, BOXES, s, BOXES, SPLITS, PAIRS, np.empty(20)
    ),
    "rotated": lambda s: _core.rotated_box_iou_batched(
        0, TURNED, SPLITS, TURNED, s, PAIRS, np.empty(20)
    ),
    "max_iou": lambda s: _core.max_iou(0, BOXES, s, CODES[:0], np.empty(N)),
    "max_iou_between": lambda s: _core.max_iou_between(
        0, BOXES, SPLITS, CODES[:0], BOXES, s, CODES[:0], np.empty(N)
    ),
    "find_duplicate_boxes": lambda s: duplicates("boxes", splits=s),
    "find_duplicate_rotated_boxes": lambda s: duplicates("rotated_boxes", splits=s),
    "find_duplicate_masks": lambda s: duplicates("masks", splits=s),
    "oks": oks,
    "detection_errors": lambda s: errors(det_splits=s),
    "average_precision": lambda s: average_precision(splits=s),
    "mask_iou_batched": mask_iou,
}


@pytest.mark.parametrize("name", OF_SPLITS)
def test_splits_must_fit_the_rows(name: str) -> None:
    for splits in [*bad_splits(), NONE]:
        with pytest.raises(ValueError, match=r"offset|splits|fit|differ|as many images"):
            OF_SPLITS[name](splits)


BAD: dict[str, Callable[[], Any]] = {
    "box_iou kind": lambda: _core.box_iou(5, 0, BOXES, BOXES, np.empty((N, N))),
    "box_iou format": lambda: _core.box_iou(0, -1, BOXES, BOXES, np.empty((N, N))),
    "box_iou out": lambda: _core.box_iou(0, 0, BOXES, BOXES, np.empty((N, 1))),
    "box_iou width": lambda: _core.box_iou(0, 0, TURNED, BOXES, np.empty((N, N))),
    "box_iou_paired": lambda: _core.box_iou_paired(0, 0, BOXES, BOXES[:2], np.empty(N)),
    "box_iou_batched out": lambda: _core.box_iou_batched(
        0, 0, BOXES, SPLITS, BOXES, SPLITS, PAIRS, np.empty(19)
    ),
    "box_iou_batched out_splits": lambda: _core.box_iou_batched(
        0, 0, BOXES, SPLITS, BOXES, SPLITS, np.array([0, 16, 20]), np.empty(20)
    ),
    "first_bad_box": lambda: _core.first_bad_box(BOXES[:, :2].copy()),
    "rotated kind": lambda: _core.rotated_box_iou(2, TURNED, TURNED, np.empty((N, N))),
    "max_iou labels": lambda: _core.max_iou(0, BOXES, SPLITS, CODES[:2], np.empty(N)),
    "max_iou out": lambda: _core.max_iou(0, BOXES, SPLITS, CODES, np.empty(2)),
    "max_iou one side's labels": lambda: _core.max_iou_between(
        0, BOXES, SPLITS, CODES, BOXES, SPLITS, CODES[:0], np.empty(N)
    ),
    "duplicates method": lambda: duplicates("boxes", method=3),
    "duplicates labels": lambda: duplicates("boxes", labels=ROWS[:2]),
    "oks index": lambda: oks(det_index=np.array([0, 1, 2, 3, 4, 6])),
    "oks out": lambda: oks(out=19),
    "find_positions known": lambda: _core.find_positions(ROWS, ROWS[::-1].copy(), CODES.copy()),
    "order category": lambda: _core.order_detections(CODES + 9, CODES, np.ones(N), 1, 1, 100),
    "order image": lambda: _core.order_detections(CODES, CODES + 1, np.ones(N), 1, 1, 100),
    "order counts": lambda: _core.order_detections(CODES[:0], CODES[:0], np.ones(0), -1, 1, 100),
    "outside index": lambda: _core.find_outside(
        np.ones(N), ROWS + 1, np.ones((1, 2)), FLAGS[None].copy()
    ),
    "outside out": lambda: _core.find_outside(
        np.ones(N), None, np.ones((2, 2)), FLAGS[None].copy()
    ),
    "pair_groups index": lambda: _core.pair_groups(
        ROWS + 1, CODES, CODES, CODES, CODES, FLAGS, 1, 1
    ),
    "match index": lambda: match(index=ROWS - 1),
    "match category": lambda: match(category=CODES + 1),
    "match image": lambda: match(gt_image=CODES + 1),
    "match n_images": lambda: match(images=0),
    "match similarity": lambda: match(similarity=np.ones(N * N - 1)),
    "match claims": lambda: match(claims=FLAGS[:2]),
    "curves index": lambda: average_precision(index=ROWS + 1),
    "curves row": lambda: average_precision(row=CODES + 1),
    "curves first": lambda: average_precision(first=np.array([0, 2])),
    "curves gt": lambda: average_precision(gt=np.ones(1, np.int32)),
    "curves n_regular": lambda: average_precision(n_regular=np.full((1, 1), -1)),
    "curves words": lambda: average_precision(at=np.ones((1, 1, 2), np.uint64)),
    "errors det": lambda: errors(det=ROWS + 1),
    "errors similarity": lambda: errors(similarity=np.ones(19)),
    "fiftyone pair": lambda: fiftyone(np.array([N]), np.array([0, *[1] * N])),
    "fiftyone pair splits": lambda: fiftyone(np.array([0, 0]), np.array([0, 5, *[2] * (N - 1)])),
    "fiftyone rule": lambda: fiftyone(rule=2),
    "fiftyone boxes": lambda: fiftyone(dets=BOXES[:2]),
    "masks text": lambda: masks("first_bad_mask", text=(MASKS.text[:3], *TEXT[1:])),
    "masks splits": lambda: masks("first_bad_mask", text=(TEXT[0], TEXT[1][::-1].copy(), TEXT[2])),
    "take_masks": lambda: masks("take_masks", np.array([N])),
    "merge_masks": lambda: _core.merge_masks(
        *TEXT, np.array([0, N + 1]), intersect=False, out_size=np.empty((1, 2), np.int64)
    ),
    "mask_boundaries": lambda: masks("mask_boundaries", np.full(N, -1)),
    "encode_counts": lambda: _core.encode_counts(np.ones(3, np.uint32), np.array([0, 4])),
    "polygon_masks": lambda: _core.polygon_masks(np.ones(8), np.array([0, 9]), np.array([[5, 5]])),
    "mask_iou index": lambda: mask_iou(a_index=ROWS + 1),
    "mask_iou crowd": lambda: mask_iou(crowd=FLAGS[:1]),
    "knn k": lambda: knn(k=N),
    "knn no queries": lambda: knn(queries=X[:0]),
    "knn one scale": lambda: knn(scale=np.ones(N)),
    "knn basis": lambda: knn(basis=np.ones((3, 2), np.float32)),
    "knn leading": lambda: knn(codes=True, leading=3),
    "knn leading without codes": lambda: knn(leading=2),
    "project_rows": lambda: _core.project_rows(F32, F32, np.empty((2, 3), np.float32)),
    "knn outputs": lambda: knn().write_neighbours(np.empty((1, 2)), np.empty((1, 2), np.int64)),
    "knn balls": lambda: knn().set_balls(np.ones(N + 1)),
    "knn balls of queries": lambda: knn(queries=X).set_balls(np.ones(N)),
    "knn held": lambda: knn().write_held(FLAGS.copy()),
    "greedy_keep": lambda: _core.greedy_keep(np.array([[0, N]]), FLAGS.copy()),
    "nearest_kept": lambda: _core.nearest_kept(
        np.array([[0, -1]]), np.ones(1), FLAGS, ROWS.copy(), np.ones(N)
    ),
    "group_pairs": lambda: _core.group_pairs(np.array([[0, 10**9]]), ROWS.copy()),
    "zcore dims": lambda: zcore(np.array([[0, 3]], np.int32), np.ones((1, 2))),
    "zcore k": lambda: zcore(np.array([[0]], np.int32), np.ones((1, 1))),
    "zcore k of the table": lambda: zcore(np.empty((0, 9), np.int32), np.empty((0, 9)), k=9),
    "zcore sums": lambda: zcore(np.empty((0, 2), np.int32), np.empty((0, 2))).write(
        np.empty(2, np.int64)
    ),
    "zcore_draws": lambda: _core.zcore_draws(
        np.ones(3), np.ones(2), np.ones(3), 0, 0, np.empty((1, 3), np.int32), np.empty((1, 3))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_leads_outside_raises(name: str) -> None:
    with pytest.raises(ValueError, match=":"):
        BAD[name]()


def test_the_same_calls_without_a_fault() -> None:
    oks()
    match()
    match(similarity=np.ones(N * N))
    average_precision()
    errors()
    errors(similarity=np.ones(20))
    fiftyone()
    zcore(np.array([[0, 2]], np.int32), np.ones((1, 2))).write(np.empty(N, np.int64))
    search = knn()
    search.run()
    keys, found = np.empty((N, 2)), np.empty((N, 2), np.int64)
    search.write_neighbours(keys, found)
    np.testing.assert_array_equal(found, tamis.knn(X, 2)[1])
    with pytest.raises(ValueError, match="runs once"):
        search.run()
    for name, splits in (("box_iou_batched", SPLITS), ("max_iou", SPLITS), ("oks", SPLITS)):
        OF_SPLITS[name](splits)
