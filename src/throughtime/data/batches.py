"""Batches of token sequences, and the order in which training sees them.

Shapes::

    R  rows of a batch, each one uninterrupted piece of one text
    S  steps of the longest row
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from throughtime.data.device import onto
from throughtime.data.examples import in_batches
from throughtime.data.shares import Shares, shares

NOTHING = -1
"""The input before a text's first token; a model shows its network a vector of zeros there."""

Ids = npt.NDArray[np.integer]


@dataclass(frozen=True)
class TokenBatch:
    """A ragged batch of token sequences.

    Attributes:
        inputs: ``[R, S]``: the token before each target, :data:`NOTHING` where a text begins; 0 past the length.
        targets: ``[R, S]``: the tokens to predict; 0 past the length.
        lengths: ``[R]``.
        source: ``[R]``: the stream whose carried state a row begins with, -1 for a state of zeros; None: all zeros.
        last: ``[streams]``: the row whose final state each stream carries on; None where nothing is carried.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor
    source: Tensor | None = None
    last: Tensor | None = None

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]]) -> TokenBatch:
        """Whole texts as a batch, each begun from nothing.

        Example:
            >>> TokenBatch.of([[5, 6], [7]]).inputs.tolist()
            [[-1, 5], [-1, 0]]
        """
        return _pad([np.asarray(text) for text in texts], [NOTHING] * len(texts))

    @property
    def tokens(self) -> int:
        """Tokens to predict."""
        return int(self.lengths.sum())

    def begin(self, carried: Mapping[str, Tensor] | None) -> dict[str, Tensor] | None:
        """The rows' initial state, of the state carried by the streams, ``[layers, streams, width]`` each."""
        if carried is None or self.source is None:
            return None
        device = next(iter(carried.values())).device
        rows, fresh = onto(self.source.clamp(min=0), device), onto((self.source < 0).view(1, -1, 1), device)
        return {name: value.index_select(1, rows).masked_fill(fresh, 0.0) for name, value in carried.items()}

    def carry(self, final: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """The state that the streams carry on, cut off from its past."""
        if self.last is None:
            return None
        return {name: value.detach().index_select(1, onto(self.last, value.device)) for name, value in final.items()}


class BatchSource(Protocol):
    """Batches in a fixed order for every epoch, so that training can go on in the middle of one."""

    def __len__(self) -> int:
        """Batches of an epoch."""
        ...

    def batches(self, epoch: int, start: int = 0) -> Iterator[TokenBatch]:
        """The batches of an epoch, from the ``start``-th."""
        ...

    def shares(self, epoch: int, start: int, count: int) -> Iterator[Shares[TokenBatch]]:
        """The same batches, each as what makes so many shares of it, in order."""
        ...


class Streams:
    """Running text for truncated back-propagation: parallel streams, cut every ``steps`` tokens.

    The ids are divided into ``rows`` streams that are read side by side. A stream's state is carried from batch
    to batch; where a text ends inside a batch, the rest of the row becomes a row of its own that begins with a
    state of zeros, so that no text ever sees another.

    Args:
        ids: Token ids, each text closed by ``eos``; an array or a memory map.
        rows: Streams side by side.
        steps: Tokens between two cuts.
        eos: The id that ends a text; :data:`NOTHING`: all of it is one text.

    Example:
        >>> streams = Streams(np.array([5, 6, 1, 7, 8, 9, 1, 5]), rows=2, steps=2, eos=1)
        >>> first, second = streams.batches(0)
        >>> first.targets.tolist(), first.inputs.tolist()
        ([[5, 6], [8, 9]], [[-1, 5], [-1, 8]])
        >>> second.targets.tolist(), second.source.tolist()  # each row ends in a text's end, then another begins
        ([[1], [7], [1], [5]], [0, -1, 1, -1])
    """

    def __init__(self, ids: Ids, rows: int, steps: int, eos: int) -> None:
        self.ids, self.rows, self.steps, self.eos = ids, rows, steps, eos
        self.bounds = np.linspace(0, len(ids), rows + 1).astype(np.int64)

    def __len__(self) -> int:
        return -(-int(np.diff(self.bounds).max()) // self.steps)

    def batches(self, epoch: int, start: int = 0) -> Iterator[TokenBatch]:
        """The cuts in order, the same in every epoch."""
        for number in range(start, len(self)):
            yield self._cut(number * self.steps, range(self.rows))

    def shares(self, epoch: int, start: int, count: int) -> Iterator[Shares[TokenBatch]]:
        """The same cuts, each as what makes so many shares of it: the streams are dealt once for all, in order."""
        dealt = shares(self.rows, count)
        for number in range(start, len(self)):
            yield [partial(self._cut, number * self.steps, streams) for streams in dealt]

    def _cut(self, offset: int, streams: range) -> TokenBatch:
        pieces: list[Ids] = []
        before: list[int] = []
        source: list[int] = []
        last: list[int] = []
        for place, stream in enumerate(streams):
            begin, end = self.bounds[stream : stream + 2]
            tokens = np.asarray(self.ids[min(begin + offset, end) : min(begin + offset + self.steps, end)])
            previous = int(self.ids[begin + offset - 1]) if 0 < offset <= end - begin else self.eos
            ends = np.flatnonzero(tokens == self.eos) + 1
            for piece in np.split(tokens, ends[ends < len(tokens)]):
                pieces.append(piece)
                before.append(NOTHING if previous == self.eos else previous)
                source.append(-1 if previous == self.eos and len(piece) else place)
                previous = self.eos
            last.append(len(pieces) - 1)
        return _pad(pieces, before, torch.tensor(source), torch.tensor(last))


class WholeTexts:
    """Whole texts (or sentences) in ragged batches, for back-propagation through all of their time.

    Every epoch shuffles them anew; a batch holds texts of similar length, so that little is padded.

    Args:
        ids: Token ids, each text closed by ``eos``; an array or a memory map.
        rows: Texts of a batch.
        eos: The id that ends a text.
        seed: Of the shuffling; None: not shuffled, only sorted by length.
        window: Texts that are shuffled together, see :func:`~throughtime.data.examples.in_batches`.
    """

    def __init__(self, ids: Ids, rows: int, eos: int, seed: int | None = None, window: int | None = None) -> None:
        self.ids, self.rows, self.seed, self.window = ids, rows, seed, window
        ends = _ends(ids, eos)
        if len(ids) and (not len(ends) or ends[-1] != len(ids)):
            ends = np.append(ends, len(ids))
        self.bounds = np.concatenate([[0], ends])

    @property
    def texts(self) -> int:
        """Texts of an epoch."""
        return len(self.bounds) - 1

    def __len__(self) -> int:
        return -(-self.texts // self.rows)

    def batches(self, epoch: int, start: int = 0) -> Iterator[TokenBatch]:
        """The batches of an epoch; the order depends on the seed and the epoch alone."""
        for chosen in in_batches(np.diff(self.bounds), self.rows, self.seed, epoch, start, self.window):
            yield self._texts(chosen)

    def shares(self, epoch: int, start: int, count: int) -> Iterator[Shares[TokenBatch]]:
        """The same batches, each as what makes so many shares of its texts, in order."""
        for chosen in in_batches(np.diff(self.bounds), self.rows, self.seed, epoch, start, self.window):
            yield [partial(self._texts, chosen[share.start : share.stop]) for share in shares(len(chosen), count)]

    def _texts(self, chosen: npt.NDArray[np.int64]) -> TokenBatch:
        pieces = [np.asarray(self.ids[self.bounds[i] : self.bounds[i + 1]]) for i in chosen]
        return _pad(pieces, [NOTHING] * len(pieces))


def _ends(ids: Ids, eos: int, block: int = 1 << 24) -> npt.NDArray[np.int64]:
    """One past each text's end; reads a block at a time, since the ids may be larger than memory."""
    found = [np.flatnonzero(ids[at : at + block] == eos) + at + 1 for at in range(0, len(ids), block)]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _pad(pieces: list[Ids], before: list[int], source: Tensor | None = None, last: Tensor | None = None) -> TokenBatch:
    steps = max(map(len, pieces))
    targets = np.zeros((len(pieces), steps), dtype=np.int64)
    inputs = np.zeros((len(pieces), steps), dtype=np.int64)
    for row, (piece, first) in enumerate(zip(pieces, before, strict=True)):
        targets[row, : len(piece)] = piece
        if len(piece):
            inputs[row, 0] = first
            inputs[row, 1 : len(piece)] = piece[:-1]
    lengths = torch.tensor([len(piece) for piece in pieces])
    return TokenBatch(torch.from_numpy(inputs), torch.from_numpy(targets), lengths, source, last)
