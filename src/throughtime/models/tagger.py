"""The tagger: a label for every word (T_x = T_y), by a softmax each or by a conditional random field over all of them.

Shapes::

    B  sentences        T  words of the longest        K  labels
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.cells import Cell
from throughtime.data import NOTHING
from throughtime.data.device import onto
from throughtime.data.text.words import WordBatch
from throughtime.layers.crf import CRF
from throughtime.models.base import Model, State
from throughtime.models.cross_entropy import CLASSES, each_nats, mean_nats, real_targets
from throughtime.models.inputs.words import WordInput, WordInputConfig
from throughtime.models.stack import StackConfig
from throughtime.runtime.chain import Labelling


@dataclass(frozen=True)
class TagBatch:
    """Sentences and their labels.

    Attributes:
        words: The sentences.
        tags: The labels' ids, ``[B, T]``; what stands past a length does not matter.
    """

    words: WordBatch
    tags: Tensor

    @property
    def tokens(self) -> int:
        """Words in all."""
        return self.words.tokens


@dataclass(frozen=True, kw_only=True)
class TaggerConfig(StackConfig):
    """What a tagger is built from, as plain data: the fields of :class:`StackConfig`, and its own.

    Attributes:
        labels: K.
        inputs: What the stack reads of a word.
        crf: Labels depend on their neighbours; else each is a softmax of its own.
        outside: The label of words that are no part of anything; None: there is none.
    """

    labels: int
    inputs: WordInputConfig
    crf: bool = True
    outside: int | None = None


class Tagger(Model):
    """Word inputs, deep recurrent stack, linear layer, CRF over its scores (Huang et al. 2015; Lample et al. 2016).

    Args:
        config: Sizes and options.
        allowed: Which labels may follow which: see :class:`throughtime.layers.crf.CRF`.
        cell: The cell itself, where it is not a built-in one; by default the one that the config names.
        engine: As in :class:`throughtime.Recurrent`.

    Raises:
        ValueError: If options exclude each other.

    Example:
        >>> inputs = WordInputConfig(words=10, embedding=4)
        >>> model = Tagger(TaggerConfig(labels=3, inputs=inputs, hidden=8, bidirectional=True)).eval()
        >>> batch = WordBatch(torch.tensor([[4, 2], [5, 0]]), torch.tensor([2, 1]))
        >>> [len(labels) for labels in model.decode(batch)]
        [2, 1]
    """

    aligned = "stack"

    def __init__(
        self,
        config: TaggerConfig,
        allowed: Tensor | None = None,
        *,
        cell: Callable[..., Cell] | None = None,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        self.config = config
        self.inputs = WordInput(config.inputs, engine=engine)
        self.stack = config.build(self.inputs.output_size, cell=cell, engine=engine)
        self.linear = nn.Linear(self.stack.output_size, config.labels)
        self.crf = CRF(config.labels, allowed, trained=config.crf)
        self.lift: Tensor
        self.register_buffer("lift", torch.zeros(()))

    @property
    def apart(self) -> bool:
        """Whether labels are so many, and do not depend on one another, that none is to be asked of each pair."""
        return self.crf.independent and self.config.labels >= CLASSES

    def scores(self, words: WordBatch) -> Tensor:
        """The score of every label of every word, ``[B, T, K]``; what stands past a length does not matter."""
        scores: Tensor = self.linear(self._hidden(words))
        return scores

    def _hidden(self, words: WordBatch) -> Tensor:
        outputs, _ = self.stack(self.inputs(words), lengths=words.lengths)
        return F.dropout(outputs, self.config.dropout, self.training)

    def lifted(self, words: WordBatch) -> Tensor:
        """The scores that labels are sought by: all but ``outside`` are raised by ``lift``.

        Likelihood weighs every word alike, and most are outside: what is learnt from little data finds too few. The
        lift trades precision for recall (Mohit et al. 2012 do so in training); validation data says how far.
        """
        return self.lift_scores(self.scores(words))

    def lift_scores(self, scores: Tensor) -> Tensor:
        """Scores ``[B, T, K]`` of :meth:`scores` as those of :meth:`lifted`."""
        if self.config.outside is None:
            return scores
        others = torch.ones(self.config.labels, dtype=scores.dtype, device=scores.device)
        others[self.config.outside] = 0.0
        return scores + self.lift * others

    def loss(self, batch: TagBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """The negative log-likelihood of the labels in nats, averaged over the batch's words."""
        if self.apart:
            hidden, linear = self._hidden(batch.words).flatten(0, 1), self.linear
            targets = real_targets(batch.tags, batch.words.lengths)
            return mean_nats(hidden, linear.weight, linear.bias, targets), None
        return self.loss_of(self.scores(batch.words), batch), None

    def divisor(self, batch: TagBatch) -> float:
        """Its words."""
        return batch.tokens

    def loss_of(self, scores: Tensor, batch: TagBatch) -> Tensor:
        """The loss of a batch whose :meth:`scores` are known."""
        if self.apart:
            targets = onto(real_targets(batch.tags, batch.words.lengths), scores.device)
            return F.cross_entropy(scores.flatten(0, 1), targets, ignore_index=NOTHING)
        log_likelihood = self.crf.log_likelihood(scores, batch.tags, batch.words.lengths)
        return -log_likelihood.sum() / max(1, batch.tokens)

    def losses(self, batch: TagBatch) -> Tensor:
        """The cross-entropy of every word's label in nats, as if labels did not depend on one another, ``[B, T]``."""
        hidden = self._hidden(batch.words)
        targets = real_targets(batch.tags, batch.words.lengths)
        return each_nats(hidden.flatten(0, 1), self.linear.weight, self.linear.bias, targets).view(batch.tags.shape)

    def decode(self, words: WordBatch) -> list[list[int]]:
        """The likeliest labels of every sentence."""
        if self.apart:
            likeliest = self.lifted(words).argmax(2).tolist()
            return [row[:length] for row, length in zip(likeliest, words.lengths.tolist(), strict=True)]
        return self.crf.viterbi(self.lifted(words), words.lengths)

    def nbest(self, words: WordBatch, n: int) -> list[list[Labelling]]:
        """The n likeliest labellings of every sentence, the best first."""
        return self.crf.nbest(self.lifted(words), words.lengths, n)

    def marginals(self, words: WordBatch) -> Tensor:
        """The probability of every label of every word, ``[B, T, K]``, 0 past a length."""
        return self.crf.marginals(self.lifted(words), words.lengths)
