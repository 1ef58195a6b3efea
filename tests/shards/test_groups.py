"""Every two parts meet in one group, and every pair of rows has one owner."""

from __future__ import annotations

import itertools

import pytest
from tamis.shards.groups import DIFFERENCE_SETS, bounds_of, check_parts, groups_of, owner_of


@pytest.mark.parametrize("parts", DIFFERENCE_SETS)
def test_every_two_parts_meet_once(parts: int) -> None:
    groups = groups_of(parts)
    met = [pair for group in groups for pair in itertools.combinations(group, 2)]
    assert sorted(met) == list(itertools.combinations(range(parts), 2))
    size = len(groups[0])
    assert parts == size * (size - 1) + 1 and all(len(group) == size for group in groups)


@pytest.mark.parametrize("parts", DIFFERENCE_SETS)
def test_every_pair_has_an_owner_that_holds_both(parts: int) -> None:
    groups = groups_of(parts)
    owner = owner_of(groups)
    assert len(owner) == parts * (parts + 1) // 2
    assert all(a in groups[g] and b in groups[g] for (a, b), g in owner.items())


@pytest.mark.parametrize("n", [0, 1, 5, 100])
def test_parts_cover_the_rows(n: int) -> None:
    bounds = bounds_of(n, 7)
    assert bounds[0][0] == 0 and bounds[-1][1] == n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))


@pytest.mark.parametrize("parts", [0, 2, 5, True, 7.5, "7"])
def test_other_numbers_of_parts(parts: object) -> None:
    with pytest.raises(ValueError, match=r"^plan: parts must be one of 1, 3, 7, 13, .*, got"):
        check_parts("plan", parts)  # type: ignore[arg-type]
