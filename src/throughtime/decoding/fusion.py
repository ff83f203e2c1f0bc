"""A language model beside another model's search: what it makes of the symbols that the search tries (shallow fusion).

The search knows symbols; the language model knows tokens of its own. A :class:`Spelling` says which tokens each symbol
adds, and :class:`TokenFusion` asks any :class:`Decoder` for their probabilities, many at a time and each once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from throughtime.decoding.decoder import Decoder
from throughtime.runtime.ctc import Fusion, Reading


class Spelling(Protocol):
    """How the symbols of a search are written in the tokens of a language model; states are hashable."""

    def start(self) -> Any:
        """The state before the first symbol."""
        ...

    def read(self, state: Any, symbol: int) -> tuple[Sequence[int], int, Any]:
        """The tokens that a symbol adds, which may be none yet; units that are whole with it; the state."""
        ...

    def end(self, state: Any) -> tuple[Sequence[int], int]:
        """The tokens that the end adds, and the units that are whole with it."""
        ...


@dataclass(frozen=True)
class Aloud:
    """Every symbol is read as soon as it comes: characters by a model of characters, words by any model.

    Attributes:
        texts: Of every symbol.
        encode: The tokens of a text.
        between: Stands between two symbols: nothing for characters, a space for words.
        eos: Ends a sentence; None where the language model knows no sentences.
    """

    texts: Sequence[str]
    encode: Callable[[str], Sequence[int]]
    between: str = ""
    eos: int | None = None

    def start(self) -> bool:
        """Nothing was read."""
        return False

    def read(self, state: bool, symbol: int) -> tuple[Sequence[int], int, bool]:
        """See :class:`Spelling`; every symbol is a unit."""
        return self.encode((self.between if state else "") + self.texts[symbol]), 1, True

    def end(self, state: bool) -> tuple[Sequence[int], int]:
        """See :class:`Spelling`."""
        return [] if self.eos is None else [self.eos], 0


@dataclass(frozen=True)
class ByWord:
    """Characters are gathered and read word by word, each when the space after it, or the end, shows it whole.

    The state is the text of the unfinished word, after a space where it is not the first.

    Attributes:
        texts: Of every symbol.
        encode: The tokens of a text.
        eos: Ends a sentence; None where the language model knows no sentences.
    """

    texts: Sequence[str]
    encode: Callable[[str], Sequence[int]]
    eos: int | None = None

    def start(self) -> str:
        """No character was read."""
        return ""

    def read(self, state: str, symbol: int) -> tuple[Sequence[int], int, str]:
        """See :class:`Spelling`; every word is a unit."""
        text = self.texts[symbol]
        if not text.isspace():
            return [], 0, state + text
        if not state.strip():
            return [], 0, state
        return self.encode(state), 1, " "

    def end(self, state: str) -> tuple[Sequence[int], int]:
        """See :class:`Spelling`."""
        tokens, units = (self.encode(state), 1) if state.strip() else ((), 0)
        return [*tokens, *(() if self.eos is None else (self.eos,))], units


class Joining(Decoder[Any], Protocol):
    """A decoder whose rows can be brought together."""

    def join(self, states: Sequence[Any]) -> Any:
        """The rows of all states, in order."""
        ...


class _Node:
    """What a language model has read: a token after another node. It is computed when somebody asks what follows."""

    __slots__ = ("_before", "log_probs", "state", "token")

    def __init__(self, before: _Node | None, token: int) -> None:
        self._before, self.token = before, token
        self.log_probs: npt.NDArray[np.float64] | None = None
        self.state: Any = None

    @property
    def before(self) -> _Node:
        assert self._before is not None
        return self._before

    def settle(self, log_probs: npt.NDArray[np.float64], state: Any) -> None:
        """Sets the next token's log-probabilities ``[V]`` and the state of one row; what stands before can go."""
        self.log_probs, self.state, self._before = log_probs, state, None

    def next(self, token: int) -> float:
        """The log-probability of a token after it."""
        assert self.log_probs is not None
        return float(self.log_probs[token])


class TokenFusion:
    """A decoder of tokens as a :class:`Fusion`.

    A state is what its spelling needs, and a node of what the language model has read; a node is computed when
    something after it is asked, together with all others of that call.

    Args:
        decoder: Of one sequence; see :class:`throughtime.decoding.TextDecoder`.
        spelling: How the search's symbols are written in its tokens.
    """

    def __init__(self, decoder: Joining, spelling: Spelling) -> None:
        self.decoder, self.spelling = decoder, spelling

    @torch.no_grad()
    def start(self) -> Any:
        """See :class:`Fusion`."""
        node = _Node(None, -1)
        log_probs, state = self.decoder.begin()
        node.settle(_rows(log_probs)[0], state)
        return self.spelling.start(), node

    def extend(self, states: Sequence[Any], symbols: Sequence[int]) -> list[Reading]:
        """See :class:`Fusion`."""
        spelt = [self.spelling.read(spelling, symbol) for (spelling, _), symbol in zip(states, symbols, strict=True)]
        read = self._read([node for _, node in states], [tokens for tokens, _, _ in spelt])
        return [
            Reading(log_prob, units, (spelling, node))
            for (log_prob, node), (_, units, spelling) in zip(read, spelt, strict=True)
        ]

    def finish(self, states: Sequence[Any]) -> list[Reading]:
        """See :class:`Fusion`."""
        ends = [self.spelling.end(spelling) for spelling, _ in states]
        read = self._read([node for _, node in states], [tokens for tokens, _ in ends])
        return [
            Reading(log_prob, units, (self.spelling.start(), node))
            for (log_prob, node), (_, units) in zip(read, ends, strict=True)
        ]

    def _read(self, nodes: Sequence[_Node], texts: Sequence[Sequence[int]]) -> list[tuple[float, _Node]]:
        """Reads tokens after every node: their log-probability, and the node after them."""
        at, totals = list(nodes), [0.0] * len(nodes)
        shared: dict[tuple[_Node, int], _Node] = {}
        for step in range(max(map(len, texts), default=0)):
            going = [row for row, tokens in enumerate(texts) if len(tokens) > step]
            self._compute([at[row] for row in going])
            for row in going:
                node, token = at[row], texts[row][step]
                totals[row] += node.next(token)
                at[row] = shared.setdefault((node, token), _Node(node, token))
        return list(zip(totals, at, strict=True))

    @torch.no_grad()
    def _compute(self, nodes: Sequence[_Node]) -> None:
        """Computes those that were not yet, each once."""
        new = list(dict.fromkeys(node for node in nodes if node.log_probs is None))
        if new:
            state = self.decoder.join([node.before.state for node in new])
            log_probs, after = self.decoder.step(torch.tensor([node.token for node in new]), state)
            for row, (node, found) in enumerate(zip(new, _rows(log_probs), strict=True)):
                node.settle(found, self.decoder.reorder(after, torch.tensor([row])))


def _rows(log_probs: Tensor) -> npt.NDArray[np.float64]:
    return log_probs.double().cpu().numpy()


def read_whole(lm: Fusion, labellings: Sequence[Sequence[int]]) -> list[Reading]:
    """What a language model makes of whole labellings, side by side, their ends read too."""
    found = [Reading(0.0, 0, state) for state in [lm.start()] * len(labellings)]
    for step in range(max(map(len, labellings), default=0)):
        going = [row for row, symbols in enumerate(labellings) if len(symbols) > step]
        further = lm.extend([found[row].state for row in going], [labellings[row][step] for row in going])
        for row, reading in zip(going, further, strict=True):
            found[row] = found[row].then(reading)
    return [reading.then(end) for reading, end in zip(found, lm.finish([each.state for each in found]), strict=True)]
