"""Drift of annotations: classes, their mix, and the geometry of boxes."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis.embeddings.annotation_columns import Columns, is_annotations, read_columns
from tamis.embeddings.drift_result import Drift, verdict
from tamis.embeddings.two_samples import p_value

__all__ = ["is_annotations", "of_annotations"]
ALIKE = 0.8  # difflib's ratio from which a new class is likely a renamed one
TOUCH = 1.0  # pixels to the border of the image


def of_annotations(
    reference: Any, batch: Any, tightness: Any, alpha: float, permutations: int, seed: int,
    progress: Progress,
) -> Drift:  # fmt: skip
    """All checks; p by permuting which images are of the batch."""
    reporter(progress, "drift")  # before any work
    sides = [] if tightness is None else _check_tightness(tightness)
    a = read_columns("drift", "reference", reference)
    b = read_columns("drift", "batch", batch)
    schema, details = _schema(a, b)
    members = _memberships(a.n_images, b.n_images, permutations, seed)
    rows = [schema]
    if len(a.boxes) and len(b.boxes):
        mix, shares = _class_mix(a, b, members, progress)
        details["mix"] = shares
        rows.append(mix)
        geometry = _geometry(a, b).items()
        rows += [_column(name, *values, members, progress) for name, values in geometry]
    counts = [np.bincount(c.image, minlength=c.n_images).astype(float) for c in (a, b)]
    images = np.arange(a.n_images + b.n_images)
    rows.append(_column("objects", np.concatenate(counts), images, a.n_images, members, progress))
    if sides:
        rows += _tightness(sides[0], sides[1], permutations, seed, progress)
    return verdict(rows, alpha, details)


def _check_tightness(given: Any) -> list[tuple[Array, Array, int]]:
    """(offsets (p, 4), image (p,), images) of the reference and of the batch."""
    try:
        found = [(np.asarray(t.offsets), np.asarray(t.image), int(t.images)) for t in given]
    except (AttributeError, TypeError):
        found = []
    fits = [
        offsets.ndim == 2 and offsets.shape[1] == 4 and image.shape == offsets.shape[:1]
        and ((image >= 0) & (image < images)).all()
        for offsets, image, images in found
    ]  # fmt: skip
    if len(found) != 2 or not all(fits):
        raise TypeError(
            "drift: tightness must be the Tightness of the reference and that of the batch, as"
            f" tamis.agreement gives them, got {type(given).__name__}"
        )
    return found


def _tightness(
    a: tuple[Array, Array, int], b: tuple[Array, Array, int], permutations: int, seed: int,
    progress: Progress,
) -> list[dict[str, Any]]:  # fmt: skip
    """One check a side of the boxes: how far it lies outside the box it was compared with."""
    offsets = np.concatenate([a[0], b[0]])
    image = np.concatenate([a[1], a[2] + b[1]])
    members = _memberships(a[2], b[2], permutations, seed)
    rows = []
    for side, values in zip(("left", "top", "right", "bottom"), offsets.T, strict=True):
        good = np.isfinite(values)
        ours = image < a[2]
        if good[ours].any() and good[~ours].any():
            held = values[good], image[good], a[2]
            rows.append(_column(f"tight {side}", *held, members, progress))
    return rows


def _memberships(n: int, m: int, permutations: int, seed: int) -> Array:
    """(permutations + 1, images) bool: which images are of the reference; the first is true."""
    rng = np.random.default_rng(seed)
    members = np.zeros((permutations + 1, n + m), bool)
    members[0, :n] = True
    for row in members[1:]:
        row[rng.permutation(n + m)[:n]] = True
    return members


def _schema(a: Columns, b: Columns) -> tuple[dict[str, Any], dict[str, Any]]:
    """Classes that one side alone has, and which of them are likely the same."""
    ours = set(a.names.tolist()) | set(a.classes.values())
    theirs = set(b.names.tolist()) | set(b.classes.values())
    new, vanished = sorted(theirs - ours), sorted(ours - theirs)
    renamed: dict[str, str] = {}
    ids = {name: key for key, name in b.classes.items()}
    for name in new:
        same_id = a.classes.get(ids.get(name, -1))
        likeness = {old: _likeness(old, name) for old in vanished if old not in renamed.values()}
        best = max(likeness, key=lambda old: (likeness[old], old), default=None)
        if best is not None and likeness[best] >= ALIKE:
            renamed[name] = best
        elif same_id in likeness:
            renamed[name] = str(same_id)
    note = f"{len(new)} new, {len(vanished)} vanished, {len(renamed)} of them likely renamed"
    row = {
        "name": "schema", "measure": "classes", "statistic": float(len(new) + len(vanished)),
        "effect": float(len(new) + len(vanished)), "p": float("nan"),
        "n": (len(ours), len(theirs)), "drifted": bool(new or vanished), "note": note,
    }  # fmt: skip
    details = {"new": new, "vanished": vanished, "renamed": {v: k for k, v in renamed.items()}}
    return row, details


def _likeness(a: str, b: str) -> float:
    first, second = ("".join(c for c in text.casefold() if c.isalnum()) for text in (a, b))
    return difflib.SequenceMatcher(None, first, second).ratio()


def _class_mix(
    a: Columns, b: Columns, members: Array, progress: Progress
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Jensen-Shannon divergence (bits) of the class shares of boxes."""
    names, code = np.unique(np.concatenate([a.names, b.names]).astype(str), return_inverse=True)
    image = np.concatenate([a.image, a.n_images + b.image])
    images, k = a.n_images + b.n_images, len(names)
    ours = np.zeros((len(members), k))
    report = reporter(progress, "drift: class mix")
    for begin in range(0, images, 8192):
        part = (image >= begin) & (image < begin + 8192)
        table = np.bincount((image[part] - begin) * k + code[part], minlength=8192 * k)
        table = table.reshape(-1, k)[: images - begin]
        ours += members[:, begin : begin + 8192].astype(np.float32) @ table.astype(np.float32)
        report(min(images, begin + 8192), images)
    theirs = np.bincount(code, minlength=k) - ours
    values = jensen_shannon(ours, theirs)
    shares = [part[0] / max(1, part[0].sum()) for part in (ours, theirs)]
    effect = float(np.sqrt(values[0]))
    row = {
        "name": "class mix", "measure": "Jensen-Shannon distance", "statistic": float(values[0]),
        "effect": effect, "p": p_value(values), "n": (len(a.boxes), len(b.boxes)),
    }  # fmt: skip
    return row, {
        str(name): [float(shares[0][i]), float(shares[1][i])] for i, name in enumerate(names)
    }


def jensen_shannon(a: Array, b: Array) -> Array:
    """Divergence in bits of the rows of counts, 0 to 1; 0 where a side is empty."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = a / a.sum(-1, keepdims=True), b / b.sum(-1, keepdims=True)
        middle = (p + q) / 2
        parts = [np.where(x > 0, x * np.log2(x / middle), 0) for x in (p, q)]
    return np.asarray(np.nan_to_num((parts[0] + parts[1]).sum(-1) / 2, nan=0.0))


def _geometry(a: Columns, b: Columns) -> dict[str, tuple[Array, Array, int]]:
    """By column (values, image of each, images of the reference), of boxes where it is defined."""
    boxes = np.concatenate([a.boxes, b.boxes])
    image = np.concatenate([a.image, a.n_images + b.image])
    sizes = np.concatenate([a.sizes, b.sizes])[image]
    x, y, w, h = boxes.T
    height, width = sizes.T
    known = (height > 0) & (width > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        side = np.sqrt(w * h)
        columns = {
            "area": side / np.sqrt(height * width) if known.all() else side,
            "aspect": np.log2(w / h),
            "centre x": (x + w / 2) / width,
            "centre y": (y + h / 2) / height,
        }
        edges = np.stack([x, y, width - x - w, height - y - h])
        columns["border"] = np.where(known, (edges <= TOUCH).any(0), np.nan)
    n, found = a.n_images, {}
    for name, values in columns.items():
        good = np.isfinite(values)
        ours = image < n
        if good[ours].any() and good[~ours].any():
            found[name] = (values[good], image[good], n)
    return found


def _column(
    name: str, values: Array, image: Array, n: int, members: Array, progress: Progress
) -> dict[str, Any]:
    """Kolmogorov-Smirnov's D with p by permuting images; effect: Wasserstein-1 over the deviation.

    The permuted weights of a block of memberships are summed along the sorted values.
    """
    order = np.argsort(values, kind="stable")
    ordered, image = values[order], image[order]
    last = np.append(ordered[1:] != ordered[:-1], True)  # D is read where a value ends
    statistics, report = [], reporter(progress, f"drift: {name}")
    for begin in range(0, len(members), 16):
        ours = members[begin : begin + 16][:, image]
        statistics.append(_largest_gap(ours, last))
        report(min(len(members), begin + 16), len(members))
    d = np.concatenate(statistics)
    true = members[0][image]
    a, b = ordered[true], ordered[~true]
    spread = float(ordered.std())
    effect = wasserstein(ordered, true) / spread if spread > 0 else 0.0
    note = f"mean {a.mean():.4g} -> {b.mean():.4g}" if len(a) and len(b) else ""
    return {
        "name": name, "measure": "Wasserstein / sd", "statistic": float(d[0]),
        "effect": float(effect), "p": p_value(d), "n": (len(a), len(b)), "note": note,
    }  # fmt: skip


def _largest_gap(ours: Array, last: Array) -> Array:
    """(B,) D of each row of memberships along sorted values; 0 where a side is empty."""
    total = ours.shape[1]
    mine = np.cumsum(ours, axis=1, dtype=np.int64)
    n = mine[:, -1:]
    m = total - n
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.abs(mine / n - (np.arange(1, total + 1) - mine) / m)
    return np.asarray(np.nan_to_num(gap[:, last], nan=0.0, posinf=0.0).max(1))


def wasserstein(ordered: Array, ours: Array) -> float:
    """Wasserstein-1 of the two sides of sorted values."""
    n = int(ours.sum())
    m = len(ours) - n
    if n == 0 or m == 0:
        return 0.0
    mine = np.cumsum(ours)
    gap = np.abs(mine / n - (np.arange(1, len(ours) + 1) - mine) / m)
    return float((gap[:-1] * np.diff(ordered)).sum())
