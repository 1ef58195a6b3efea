"""The compiled reader of Pascal VOC files."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis import _core

BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40.5</ymax></bndbox>"
OBJECT = f"<object><name>cat</name>{BOX}</object>"


def read(*paths: Path) -> dict[str, Any]:
    return _core.read_voc_files([os.fsencode(path) for path in paths])


def one(folder: Path, content: str | bytes) -> dict[str, Any]:
    path = folder / "a.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)


def reference(path: Path) -> list[Any]:
    """By the standard library."""
    out = []
    for obj in ET.parse(path).getroot().findall("object"):
        box = [float(obj.findtext(f"bndbox/{k}")) for k in ("xmin", "ymin", "xmax", "ymax")]  # type: ignore[arg-type]
        flags = [int(obj.findtext(k) or 0) for k in ("difficult", "truncated", "occluded")]
        out.append((obj.findtext("name"), box, flags))
    return out


def rows(found: dict[str, Any], file: int) -> list[Any]:
    span = range(*found["row_splits"][file : file + 2].tolist())
    return [
        (
            found["texts"][found["labels"][i]].decode(),
            found["boxes"][i].tolist(),
            found["flags"][i].tolist(),
        )
        for i in span
    ]


def test_an_object_with_parts_and_an_odd_order(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        f"""<?xml version="1.0"?>
<!-- a comment with <object> -->
<annotation verified="yes>no"><filename>a b.jpg</filename>
<size><height>20</height><width>10</width></size>
 <object>
  <part><name>head</name>{BOX}</part>
  <bndbox><ymax> 4 </ymax><xmax>3</xmax><ymin>2</ymin><xmin>1e0</xmin></bndbox>
  <truncated>1</truncated><difficult>0</difficult><name><![CDATA[a<b]]> &amp; &#x43;&#68;</name>
 </object><object/></annotation>""",
    )
    assert rows(found, 0) == [("a<b & CD", [1, 2, 3, 4], [0, 1, 0])]
    assert found["sizes"].tolist() == [[10, 20]] and found["names"] == [b"a b.jpg"]
    assert found["lines"].tolist() == [5]
    assert found["problems"] == [(0, 9, b"<object> must have a <name>")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    text = f"<annotation>{end}<filename>größe.jpg</filename>{end}{OBJECT}</annotation>{end}"
    found = one(tmp_path, text.encode(encoding))
    assert found["names"] == ["größe.jpg".encode()]
    assert rows(found, 0) == [("cat", [1, 2, 30, 40.5], [0, 0, 0])]
    assert found["lines"].tolist() == [3]


BOMB = """<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""
FILE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'


@pytest.mark.parametrize(
    "content, line, text",
    [
        ("", 1, "expected XML, got an empty file"),
        ("  \n ", 2, "expected XML, got an empty file"),
        ("hello", 1, "text outside the root element"),
        ("<annotations></annotations>", 1, "expected <annotation>, got <annotations>"),
        ("<annotation>\n<object></annotation>", 2, "</annotation> closes <object>"),
        ("<annotation>\n<object>", 2, "<object> is not closed"),
        ("<annotation><filename", 1, "a tag that is cut off"),
        ("<annotation></annotation", 1, "an end tag that is cut off"),
        ("<annotation></annotation><annotation/>", 1, "a second root element"),
        ("<annotation>< x></annotation>", 1, "a '<' that begins no element"),
        ("<!-- no end", 1, "a comment, declaration or CDATA section that does not end"),
        ("<annotation>" + "<a>" * 300, 1, "elements nested too deep"),
        (BOMB, 2, "an entity that is not expanded: '&b'"),
        (FILE, 1, "an entity that is not expanded: '&x'"),
        ("<annotation>&#0;</annotation>", 1, "an entity that is not expanded: '&#0'"),
        ("<annotation>a & b</annotation>", 1, "an entity that is not expanded: '& b</annotat'"),
        (f"<annotation>\n<object>{BOX}</object></annotation>", 2, "<object> must have a <name>"),
        (
            "<annotation><object><name>a</name></object></annotation>",
            1,
            "<object> must have a <bndbox> with xmin, ymin, xmax and ymax: there is no xmin",
        ),
        (
            f"<annotation>{OBJECT.replace('40.5', 'nan')}</annotation>",
            1,
            "ymax must be a finite number, got 'nan'",
        ),
        (
            f"<annotation>{OBJECT.replace('40.5', '1e400')}</annotation>",
            1,
            "ymax must be a finite number, got '1e400'",
        ),
        (
            f"<annotation>{OBJECT.replace('40.5', '')}</annotation>",
            1,
            "ymax must be a finite number, got ''",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, content: str, line: int, text: str) -> None:
    found = one(tmp_path, content)
    assert found["problems"] == [(0, line, text.encode())]
    assert found["row_splits"].tolist() == [0, 0] and len(found["boxes"]) == 0


def test_of_a_broken_file_nothing_is_kept(tmp_path: Path) -> None:
    found = one(tmp_path, f"<annotation>{OBJECT}<x></annotation>")
    assert found["row_splits"].tolist() == [0, 0] and len(found["labels"]) == 0


def test_missing_files_and_folders_are_problems(tmp_path: Path) -> None:
    found = read(tmp_path / "none.xml", tmp_path)
    assert [p[0] for p in found["problems"]] == [0, 1]
    assert found["row_splits"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("folder", ["pascalvoc_format", "imagenet_format/Annotations"])
@pytest.mark.parametrize("threads", [1, 3])
def test_real_files_are_those_of_the_standard_library(folder: str, threads: int) -> None:
    paths = sorted(data_path("formats", "gts", *folder.split("/")).glob("*.xml"))
    before = tamis.num_threads()
    tamis.set_num_threads(threads)
    found = read(*paths)
    tamis.set_num_threads(before)
    assert found["problems"] == [] and len(paths) == 100
    for i, path in enumerate(paths):
        assert rows(found, i) == reference(path)
    assert found["sizes"].shape == (100, 2) and (found["sizes"] > 0).all()


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1
)
boxes = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4)


@examples(60)
@given(st.lists(st.tuples(names, boxes), max_size=4))
def test_what_the_standard_library_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, objects: list[Any]
) -> None:
    root = ET.Element("annotation", {"a": 'x"<>&'})
    for name, box in objects:
        obj = ET.SubElement(root, "object")
        ET.SubElement(obj, "name").text = name
        corners = ET.SubElement(obj, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            ET.SubElement(corners, key).text = repr(value)
    path = tmp_path_factory.mktemp("x") / "a.xml"
    ET.ElementTree(root).write(path, encoding="utf-8")
    found = read(path)
    assert found["problems"] == []
    assert rows(found, 0) == [(name, box, [0, 0, 0]) for name, box in objects]
    assert np.isfinite(found["boxes"]).all()


@examples(200)
@given(st.text("<>/abc &;![]-'\"=\n", max_size=60) | st.binary(max_size=60))
def test_rubbish_is_told_or_read(
    tmp_path_factory: pytest.TempPathFactory, text: str | bytes
) -> None:
    path = tmp_path_factory.mktemp("x") / "a.xml"
    path.write_bytes(text if isinstance(text, bytes) else ("<annotation>" + text).encode())
    found = read(path)
    assert len(found["problems"]) == 1 or found["row_splits"].tolist() == [0, 0]
