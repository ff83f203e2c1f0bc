"""Drawing sequences from a model, token by token, as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from throughtime.decoding.decoder import Decoder, Hypothesis, NextTokenModel, StateT, TextDecoder, limits, stepping
from throughtime.decoding.drawing import Draws
from throughtime.runtime.drawing import Sampling


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
    draws = _draws(settings)
    with torch.no_grad():
        log_probs, state = TextDecoder(model, prompt).begin()
        step = stepping(model, state, settings.weights)
    for drawn in range(settings.length):
        (token,) = _draw_rows(log_probs, draws, eos if drawn < settings.min_length else None, never)
        if token == eos:
            return
        yield token
        if drawn + 1 < settings.length:
            log_probs = step([token])


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
    draws = _draws(settings)
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


def _draws(settings: Sampling) -> Draws:
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
