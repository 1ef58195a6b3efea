"""Ten rounds of choosing what to label, by `tamis.select_batch` and by chance, on real embeddings.

    python examples/rounds_of_labels.py EMBEDDINGS.npy CLASSES.txt -o rounds_of_labels.json

Each round labels `BATCH` more images, trains a classifier on all that are labelled (ridge
regression to one column a class), and measures it on a test set that no round looks at. The rows
it gets wrong on a labelled validation set are the failures that steer the next batch. Chance
labels as many rows, drawn evenly. Both begin with the same random batch.

The stored result is of 8,255 image embeddings of nine public projects, whose class is the project.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import tamis

ROUNDS, BATCH, SEEDS = 10, 20, 5


def classify(x: Any, labels: Any, asked: Any, classes: int) -> Any:
    """Classes of the rows `asked`, learned from the labelled ones."""
    centre = x.mean(0)
    wide = x - centre
    wanted = np.eye(classes)[labels] - 1 / classes
    weights = np.linalg.solve(wide @ wide.T + 0.1 * np.eye(len(x)), wanted)
    return ((asked - centre) @ (wide.T @ weights)).argmax(1)


def balanced_accuracy(found: Any, labels: Any, classes: int) -> float:
    right = np.bincount(labels, found == labels, classes)
    counts = np.bincount(labels, minlength=classes)
    return float((right / np.maximum(counts, 1))[counts > 0].mean())


def rounds(x: Any, labels: Any, seed: int, *, batch: int = BATCH, draws: int = 200_000) -> Any:
    """{"tamis": accuracies after each round, "chance": the same}."""
    classes, rng = int(labels.max()) + 1, np.random.default_rng(seed)
    parts = tamis.split(
        x, labels=labels, fractions={"pool": 0.6, "val": 0.2, "test": 0.2}, seed=seed
    )
    pool, val, test = (parts.rows_of(name) for name in ("pool", "val", "test"))
    scores = np.zeros(len(x), np.float32)
    scores[pool] = tamis.zcore(x[pool], n_samples=draws, seed=seed)
    first = rng.choice(pool, batch, replace=False)
    curves: dict[str, list[float]] = {"tamis": [], "chance": []}
    for name, curve in curves.items():
        labelled = first
        for _ in range(ROUNDS):
            found = classify(x[labelled], labels[labelled], x, classes)
            curve.append(balanced_accuracy(found[test], labels[test], classes))
            left = np.setdiff1d(pool, labelled)
            if name == "tamis":
                failed = val[found[val] != labels[val]]
                outside = np.setdiff1d(np.arange(len(x)), left)
                new = tamis.select_batch(scores, x, failed, budget=batch, exclude=outside)
            else:
                new = rng.choice(left, batch, replace=False)
            labelled = np.concatenate([labelled, new])
    return curves


def table(found: Any) -> str:
    """Balanced accuracy after each round: the mean of all seeds and its spread."""
    lines = ["| labels | tamis | chance |", "|---|---|---|"]
    for i in range(ROUNDS):
        cells = [
            f"{found[n]['mean'][i]:.3f} ± {found[n]['spread'][i]:.3f}" for n in ("tamis", "chance")
        ]
        lines.append(f"| {found['batch'] * (i + 1)} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("embeddings", help="(N, D) .npy")
    parser.add_argument("classes", help="the class of each row, a line each")
    parser.add_argument("-o", "--output")
    args = parser.parse_args()
    x = np.load(args.embeddings).astype(np.float32)
    with open(args.classes, encoding="utf-8") as file:
        labels = np.unique(file.read().split(), return_inverse=True)[1]
    runs = [rounds(x, labels, seed) for seed in range(SEEDS)]
    found = {
        "rows": len(x), "classes": int(labels.max()) + 1, "batch": BATCH, "seeds": SEEDS,
        **{
            name: {
                "mean": np.mean([run[name] for run in runs], axis=0).round(4).tolist(),
                "spread": np.std([run[name] for run in runs], axis=0, ddof=1).round(4).tolist(),
            }
            for name in ("tamis", "chance")
        },
    }  # fmt: skip
    print(table(found))
    if args.output:
        with open(args.output, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
