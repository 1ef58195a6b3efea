"""The compiled modules: what their stubs say, how they are called, what they keep alive."""

from __future__ import annotations

import ast
import gc
import re
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tamis import _core

ROOT = Path(__file__).resolve().parents[2]
MOST_IN_ORDER = 8
Names = tuple[list[str], list[str]]  # arguments in order, and those by name only


def stub(name: str) -> ast.Module:
    return ast.parse((ROOT / "python/tamis" / f"{name}.pyi").read_text())


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node


def names_of(function: ast.FunctionDef) -> Names:
    given = [[a.arg for a in side] for side in (function.args.args, function.args.kwonlyargs)]
    return [name for name in given[0] if name != "self"], given[1]


def compiled_names(function: Any) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Of every overload, as pybind11 prints them; `argN` where the module does not say."""
    found = set()
    for arguments in re.findall(r"^(?:\d+\. )?\w+\((.*)\) -> ", function.__doc__, re.M):
        while "[" in arguments:  # what types are of has commas too
            arguments = re.sub(r"\[[^\[\]]*\]", "", arguments)
        split = re.findall(r"(?:^|, )(\*|\w+)(?=: |,|$)", arguments)
        at = split.index("*") if "*" in split else len(split)
        found.add((tuple(split[:at]), tuple(split[at + 1 :])))
    return found


def module(name: str) -> ModuleType:
    if name == "_core":
        return _core
    return pytest.importorskip("tamis._emulated", reason="tamis was built without the emulation")


@pytest.mark.parametrize("name", ["_core", "_cuda"])
def test_stubs_have_the_names_of_the_modules(name: str) -> None:
    real, said = module(name), dict(functions(stub(name)))
    public = {n for n, x in vars(real).items() if callable(x) and not n.startswith("_")}
    classes = {n.name for n in stub(name).body if isinstance(n, ast.ClassDef)}
    assert public <= {n for n in said if "." not in n} | classes
    for function, node in said.items():
        if "." in function or function not in public:
            continue
        in_order, by_name = names_of(node)
        for theirs in compiled_names(getattr(real, function)):
            assert len(theirs[0]) == len(in_order), function
            assert list(theirs[1]) == by_name, function
            for mine, other in zip(in_order, theirs[0], strict=True):
                assert other in (mine, *(f"arg{i}" for i in range(MOST_IN_ORDER))), function


@pytest.mark.parametrize("name", ["_core", "_cuda"])
def test_calls_can_be_read(name: str) -> None:
    """No more than eight arguments in order, and no flag among them."""
    for function, node in functions(stub(name)):
        in_order, _ = names_of(node)
        assert len(in_order) <= MOST_IN_ORDER, function
        kinds = {a.arg: ast.unparse(a.annotation) for a in node.args.args if a.annotation}
        assert "bool" not in kinds.values(), function


@pytest.mark.parametrize("name", ["_core", "_cuda"])
def test_stubs_name_the_elements_of_arrays(name: str) -> None:
    for function, node in functions(stub(name)):
        given = [a for a in (*node.args.args, *node.args.kwonlyargs) if a.arg != "self"]
        for argument in given:
            assert argument.annotation is not None
            assert "Any" not in ast.unparse(argument.annotation), (function, argument.arg)


def test_bindings_count_nothing() -> None:
    """Loops over numbers are the core's; those of a binding go over Python's objects."""
    for path in (ROOT / "cpp").rglob("*_bind.cpp"):
        assert not re.search(r"for \((const )?(int64_t|size_t|int) \w+ = ", path.read_text()), path


def search_of(x: Any, **more: Any) -> Any:
    plan = dict(
        scale=None, offset=None, queries=None, query_scale=None, k=2, radius=0.0, dots=False,
        mean=np.zeros(3), gain=1.0, codes=False, ordered=False, basis=None,
    )  # fmt: skip
    return _core.KnnSearch(x=x, **{**plan, **more})


@pytest.mark.parametrize("name", ["x", "queries", "scale", "query_scale", "offset"])
def test_a_search_keeps_its_arrays(name: str) -> None:
    rng = np.random.default_rng(0)
    given = dict(
        x=rng.normal(size=(50, 3)), queries=rng.normal(size=(20, 3)), scale=np.ones(50),
        query_scale=np.ones(20), offset=np.zeros(3),
    )  # fmt: skip
    kept = weakref.ref(given[name])
    found = search_of(**given)
    del given
    gc.collect(0)
    assert kept() is not None
    del found
    gc.collect(0)
    assert kept() is None


@pytest.mark.parametrize(("table", "dtype"), [("ZcoreTable", "f4"), ("ZcoreTable64", "f8")])
def test_a_table_keeps_its_rows(table: str, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(dtype)
    kept = weakref.ref(x)
    made = getattr(_core, table)(x, 5)
    run = getattr(_core, table.replace("Table", "Run"))(made, 5, 4.0, 2)
    del x, made
    gc.collect(0)
    assert kept() is not None
    del run
    gc.collect(0)
    assert kept() is None
