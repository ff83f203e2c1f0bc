"""Texts that are read and drawn as they come, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from throughtime.applications.live import Output, Takes
from throughtime.applications.live.following import Following, asked_to_draw, seeded
from throughtime.applications.live.parts import checked_options, text_piece
from throughtime.applications.live.texts import HeldText
from throughtime.applications.options import TokenDrawing
from throughtime.applications.settings import check_settings
from throughtime.applications.text_model import TextModel
from throughtime.data import NOTHING
from throughtime.decoding.drawing import Draws
from throughtime.errors import UserError, shown
from throughtime.models.streams import SideBySide
from throughtime.runtime.text.language import perplexity

TOP = 5
"""Next tokens that are told, the likeliest."""


class LiveText:
    """How a language model reads streams.

    Args:
        text: The model.
    """

    takes: Takes = "text"

    def __init__(self, text: TextModel) -> None:
        self.text = text
        self.facts: Mapping[str, Any] = {"unit": text.tokenizer.unit, "options": ["top"]}

    def side_by_side(self) -> SideBySide:
        """The model, over any number of streams."""
        return SideBySide(self.text.model.stream())

    def open(self, said: Mapping[str, Any]) -> TextReader:
        """Begins a stream.

        Args:
            said: ``top``, how many of the likeliest next tokens are told.

        Raises:
            UserError: If something else is said.
        """
        top = checked_options(said, ["top"]).get("top", TOP)
        if isinstance(top, bool) or not isinstance(top, int) or not 0 <= top <= 50:
            raise UserError(f"top: expected 0 to 50 tokens, got {shown(top)}")
        return TextReader(self.text, top)

    def piece(self, line: str, where: str) -> str:
        """A line as it is."""
        return line

    def shown(self, event: Mapping[str, Any]) -> str:
        """Every token that was read with its probability; at the end the score of all."""
        if "perplexity" in event:
            return f"{event['tokens']:,} tokens, {event['log_prob']:.4f} nats, perplexity {event['perplexity']:.2f}"
        return "  ".join(f"{each['token']!r} {100 * math.exp(each['log_prob']):.1f} %" for each in event["tokens"])

    def load(self, dumped: Mapping[str, Any]) -> TextReader:
        """A stream that goes on where it was dumped."""
        reader = TextReader(self.text, dumped["top"])
        reader.read_dumped(dumped)
        return reader


class TextReader(Following[int]):
    """One text, of which every token is told with its log-probability, in nats, given those before.

    A piece is a text, or ``{"draw": {…}}`` with options of drawing: the text then goes on by itself.

    Args:
        text: The model.
        top: How many of the likeliest next tokens are told.
    """

    def __init__(self, text: TextModel, top: int) -> None:
        super().__init__(NOTHING)
        self.text, self.top = text, top
        self.held: HeldText | HeldBreak = HeldBreak() if text.tokenizer.unit == "characters" else HeldText()
        self.drawn: _Drawing | None = None
        self.tokens: list[int] = []
        self.log_probs: list[float] = []
        self.count, self.total = 0, 0.0

    def push(self, piece: Any) -> Sequence[int]:
        """The tokens that are complete with this piece; one that is drawn, where drawing is asked for.

        Raises:
            UserError: If it is no text, and no request to draw.
        """
        asked = asked_to_draw(piece)
        if asked is None:
            whole, self.drawing = self.held.push(piece), False
            return self.read(self._ids(whole))
        options = check_settings(TokenDrawing, asked)
        inputs = self.read(self._ids(self.held.end()))
        self.drawn, self.drawing = _Drawing(options), True
        return [*inputs, *self.go_on()]

    def end(self) -> Sequence[int]:
        """The last token."""
        return self.read(self._ids(self.held.end()))

    def _ids(self, text: str) -> list[int]:
        return self.text.language.going_on(text) if text else []

    def account(self, item: int, scores: Output) -> None:
        """Takes down a token's log-probability."""
        log_prob = float(scores[item])
        self.tokens.append(item)
        self.log_probs.append(log_prob)
        self.count, self.total, self.news = self.count + 1, self.total + log_prob, True

    def draw(self, scores: Output) -> int | None:
        """The next token; None at the end."""
        return None if self.drawn is None else self.drawn.next(scores, self.text)

    def partial(self) -> dict[str, Any] | None:
        """The tokens that were read since it was asked, and what may come next."""
        if not self.news:
            return None
        self.news = False
        names, values = self.text.tokenizer.tokens(self.tokens), self.log_probs
        self.tokens, self.log_probs = [], []
        told: dict[str, Any] = {
            "tokens": [{"token": name, "log_prob": value} for name, value in zip(names, values, strict=True)]
        }
        if self.scores is not None and self.top:
            best = np.argsort(-self.scores, kind="stable")[: self.top]
            likeliest = zip(self.text.tokenizer.tokens(best.tolist()), np.exp(self.scores[best]).tolist(), strict=True)
            told["next"] = [{"token": name, "probability": value} for name, value in likeliest]
        return told | self.told_drawing()

    def final(self) -> dict[str, Any]:
        """The score of the whole text."""
        return {
            "log_prob": self.total,
            "tokens": self.count,
            "perplexity": perplexity(-self.total / self.count) if self.count else 1.0,
        }

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        return self.dump_following() | {
            "top": self.top,
            "held": self.held.held,
            "reading": list(self.reading),
            "drawn": None if self.drawn is None else self.drawn.dump(),
            "tokens": self.tokens,
            "log_probs": self.log_probs,
            "count": self.count,
            "total": self.total,
        }

    def read_dumped(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.load_following(dumped, dumped["reading"])
        self.held.held = dumped["held"]
        for name in ("tokens", "log_probs", "count", "total"):
            setattr(self, name, dumped[name])
        self.drawn = None if dumped["drawn"] is None else _Drawing.load(dumped["drawn"])


class HeldBreak:
    """Holds back what may be the first part of a line break, where characters are tokens at once.

    Attributes:
        held: What waits.
    """

    def __init__(self) -> None:
        self.held = ""

    def push(self, piece: Any) -> str:
        """What is complete with this piece.

        Raises:
            UserError: If it is no text.
        """
        text = self.held + text_piece(piece)
        whole = text.removesuffix("\r")
        self.held = text[len(whole) :]
        return whole

    def end(self) -> str:
        """What waits."""
        whole, self.held = self.held, ""
        return whole


class _Drawing:
    """Tokens that are drawn one after another."""

    def __init__(self, options: TokenDrawing) -> None:
        self.options, self.drawn = options, 0
        self.generator = seeded(options.seed)
        self.draws = Draws(options.sampling(), self.generator)

    def next(self, scores: Output, text: TextModel) -> int | None:
        """The next one; None at the end."""
        if self.drawn == self.options.length:
            return None
        end = text.language.end
        never = [text.tokenizer.unk]
        if end is not None and self.drawn < self.options.min_length:
            never.append(end)
        token = self.draws(scores, never)
        self.drawn += 1
        return None if token == end else token

    def dump(self) -> dict[str, Any]:
        return {
            "options": self.options.model_dump(exclude_defaults=True),
            "drawn": self.drawn,
            "generator": self.generator.get_state().numpy(),
        }

    @classmethod
    def load(cls, dumped: Mapping[str, Any]) -> _Drawing:
        found = cls(check_settings(TokenDrawing, dumped["options"]))
        found.drawn = dumped["drawn"]
        found.generator.set_state(torch.from_numpy(dumped["generator"].copy()))
        return found
