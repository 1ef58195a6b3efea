"""What stored results say of where they come from."""

import contextlib
import platform
import re
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import tamis

ROOT = Path(__file__).resolve().parents[1]


def processor() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def commit() -> str:
    """Empty outside a checkout."""
    ask = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()


def place() -> dict[str, Any]:
    return {
        "processor": processor(), "isa": tamis._core.isa(), "python": platform.python_version(),
        "tamis": tamis.__version__, "commit": commit(), "date": f"{date.today()}",
    }  # fmt: skip
