"""zcore of samples and the next batch to label."""

from __future__ import annotations

from pathlib import Path
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


def test_the_next_batch_by_clusters_and_its_progress(tf: Any, images: Any, capsys: Any) -> None:
    tf.zcore(images, embeddings="emb", n_samples=500)
    ids, clusters = images.values("id"), np.array([1, 0, 0])
    given: dict[str, Any] = {"budget": 8, "coverage": 0.25, "quota": clusters}
    view = tf.select_next_batch(images, images[3:6], embeddings="emb", progress=True, **given)
    scores = np.array(images.values("zcore"))
    want = tamis.select_batch(scores, embeddings(), np.arange(3, 6), **given)
    assert view.values("id") == [ids[i] for i in want]
    assert "0/8" in capsys.readouterr().out  # where the bar begins


def test_what_it_refuses(tf: Any, images: Any) -> None:
    x, ids = embeddings(), images.values("id")
    tf.zcore(images, embeddings=x, n_samples=50)
    images.set_values("part", [None, *x[1:]])
    images.set_values("ragged", [[1.0], *x[1:].tolist()])
    spoilt = x.copy()
    spoilt[3, 0] = np.nan
    given: dict[str, Any] = {"failures": [], "budget": 3, "embeddings": "emb"}
    options: Any
    for options, text in [
        ({"embeddings": "part"}, f"embeddings must be .* 'part', which sample '{ids[0]}'"),
        (
            {"zcore_field": "part"},
            f"zcore_field must be .* 'part', which sample '{ids[0]}'",
        ),
        ({"zcore_field": "emb"}, r"zcore_field must have shape \(N,\), got \(40, 6\)"),
        ({"embeddings": "ragged"}, "embeddings must be rows of one length"),
        (
            {"embeddings": x[1:]},
            r"embeddings must have a row for each .* got \(39, 6\)",
        ),
        ({"embeddings": x[:, 0]}, "embeddings must have shape"),
        ({"embeddings": spoilt}, "embeddings must .*row 3"),
        ({"failures": ["nobody"]}, "failures must be of samples, got 'nobody'"),
        ({"exclude": ["nobody"]}, "exclude must be of samples, got 'nobody'"),
        ({"failures": ids[0]}, "failures must be a view or a list of ids, got str"),
        ({"failures": 3}, "failures must be a view or a list of ids, got int"),
        ({"failures": [3]}, "failures must be of samples, got 3"),
        ({"failures": images.first()}, "failures must be a view or a list of ids, got Sample"),
        ({"budget": -1}, "budget must be at least 0, got -1"),
        ({"coverage": 2}, "coverage must be 0 to 1, got 2"),
        ({"threshold": -1}, "threshold must"),
        ({"metric": "dot"}, "metric must"),
    ]:
        with pytest.raises((ValueError, TypeError), match=f"^select_next_batch: {text}"):
            tf.select_next_batch(images, **given | options)
    assert images.count_sample_tags() == {}
    for options, text in [
        ({"embeddings": spoilt}, "embeddings must .*row 3"),
        ({"embeddings": x[:, 0]}, "embeddings must have shape"),
        ({"n_samples": 0}, "n_samples must"),
        ({"sample_dim": 7}, "sample_dim must"),
    ]:
        with pytest.raises(ValueError, match=f"^zcore: {text}"):
            tf.zcore(images, **{"embeddings": x} | options)


def test_the_recipe_of_the_docs(tf: Any, images: Any) -> None:
    text = (Path(__file__).parents[2] / "docs" / "zcore.md").read_text()
    recipe = text.split("<!-- recipe fiftyone -->\n```python\n")[1].split("```")[0]
    images.set_values("embeddings", list(embeddings()))
    names = {"tamis": tamis, "np": np, "dataset": images}
    exec(recipe, names)
    want = tamis.zcore(embeddings(), n_samples=400)
    assert images.values("zcore") == want.astype(float).tolist()
    ids = images.values("id")
    assert set(names["coreset"].values("id")) == {
        ids[i] for i in tamis.select_coreset(want, count=4)
    }
