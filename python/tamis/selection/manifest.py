"""A split frozen in a file, with hashes of its samples, and the check that nothing has changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tamis._shared import arrays, json_text, output
from tamis._shared.progress import Progress, reporter
from tamis._shared.results import Result
from tamis.embeddings.knn_pairs import check_search
from tamis.embeddings.leaks import leaks
from tamis.selection.split import Split

FORMAT = "tamis split 1"
SHOWN = 5


@dataclass(frozen=True, eq=False, repr=False)
class SplitCheck(Result):
    """The outcome of `verify_split`: names of samples by problem.

    Attributes
    ----------
    ok : bool
        Whether there is no problem. New samples are not a problem.
    lost, changed, relabelled, moved : tuple of str
        Samples of the manifest that are missing, whose file or labels have changed, or that are in
        another split.
    leaks : tuple of (str, str)
        Near-duplicates, or samples of one unit, in different splits.
    new : tuple of str
        Samples that are not in the manifest.
    checked : dict of str to int
        Number of samples compared, by kind of check.
    """

    ok: bool
    lost: tuple[str, ...]
    changed: tuple[str, ...]
    relabelled: tuple[str, ...]
    moved: tuple[str, ...]
    leaks: tuple[tuple[str, str], ...]
    new: tuple[str, ...]
    checked: dict[str, int]

    def _columns(self) -> dict[str, Any]:
        kinds = ("lost", "changed", "relabelled", "moved", "new")
        found: list[tuple[str, str, str | None]]
        found = [(kind, name, None) for kind in kinds for name in getattr(self, kind)]
        found += [("leak", first, second) for first, second in self.leaks]
        names = ("problem", "sample", "other")
        return {name: [row[i] for row in found] for i, name in enumerate(names)}

    @property
    def exit_code(self) -> int:
        """1 if there is any problem, for CI."""
        return int(not self.ok)

    def __str__(self) -> str:
        lines = ["the split is as it was" if self.ok else "the split is broken"]
        for what in ("lost", "changed", "relabelled", "moved", "leaks", "new"):
            found = getattr(self, what)
            if found:
                some = [" ~ ".join(f) if isinstance(f, tuple) else f for f in found[:SHOWN]]
                more = f", ... {len(found) - SHOWN} more" if len(found) > SHOWN else ""
                lines.append(f"{what} ({len(found)}): {', '.join(some)}{more}")
        lines.append("checked: " + ", ".join(f"{n} {what}" for what, n in self.checked.items()))
        return "\n".join(lines)


def save_split(
    split: Split,
    path: str | os.PathLike[str],
    *,
    keys: Sequence[Any],
    root: str | os.PathLike[str] | None = None,
    labels: Sequence[Any] | None = None,
    progress: Progress = None,
) -> None:
    """Write the manifest of a split, a JSON file, atomically.

    Parameters
    ----------
    split : Split
    path : path
    keys : N values
        Names of the samples, all different.
    root : path, optional
        The names are files below this folder; the SHA-256 of each is stored.
    labels : N values, optional
        Anything that JSON can hold, such as each image's list of boxes; the SHA-256 of each is
        stored.
    progress : bool or callable, optional
        ``f(done, total)`` in files, or True for a bar.

    Raises
    ------
    ValueError, TypeError, OSError
        For names that do not fit, and files that cannot be read.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "split.json"
    >>> names = [f"{i}.jpg" for i in range(10)]
    >>> found = tamis.split(groups=np.arange(10), keys=names)
    >>> tamis.save_split(found, path, keys=names)
    >>> path.exists()
    True
    """
    name = "save_split"
    if not isinstance(split, Split):
        raise TypeError(f"{name}: split must be a Split, got {type(split).__name__}")
    texts = _texts(name, keys, len(split.split))
    manifest: dict[str, Any] = {
        "format": FORMAT, "seed": split.seed, "threshold": split.threshold,
        "metric": split.metric,
        "fractions": dict(zip(split.names, split.fractions.tolist(), strict=True)),
        "keys": texts, "split": [split.names[i] for i in split.split.tolist()],
        "unit": [texts[i] for i in split.unit.tolist()],
    }  # fmt: skip
    if root is not None:
        manifest["files"] = _file_digests(name, root, texts, progress)
    if labels is not None:
        manifest["labels"] = _label_digests(name, labels, len(texts))
    content = json.dumps(manifest).encode()
    output.write(f"{name}: path", path, lambda file: file.write(content))


def read_manifest(function: str, given: Any) -> dict[str, Any]:
    """A checked manifest, from its path or a dict."""
    if not isinstance(given, Mapping):
        with open(arrays.path_of(function, "manifest", given), encoding="utf-8") as file:
            try:
                given = json_text.loads(file.read())
            except ValueError as error:
                raise ValueError(f"{function}: manifest must be JSON: {error}") from None
    columns = ("keys", "split", "unit")
    if not isinstance(given, Mapping) or given.get("format") != FORMAT:
        raise ValueError(f"{function}: manifest must be of the format {FORMAT!r}")
    for column in (*columns, *(c for c in ("files", "labels") if c in given)):
        if not isinstance(given.get(column), list):
            raise ValueError(f"{function}: manifest must have a list called {column}")
    for column in columns:
        odd = [v for v in given[column] if not isinstance(v, str)]
        if odd:
            raise TypeError(f"{function}: manifest[{column!r}] must hold strings, got {odd[0]!r}")
    sizes = {len(given[c]) for c in columns}
    sizes |= {len(given[c]) for c in ("files", "labels") if c in given}
    if len(sizes) != 1:
        raise ValueError(f"{function}: manifest must have columns of one length, got {sizes}")
    return dict(given)


def verify_split(
    manifest: Any,
    *,
    keys: Sequence[Any],
    splits: Sequence[str] | None = None,
    x: Any = None,
    root: str | os.PathLike[str] | None = None,
    labels: Sequence[Any] | None = None,
    progress: Progress = None,
) -> SplitCheck:
    """Check that the samples of a frozen split are complete, unchanged, and without leaks.

    Parameters
    ----------
    manifest : path or dict
    keys : M values
        Names of the current samples, in any order.
    splits : M str, optional
        The split of each sample; samples of the manifest must be in its split. New samples are
        searched for leaks only if `splits` is given.
    x : (M, D) array, optional
        Embeddings: near-duplicates (at the manifest's threshold) in different splits are leaks.
    root : path, optional
        The names are files below this folder, whose SHA-256 must be that of the manifest.
    labels : M values, optional
        As for `save_split`; their hashes must be those of the manifest.
    progress : bool or callable, optional
        ``f(done, total)``, or True for a bar.

    Returns
    -------
    SplitCheck

    Raises
    ------
    ValueError, TypeError, OSError
        For arguments that do not fit; where files or labels are to be compared and the manifest
        holds none.

    Examples
    --------
    >>> import pathlib, tempfile, numpy as np, tamis
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "split.json"
    >>> names = [f"{i}.jpg" for i in range(10)]
    >>> tamis.split(groups=np.arange(10), keys=names).save(path, keys=names)
    >>> check = tamis.verify_split(path, keys=names[1:])
    >>> check.ok, check.lost
    (False, ('0.jpg',))
    """
    name = "verify_split"
    held = read_manifest(name, manifest)
    texts = _texts(name, keys, None)
    at = {key: i for i, key in enumerate(texts)}
    there = [(row, at[key]) for row, key in enumerate(held["keys"]) if key in at]
    checked = {"samples": len(held["keys"])}
    known = set(held["keys"])

    def differing(what: str, now: Sequence[Any]) -> tuple[str, ...]:
        checked[what] = len(there)
        return tuple(texts[i] for row, i in there if held[what][row] != now[i])

    for what, given in (("files", root), ("labels", labels)):
        if given is not None and what not in held:
            raise ValueError(f"{name}: manifest holds no digests of {what}")
    lost = tuple(key for key in held["keys"] if key not in at)
    changed: tuple[str, ...] = ()
    relabelled: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    if root is not None:
        kept = set(texts[i] for _, i in there)
        changed = differing("files", _file_digests(name, root, texts, progress, kept))
    if labels is not None:
        relabelled = differing("labels", _label_digests(name, labels, len(texts)))
    now: list[str | None] = [None] * len(texts)
    for row, i in there:
        now[i] = held["split"][row]
    if splits is not None:
        splits = arrays.as_list(name, "splits", splits)
        if len(splits) != len(texts):
            raise ValueError(f"{name}: splits must have {len(texts)} entries, got {len(splits)}")
        now = [str(s) for s in splits]
        moved = differing("split", now)
    found = _unit_leaks(held, at, now) + _leaks(name, held, x, texts, now, checked, progress)
    new = tuple(key for key in texts if key not in known)
    ok = not (lost or changed or relabelled or moved or found)
    return SplitCheck(ok, lost, changed, relabelled, moved, found, new, checked)


def _unit_leaks(
    held: dict[str, Any], at: dict[str, int], now: Sequence[str | None]
) -> tuple[tuple[str, str], ...]:
    """Samples of one unit in different splits: each with the first present sample of its unit."""
    first: dict[str, str] = {}
    found = []
    for key, unit in zip(held["keys"], held["unit"], strict=True):
        if key in at:
            other = first.setdefault(unit, key)
            if now[at[key]] != now[at[other]]:
                found.append((other, key))
    return tuple(found)


def _leaks(
    name: str,
    held: dict[str, Any],
    x: Any,
    texts: list[str],
    now: Sequence[str | None],
    checked: dict[str, int],
    progress: Progress,
) -> tuple[tuple[str, str], ...]:
    if x is None:
        return ()
    check_search(name, held.get("threshold", ""), held.get("metric", ""))
    x = arrays.as_array(name, "x", x)
    arrays.check_shape(name, "x", x, (len(texts), "D"))
    rows = np.array([i for i, split in enumerate(now) if split is not None], np.int64)
    checked["embeddings"] = len(rows)
    some = x if len(rows) == len(texts) else x[rows]
    pairs = leaks(
        some, np.array([str(now[i]) for i in rows]), threshold=held["threshold"],
        metric=held["metric"], progress=progress,
    ).pairs  # fmt: skip
    return tuple((texts[rows[a]], texts[rows[b]]) for a, b in pairs.tolist())


def _texts(name: str, keys: Sequence[Any], n: int | None) -> list[str]:
    if isinstance(keys, str):
        raise TypeError(f"{name}: keys must be a sequence of names, got a str")
    texts = [str(key) for key in arrays.as_list(name, "keys", keys)]
    if n is not None and len(texts) != n:
        raise ValueError(f"{name}: keys must have {n} entries, got {len(texts)}")
    if len(set(texts)) != len(texts):
        raise ValueError(f"{name}: keys must differ")
    return texts


def _file_digests(
    name: str,
    root: str | os.PathLike[str],
    texts: Sequence[str],
    progress: Progress,
    only: set[str] | None = None,
) -> list[str]:
    """SHA-256 of each file; "" for one that is not there."""
    folder = arrays.path_of(name, "root", root)
    report, digests = reporter(progress, name), []
    for i, text in enumerate(texts):
        path = Path(folder) / text
        if only is not None and (text not in only or not path.is_file()):
            digests.append("")
            continue
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
        digests.append(digest.hexdigest())
        report(i + 1, len(texts))
    return digests


def _label_digests(name: str, labels: Sequence[Any], n: int) -> list[str]:
    labels = arrays.as_list(name, "labels", labels)
    if len(labels) != n:
        raise ValueError(f"{name}: labels must have {n} entries, got {len(labels)}")
    digests = []
    for i, one in enumerate(labels):
        try:
            text = json.dumps(_plain(one), sort_keys=True, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name}: labels[{i}] must be what JSON can hold: {error}") from None
        digests.append(hashlib.sha256(text.encode()).hexdigest())
    return digests


def _plain(value: Any) -> Any:
    if hasattr(value, "__dlpack__") or isinstance(value, np.generic):
        return arrays.host("save_split", "labels", np.asarray(value)).tolist()
    return value
