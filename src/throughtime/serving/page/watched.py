"""A language model that is watched while it reads and draws: chances, gates, and what a token depends on.

Shapes::

    T  tokens        V  tokens of the vocabulary        n  units of a layer
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.applications.text_model import TextModel
from throughtime.data import TokenBatch
from throughtime.data.batches import NOTHING
from throughtime.decoding import Sampling, new_draws
from throughtime.errors import UserError, listed
from throughtime.inspection import Watched, reach, watching
from throughtime.inspection.panels import equations_of
from throughtime.models import LanguageModel
from throughtime.models.base import State, tempered

UNITS = 256
"""Most units of a layer that are shown."""

NEXT = 5
"""Tokens that are told of those that may come next."""


@dataclass(frozen=True)
class View:
    """What of a model is looked at.

    Attributes:
        layer: Number of the layer, from 0.
        gate: A state or gate of its cell; empty: the last of its states, which is an LSTM's memory.
        temperature: At which the chances of what comes next are told.
    """

    layer: int = 0
    gate: str = ""
    temperature: float = 1.0

    def seen(self, cells: list[Watched]) -> tuple[str, Tensor]:
        """The gate's name, and its values at every step, ``[T, n]``.

        Raises:
            UserError: If there is no such layer, or its cell has no such gate.
        """
        if not 0 <= self.layer < len(cells):
            raise UserError(f"layer: expected a number below {len(cells)}, got {self.layer}")
        cell = cells[self.layer]
        gate = self.gate or cell.states[-1]
        if gate not in cell.names:
            raise UserError(f"gate: expected one of {listed(cell.names)}, got {gate!r}")
        return gate, cell.values(gate)[0, :, :UNITS]


@torch.no_grad()
def read(text: TextModel, line: str, view: View) -> dict[str, Any]:
    """What a model does with a text.

    Args:
        text: The model.
        line: Begun from nothing; no EOS is added to it.
        view: What to look at.

    Returns:
        Of every token its text and log-probability in nats; what may come next before the first and after each; the
        layers with the gates of their cells; and the values of the chosen one, a column a step. At the first step the
        model has read nothing, at the others a token each.
    """
    ids = text.begin(line)
    with watching(text.model) as cells:
        hidden, _ = text.model.hidden(torch.tensor([[NOTHING, *ids]]))
    log_probs = text.model.log_softmax(hidden[0]).cpu()
    gate, values = view.seen(cells)
    own = log_probs[:-1].gather(1, torch.tensor(ids, dtype=torch.long).unsqueeze(1)).squeeze(1).tolist()
    pieces = spelled(lambda each: text.tokenizer.stream(each, text.language.line_ends), ids)
    tokens = [
        {"text": piece, "log_prob": log_prob, "known": token != text.tokenizer.unk}
        for token, piece, log_prob in zip(ids, pieces, own, strict=True)
    ]
    return {
        "unit": text.tokenizer.unit,
        "tokens": tokens,
        "next": likeliest(text, log_probs, view.temperature),
        "layers": list(map(_layer, cells)),
        "layer": view.layer,
        "gate": gate,
        "shown": values.shape[1],
        "columns": [as_floats(column) for column in values],
    }


def reached(text: TextModel, line: str, at: int) -> list[float]:
    """How much the loss of a token depends on each token before it: the norm of its gradient there.

    Args:
        text: The model.
        line: The text.
        at: Number of the token, from 0.

    Raises:
        UserError: If the text has no such token.
    """
    ids = text.begin(line)
    if not 0 <= at < len(ids):
        raise UserError(f"at: expected the number of a token, below {len(ids)}, got {at}")
    found: list[float] = reach(text.model, TokenBatch.of([ids[: at + 1]]))[0, 1:].tolist()  # first it reads nothing
    return found


def draw(text: TextModel, line: str, sampling: Sampling, view: View) -> Iterator[dict[str, Any]]:
    """Draws a text that goes on from a line, as ``text.sample`` does, and tells of every token what :func:`read` tells.

    Args:
        text: The model.
        line: What it goes on from.
        sampling: How to draw.
        view: What to look at.
    """
    told: list[dict[str, Any]] = []
    drawn = _drawn(text, text.begin(line), sampling, view, told)
    pieces = text.language.continued(line, text.begin(line), drawn)
    next(pieces)  # the line
    for piece in pieces:
        told[-1]["text"] = piece  # of several tokens that spell a letter together, the last one holds it
        yield from told
        told.clear()


def _drawn(
    text: TextModel, ids: list[int], sampling: Sampling, view: View, told: list[dict[str, Any]]
) -> Iterator[int]:
    """Tokens as they are drawn; what there is to tell of each stands in ``told`` by then."""
    draws, never = new_draws(sampling), [text.tokenizer.unk]
    log_probs, state, _ = _watched(text.model, [NOTHING, *ids], None, view)  # refuses a view of nothing at once
    for _ in range(sampling.length):
        token = draws(log_probs[0].cpu().numpy(), never)
        if token == text.language.end:
            return
        own = float(log_probs[0, token])
        log_probs, state, seen = _watched(text.model, [token], state, view)
        column = as_floats(seen[-1])
        after = likeliest(text, log_probs.cpu(), view.temperature)[0]
        told.append({"text": "", "log_prob": own, "known": True, "next": after, "column": column})
        yield token


@torch.no_grad()
def _watched(model: LanguageModel, tokens: list[int], state: State | None, view: View) -> tuple[Tensor, State, Tensor]:
    """What comes next after further tokens, ``[1, V]``; the state; and what was seen while they were read."""
    with watching(model) as cells:
        hidden, state = model.hidden(torch.tensor([tokens]), state)
    return model.log_softmax(hidden[:, -1]), state, view.seen(cells)[1]


def likeliest(text: TextModel, log_probs: Tensor, temperature: float) -> list[list[tuple[str, float]]]:
    """The tokens that are likeliest to come next, with their probabilities, of each row ``[…, V]``."""
    best, ids = log_probs.topk(min(NEXT, log_probs.shape[1]), 1)
    if temperature == 0.0:
        chances = torch.zeros_like(best)
        chances[:, 0] = 1.0
    else:
        chances = tempered(log_probs, temperature).gather(1, ids).exp()
    names = [[_name(text, token) for token in row] for row in ids.tolist()]
    return [list(zip(*row, strict=True)) for row in zip(names, chances.tolist(), strict=True)]


def spelled(spell: Callable[[Iterator[int]], Iterator[str]], ids: Iterable[int]) -> list[str]:
    """The text of each token; where several spell a letter together, the last one has it, and the others have none.

    Example:
        >>> spelled(lambda ids: (chr(i) for i in ids if i), [97, 0, 98])
        ['a', '', 'b']
    """
    taken: list[int] = []
    found: list[str] = []

    def take() -> Iterator[int]:
        for token in ids:
            taken.append(token)
            yield token

    for piece in spell(take()):
        found += [""] * (len(taken) - 1 - len(found)) + [piece]
    return found + [""] * (len(taken) - len(found))


def as_floats(values: Tensor) -> str:
    """Numbers as little-endian floats of 32 bits in base 64, which a browser reads at once.

    Example:
        >>> as_floats(torch.tensor([1.0]))
        'AACAPw=='
    """
    return base64.b64encode(values.detach().cpu().float().contiguous().numpy().astype("<f4").tobytes()).decode()


def _layer(cell: Watched) -> dict[str, Any]:
    kind = cell.directed.cell
    gates = [*cell.states, *(name for name in cell.names if name not in cell.states)]
    return {
        "name": cell.name,
        "cell": type(kind).__name__.removesuffix("Cell"),
        "units": cell.values(cell.states[0]).shape[2],
        "gates": gates,
        "states": cell.states,
        "equations": equations_of(kind),
    }


def _name(text: TextModel, token: int) -> str:
    alone = "".join(text.tokenizer.stream([token], text.language.line_ends))
    return alone or text.tokenizer.tokens([token])[0]
