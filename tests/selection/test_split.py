"""split: units stay together, growth moves nothing, shares are met; and the manifest of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st

HALVES = {"a": 1, "b": 1}


def rows(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, n)).normal(size=(n, d)).astype(np.float32)


def with_repeats(n: int, seed: int = 0) -> np.ndarray:
    """A fifth are chains of near-duplicates."""
    x = rows(n, seed=seed)
    fifth = n // 5
    x[-fifth:] = x[:fifth] + 0.02 * rows(fifth, seed=seed + 1)
    return x


def components(n: int, edges: list[tuple[int, int]]) -> list[int]:
    first = list(range(n))
    for _ in range(n):
        for a, b in edges:
            first[a] = first[b] = min(first[a], first[b])
    return first


@examples(50)
@given(st.integers(1, 30), st.data())
def test_units_are_the_connected_components(n, data):
    number = st.integers(0, n - 1)
    pairs = data.draw(st.lists(st.tuples(number, number), max_size=15))
    groups = data.draw(st.lists(st.sampled_from(["", "x", "y", "z"]), min_size=n, max_size=n))
    found = tamis.split(groups=groups, pairs=np.array(pairs, np.int64).reshape(-1, 2), seed=3)
    same = [(i, groups.index(g)) for i, g in enumerate(groups) if g]
    assert found.unit.tolist() == components(n, [*pairs, *same])
    assert (found.split == found.split[found.unit]).all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_no_leaks(library, metric):
    x = with_repeats(1000)
    found = tamis.split(library.array(x), metric=metric, threshold=0.05, fractions=HALVES)
    assert len(tamis.leaks(x, found.split, threshold=0.05, metric=metric).pairs) == 0
    assert len(set(found.unit)) < 1000 if metric == "cosine" else True


def test_no_leaks_in_real_embeddings():
    x = np.load(data_path("embeddings", "pool_512.npy"))
    found = tamis.split(x, threshold=0.05, seed=1)
    assert len(tamis.leaks(x, found.split, threshold=0.05).pairs) == 0
    by_chance = np.random.default_rng(0).integers(0, 3, len(x))
    assert len(tamis.leaks(x, by_chance, threshold=0.05).pairs) > 0


@examples(50)
@given(st.data())
def test_growth_moves_nothing(data):
    """New rows at the end, of old groups or new ones: with keys, and with row numbers."""
    n = data.draw(st.integers(1, 40))
    old = data.draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    new = data.draw(st.lists(st.integers(0, 20), max_size=40))
    seed = data.draw(st.integers(0, 2**40))
    for keys in (None, [f"image {i}" for i in range(n + len(new))]):
        before = tamis.split(groups=old, seed=seed, keys=keys and keys[:n])
        after = tamis.split(groups=old + new, seed=seed, keys=keys)
        np.testing.assert_array_equal(after.split[:n], before.split)
        place = {g: before.split[i] for i, g in enumerate(old)}
        for i, group in enumerate(new):
            assert after.split[n + i] == place.get(group, after.split[n + i])


@examples(50)
@given(st.data())
def test_growth_from_a_previous_split_moves_nothing(data):
    """Balanced by class, in any order, with bridges between old units, which are reported."""
    n = data.draw(st.integers(1, 40))
    old = data.draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    before = tamis.split(groups=old, labels=[g % 3 for g in old], fractions=HALVES)
    more = data.draw(st.integers(0, 20))
    number = st.integers(0, n + more - 1)
    pairs = data.draw(st.lists(st.tuples(number, number), max_size=8))
    order = data.draw(st.permutations(range(n + more)))
    groups = np.array([*old, *[-1 - i for i in range(more)]])[order]
    previous = [before.names[before.split[i]] if i < n else None for i in order]
    after = tamis.split(
        groups=groups, labels=groups % 3, fractions=HALVES, previous=previous,
        pairs=np.array(pairs, np.int64).reshape(-1, 2),
    )  # fmt: skip
    given_rows = [i for i, name in enumerate(previous) if name is not None]
    assert [after.names[after.split[i]] for i in given_rows] == [previous[i] for i in given_rows]
    for unit in set(after.unit.tolist()):
        members = np.flatnonzero(after.unit == unit)
        held = {previous[i] for i in members} - {None}
        assert (unit in after.conflicts) == (len(held) == 2)
        if len(held) == 1:
            assert {after.names[s] for s in after.split[members]} == held


def test_shares_of_rows_and_seeds():
    found = tamis.split(keys=np.arange(20_000), seed=4)
    np.testing.assert_allclose(found.rows / 20_000, [0.8, 0.1, 0.1], atol=0.01)
    assert (found.split != tamis.split(keys=np.arange(20_000), seed=5).split).any()
    np.testing.assert_array_equal(found.rows_of("test"), np.flatnonzero(found.split == 2))


@pytest.mark.parametrize("kind", ["one", "counts", "ragged"])
def test_class_shares_within_one_percent(kind):
    """Videos of boxes of 80 classes, rare and frequent, several in an image."""
    rng = np.random.default_rng(0)
    n, classes = 20_000, 80
    counts = rng.poisson(np.geomspace(0.05, 1, classes), (n, classes))
    groups = rng.integers(0, 4000, n)
    at, of = np.nonzero(counts)
    labels: Any = {
        "one": counts.argmax(1), "counts": counts,
        "ragged": (np.repeat(of, counts[at, of]), np.concatenate([[0], np.cumsum(counts.sum(1))])),
    }[kind]  # fmt: skip
    found = tamis.split(groups=groups, labels=labels, seed=1)
    totals = found.class_rows.sum(0)
    away = np.abs(found.class_rows / totals - found.fractions[:, None]).max(0)
    assert away[totals >= 500].max() <= 0.01
    np.testing.assert_allclose(found.rows / n, found.fractions, atol=0.01)
    if kind != "one":
        np.testing.assert_array_equal(totals, counts.sum(0))


def test_balanced_by_hand():
    found = tamis.split(labels=list("aaaabbbb"), fractions=HALVES)
    assert found.classes == ("a", "b") and (found.class_rows == 2).all()
    rare = tamis.split(labels=["x"] * 2 + ["y"] * 8, fractions=HALVES)
    assert rare.class_rows.tolist() == [[1, 4], [1, 4]]


def test_placed_rows_count_towards_the_shares():
    previous = ["a"] * 40 + [None] * 60
    found = tamis.split(labels=[0] * 100, previous=previous, fractions=HALVES)
    assert found.rows.tolist() == [50, 50]


@pytest.mark.parametrize("of", [np.int64, np.uint8])
def test_a_seed_of_numpy_is_the_same_seed(of):
    ours = [tamis.split(keys=range(50), seed=seed).split.tolist() for seed in (7, of(7))]
    assert ours[0] == ours[1]


def test_what_does_not_fit():
    cases: dict[str, dict[str, Any]] = {
        "give x, groups, labels or keys": {},
        r"split: pairs must be rows 0 to 2, got 3": {"keys": range(3), "pairs": np.array([[0, 3]])},
        r"split: groups must have shape \(3,\), got \(2,\)": {"keys": range(3), "groups": [1, 2]},
        "fractions must be 0 or more": {"keys": range(3), "fractions": {"a": -1, "b": 2}},
        "fractions must be a dict of two splits or more": {"keys": [1], "fractions": {"a": 1}},
        "split: keys must differ": {"keys": ["x", "x"]},
        "previous must hold splits among train, val, test, got 'dev'": {"previous": ["dev"]},
        "labels must be counts of 0 or more": {"labels": np.array([[-1, 2]])},
    }
    for text, options in cases.items():
        options = {k: list(v) if isinstance(v, range) else v for k, v in options.items()}
        with pytest.raises((TypeError, ValueError), match=text):
            tamis.split(**options)


# The manifest


def frozen(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what verify_split is given where nothing has changed, a manifest as JSON has it)."""
    x = with_repeats(60)
    keys = [f"img/{i}.jpg" for i in range(60)]
    (folder / "img").mkdir()
    for i, key in enumerate(keys):
        (folder / key).write_bytes(b"pixels %d" % i)
    labels = [[[i, 1.5, 2], "car"] for i in range(60)]
    found = tamis.split(x, keys=keys, fractions={"train": 1, "test": 1}, threshold=0.05)
    found.save(folder / "manifest.json", keys=keys, root=folder, labels=labels)
    names = [found.names[i] for i in found.split]
    now = {"keys": keys, "root": folder, "labels": labels, "splits": names, "x": x}
    return now, json.loads((folder / "manifest.json").read_text())


def test_nothing_has_changed(tmp_path):
    now, manifest = frozen(tmp_path)
    check = tamis.verify_split(tmp_path / "manifest.json", **now)
    assert check.ok and check.exit_code == 0 and str(check).startswith("the split is as it was")
    assert check.checked == {
        "samples": 60,
        "files": 60,
        "labels": 60,
        "split": 60,
        "embeddings": 60,
    }
    assert check == tamis.verify_split(manifest, **now)
    order = np.random.default_rng(0).permutation(60)
    turned = {k: [v[i] for i in order] for k, v in now.items() if k not in ("root", "x")}
    assert tamis.verify_split(manifest, **turned, x=now["x"][order], root=tmp_path).ok
    assert set(manifest["split"]) == {"train", "test"}


def test_each_change_is_found(tmp_path):
    now, manifest = frozen(tmp_path)
    key = now["keys"][7]

    def check(**changed: Any) -> tamis.SplitCheck:
        found = tamis.verify_split(manifest, **{**now, **changed})
        assert not found.ok and found.exit_code == 1 and "broken" in str(found)
        return found

    fewer = {k: v[1:] for k, v in now.items() if k != "root"}
    assert check(**fewer).lost == (now["keys"][0],)
    labels = list(now["labels"])
    labels[7] = [[7, 1.5, 2], "cat"]
    assert check(labels=labels).relabelled == (key,)
    other = {"train": "test", "test": "train"}
    moved = [other[s] if i == 7 else s for i, s in enumerate(now["splits"])]
    assert key in check(splits=moved).moved
    (tmp_path / key).write_bytes(b"others")
    assert check().changed == (key,)
    (tmp_path / key).unlink()
    assert check().changed == (key,)


def test_leaks_are_found(tmp_path):
    now, manifest = frozen(tmp_path)
    test = now["keys"][now["splits"].index("test")]
    x = np.concatenate([now["x"], now["x"][[now["keys"].index(test)]]])
    grown = {"keys": [*now["keys"], "new.jpg"], "x": x, "splits": [*now["splits"], "train"]}
    found = tamis.verify_split(manifest, **grown)
    assert not found.ok and (test, "new.jpg") in found.leaks and found.new == ("new.jpg",)
    found = tamis.verify_split(manifest, keys=grown["keys"], x=x)  # not said where it is used
    assert found.ok and found.new == ("new.jpg",)
    twins = [i for i, unit in enumerate(manifest["unit"]) if manifest["unit"].count(unit) == 2][:1]
    moved = list(now["splits"])
    for i in twins:
        moved[i] = "test" if moved[i] == "train" else "train"
    found = tamis.verify_split(manifest, keys=now["keys"], splits=moved)
    assert len(found.leaks) == 1  # of one unit, without embeddings


def test_growth_through_the_manifest(tmp_path):
    now, _ = frozen(tmp_path)
    keys = [*[f"new {i}" for i in range(30)], *now["keys"]]
    x = np.concatenate([rows(30, seed=9), now["x"]])
    how = {"fractions": {"train": 1, "test": 1}, "threshold": 0.05}
    grown = tamis.split(x, keys=keys, previous=tmp_path / "manifest.json", **how)
    assert [grown.names[i] for i in grown.split[30:]] == now["splits"]
    with pytest.raises(ValueError, match="keys must be given with a manifest"):
        tamis.split(x, previous=tmp_path / "manifest.json", **how)


def test_manifests_that_do_not_fit(tmp_path):
    now, manifest = frozen(tmp_path)
    with pytest.raises(ValueError, match="format 'tamis split 1'"):
        tamis.verify_split({"keys": []}, keys=[])
    with pytest.raises(ValueError, match="columns of one length"):
        tamis.verify_split({**manifest, "split": []}, keys=[])
    del manifest["labels"]
    with pytest.raises(ValueError, match="manifest holds no digests of labels"):
        tamis.verify_split(manifest, **now)
    with pytest.raises(ValueError, match="keys must differ"):
        tamis.verify_split(manifest, keys=["a", "a"])
    found = tamis.split(keys=["a", "b"])
    with pytest.raises(FileNotFoundError):
        found.save(tmp_path / "m.json", keys=["a", "b"], root=tmp_path)
    assert not (tmp_path / "m.json").exists()
