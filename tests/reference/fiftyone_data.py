"""Data sets for the tests against a real FiftyOne, and what the database holds afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np

LABELS = np.array(["cat", "dog", "", "bird", None], dtype=object)


def boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Boxes on a coarse grid, so that many are equal, touch or have no area."""
    corner = rng.integers(0, 4, (n, 2)) / 8
    return np.concatenate(
        [corner, rng.integers(1, 5, (n, 2)) * rng.choice([1, 1, 1, 0], (n, 1)) / 8], axis=1
    )


def detections(fo: Any, rng: np.random.Generator, n: int, *, scored: bool, plain: bool) -> Any:
    labels = LABELS[:2] if plain else LABELS
    found = []
    for box, label in zip(boxes(rng, n), rng.choice(labels, n), strict=True):
        more: dict[str, Any] = {}
        if scored:
            kind = 2 if plain else rng.integers(4)
            more["confidence"] = [None, 0.0, float(rng.integers(1, 10) / 10), 1.0][kind]
        elif rng.random() < 0.4:
            more["iscrowd"] = [True, 0, 1, None, False][rng.integers(5)]
        if not plain and rng.random() < 0.2:
            box = box + rng.normal(0, 0.01, 4)
            box[2:] = np.abs(box[2:])
        found.append(fo.Detection(label=label, bounding_box=box.tolist(), **more))
    return fo.Detections(detections=found)


def dataset(
    fo: Any, seed: int = 0, images: int = 9, *, plain: bool = False, gts: int = 7, preds: int = 12
) -> Any:
    """Images with and without labels, ground truths and predictions of every awkward kind."""
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(images):
        sample = fo.Sample(filepath=f"/nowhere/{i}.jpg", tags=["odd"] if i % 2 else ["even"])
        for name, most, scored in (("ground_truth", gts, False), ("predictions", preds, True)):
            kind = rng.integers(8)
            n = int(rng.integers(1, most + 1)) if kind > 1 else 0
            if kind > 0:
                sample[name] = detections(fo, rng, n, scored=scored, plain=plain)
        samples.append(sample)
    for name in ("ground_truth", "predictions"):  # the field's type needs a value
        samples[0][name] = detections(fo, rng, 3, scored=name == "predictions", plain=plain)
    made = fo.Dataset()
    made.add_samples(samples, progress=False)
    return made


def stored(dataset: Any) -> list[dict[str, Any]]:
    """The documents of a dataset without what differs from clone to clone."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            skip = ("last_modified_at", "created_at", "_dataset_id")
            return {k: clean(v) for k, v in value.items() if k not in skip}
        if isinstance(value, list):
            return [clean(v) for v in value]
        return "nan" if value != value else value

    documents = list(dataset._sample_collection.find({}))
    if dataset._frame_collection_name is not None:
        documents += list(dataset._frame_collection.find({}))
    return [clean(d) for d in documents]


def schema(dataset: Any) -> dict[str, str]:
    found = dataset.get_field_schema(flat=True)
    if dataset._has_frame_fields():
        found |= {f"frames.{k}": v for k, v in dataset.get_frame_field_schema(flat=True).items()}
    return {path: str(field) for path, field in found.items()}


def assert_same_results(ours: Any, theirs: Any) -> None:
    """Every attribute of two results objects, arrays to the bit."""
    assert type(ours) is type(theirs)
    skip = ("_samples", "_samples_orig", "_config", "_backend", "_dataset", "_view")
    assert list(vars(ours)) == list(vars(theirs))
    for name, value in vars(theirs).items():
        if name not in skip:
            assert_equal(getattr(ours, name), value, name)
    assert ours.config.serialize() == theirs.config.serialize()


def assert_equal(a: Any, b: Any, name: str) -> None:
    if isinstance(b, np.ndarray):
        assert a.dtype == b.dtype, name
        if b.dtype.kind == "f":
            np.testing.assert_array_equal(a, b, err_msg=name)
        else:
            assert a.tolist() == b.tolist(), name
    elif isinstance(b, dict):
        assert list(a) == list(b), name
        for key, value in b.items():
            assert_equal(a[key], value, f"{name}[{key!r}]")
    else:
        assert a == b or (a != a and b != b), name
