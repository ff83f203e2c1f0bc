"""Completions as they are drawn: pieces of text with the tokens that make them, up to a stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from throughtime.applications.text_model import TextModel
from throughtime.decoding import Sampling
from throughtime.runtime.text.spelling import EOS_ID


class Said(NamedTuple):
    """A token as an answer tells it.

    Attributes:
        text: What it adds to the text.
        at: Where that begins in the text.
        log_prob: In nats, of the model as it is; None where it is not asked for.
        top: The likeliest tokens in its place, and itself.
    """

    text: str
    at: int
    log_prob: float | None = None
    top: dict[str, float] | None = None


@dataclass
class Piece:
    """What a choice goes on with.

    Attributes:
        index: Of the choice.
        text: Its next letters.
        said: Tokens that they end.
        tokens: How many tokens were drawn for it.
        finish: Why it ends here: ``"stop"``, ``"length"``; None: it goes on.
    """

    index: int
    text: str = ""
    said: list[Said] = field(default_factory=list)
    tokens: int = 0
    finish: str | None = None


@dataclass(frozen=True)
class Prompt:
    """What a text goes on from.

    Attributes:
        text: As it is given, or as its tokens spell it.
        ids: Of its tokens.
    """

    text: str
    ids: Sequence[int]


@dataclass(frozen=True)
class Plan:
    """What is to be drawn.

    Attributes:
        settings: Of each choice of a prompt; none: nothing is drawn.
        stops: Texts that end one.
        log_probs: How many of the likeliest tokens are told beside each; None: nothing is.
        echo: The prompt comes first.
    """

    settings: Sequence[Sampling]
    stops: Sequence[str] = ()
    log_probs: int | None = None
    echo: bool = False


class Ending:
    """A text up to the first of some stops; what may become one is held back.

    Example:
        >>> ending = Ending(["END"])
        >>> ending.add("so E"), ending.add("N"), ending.add("D."), ending.stopped
        ('so ', '', '', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops, self.held, self.sent, self.stopped = stops, "", 0, False

    @property
    def size(self) -> int:
        """Letters of the text, those that are held back among them."""
        return self.sent + len(self.held)

    def add(self, piece: str) -> str:
        """What may go out after a further piece."""
        if not self.stops:
            self.sent += len(piece)
            return piece
        text = self.held + piece
        found = [at for stop in self.stops if (at := text.find(stop)) >= 0]
        end = min(found) if found else len(text) - self._begun(text)
        self.stopped, self.held, self.sent = bool(found), "" if found else text[end:], self.sent + end
        return text[:end]

    def rest(self) -> str:
        """What was held back, where nothing more comes."""
        text, self.held = self.held, ""
        self.sent += len(text)
        return text

    def _begun(self, text: str) -> int:
        """Letters at the end of a text that begin a stop."""
        lengths = range(min(len(text), max(map(len, self.stops)) - 1), 0, -1)
        return next((n for n in lengths if any(stop.startswith(text[-n:]) for stop in self.stops)), 0)


class _Choice:
    """One text that is drawn.

    Args:
        index: Of the choice.
        begin: Letters before it, of a prompt that comes first.
        plan: How it is drawn.
    """

    def __init__(self, index: int, begin: int, plan: Plan) -> None:
        self.index, self.begin, self.ending = index, begin, Ending(plan.stops)
        self.tells, self.drawn = plan.log_probs is not None, list[tuple[float | None, dict[str, float] | None]]()
        self.read, self.told, self.ended = 0, 0, False
        self.waiting: list[Said] = []
        self.pieces: Iterator[str] = iter(())

    def counted(self, tokens: Iterable[int]) -> Iterator[int]:
        """The tokens, counted as they are read."""
        for token in tokens:
            self.read += 1
            yield token

    def go_on(self) -> Piece:
        """The next piece; the last one says why it is."""
        piece = next(self.pieces, None)
        at = self.begin + self.ending.size
        found = Piece(self.index, self.ending.add(piece or ""), tokens=self.read - self.told)
        if piece is None or self.ending.stopped:
            found.text += self.ending.rest()
            found.finish = "stop" if self.ending.stopped or self.ended else "length"
        if self.tells:
            found.said = self._said(piece or "", at, whole=found.finish is not None and not self.ending.stopped)
        self.told = self.read
        return found

    def _said(self, piece: str, at: int, whole: bool) -> list[Said]:
        """Tokens whose text has gone out; all of them, where the text is whole."""
        for number in range(self.told, self.read):
            last = number == self.read - 1  # of several tokens that make a letter together, the last one has it
            self.waiting.append(Said(piece if last else "", at, *self.drawn[number]))
        end = self.begin + self.ending.sent
        said = [each for each in self.waiting if whole or each.at < end]
        self.waiting = self.waiting[len(said) :]
        return said


def complete(text: TextModel, prompts: Sequence[Prompt], plan: Plan) -> Iterator[Piece]:
    """What goes on from prompts, all choices of one prompt side by side; each text is the model's own drawing.

    Args:
        text: The model.
        prompts: One after the other.
        plan: How.
    """
    count = max(1, len(plan.settings))
    for number, prompt in enumerate(prompts):
        yield from _complete(text, prompt, plan, range(number * count, (number + 1) * count))


def _complete(text: TextModel, prompt: Prompt, plan: Plan, indices: Sequence[int]) -> Iterator[Piece]:
    shown = _shown(text, prompt)
    if plan.echo:
        said = [] if plan.log_probs is None else _read(text, prompt, shown, plan.log_probs)
        for index in indices:
            yield Piece(index, shown, list(said), finish=None if plan.settings else "length")
    elif not plan.settings:
        yield from (Piece(index, finish="length") for index in indices)
    if not plan.settings:
        return
    choices = [_Choice(index, len(shown) if plan.echo else 0, plan) for index in indices]

    def told(number: int, token: int, log_probs: npt.NDArray[Any]) -> None:
        if token == text.language.end:
            choices[number].ended = True
        elif plan.log_probs is not None:
            choices[number].drawn.append(_likely(text, log_probs, token, plan.log_probs))

    for choice, tokens in zip(choices, text.draw_beside(prompt.ids, plan.settings, told), strict=True):
        choice.pieces = text.language.continued(prompt.text, prompt.ids, choice.counted(tokens))
        next(choice.pieces)  # the prompt
    going = list(choices)
    while going:
        for choice in list(going):
            piece = choice.go_on()
            yield piece
            if piece.finish:
                going.remove(choice)


def _shown(text: TextModel, prompt: Prompt) -> str:
    """The prompt as it stands before what is drawn."""
    return next(text.language.continued(prompt.text, prompt.ids, ()))


def _likely(
    text: TextModel, log_probs: npt.NDArray[Any], token: int, count: int
) -> tuple[float | None, dict[str, float] | None]:
    """The log-probability of a token, and the likeliest ones with theirs."""
    if not count:
        return float(log_probs[token]), None
    best = np.argsort(-log_probs, kind="stable")[:count].tolist()
    return float(log_probs[token]), {_name(text, each): float(log_probs[each]) for each in (*best, token)}


def _name(text: TextModel, token: int) -> str:
    """A token on its own."""
    if token == EOS_ID and text.language.line_ends:
        return "\n"
    if text.tokenizer.unit == "bytepairs" and "�" not in (name := text.tokenizer.decode([token])) and name:
        return name
    return text.tokenizer.tokens([token])[0]


def _read(text: TextModel, prompt: Prompt, shown: str, count: int) -> list[Said]:
    """The tokens of a prompt, each with the letters from where it begins to where the next one does."""
    begins: list[int] = []
    at = 0
    for token in prompt.ids:
        name = _name(text, token)
        found = shown.find(name, at)
        begins.append(at if found < 0 else found)
        at = begins[-1] + (0 if found < 0 else len(name))
    begins[:1] = [0] if begins else []
    ends = [*begins[1:], len(shown)]
    expected = zip(prompt.ids, begins, ends, text.expected(prompt.ids), strict=True)
    return [Said(shown[a:z], a, *_likely(text, each.cpu().numpy(), token, count)) for token, a, z, each in expected]
