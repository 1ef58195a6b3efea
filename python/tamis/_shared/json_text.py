"""Python's json, as every room reads it."""

from __future__ import annotations

import json
from typing import Any

LONG = 1 << 24  # characters or bytes; a text this long takes about a third of a second


def loads(text: str | bytes) -> Any:
    """
    `json.loads` that Ctrl-C stops, however long the text.

    The parser of CPython hears no signal. For a long text it calls a function of Python at the
    end of every object, and signals are heard there.
    """
    return json.loads(text, object_hook=_unchanged if len(text) >= LONG else None)


def _unchanged(record: dict[str, Any]) -> dict[str, Any]:
    return record
