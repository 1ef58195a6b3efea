"""Which share of the lines was reached, folder by folder.

    python scripts/coverage_table.py build/coverage-python.json build/coverage-cpp.json

Reads what slipcover writes of Python and what `llvm-cov export -summary-only` writes of C++.
"""

import json
import sys
from collections import Counter
from pathlib import Path


def lines_of(report):
    """(file, lines reached, lines) of either kind of report."""
    if "data" in report:
        for file in report["data"][0]["files"]:
            lines = file["summary"]["lines"]
            yield file["filename"], lines["covered"], lines["count"]
    else:
        for name, file in report["files"].items():
            reached = len(file["executed_lines"])
            yield name, reached, reached + len(file["missing_lines"])


def folder_of(name):
    """The package or the C++ core, and the room in it."""
    folders = Path(name).parent.parts
    root = max(i for i, folder in enumerate(folders) if folder in ("tamis", "cpp"))
    return "/".join(folders[root : root + 2])


def show(name, reached, lines):
    print(f"{name:32s} {reached / lines:6.1%} of {lines:6d} lines")


def main(paths):
    for path in paths:
        reached, lines = Counter(), Counter()
        for name, some, n in lines_of(json.loads(Path(path).read_text())):
            if "third_party" not in name and "/tests/" not in name:
                reached[folder_of(name)] += some
                lines[folder_of(name)] += n
        for folder in sorted(lines):
            show(folder, reached[folder], lines[folder])
        show(Path(path).name, reached.total(), lines.total())
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
