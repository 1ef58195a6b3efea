"""zcore of samples and the next batch to label."""

from __future__ import annotations

from typing import Any

import fiftyone_data as data
import numpy as np
import pytest
import tamis

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def tf(fo: Any) -> Any:
    import tamis.fiftyone

    return tamis.fiftyone


@pytest.fixture
def images(fo: Any) -> Any:
    made = fo.Dataset()
    made.add_samples([fo.Sample(filepath=f"/nowhere/{i}.jpg") for i in range(40)], progress=False)
    made.set_values("emb", list(embeddings()))
    return made


def embeddings() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


def test_zcore(tf: Any, images: Any) -> None:
    tf.zcore(images, embeddings="emb", n_samples=500, seed=3)
    want = tamis.zcore(embeddings(), n_samples=500, seed=3)
    assert images.values("zcore") == want.astype(float).tolist()
    tf.zcore(images[:10], zcore_field="part", embeddings=embeddings()[:10], n_samples=50)
    assert images.values("part")[10:] == [None] * 30
    assert None not in images.values("part")[:10]


def test_a_zcore_that_fails_leaves_no_field(
    tf: Any, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = data.stored(images), data.schema(images)
    with pytest.raises(ValueError, match="n_samples"):
        tf.zcore(images, embeddings="emb", n_samples=0)
    monkeypatch.setattr(tf._documents, "id_bytes", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tf.zcore(images, embeddings="emb", n_samples=10)
    assert (data.stored(images), data.schema(images)) == before


def test_the_next_batch(tf: Any, images: Any) -> None:
    tf.zcore(images, embeddings="emb", n_samples=500)
    ids = images.values("id")
    view = tf.select_next_batch(
        images, images[3:6], budget=10, embeddings="emb", exclude=ids[10:20]
    )
    scores = np.array(images.values("zcore"))
    want = tamis.select_batch(
        scores, embeddings(), np.arange(3, 6), budget=10, exclude=np.arange(10, 20)
    )
    assert view.values("id") == [ids[i] for i in want]
    assert images.count_sample_tags() == {"next_batch": len(want)}
    same = tf.select_next_batch(
        images, ids[3:6], budget=10, embeddings=embeddings(), exclude=ids[10:20], tag=None
    )
    assert same.values("id") == view.values("id")


def test_what_it_refuses(tf: Any, images: Any) -> None:
    with pytest.raises(ValueError, match=r"must all have an embedding and a score \(emb\)"):
        images.set_values("emb", [None, *embeddings()[1:]])
        tf.select_next_batch(images, [], budget=3, embeddings=embeddings(), zcore_field="emb")
    tf.zcore(images, embeddings=embeddings(), n_samples=50)
    with pytest.raises(ValueError, match="failures must be of samples, got 'nobody'"):
        tf.select_next_batch(images, ["nobody"], budget=3, embeddings=embeddings())
