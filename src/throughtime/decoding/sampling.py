"""Drawing sequences from a model, token by token, as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from throughtime.decoding.decoder import Decoder, NextTokenModel, StateT, TextDecoder, of_rows, stepping
from throughtime.decoding.drawing import Draws
from throughtime.runtime.drawing import Sampling
from throughtime.runtime.search import Hypothesis, limits

BESIDE = 64
"""Most sequences that one step serves: more are no quicker, and fill the memory."""

Told = Callable[[int, int, npt.NDArray[Any]], None]
"""Takes the number of a sequence, a token that was drawn for it, and the log-probabilities ``[V]`` that it was drawn
from, which the second next step may write over."""


def sample(
    model: NextTokenModel, prompt: Sequence[int], settings: Sampling, *, eos: int | None, never: Sequence[int] = ()
) -> Iterator[int]:
    """Draws a sequence that goes on from a prompt.

    Args:
        model: Gives the next token's probabilities; in evaluation mode.
        prompt: Token ids to read first; empty: begin with nothing.
        settings: How to draw.
        eos: The token that ends a sequence; it is not given out.
        never: Tokens that are never drawn, such as UNK.

    Returns:
        Token ids, each as soon as it is drawn.
    """
    (drawn,) = sample_beside(model, prompt, [settings], eos=eos, never=never)
    return drawn


def sample_beside(
    model: NextTokenModel,
    prompt: Sequence[int],
    settings: Sequence[Sampling],
    *,
    eos: int | None,
    never: Sequence[int] = (),
    told: Told | None = None,
) -> list[Iterator[int]]:
    """Draws sequences that go on from one prompt, side by side: each is what :func:`sample` draws with its settings.

    A step serves up to :data:`BESIDE` of them, with weights as the first one's settings have them; whichever is read
    first is drawn as it is read, and the others wait beside it. ``told`` hears of every token as it is drawn, the one
    that ends a sequence among them.
    """
    groups = [
        _Together(model, prompt, settings[first : first + BESIDE], eos, never, _counted(told, first))
        for first in range(0, len(settings), BESIDE)
    ]
    return [group.read(number) for group in groups for number in range(len(group.settings))]


class _Together:
    """Sequences that are drawn side by side; arguments as of :func:`sample_beside`."""

    def __init__(
        self,
        model: NextTokenModel,
        prompt: Sequence[int],
        settings: Sequence[Sampling],
        eos: int | None,
        never: Sequence[int],
        told: Told | None,
    ) -> None:
        self.model, self.prompt, self.eos, self.never, self.told = model, prompt, eos, never, told
        self.early = never if eos is None else (*never, eos)  # what a sequence that may not end never draws
        self.settings, self.draws = settings, [new_draws(each) for each in settings]
        self.waiting: list[deque[int]] = [deque() for _ in settings]
        self.alive = list(range(len(settings)))
        self.latest: list[int] = []
        self.drawn = 0

    def read(self, number: int) -> Iterator[int]:
        """The tokens of one of them."""
        waiting = self.waiting[number]
        while waiting or number in self.alive:
            while not waiting and number in self.alive:
                self._go_on()
            if waiting:
                yield waiting.popleft()

    def _go_on(self) -> None:
        """Draws a token for each that has not ended."""
        log_probs = self.steps(self.latest) if self.drawn else self._begin()
        tokens = []
        for row, number in zip(log_probs.detach().cpu().numpy(), self.alive, strict=True):
            never = self.early if self.drawn < self.settings[number].min_length else self.never
            tokens.append(self.draws[number](row, never))
            if self.told is not None:
                self.told(number, tokens[-1], row)
        self.drawn += 1
        going = []
        for row, (number, token) in enumerate(zip(self.alive, tokens, strict=True)):
            if token != self.eos:
                self.waiting[number].append(token)
                if self.drawn < self.settings[number].length:
                    going.append(row)
        if 0 < len(going) < len(tokens):
            self.steps.keep(torch.tensor(going))
        self.alive, self.latest = [self.alive[row] for row in going], [tokens[row] for row in going]

    def _begin(self) -> Tensor:
        with torch.no_grad():
            log_probs, state = TextDecoder(self.model, self.prompt).begin()
            rows = torch.zeros(len(self.alive), dtype=torch.long)
            state = state if len(rows) == 1 else of_rows(state, rows)
            self.steps = stepping(self.model, state, self.settings[0].weights)
        return log_probs[rows.to(log_probs.device)]


@torch.no_grad()
def sample_many(
    decoder: Decoder[StateT],
    settings: Sampling,
    *,
    eos: int,
    never: Sequence[int] = (),
    length: int | Sequence[int] | None = None,
) -> list[Hypothesis]:
    """Draws sequences side by side, each to its end.

    Args:
        decoder: Gives the next tokens' probabilities.
        settings: How to draw.
        eos: The token that ends a sequence.
        never: Tokens that are never drawn.
        length: Most tokens of each, EOS counted, in place of ``settings.length``.
    """
    draws = new_draws(settings)
    log_probs, state = decoder.begin()
    most = limits(settings.length if length is None else length, len(log_probs))
    found = [Hypothesis((), 0.0, 0.0, ended=False)] * len(log_probs)
    alive = list(range(len(found)))
    drawn = 0
    while alive:
        tokens = _draw_rows(log_probs, draws, eos if drawn < settings.min_length else None, never)
        drawn += 1
        chosen = log_probs.gather(1, torch.tensor(tokens, device=log_probs.device).unsqueeze(1)).squeeze(1).tolist()
        for i, token, more in zip(alive, tokens, chosen, strict=True):
            before, log_prob = found[i], found[i].log_prob + more
            added = () if token == eos else (token,)
            found[i] = Hypothesis((*before.tokens, *added), log_prob, log_prob, ended=token == eos)
        going = [row for row, i in enumerate(alive) if not found[i].ended and drawn < most[i]]
        if len(going) < len(alive):
            alive, state = [alive[row] for row in going], decoder.reorder(state, torch.tensor(going, dtype=torch.long))
        if alive:
            log_probs, state = decoder.step(torch.tensor([tokens[row] for row in going]), state)
    return found


def greedy(
    decoder: Decoder[StateT], *, eos: int, never: Sequence[int] = (), length: int | Sequence[int] = 300
) -> list[Hypothesis]:
    """The likeliest token at every step; arguments as of :func:`sample_many`."""
    return sample_many(decoder, Sampling(temperature=0.0), eos=eos, never=never, length=length)


def _counted(told: Told | None, first: int) -> Told | None:
    """Of sequences that are numbered from ``first``."""
    if told is None or not first:
        return told
    return lambda number, token, log_probs: told(first + number, token, log_probs)


def new_draws(settings: Sampling) -> Draws:
    """What draws tokens with these settings, one after the other, from its seed on."""
    generator = torch.Generator()
    if settings.seed is None:
        generator.seed()
    else:
        generator.manual_seed(settings.seed)
    return Draws(settings, generator)


def _draw_rows(log_probs: Tensor, draws: Draws, not_yet: int | None, never: Sequence[int]) -> list[int]:
    """A token for each row of ``[N, V]``, neither one of ``never`` nor ``not_yet``."""
    barred = never if not_yet is None else (*never, not_yet)
    return [draws(row, barred) for row in log_probs.detach().cpu().numpy()]
