"""The readers answer None or exactly what Python's json gives, however the text is cut."""

from __future__ import annotations

import json
import mmap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tamis
from coco_json_reference import (
    ANNOTATIONS,
    READERS,
    RESULTS,
    check,
    reference_dataset,
    reference_results,
)
from tamis import _core

RESULT = '{"image_id": 7, "category_id": 3, "bbox": [1, 2.5, -0.0, 4e1], "score": 0.25}'
ANNOTATION = (
    '{"segmentation": [[1.5, 2, 3, 4, 5, 6]], "area": 12.5, "iscrowd": 0, "image_id": 7,'
    ' "bbox": [1, 2.5, 3, 4], "category_id": 3, "id": 11}'
)
THREE = '[{"id": 1}, {"id": 2}, {"id": 3}]'


@pytest.fixture(autouse=True)
def _restore_threads():
    yield
    tamis.set_num_threads(0)


def check_results(text: str | bytes, regular: bool | None = None) -> None:
    check(_core.read_coco_results, reference_results, text, regular=regular)


def check_dataset(text: str | bytes, regular: bool | None = None) -> None:
    check(_core.read_coco_dataset, reference_dataset, text, regular=regular)


def result(**changes: str) -> str:
    """RESULT with some fields spelled anew; an empty spelling drops the field."""
    fields = {"image_id": "7", "category_id": "3", "bbox": "[1, 2, 3, 4]", "score": "0.5"} | changes
    return "{" + ", ".join(f'"{key}": {value}' for key, value in fields.items() if value) + "}"


def annotation(**changes: str) -> str:
    fields = {"id": "11", "image_id": "7", "category_id": "3", "bbox": "[1, 2, 3, 4]"}
    fields |= {"area": "12.5", "iscrowd": "0"} | changes
    return "{" + ", ".join(f'"{key}": {value}' for key, value in fields.items() if value) + "}"


def among(record: str, others: str = RESULT) -> str:
    return f"[{others}, {others}, {record}, {others}, {others}]"


# --- hand cases ---


@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)]
)
def test_any_buffer_of_bytes_is_read(kind):
    got = _core.read_coco_results(kind(f"[{RESULT}]".encode()))
    assert got["bbox"].tolist() == [[1.0, 2.5, 0.0, 40.0]]
    assert np.signbit(got["bbox"][0, 2])
    assert [got[k].tolist() for k in ("image_id", "category_id", "score")] == [[7], [3], [0.25]]


def test_a_mapped_file_is_read(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(among(RESULT))
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        assert len(_core.read_coco_results(data, chunk_bytes=64)["score"]) == 5


def test_text_is_a_type_error():
    with pytest.raises(TypeError):
        _core.read_coco_results("[]")


@pytest.mark.parametrize(
    "text",
    [
        f"[{RESULT}]",
        among(RESULT),
        f"\n\t [ {RESULT}\r\n , {RESULT} ] \n",
        f"[{RESULT}{' ' * 5000},{' ' * 5000}{RESULT},{RESULT}]",
        among(result(segmentation='{"size": [4, 4], "counts": "},{"}')),
        among(result(note='"},{"')),
        among(result(note=r'"\"},{\""')),
        among(result(note='"{\\"$\\":0}"')),
        among(result(nested='[{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}, {"id": 5}, {"id": 6}]')),
        among(result(**{"$": "0"})),
        among(result(**{r"\u0024": "1"})),
        among(result(score="", **{r"scor\u0065": "0.75"})),
        among(result(score="null", **{r"\u0073core": "0.75"})),
        among(result(image_id="-9223372036854775808", category_id="9223372036854775807")),
        among(result(image_id="-0", score="-0", bbox="[-0, -0.0, 0e9, 1E-2]")),
        among(result(bbox="[2147483648, -2147483648, 1e308, 5e-324]", score="1e-400")),
        among(result(score="123456789012345678901234567890.5")),
        among(result(surrogates=r'"\ud83d\ude00"', other='"é😀\u007f"')),
        f'[{RESULT}, {RESULT[:-1]}, "caption": 1}}]',
    ],
)
def test_regular_results(text):
    check_results(text, regular=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "[]",
        "{}",
        "null",
        "1",
        '"a"',
        "[[]]",
        "[1]",
        "[{}]",
        "[{}, {}]",
        "[null]",
        f'{{"annotations": [{RESULT}]}}',
        among("1"),
        among("null"),
        among("[]"),
        among("{}"),
        f'[{RESULT[:-1]}, "caption": "a"}}, {RESULT}]',
        *[among(result(**{key: ""})) for key in RESULTS],
        *[
            among(result(**{key: value}))
            for key in ("image_id", "category_id")
            for value in ("1.5", "1e16", '"1"', "true", "null", "9223372036854775808", "[1]")
        ],
        *[
            among(result(score=value))
            for value in (
                "NaN",
                "Infinity",
                "-Infinity",
                "1e400",
                '"1"',
                "true",
                "null",
                "2147483649",
                "18446744073709551616",
                "[1]",
            )
        ],
        *[
            among(result(bbox=value))
            for value in (
                "[]",
                "[1,2,3]",
                "[1,2,3,4,5]",
                "[1,2,3,null]",
                "[1,2,3,true]",
                "{}",
                "null",
                "[1,2,3,NaN]",
                "[1,2,3,-2147483649]",
                "[[1,2,3,4]]",
                '"1234"',
            )
        ],
        among(result(score='0.5, "score": null')),
        among(result(other="NaN")),
        among(result(other="123456789012345678901234567890")),
    ],
)
def test_irregular_results(text):
    check_results(text, regular=False)


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + f"[{RESULT}]".encode(),
        f"[{RESULT},]",
        f"[,{RESULT}]",
        f"[{RESULT},,{RESULT}]",
        f"[{RESULT} {RESULT}]",
        f"[{RESULT}}}",
        f"[{RESULT}] x",
        f"[{RESULT}] [{RESULT}]",
        f"[{RESULT}], [{RESULT}]",
        f"[{RESULT}",
        f"{RESULT}]",
        f"{RESULT}, {RESULT}",
        f"[{RESULT}], {RESULT}, [{RESULT}]",
        f"[{RESULT}]\0",
        among(result(score="01")),
        among(result(score="1.")),
        among(result(score=".5")),
        among(result(score="+1")),
        among(result(score="-")),
        among(result(score="1e")),
        among(result(score="0x10")),
        among(result(score="1_0")),
        among(result(score="tru")),
        among(result(note='"a\nb"')),
        among(result(note='"\x01"')),
        among(result(note=r'"\x"')),
        among(result(note=r'"\u12"')),
        among(result(note='"a')),
        among(result(note="'a'")),
        among(result(note="1 /* no */")),
        among(result(note="[1,]")),
        among(result(note="{1: 2}")),
        among(result(note='"\ud800"')),
        among(result(note='"')).encode() + b'"]',
        among(result(note='"?"')).encode().replace(b"?", b"\xff"),
        among(result(note='"?"')).encode().replace(b"?", b"\xc0\xaf"),
        among(result(note='"?"')).encode().replace(b"?", b"\xe2\x82"),
    ],
)
def test_invalid_text_is_refused(text):
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    with pytest.raises(ValueError, match=r"."):
        json.loads(data.decode())
    check_results(data, regular=False)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{ }",
        '{"images": []}',
        '{"info": {"a": [{}, {}, {}]}, "annotations": []}',
        f'{{"annotations": [{ANNOTATION}]}}',
        f'{{"annotations": {among(ANNOTATION, ANNOTATION)}}}',
        '{"categories": [{"id": 1}, {"id": 2}, {"id": 1}]}',
        '{"images": [{"id": 0}, {"id": 5}, {"id": -3}, {"id": 0}]}',
        '{"images": [{"id": 9}, {"id": 0}, {"id": -3}, {"id": 2}]}',
        f'{{"annotations": [{ANNOTATION}, {ANNOTATION}], "images": {THREE}}}',
        f'{{"images": 1, "annotations": [], "annotations": [{ANNOTATION}], "images": []}}',
        f'{{"images": {THREE}, "images": [{{"id": 4}}, {{"id": 5}}, {{"id": 6}}]}}',
        f'{{"images": [{{"id": 4}}, {{"id": 5}}, {{"id": 6}}], "images": {THREE}}}',
        f'{{"other": {THREE}, "images": [{{"id": 4}}]}}',
        f'{{"other": {THREE}, "images": [{{"id": 4, "$": 0}}]}}',
        f'{{"images": [{{"id": 4}}, {{"id": 5}}, {{"id": 6, "licences": {THREE}}}]}}',
        r'{"im\u0061ges": [{"id": 4}, {"\u0069d": 5}]}',
        *[
            f'{{"annotations": {among(annotation(iscrowd=v), ANNOTATION)}}}'
            for v in ("true", "false", "0", "255", "0.0", "-0.0", "255.0")
        ],
        *[
            f'{{"annotations": {among(annotation(area=v), ANNOTATION)}}}'
            for v in ("9007199254740992", "-9007199254740992", "1e300", "-0.0")
        ],
    ],
)
def test_regular_datasets(text):
    check_dataset(text, regular=True)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "1",
        f"[{ANNOTATION}]",
        '{"images": null}',
        '{"images": {}}',
        '{"images": [1]}',
        '{"images": [{}]}',
        '{"categories": [{"id": true}]}',
        '{"categories": [{"id": 1.5}]}',
        '{"images": [{"id": 1}], "images": 1}',
        '{"images": [{"id": 1}], "images": [{"id": null}]}',
        *[
            f'{{"annotations": {among(annotation(**{key: ""}), ANNOTATION)}}}'
            for key in ANNOTATIONS
        ],
        *[
            f'{{"annotations": {among(annotation(**{key: "null"}), ANNOTATION)}}}'
            for key in ANNOTATIONS
        ],
        *[
            f'{{"annotations": {among(annotation(iscrowd=v), ANNOTATION)}}}'
            for v in ("256", "-1", "0.5", "256.0", "1e300", '"0"')
        ],
        *[
            f'{{"annotations": {among(annotation(area=v), ANNOTATION)}}}'
            for v in ("9007199254740993", "-9007199254740993", "true", "NaN")
        ],
    ],
)
def test_irregular_datasets(text):
    check_dataset(text, regular=False)


@pytest.mark.parametrize("depth", [1, 100, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 1100])
def test_nesting_is_limited_alike_in_chunks_and_in_one_piece(depth):
    nested = "[" * depth + "1" + "]" * depth
    check_results(among(result(other=nested)), regular=True if depth < 120 else None)
    check_dataset(f'{{"images": {among(annotation(other=nested), ANNOTATION)}}}')
    check_results(among(result(other=nested)), regular=False if depth > 128 else None)


@pytest.mark.parametrize(("reader", "reference"), READERS)
def test_every_truncation(reader, reference):
    results = among(result(note='"},{é"'))
    dataset = (
        f'{{"images": [{{"id": 1}}, {{"id": 2}}], "annotations": {among(ANNOTATION, ANNOTATION)}}}'
    )
    for text in results, dataset:
        data = text.encode()
        for end in range(len(data)):
            check(reader, reference, data[:end], chunks=(16, 1000), regular=False)


def test_every_single_byte_change():
    data = among(result(note='"},{"')).encode()
    for at in range(len(data)):
        for byte in b'{},"\\ 0':
            changed = data[:at] + bytes([byte]) + data[at + 1 :]
            check(_core.read_coco_results, reference_results, changed, chunks=(20, 1000))


def test_numbers_are_correctly_rounded():
    rng = np.random.default_rng(0)
    anything = rng.integers(0, 2**63, 3000, np.int64).view(np.float64)
    spellings = [repr(v) for v in anything[np.isfinite(anything)].tolist()]
    for digits in rng.integers(1, 30, 3000):
        mantissa = "".join(map(str, rng.integers(0, 10, digits)))
        spellings.append(
            f"{rng.choice(['', '-'])}{rng.integers(1, 10)}.{mantissa}e{rng.integers(-345, 305)}"
        )
    spellings += [
        "9007199254740993.0",
        "2.2250738585072011e-308",
        "4.9406564584124654e-324",
        "-1e-999",
        "1" * 300 + ".0",
    ]
    data = "[" + ",".join(result(score=s) for s in spellings) + "]"
    check(_core.read_coco_results, reference_results, data, chunks=(1000, 1 << 30), regular=True)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_order_is_kept_by_any_number_of_threads(threads):
    tamis.set_num_threads(threads)
    chunks = (1, 500, 5000, 1 << 17)
    records = [
        {"image_id": i, "category_id": i % 90, "bbox": [i, 1, 2, 3.5], "score": i / 5000}
        for i in range(5000)
    ]
    records[2500]["segmentation"] = {"size": [1, 1], "counts": "},{"}
    data = json.dumps(records)
    check(_core.read_coco_results, reference_results, data, chunks, regular=True)
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in range(3000)]
    truth = [
        r | {"id": 7 * i % 5003, "area": 2.0, "iscrowd": i % 3 == 0} for i, r in enumerate(records)
    ]
    data = json.dumps(
        {"images": images, "annotations": truth, "categories": [{"id": i} for i in range(90)]}
    )
    check(_core.read_coco_dataset, reference_dataset, data, chunks, regular=True)


def test_calls_from_many_threads():
    data = json.dumps([json.loads(RESULT) | {"image_id": i} for i in range(2000)]).encode()
    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(
            lambda chunk: _core.read_coco_results(data, chunk_bytes=chunk), range(500, 900, 10)
        ):
            assert got["image_id"].tolist() == list(range(2000))
