"""Scores of embeddings, near-duplicates, leaks and the similarity backend against Brain's own."""

from __future__ import annotations

from typing import Any

import fiftyone_data as data
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("default")
CLOSE = {"rtol": 0, "atol": 2e-6}


@pytest.fixture(scope="module")
def tf(fo: Any) -> Any:
    import tamis.fiftyone

    return tamis.fiftyone


def embeddings(n: int, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """Clusters with some near-duplicates, around a mean that is not zero."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 16)) + 3 * rng.normal(size=(8, 16))[rng.integers(0, 8, n)] + 1
    for i in range(5, n, 5):
        x[i] = x[i - 3] + 0.02 * rng.normal(size=16)
    return x.astype(dtype)


@pytest.fixture(scope="module")
def images(fo: Any) -> Any:
    made = fo.Dataset()
    tags = [["train"] if i % 3 else ["test"] for i in range(60)]
    made.add_samples(
        [fo.Sample(filepath=f"/nowhere/{i}.jpg", tags=tag) for i, tag in enumerate(tags)],
        progress=False,
    )
    made.set_values("emb", list(embeddings(60)))
    made.set_values("split", [tag[0] for tag in tags])
    return made


def same_scores(ours: Any, theirs: Any, field: str, **close: float) -> None:
    got, want = (np.array(d.values(field), float) for d in (ours, theirs))
    close = close or {"rtol": 1e-14}  # all but the last bit
    np.testing.assert_allclose(got, want, **close)
    assert data.schema(ours) == data.schema(theirs)
    assert ours.list_brain_runs() == theirs.list_brain_runs()
    infos = [d.get_brain_info(field).config.serialize() for d in (ours, theirs)]
    assert infos[0] == infos[1]


@pytest.mark.parametrize(
    "options",
    [
        {"embeddings": "emb"},
        {"embeddings": embeddings(60)},
        {"embeddings": embeddings(60, np.float64)},
        {"embeddings": "emb", "uniqueness_field": "special"},
    ],
    ids=lambda options: f"{type(options['embeddings']).__name__} {options.get('uniqueness_field')}",
)
def test_uniqueness(tf: Any, images: Any, options: dict[str, Any]) -> None:
    ours, theirs = images.clone(), images.clone()
    tf.compute_uniqueness(ours, **options)
    tf.embeddings.fiftyone_compute_uniqueness(theirs, **options)
    same_scores(ours, theirs, options.get("uniqueness_field", "uniqueness"))


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5])
def test_uniqueness_of_few(tf: Any, images: Any, n: int) -> None:
    ours, theirs = images.clone(), images.clone()
    with np.errstate(all="ignore"):
        tf.compute_uniqueness(ours[:n], embeddings=embeddings(n))
        tf.embeddings.fiftyone_compute_uniqueness(theirs[:n], embeddings=embeddings(n))
    same_scores(ours, theirs, "uniqueness")


def test_uniqueness_of_a_view_with_missing_embeddings(tf: Any, images: Any) -> None:
    ours, theirs = images.clone(), images.clone()
    for dataset in (ours, theirs):
        dataset.set_values("emb", [None if i % 7 == 0 else e for i, e in enumerate(embeddings(60))])
    tf.compute_uniqueness(ours.match_tags("train"), embeddings="emb")
    tf.embeddings.fiftyone_compute_uniqueness(theirs.match_tags("train"), embeddings="emb")
    same_scores(ours, theirs, "uniqueness")


def test_uniqueness_by_an_index(tf: Any, fo: Any, images: Any) -> None:
    ours, theirs = images.clone(), images.clone()
    for dataset, compute in (
        (ours, tf.compute_uniqueness),
        (theirs, tf.embeddings.fiftyone_compute_uniqueness),
    ):
        fo.brain.compute_similarity(dataset, embeddings="emb", brain_key="sim", backend="sklearn")
        compute(dataset, similarity_index="sim")
    same_scores(ours, theirs, "uniqueness")


def test_corrected_uniqueness(tf: Any, images: Any) -> None:
    import tamis

    dataset = images.clone()
    tf.compute_uniqueness(dataset, embeddings="emb", corrected=True)
    np.testing.assert_allclose(dataset.values("uniqueness"), tamis.uniqueness(embeddings(60)))
    tf.compute_uniqueness(dataset[:4], embeddings="emb", corrected=True)
    assert None not in dataset[:4].values("uniqueness")


@pytest.mark.parametrize("method", ["cluster-center", "cluster-center-downweight"])
def test_representativeness(tf: Any, images: Any, method: str) -> None:
    ours, theirs = images.clone(), images.clone()
    tf.compute_representativeness(ours, method=method, embeddings="emb")
    tf.embeddings.fiftyone_compute_representativeness(theirs, method=method, embeddings="emb")
    same_scores(ours, theirs, "representativeness", **CLOSE)
    tf.compute_representativeness(ours, embeddings="emb", corrected=True)
    if method == "cluster-center":
        got, brain = (np.array(d.values("representativeness")) for d in (ours, theirs))
        alone = (got == 1) & (brain == 1)  # equal rows, which Brain takes for far by rounding
        assert alone.sum() < 10
        np.testing.assert_allclose(got[~alone], 1 - brain[~alone], **CLOSE)


def test_scores_that_cannot_be_leave_no_run(tf: Any, images: Any) -> None:
    dataset = images.clone()
    before = data.stored(dataset), data.schema(dataset)
    bad = embeddings(60)
    bad[17] = np.nan
    with pytest.raises(ValueError, match="row 17"):
        tf.compute_uniqueness(dataset, embeddings=bad)
    with pytest.raises(ValueError):
        tf.compute_representativeness(dataset[:5], embeddings=embeddings(5))
    with pytest.raises(ValueError):
        tf.compute_uniqueness(dataset, uniqueness_field="tags", embeddings="emb")
    assert (data.stored(dataset), data.schema(dataset)) == before
    assert dataset.list_brain_runs() == []


def test_a_write_that_fails_leaves_no_scores(
    tf: Any, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = images.clone()
    before = data.stored(dataset), data.schema(dataset)

    def fail(*_: Any, **__: Any) -> None:
        dataset._sample_collection.update_one({}, {"$set": {"uniqueness": 1.0}})
        raise OSError("connection lost")

    monkeypatch.setattr(tf._documents, "write", fail)
    with pytest.raises(OSError, match="connection lost"):
        tf.compute_uniqueness(dataset, embeddings="emb")
    assert (data.stored(dataset), data.schema(dataset)) == before
    assert dataset.list_brain_runs() == []


def same_neighbors(ours: Any, theirs: Any) -> None:
    assert list(ours) == list(theirs)
    for key, want in theirs.items():
        assert sorted(i for i, _ in ours[key]) == sorted(i for i, _ in want)
        np.testing.assert_allclose([d for _, d in ours[key]], [d for _, d in want], atol=1e-4)


@pytest.mark.parametrize("threshold", [0.001, 0.05, 0.3])
def test_near_duplicates(tf: Any, images: Any, threshold: float) -> None:
    ours = tf.compute_near_duplicates(images, threshold, embeddings="emb")
    module = tf.near_duplicates
    theirs = module.fiftyone_compute_near_duplicates(images, threshold, embeddings="emb")
    assert ours.duplicate_ids == theirs.duplicate_ids
    assert ours.unique_ids == theirs.unique_ids
    same_neighbors(ours.neighbors_map, theirs.neighbors_map)
    assert ours.thresh == theirs.thresh
    if ours.duplicate_ids:
        assert ours.duplicates_view().values("id") == theirs.duplicates_view().values("id")
    assert ours.unique_view().values("id") == theirs.unique_view().values("id")


def test_corrected_near_duplicates(tf: Any, images: Any) -> None:
    import tamis

    found = tf.compute_near_duplicates(images, 0.05, embeddings="emb", corrected=True)
    want = tamis.near_duplicates(embeddings(60), threshold=0.05)
    ids = images.values("id")
    assert found.duplicate_ids == [ids[i] for i in want.duplicates]
    distances = {dup: d for dups in found.neighbors_map.values() for dup, d in dups}
    got = [distances[ids[i]] for i in want.duplicates]
    np.testing.assert_allclose(got, want.keeper_distance, atol=1e-6)


@pytest.mark.parametrize("splits", [["train", "test"], "split"], ids=str)
def test_leaky_splits(tf: Any, images: Any, splits: Any) -> None:
    ours = tf.compute_leaky_splits(images, splits, 0.05, embeddings="emb")
    module = tf.near_duplicates
    theirs = module.fiftyone_compute_leaky_splits(images, splits, 0.05, embeddings="emb")
    assert sorted(ours.leak_ids) == sorted(theirs.leak_ids)
    assert ours.leak_ids
    assert len(ours.no_leaks_view()) == len(theirs.no_leaks_view())
    assert ours.config.serialize() == theirs.config.serialize()


def test_corrected_leaky_splits(tf: Any, images: Any) -> None:
    import tamis

    views = {name: images.match_tags(name) for name in ("train", "test")}
    found = tf.compute_leaky_splits(images, views, 0.05, embeddings="emb", corrected=True)
    want = tamis.leaks(embeddings(60), np.array(images.values("split")), threshold=0.05)
    ids = images.values("id")
    assert found.leak_ids == [ids[i] for i in want.rows]
    first = [ids[b] for a, b in want.pairs if a == want.pairs[0, 0]]
    assert found.leaks_for_sample(found.leak_ids[0]).values("id") == [found.leak_ids[0], *first]
    found.tag_leaks()
    assert images.count_sample_tags()["leak"] == len(want.rows)
    images.untag_samples("leak")


@pytest.fixture(scope="module")
def indexes(tf: Any, fo: Any, images: Any) -> Any:
    """tamis' index and Brain's, which must have centred its embeddings to be compared with."""
    pair = [
        fo.brain.compute_similarity(images, embeddings=embeddings(60), backend=backend)
        for backend in (tf.TamisSimilarityConfig, "sklearn")
    ]
    pair[1]._kneighbors(k=1)
    return pair


@pytest.mark.parametrize("k", [1, 5, None])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("queries", [1, 3])
def test_sort_by_similarity(images: Any, indexes: Any, k: Any, reverse: bool, queries: int) -> None:
    ids = images.values("id")[7 : 7 + queries]
    for aggregation in ("mean", "post-mean", "post-min", "post-max"):
        options = {"k": k, "reverse": reverse, "aggregation": aggregation}
        ours, theirs = (x.sort_by_similarity(ids, **options).values("id") for x in indexes)
        assert ours == theirs


@pytest.mark.parametrize("k", [1, 4, 58])
def test_neighbors(images: Any, indexes: Any, k: int) -> None:
    (inds, far), (want, want_far) = (x._kneighbors(k=k, return_dists=True) for x in indexes)
    assert [i.tolist() for i in inds] == [i.tolist() for i in want]
    np.testing.assert_allclose(np.array(far), np.array(want_far), **CLOSE)
    ids = images.values("id")[3:9]
    ours, theirs = (x._kneighbors(query=ids, k=k, return_dists=True) for x in indexes)
    assert ours[0] == theirs[0]
    np.testing.assert_allclose(ours[2], theirs[2], **CLOSE)
    vectors = embeddings(60)[:2]
    samples, _, _ = indexes[0]._kneighbors(query=vectors, k=1, return_dists=True)
    assert samples == [[i] for i in images.values("id")[:2]]


@pytest.mark.parametrize("threshold", [0.01, 0.4])
def test_radius_neighbors(images: Any, indexes: Any, threshold: float) -> None:
    for query in (None, images.values("id")[:4]):
        ours, theirs = (x._radius_neighbors(query=query, thresh=threshold) for x in indexes)
        if query is None:
            assert [i.tolist() for i in ours] == [i.tolist() for i in theirs]
        else:
            assert ours == theirs


def test_views_of_an_index(images: Any, indexes: Any) -> None:
    view = images.match_tags("train")
    found = []
    for index in indexes:
        with index.use_view(view):
            index.find_unique(12)
            found.append((index.unique_ids, index.thresh, index.duplicate_ids))
            assert index._kneighbors(k=2) is not None
    assert found[0] == found[1]
    for index in indexes:
        index.find_duplicates(fraction=0.3)
    assert indexes[0].duplicate_ids == indexes[1].duplicate_ids


def test_an_index_is_saved_and_edited(tf: Any, fo: Any, images: Any) -> None:
    dataset = images.clone()
    index = fo.brain.compute_similarity(
        dataset, embeddings="emb", brain_key="sim", backend=tf.TamisSimilarityConfig
    )
    first = dataset.first().id
    near = dataset.sort_by_similarity(first, k=6, brain_key="sim").values("id")
    assert near[0] == first
    dataset._brain_cache.clear()
    again = dataset.load_brain_results("sim")
    assert type(again) is tf.TamisSimilarityIndex
    assert again.sort_by_similarity(first, k=6).values("id") == near
    again.remove_from_index(sample_ids=near[1:3])
    assert again.sort_by_similarity(first, k=4).values("id") == [near[0], *near[3:]]
    assert index.config.method == "tamis"


def test_a_metric_it_does_not_know(tf: Any) -> None:
    with pytest.raises(ValueError, match="metric must be cosine or euclidean, got 'manhattan'"):
        tf.TamisSimilarityConfig(metric="manhattan")
