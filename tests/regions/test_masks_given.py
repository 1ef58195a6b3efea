"""Arrays that others hold: what is given to Masks, what they hand out, and what C++ checks."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from tamis import Masks, _core
from test_mask_iou import blobs


def damaged(splits):
    """Arrays of three masks of 4 x 4 pixels, with other offsets."""
    masks = Masks.encode(np.ones((3, 4, 4), bool))
    return masks.text, np.array(splits), masks.size


def test_what_was_given_may_change_afterwards():
    given = [np.array(part) for part in damaged([0, 3, 6, 9])]
    masks = Masks(*given)
    want = masks.to_coco()
    sizes = np.array([[4, 4]] * 2)
    drawn = Masks.from_boxes(np.ones((2, 4)), sizes)
    for part in given:
        part[1:3] = 77
    sizes[:] = 9
    assert masks.to_coco() == want and masks[::-1].to_coco() == want
    np.testing.assert_array_equal(masks.area(), [16, 16, 16])
    assert drawn[0]["size"] == [4, 4]
    for name in ("text", "splits", "size"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(masks, name)[0] = 1
        with pytest.raises(AttributeError):
            setattr(masks, name, given[1])


def batched(a, b, group, out, rows, *, index=None, crowd=None):
    _core.mask_iou_batched(
        a_text=a[0], a_text_splits=a[1], a_size=a[2], b_text=b[0], b_text_splits=b[1], b_size=b[2],
        crowd=crowd, a_index=index, a_splits=rows, b_index=None, b_splits=group, a_boxes=None,
        least=-np.inf, out=out,
    )  # fmt: skip


@pytest.mark.parametrize("splits", [[0, 10**18, 6, 9], [0, -5, 6, 9], [0, 7, 6, 9], [0, 3, 6, 10]])
def test_compiled_functions_check_every_offset_themselves(splits):
    bad, good = damaged(splits), damaged([0, 3, 6, 9])
    out, group = np.zeros(9), np.array([0, 3])
    calls = [
        lambda: _core.measure_masks(*bad, np.zeros(3, np.uint32), np.zeros((3, 4))),
        lambda: _core.first_bad_mask(*bad),
        lambda: _core.take_masks(*bad, np.arange(3)),
        lambda: _core.mask_counts(*bad),
        lambda: _core.decode_masks(*bad, np.zeros(48, np.uint8)),
        lambda: _core.merge_masks(
            *bad, group, intersect=False, out_size=np.zeros((1, 2), np.int64)
        ),
        lambda: _core.merge_masks(
            *good, np.array(splits), intersect=False, out_size=np.zeros((3, 2), np.int64)
        ),
        lambda: _core.mask_boundaries(*bad, np.ones(3, np.int64)),
        lambda: _core.encode_counts(np.zeros(9, np.uint32), np.array(splits)),
        lambda: _core.polygon_masks(np.zeros(9), np.array(splits), good[2]),
    ]
    for a, b, rows, index in (
        (bad, good, group, None), (good, bad, group, None), (good, good, np.array([0, 4]), None),
        (good, good, group, np.array([0, 1, 3])), (good, good, group, np.array([0, -1, 2])),
    ):  # fmt: skip
        calls.append(
            lambda a=a, b=b, rows=rows, index=index: batched(a, b, group, out, rows, index=index)
        )
    for call in calls:
        with pytest.raises(ValueError, match=r"offsets must ascend|values must be"):
            call()
    for wrong in (
        lambda: _core.take_masks(*good, np.array([3])),
        lambda: _core.take_masks(*good, np.array([-1])),
        lambda: _core.measure_masks(*good[:2], -good[2], np.zeros(3, np.uint32), np.zeros((3, 4))),
        lambda: _core.mask_boundaries(*good, np.zeros(3, np.int64)),
        lambda: batched(good, good, group, out[:8], group),
        lambda: batched(good, good, group, out, group, crowd=np.zeros(2, np.uint8)),
    ):
        with pytest.raises(ValueError, match=r"values must be|fit|shapes"):
            wrong()


def test_copies_and_pickles():
    masks = Masks.encode(blobs(5, 9, 7))
    for twin in (pickle.loads(pickle.dumps(masks)), copy.deepcopy(masks), copy.copy(masks)):
        assert twin.to_coco() == masks.to_coco()
    state = masks.__getstate__()
    for change, error in (
        ({"splits": state["splits"] * 2}, "Masks: splits must begin with 0 and end with"),
        ({"splits": state["splits"][:-1]}, r"Masks: splits must have shape \(6,\)"),
        ({"text": state["text"] + 1}, "Masks: the counts of mask 0 must be compressed RLE"),
        ({"size": -state["size"]}, "Masks: the counts of mask 0 must be compressed RLE of -9 x -7"),
        ({"size": state["size"].astype(float)}, "Masks: size must be int8 to int64"),
    ):
        with pytest.raises((TypeError, ValueError), match=error):
            Masks.__new__(Masks).__setstate__({**state, **change})
    with pytest.raises(TypeError, match="state must hold text, splits and size"):
        Masks.__new__(Masks).__setstate__({"text": state["text"]})


def test_one_array_alone_is_told_where_to_go():
    with pytest.raises(TypeError, match=r"^Masks: takes text.*Masks\.encode takes pixels.*ndarray"):
        Masks(np.zeros((2, 3, 4), bool))
