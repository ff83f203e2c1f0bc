"""A language model beside another model's search: what it makes of the symbols that the search tries (shallow fusion).

The search knows symbols; the language model knows tokens of its own. A :class:`Spelling` says which tokens each symbol
adds, and :class:`TokenFusion` asks any :class:`Decoder` for their probabilities, many at a time and each once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from throughtime.decoding.decoder import Decoder
from throughtime.errors import UserError
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


class Joining(Decoder[Mapping[str, Tensor]], Protocol):
    """A decoder whose rows can be brought together; of its states every value is ``[layers, N, …]``."""

    def join(self, states: Sequence[Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
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
        mark: Tells the language model from others; states are taken up again by one of the same mark alone.
    """

    def __init__(self, decoder: Joining, spelling: Spelling, mark: str = "") -> None:
        self.decoder, self.spelling, self.mark = decoder, spelling, mark
        self.lock = threading.Lock()  # held while the decoder reads: searches of several threads share it

    @torch.no_grad()
    def start(self) -> Any:
        """See :class:`Fusion`."""
        node = _Node(None, -1)
        with self.lock:
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

    def dump(self, states: Sequence[Any]) -> dict[str, Any]:
        """See :class:`Fusion`; nodes that are computed first, then those that wait for it."""
        nodes = [node for _, node in states]
        known = dict.fromkeys(node if node.log_probs is not None else node.before for node in nodes)
        waiting = dict.fromkeys(node for node in nodes if node.log_probs is None)
        places = {node: place for place, node in enumerate([*known, *waiting])}
        joined = self.decoder.join([node.state for node in known])
        return {
            "mark": self.mark,
            "spelt": [spelling for spelling, _ in states],
            "nodes": [places[node] for node in nodes],
            "log_probs": np.stack([node.log_probs for node in known if node.log_probs is not None]),
            "state": {name: value.cpu().numpy() for name, value in joined.items()},
            "waiting": [[places[node.before], node.token] for node in waiting],
        }

    def load(self, dumped: Mapping[str, Any]) -> list[Any]:
        """See :class:`Fusion`."""
        if dumped["mark"] != self.mark:
            raise UserError("expected the language model that the search began with, which is another by now")
        (_, start) = self.start()
        joined = {name: torch.from_numpy(dumped["state"][name]).to(value.device) for name, value in start.state.items()}
        nodes: list[_Node] = []
        for row, log_probs in enumerate(dumped["log_probs"]):
            node = _Node(None, -1)
            node.settle(log_probs, self.decoder.reorder(joined, torch.tensor([row])))
            nodes.append(node)
        nodes += [_Node(nodes[before], token) for before, token in dumped["waiting"]]
        return [(spelling, nodes[place]) for spelling, place in zip(dumped["spelt"], dumped["nodes"], strict=True)]

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
            with self.lock:
                log_probs, after = self.decoder.step(torch.tensor([node.token for node in new]), state)
                found = _rows(log_probs)
            for row, node in enumerate(new):
                node.settle(found[row], self.decoder.reorder(after, torch.tensor([row])))


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
