"""Symbols that were heard, as text and with their times."""

from __future__ import annotations

from collections.abc import Sequence


def join_units(units: Sequence[str], unit: str) -> str:
    """Characters or words as a transcript.

    Example:
        >>> join_units([" ", "n", "o", " ", " ", "w"], "characters"), join_units(["no", "one"], "words")
        ('no w', 'no one')
    """
    return " ".join(("" if unit == "characters" else " ").join(units).split())


def seconds_of(first: int, last: int, step: float, end: float) -> tuple[float, float]:
    """Beginning and end of a span of steps, not past the recording's end.

    Example:
        >>> seconds_of(2, 3, 0.03, 0.11)
        (0.06, 0.11)
    """
    return round(first * step, 3), round(min((last + 1) * step, max(end, first * step)), 3)
