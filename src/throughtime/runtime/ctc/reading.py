"""What a language model makes of the symbols that a search tries (shallow fusion)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ids: TypeAlias = npt.NDArray[np.int64]


class Reading(NamedTuple):
    """What a language model found while it read.

    Attributes:
        log_prob: Of what it read, in nats.
        units: Of it that a bonus counts, such as words.
        state: After it.
    """

    log_prob: float
    units: int
    state: Any

    def then(self, further: Reading) -> Reading:
        """Both together, ``further`` read after this."""
        return Reading(self.log_prob + further.log_prob, self.units + further.units, further.state)


class Fusion(Protocol):
    """A language model over another model's symbols."""

    def start(self) -> Any:
        """The state before the first symbol."""
        ...

    def extend(self, states: Sequence[Any], symbols: Sequence[int]) -> list[Reading]:
        """Reads a symbol after each state; a state may come more than once, and is not changed."""
        ...

    def finish(self, states: Sequence[Any]) -> list[Reading]:
        """What the end adds after each state: an unfinished word, the end of the sentence."""
        ...

    def dump(self, states: Sequence[Any]) -> dict[str, Any]:
        """States as plain data and arrays."""
        ...

    def load(self, dumped: Mapping[str, Any]) -> list[Any]:
        """The states that were dumped, of the same language model.

        Raises:
            UserError: If it is another one.
        """
        ...
