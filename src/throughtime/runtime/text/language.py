"""What language models of text have in common, whatever computes them: how a text is read, scored and continued."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

from throughtime.runtime.text.spelling import EOS_ID, UNK_ID


class Reader(Protocol):
    """Cuts texts into tokens, and spells them."""

    @property
    def unit(self) -> str:
        """What a token is."""
        ...

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without EOS."""
        ...

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The tokens as the vocabulary writes them."""
        ...

    def stream(self, ids: Iterable[int], line_ends: bool = False) -> Iterator[str]:
        """The text of ids, piece by piece as they come."""
        ...


@dataclass(frozen=True)
class TokenScore:
    """The probability of a token after those before it.

    Attributes:
        token: As the vocabulary writes it; UNK where it is not known.
        log_prob: In nats.
    """

    token: str
    log_prob: float


@dataclass(frozen=True)
class Score:
    """The probability of a line.

    Attributes:
        text: The line.
        log_prob: In nats; EOS counted where lines end in it.
        tokens: Tokens scored.
        perplexity: ``exp(-log_prob / tokens)``.
        unknown: Tokens that are UNK: their probability is that of any unknown token.
        each: Every token's, where it was asked for.
    """

    text: str
    log_prob: float
    tokens: int
    perplexity: float
    unknown: int
    each: list[TokenScore] | None = None


def perplexity(nats: float) -> float:
    """``exp(nats)``, of a token's mean loss; what no computer holds is the largest that it does.

    Example:
        >>> round(perplexity(math.log(50)), 4), perplexity(1e9) > 1e300
        (50.0, True)
    """
    return math.exp(min(nats, 700.0))


def lines_of(text: str) -> list[str]:
    r"""The lines of a text in memory, which end as those of a file do: in ``\n`` or ``\r\n``, or all of them in ``\r``.

    Example:
        >>> lines_of("one\r\ntwo\rtwo\n"), lines_of("one\rtwo")
        (['one', 'two\rtwo', ''], ['one', 'two'])
    """
    return text.replace("\r\n", "\n").split("\n") if "\n" in text else text.split("\r")


@dataclass(frozen=True)
class Language:
    """How a model's texts are read.

    Attributes:
        reader: Cuts and spells them.
        line_ends: EOS stands for a line's end, and the text goes on.
        each_line: A text that is scored ends in EOS.
    """

    reader: Reader
    line_ends: bool
    each_line: bool

    @property
    def end(self) -> int | None:
        """The token that ends a text which is drawn; None where that is a line's end alone."""
        return None if self.line_ends else EOS_ID

    def encode(self, text: str) -> list[int]:
        """A text's ids, with EOS where lines end in it."""
        return self.begin(text) + ([EOS_ID] if self.each_line else [])

    def begin(self, text: str) -> list[int]:
        """The ids of a text that may go on, EOS for its line breaks where lines end in it."""
        return self._joined(lines_of(text)) if self.line_ends else self.reader.encode(text)

    def going_on(self, text: str) -> list[int]:
        r"""The ids of a part of a text that comes in parts.

        Lines end in ``\n`` and ``\r\n`` alone, since whether ``\r`` does only the whole tells.
        """
        return self._joined(text.replace("\r\n", "\n").split("\n")) if self.line_ends else self.reader.encode(text)

    def _joined(self, lines: Sequence[str]) -> list[int]:
        first, *others = map(self.reader.encode, lines)
        return [*first, *(token for line in others for token in (EOS_ID, *line))]

    def score(self, text: str, ids: Sequence[int], total: float, each: Sequence[float] | None = None) -> Score:
        """A text's score.

        Args:
            text: The text.
            ids: Of its tokens.
            total: Their log-probability in nats.
            each: That of every token, where it is wanted.
        """
        scored = None
        if each is not None:
            scored = [TokenScore(*pair) for pair in zip(self.reader.tokens(ids), each, strict=True)]
        mean = perplexity(-total / len(ids)) if ids else 1.0
        return Score(text, total, len(ids), mean, list(ids).count(UNK_ID), scored)

    def continued(self, prompt: str, ids: Sequence[int], drawn: Iterable[int]) -> Iterator[str]:
        """A text that goes on from a prompt, piece by piece, the prompt first.

        Args:
            prompt: It comes back as it was given, also where the model reads UNK in it.
            ids: Of its tokens.
            drawn: The tokens after it.
        """
        if self.reader.unit not in ("words", "tokens"):
            return chain([prompt], self.reader.stream(drawn, self.line_ends))
        # A word's space depends on the word before it.
        spelled = self.reader.stream(chain(ids, drawn), self.line_ends)
        return chain([prompt.rstrip(" ")], islice(spelled, len(ids), None))
