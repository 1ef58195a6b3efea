"""The images or categories of a COCO file, without its annotations."""

from __future__ import annotations

import json
import re
from typing import Any


def records_of(text: Any, key: str) -> list[dict[str, Any]] | None:
    """The list behind a key of a text, bytes or an array of them; None where it is not plain.

    The key may stand elsewhere too: the caller compares with the ids of the whole file.
    """
    decoder = json.JSONDecoder()
    for found in re.finditer(rb'"%s"\s*:\s*(?=\[)' % key.encode(), text):
        end = _end_of_list(text, found.end())
        try:
            records, _ = decoder.raw_decode(bytes(text[found.end() : end]).decode())
        except (ValueError, RecursionError):
            continue
        if isinstance(records, list) and all(isinstance(r, dict) for r in records):
            return records
    return None


def _end_of_list(text: Any, begin: int) -> int:
    """Just behind a list whose items are flat; of others the end of the file."""
    found = re.compile(rb"\}\s*\]").search(text, begin)
    empty = re.compile(rb"\[\s*\]").match(text, begin)
    return empty.end() if empty else found.end() if found else len(text)
