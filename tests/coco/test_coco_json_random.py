"""Random and mutated COCO JSON: the readers answer None or what Python's json gives."""

from __future__ import annotations

import json

import pytest
import tamis
from coco_json_reference import (
    ANNOTATIONS,
    RESULTS,
    check,
    reference_dataset,
    reference_results,
)
from generated import examples
from hypothesis import example, given
from hypothesis import strategies as st
from tamis import _core

RESULT = '{"image_id": 7, "category_id": 3, "bbox": [1, 2.5, -0.0, 4e1], "score": 0.25}'


@pytest.fixture(autouse=True)
def _restore_threads():
    yield
    tamis.set_num_threads(0)


ODD = (
    *("true", "null", "-0", "-0.0", "1e400", "1E5", "1.5e-7", "5e-324", "01", "1.", "-", "NaN"),
    *("9223372036854775808", "-9223372036854775808", "2147483649", "-Infinity", "[]", "{}"),
    *(r'"\ud800"', '"},{"', '"{\\"$\\":0}"', "[{}, {}]", '[{"id":1},{"id":2},{"id":3}]', '{"$":0}'),
    *("[1, 2, 3, 4]", "[1.5, 2, 3, true]"),
)
blanks = st.sampled_from(["", "", "", " ", "\n", " \t\r\n "])
integers = st.one_of(st.integers(0, 99), st.integers(-(2**63), 2**63 - 1)).map(str)
numbers = st.one_of(st.integers(-99, 99), st.floats(allow_nan=False, allow_infinity=False)).map(
    json.dumps
)
odd = st.one_of(
    st.sampled_from(ODD), integers, st.floats().map(json.dumps), st.text(max_size=6).map(json.dumps)
)
boxes = st.lists(numbers, min_size=4, max_size=4).map(lambda v: f"[{', '.join(v)}]")
iscrowds = st.sampled_from(["0", "1", "true", "false", "255"])
GOOD = {"bbox": boxes, "score": numbers, "area": numbers, "iscrowd": iscrowds}
EXTRA = ("segmentation", "caption", "$", "", "é")


@st.composite
def records(draw, keys: tuple[str, ...], strange: bool) -> str:
    pairs = [(key, draw(GOOD.get(key, integers))) for key in keys]
    if draw(st.booleans()):
        pairs.append(
            (
                draw(st.sampled_from(["segmentation", "$", "é"])),
                draw(st.sampled_from(['"},{"', '{"$": 1}', "[[1.5]]"])),
            )
        )
    if strange and draw(st.integers(0, 3)) == 0:
        pairs += draw(st.lists(st.tuples(st.sampled_from([*keys, *EXTRA]), odd), max_size=2))
        pairs = pairs[draw(st.integers(0, 1)) :]
    pairs = draw(st.permutations(pairs))
    spelled = [json.dumps(key) for key, _ in pairs]
    if spelled and draw(st.integers(0, 5)) == 0:
        spelled[0] = '"' + "".join(f"\\u{ord(c):04x}" for c in pairs[0][0]) + '"'
    blank = draw(blanks)
    return (
        "{"
        + f"{blank},".join(f"{k}:{blank}{v}" for k, (_, v) in zip(spelled, pairs, strict=True))
        + "}"
    )


@st.composite
def arrays(draw, keys: tuple[str, ...], strange: bool) -> str:
    items = draw(st.lists(records(keys, strange), min_size=0 if strange else 1, max_size=5))
    return f"[{(draw(blanks) + ',' + draw(blanks)).join(items)}]"


@st.composite
def datasets(draw, strange: bool) -> str:
    keys = {"images": ("id",), "annotations": tuple(ANNOTATIONS), "categories": ("id",)}
    names = draw(st.lists(st.sampled_from([*keys, "other"]), max_size=5, unique=not strange))
    parts = [
        json.dumps(name) + ":" + draw(arrays(keys.get(name, ("id",)), strange)) for name in names
    ]
    if strange and draw(st.booleans()):
        parts.append(json.dumps(draw(st.sampled_from([*keys, "info"]))) + ":" + draw(odd))
    return "{" + (draw(blanks) + "," + draw(blanks)).join(parts) + "}"


@st.composite
def mutated(draw, texts: st.SearchStrategy[str]) -> bytes:
    data = draw(texts).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 2))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 3)))
        put = draw(
            st.one_of(
                st.binary(max_size=2),
                st.sampled_from([b"},{", b'"', b"]", b"[", b",", b"\\", b'{"$":0}']),
            )
        )
        data = data[:begin] + put + data[end:]
    return data


cuts = st.lists(st.integers(16, 400), min_size=1, max_size=3, unique=True)
threads = st.integers(1, 4)


@examples(300)
@given(data=mutated(arrays(tuple(RESULTS), strange=True)), cuts=cuts, threads=threads)
@example(data=f'[{RESULT}, {{"a": "}}, {RESULT}, {{"}}, {RESULT}]'.encode(), cuts=[16], threads=1)
@example(data=b'[{"a":1},{"$":0},{"$":1},{"a":1}]', cuts=[1], threads=1)
def test_any_results_text(data, cuts, threads):
    tamis.set_num_threads(threads)
    check(_core.read_coco_results, reference_results, data, chunks=(*cuts, 1 << 20))


@examples(300)
@given(data=mutated(datasets(strange=True)), cuts=cuts, threads=threads)
@example(data=b'{"x":[{"id":1},{"id":2},{"id":3}],"images":[{"$":0,"id":1}]}', cuts=[1], threads=1)
def test_any_dataset_text(data, cuts, threads):
    tamis.set_num_threads(threads)
    check(_core.read_coco_dataset, reference_dataset, data, chunks=(*cuts, 1 << 20))


@examples(100)
@given(text=arrays(tuple(RESULTS), strange=False), cuts=cuts, threads=threads)
def test_any_regular_results_are_read(text, cuts, threads):
    tamis.set_num_threads(threads)
    check(_core.read_coco_results, reference_results, text, chunks=(*cuts, 1 << 20), regular=True)


@examples(100)
@given(text=datasets(strange=False), cuts=cuts, threads=threads)
def test_any_regular_dataset_is_read(text, cuts, threads):
    tamis.set_num_threads(threads)
    check(_core.read_coco_dataset, reference_dataset, text, chunks=(*cuts, 1 << 20), regular=True)
