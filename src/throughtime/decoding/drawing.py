"""Drawing one token of many with the random numbers of a generator of PyTorch's, of few tokens by machine code."""

from __future__ import annotations

import ctypes

import numpy as np
import torch
from torch import Tensor

from throughtime.engine.compiled.llvm.build import available
from throughtime.engine.compiled.llvm.pick import Job, lanes, picker
from throughtime.runtime import drawing
from throughtime.runtime.drawing import Sampling, check_best

COUNTED = 256
"""Tokens of which machine code draws, where there is any."""


class Draws(drawing.Draws):
    """Draws tokens, one after the other; see :class:`throughtime.runtime.drawing.Draws`.

    Args:
        settings: How to draw.
        generator: Of the random numbers.
    """

    def __init__(self, settings: Sampling, generator: torch.Generator) -> None:
        super().__init__(settings, self._exponential)
        self.generator = generator
        self.buffer = torch.empty(0, dtype=torch.float64)
        self.picker: Picker | None = None

    def _exponential(self, count: int) -> drawing.Array:
        if len(self.buffer) != count:
            self.buffer = torch.empty(count, dtype=torch.float64)
            self.numbers = self.buffer.numpy()
        self.buffer.exponential_(generator=self.generator)
        return self.numbers

    def _make_room(self, tokens: int) -> None:
        super()._make_room(tokens)
        self.picker = None
        if tokens <= COUNTED and available() is None:
            self.picker = Picker(tokens, self.temperature, self.settings.top_p)
            self.scores = self.picker.scores[:tokens]

    def _pick(self) -> int:
        return super()._pick() if self.picker is None else self.picker(self.buffer)


class Picker:
    """Draws of few tokens by machine code.

    Args:
        tokens: How many there are.
        temperature: Above 0.
        share: Of the probability, that the likeliest hold together of which one is drawn.
    """

    def __init__(self, tokens: int, temperature: float, share: float) -> None:
        self.scores = np.full(tokens + lanes(), -np.inf)
        self.order, self.weights = np.zeros(tokens, np.int64), np.zeros(tokens)  # of NaN, an order stays what it was
        self.job = Job(tokens=tokens, temperature=temperature, share=share)
        self.job.scores, self.job.order, self.job.weights = (
            array.ctypes.data for array in (self.scores, self.order, self.weights)
        )
        self.run, self.place = picker().run, ctypes.addressof(self.job)

    def __call__(self, numbers: Tensor) -> int:
        """Draws of its scores, by a random number for each token that may be drawn, the likeliest first."""
        self.job.numbers, self.job.drawable = numbers.data_ptr(), len(numbers)
        self.run(self.place, 0, 1)
        if self.job.drawn < 0:
            check_best(self.job.best)
        return int(self.job.drawn)


def draw(scores: Tensor, settings: Sampling, generator: torch.Generator) -> int:
    """Draws one token of log-probabilities ``[V]``, which need not sum to one.

    Raises:
        ValueError: If they are none: not a number, or no token possible.

    Example:
        >>> draw(torch.tensor([0.1, 0.7, 0.2]).log(), Sampling(top_k=1), torch.Generator())
        1
    """
    return Draws(settings, generator)(scores.detach().to("cpu", torch.float64).numpy())
