"""BSON out of Python values, as bsonspec.org has it: enough to test the reader."""

from __future__ import annotations

import struct
from typing import Any


class ObjectId(bytes):
    pass


class Int64(int):
    pass


class Raw(tuple):
    """A type byte and the bytes of a value."""


def element(name: str, value: Any) -> bytes:
    if isinstance(value, Raw):
        kind, data = value
    elif isinstance(value, ObjectId):
        kind, data = 0x07, bytes(value)
    elif value is None:
        kind, data = 0x0A, b""
    elif isinstance(value, bool):
        kind, data = 0x08, bytes([value])
    elif isinstance(value, Int64):
        kind, data = 0x12, struct.pack("<q", value)
    elif isinstance(value, int):
        kind, data = 0x10, struct.pack("<i", value)
    elif isinstance(value, float):
        kind, data = 0x01, struct.pack("<d", value)
    elif isinstance(value, str):
        text = value.encode() + b"\0"
        kind, data = 0x02, struct.pack("<i", len(text)) + text
    elif isinstance(value, dict):
        kind, data = 0x03, document(value)
    else:
        kind, data = 0x04, document({str(i): item for i, item in enumerate(value)})
    return bytes([kind]) + name.encode() + b"\0" + data


def document(values: dict[str, Any]) -> bytes:
    body = b"".join(element(name, value) for name, value in values.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"
