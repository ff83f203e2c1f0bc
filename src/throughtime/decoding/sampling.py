"""Drawing sequences from a model, token by token, as they come."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.decoding.decoder import Decoder, Hypothesis, NextTokenModel, StateT, TextDecoder, limits


@dataclass(frozen=True)
class Sampling:
    """How to draw.

    Attributes:
        temperature: Below 1 bolder than the model, above 1 more even; 0 always takes the likeliest token.
        top_k: Draw from the k likeliest tokens; None: all.
        top_p: Draw from the fewest likeliest tokens that hold this share of the probability (Holtzman et al. 2020).
        length: Most tokens to draw.
        min_length: The sequence does not end before this many tokens.
        seed: Of the draws; None: another each time.

    Raises:
        ValueError: If a setting is out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    length: int = 300
    min_length: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature < math.inf:
            raise ValueError(f"expected a temperature of at least 0 and finite, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"expected top-k to be at least 1, got {self.top_k}")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"expected top-p above 0 and at most 1, got {self.top_p}")
        if self.length < 1:
            raise ValueError(f"expected a length of at least 1, got {self.length}")
        if self.min_length < 0:
            raise ValueError(f"expected a minimum length of at least 0, got {self.min_length}")


@torch.no_grad()
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

    Yields:
        Token ids, each as soon as it is drawn.
    """
    decoder, generator = TextDecoder(model, prompt), _generator(settings)
    log_probs, state = decoder.begin()
    token = eos
    for drawn in range(settings.length):
        if drawn:
            log_probs, state = decoder.step(torch.tensor([token]), state)
        (token,) = _draw_rows(log_probs, settings, generator, eos if drawn < settings.min_length else None, never)
        if token == eos:
            return
        yield token


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
    generator = _generator(settings)
    log_probs, state = decoder.begin()
    most = limits(settings.length if length is None else length, len(log_probs))
    found = [Hypothesis((), 0.0, 0.0, ended=False)] * len(log_probs)
    alive = list(range(len(found)))
    drawn = 0
    while alive:
        tokens = _draw_rows(log_probs, settings, generator, eos if drawn < settings.min_length else None, never)
        drawn += 1
        for row, (i, token) in enumerate(zip(alive, tokens, strict=True)):
            before, log_prob = found[i], found[i].log_prob + float(log_probs[row, token])
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


def draw(scores: Tensor, settings: Sampling, generator: torch.Generator) -> int:
    """Draws one token of log-probabilities ``[V]``, which need not sum to one.

    Example:
        >>> draw(torch.tensor([0.1, 0.7, 0.2]).log(), Sampling(top_k=1), torch.Generator())
        1
    """
    if settings.temperature == 0.0:
        return int(scores.argmax())
    ordered, ids = scores.double().sort(descending=True, stable=True)
    # The likeliest stands at zero, so that no temperature takes all to minus infinity.
    ordered = (ordered - ordered[0]) / settings.temperature
    if settings.top_k is not None:
        ordered = ordered[: settings.top_k]
    probabilities = ordered.softmax(0)
    # A token stays while the likelier ones before it hold less than top_p.
    keep = probabilities.cumsum(0) - probabilities < settings.top_p
    return int(ids[torch.multinomial(probabilities * keep, 1, generator=generator)])


def _generator(settings: Sampling) -> torch.Generator:
    generator = torch.Generator()
    if settings.seed is None:
        generator.seed()
    else:
        generator.manual_seed(settings.seed)
    return generator


def _draw_rows(
    log_probs: Tensor, settings: Sampling, generator: torch.Generator, not_yet: int | None, never: Sequence[int]
) -> list[int]:
    """A token for each row of ``[N, V]``, neither one of ``never`` nor ``not_yet``."""
    scores = log_probs.cpu().clone()
    scores[:, list(never)] = -torch.inf
    if not_yet is not None:
        scores[:, not_yet] = -torch.inf
    if settings.temperature == 0.0:
        return [int(token) for token in scores.argmax(1)]
    return [draw(row, settings, generator) for row in scores]
