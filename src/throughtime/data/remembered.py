"""What is costly to read is kept in memory, up to a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import numpy.typing as npt

KeyT = TypeVar("KeyT", bound=Hashable)
Array = npt.NDArray[Any]


class Remembered(Generic[KeyT]):
    """A function that gives arrays, such as the features of a recording, and forgets those used longest ago.

    Args:
        compute: The function.
        limit: Most bytes that are kept.

    Example:
        >>> import numpy as np
        >>> square = Remembered(lambda n: np.array([n * n]), limit=16)
        >>> [int(square(n)[0]) for n in (2, 3, 2)], len(square.kept)
        ([4, 9, 4], 2)
    """

    def __init__(self, compute: Callable[[KeyT], Array], limit: int = 1 << 30) -> None:
        self.compute, self.limit = compute, limit
        self.kept: OrderedDict[KeyT, Array] = OrderedDict()
        self.size = 0

    def __call__(self, key: KeyT) -> Array:
        """The array of a key; whoever writes to it writes to what is kept."""
        if key in self.kept:
            self.kept.move_to_end(key)
            return self.kept[key]
        found = self.kept[key] = self.compute(key)
        self.size += found.nbytes
        while self.size > self.limit and len(self.kept) > 1:
            self.size -= self.kept.popitem(last=False)[1].nbytes
        return found
