"""Texts that are read and drawn as they come, side by side."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from throughtime.applications.live import Output, Takes
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


class TextReader:
    """One text, of which every token is told with its log-probability, in nats, given those before.

    A piece is a text, or ``{"draw": {…}}`` with options of drawing: the text then goes on by itself.

    Args:
        text: The model.
        top: How many of the likeliest next tokens are told.
    """

    def __init__(self, text: TextModel, top: int) -> None:
        self.text, self.top = text, top
        self.held: HeldText | HeldBreak = HeldBreak() if text.tokenizer.unit == "characters" else HeldText()
        self.reading: deque[int] = deque()  # what the model has been given, and has not answered yet
        self.scores: Output | None = None  # log-probabilities of the next token
        self.begun = False
        self.drawing: _Drawing | None = None
        self.read: list[int] = []
        self.log_probs: list[float] = []
        self.count, self.total = 0, 0.0
        self.news = False

    def push(self, piece: Any) -> Sequence[int]:
        """The tokens that are complete with this piece; one that is drawn, where drawing is asked for.

        Raises:
            UserError: If it is no text, and no request to draw.
        """
        if not isinstance(piece, Mapping) or "draw" not in piece:
            whole = self.held.push(piece)
            self.drawing = None
            return self._read(self._ids(whole))
        if set(piece) != {"draw"} or not isinstance(piece["draw"], Mapping):
            raise UserError(f'expected a text, or {{"draw": {{…}}}} to go on with it, got {shown(piece)}')
        options = check_settings(TokenDrawing, piece["draw"])
        inputs = self._read(self._ids(self.held.end()))
        self.drawing = _Drawing(options)
        return [*inputs, *([] if self.reading else self._draw())]

    def end(self) -> Sequence[int]:
        """The last token."""
        return self._read(self._ids(self.held.end()))

    def _ids(self, text: str) -> list[int]:
        return self.text.language.going_on(text) if text else []

    def _read(self, ids: Sequence[int]) -> list[int]:
        inputs = ([] if self.begun else [NOTHING]) + list(ids)
        answered = not self.reading  # else the scores are not those of the token before, which come with its answer
        self.begun = True
        self.reading.extend(inputs)
        if answered and self.scores is not None and ids:
            self._account(ids[0], self.scores)
        return inputs

    def _account(self, token: int, scores: Output) -> None:
        log_prob = float(scores[token])
        self.read.append(token)
        self.log_probs.append(log_prob)
        self.count, self.total, self.news = self.count + 1, self.total + log_prob, True

    def take(self, output: Output) -> Sequence[int]:
        """Takes the log-probabilities of what comes after a token; gives the next one, where it is drawn."""
        self.reading.popleft()
        self.scores, self.news = output, True
        if self.reading:
            self._account(self.reading[0], output)
            return ()
        return self._draw()

    def _draw(self) -> list[int]:
        if self.drawing is None or self.scores is None:
            return []
        token = self.drawing.next(self.scores, self.text)
        if token is None:
            self.drawing = None
            return []
        return self._read([token])

    def partial(self) -> dict[str, Any] | None:
        """The tokens that were read since it was asked, and what may come next."""
        if not self.news:
            return None
        self.news = False
        names, values = self.text.tokenizer.tokens(self.read), self.log_probs
        self.read, self.log_probs = [], []
        told: dict[str, Any] = {
            "tokens": [{"token": name, "log_prob": value} for name, value in zip(names, values, strict=True)]
        }
        if self.scores is not None and self.top:
            best = np.argsort(-self.scores, kind="stable")[: self.top]
            likeliest = zip(self.text.tokenizer.tokens(best.tolist()), np.exp(self.scores[best]).tolist(), strict=True)
            told["next"] = [{"token": name, "probability": value} for name, value in likeliest]
        return told | ({"drawing": True} if self.drawing is not None else {})

    def final(self) -> dict[str, Any]:
        """The score of the whole text."""
        return {
            "log_prob": self.total,
            "tokens": self.count,
            "perplexity": perplexity(-self.total / self.count) if self.count else 1.0,
        }

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        return {
            "top": self.top,
            "held": self.held.held,
            "reading": list(self.reading),
            "scores": self.scores,
            "begun": self.begun,
            "drawing": None if self.drawing is None else self.drawing.dump(),
            "read": self.read,
            "log_probs": self.log_probs,
            "count": self.count,
            "total": self.total,
            "news": self.news,
        }

    def read_dumped(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.held.held = dumped["held"]
        for name in ("scores", "begun", "read", "log_probs", "count", "total", "news"):
            setattr(self, name, dumped[name])
        self.reading = deque(dumped["reading"])
        self.drawing = None if dumped["drawing"] is None else _Drawing.load(dumped["drawing"])


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
        self.generator = torch.Generator()
        if options.seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(options.seed)
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
