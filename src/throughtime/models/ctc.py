"""Connectionist temporal classification: a sequence of symbols for a longer sequence of frames, without alignment.

Shapes::

    B  sequences    T  frames of the longest    F  features of a frame    S  steps, T / frames rounded up
    V  symbols, blank the first of them         U  symbols of the longest transcript
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.cells import Cell
from throughtime.data.device import onto
from throughtime.layers.spec_augment import SpecAugment
from throughtime.models.base import Model, State
from throughtime.models.stack import StackConfig
from throughtime.runtime.ctc import BLANK


@dataclass(frozen=True)
class FrameBatch:
    """Sequences of frames with their transcripts.

    Attributes:
        features: ``[B, T, F]``, zero past a length.
        lengths: Frames of each sequence, ``[B]``.
        symbols: The transcripts, without blanks, ``[B, U]``; what stands past a length does not matter.
        symbol_lengths: ``[B]``.
    """

    features: Tensor
    lengths: Tensor
    symbols: Tensor
    symbol_lengths: Tensor

    @classmethod
    def of(cls, features: Sequence[Tensor], transcripts: Sequence[Sequence[int]]) -> FrameBatch:
        """Sequences ``[T, F]`` with their transcripts, padded.

        Example:
            >>> batch = FrameBatch.of([torch.ones(3, 2), torch.ones(1, 2)], [[1, 2], []])
            >>> batch.features.shape, batch.lengths.tolist(), batch.symbols.tolist()
            (torch.Size([2, 3, 2]), [3, 1], [[1, 2], [0, 0]])
        """
        symbols = [torch.tensor(transcript, dtype=torch.int64) for transcript in transcripts]
        return cls(
            nn.utils.rnn.pad_sequence(list(features), batch_first=True),
            torch.tensor([len(frames) for frames in features]),
            nn.utils.rnn.pad_sequence(symbols, batch_first=True),
            torch.tensor([len(transcript) for transcript in transcripts]),
        )

    @property
    def tokens(self) -> int:
        """Frames in all."""
        return int(self.lengths.sum())


@dataclass(frozen=True, kw_only=True)
class CTCConfig(StackConfig):
    """What a CTC model is built from, as plain data: the fields of :class:`StackConfig`, and its own.

    Attributes:
        features: Of a frame, F.
        symbols: V, blank among them.
        frames: Frames that the stack reads as one step.
        time_masks: Masks over frames: see :class:`throughtime.layers.spec_augment.SpecAugment`.
        time_width: Most frames of one.
        band_masks: Masks over features.
        band_width: Most features of one.
    """

    features: int
    symbols: int
    frames: int = 1
    time_masks: int = 0
    time_width: int = 0
    band_masks: int = 0
    band_width: int = 0


class CTCModel(Model):
    """Frames, masked while training and joined by some; a recurrent stack; a softmax over blank and symbols.

    The probability of a transcript is the sum over all paths that become it when repetitions are merged and blanks
    taken out (Graves et al. 2006).

    Args:
        config: Sizes and options.
        cell: The cell itself, where it is not a built-in one; by default the one that the config names.
        engine: As in :class:`throughtime.Recurrent`.

    Example:
        >>> model = CTCModel(CTCConfig(features=4, symbols=3, frames=2, hidden=8)).eval()
        >>> model.log_probs(torch.randn(2, 5, 4), torch.tensor([5, 2])).shape
        torch.Size([2, 3, 3])
    """

    def __init__(self, config: CTCConfig, *, cell: Callable[..., Cell] | None = None, engine: str = "auto") -> None:
        super().__init__()
        self.config = config
        self.augment = SpecAugment(
            time_masks=config.time_masks,
            time_width=config.time_width,
            band_masks=config.band_masks,
            band_width=config.band_width,
        )
        self.stack = config.build(config.features * config.frames, cell=cell, engine=engine)
        self.softmax = nn.Linear(self.stack.output_size, config.symbols)

    def steps(self, lengths: Tensor) -> Tensor:
        """Steps of sequences of so many frames, ``[B]``."""
        return (lengths + self.config.frames - 1) // self.config.frames

    def log_probs(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Log-probabilities of every symbol at every step, ``[B, S, V]``; what stands past a length does not matter.

        Args:
            features: ``[B, T, F]``, zero past a length.
            lengths: ``[B]``.
        """
        features = self.augment(onto(features, self.softmax.weight.device), lengths)
        outputs, _ = self.stack(join_frames(features, self.config.frames), lengths=self.steps(lengths))
        return self._symbols(F.dropout(outputs, self.config.dropout, self.training))

    def loss(self, batch: FrameBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """The negative log-likelihood of the transcripts, in nats a symbol of the batch.

        A transcript that does not fit into its steps has no path: it adds nothing to the loss.
        """
        return self.losses(batch).sum() / max(1, int(batch.symbol_lengths.sum())), None

    def divisor(self, batch: FrameBatch) -> float:
        """The symbols of its transcripts."""
        return int(batch.symbol_lengths.sum())

    def losses(self, batch: FrameBatch) -> Tensor:
        """The negative log-likelihood of every transcript in nats, ``[B, 1]``."""
        return self.losses_of(batch, self.log_probs(batch.features, batch.lengths)).unsqueeze(1)

    def losses_of(self, batch: FrameBatch, log_probs: Tensor) -> Tensor:
        """The negative log-likelihood of every transcript in nats, ``[B]``, by :meth:`log_probs`; 0 without a path."""
        return F.ctc_loss(
            log_probs.transpose(0, 1),
            onto(batch.symbols, log_probs.device),
            self.steps(batch.lengths),
            batch.symbol_lengths,
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )

    def stream(self, *, weights: str = "float32") -> CTCModelStream:
        """The model with its weights as they are now, to be given frames as they come.

        Args:
            weights: What the stack's matrices are kept in, as :class:`throughtime.Stream` has it.

        Raises:
            ValueError: If the stack is bidirectional, or its weights cannot be kept so.
        """
        return CTCModelStream(self, weights)

    def _symbols(self, outputs: Tensor) -> Tensor:
        return F.log_softmax(self.softmax(outputs), -1)


class CTCModelStream:
    """Runs a one-way model over frames as they come; however these are cut, the results are the same.

    Args:
        model: The model.
        weights: What the stack's matrices are kept in.

    Raises:
        ValueError: If its stack is bidirectional.

    Example:
        >>> model = CTCModel(CTCConfig(features=4, symbols=3, frames=2, hidden=8)).eval()
        >>> stream, frames = model.stream(), torch.randn(5, 4)
        >>> pieces = torch.cat([stream.push(frames[:3]), stream.push(frames[3:]), stream.finish()])
        >>> torch.allclose(pieces, model.log_probs(frames[None], torch.tensor([5]))[0], atol=1e-6)
        True
    """

    def __init__(self, model: CTCModel, weights: str = "float32") -> None:
        self.model = model
        self.stack = model.stack.stream(weights=weights)
        self.waiting = torch.zeros(0, model.config.features)

    @torch.no_grad()
    def push(self, features: Tensor) -> Tensor:
        """Frames ``[t, F]`` to the log-probabilities ``[s, V]`` of the steps that are complete with them."""
        waiting = torch.cat([self.waiting, features])
        whole = len(waiting) - len(waiting) % self.model.config.frames
        self.waiting = waiting[whole:].clone()
        return self._run(waiting[:whole])

    @torch.no_grad()
    def finish(self) -> Tensor:
        """The log-probabilities of the last step, ``[1, V]``, where frames wait for others; else ``[0, V]``."""
        last, self.waiting = self.waiting, self.waiting[:0]
        return self._run(last)

    def _run(self, features: Tensor) -> Tensor:
        device = self.model.softmax.weight.device
        joined = join_frames(onto(features.unsqueeze(0), device), self.model.config.frames)[0]
        # One step a product: a product of several rows may add in another order.
        found = [self.model._symbols(self.stack.step(step.unsqueeze(0))) for step in joined]
        return torch.cat(found) if found else torch.zeros(0, self.model.config.symbols, device=device)


def join_frames(features: Tensor, frames: int) -> Tensor:
    """Every ``frames`` frames as one step: ``[B, T, F]`` to ``[B, S, frames · F]``; zeros complete the last one.

    Example:
        >>> join_frames(torch.tensor([[[1.0], [2.0], [3.0]]]), 2)
        tensor([[[1., 2.],
                 [3., 0.]]])
    """
    batch, steps, width = features.shape
    padded = F.pad(features, (0, 0, 0, -steps % frames))
    return padded.reshape(batch, -(-steps // frames), frames * width)
