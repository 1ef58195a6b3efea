"""Columns out of BSON documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference_bson import Int64, ObjectId, Raw, document
from tamis import _core

A, B = ObjectId(b"a" * 12), ObjectId(b"b" * 12)
COLUMNS = [("_id", "id"), ("label", "text"), ("box", "box"), ("score", "number"), ("crowd", "flag")]
COLUMNS.append(("attributes", "empty"))


def read(*documents: dict[str, Any], path: str = "preds.items") -> Any:
    batch = b"".join(document(d) for d in documents)
    return _core.bson_columns([batch], [(path.split("."), COLUMNS)])


def item(**more: Any) -> dict[str, Any]:
    return {"_id": A, **more}


def sample(*items: Any, **more: Any) -> dict[str, Any]:
    return {"_id": B, "preds": {"_cls": "Detections", "items": list(items)}, **more}


def test_values_of_every_kind() -> None:
    full = item(label="cat", box=[0, Int64(1), 0.5, 2.0], score=0.25, crowd=True, attributes={})
    ids, (table,), texts = read(sample(full, item(label="dog", score=3), item(label="cat")))
    assert ids.tolist() == [list(B)]
    assert table["_id"].tolist() == [list(A)] * 3
    assert table["counts"].tolist() == [3]
    assert [texts[code] for code in table["label"]] == ["cat", "dog", "cat"]
    assert table["box"].tolist() == [[0, 1, 0.5, 2], [0] * 4, [0] * 4]
    assert table["has_box"].tolist() == [1, 0, 0]
    assert table["score"].tolist() == [0.25, 3, 0]
    assert table["has_score"].tolist() == [1, 1, 0]
    assert table["crowd"].tolist() == [1, 0, 0]


def test_lists_that_are_not_there() -> None:
    empty = {"_id": A, "preds": None}, {"_id": A}, {"_id": A, "preds": {"items": None}}
    _, (table,), texts = read(*empty, sample(), sample(item(label=None)), {"_id": A, "preds": {}})
    assert table["counts"].tolist() == [-1, -1, -1, 0, 1, -1]
    assert table["label"].tolist() == [-1]
    assert texts == []


def test_one_document_is_a_list_of_one() -> None:
    _, (table,), _ = read({"_id": A, "one": item(label="cat")}, path="one")
    assert table["counts"].tolist() == [1]


def test_tables_share_their_texts() -> None:
    batch = document({"_id": A, "x": [item(label="cat")], "y": [item(label="cat")]})
    columns = [("label", "text")]
    _, (x, y), texts = _core.bson_columns([batch, batch], [(["x"], columns), (["y"], columns)])
    assert x["label"].tolist() == y["label"].tolist() == [0, 0]
    assert texts == ["cat"]


@pytest.mark.parametrize(
    ("value", "truth"),
    [(True, 1), (False, 0), (0, 0), (2, 1), (0.0, 0), (float("nan"), 1), ("", 0), ("0", 1)],
)
def test_flags_are_pythons_bool(value: Any, truth: int) -> None:
    _, (table,), _ = read(sample(item(crowd=value)))
    assert table["crowd"].tolist() == [truth]
    assert bool(value) == bool(truth)


def test_other_types_are_passed_over() -> None:
    others = {
        "binary": Raw((0x05, b"\3\0\0\0\x00abc")), "date": Raw((0x09, bytes(8))),
        "timestamp": Raw((0x11, bytes(8))), "decimal": Raw((0x13, bytes(16))),
        "least": Raw((0xFF, b"")), "most": Raw((0x7F, b"")), "deep": {"a": [{"_id": 1}]},
    }  # fmt: skip
    _, (table,), _ = read(sample(item(label="cat", **others), **others))
    assert table["label"].tolist() == [0]


@pytest.mark.parametrize(
    "odd",
    [
        sample(item(label=3)), sample(item(score="high")), sample(item(score=True)),
        sample(item(box=[1, 2, 3])), sample(item(box=[1, 2, 3, 4, 5])), sample(item(box=7)),
        sample(item(box=[1, 2, 3, None])), sample(item(crowd=[1])),
        sample(item(attributes={"a": 1})),
        sample({"label": "cat"}), sample({"_id": "text"}), sample("cat"), sample(None),
        {"preds": None}, {"_id": 1}, {"_id": A, "preds": 3}, {"_id": A, "preds": {"items": 3}},
        sample(item(pattern=Raw((0x0B, b"a\0b\0")))),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_plain_is_left_alone(odd: dict[str, Any]) -> None:
    assert read(odd) is None


def test_bytes_that_are_not_bson_raise() -> None:
    whole = document(sample(item(label="cat", box=[1, 2, 3, 4])))
    for cut in range(1, len(whole)):
        with pytest.raises(ValueError, match="batches must hold BSON documents"):
            _core.bson_columns([whole[:cut]], [(["preds", "items"], COLUMNS)])
    with pytest.raises(ValueError, match="kind must be id, text"):
        _core.bson_columns([], [(["preds"], [("label", "string")])])
    with pytest.raises(ValueError, match="path must not be empty"):
        _core.bson_columns([], [([], COLUMNS)])


@examples(100)
@given(st.data())
def test_broken_documents_never_crash(data: st.DataObject) -> None:
    whole = bytearray(document(sample(item(label="cat", box=[1, 2, 3, 4], score=1.5), x="y")))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        _core.bson_columns([bytes(whole)], [(["preds", "items"], COLUMNS)])
    except (ValueError, UnicodeDecodeError) as error:
        assert "BSON" in str(error) or isinstance(error, UnicodeDecodeError)


TEXT = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
ITEM = st.fixed_dictionaries(
    {"_id": st.binary(min_size=12, max_size=12).map(ObjectId)},
    optional={
        "label": st.none() | st.text(TEXT),
        "score": st.none() | st.floats(allow_nan=False) | st.integers(-(2**31), 2**31 - 1),
        "crowd": st.booleans(),
        "other": st.integers(-5, 5) | st.lists(st.integers(0, 3)),
    },
)  # fmt: skip


@examples(100)
@given(st.lists(st.none() | st.lists(ITEM, max_size=4), max_size=6))
def test_as_a_loop_over_dictionaries(lists: list[list[dict[str, Any]] | None]) -> None:
    ids, (table,), texts = read(
        *({"_id": A, "preds": None if items is None else {"items": items}} for items in lists)
    )
    assert len(ids) == len(lists)
    assert table["counts"].tolist() == [-1 if items is None else len(items) for items in lists]
    flat = [one for items in lists for one in items or []]
    assert table["_id"].tolist() == [list(one["_id"]) for one in flat]
    labels = [texts[code] if code >= 0 else None for code in table["label"]]
    assert labels == [one.get("label") for one in flat]
    assert table["score"].tolist() == [float(one.get("score") or 0) for one in flat]
    assert table["has_score"].tolist() == [one.get("score") is not None for one in flat]
    assert np.array_equal(table["crowd"], [one.get("crowd", False) for one in flat])
