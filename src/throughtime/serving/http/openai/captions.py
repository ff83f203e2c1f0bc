"""Words with their times as captions: lines that can be read while they stand there.

SubRip (.srt) has no standard but its use; WebVTT is W3C's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

LINE, LINES = 42, 2
"""Letters of a line, and lines at once: what broadcasters ask of captions."""

SECONDS = 7.0
"""That a caption stands, at most."""

PAUSE = 1.0
"""Seconds of silence after which another caption begins."""


@dataclass(frozen=True)
class Word:
    """A word that was heard.

    Attributes:
        word: Its letters.
        start: Seconds from the beginning.
        end: Likewise.
        probability: That of its least sure symbol.
    """

    word: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Caption:
    """Words that stand together."""

    words: Sequence[Word]

    @property
    def start(self) -> float:
        """Seconds from the beginning."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Likewise."""
        return self.words[-1].end

    @property
    def text(self) -> str:
        """Its words in one line."""
        return " ".join(each.word for each in self.words)

    @property
    def lines(self) -> list[str]:
        """Its words in lines; a word that is longer than one stays whole."""
        return _lines(self.text)


def captions(words: Iterable[Word]) -> list[Caption]:
    """Words in groups: a pause, seven seconds or two full lines end one.

    Example:
        >>> heard = [Word("good", 0.1, 0.4, 0.9), Word("day", 0.5, 0.8, 0.9), Word("all", 2.5, 2.9, 0.9)]
        >>> [caption.text for caption in captions(heard)]
        ['good day', 'all']
    """
    groups: list[list[Word]] = []
    for word in words:
        if groups and _fits(groups[-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [Caption(group) for group in groups]


def srt(found: Sequence[Caption]) -> str:
    r"""As SubRip.

    Example:
        >>> srt([Caption([Word("day", 0.5, 3661.25, 0.9)])])
        '1\n00:00:00,500 --> 01:01:01,250\nday\n\n'
    """
    return "".join(
        f"{number}\n{_time(each.start, ',')} --> {_time(each.end, ',')}\n{_block(each).replace('-->', '→')}\n\n"
        for number, each in enumerate(found, 1)
    )


def vtt(found: Sequence[Caption]) -> str:
    r"""As WebVTT.

    Example:
        >>> vtt([Caption([Word("R&B", 0.5, 1.25, 0.9)])])
        'WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nR&amp;B\n\n'
    """
    cues = (
        f"{_time(each.start, '.')} --> {_time(each.end, '.')}\n{escape(_block(each), quote=False)}\n\n"
        for each in found
    )
    return "WEBVTT\n\n" + "".join(cues)


def _fits(group: Sequence[Word], word: Word) -> bool:
    together = Caption([*group, word])
    pause = word.start - group[-1].end
    return pause < PAUSE and together.end - together.start <= SECONDS and len(together.lines) <= LINES


def _block(caption: Caption) -> str:
    return "\n".join(caption.lines)


def _lines(text: str) -> list[str]:
    return textwrap.wrap(text, LINE, break_long_words=False, break_on_hyphens=False)


def _time(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and thousandths."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
