"""What a report says of embeddings: repeats, leaks, strange rows, holes, and what to label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tamis import plots
from tamis._shared import arrays, row_columns
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings import leaks, near_duplicates
from tamis.embeddings.coverage import coverage
from tamis.embeddings.distances import hosted
from tamis.embeddings.duplicate_threshold import proposed
from tamis.embeddings.knn_pairs import (
    MOST_PAIRS,
    any_matrix,
    pairs_in_lists,
    searched_rows,
)
from tamis.embeddings.knn_search import TooManyPairs, nearest_cosine
from tamis.embeddings.map2d import map2d
from tamis.embeddings.outliers import local_outlier_factor
from tamis.embeddings.uniqueness import WEIGHTS, noise_of, over_largest, weighted
from tamis.reports.crops import Folder, View
from tamis.reports.galleries import tiles_of
from tamis.reports.interactive import interactive_map
from tamis.reports.page import Cell, Gallery, Numbers, Section, Table, Text, count, number, picture
from tamis.selection.select_batch import select_batch, select_coreset
from tamis.selection.zcore import zcore

DRAWS = 20_000
FEWEST = 8
NEIGHBOURS = 10  # of outliers
SHOWN = 30  # rows of a table
GROUPS = 12  # of near-duplicates, in a gallery
MEMBERS = 4  # of a group


@dataclass
class Curated:
    names: Sequence[str]
    proposal: Any  # a DuplicateThreshold, None where the threshold was given
    threshold: float
    near: Any
    leaking: Any
    splits: Array | None
    unique: Array
    strange: Array
    covered: Any
    scores: Array
    coreset: Array
    batch: Array | None
    xy: Array
    drawn: str  # how the map was made


def curate(
    x: Any, *, names: Any, splits: Any, labelled: Any, failures: Any, scores: Any, xy: Any,
    threshold: float | None, count: int, seed: int, progress: Progress, **_: Any,
) -> Curated:  # fmt: skip
    """All that the sections are made of, after all arguments are checked."""
    name = "report"
    rows = any_matrix(name, "embeddings", x)
    n = len(rows)
    if n < FEWEST:
        raise ValueError(f"{name}: embeddings must have at least {FEWEST} rows, got {n}")
    for what, given in (("names", names), ("splits", splits), ("scores", scores), ("xy", xy)):
        if given is None:
            continue
        if isinstance(given, str) or np.ndim(given) == 0:
            raise TypeError(f"{name}: {what} must have {n} rows, got {type(given).__name__}")
        if len(given) != n:
            raise ValueError(f"{name}: {what} must have {n} rows, got {len(given)}")
    called = [str(i) for i in range(n)] if names is None else [str(one) for one in names]
    parts = None if splits is None else np.asarray(splits)
    if xy is not None and (np.shape(xy) != (n, 2) or not np.isfinite(np.asarray(xy)).all()):
        raise ValueError(f"{name}: xy must be finite of shape ({n}, 2), got {np.shape(xy)}")
    if threshold is not None:
        arrays.check_number(name, "threshold", threshold, 0, 4)
    known, wrong = (
        None if given is None else row_columns.row_numbers(name, what, given, n)
        for what, given in (("labelled", labelled), ("failures", failures))
    )
    split = None if parts is None else row_columns.codes(name, "splits", parts, n)
    # one search serves near-duplicates, leaks, uniqueness and outliers
    searched = searched_rows(name, hosted(rows), "cosine")
    far, near = nearest_cosine(
        searched, None, min(NEIGHBOURS, n - 1), progress=progress, title=name
    )
    proposal = None if threshold is not None else proposed(far[:, 0], "cosine")
    least = float(proposal.threshold if proposal is not None else threshold or 0)
    try:
        pairs = pairs_in_lists(name, searched, far, near, least, "cosine")
    except TooManyPairs:
        raise ValueError(
            f"{name}: more than {MOST_PAIRS} pairs are within threshold {least}"
        ) from None
    if scores is None:
        nearest = min(1000, n - 1)
        scores = zcore(rows, n_samples=DRAWS, redundancy_nn=nearest, seed=seed, progress=progress)
    scores = arrays.host(name, "scores", arrays.column(name, "scores", scores))
    batch = None
    if known is not None or wrong is not None:
        batch = select_batch(
            scores, rows, np.empty(0, np.int64) if wrong is None else wrong,
            budget=min(count, n), exclude=known, progress=progress,
        )  # fmt: skip
    mean = weighted(far[:, : len(WEIGHTS)], np.array(WEIGHTS))
    return Curated(
        called, proposal, least, near_duplicates.of_pairs(*pairs, n),
        None if split is None else leaks.of_pairs(*pairs, split), parts,
        over_largest(mean, float(mean.max()), noise_of("cosine", rows.shape[1])),
        local_outlier_factor(far, near),
        None if known is None else coverage(rows, known, progress=progress),
        scores, arrays.host(name, "rows", select_coreset(scores, count=min(count, n))), batch,
        map2d(rows, "pca") if xy is None else np.asarray(xy, np.float64),
        "PCA" if xy is None else "given",
    )  # fmt: skip


class Rows:
    """Tables and galleries of rows by their names."""

    def __init__(self, names: Sequence[str], folder: Folder | None, tiles: int) -> None:
        self.names, self.folder, self.tiles = names, folder, tiles

    def show(
        self, caption: str, rows: Any, columns: dict[str, Any], groups: Any = None
    ) -> list[Any]:
        """A gallery where there is a folder, and a table."""
        rows = [int(i) for i in rows]
        if not rows:
            return [Text([f"{caption}: there is none."])]
        out: list[Any] = []
        words = {what: [number(v, 4) for v in values] for what, values in columns.items()}
        if self.folder is not None:
            views = [View(self.folder.find(self.names[i])) for i in rows[: self.tiles]]
            said = [
                (self.names[i], [f"{what} {cells[at].text}" for what, cells in words.items()],
                 "" if groups is None else groups[at])
                for at, i in enumerate(rows[: self.tiles])
            ]  # fmt: skip
            out.append(Gallery(caption, tiles_of(views, said)))
        listed = [
            [Cell(self.names[i]), *(cells[at] for cells in words.values())]
            for at, i in enumerate(rows[:SHOWN])
        ]
        more = f", the first {SHOWN} of {len(rows):,}" if len(rows) > SHOWN else ""
        out.append(Table(f"{caption}{more}", ["row", *columns], listed))
        return out


def sections(
    c: Curated, folder: Folder | None, tiles: int, *, interactive: bool = False
) -> list[Section]:
    rows = Rows(c.names, folder, tiles)
    overview = _overview(c)
    made = [overview, _repeats(c, rows), _leaking(c, rows), _extremes(c, rows)]
    made += [_holes(c, rows), _label(c, rows)]
    if interactive:
        overview.blocks.append(interactive_map(c.xy, c.scores, c.names, c.coreset, folder))
    return [section for section in made if section is not None]


def _overview(c: Curated) -> Section:
    items = [
        ("rows", f"{len(c.names):,}", ""),
        ("near-duplicates", f"{len(c.near.duplicates):,}", f"within {c.threshold:.3g}, by cosine"),
    ]
    if c.leaking is not None:
        items.append(("leaking pairs", f"{len(c.leaking.pairs):,}", "in different splits"))
    if c.covered is not None:
        items.append(("covered", f"{c.covered.share:.1%}", f"{len(c.covered.hole_rows):,} holes"))
    maps = [
        picture(
            f"map-{key}",
            partial(
                plots.scatter,
                c.xy,
                values,
                what=what,
                highlight=marked,
                highlighted="" if marked is None else "coreset",
            ),
            f"A map of all rows, coloured by the rank of {what}.",
            f"Map: {c.drawn}." + (" Rings: the coreset." if marked is not None else ""),
            width=5.8,
            height=4.6,
        )
        for key, what, values, marked in (
            ("zcore", "zcore", c.scores, c.coreset if len(c.coreset) <= 500 else None),
            ("unique", "uniqueness", c.unique, None),
        )
    ]
    return Section("embeddings", "Embeddings", [Numbers(items), *maps], ("map", "zcore"))


def groups(c: Curated) -> list[Array]:
    """Rows of each group of near-duplicates, the largest first."""
    order = np.argsort(c.near.group, kind="stable")
    begins = np.flatnonzero(np.append(True, np.diff(c.near.group[order]) > 0))
    sizes = np.diff(np.append(begins, len(order)))
    parts = [order[begins[at] : begins[at] + sizes[at]] for at in np.flatnonzero(sizes > 1)]
    return sorted(parts, key=lambda part: (-len(part), int(part[0])))


def _repeats(c: Curated, rows: Rows) -> Section:
    out = Section("near-duplicates", "Near-duplicates", [], ("near_duplicates",))
    if c.proposal is not None:
        out.blocks.append(Text([f"Threshold {c.threshold:.4g}: {c.proposal.rule}."]))
        out.blocks.append(
            picture(
                "threshold",
                c.proposal.plot,
                f"Rows with a neighbour within each distance; the threshold is {c.threshold:.3g}.",
                "A threshold in a flat part changes little when it moves.",
            )
        )
    found = groups(c)
    if not found:
        out.blocks.append(Text(["No row repeats another."]))
        return out
    listed = [
        [
            Cell(c.names[int(part[0])]), count(len(part)),
            Cell(", ".join(c.names[int(i)] for i in part[1:6]) + (" ..." if len(part) > 6 else "")),
        ]
        for part in found[:SHOWN]
    ]  # fmt: skip
    if rows.folder is not None:
        some = [(g, int(i)) for g, part in enumerate(found[:GROUPS]) for i in part[:MEMBERS]]
        views = [View(rows.folder.find(c.names[i])) for _, i in some]
        said = [(c.names[i], [f"of {len(found[g])}"], f"group {g + 1}") for g, i in some]
        out.blocks.append(Gallery("The largest groups", tiles_of(views, said)))
    more = f", the first {SHOWN} of {len(found):,}" if len(found) > SHOWN else ""
    out.blocks.append(Table(f"Groups{more}", ["first row", "rows", "others"], listed))
    return out


def _leaking(c: Curated, rows: Rows) -> Section | None:
    if c.leaking is None:
        return None
    assert c.splits is not None
    out = Section("leaks", "Leaks", [], ("leaks",))
    pairs, distances = c.leaking.pairs, c.leaking.distances
    if len(pairs) == 0:
        out.blocks.append(Text(["No row has a near-duplicate in another split."]))
        return out
    of = c.splits.astype(str)
    between = [" and ".join(sorted((of[a], of[b]))) for a, b in pairs]
    names, counts = np.unique(between, return_counts=True)
    totals = [[Cell(str(a)), count(int(b))] for a, b in zip(names, counts, strict=True)]
    out.blocks.append(Table("Pairs by splits", ["splits", "pairs"], totals))
    order = np.argsort(distances, kind="stable")[:SHOWN]
    listed = [
        [Cell(c.names[a]), Cell(of[a]), Cell(c.names[b]), Cell(of[b]), number(distances[at], 4)]
        for at in order
        for a, b in [pairs[at].tolist()]
    ]
    if rows.folder is not None:
        flat = [
            (int(i), float(distances[at])) for at in order[: rows.tiles // 2] for i in pairs[at]
        ]
        views = [View(rows.folder.find(c.names[i])) for i, _ in flat]
        said = [(c.names[i], [str(of[i]), f"distance {d:.4f}"], "") for i, d in flat]
        out.blocks.append(Gallery("The nearest pairs, side by side", tiles_of(views, said)))
    columns = ["row", "split", "near-duplicate", "its split", "distance"]
    out.blocks.append(Table("The nearest pairs", columns, listed))
    return out


def _extremes(c: Curated, rows: Rows) -> Section:
    order = np.argsort(c.unique, kind="stable")
    least, most = order[:SHOWN], order[::-1][:SHOWN]
    odd = np.argsort(-c.strange, kind="stable")[:SHOWN]
    blocks: list[Any] = [
        picture(
            "uniqueness", lambda ax: plots.histogram(c.unique, ax, what="uniqueness"),
            f"Counts of uniqueness; the median is {np.median(c.unique):.3f}.",
            "Low: repeats of other rows.",
        ),
        picture(
            "outliers",
            partial(plots.curve, c.strange, what="local outlier factor", log=True),
            f"Outlier factors in descending order; the largest is {c.strange.max():.2f}.",
            "About 1 inside a cluster.",
        ),
    ]  # fmt: skip
    for caption, chosen, values, what in (
        ("Most unique", most, c.unique, "uniqueness"),
        ("Least unique", least, c.unique, "uniqueness"),
        ("Outliers", odd, c.strange, "factor"),
    ):
        blocks += rows.show(caption, chosen, {what: values[chosen]})
    return Section("unique", "Unique rows and outliers", blocks, ("uniqueness", "outliers"))


def _holes(c: Curated, rows: Rows) -> Section | None:
    found = c.covered
    if found is None:
        return None
    figure = picture(
        "coverage", found.plot,
        f"Distances to the nearest labelled row; {found.share:.1%} are within {found.eps:.3g}.",
        "Beyond the line rows are not covered.",
    )  # fmt: skip
    holes = rows.show("Middle of each hole", found.hole_rows, {"rows in it": found.hole_sizes})
    return Section("coverage", "Coverage", [figure, *holes], ("coverage",))


def _label(c: Curated, rows: Rows) -> Section:
    blocks: list[Any] = [
        picture(
            "zcore", lambda ax: plots.curve(c.scores, ax, what="zcore"),
            f"zcore in descending order, from {c.scores.max():.3f} to {c.scores.min():.3f}.",
            "Where the curve falls, a coreset gains most.",
        )
    ]  # fmt: skip
    if c.batch is not None:
        blocks += rows.show("Next batch", c.batch, {"zcore": c.scores[c.batch]})
    blocks += rows.show("Coreset", c.coreset, {"zcore": c.scores[c.coreset]})
    how = ("zcore", "batch") if c.batch is not None else ("zcore",)
    return Section("label", "What to label", blocks, how)


def numbers(c: Curated) -> dict[str, Any]:
    """What the sections say, as plain Python; rows by name."""

    def named(rows: Any) -> list[str]:
        return [c.names[int(i)] for i in rows]

    order = np.argsort(c.unique, kind="stable")
    odd = np.argsort(-c.strange, kind="stable")[:SHOWN]
    return {
        "rows": len(c.names),
        "threshold": c.threshold,
        "near_duplicates": len(c.near.duplicates),
        "groups": [named(part) for part in groups(c)],
        "leaks": None if c.leaking is None else [
            {"rows": named(pair), "distance": float(d)}
            for pair, d in zip(c.leaking.pairs, c.leaking.distances, strict=True)
        ],
        "least_unique": named(order[:SHOWN]), "most_unique": named(order[::-1][:SHOWN]),
        "outliers": [{"row": c.names[i], "factor": float(c.strange[i])} for i in odd.tolist()],
        "coverage": None if c.covered is None else {
            "share": c.covered.share, "eps": c.covered.eps, "radius": c.covered.radius,
            "holes": [{"row": name, "rows": int(size)} for name, size in zip(
                named(c.covered.hole_rows), c.covered.hole_sizes, strict=True)],
        },
        "coreset": named(c.coreset),
        "batch": None if c.batch is None else named(c.batch),
    }  # fmt: skip
