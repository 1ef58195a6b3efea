"""What commands print and write: tables, scores, lists of names, and parts of label files."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tamis._shared import output
from tamis.embeddings.files import TABLES, write_table

KINDS = ("table", "yolo", "coco", "cvat", "label-studio")
OUTPUT = (
    "write the answer, by the extension: .txt (names, YOLO's train.txt), .csv, .json, .parquet,"
    " .xml (CVAT)"
)


def add_output(command: Any) -> None:
    """The options of commands whose answer is a list of samples."""
    command.add_argument("-o", "--output", metavar="FILE", help=OUTPUT)
    command.add_argument(
        "--as", dest="kind", choices=KINDS,
        help="write instead: yolo, lines of names; coco or cvat, the part of --annotations;"
        " label-studio, tasks to import",
    )  # fmt: skip
    command.add_argument(
        "--annotations", metavar="PATH", help="labels of the samples, of any format, to take from"
    )
    command.add_argument(
        "--prefix", default="", metavar="TEXT", help="before each name in YOLO lists and tasks"
    )


def print_json(value: Any) -> None:
    """One line of JSON, with null for what it has no number for."""

    def known(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: known(item) for key, item in part.items()}
        if isinstance(part, (list, tuple)):
            return [known(item) for item in part]
        return None if isinstance(part, float) and not math.isfinite(part) else part

    print(json.dumps(known(value), allow_nan=False))


def table(rows: list[tuple[str, ...]]) -> str:
    """Left-aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def tell(args: argparse.Namespace, text: str, plain: Any) -> None:
    if args.json:
        print_json(plain)
    else:
        print(text)


def kind_of(args: argparse.Namespace) -> str:
    """What is written: as ``--as`` says, else by the extension."""
    return str(args.kind or ("cvat" if Path(args.output).suffix == ".xml" else "table"))


def check_output(
    args: argparse.Namespace, others: Sequence[str | None], *, any_suffix: bool = False
) -> None:
    """Raise, before any work, for an output that could not be written."""
    if args.output is None:
        if getattr(args, "kind", None) is not None:
            raise ValueError("--as needs --output FILE")
        return
    kind, more = "table", ""
    if hasattr(args, "kind"):
        kind, more = kind_of(args), " or .xml, or --as say what it is"
    if kind == "table" and not any_suffix and Path(args.output).suffix not in TABLES:
        raise ValueError(f"--output must end in {', '.join(TABLES)}{more}, got {args.output!r}")
    if kind in ("coco", "cvat") and args.annotations is None:
        raise ValueError(f"--as {kind} (.xml: cvat) needs --annotations PATH, to take a part of")
    given = [*others, getattr(args, "annotations", None)]
    output.check("--output", args.output, [o.partition("::")[0] for o in given if o is not None])


def write_samples(args: argparse.Namespace, columns: dict[str, list[Any]]) -> None:
    """An answer whose first column holds names of samples, where ``-o`` asks for it."""
    if args.output is None:
        return
    kind, names = kind_of(args), [str(name) for name in next(iter(columns.values()))]
    if kind == "table":
        write_table(args.output, columns)
    elif kind in ("coco", "cvat"):
        _write_part(args.output, kind, args.annotations, names)
    elif kind == "yolo":
        _write_text(args.output, "".join(f"{args.prefix}{name}\n" for name in names))
    else:
        others = list(columns)[1:]
        rows = zip(*columns.values(), strict=True)
        tasks = [
            {
                "data": {"image": f"{args.prefix}{name}"},
                "meta": dict(zip(others, more, strict=True)),
            }
            for name, *more in rows
        ]
        _write_text(args.output, json.dumps(tasks) + "\n")


def write_scores(path: str | None, names: list[str] | None, scores: Any) -> None:
    """Scores of all rows: a table by its extension, else a .npy file."""
    if path is None:
        return
    if Path(path).suffix not in TABLES:
        output.write("--output", path, lambda file: np.save(file, scores))
        return
    called = names if names is not None else [str(i) for i in range(len(scores))]
    write_table(path, {"name": called, "score": np.asarray(scores).tolist()})


def write_answer(path: str, text: str, plain: Any, columns: dict[str, list[Any]]) -> None:
    """All of an answer as .json or .txt, its rows as other tables."""
    suffix = Path(path).suffix
    if suffix in (".json", ".txt"):
        _write_text(path, (json.dumps(plain) if suffix == ".json" else text) + "\n")
    else:
        write_table(path, columns)


def _write_text(path: str, text: str) -> None:
    output.write("--output", path, lambda file: file.write(text.encode()))


def _write_part(path: str, kind: str, source: str, names: list[str]) -> None:
    """The images of these names and their labels; of COCO in COCO, every other field stays."""
    dataset = _coco_dataset(source) if kind == "coco" else None
    if dataset is not None:
        images = dataset["images"]
        chosen = _places(names, [str(i.get("file_name", "")) for i in images],
                         [str(i["id"]) for i in images], source)  # fmt: skip
        kept = {images[i]["id"] for i in chosen}
        part = {
            **dataset, "images": [images[i] for i in chosen],
            "annotations": [a for a in dataset.get("annotations", []) if a["image_id"] in kept],
        }  # fmt: skip
        _write_text(path, json.dumps(part))
        return
    from tamis.annotations.read import read
    from tamis.annotations.write import write

    labels = read(source)
    known = [labels.image_name(i) for i in range(labels.n_images)]
    chosen = _places(names, known, [str(i) for i in labels.image_ids.tolist()], source)
    write(labels.select(np.array(chosen, np.int64)), path, kind)


def _coco_dataset(source: str) -> dict[str, Any] | None:
    if not source.endswith(".json"):
        return None
    with open(source, encoding="utf-8") as file:
        held = json.load(file)
    return held if isinstance(held, dict) and isinstance(held.get("images"), list) else None


def _places(names: list[str], files: list[str], ids: list[str], source: str) -> list[int]:
    """Where the images of these names stand: by file name, its last part, or id."""
    place: dict[str, int] = {}
    leaves = [file.rpartition("/")[2] for file in files]
    for keys in (ids, leaves, files):  # the last says
        once = {key for key in keys if key} - _twice(keys)
        place.update({key: i for i, key in enumerate(keys) if key in once})
    found = [place.get(name, place.get(name.rpartition("/")[2], -1)) for name in names]
    missing = [name for name, at in zip(names, found, strict=True) if at < 0]
    if missing:
        raise ValueError(
            f"{source} lacks {len(missing)} of the samples, the first is {missing[0]!r}"
        )
    return list(dict.fromkeys(found))


def _twice(keys: list[str]) -> set[str]:
    seen: set[str] = set()
    return {key for key in keys if key in seen or seen.add(key)}  # type: ignore[func-returns-value]
