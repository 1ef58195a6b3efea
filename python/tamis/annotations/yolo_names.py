"""Class names of a YOLO data set, and what else its yaml says."""

from __future__ import annotations

import os
import re
from typing import Any

from tamis.annotations.build import class_table
from tamis.annotations.files import read_text
from tamis.annotations.problems import fail
from tamis.annotations.yaml_subset import read_yaml

SPLITS = ("val", "test", "train")


def is_data_yaml(path: str) -> bool:
    try:
        text = read_text(path)
    except ValueError:
        return False
    keys = set(re.findall(r"(?m)^(\w+)\s*:", text))
    return "names" in keys and bool(keys & set(SPLITS))


def yaml_names(path: str, data: dict[Any, Any]) -> dict[int, str]:
    names, n = data.get("names"), data.get("nc")
    if names is None:
        return {i: str(i) for i in range(n)} if isinstance(n, int) and 0 <= n < 2**20 else {}
    if isinstance(names, dict):
        table = {int(k) if str(k).isdigit() else k: str(v) for k, v in names.items()}
    elif isinstance(names, list):
        table = {i: str(name) for i, name in enumerate(names)}
    else:
        raise fail(path, f"expected names as a list or mapping, got {names!r}")
    if not all(isinstance(k, int) for k in table):
        raise fail(path, "expected names with class numbers as keys")
    if isinstance(n, int) and n != len(table):
        raise fail(path, f"expected as many names as nc, got {len(table)} names and nc: {n}")
    return table


def keypoints_of(path: str, data: dict[Any, Any]) -> tuple[int, int] | None:
    shape = data.get("kpt_shape")
    if shape is None:
        return None
    if not (
        isinstance(shape, list)
        and len(shape) == 2
        and shape[1] in (2, 3)
        and isinstance(shape[0], int)
    ):
        raise fail(path, f"expected kpt_shape [count, 2 or 3], got {shape!r}")
    return shape[0], shape[1]


def classes_near(folder: str, up: int = 2) -> dict[int, str]:
    """Names in classes.txt, obj.names or a yaml, here or up to `up` folders above."""
    here = os.path.abspath(folder)
    for _ in range(up + 1):
        for name in ("classes.txt", "obj.names", "_darknet.labels", "classes.names"):
            if os.path.isfile(place := os.path.join(here, name)):
                return names_file(place)
        names = os.listdir(here) if os.access(here, os.R_OK) else []
        for name in sorted(n for n in names if n.lower().endswith((".yaml", ".yml"))):
            if is_data_yaml(place := os.path.join(here, name)):
                return yaml_names(place, read_yaml(place))
        if os.path.dirname(here) == here:
            break
        here = os.path.dirname(here)
    return {}


def names_file(path: str) -> dict[int, str]:
    lines = [line.strip() for line in read_text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return class_table(lines)
