"""Every link of built pages to another page, a place in it or a file leads somewhere.

Links to other hosts are not followed; nothing that a page loads by itself may come from one.

python3 scripts/check_links.py FOLDER
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\s\"')]+")  # by a style


class Page(HTMLParser):
    """Links and places of a page, and what it loads from other hosts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(value)
                if urlsplit(value).netloc and (name == "src" or tag == "link"):
                    self.loaded.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def broken(folder: Path) -> tuple[int, list[str]]:
    """How many links were looked at, and those that lead nowhere or load from another host."""
    made = (path for path in folder.rglob("*.html") if "_static" not in path.parts)
    pages = {path.resolve(): Page(path) for path in made}
    found, count = [], 0
    for path, page in pages.items():
        found += [f"{path.relative_to(folder.resolve())}: loads {url}" for url in page.loaded]
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            there = target.exists()
            if not there or (place and target in pages and place not in pages[target].places):
                found.append(f"{path.relative_to(folder.resolve())}: {link}")
    for path in folder.rglob("*.css"):
        loaded = LOADED.findall(path.read_text())
        found += [f"{path.relative_to(folder)}: loads {url}" for url in loaded]
    return count, found


if __name__ == "__main__":
    looked_at, lost = broken(Path(sys.argv[1]))
    print(f"{looked_at} links within the pages, {len(lost)} broken", *lost, sep="\n  ")
    sys.exit(1 if lost or not looked_at else 0)
