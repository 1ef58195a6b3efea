"""Lists and masks where ids, rows, labels, splits or scores are asked for; flags that are flags."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import tamis
from tamis.labels.fiftyone_matching import match_fiftyone

RNG = np.random.default_rng(0)
X = RNG.standard_normal((9, 4)).astype(np.float32)
LOW = RNG.uniform(0, 20, (6, 2))
BOXES = np.concatenate([LOW, LOW + RNG.uniform(5, 20, (6, 2))], axis=1)
SPLITS, LABELS, SCORES = np.array([0, 2, 6]), np.array([0, 1, 1, 0, 1, 0]), RNG.random(6)
CROWD, SURE = np.array([0, 1, 0, 0, 0, 1]), np.linspace(0.1, 0.9, 6)
KEYPOINTS = np.concatenate([RNG.uniform(0, 9, (3, 17, 2)), np.full((3, 17, 1), 2)], axis=2)
MASKS = tamis.Masks.encode(np.arange(6 * 16).reshape(6, 4, 4) % 5 < 3)
BOTH = (BOXES, SURE, SPLITS, BOXES[::-1].copy(), SPLITS)


def mistakes(f):
    rows = np.arange(6)
    return tamis.mistakes_of_matches(
        f(rows), f(rows[::-1]), f(SURE), f(SURE), f(SPLITS), f(SPLITS), labels=f(LABELS),
        gt_labels=f(LABELS), judged=f(CROWD),
    )  # fmt: skip


def evaluated(f):
    e = tamis.DetectionEvaluator()
    e.update(
        {"boxes": BOXES, "labels": f(LABELS), "scores": f(SCORES), "splits": f(SPLITS)},
        {"boxes": BOXES, "labels": f(LABELS), "splits": f(SPLITS), "iscrowd": f(CROWD),
         "area": f(SURE)},
    )  # fmt: skip
    return e.compute().stats


CALLS = {
    "select_coreset": lambda f: tamis.select_coreset(f(SCORES), count=3),
    "select_batch": lambda f: tamis.select_batch(
        f(SCORES), BOXES, f(np.array([1, 2])), budget=3, exclude=f(np.array([4]))
    ),
    "leaks": lambda f: tamis.leaks(BOXES, f(LABELS)).pairs,
    "near_duplicates": lambda f: tamis.near_duplicates(BOXES, image_index=f(LABELS)).pairs,
    "uniqueness": lambda f: tamis.uniqueness(BOXES, image_index=f(LABELS), k=1),
    "zcore_finish": lambda f: tamis.zcore_finish(f(SCORES)),
    "box_iou_batched": lambda f: tamis.box_iou_batched(BOXES, f(SPLITS), BOXES, f(SPLITS))[0],
    "rotated": lambda f: tamis.rotated_box_iou_batched(
        np.pad(BOXES, ((0, 0), (0, 1))), f(SPLITS), np.pad(BOXES, ((0, 0), (0, 1))), f(SPLITS)
    )[0],
    "max_iou": lambda f: tamis.max_iou(BOXES, f(SPLITS), labels=f(LABELS)),
    "max_iou of two": lambda f: tamis.max_iou(
        BOXES, f(SPLITS), labels=f(LABELS), other=BOXES, other_splits=f(SPLITS),
        other_labels=f(LABELS),
    ),
    "find_duplicate_boxes": lambda f: tamis.find_duplicate_boxes(
        BOXES, f(SPLITS), labels=f(LABELS), iscrowd=f(CROWD), threshold=0.1
    ).iou,
    "find_duplicate_boxes, groups": lambda f: tamis.find_duplicate_boxes(
        BOXES, f(SPLITS), scores=f(SCORES), threshold=0.1, method="groups"
    ).iou,
    "match_detections": lambda f: tamis.match_detections(
        BOXES, f(SCORES), f(SPLITS), BOXES, f(SPLITS), labels=f(LABELS), gt_labels=f(LABELS),
        iscrowd=f(CROWD), thresholds=f(SURE),
    ).gt,
    "match_fiftyone": lambda f: match_fiftyone(
        BOXES, f(SCORES), f(SPLITS), BOXES, f(SPLITS), labels=f(LABELS), gt_labels=f(LABELS),
        iscrowd=f(CROWD), thresholds=f(SURE),
    ).gt,
    "label_mistakes": lambda f: tamis.label_mistakes(
        BOXES, f(SURE), f(SPLITS), BOXES, f(SPLITS), labels=f(LABELS), gt_labels=f(LABELS),
        iscrowd=f(CROWD),
    ).mistakenness,
    "mistakes_of_matches": lambda f: mistakes(f).mistakenness,
    "classification_mistakes": lambda f: tamis.classification_mistakes(
        f(CROWD), confidence=f(SURE), predicted=f(LABELS), labelled=f(CROWD)
    ),
    "oks_batched": lambda f: tamis.oks_batched(
        KEYPOINTS, f(np.array([0, 1, 3])), KEYPOINTS, f(np.array([0, 1, 3])), f(SURE[:3])
    )[0],
    "mask_iou": lambda f: tamis.mask_iou_batched(
        MASKS, f(SPLITS), MASKS, f(SPLITS), iscrowd=f(CROWD)
    )[0],
    "DetectionEvaluator": lambda f: list(evaluated(f).values()),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_are_arrays(name, kind):
    want, got = CALLS[name](lambda x: x), CALLS[name](lambda x: kind(x.tolist()))
    np.testing.assert_array_equal(got, want)


LABEL_CALLS = ["max_iou", "max_iou of two", "find_duplicate_boxes", "match_detections",
               "match_fiftyone", "label_mistakes", "mistakes_of_matches", "DetectionEvaluator",
               "leaks", "near_duplicates"]  # fmt: skip


@pytest.mark.parametrize("name", LABEL_CALLS)
def test_labels_may_be_bools(name):
    def bools(x):
        return x.astype(bool) if x is LABELS else x

    np.testing.assert_array_equal(CALLS[name](bools), CALLS[name](lambda x: x))


class TestMasksOfRows:
    def test_select_batch(self):
        mask = np.arange(9) % 3 == 0
        for chosen in (mask, mask.tolist(), np.flatnonzero(mask), [0, 3, 6]):
            got = tamis.select_batch(np.arange(9.0), X, chosen, budget=9, exclude=chosen)
            want = tamis.select_batch(np.arange(9.0), X, np.array([0, 3, 6]), budget=9)
            assert got.tolist() == want.tolist() and not set(got.tolist()) & {0, 3, 6}

    def test_nothing(self):
        for nothing in ([], np.zeros(9, bool), np.empty(0, np.int64)):
            got = tamis.select_batch(np.arange(9.0), X, nothing, budget=3, exclude=nothing)
            assert got.tolist() == [8, 7, 6]

    def test_a_mask_of_another_length(self):
        with pytest.raises(ValueError, match=r"select_batch: exclude must have shape \(9,\)"):
            tamis.select_batch(np.arange(9.0), X, [], budget=3, exclude=np.ones(8, bool))


@pytest.mark.parametrize("wrong", [["a", "b"], [[1], [2, 3]], [None], [2**70]])
def test_other_lists_are_named(wrong):
    with pytest.raises(TypeError, match="select_batch: exclude must be"):
        tamis.select_batch(np.arange(9.0), X, [], budget=3, exclude=wrong)
    with pytest.raises(TypeError, match="select_coreset: scores must be"):
        tamis.select_coreset(wrong, count=1)


@pytest.mark.parametrize("f", [tamis.uniqueness, tamis.near_duplicates, lambda x: tamis.knn(x, 1)])
def test_embeddings_are_arrays(f):
    with pytest.raises(TypeError, match="x must be an array"):
        f(X.tolist())


class TestArrow:
    @pytest.mark.parametrize("kind", ["fixed", "list", "null"])
    def test_the_refusal_names_function_and_argument(self, kind):
        arrow = pytest.importorskip("pyarrow")
        a = {
            "fixed": lambda: arrow.FixedSizeListArray.from_arrays(arrow.array(X.ravel()), 4),
            "list": lambda: arrow.array(X.tolist()),
            "null": lambda: arrow.array([1.0, None]),
        }[kind]()
        for name, f in (
            ("uniqueness: x", lambda: tamis.uniqueness(a)),
            ("knn: x", lambda: tamis.knn(a, 2)),
            ("select_coreset: scores", lambda: tamis.select_coreset(a, count=1)),
            ("box_iou: a", lambda: tamis.box_iou(a, BOXES)),
        ):
            with pytest.raises(TypeError, match=f"{name} must be an array"):
                f()


class TestNegativeBit:
    def test_of_tensors(self):
        torch = pytest.importorskip("torch")
        x = torch.tensor(X)
        for view in (
            torch._neg_view(-x),
            torch.complex(torch.zeros_like(x), -x).conj().imag,
        ):
            assert view.is_neg()
            assert torch.equal(tamis.uniqueness(view), tamis.uniqueness(x))
            assert torch.equal(tamis.knn(view, 2, queries=view)[0], tamis.knn(x, 2, queries=x)[0])
            found = tamis.select_batch(view[:, 0], view, [], budget=2)
            assert found.tolist() == tamis.select_batch(X[:, 0], X, [], budget=2).tolist()
        boxes = torch._neg_view(-torch.tensor(BOXES))
        np.testing.assert_array_equal(tamis.box_iou(boxes, boxes), tamis.box_iou(BOXES, BOXES))


class TestFlags:
    @pytest.mark.parametrize("value", [-1, 0, 1, 2, 0.5, None, "no", [True], np.int64(1)])
    @pytest.mark.parametrize(
        ("name", "f"),
        [
            ("knn: exclude_self", lambda v: tamis.knn(X, 2, exclude_self=v)),
            ("zcore: random_init", lambda v: tamis.zcore(X, n_samples=5, random_init=v)),
            ("zcore_finish: random_init", lambda v: tamis.zcore_finish(SCORES, random_init=v)),
            ("match_fiftyone: classwise", lambda v: match_fiftyone(*BOTH, classwise=v)),
        ],
    )
    def test_are_true_or_false(self, name, f, value):
        with pytest.raises(TypeError, match=f"{name} must be True or False, got"):
            f(value)

    def test_numpy_bools(self):
        got = tamis.knn(X, 2, exclude_self=np.bool_(False))[1]
        np.testing.assert_array_equal(got, tamis.knn(X, 2, exclude_self=False)[1])

    def test_no_rows_with_themselves(self):
        for metric in ("euclidean", "cosine", "inner_product", "sqeuclidean"):
            got = tamis.knn(X[:0], 3, exclude_self=False, metric=metric)
            assert len(got[0]) == len(got[1]) == 0

    @pytest.mark.parametrize("value", [1, 0, 3.5, "yes"])
    def test_progress(self, value):
        with pytest.raises(TypeError, match="knn: progress must be True, False or callable"):
            tamis.knn(X, 1, progress=value)

    @pytest.mark.parametrize("value", [-1, True, 2.5])
    def test_recall_sample(self, value):
        with pytest.raises((TypeError, ValueError), match="knn: recall_sample must be"):
            tamis.knn(X, 1, recall_sample=value)

    def test_shares(self):
        for name, f in (
            ("fraction", lambda v: tamis.select_coreset(SCORES, fraction=v)),
            ("coverage", lambda v: tamis.select_batch(SCORES, BOXES, [], budget=1, coverage=v)),
        ):
            for value in (True, "half", None if name == "coverage" else [0.5]):
                with pytest.raises(TypeError, match=f"{name} must be a number"):
                    f(value)
            for value in (1.5, -0.1, np.nan):
                with pytest.raises(ValueError, match=f"{name} must be 0 to 1"):
                    f(value)


class TestEvaluatorKeys:
    @pytest.mark.parametrize(
        ("side", "key"),
        [("targets", "is_crowd"), ("targets", "areas"), ("preds", "score"), ("preds", "label")],
    )
    @pytest.mark.parametrize("images", [0, 1, 2])  # 0: a dict, not a list of them
    def test_misspelt(self, side, key, images):
        sides = {
            "preds": {"boxes": BOXES, "labels": LABELS, "scores": SCORES},
            "targets": {"boxes": BOXES, "labels": LABELS},
        }
        sides[side] = {**sides[side], key: CROWD}
        given = [[part] * images if images else part for part in sides.values()]
        where = r"\[0\]" if images else ""
        with pytest.raises(ValueError, match=f"{side}{where} has an unknown key '{key}', known"):
            tamis.DetectionEvaluator().update(*given)

    def test_what_torchvision_holds_besides(self):
        targets = {"boxes": BOXES, "labels": LABELS, "image_id": 7, "masks": None}
        e = tamis.DetectionEvaluator()
        e.update({"boxes": BOXES, "labels": LABELS, "scores": SCORES}, targets)
        assert e.compute().stats["AP"] == 1


@pytest.mark.parametrize("f", [tamis.image_scores, tamis.confusion_matrix])
def test_confidence_is_no_percentage(f):
    def result(scale):
        e = tamis.DetectionEvaluator()
        side = {"boxes": BOXES, "labels": LABELS}
        e.update({**side, "scores": SCORES * scale}, side)
        return e.compute()

    for value in (25, 1.01, -0.5, np.inf):
        with pytest.raises(ValueError, match=f"{f.__name__}: confidence must be 0 to 1, got"):
            f(result(1), confidence=value)
    for value in (0, 0.25, 1):
        f(result(1), confidence=value)
    f(result(100), confidence=25)


class TestThreads:
    @pytest.mark.parametrize("value", [-5, True, 10**6, 2.5, None, "3", 2**40])
    def test_numbers_that_are_none(self, value):
        before = tamis.num_threads()
        with pytest.raises((TypeError, ValueError), match="set_num_threads: n must be"):
            tamis.set_num_threads(value)
        with (
            pytest.raises((TypeError, ValueError), match="threads: n must be"),
            tamis.threads(value),
        ):
            pass
        assert tamis.num_threads() == before

    def test_a_block_concerns_its_thread_alone(self):
        seen = []
        before = tamis.num_threads()
        with tamis.threads(3):
            with tamis.threads(5):
                assert tamis.num_threads() == 5
                thread = threading.Thread(target=lambda: seen.append(tamis.num_threads()))
                thread.start()
                thread.join()
            assert tamis.num_threads() == 3
            with pytest.raises(KeyError), tamis.threads(7):
                raise KeyError
            tamis.set_num_threads(2)
            assert tamis.num_threads() == 3
            np.testing.assert_array_equal(tamis.knn(X, 2)[1], tamis.knn(X, 2)[1])
        assert tamis.num_threads() == 2 and seen == [before]
        tamis.set_num_threads(0)

    @pytest.mark.parametrize(
        ("said", "want"), [("3", "3"), ("", None), ("0", None), ("many", "ERROR"), ("-2", "ERROR")]
    )
    def test_environment(self, said, want):
        done = subprocess.run(
            [sys.executable, "-c", "import tamis; print(tamis.num_threads())"],
            env={**os.environ, "TAMIS_NUM_THREADS": said}, capture_output=True, text=True,
        )  # fmt: skip
        if want == "ERROR":
            assert "TAMIS_NUM_THREADS: n must be" in done.stderr
        else:
            assert done.stdout.strip() == (want or str(len(os.sched_getaffinity(0))))
