"""What every wheel must be: small, free of shared libraries of its own, with the licences.

python3 scripts/check_wheels.py FOLDER
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

MOST_BYTES = {"tamis": 6_000_000, "tamis_cuda": 60_000_000}


def faults(wheel: Path) -> list[str]:
    """What is wrong with a wheel."""
    name, *_, platforms = wheel.stem.split("-")
    size, found = wheel.stat().st_size, []
    if size > MOST_BYTES[name]:
        found.append(f"{size} bytes, more than {MOST_BYTES[name]}")
    if platforms.startswith("linux_"):
        found.append("not repaired by auditwheel")
    names = zipfile.ZipFile(wheel).namelist()
    if any(".libs/" in entry or "/.dylibs/" in entry for entry in names):
        found.append("carries shared libraries")
    wanted = ["licenses/LICENSE"]
    if name == "tamis":
        wanted += ["tamis/py.typed", "licenses/cpp/third_party/simdjson/LICENSE"]
    found += [f"lacks {end}" for end in wanted if not any(e.endswith(end) for e in names)]
    return found


def main() -> int:
    wheels = sorted(Path(sys.argv[1]).glob("*.whl"))
    for wheel in wheels:
        print(f"{wheel.name}: {wheel.stat().st_size} bytes", *faults(wheel), sep="\n  ")
    return 1 if not wheels or any(faults(wheel) for wheel in wheels) else 0


if __name__ == "__main__":
    sys.exit(main())
