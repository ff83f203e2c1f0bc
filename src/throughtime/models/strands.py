"""A label for every base of both strands at once: the prediction of the other strand is this one's, turned round.

Shapes::

    B  sequences        L  bases        T  steps, of three bases each        E  features of a codon        K  labels
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.data.dna.bases import ANY, COMPLEMENT, SHARES, Codes, turn
from throughtime.models.base import Model, State
from throughtime.models.stack import StackConfig
from throughtime.runtime.dna.bases import side_by_side

STEP = 3
"""Bases of a step: a codon."""


@dataclass(frozen=True)
class Letters:
    """Sequences of DNA.

    Attributes:
        codes: Letters as numbers (:mod:`throughtime.data.dna.bases`), ``[B, L]``, 0 past the length.
        lengths: ``[B]``; an empty sequence is legal.
    """

    codes: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, rows: Sequence[Codes]) -> Letters:
        """Sequences as a batch; L is at least 1."""
        codes = torch.from_numpy(side_by_side(rows).astype("int64"))
        return cls(codes, torch.tensor([len(row) for row in rows], dtype=torch.int64))

    @property
    def tokens(self) -> int:
        """Letters in all."""
        return int(self.lengths.sum())

    def other_strand(self) -> Letters:
        """The reverse complements."""
        complement = onto(torch.from_numpy(COMPLEMENT.astype("int64")), self.codes.device)
        return Letters(turn(complement[self.codes], self.lengths), self.lengths)

    def without(self, share: float) -> Letters:
        """Some letters, drawn at random, are read as N."""
        unread = (torch.rand(self.codes.shape) < share) & (self.codes > 0)
        return Letters(self.codes.masked_fill(unread, ANY), self.lengths)


@dataclass(frozen=True)
class StrandBatch:
    """Sequences with the labels of their bases.

    Attributes:
        letters: The sequences.
        labels: ``[B, L]``; :data:`NOTHING` past a length.
    """

    letters: Letters
    labels: Tensor

    @property
    def tokens(self) -> int:
        """Bases in all."""
        return self.letters.tokens


NOTHING = -1
"""The label of what is no base."""


@dataclass(frozen=True, kw_only=True)
class StrandTaggerConfig(StackConfig):
    """What the tagger is built from, as plain data: the fields of :class:`StackConfig`, and its own.

    Attributes:
        swapped: For every label of the one strand the label that it is on the other: K of them.
        codon: E.
    """

    swapped: tuple[int, ...]
    codon: int = 32


class StrandTagger(Model):
    """Reads codons step by step, in all three frames and on both strands with the same weights.

    A step sees the three codons that begin at its bases, and gives each base a score for every label. A codon's
    embedding is the mean of those that its letters may stand for, so that an ambiguity letter is a distribution.
    With f the network, r the reverse complement and s the exchange of the strands' labels::

        scores(x)_i = f(x)_i + s(f(r(x))_(L-1-i))

    so that ``scores(r(x))_i = s(scores(x)_(L-1-i))`` whatever the weights (as Zhou et al. 2022 average the two).

    Args:
        config: Sizes and options.
        engine: As in :class:`throughtime.Recurrent`.

    Attributes:
        lift: What all labels but the first are raised by where regions are sought, in nats; validation data says how
            far.
    """

    def __init__(self, config: StrandTaggerConfig, *, engine: str = "auto") -> None:
        super().__init__()
        self.config = config
        self.codons = nn.Linear(4**STEP, config.codon, bias=False)
        nn.init.normal_(self.codons.weight, std=0.5)
        self.stack = config.build(STEP * config.codon, engine=engine)
        self.linear = nn.Linear(self.stack.output_size, STEP * len(config.swapped))
        self.lift: Tensor
        self.register_buffer("lift", torch.zeros(()))
        self.shares: Tensor
        self.swapped: Tensor
        self.register_buffer("shares", SHARES, persistent=False)
        self.register_buffer("swapped", torch.tensor(config.swapped, device="cpu"), persistent=False)

    def scores(self, letters: Letters) -> Tensor:
        """The score of every label of every base, ``[B, L, K]``; what stands past a length does not matter."""
        here = Letters(onto(letters.codes, self.swapped.device), onto(letters.lengths, self.swapped.device))
        other = here.other_strand()
        both = Letters(torch.cat([here.codes, other.codes]), torch.cat([here.lengths, other.lengths]))
        one, two = self._read(both).chunk(2)
        return one + turn(two, here.lengths)[:, :, self.swapped]

    def _read(self, letters: Letters) -> Tensor:
        """One strand's scores, ``[B, L, K]``."""
        codes = letters.codes
        length = codes.shape[1]
        steps = -(-length // STEP)
        shares = F.pad(self.shares[codes], (0, 0, 0, STEP * (steps + 1) - length))
        first, second, third = (shares[:, n : n + STEP * steps] for n in range(STEP))
        codons = torch.einsum("bla,blc,bld->blacd", first, second, third).flatten(2)  # [B, 3T, 64]
        features = self._by_strand(self.codons, codons).view(len(codes), steps, -1)
        outputs, _ = self.stack(features, lengths=-(-letters.lengths // STEP))
        outputs = F.dropout(outputs, self.config.dropout, self.training)
        scores = self._by_strand(self.linear, outputs).view(len(codes), STEP * steps, -1)
        return scores[:, :length]

    def _by_strand(self, layer: nn.Linear, rows: Tensor) -> Tensor:
        """A layer on the rows of both strands, the ones above the others.

        The bits of PyTorch's products depend, on some processors, on where a row stands and how it is aligned. In
        products of their own, on memory of their own, both strands stand alike, so that the scores of the reverse
        complement are the same bits turned round.
        """
        if self.training:
            result: Tensor = layer(rows)
            return result
        return torch.cat([layer(strand.clone()) for strand in rows.chunk(2)])

    def log_probs(self, letters: Letters) -> Tensor:
        """The log-probability of every label of every base, ``[B, L, K]``."""
        return F.log_softmax(self.scores(letters), -1)

    def loss(self, batch: StrandBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """Cross-entropy in nats, averaged over the batch's bases."""
        return self._nats(batch).sum() / max(1, batch.tokens), None

    def divisor(self, batch: StrandBatch) -> float:
        """Its bases."""
        return batch.tokens

    def losses(self, batch: StrandBatch) -> Tensor:
        """The cross-entropy of every sequence in nats a base, ``[B, 1]``: each of its bases is read from both ends."""
        nats = self._nats(batch)
        return nats.sum(1, keepdim=True) / onto(batch.letters.lengths.clamp(min=1).unsqueeze(1), nats.device)

    def _nats(self, batch: StrandBatch) -> Tensor:
        """``[B, L]``, 0 past a length."""
        scores = self.scores(batch.letters).transpose(1, 2)
        return F.cross_entropy(scores, onto(batch.labels, scores.device), ignore_index=NOTHING, reduction="none")
