"""Drawing sequences from a model, token by token, as they come."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from throughtime.data import NOTHING


class NextTokenModel(Protocol):
    """What sampling needs of a model."""

    def next_log_probs(self, tokens: Tensor, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Any]:
        """Reads ``[B, T]`` tokens; gives the next one's log-probabilities ``[B, V]`` and the state."""
        ...


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
    generator = torch.Generator()
    if settings.seed is None:
        generator.seed()
    else:
        generator.manual_seed(settings.seed)
    tokens = torch.tensor([[NOTHING, *prompt]])
    state = None
    for drawn in range(settings.length):
        log_probs, state = model.next_log_probs(tokens, state)
        scores = log_probs[0].cpu().clone()
        scores[list(never)] = -torch.inf
        if eos is not None and drawn < settings.min_length:
            scores[eos] = -torch.inf
        token = draw(scores, settings, generator)
        if token == eos:
            return
        yield token
        tokens = torch.tensor([[token]])


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
