"""What is spared while drawing changes no draw: the same seed draws the same tokens as the plain way does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.decoding import Sampling, draw, drawing
from throughtime.decoding.drawing import Draws

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


@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
@pytest.mark.parametrize("tokens", [2, 65, 1024, 1025, 5000])
def test_the_same_seed_draws_what_the_plain_way_draws(tokens: int, chosen: dict[str, Any]) -> None:
    torch.manual_seed(tokens)
    generators = [torch.Generator().manual_seed(7) for _ in range(2)]
    sampling, seen = Sampling(**chosen), set()
    for turn in range(12):
        scores = scores_of(tokens, (0.01, 1.0, 4.0)[turn % 3])
        found = draw(scores, sampling, generators[0])
        assert found == plainly(scores, sampling, generators[1])
        seen.add(found)
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
    assert tokens == 2 or len(seen) > 1


@pytest.mark.parametrize("scores", [[float("nan"), 0.0], [float("-inf")] * 2, [float("inf"), 0.0]], ids=str)
@pytest.mark.parametrize("counted", [0, 256])
def test_what_is_no_probability_is_refused(scores: list[float], counted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "COUNTED", counted)
    with pytest.raises(ValueError, match="expected log-probabilities of which the greatest is finite, got one of"):
        draw(torch.tensor(scores), Sampling(), torch.Generator())


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    tokens=st.integers(1, drawing.COUNTED),
    spread=st.sampled_from([0.0, 0.1, 2.0, 300.0]),
    temperature=st.sampled_from([1e-300, 0.2, 1.0, 7.0]),
    top_k=st.none() | st.integers(1, 300),
    top_p=st.sampled_from([1.0, 0.9, 0.3, 1e-9]),
    never=st.lists(st.integers(0, drawing.COUNTED - 1), max_size=3),
)
def test_machine_code_draws_what_arrays_draw(
    seed: int,
    tokens: int,
    spread: float,
    temperature: float,
    top_k: int | None,
    top_p: float,
    never: list[int],
) -> None:
    torch.manual_seed(seed)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    draws = [Draws(sampling, torch.Generator().manual_seed(seed)) for _ in range(2)]
    never = [token for token in never if token < tokens - 1]  # the last one may always be drawn
    for _ in range(3):
        scores = (spread * torch.randn(tokens)).round(decimals=1).log_softmax(0).numpy()  # some are equal
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(drawing, "COUNTED", 0)
            expected = draws[0](scores, never)
        assert draws[1](scores, never) == expected
    assert draws[0].picker is None
    assert draws[1].picker is not None
