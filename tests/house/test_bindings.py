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
        POINTS, det_index, det_splits, POINTS, BOXES, np.ones(N), None, SPLITS, np.ones(17), 0.0,
        lambda terms: None, np.empty(out),
    )  # fmt: skip


def match(index: Any = ROWS, category: Any = CODES, gt_image: Any = CODES, images: int = 1,
          similarity: Any = None, claims: Any = None) -> Any:  # fmt: skip
    return _core.match_detections(
        index, category, CODES, BOXES, claims, CODES, gt_image, BOXES, FLAGS, FLAGS[None],
        np.array([0.5]), 1, images, similarity,
    )  # fmt: skip


def average_precision(**change: Any) -> None:
    problem = dict(
        splits=np.array([0, N]), rank=CODES, index=ROWS, score=np.ones(N), outside=FLAGS[None],
        row=CODES, first=np.array([0, 1]), gt=np.zeros(1, np.int32),
        at=np.ones((1, 1, 1), np.uint64), gt_ignore=FLAGS[None, :1], counts=None,
        n_regular=np.ones((1, 1), np.int64), max_dets=np.array([100]), recalls=np.array([0.5]),
        precision=np.empty((1, 1, 1, 1, 1)), recall=np.empty((1, 1, 1, 1)),
        scores=np.empty((1, 1, 1, 1, 1)),
    )  # fmt: skip
    assert set(change) <= set(problem)
    _core.average_precision(*{**problem, **change}.values())


def errors(det: Any = ROWS, det_splits: Any = SPLITS, similarity: Any = None) -> None:
    out = [np.empty(N, dtype) for dtype in ("i1", "u1", "u1", "i8", "i1")]
    boxes = (None, None) if similarity is not None else (BOXES, BOXES)
    _core.detection_errors(
        det, det_splits, ROWS, SPLITS, CODES, CODES, *boxes, FLAGS, similarity, 0.5, 0.1, *out
    )


def fiftyone(
    pair_gts: Any = NONE, pair_splits: Any = None, rule: int = 0, dets: Any = BOXES
) -> None:
    starts = np.zeros(N + 1, np.int64) if pair_splits is None else pair_splits
    _core.fiftyone_match(
        rule, 100, np.array([0.5]), SPLITS, dets, CODES, CODES, np.ones(N), SPLITS, BOXES, CODES,
        CODES, FLAGS, np.zeros(2, np.uint8), starts, pair_gts.astype(np.int32),
        np.zeros(len(pair_gts)),
    )  # fmt: skip


def masks(function: str, *rest: Any, text: Any = TEXT) -> Any:
    return getattr(_core, function)(*text, *rest)


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
    "find_duplicate_boxes": lambda s: _core.find_duplicate_boxes(
        0, 0.5, 0, BOXES, s, NONE, np.empty(0), FLAGS[:0]
    ),
    "find_duplicate_rotated_boxes": lambda s: _core.find_duplicate_rotated_boxes(
        0, 0.5, TURNED, s, NONE, np.empty(0), FLAGS[:0]
    ),
    "find_duplicate_masks": lambda s: _core.find_duplicate_masks(
        0, 0.5, *TEXT, s, NONE, np.empty(0), FLAGS[:0]
    ),
    "oks": oks,
    "detection_errors": lambda s: errors(det_splits=s),
    "average_precision": lambda s: average_precision(splits=s),
    "mask_iou_batched": lambda s: _core.mask_iou_batched(
        *TEXT, *TEXT, None, None, s, None, SPLITS, None, 0.0, np.empty(20)
    ),
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
    "duplicates method": lambda: _core.find_duplicate_boxes(
        3, 0.5, 0, BOXES, SPLITS, NONE, np.empty(0), FLAGS[:0]
    ),
    "duplicates labels": lambda: _core.find_duplicate_boxes(
        0, 0.5, 0, BOXES, SPLITS, ROWS[:2], np.empty(0), FLAGS[:0]
    ),
    "oks index": lambda: oks(det_index=np.array([0, 1, 2, 3, 4, 6])),
    "oks out": lambda: oks(out=19),
    "find_positions known": lambda: _core.find_positions(ROWS, ROWS[::-1].copy(), CODES.copy()),
    "order category": lambda: _core.order_detections(CODES + 9, CODES, np.ones(N), 1, 1, 100),
    "order image": lambda: _core.order_detections(CODES, CODES + 1, np.ones(N), 1, 1, 100),
    "order counts": lambda: _core.order_detections(CODES[:0], CODES[:0], np.ones(0), -1, 1, 100),
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
    "merge_masks": lambda: masks(
        "merge_masks", np.array([0, N + 1]), False, np.empty((1, 2), np.int64)
    ),
    "mask_boundaries": lambda: masks("mask_boundaries", np.full(N, -1)),
    "encode_counts": lambda: _core.encode_counts(np.ones(3, np.uint32), np.array([0, 4])),
    "polygon_masks": lambda: _core.polygon_masks(np.ones(8), np.array([0, 9]), np.array([[5, 5]])),
    "mask_iou index": lambda: _core.mask_iou_batched(
        *TEXT, *TEXT, None, ROWS + 1, SPLITS, None, SPLITS, None, 0.0, np.empty(20)
    ),
    "mask_iou crowd": lambda: _core.mask_iou_batched(
        *TEXT, *TEXT, FLAGS[:1], None, SPLITS, None, SPLITS, None, 0.0, np.empty(20)
    ),
    "knn k": lambda: knn(k=N),
    "knn no queries": lambda: knn(queries=X[:0]),
    "knn one scale": lambda: knn(scale=np.ones(N)),
    "knn basis": lambda: knn(basis=np.ones((3, 2), np.float32)),
    "knn steps": lambda: knn().run(0, 10**6),
    "knn outputs": lambda: knn().write_neighbours(np.empty((1, 2)), np.empty((1, 2), np.int64)),
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
    search.run(0, search.steps)
    keys, found = np.empty((N, 2)), np.empty((N, 2), np.int64)
    search.write_neighbours(keys, found)
    np.testing.assert_array_equal(found, tamis.knn(X, 2)[1])
    with pytest.raises(ValueError, match="steps"):
        search.run(0, 1)
    for name, splits in (("box_iou_batched", SPLITS), ("max_iou", SPLITS), ("oks", SPLITS)):
        OF_SPLITS[name](splits)
