"""Drawing text token by token: embedding, step, softmax, draw, and the text put together and written out."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import nn

from throughtime.bench.peers import LOOP, OURS, TORCH
from throughtime.bench.plan import Case, Plan
from throughtime.bench.rows import Row, make_row
from throughtime.bench.timing import interleave
from throughtime.decoding import Sampling, sample
from throughtime.engine import to_torch
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.visible import visible

CHARACTERS = 65
"""Of the vocabulary where nothing else is asked for; tinyshakespeare's."""

KERNELS: Mapping[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
"""Cells that ``torch.nn`` has."""


class Plain(nn.Module):
    """The same model as somebody writes it who has PyTorch alone.

    Args:
        model: Whose weights it has.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        config = model.config
        self.embedding = nn.Embedding(config.vocabulary, config.embedding)
        self.recurrent = KERNELS[config.cell](config.embedding, config.hidden, config.layers, batch_first=True)
        self.softmax = nn.Linear(config.hidden, config.vocabulary)
        self.embedding.load_state_dict(model.embedding.state_dict())
        self.softmax.load_state_dict(model.softmax.state_dict())
        with torch.no_grad():
            for directed, names in zip(model.stack.directed, self.recurrent._all_weights, strict=True):
                for name, value in zip(names, to_torch(directed.cell, directed.values()), strict=True):
                    getattr(self.recurrent, name).copy_(value)

    @torch.no_grad()
    def draw(self, tokens: int) -> Iterator[int]:
        """Draws so many tokens."""
        state, token = None, torch.zeros(1, 1, dtype=torch.long)
        for _ in range(tokens):
            outputs, state = self.recurrent(self.embedding(token), state)
            token = torch.multinomial(self.softmax(outputs[:, -1]).softmax(-1), 1)
            yield int(token)


def show(tokens: Iterator[int], names: list[str]) -> None:
    """Puts the text together and writes it out, token by token."""
    out, pieces = io.StringIO(), []
    for token in tokens:
        pieces.append(names[token])
        out.write(visible(names[token]))
        out.flush()


def drawers(model: LanguageModel, weights: str = "float32") -> dict[str, Callable[[int], Iterator[int]]]:
    """What draws so many tokens: ours, with such weights, and the plain loop where there is one."""

    def ours(tokens: int) -> Iterator[int]:
        return sample(model, [0], Sampling(length=tokens, weights=weights), eos=None)

    if model.config.cell in KERNELS:
        return {OURS: ours, TORCH: Plain(model).eval().draw}
    return {OURS: ours, LOOP: loop_of(model)}


def loop_of(model: LanguageModel) -> Callable[[int], Iterator[int]]:
    """The plain loop where ``torch.nn`` has not the cell: its equations in PyTorch's operations."""
    plain = LanguageModel(model.config, engine="reference").eval()
    plain.load_state_dict(model.state_dict())

    @torch.no_grad()
    def draw(tokens: int) -> Iterator[int]:
        state, token = None, torch.zeros(1, 1, dtype=torch.long)
        for _ in range(tokens):
            log_probs, state = plain.next_log_probs(token, state)
            token = torch.multinomial(log_probs.exp(), 1)
            yield int(token)

    return draw


def measured(draw: Callable[[int], Iterator[int]], tokens: int, names: list[str]) -> Callable[[], float]:
    """A measurement of the seconds that a token takes, over so many of one text."""

    def run() -> float:
        began = time.perf_counter()
        show(draw(tokens), names)
        return (time.perf_counter() - began) / tokens

    return run


def measure_drawing(case: Case, plan: Plan) -> Row:
    """A token of a character model, in texts of as many as the case has steps."""
    shape = case.shape
    config = LanguageModelConfig(vocabulary=CHARACTERS, cell=case.cell, hidden=shape.hidden, embedding=shape.input)
    model = LanguageModel(config, engine=plan.engine).eval()
    names = [chr(32 + token) for token in range(CHARACTERS)]
    runs = {name: measured(draw, shape.time, names) for name, draw in drawers(model).items()}
    return make_row(case, interleave(runs, plan.seconds, slow=math.inf), "µs")
