"""What of the data is held out: a share at random, or one fold of several; what belongs together stays together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

from throughtime.data.parts import split
from throughtime.errors import UserError

ExampleT = TypeVar("ExampleT")


def together(*keys: Sequence[Hashable]) -> list[int]:
    """A number for every example, the same for examples that share any of their keys, directly or through others.

    Args:
        *keys: Of every example: what it is, which group it belongs to.

    Example:
        >>> together(["a", "b", "c", "b"], ["x", "y", "x", "z"])
        [0, 1, 0, 1]
    """
    first: dict[tuple[int, Hashable], int] = {}
    chief = list(range(len(keys[0])))

    def find(number: int) -> int:
        while chief[number] != number:
            chief[number] = number = chief[chief[number]]
        return number

    for kind, values in enumerate(keys):
        for number, value in enumerate(values):
            other = find(first.setdefault((kind, value), number))
            mine = find(number)
            chief[max(mine, other)] = min(mine, other)
    return [find(number) for number in range(len(chief))]


def hold_out(
    examples: Sequence[ExampleT], shares: Sequence[float], seed: int, groups: Sequence[Hashable]
) -> list[list[ExampleT]]:
    """As :func:`throughtime.data.parts.split`, by a key that is given for each example."""
    parts = split(range(len(examples)), shares, seed, groups.__getitem__)
    return [[examples[number] for number in part] for part in parts]


def fold(
    groups: Sequence[Hashable], labels: Sequence[str | None], folds: int, number: int, seed: int
) -> tuple[list[int], list[int]]:
    """The places of the examples of all folds but one, and of that one.

    Groups are dealt in an order of chance, the largest first, each to the fold that has the fewest examples of its
    label, then the fewest at all: folds are of about one size, and stratified (Kohavi 1995).

    Args:
        groups: Of every example: those of one stay in one fold.
        labels: Of every example; None where it has none that is one of a few.
        folds: How many.
        number: Which, from 1.
        seed: Of the order.

    Raises:
        UserError: If there are fewer groups than folds, or a label is of one group alone, so that the fold that has it
            would be judged by what has never seen it.

    Example:
        >>> fold(["a", "b", "c", "c"], ["x", "x", "x", "x"], folds=3, number=1, seed=0)
        ([0, 1], [2, 3])
    """
    dealt = _deal(tuple(groups), tuple(labels), folds, seed)
    places = range(len(groups))
    return [n for n in places if dealt[n] != number], [n for n in places if dealt[n] == number]


@lru_cache(1)  # every fold asks for the same
def _deal(groups: Sequence[Hashable], labels: Sequence[str | None], folds: int, seed: int) -> Sequence[int]:
    """The fold of every example, from 1."""
    members: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    if folds > len(members):
        raise UserError(
            f"--folds: expected at most {len(members):,}, as many as there are examples that differ (those that are "
            f"the same, or of one group, stay together), got {folds:,}"
        )
    dealt = list(members.values())
    _check_labels(dealt, labels)
    np.random.default_rng(seed).shuffle(dealt)
    dealt.sort(key=len, reverse=True)
    having = [Counter[str | None]() for _ in range(folds)]
    sizes = [0] * folds
    found = [0] * len(groups)
    for group_members in dealt:
        label = Counter(labels[place] for place in group_members).most_common(1)[0][0]
        to = min(range(folds), key=lambda each: (having[each][label], sizes[each], each))
        having[to].update(labels[place] for place in group_members)
        sizes[to] += len(group_members)
        for place in group_members:
            found[place] = to + 1
    return found


def _check_labels(groups: Sequence[Sequence[int]], labels: Sequence[str | None]) -> None:
    times = Counter(label for group in groups for label in {labels[place] for place in group})
    for label, count in times.items():
        if count == 1 and label is not None and len(times) > 1:
            raise UserError(
                f"--folds: expected every label in examples of at least two groups, got {label!r} in one alone, which "
                "no fold can be both taught and judged by; add examples of it, or take it out"
            )
