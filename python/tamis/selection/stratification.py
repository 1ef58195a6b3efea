"""Assigns units to splits: by a hash that new rows do not change, or balanced by class."""

from __future__ import annotations

import numpy as np

from tamis._shared.arrays import Array

CLOSE = 0.002  # of a class, by which its shares may be off
MOVES = 5000
CANDIDATES = 4096
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def mixed(keys: Array, seed: int) -> Array:
    """(n,) uint64: splitmix64 of each key and the seed."""
    z = keys.astype(np.uint64) + np.uint64((0x9E3779B97F4A7C15 * (2 * seed + 1)) % 2**64)
    for shift, factor in ((np.uint64(30), MIX[0]), (np.uint64(27), MIX[1])):
        z = (z ^ (z >> shift)) * factor
    return np.asarray(z ^ (z >> np.uint64(31)))


def by_hash(hashes: Array, fractions: Array) -> Array:
    """(n,) split of each hash: the first whose share of all numbers ends beyond it."""
    ends = np.cumsum(fractions)
    place = np.searchsorted(ends, hashes.astype(np.float64) / 2.0**64, side="right")
    return np.minimum(place, len(fractions) - 1)


def balanced(
    sizes: Array,
    rows: Array,
    labels: Array,
    counts: Array,
    hashes: Array,
    wanted: Array,
    wanted_rows: Array,
) -> Array:
    """(U,) split of each of U free units, by iterative stratification (Sechidis et al. 2011).

    `rows`, `labels` and `counts` list how often a unit holds a label; `wanted` (S, C) says how many
    more of each label the splits lack, `wanted_rows` (S,) how many rows. The label that is rarest
    among what is left comes first; its units, those with most of it first and then by hash, each go
    to the split that lacks most of it, then most rows. Units without labels fill up the rows.
    """
    n, n_labels = len(sizes), wanted.shape[1]
    order = np.argsort(rows, kind="stable")
    rows, labels, counts = rows[order], labels[order], counts[order]
    bounds = np.searchsorted(rows, np.arange(n + 1))
    starts = bounds.tolist()
    by_label = np.lexsort((hashes[rows], -counts, labels))
    label_starts = np.searchsorted(labels[by_label], np.arange(n_labels + 1))
    left = np.bincount(labels, minlength=n_labels)
    label_list, count_list = labels.tolist(), counts.tolist()
    lack, lack_rows = wanted.T.astype(float).tolist(), wanted_rows.astype(float).tolist()
    size_list, split = sizes.tolist(), [-1] * n
    splits = range(len(lack_rows))

    def give(unit: int, to: int) -> None:
        split[unit] = to
        lack_rows[to] -= size_list[unit]
        for at in range(starts[unit], starts[unit + 1]):
            lack[label_list[at]][to] -= count_list[at]

    open_units = np.ones(n, bool)
    while True:
        todo = np.flatnonzero(left > 0)
        if len(todo) == 0:
            break
        label = int(todo[left[todo].argmin()])
        units = rows[by_label[label_starts[label] : label_starts[label + 1]]]
        units = units[open_units[units]]
        of_label = lack[label]
        for unit in units.tolist():
            give(unit, max(splits, key=lambda s: (of_label[s], lack_rows[s], -s)))
        open_units[units] = False
        left -= np.bincount(labels[_ranges(bounds, units)], minlength=n_labels)
    for unit in np.lexsort((hashes, -sizes)).tolist():
        if split[unit] < 0:
            give(unit, max(splits, key=lambda s: (lack_rows[s], -s)))
    return np.array(split, np.int64)


def refined(
    split: Array,
    rows: Array,
    labels: Array,
    counts: Array,
    lack: Array,
    totals: Array,
) -> Array:
    """The same units, some moved where a class is still away from its shares.

    `lack` (S, C) is what is missing now, `totals` (C,) how many there are. Time and again the class
    that is farthest off gives a unit of the split with most too many to the one that lacks most:
    the unit that best lowers the sum of squared shares over all classes. Ends where all are within
    `CLOSE`, nothing helps, or after `MOVES`.
    """
    split, lack = split.copy(), lack.astype(float)
    order = np.argsort(rows, kind="stable")
    rows, labels, counts = rows[order], labels[order], counts[order]
    bounds = np.searchsorted(rows, np.arange(len(split) + 1))
    by_label = np.argsort(labels, kind="stable")
    label_bounds = np.searchsorted(labels[by_label], np.arange(len(totals) + 1))
    weight = 1 / np.maximum(totals, 1) ** 2.0
    away = np.abs(lack).max(0) / np.maximum(totals, 1)
    for _ in range(MOVES):
        label = int(away.argmax())
        if away[label] <= CLOSE:
            break
        source, target = int(lack[:, label].argmin()), int(lack[:, label].argmax())
        units = rows[by_label[label_bounds[label] : label_bounds[label + 1]]]
        units = units[split[units] == source][:CANDIDATES]
        gain = _gain(units, bounds, labels, counts, weight, lack[source] - lack[target])
        if len(units) == 0 or gain.min() >= 0:
            away[label] = 0  # stuck, until another move touches the class
            continue
        unit = int(units[gain.argmin()])
        split[unit] = target
        part = slice(bounds[unit], bounds[unit + 1])
        lack[source, labels[part]] += counts[part]
        lack[target, labels[part]] -= counts[part]
        away[labels[part]] = np.abs(lack[:, labels[part]]).max(0) / totals[labels[part]]
    return split


def _gain(
    units: Array, bounds: Array, labels: Array, counts: Array, weight: Array, between: Array
) -> Array:
    """Change of the sum of squares if each unit moved between two splits."""
    entries = _ranges(bounds, units)
    n, of = counts[entries].astype(float), labels[entries]
    change = weight[of] * 2 * n * (between[of] + n)
    owner = np.repeat(np.arange(len(units)), bounds[units + 1] - bounds[units])
    return np.bincount(owner, change, len(units))


def _ranges(bounds: Array, which: Array) -> Array:
    """The places bounds[i] to bounds[i + 1] of all i, consecutively."""
    first, lengths = bounds[which], bounds[which + 1] - bounds[which]
    ends = np.cumsum(lengths)
    return np.repeat(first - (ends - lengths), lengths) + np.arange(lengths.sum())
