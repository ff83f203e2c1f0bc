"""The language model is its equations: a plain loop over steps gives the same probabilities and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime.data import TokenBatch
from throughtime.engine import bind
from throughtime.models import LanguageModel, LanguageModelConfig

TIGHT = {"rtol": 1e-9, "atol": 1e-11}

HEADS: dict[str, dict[str, Any]] = {
    "full": {},
    "tied": {"tied": True, "embedding": 6},
    "bridge": {"tied": True, "embedding": 4},
    "adaptive": {"adaptive": (3, 7), "hidden": 16},
}
"""The kinds of softmax; only one of the tied ones needs a bridge."""

TEXTS = [[3, 5, 2, 10, 4], [9], [7, 7, 1], [], [10, 8, 6, 2, 3, 1]]


def build(head: str = "full", cell: str = "lstm", layers: int = 1, **options: Any) -> LanguageModel:
    torch.manual_seed(8)
    values = {"vocabulary": 11, "cell": cell, "hidden": 6, "layers": layers, "embedding": 5, **HEADS[head], **options}
    model = LanguageModel(LanguageModelConfig(**values)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def cell_step(model: LanguageModel, x: Tensor, states: list[dict[str, Tensor]]) -> Tensor:
    """One step of the whole stack, by the cells' own equations; replaces the states."""
    for depth, directed in enumerate(model.stack.directed):
        new = directed.cell.step(x, SimpleNamespace(**states[depth]), bind(directed.cell, directed.values()))
        states[depth] = {name: new[name] for name in states[depth]}
        x = states[depth][directed.cell.state[0]]
    return x


def head_by_hand(model: LanguageModel, h: Tensor) -> Tensor:
    """Log-probabilities ``[V]`` of one hidden vector ``[width]``, from the weights alone."""
    weights = dict(model.named_parameters())
    if model.config.tied:
        bridge = weights.get("bridge.weight")
        features = h if bridge is None else bridge @ h
        scores = weights["embedding.weight"] @ features + weights["bias"]
        return scores - scores.exp().sum().log()
    if not model.config.adaptive:
        scores = weights["softmax.weight"] @ h + weights["softmax.bias"]
        return scores - scores.exp().sum().log()
    # The head holds the first ids and a token for each cluster; a cluster shares out its own token's probability.
    head = weights["adaptive.head.weight"] @ h
    head = head - head.exp().sum().log()
    first = model.config.adaptive[0]
    parts = [head[:first]]
    for cluster in range(len(model.config.adaptive)):
        tail = weights[f"adaptive.tail.{cluster}.1.weight"] @ (weights[f"adaptive.tail.{cluster}.0.weight"] @ h)
        parts.append(head[first + cluster] + tail - tail.exp().sum().log())
    return torch.cat(parts)


def by_hand(model: LanguageModel, text: Sequence[int]) -> list[Tensor]:
    """Every step's log-probabilities ``[V]``: the first step sees zeros, each other the token before it."""
    table = dict(model.named_parameters())["embedding.weight"]
    scale = model.config.embedding**0.5 if model.config.tied else 1.0
    states = [
        {name: torch.zeros(1, width, dtype=torch.float64) for name, width in directed.cell.widths().items()}
        for directed in model.stack.directed
    ]
    rows = []
    x = torch.zeros(1, model.config.embedding, dtype=torch.float64)
    for token in text:
        rows.append(head_by_hand(model, cell_step(model, x, states)[0]))
        x = table[token].unsqueeze(0) * scale
    return rows


def of_targets(model: LanguageModel, text: Sequence[int]) -> list[Tensor]:
    return [row[token] for row, token in zip(by_hand(model, text), text, strict=True)]


def test_an_rnn_in_numbers() -> None:
    # P(1, 0) by pencil: E = [1, 2], h = tanh(x + h' / 2), scores = [h, -h]
    model = LanguageModel(LanguageModelConfig(vocabulary=2, cell="rnn", hidden=1, embedding=1)).double()
    values = {
        "embedding.weight": [[1.0], [2.0]],
        "stack.cells.0.W_x": [[1.0]],
        "stack.cells.0.W_h": [[0.5]],
        "stack.cells.0.b": [0.25],
        "softmax.weight": [[1.0], [-1.0]],
        "softmax.bias": [0.0, 0.0],
    }
    model.load_state_dict({name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()})
    first = torch.tensor(0.25).double().tanh()  # nothing came before: only the bias acts
    second = (2.0 + 0.5 * first + 0.25).tanh()
    expected = [torch.sigmoid(-2 * first).log(), torch.sigmoid(2 * second).log()]
    scores, state = model.log_probs(TokenBatch.of([[1, 0]]))
    torch.testing.assert_close(scores[0], torch.stack(expected), **TIGHT)
    torch.testing.assert_close(state["h"], second.view(1, 1, 1), **TIGHT)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", FAMILIAR)
def test_every_cell_with_values_and_gradients(cell: str, layers: int) -> None:
    model = build(cell=cell, layers=layers)
    agrees(model)


@pytest.mark.parametrize("head", HEADS)
def test_every_softmax_with_values_and_gradients(head: str) -> None:
    agrees(build(head))


def agrees(model: LanguageModel) -> None:
    batch = TokenBatch.of(TEXTS)
    scores, _ = model.log_probs(batch)
    expected = [of_targets(model, text) for text in TEXTS]
    for row, text, each in zip(scores, TEXTS, expected, strict=True):
        if text:
            torch.testing.assert_close(row[: len(text)], torch.stack(each), **TIGHT)
        assert row[len(text) :].eq(0).all()
    loss, carried = model.loss(batch, None)
    assert carried is None
    mean = -torch.stack([score for each in expected for score in each]).mean()
    torch.testing.assert_close(loss, mean, **TIGHT)
    names = [name for name, _ in model.named_parameters()]
    got = torch.autograd.grad(loss, list(model.parameters()))
    for name, one, other in zip(names, got, torch.autograd.grad(mean, list(model.parameters())), strict=True):
        torch.testing.assert_close(one, other, msg=lambda text, name=name: f"{name}: {text}", **TIGHT)
        assert one.abs().sum() > 0, f"{name} is not trained"


@pytest.mark.parametrize("head", HEADS)
def test_a_ragged_batch_is_its_texts_one_by_one(head: str) -> None:
    model = build(head, cell="gru-full", layers=2).eval()
    together, state = model.log_probs(TokenBatch.of(TEXTS))
    for row, text in enumerate(TEXTS):
        alone, last = model.log_probs(TokenBatch.of([text]))
        torch.testing.assert_close(together[row, : len(text)], alone[0], **TIGHT)
        for name in state:
            torch.testing.assert_close(state[name][:, row : row + 1], last[name], **TIGHT)


@pytest.mark.parametrize("head", HEADS)
def test_the_next_token_is_the_one_that_log_probs_scores(head: str) -> None:
    model, text = build(head), TEXTS[0]
    expected = by_hand(model, text)
    state = None
    for step, token in enumerate([-1, *text[:-1]]):
        next_one, state = model.next_log_probs(torch.tensor([[token]]), state)
        torch.testing.assert_close(next_one[0], expected[step], **TIGHT)
    # Read in one go, the same.
    at_once, _ = model.next_log_probs(torch.tensor([[-1, *text[:-1]]]))
    torch.testing.assert_close(at_once[0], expected[-1], **TIGHT)


def test_a_loss_that_goes_on_from_a_state_does_not_reach_back() -> None:
    model = build(cell="lstm-peephole")
    whole = of_targets(model, TEXTS[4])
    _, state = model.log_probs(TokenBatch.of([TEXTS[4][:3]]))
    one, zero = torch.tensor([3]), torch.tensor([0])
    rest = TokenBatch(torch.tensor([TEXTS[4][2:5]]), torch.tensor([TEXTS[4][3:]]), one, source=zero, last=zero)
    loss, carried = model.loss(rest, {name: value.detach() for name, value in state.items()})
    torch.testing.assert_close(loss, -torch.stack(whole[3:]).mean(), **TIGHT)
    assert carried is not None
    assert sorted(carried) == ["c", "h"]
    assert not any(value.requires_grad for value in carried.values())
    # Tokens that only the state has seen are not trained: the gradient of their embeddings is zero.
    (gradient,) = torch.autograd.grad(loss, model.embedding.weight)
    read = sorted(set(TEXTS[4][2:5]))
    assert gradient.abs().sum(1).nonzero().flatten().tolist() == read
