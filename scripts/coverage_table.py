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
            yield file["filename"], file["summary"]["lines"]["covered"], file["summary"]["lines"]["count"]
    else:
        for name, file in report["files"].items():
            reached = len(file["executed_lines"])
            yield name, reached, reached + len(file["missing_lines"])


def main(paths):
    for path in paths:
        reached, lines = Counter(), Counter()
        for name, some, n in lines_of(json.loads(Path(path).read_text())):
            for root in ("tamis", "cpp"):
                parts = Path(name).parts
                if root in parts[:-1]:
                    inside = parts[len(parts) - 1 - parts[::-1].index(root) + 1 : -1]
                    folder = "/".join([root, *inside[:1]])
                    if inside[:1] != ("third_party",):
                        reached[folder] += some
                        lines[folder] += n
                    break
        for folder in sorted(lines):
            print(f"{folder:32s} {reached[folder] / lines[folder]:6.1%} of {lines[folder]:6d} lines")
        print(f"{Path(path).name:32s} {reached.total() / lines.total():6.1%} of {lines.total():6d} lines\n")


if __name__ == "__main__":
    main(sys.argv[1:])
