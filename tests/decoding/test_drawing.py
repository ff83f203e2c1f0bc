"""What is spared while drawing changes no draw: the same seed draws the same tokens as the plain way does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime.decoding import Sampling, draw

SETTINGS = [
    {},
    {"temperature": 0.3},
    {"temperature": 3.0},
    {"top_k": 1},
    {"top_k": 40},
    {"top_k": 10_000_000},
    {"top_p": 0.01},
    {"top_p": 0.9},
    {"top_k": 300, "top_p": 0.5},
    {"temperature": 0.7, "top_p": 0.999},
]


def plainly(scores: Tensor, settings: Sampling, generator: torch.Generator) -> int:
    """All in order, then PyTorch's own draw."""
    ordered, ids = scores.double().sort(descending=True, stable=True)
    ordered = (ordered - ordered[0]) / settings.temperature
    if settings.top_k is not None:
        ordered = ordered[: settings.top_k]
    probabilities = ordered.softmax(0)
    keep = probabilities.cumsum(0) - probabilities < settings.top_p
    return int(ids[torch.multinomial(probabilities * keep, 1, generator=generator)])


def scores_of(tokens: int, spread: float) -> Tensor:
    """Of a model that is unsure (a small spread) or sure; some are equal, some impossible."""
    scores = (spread * torch.randn(tokens)).log_softmax(0)
    scores[:: max(2, tokens // 7)] = scores[1]
    scores[3 :: max(2, tokens // 3)] = -torch.inf
    return scores


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("tokens", [2, 65, 1024, 1025, 5000])
def test_the_same_seed_draws_what_the_plain_way_draws(tokens: int, settings: dict[str, Any]) -> None:
    torch.manual_seed(tokens)
    generators = [torch.Generator().manual_seed(7) for _ in range(2)]
    sampling, seen = Sampling(**settings), set()
    for turn in range(12):
        scores = scores_of(tokens, (0.01, 1.0, 4.0)[turn % 3])
        found = draw(scores, sampling, generators[0])
        assert found == plainly(scores, sampling, generators[1])
        seen.add(found)
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
    assert tokens == 2 or len(seen) > 1


@pytest.mark.parametrize("scores", [[float("nan"), 0.0], [float("-inf")] * 2, [float("inf"), 0.0]], ids=str)
def test_what_is_no_probability_is_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="expected log-probabilities of which the greatest is finite, got one of"):
        draw(torch.tensor(scores), Sampling(), torch.Generator())
