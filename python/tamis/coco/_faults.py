"""Errors that say where: of files, of records without a field, of results for other images."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tamis._shared import json_text

_HOLDERS = {  # of which tables the records have a field; the others' lack none
    "id": ("annotations", "images", "categories"),
    "image_id": ("annotations", "results"),
    "category_id": ("annotations", "results"),
    "bbox": ("annotations", "results"),
    "area": ("annotations", "results"),
    "segmentation": ("annotations", "results"),
    "keypoints": ("annotations", "results"),
    "iscrowd": ("annotations", "results"),
    "num_keypoints": ("annotations",),
    "score": ("results",),
    "height": ("images",),
    "width": ("images",),
    "neg_category_ids": ("images",),
    "not_exhaustive_category_ids": ("images",),
    "frequency": ("categories",),
}
_SHOWN = 5

Tables = tuple[tuple[str, Callable[[], Any]], ...]


class _Field(str):
    """The name of a field, which a KeyError shows with the record that lacks it."""

    _record: str

    def __new__(cls, name: str, record: str) -> _Field:
        self = super().__new__(cls, name)
        self._record = record
        return self

    def __repr__(self) -> str:
        return f"{str(self)!r}: not in {self._record}"

    def __reduce__(self) -> Any:
        return _Field, (str(self), self._record)


@contextlib.contextmanager
def naming_records(*tables: tuple[str, Callable[[], Any]]) -> Iterator[None]:
    """Make a KeyError for a field name the first record without it.

    A table is its name and what gets its records; where none lacks the field the error stays.
    """
    try:
        yield
    except KeyError as error:
        where = None
        if len(error.args) == 1 and isinstance(error.args[0], str):
            where = _first_without(error.args[0], tables)
        if where is None:
            raise
        raise KeyError(_Field(error.args[0], where)) from error


def _first_without(field: str, tables: Tables) -> str | None:
    for name, get in tables:
        if name not in _HOLDERS.get(field, ()):
            continue
        try:
            records = get()
        except (KeyError, TypeError, AttributeError):
            continue
        for place, record in enumerate(records):
            if isinstance(record, dict) and field not in record:
                shown = f" (id {record['id']!r})" if "id" in record else ""
                return f"{name}[{place}]{shown}"
    return None


def load_json(path: Any) -> Any:
    """Load a file with Python's json; errors name the file, the line and the column."""
    with open(path) as f:
        try:
            return json_text.loads(f.read())
        except json.JSONDecodeError as error:
            raise json.JSONDecodeError(f"{path}: {error.msg}", error.doc, error.pos) from None
        except UnicodeDecodeError as error:
            before = bytes(error.object[: error.start])
            line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
            reason = f"{error.reason}, {path}: line {line} column {column}"
            raise UnicodeDecodeError(
                error.encoding, error.object, error.start, error.end, reason
            ) from None


def not_a_list(results: Any, text: str, path: Any = None) -> AssertionError:
    """For results that are not a list of dicts; the message recognises a data set."""
    where = "" if path is None else f"{path} holds "
    keys = ""
    if isinstance(results, dict):
        keys = f" with the keys {', '.join(map(repr, list(results)[:_SHOWN]))}"
        if "annotations" in results:
            keys += '; its "annotations" are such a list, and COCO(file) reads such a file'
    return AssertionError(f"{text}: {where}{type(results).__name__}{keys}")


def check_known(unknown: Iterable[Any], text: str) -> None:
    """`unknown` are the image ids of results that their ground truth lacks."""
    ids = list(dict.fromkeys(unknown))
    if not ids:
        return
    shown = ", ".join(map(repr, ids[:_SHOWN])) + (", ..." if len(ids) > _SHOWN else "")
    raise AssertionError(f"{text}: no image has the id {shown} ({len(ids)} unknown in all)")
