"""The reader of plain results answers None, or gives json's values."""

from __future__ import annotations

import json
import re
import tempfile
from typing import Any

import numpy as np
import pytest
import tamis
from coco_json_reference import expected, reference_results
from coco_kinds import masks, people
from generated import examples, share
from hypothesis import example, given
from hypothesis import strategies as st
from tamis import _core
from tamis.coco import COCO
from tamis.coco._columns import Columns
from tamis.coco._plain_records import PlainRecords
from tamis.regions.mask_tables import masks_of

BOX = '{"image_id": 7, "category_id": 3, "bbox": [1, 2.5, -0.0, 4e1], "score": 0.25}'
MASK = (
    '{"image_id": 7, "category_id": 3, "segmentation": {"size": [4, 5], "counts": "52203"},'
    ' "score": 0.25}'
)
ESCAPED = MASK.replace("52203", r"\\02\\5\\\\0")
NUMBER = r"-?(0|[1-9]\d*)(\.\d+)?(e\d+)?"
ALIKE = BOX.replace("4e1", "4.125")
POINTS = '{"image_id": 7, "category_id": 3, "keypoints": [1, 2.5, 2, -4, 5, 0], "score": 0.25}'


def read(text: str | bytes, chunk: int = 1 << 18) -> dict[str, Any] | None:
    """From memory, and from a file if that is not the same."""
    raw = text.encode() if isinstance(text, str) else text
    table: dict[str, Any] | None = _core.read_plain_results(np.frombuffer(raw, np.uint8), chunk)
    with tempfile.TemporaryFile() as file:
        file.write(raw)
        file.flush()
        again = _core.read_plain_file(file.fileno(), len(raw), chunk)
        assert _core.read_plain_file(file.fileno(), len(raw) + 1, chunk) is None
    assert (table is None) == (again is None)
    for key, values in (table or {}).items():
        np.testing.assert_array_equal(again[key], values)
    return table


def columns_of(table: dict[str, Any]) -> Columns:
    c = Columns(np.arange(len(table["bbox"])), table["image_id"], table["category_id"], np.empty(0))
    c.bbox, c.score, c.keypoints = table["bbox"], table["score"], table.get("keypoints")
    c.masks = masks_of(table) if "text_splits" in table else None
    return c


def check(text: str | bytes, chunk: int = 1 << 18) -> bool:
    """Whether it is plain; then all values are those of Python's json, and so are the dicts."""
    table = read(text, chunk)
    if table is None:
        return False
    records = json.loads(text)
    for key in ("image_id", "category_id"):
        assert table[key].dtype == np.int64 and table[key].tolist() == [r[key] for r in records]
    want = np.array([float(r["score"]) for r in records])
    np.testing.assert_array_equal(table["score"].view(np.int64), want.view(np.int64))
    c = columns_of(table)
    if c.masks is not None:
        area, box = c.masks._measures()
        np.testing.assert_array_equal(table["area"], area)
        np.testing.assert_array_equal(table["bbox"], box)
    elif c.keypoints is not None:
        points = np.array([r["keypoints"] for r in records], float).reshape(len(records), -1, 3)
        low, high = points[:, :, :2].min(1), points[:, :, :2].max(1)
        np.testing.assert_array_equal(table["bbox"], np.concatenate([low, high - low], 1))
    if c.masks is None:
        with np.errstate(over="ignore", invalid="ignore"):
            area = table["bbox"][:, 2] * table["bbox"][:, 3]
        np.testing.assert_array_equal(table["area"], area)
    again = PlainRecords(table["keys"], table["size_first"], table["integers"]).annotations(c)
    assert repr(again) == repr(records)  # types, signs of zeros and the order of keys too
    return True


@pytest.mark.parametrize("record", [BOX, MASK, ESCAPED, POINTS])
@pytest.mark.parametrize("n", [1, 2, 100])
@pytest.mark.parametrize("chunk", [1, 200, 1 << 18])
def test_plain_results_of_each_kind(record: str, n: int, chunk: int) -> None:
    assert check(f"[{', '.join([record] * n)}]", chunk)
    assert check("\n[ " + " ,\r\n".join([record.replace(": ", "\t:")] * n) + "] ", chunk)
    assert check(f"[{','.join([record.replace(' ', '')] * n)}]", chunk)


def test_keys_in_another_order() -> None:
    assert check('[{"score":1,"bbox":[1,2,3,4],"category_id":-3,"image_id":123456789012345678}]')
    assert check(
        '[{"segmentation":{"counts":"52203","size":[4,5]},"score":1,"category_id":3,"image_id":0}]'
    )


def test_one_record_with_keys_in_another_order() -> None:
    moved = '{"score": 0.25, "image_id": 7, "category_id": 3, "bbox": [1, 2.5, -0.0, 4e1]}'
    for chunk in (1, 1 << 18):
        assert check(f"[{moved}, {moved}]", chunk)
        assert not check(f"[{BOX}, {moved}]", chunk)
        assert not check(f"[{BOX}, {BOX}, {moved}, {BOX}]", chunk)


def test_a_record_longer_than_any_part() -> None:
    long = MASK.replace("52203", "52203" + "0" * 700_000)
    for chunk in (1000, 1 << 18):
        assert not check(f"[{MASK}, {long}, {MASK}]", chunk)
    assert check(f"[{MASK}, {long}, {MASK}]", 1 << 20)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", " ", "[", "]", "[[]]", "{}", f"{BOX}", f"[{BOX}", f"[{BOX},]",
        f"[{BOX}]]", f"[{BOX} {BOX}]", f"[,{BOX}]", f"\ufeff[{BOX}]", f"[{BOX[:-1]}, {BOX}]",
        f"[{BOX},{POINTS}]",
        BOX.replace("}", "]"), f"[{BOX}, {{}}]", f"[{MASK}, {{{{}}}}]", f"[{MASK[:-1]}]",
        f"[{POINTS[:-1]}]",
        f"[{BOX[:-1]}", f"[{POINTS}, {POINTS.replace('1, ', '', 1)}]",
    ],
)  # fmt: skip
def test_texts_that_are_not_plain(text: str) -> None:
    assert not check(text)


@pytest.mark.parametrize("record", [BOX, ESCAPED, POINTS])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.25", "1e400"), ("0.25", "NaN"), ("0.25", "01"), ("0.25", ".5"), ("0.25", "1."),
        ("0.25", "-"), ("0.25", "+1"), ("0.25", "1e"), ("0.25", "1.e5"), ("0.25", "true"),
        ("0.25", '"1"'), ("0.25", "2147483649"), ("0.25", "0x1"), ("0.25", "- 1"),
        (": 7", ": 7.0"), (": 7", ": 7e0"), (": 7", ": 9999999999999999999"), (": 7", ": null"),
        ('"score"', '"scor\\u0065"'), ('"score"', '"Score"'), ("{", '{"score": 1, '),
        ("{", '{"caption": 1, '), ("{", '{"bbox": [1, 2, 3, 4], '), ("[1, 2.5,", "[1, 2.5,,"),
        ("[1, 2.5,", "[1 2.5,"), ("[1, 2.5,", "[[1], 2.5,"), ("}", ",}"), ("}", ""), ("}", "]"),
        ('": "', '": "\u00e9'), ('": "', '": "\x01'), ('": "', '": "\\n'), ('": "', '": "\\"'),
        ('": "', '": "\\u0030'), ("[4, 5]", "[4]"), ("[4, 5]", "[4, 5, 6]"), ("[4, 5]", "[-4, 5]"),
        ("[4, 5]", "[4.0, 5]"), ("[4, 5]", "[4, 2147483648]"), ('"size"', '"counts": "1", "size"'),
        ('"size"', '"size": [1, 1], "size"'), ('\\\\\\\\0"', '\\\\\\\\0o"'),
    ],
)  # fmt: skip
def test_records_that_are_not_plain(record: str, old: str, new: str) -> None:
    changed = record.replace(old, new, 1)
    if changed != record:
        for text in (f"[{changed}]", f"[{record}, {changed}, {record}]", f"[{record}, {changed}]"):
            for chunk in (1, 1 << 18):
                assert not check(text, chunk)


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map("{:.3e}".format),
    st.floats(-1e6, 1e6).map("{:.17f}".format),
    st.floats(0, 1, width=32).map(lambda x: repr(float(x))),
    st.tuples(st.integers(-(2**64), 2**64), st.integers(0, 10**25)).map(lambda p: f"{p[0]}.{p[1]}"),
    st.integers(-(2**31), 2**31).map(str),
    st.sampled_from(["-0", "-0.0", "0.0", "9007199254740993.0", "0.1", "5e-324", "2.5E+3"]),
)


@examples(300)
@given(spelled=st.lists(numbers, min_size=1, max_size=20))
def test_numbers_are_rounded_as_by_python(spelled: list[str]) -> None:
    records = ",".join(ALIKE.replace("0.25", s) for s in spelled)
    table = read(f"[{records}]")
    if table is None:  # left to the others: over- and underflow
        assert any(not 1e-300 < abs(float(s)) < 1e300 and float(s) != 0 for s in spelled)
        return
    want = np.array([float(json.loads(s)) for s in spelled])
    np.testing.assert_array_equal(table["score"].view(np.int64), want.view(np.int64))


short = st.one_of(
    st.tuples(st.integers(-9999, 9999), st.integers(0, 6)).map(
        lambda p: f"{p[0] / 10 ** p[1]:.{p[1]}f}"
    ),
    st.integers(-9_999_999, 9_999_999).map(str),
    st.sampled_from(
        [
            "0",
            "-0",
            "-0.0",
            "0.0",
            "1.0",
            "00",
            "1.",
            ".5",
            "-",
            "1.2.3",
            "1-2",
            "1e5",
            "--1",
            "01.5",
            "",
        ]
    ),
)


@examples(400)
@given(
    lists=st.lists(
        st.lists(st.one_of(short, numbers), min_size=12, max_size=12), min_size=1, max_size=5
    ),
    comma=st.sampled_from([", ", ",", " ,", ",\n"]),
    bad=st.booleans(),
)
def test_lists_of_short_numbers(lists: list[list[str]], comma: str, bad: bool) -> None:
    if not bad:  # what json refuses is 0 instead
        lists = [
            ["0" if re.fullmatch(NUMBER, x) is None else x for x in spelled] for spelled in lists
        ]
    records = [POINTS.replace("1, 2.5, 2, -4, 5, 0", comma.join(spelled)) for spelled in lists]
    check(f"[{', '.join(records)}]")


@pytest.mark.parametrize("places", range(7))
def test_every_short_number(isa: Any, places: int) -> None:
    """The quotient of two whole numbers is rounded as by Python."""
    rng = np.random.default_rng(places)
    values = rng.integers(0, 10 ** min(7, 6 + (places == 0)), (share(400), 300))
    rows = [[f"{v / 10**places:.{places}f}" for v in row] for row in values.tolist()]
    text = ",".join(POINTS.replace("1, 2.5, 2, -4, 5, 0", ", ".join(row)) for row in rows)
    assert check(f"[{text}]")


@examples(400)
@given(
    records=st.lists(st.sampled_from([BOX, MASK, ESCAPED, POINTS]), min_size=1, max_size=4),
    edits=st.lists(
        st.tuples(
            st.integers(0, 400), st.integers(0, 2), st.sampled_from(list('{}[]",:\\0e-. {o'))
        ),
        max_size=2,
    ),
    chunk=st.sampled_from([1, 100, 1 << 18]),
)
@example(records=[ESCAPED, MASK], edits=[(75, 0, "\\")], chunk=1)
def test_any_text(records: list[str], edits: list[tuple[int, int, str]], chunk: int) -> None:
    text = f"[{','.join(records)}]"
    for at, length, put in edits:
        text = text[:at] + put + text[at + length :]
    if not check(text, chunk):
        return
    if "bbox" in text:  # what the general reader promises too
        assert expected(reference_results, text.encode()) is not None


@pytest.mark.parametrize("make", [masks, people])
def test_the_dicts_are_those_of_the_file(make: Any, tmp_path: Any) -> None:
    case = make(3)
    for name, document in (("gt", case.gt), ("dt", case.dt)):
        (tmp_path / name).write_text(json.dumps(document))
    results = COCO(str(tmp_path / "gt")).loadRes(str(tmp_path / "dt"))
    again = [
        {k: ann[k] for k in first}
        for ann, first in zip(results.anns.values(), case.dt, strict=True)
    ]
    assert again == case.dt


def test_threads() -> None:
    text = f"[{', '.join([ESCAPED] * 3000)}]"
    for threads in (1, 3):
        tamis.set_num_threads(threads)
        try:
            assert check(text, 5000)
        finally:
            tamis.set_num_threads(0)


def texts_of_numbers() -> list[str]:
    """Halfway between two doubles and next to it, long, with zeros before, tiny and large."""
    rng = np.random.default_rng(0)
    floats = rng.uniform(-1000, 1000, 1000).astype(np.float32).astype(float)
    small = rng.random(500) * 10.0 ** rng.integers(-12, 4, 500)
    any_bits = rng.integers(0, 2**63, 500, np.uint64).view(np.float64)
    found = [repr(x) for part in (floats, small, any_bits) for x in part.tolist() if abs(x) < 1e300]
    for bits in (53, 54, 60):
        for low in rng.integers(0, 2**52, 100).tolist():
            middle = (1 << bits) + (2 * low + 1 << bits - 53)
            found += [f"{middle + step}{end}" for step in (-1, 0, 1) for end in (".0", "e0", "e-2")]
    middle = "4503599627370497.5"  # 2 ** 52 + 1.5
    found += [middle + "0" * n + end for n in range(12) for end in ("", "1", "e0", "1e0")]
    digits = "9999999999999999999999999"
    found += [digits[:n] + "." + digits[:m] for n in range(1, 25) for m in range(1, 25)]
    found += ["0." + "0" * n + digits[:m] for n in range(25) for m in (1, 17, 19, 20)]
    found += [f"{digits[:n]}e{power}" for n in (1, 17, 19, 20) for power in range(-80, 80)]
    return [*found, "0.0", "-0.0", "0.0e9", "0e-999", "5e-324", "2.2250738585072011e-308"]


def test_numbers_are_those_of_float() -> None:
    texts = [x for x in texts_of_numbers() if set(x) & set(".e")]
    texts = texts[: len(texts) // 5 * 5]
    records = [
        f'{{"image_id": 7, "category_id": 3, "bbox": [{", ".join(texts[i : i + 4])}],'
        f' "score": {texts[i + 4]}}}'
        for i in range(0, len(texts), 5)
    ]
    table = read(f"[{','.join(records)}]")
    assert table is not None
    got = np.column_stack([table["bbox"], table["score"]]).ravel()
    want = np.array([float(x) for x in texts])
    wrong = np.flatnonzero(got.view(np.int64) != want.view(np.int64))
    assert not len(wrong), [(texts[i], got[i], want[i]) for i in wrong[:5]]


@pytest.mark.parametrize(
    "number",
    [
        "--1.5",
        "- 1.5",
        "+1.5",
        "01.5",
        "00.1234567890123",
        "1.",
        ".5",
        "1.5.5",
        "1..5",
        "-",
        "1.5e",
    ],
)
def test_what_is_no_number_is_not_plain(number: str) -> None:
    for short in (number, number + "123456789012" if "5" in number else number):
        for old in ("2.5", "0.25"):
            assert read(f"[{BOX}, {BOX.replace(old, short)}]") is None
            assert (
                read(f"[{', '.join([ALIKE] * 3 + [ALIKE.replace(old, short)] + [ALIKE] * 3)}]")
                is None
            )


@pytest.mark.parametrize("last", ["image_id", "category_id", "score", "bbox"])
@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("8", True),
        ("0", True),
        ("-8", True),
        ("123456789012345678", True),
        ("9223372036854775807", True),
        ("9223372036854775808", False),
        ("8.0", False),
        ("8e0", False),
        ("08", False),
        ("8 8", False),
        ('8, "x": 8', False),
        ("8}", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("blank", ["", " ", "\n    "])
def test_an_id_among_records_spelled_alike(last: str, value: str, plain: bool, blank: str) -> None:
    """Whichever key is the last."""
    values = {"image_id": "7", "category_id": "3", "bbox": "[1, 2.5, -0.0, 4.125]", "score": "0.25"}
    keys = [*(key for key in values if key != last), last]

    def record(**others: str) -> str:
        spelled = (values | others).items()
        found = {key: f'"{key}":{blank}{one}' for key, one in spelled}
        return "{" + f",{blank}".join(found[key] for key in keys) + "}"

    for key in ("image_id", "category_id"):
        records = [record()] * 3 + [record(**{key: value})] + [record()] * 3
        assert check(f"[{f',{blank}'.join(records)}]") == plain
