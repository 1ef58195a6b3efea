#!/usr/bin/env python3
"""Draws the house: modules of each domain, the arrows between domains, circles and long functions.

python scripts/house.py
"""

from __future__ import annotations

import ast
import functools
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "python" / "tamis"
LONGEST = 60  # lines of a function


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def domain(module: str) -> str:
    """The package a module is in; of a module at the top its own name."""
    return module.partition(".")[0]


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def nodes(tree: ast.AST, *, late: bool) -> Iterator[ast.AST]:
    """All but expressions and what type checkers see only; in functions only where `late`."""
    left = [tree]
    while left:
        node = left.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            for_checkers = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            left_out = ast.expr if late else (ast.expr, ast.FunctionDef)
            if not for_checkers and not isinstance(child, left_out):
                left.append(child)


@functools.cache
def imports(module: str, *, late: bool = True) -> frozenset[str]:
    """The modules of tamis that a module imports; where `late`, in its functions too."""
    found = set()
    for node in nodes(parsed(MODULES[module]), late=late):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tamis"):
            base = node.module.removeprefix("tamis").removeprefix(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}".strip(".")
                if whole in MODULES or not alias.name.startswith("_"):  # not the compiled modules
                    found.add(whole if whole in MODULES else base)
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("tamis").removeprefix(".")
                for alias in node.names
                if alias.name.partition(".")[0] == "tamis"
            }
    return frozenset(name for name in found if name in MODULES) - {module}


def arrows() -> dict[tuple[str, str], int]:
    """How many modules of one domain import from another."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for module in MODULES:
        for other in {domain(name) for name in imports(module)} - {domain(module)}:
            found[domain(module), other] += 1
    return dict(found)


def circles() -> list[list[str]]:
    """Modules that cannot be imported without each other, `tamis` itself aside."""
    graph = {module: imports(module, late=False) - {""} for module in MODULES if module}
    found, done = [], set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            for other in sorted(graph[module]):
                walk(other, [*path, module])
            done.add(module)

    for module in graph:
        walk(module, [])
    return found


def long_functions() -> list[str]:
    found = []
    for path in MODULES.values():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef):
                begin = node.body[1].lineno if ast.get_docstring(node) and node.body[1:] else None
                lines = (node.end_lineno or 0) - (begin or node.lineno) + 1
                if lines > LONGEST:
                    found.append(f"{path.relative_to(PACKAGE)}: {node.name}, {lines} lines")
    return found


def main() -> None:
    inside: dict[str, list[str]] = defaultdict(list)
    for module in MODULES:
        head, _, rest = module.partition(".")
        inside[head if rest or MODULES[module].name == "__init__.py" else ""].append(rest or head)
    for name, modules in sorted(inside.items()):
        print(f"{name or 'tamis':14s} {len(modules):3d} modules  {' '.join(filter(None, modules))}")
    print()
    for (module, other), count in sorted(arrows().items()):
        print(f"{module or 'tamis':14s} -> {other or 'tamis':14s} {count}")
    rings, long = circles(), long_functions()
    print(f"\n{len(arrows())} arrows, {len(rings)} circles, {len(long)} long functions")
    for line in [*(" -> ".join(ring) for ring in rings), *long]:
        print(f"  {line}")
    sys.exit(bool(rings))


if __name__ == "__main__":
    main()
