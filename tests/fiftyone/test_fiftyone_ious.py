"""IoUs, largest IoUs and duplicates against FiftyOne's own."""

from __future__ import annotations

from typing import Any

import fiftyone_data as data
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def tf(fo: Any) -> Any:
    import tamis.fiftyone

    return tamis.fiftyone


@pytest.fixture(scope="module")
def odd(fo: Any) -> Any:
    return data.dataset(fo, 7, images=10, gts=9, preds=9)


def filtered(dataset: Any) -> Any:
    from fiftyone import ViewField as F

    return dataset.shuffle(seed=1).filter_labels("predictions", F("confidence") > 0.3)


@pytest.mark.parametrize("view", [lambda d: d, filtered], ids=["all", "filtered"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"id_attr": "max_id"},
        {"classwise": True, "id_attr": "max_id"},
        {"other_field": "ground_truth"},
        {"other_field": "ground_truth", "classwise": True, "id_attr": "max_id"},
        {"iou_attr": "label"},
    ],
    ids=str,
)
def test_max_ious(tf: Any, odd: Any, options: dict[str, Any], view: Any) -> None:
    ours, theirs = odd.clone(), odd.clone()
    try:
        tf.ious.fiftyone_compute_max_ious(view(theirs), "predictions", **options)
    except Exception as error:
        with pytest.raises(type(error)):
            tf.compute_max_ious(view(ours), "predictions", **options)
        return
    tf.compute_max_ious(view(ours), "predictions", **options)
    assert data.stored(ours) == data.stored(theirs)
    assert data.schema(ours) == data.schema(theirs)


@pytest.mark.parametrize("method", ["simple", "greedy"])
@pytest.mark.parametrize("classwise", [False, True])
@pytest.mark.parametrize("threshold", [0, 0.4, 0.999, -0.5])
def test_duplicates(tf: Any, odd: Any, method: str, classwise: bool, threshold: float) -> None:
    for view in (odd, filtered(odd)):
        arguments = (view, "predictions", threshold, method)
        want = tf.ious.fiftyone_find_duplicates(*arguments, classwise=classwise)
        assert tf.find_duplicates(*arguments, classwise=classwise) == want
        assert want or threshold > 0


def test_duplicates_by_an_unknown_method(tf: Any, odd: Any) -> None:
    with pytest.raises(ValueError, match="Unsupported method 'best'"):
        tf.find_duplicates(odd, "predictions", method="best")


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("classwise", [False, True])
@pytest.mark.parametrize("n", [0, 1, 8, 101])
def test_ious(tf: Any, fo: Any, sparse: bool, classwise: bool, n: int) -> None:
    rng = np.random.default_rng(n)
    preds = data.detections(fo, rng, 9, scored=True, plain=False).detections
    gts = data.detections(fo, rng, n, scored=False, plain=False).detections
    for iscrowd in (None, lambda label: bool(label.get_attribute_value("iscrowd", False))):
        for others in (gts, preds):
            options = {"iscrowd": iscrowd, "classwise": classwise, "sparse": sparse}
            got = tf.compute_ious(preds, others, **options)
            want = tf.ious.fiftyone_compute_ious(preds, others, **options)
            if sparse:
                assert got == want
            else:
                assert got.dtype == want.dtype
                np.testing.assert_array_equal(got, want)


def test_the_name_of_the_crowd_attribute(tf: Any, fo: Any) -> None:
    rng = np.random.default_rng(0)
    gts = data.detections(fo, rng, 20, scored=False, plain=False).detections
    with pytest.raises(TypeError):
        tf.compute_ious(gts, gts, iscrowd="iscrowd")
    got = tf.compute_ious(gts, gts, iscrowd="iscrowd", corrected=True)
    crowd = lambda label: bool(label.get_attribute_value("iscrowd", False))  # noqa: E731
    np.testing.assert_array_equal(got, tf.compute_ious(gts, gts, iscrowd=crowd))


def test_masks_keypoints_and_polylines_are_fiftyones(tf: Any, fo: Any) -> None:
    mask = np.ones((4, 4), bool)
    masks = [fo.Detection(label="a", bounding_box=[0.1, 0.1, 0.5, 0.5], mask=mask)]
    line = [fo.Polyline(label="a", points=[[(0, 0), (1, 0), (1, 1)]], closed=True)]
    point = [fo.Keypoint(label="a", points=[(0.1, 0.2), (0.5, 0.5)])]
    for labels, options in ((masks, {"use_masks": True}), (line, {}), (point, {})):
        got = tf.compute_ious(labels, labels, **options)
        np.testing.assert_array_equal(got, tf.ious.fiftyone_compute_ious(labels, labels, **options))
