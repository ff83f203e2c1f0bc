"""Shares of a batch, as even as can be: what is done in parts, one after the other or by several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

BatchT = TypeVar("BatchT")

Shares = Sequence[Callable[[], BatchT]]
"""What makes each share of a batch; what is drawn for it is drawn then."""


def shares(members: int, count: int) -> list[range]:
    """Members in order, dealt to so many shares, none of them empty, whose sizes differ by one at most.

    Args:
        members: There are.
        count: Shares; fewer members give fewer.

    Example:
        >>> shares(5, 2), shares(2, 12)
        ([range(0, 3), range(3, 5)], [range(0, 1), range(1, 2)])
    """
    count = min(members, count)
    return [range(-(-members * i // count), -(-members * (i + 1) // count)) for i in range(count)]
