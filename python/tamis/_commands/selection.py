"""Commands of embeddings, from people's files and with their names."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

import numpy as np

import tamis
from tamis._commands.output import (
    add_output,
    check_output,
    table,
    tell,
    write_answer,
    write_samples,
    write_scores,
)
from tamis._shared import output
from tamis.embeddings.drift_annotations import is_annotations
from tamis.embeddings.files import (
    read_column,
    read_embeddings,
    read_names,
    read_rows,
)

INPUT = "(N, D) floats: .npy .npz .parquet .arrow .safetensors, FILE::NAME, or a folder of shards"
NAMES = "what to call the rows: .txt lines, or a .csv or .parquet column, FILE::COLUMN"
CHECKS = "write the checks: .csv .parquet a row each, .json all numbers, .txt what is printed"
SCORES = "write the (N,) scores: .csv .json .parquet .txt with names, else .npy"


def opened(args: argparse.Namespace) -> tuple[Any, list[str] | None, list[str]]:
    """(embeddings, names or None, what to call each row)."""
    checkpoint = getattr(args, "checkpoint", None)
    if args.top < 0:
        raise ValueError(f"--top must be 0 or more, got {args.top}")
    scores = args.run in (uniqueness, zcore)
    check_output(args, [args.embeddings, args.names, checkpoint], any_suffix=scores)
    if checkpoint is not None:
        output.check("--checkpoint", checkpoint, (args.embeddings,))
    x = read_embeddings(args.embeddings)
    names = read_names(args.names, len(x))
    return x, names, names if names is not None else [str(i) for i in range(len(x))]


def shown(names: list[str], rows: Any, top: int) -> str:
    lines = [f"  {names[i]}" for i in list(rows)[:top]]
    more = len(rows) - len(lines)
    return "\n".join([*lines, f"  ... {more} more"] if more > 0 else lines)


def near_duplicates(args: argparse.Namespace) -> int:
    x, _, names = opened(args)
    progress = sys.stderr.isatty()
    proposed = tamis.duplicate_threshold(x, metric=args.metric, progress=progress)
    chosen = proposed.threshold if args.threshold == "auto" else float(args.threshold)
    found = tamis.near_duplicates(x, threshold=chosen, metric=args.metric, progress=progress)
    repeats = [names[i] for i in found.keeper]
    columns = {
        "name": [names[i] for i in found.duplicates], "repeats": repeats,
        "distance": found.keeper_distance.tolist(),
    }  # fmt: skip
    write_samples(args, columns)
    rows = list(zip(*columns.values(), strict=True))
    plain = {
        "rows": len(x), "threshold": chosen, "keep": len(found.keep),
        "duplicates": [dict(zip(columns, row, strict=True)) for row in rows],
        "auto": proposed.threshold, "counts": {str(t): c for t, c in proposed.counts.items()},
    }  # fmt: skip
    count = len(found.duplicates)
    text = f"{proposed}\n{count} of {len(x)} rows repeat an earlier one at {chosen:.4g}"
    lines = [f"  {a} repeats {b} ({d:.4g})" for a, b, d in rows[: args.top]]
    tell(args, "\n".join([text, *lines]), plain)
    return 0


def leaks(args: argparse.Namespace) -> int:
    x, _, names = opened(args)
    splits = read_column(args.splits)
    found = tamis.leaks(
        x, np.array(splits), threshold=args.threshold, metric=args.metric,
        progress=sys.stderr.isatty(),
    )  # fmt: skip
    left, right = found.pairs.T.tolist() if len(found.pairs) else ([], [])
    columns = {
        "name": [names[i] for i in left], "split": [splits[i] for i in left],
        "other": [names[i] for i in right], "other_split": [splits[i] for i in right],
        "distance": found.distances.tolist(),
    }  # fmt: skip
    write_samples(args, columns)
    rows = [
        f"  {a} ({s}) ~ {b} ({t})  {d:.4g}" for a, s, b, t, d in zip(*columns.values(), strict=True)
    ]
    text = f"{len(rows)} pairs within {args.threshold:g} are in different splits"
    tell(args, "\n".join([text, *rows[: args.top]]), {"pairs": len(rows), **columns})
    return int(len(rows) > 0)


def uniqueness(args: argparse.Namespace) -> None:
    x, known, names = opened(args)
    score = tamis.uniqueness(
        x, k=args.k, metric=args.metric, compat="brain" if args.brain else None,
        progress=sys.stderr.isatty(),
    )  # fmt: skip
    write_scores(args.output, known, score)
    order = np.argsort(score, kind="stable")
    least, most = order[: args.top].tolist(), order[::-1][: args.top].tolist()
    head = ("least unique", "score", "most unique", "score")
    cells = [
        (names[a], f"{score[a]:.4f}", names[b], f"{score[b]:.4f}")
        for a, b in zip(least, most, strict=True)
    ]
    found = {"rows": len(score), "median": float(np.median(score))} if len(score) else {}
    plain = {**found, "least": called(known, least), "most": called(known, most)}
    tell(args, table([head, *cells]), plain)


def zcore(args: argparse.Namespace) -> None:
    x, known, names = opened(args)
    score, agreed = drawn(args, x, None)
    write_scores(args.output, known, score)
    chosen = tamis.select_coreset(score, count=min(args.top, len(score))).tolist()
    text = table([("row", "score"), *((names[i], f"{score[i]:.4f}") for i in chosen)])
    tell(args, text, {"rows": len(score), "first": called(known, chosen), **agreed})


def draws(text: str) -> Any:
    return text if text == "auto" else int(text)


def called(names: list[str] | None, rows: list[int]) -> list[Any]:
    """Names, or the row numbers where there are none."""
    return rows if names is None else [names[i] for i in rows]


def drawn(args: argparse.Namespace, x: Any, count: int | None) -> tuple[Any, dict[str, Any]]:
    """(scores of zcore, for ``--json`` how far two halves of the draws agree on the first `count`).

    People read it on stderr, with advice where it is little.
    """
    how: dict[str, Any] = {"seed": args.seed, "progress": sys.stderr.isatty()}
    checkpoint = getattr(args, "checkpoint", None)
    if checkpoint is not None or args.draws == 1 or len(x) == 0:
        return tamis.zcore(x, n_samples=args.draws, checkpoint=checkpoint, **how), {}
    draws = None if args.draws == "auto" else args.draws
    if count is not None:
        count = min(max(count, 1), len(x))
    found = tamis.zcore_stability(x, count=count, n_samples=draws, **how)
    if not args.json:
        said = str(found).partition("\n")[0]
        advice = "" if found.stable else "; another seed would choose others: more --draws, or auto"
        print(f"{said}{advice}", file=sys.stderr)
    return found.scores, {
        "draws": found.n_samples, "overlap": found.overlap, "agreement": found.agreement,
    }  # fmt: skip


def scored(args: argparse.Namespace, x: Any, count: int | None) -> tuple[Any, dict[str, Any]]:
    if args.scores:
        return np.load(args.scores, allow_pickle=False), {}
    return drawn(args, x, count)


def give_rows(
    args: argparse.Namespace, names: list[str], rows: Any, scores: Any, agreed: dict[str, Any]
) -> int:
    columns = {
        "name": [names[i] for i in rows], "row": [int(i) for i in rows],
        "score": [float(scores[i]) for i in rows],
    }  # fmt: skip
    write_samples(args, columns)
    text = f"{len(rows)} of {len(names)} rows:\n{shown(names, rows, args.top)}"
    tell(args, text, {"rows": len(names), "chosen": columns["name"], **agreed})
    return 0


def select(args: argparse.Namespace) -> int:
    x, _, names = opened(args)
    if args.count is None and args.fraction is None:
        raise ValueError("give --count or --fraction")
    count = args.count if args.count is not None else round(args.fraction * len(x))
    scores, agreed = scored(args, x, count)
    rows = tamis.select_coreset(scores, count=args.count, fraction=args.fraction)
    return give_rows(args, names, rows, scores, agreed)


def batch(args: argparse.Namespace) -> int:
    x, known, names = opened(args)
    failed = np.empty(0, np.int64)
    if args.failures:
        failed = read_rows(args.failures, known, len(x))
    exclude = read_rows(args.exclude, known, len(x)) if args.exclude else None
    scores, agreed = scored(args, x, args.count)
    rows = tamis.select_batch(
        scores, x, failed, budget=args.count, coverage=args.coverage, exclude=exclude,
        quota=args.quota, threshold=args.threshold, metric=args.metric,
        progress=sys.stderr.isatty(),
    )  # fmt: skip
    return give_rows(args, names, rows, scores, agreed)


def split(args: argparse.Namespace) -> int:
    x, known, names = opened(args)
    if args.verify:
        splits = read_column(args.splits) if args.splits else None
        check = tamis.verify_split(args.verify, keys=names, splits=splits, x=x, root=args.root)
        tell(args, str(check), check.to_dict())
        return check.exit_code
    shares = dict(part.split("=") for part in args.fractions.split(","))
    found = tamis.split(
        x, groups=read_column(args.groups) if args.groups else None,
        labels=read_column(args.labels) if args.labels else None,
        fractions={name: float(share) for name, share in shares.items()}, seed=args.seed,
        threshold=args.threshold, metric=args.metric, keys=known, previous=args.previous,
        progress=sys.stderr.isatty(),
    )  # fmt: skip
    if args.manifest:
        found.save(args.manifest, keys=names, root=args.root)
    write_samples(args, {"name": names, "split": [found.names[i] for i in found.split]})
    counts = dict(zip(found.names, found.rows.tolist(), strict=True))
    tell(args, str(found), {"rows": counts, "conflicts": len(found.conflicts)})
    return 0


def drift(args: argparse.Namespace) -> int:
    sides = [args.reference, args.batch]
    check_output(args, sides)
    given: list[Any] = sides
    if not all(side.endswith(".json") and is_annotations(side) for side in sides):
        given = [read_embeddings(side) for side in sides]
    found = tamis.drift(
        *given, alpha=args.alpha, permutations=args.permutations, seed=args.seed,
        progress=sys.stderr.isatty(),
    )  # fmt: skip
    if args.output is not None:
        columns = {name: values.tolist() for name, values in found.table().items()}
        write_answer(args.output, str(found), found.to_dict(), columns)
    tell(args, str(found), found.to_dict())
    return found.exit_code


def coverage(args: argparse.Namespace) -> int:
    x, known, names = opened(args)
    labelled = read_rows(args.labelled, known, len(x)) if args.labelled else None
    found = tamis.coverage(
        x, labelled, eps=args.eps, k=args.k, metric=args.metric, progress=sys.stderr.isatty()
    )
    columns = {
        "name": [names[i] for i in found.hole_rows], "rows": found.hole_sizes.tolist(),
    }  # fmt: skip
    write_samples(args, columns)
    holes = [f"  {size} rows about {name}" for name, size in zip(*columns.values(), strict=True)]
    head = [line for line in str(found).splitlines() if not line.startswith("  ")]
    plain = found.to_dict()
    for big in ("distance", "nearest", "hole"):
        del plain[big]
    tell(args, "\n".join([*head, *holes[: args.top]]), {**plain, "holes": columns["name"]})
    return 0


def _command(
    commands: Any, name: str, run: Any, help: str, example: str, threshold: Any = None
) -> Any:
    """A command with the options that most of them share."""
    made = commands.add_parser(name, help=help, epilog=f"example: tamis {example}")
    made.set_defaults(run=run)
    made.add_argument("--json", action="store_true", help="print one JSON object")
    if name == "drift":
        made.add_argument("-o", "--output", metavar="FILE", help=CHECKS)
        return made
    made.add_argument("embeddings", metavar="X", help=INPUT)
    made.add_argument("--names", metavar="FILE", help=NAMES)
    if name in ("uniqueness", "zcore"):
        made.add_argument("-o", "--output", metavar="FILE", help=SCORES)
    else:
        add_output(made)
    made.add_argument("--top", type=int, default=10, metavar="N", help="shown, default 10")
    if name != "zcore":
        made.add_argument(
            "--metric", choices=("cosine", "euclidean"),
            default="euclidean" if name == "coverage" else "cosine",
        )  # fmt: skip
    if threshold is not None:
        kind = str if threshold == "auto" else float
        made.add_argument(
            "--threshold", type=kind, default=threshold,
            help=f"largest distance of near-duplicates, default {threshold}",
        )  # fmt: skip
    if name in ("select", "batch"):
        made.add_argument("--scores", metavar="SCORES.npy", help="instead of zcore's")
    if name in ("select", "batch", "zcore"):
        made.add_argument(
            "--draws", type=draws, default=1_000_000,
            help="default 1,000,000; auto: until two halves of them agree",
        )  # fmt: skip
    if name in ("select", "batch", "split", "zcore"):
        made.add_argument("--seed", type=int, default=0, help="default 0")
    return made


def _add_choices(command: Any) -> None:
    """Scores of all rows, and what is chosen by them."""
    made = command(
        "uniqueness", uniqueness, "the least and the most unique embeddings",
        "uniqueness x.npy --names files.txt -o scores.csv",
    )  # fmt: skip
    made.add_argument("-k", type=int, default=3, help="neighbours, default 3")
    made.add_argument("--brain", action="store_true", help="FiftyOne Brain's own numbers")
    made = command(
        "zcore", zcore, "the embeddings to label first", "zcore x.npy --draws 100000 -o scores.csv"
    )
    made.add_argument("--checkpoint", metavar="FILE", help="to save progress to and resume from")
    made = command(
        "select", select, "a coreset: the rows of the highest zcore",
        "select x.npy --count 500 --names files.txt -o train.txt",
    )  # fmt: skip
    made.add_argument("--count", type=int)
    made.add_argument("--fraction", type=float)
    made = command(
        "batch", batch, "what to label next: 30 %% to cover, 70 %% near failures",
        "batch x.npy --count 100 --failures failed.txt --exclude labelled.txt -o next.txt", 0.02,
    )  # fmt: skip
    made.add_argument("--count", type=int, required=True)
    made.add_argument("--failures", metavar="FILE", help="names (or row numbers) of failures")
    made.add_argument("--exclude", metavar="FILE", help="names (or row numbers) labelled already")
    made.add_argument("--coverage", type=float, default=0.3, help="share to cover, default 0.3")
    made.add_argument("--quota", type=int, help="clusters of failures that share the rest evenly")


def add(commands: Any) -> None:
    """The commands, to the subparsers of `tamis`."""
    command = partial(_command, commands)
    command(
        "near-duplicates", near_duplicates, "embeddings that nearly repeat an earlier one",
        "near-duplicates x.npy --names files.txt -o repeats.csv", "auto",
    )  # fmt: skip
    made = command(
        "leaks", leaks, "near-duplicates in different splits; exit code 1 if there are any",
        "leaks x.npy --splits splits.txt", 0.05,
    )  # fmt: skip
    made.add_argument("--splits", metavar="FILE", required=True, help="the split of each row")
    _add_choices(command)
    made = command(
        "split", split, "splits without leaks, and whether they still are as they were",
        "split x.npy --names files.txt --manifest split.json; then --verify split.json", 0.05,
    )  # fmt: skip
    made.add_argument("--groups", metavar="FILE", help="video, scene or source of each row")
    made.add_argument("--labels", metavar="FILE", help="class of each row, to balance")
    made.add_argument("--fractions", default="train=.8,val=.1,test=.1", metavar="A=.8,B=.2")
    made.add_argument("--manifest", metavar="FILE.json", help="write it, for --verify")
    made.add_argument("--previous", metavar="FILE.json", help="a manifest whose rows stay")
    made.add_argument("--root", metavar="FOLDER", help="the names are files below it: digest them")
    made.add_argument("--verify", metavar="FILE.json", help="only check; exit code 1 if broken")
    made.add_argument("--splits", metavar="FILE", help="with --verify: the split of each row now")
    made = command(
        "drift", drift, "whether a batch is like the reference; exit code 1 if not",
        "drift january.npy february.npy; drift old.json new.json (COCO)",
    )  # fmt: skip
    made.add_argument("reference", metavar="REFERENCE", help=f"{INPUT}; or COCO JSON")
    made.add_argument("batch", metavar="BATCH", help="the same kind")
    made.add_argument("--alpha", type=float, default=0.05, help="default 0.05")
    made.add_argument("--permutations", type=int, default=500, help="default 500")
    made.add_argument("--seed", type=int, default=0, help="default 0")
    made = command(
        "coverage", coverage, "how well labelled rows cover a pool, and the holes",
        "coverage x.npy --labelled labelled.txt --names files.txt -o holes.csv",
    )  # fmt: skip
    made.add_argument("--labelled", metavar="FILE", help="names (or row numbers) of labelled rows")
    made.add_argument("--eps", type=float, help="a row so far is covered")
    made.add_argument("-k", type=int, default=5, help="neighbours, default 5")
