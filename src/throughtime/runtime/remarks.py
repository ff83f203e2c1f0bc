"""What the user should know of an input, a line each; whoever collects notes is told."""

from __future__ import annotations

from collections.abc import Iterable

from throughtime.errors import listed
from throughtime.runtime.reading.notes import note
from throughtime.runtime.search import LONGEST

TOO_LONG = 2000
"""Steps of an input from which on the user is told that it takes a while."""


def remark(where: str, lines: Iterable[str]) -> None:
    """Notes what is to be said of an input, its name before each line."""
    for line in lines:
        note(f"{where}: {line}")


def long_input(steps: int, what: str = "words") -> list[str]:
    """Where an input is much longer than what a model is made for.

    Example:
        >>> long_input(20), long_input(3000, "letters")
        ([], ['3,000 letters in one line: this takes a while, and is far from what was trained on'])
    """
    if steps <= TOO_LONG:
        return []
    return [f"{steps:,} {what} in one line: this takes a while, and is far from what was trained on"]


def other_length(letters: int, trained: int) -> list[str]:
    """Where a sequence is not as long as all of training was; 0: lengths differed there."""
    if trained in (0, letters):
        return []
    return [f"{letters:,} letters, where all of training had {trained:,}: expect little of the result"]


def cut_sound(got: float, said: float) -> str:
    """Of a recording that has fewer seconds than it says."""
    return f"the recording is cut off or broken: expected {said:.1f} s of sound, {got:.1f} s could be read"


def of_prompt(unknown: int, tokens: int) -> list[str]:
    """How much of a prompt is not known."""
    return [f"the model does not know {unknown} of the prompt's {tokens} tokens"] if unknown else []


def of_translation(source: str, unknown: int, tokens: int, *, ended: bool) -> list[str]:
    """How long a sentence is, how many of its tokens are not known, whether its translation is cut."""
    lines = long_input(len(source.split()))
    if unknown:
        lines.append(f"the model does not know {unknown} of {tokens} tokens")
    if not ended:
        lines.append(f"no end was found: the translation is cut (at most {LONGEST} tokens)")
    return lines


def of_pronunciation(word: str, unknown: Iterable[str], *, ended: bool) -> list[str]:
    """How long a word is, which of its letters are not known, whether its pronunciation is cut."""
    lines = long_input(len(word), "letters")
    if letters := sorted(set(unknown)):
        lines.append(f"the model has never seen {listed(map(repr, letters))}")
    if not ended:
        lines.append(f"no end was found: the result is cut (at most {LONGEST} sounds)")
    return lines
