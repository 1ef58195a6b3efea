"""`import tamis` loads little; names and modules come when they are first used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tamis


def run(code: str) -> Any:
    command = [sys.executable, "-c", f"import json, sys, tamis\n{code}"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_importing_tamis_loads_no_domain() -> None:
    loaded = set(run("print(json.dumps([m for m in sys.modules if m.startswith('tamis.')]))"))
    allowed = {"_core", "_shared", "_shared.arrays", "_shared.threads"}
    assert loaded <= {f"tamis.{name}" for name in allowed}


def test_modules_are_attributes_without_an_import() -> None:
    assert run("print(json.dumps(tamis.coco.COCO.__name__))") == "COCO"
    assert run("print(json.dumps(tamis.embeddings.__name__))") == "tamis.embeddings"


def test_every_name_is_found_and_listed() -> None:
    for name in tamis.__all__:
        assert getattr(tamis, name) is getattr(tamis, name)
    assert set(tamis.__all__) <= set(dir(tamis))
    with pytest.raises(AttributeError, match="module 'tamis' has no attribute 'nothing'"):
        tamis.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_see_the_same_homes() -> None:
    tree = ast.parse(Path(tamis.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module.removeprefix("tamis.")
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert seen == tamis._HOME_OF
    eager = {"CudaUnavailable", "num_threads", "set_num_threads", "threads"}
    assert {*seen, *eager} == set(tamis.__all__)
