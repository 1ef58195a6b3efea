"""Parts in groups: every two of v = q^2 + q + 1 parts meet in exactly one group of q + 1."""

from __future__ import annotations

from tamis._shared.arrays import Array

DIFFERENCE_SETS = {  # modulo the number of parts every difference but 0 appears once
    1: (0,),
    3: (0, 1),
    7: (0, 1, 3),
    13: (0, 1, 3, 9),
    21: (0, 1, 4, 14, 16),
    31: (0, 1, 3, 8, 12, 18),
    57: (0, 1, 3, 13, 32, 36, 43, 52),
    73: (0, 1, 3, 7, 15, 31, 36, 54, 63),
    91: (0, 1, 3, 9, 27, 49, 56, 61, 77, 81),
}


def check_parts(function: str, parts: int) -> None:
    """Raise unless there are groups for so many parts."""
    if isinstance(parts, bool) or parts not in DIFFERENCE_SETS:
        choices = ", ".join(map(str, DIFFERENCE_SETS))
        raise ValueError(f"{function}: parts must be one of {choices}, got {parts!r}")


def bounds_of(n: int, parts: int) -> list[tuple[int, int]]:
    """The rows [begin, end) of each part."""
    return [(n * i // parts, n * (i + 1) // parts) for i in range(parts)]


def groups_of(parts: int) -> list[list[int]]:
    """The parts of each group, ascending."""
    base = DIFFERENCE_SETS[parts]
    return [sorted((one + shift) % parts for one in base) for shift in range(parts)]


def owner_of(groups: list[list[int]]) -> dict[tuple[int, int], int]:
    """The group that answers for the pairs of two parts (a <= b), or of one part with itself."""
    owner: dict[tuple[int, int], int] = {}
    for g, parts in enumerate(groups):
        for i, a in enumerate(parts):
            for b in parts[i:]:
                owner.setdefault((a, b), g)
    return owner


def cut(x: Array, sizes: list[int]) -> list[Array]:
    """`x` in pieces of these sizes."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [x[end - size : end] for size, end in zip(sizes, ends, strict=True)]
