"""The next-frame model of piano rolls: 88 keys, each of them on or off, given all frames before.

Shapes::

    B  tunes        T  frames        K  keys
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.engine import real_steps
from throughtime.layers import Recurrent
from throughtime.models.base import Model, State


@dataclass(frozen=True)
class RollBatch:
    """A ragged batch of piano rolls.

    Attributes:
        frames: ``[B, T, K]``, 1 where a key sounds, 0 past a length.
        lengths: ``[B]``.
    """

    frames: Tensor
    lengths: Tensor

    @property
    def tokens(self) -> int:
        """Frames in all."""
        return int(self.lengths.sum())


class KeyModel(Model):
    """``P(y<1>, …, y<T>) = Π P(y<t> | y<1>, …, y<t-1>)``, the keys of a frame independent of each other given the past.

    ``p<t> = σ(W a<t> + b)``, where the stack reads ``y<t-1>`` to give ``a<t>``, and zeros to give ``a<1>``
    (the RNN of Boulanger-Lewandowski, Bengio and Vincent 2012; the LSTM and GRU of Chung et al. 2014).

    Args:
        stack: Reads the frames; its input has K features.
        dropout: Share of the stack's output dropped.

    Raises:
        ValueError: If the stack reads in both directions.
    """

    aligned = "stack"

    def __init__(self, stack: Recurrent, *, dropout: float = 0.0) -> None:
        super().__init__()
        if stack.bidirectional:
            raise ValueError("a next-frame model reads in one direction: the frames to come are what it predicts")
        self.stack = stack
        self.dropout = dropout
        self.keys = nn.Linear(stack.output_size, stack.input_size)

    def logits(
        self, frames: Tensor, state: Mapping[str, Tensor] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """The logit of every key of the frame after each of ``frames [B, T, K]``, and the final state."""
        outputs, final = self.stack(onto(frames, self.keys.weight.device), state, lengths)
        return self.keys(F.dropout(outputs, self.dropout, self.training)), final

    @torch.no_grad()
    def stream(self, state: Mapping[str, Tensor], *, weights: str = "float32") -> Callable[[Tensor], Tensor]:
        """The model with its weights as they are now, from a state on, a frame a row and call: what takes ``[B, K]`` to
        the logits of the keys after them, without gradients. ``weights`` says what the stack's matrices are kept in.
        """
        layers = self.stack.stream(weights=weights)
        layers.state = state

        def step(frames: Tensor) -> Tensor:
            with torch.no_grad():
                logits: Tensor = self.keys(layers.step(onto(frames, layers.device)))
                return logits

        return step

    def next_logits(self, batch: RollBatch) -> Tensor:
        """The logit of every key of every frame given those before, ``[B, T, K]``."""
        before = F.pad(batch.frames[:, :-1], (0, 0, 1, 0))
        return self.logits(before, None, batch.lengths)[0]

    def nats(self, batch: RollBatch, logits: Tensor | None = None) -> Tensor:
        """The negative log-likelihood of every frame given those before, ``[B, T]``, 0 past a length.

        The binary cross-entropy summed over the keys.

        Args:
            batch: The piano rolls.
            logits: Their :meth:`next_logits`, where they are known.
        """
        logits = self.next_logits(batch) if logits is None else logits
        frames = onto(batch.frames, logits.device)
        nats = F.binary_cross_entropy_with_logits(logits, frames, reduction="none").sum(2)
        real = real_steps(batch.lengths, frames.shape[1])
        return nats * onto(real, nats.device)

    def losses(self, batch: RollBatch) -> Tensor:
        """Nats of every frame, ``[B, T]``."""
        return self.nats(batch)

    def loss(self, batch: RollBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """Nats a frame, averaged over the batch's frames."""
        return self.nats(batch).sum() / max(1, batch.tokens), None

    def divisor(self, batch: RollBatch) -> float:
        """Its frames."""
        return batch.tokens
