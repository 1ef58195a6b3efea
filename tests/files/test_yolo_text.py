"""The compiled reader of YOLO rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis import _core


def read(*paths: Path) -> dict[str, Any]:
    return _core.read_yolo_files([os.fsencode(path) for path in paths])


def written(folder: Path, *contents: bytes) -> list[Path]:
    paths = []
    for i, content in enumerate(contents):
        paths.append(folder / f"{i}.txt")
        paths[-1].write_bytes(content)
    return paths


def reference(texts: list[str]) -> dict[str, list[Any]]:
    """Slow and plain."""
    labels, values, counts, lines, rows = [], [], [], [], [0]
    for text in texts:
        for number, line in enumerate(text.split("\n"), 1):
            if words := line.split():
                labels.append(int(float(words[0])))
                values += map(float, words[1:])
                counts.append(len(words) - 1)
                lines.append(number)
        rows.append(len(labels))
    splits = np.cumsum([0, *counts]).tolist()
    return {
        "labels": labels, "values": values, "value_splits": splits, "lines": lines,
        "row_splits": rows,
    }  # fmt: skip


def test_rows_of_two_files(tmp_path: Path) -> None:
    found = read(*written(tmp_path, b"0 .5 .5 1 1\n\n2 0.25 0.5 0.5 0.25 0.9\n", b"1 0 0 1 0 1 1"))
    assert found["labels"].tolist() == [0, 2, 1]
    assert found["value_splits"].tolist() == [0, 4, 9, 15]
    assert found["values"].tolist() == [0.5, 0.5, 1, 1, 0.25, 0.5, 0.5, 0.25, 0.9, 0, 0, 1, 0, 1, 1]
    assert found["row_splits"].tolist() == [0, 2, 3]
    assert found["lines"].tolist() == [1, 3, 1]
    assert found["problems"] == [] and found["missing"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "content",
    [
        b"3 0.5 0.25\n1 1 2\n", b"\xef\xbb\xbf3 0.5 0.25\n1 1 2", b"3 0.5 0.25\r\n1 1 2\r\n",
        b"3 0.5 0.25\r1 1 2\r", b" 3\t0.5   0.25 \n1 1 2\n\n", b"3.0 5e-1 +.25\n1 1. 2.0",
        "\ufeff3 0.5 0.25\n1 1 2".encode("utf-16-le"),
        "\ufeff3 0.5 0.25\n1 1 2".encode("utf-16-be"),
        "3 0.5 0.25\n1 1 2".encode("utf-16-le"), "3 0.5 0.25\n1 1 2".encode("utf-16-be"),
    ],
)  # fmt: skip
def test_the_same_rows_however_they_are_spelled(tmp_path: Path, content: bytes) -> None:
    found = read(*written(tmp_path, content))
    assert found["problems"] == []
    assert found["labels"].tolist() == [3, 1]
    assert found["values"].tolist() == [0.5, 0.25, 1, 2]


@pytest.mark.parametrize(
    "content, line, text",
    [
        (b"0 1 2\n0 x 2", 2, "expected a finite number, got 'x'"),
        (b"0 nan 2", 1, "expected a finite number, got 'nan'"),
        (b"\n\n0 1e999 2", 3, "expected a finite number, got '1e999'"),
        (b"0 -inf 2", 1, "expected a finite number, got '-inf'"),
        (b"0 0,5 2", 1, "expected a finite number, got '0,5'"),
        (b"0 0.5\x00 2", 1, "expected a finite number, got '0.5?'"),
        (b"-1 0 2", 1, "expected a class number (0, 1, ...), got '-1'"),
        (b"0.5 0 2", 1, "expected a class number (0, 1, ...), got '0.5'"),
        (b"99999999999 0 2", 1, "expected a class number (0, 1, ...), got '99999999999'"),
        (b"0 " + b"9" * 200, 1, "expected a finite number, got '" + "9" * 40 + "...'"),
    ],
)
def test_what_is_no_row_is_told(tmp_path: Path, content: bytes, line: int, text: str) -> None:
    content = content.replace(b"9" * 200, b"9" * 400)
    found = read(*written(tmp_path, b"0 1 2", content))
    assert found["problems"] == [(1, line, text.encode())]
    assert len(found["labels"]) == found["row_splits"][-1] == len(found["value_splits"]) - 1


def test_words_are_numbered_across_files(tmp_path: Path) -> None:
    contents = [b"cat 1\ndog 2\n", *[b""] * 40, b"dog 3\nemu 4\n7 5"]
    found = read(*written(tmp_path, *contents))
    assert found["texts"] == [b"cat", b"dog", b"emu"]
    assert found["labels"].tolist() == [-1, -2, -2, -3, 7]


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    found = read(tmp_path / "none.txt", *written(tmp_path, b"0 1"), tmp_path)
    assert found["missing"].tolist() == [1, 0, 0]
    assert [p[0] for p in found["problems"]] == [2]  # a folder


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert read(tmp_path / "pipe.txt")["row_splits"].tolist() == [0, 0]


def test_no_file() -> None:
    found = read()
    assert found["row_splits"].tolist() == [0] and found["value_splits"].tolist() == [0]


def test_a_long_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = rng.random((30_000, 5))
    text = "\n".join("1 " + " ".join(map(repr, row)) for row in table.tolist())
    found = read(*written(tmp_path, text.encode()))
    assert np.array_equal(found["values"].reshape(-1, 5), table)


@examples(300)
@given(st.from_regex(r"[0-9]{0,17}\.?[0-9]{0,17}", fullmatch=True).filter(lambda s: s.strip(".")))
def test_plain_digits_are_rounded_once(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    found = read(*written(tmp_path_factory.mktemp("x"), f"0 {text}".encode()))
    assert found["values"].tolist() == [float(text)]


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
rows = st.lists(st.tuples(st.integers(0, 2**31 - 1), st.lists(numbers, max_size=9)), max_size=5)


@examples(50)
@given(st.lists(rows, max_size=70), st.integers(1, 4))
def test_random_files_are_those_of_the_reference(
    tmp_path_factory: pytest.TempPathFactory, files: list[Any], threads: int
) -> None:
    folder = tmp_path_factory.mktemp("random")
    texts = ["\n".join(" ".join([str(c), *map(repr, v)]) for c, v in rows) for rows in files]
    before = tamis.num_threads()
    tamis.set_num_threads(threads)
    found = read(*written(folder, *[t.encode() for t in texts]))
    tamis.set_num_threads(before)
    for key, expected in reference(texts).items():
        assert found[key].tolist() == expected, key
    assert found["problems"] == []
