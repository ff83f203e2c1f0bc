"""Figures as people read them: with the unit that their name stands for, and with the digits that mean something."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

PERCENT = ("accuracy", "f1", "precision", "recall", "error", "solved", "exact", "met")
"""Words of names of figures that are percents; of those met in training, too."""
SHARES = ("share", "balanced accuracy", "sensitivity", "specificity", "right strand", "right frame", "coding")
"""Ends of names of figures that are shares of one."""
NATS = ("loss", "lift")
"""The same of figures in nats whose names do not say so."""

SINGLE = ("steps", "best step", "beam", "batch")
"""Counts that are none of examples."""


def unit_of(name: str) -> str:
    """What a figure is counted in, by its name: ``"%"``, ``"share"`` (of one), ``"s"``, ``"nats"``; else nothing.

    Example:
        >>> [unit_of(name) for name in ("word_error", "F1", "squared_error", "balanced accuracy", "seconds", "mcc")]
        ['%', '%', '', 'share', 's', '']
    """
    told = name.lower().replace("_", " ")
    if told.endswith(SHARES):
        return "share"
    if told.endswith("%"):
        return "%"
    words = told.split()
    if any(word in PERCENT for word in words) and not {"squared", "nats"} & set(words):
        return "%"
    return "s" if told.endswith("seconds") else "nats" if told.endswith(NATS) else ""


def called(name: str) -> str:
    """A figure's name as people write it.

    Example:
        >>> called("macro_f1"), called("nats_per_frame")
        ('macro F1', 'nats per frame')
    """
    return " ".join("F1" if word == "f1" else word for word in name.split("_"))


def figure(name: str, value: Any, among: int | None = None) -> str:
    """A figure by itself.

    Args:
        name: What it is called; its unit follows from that.
        value: What it is.
        among: How many examples it was measured on: a percent of twenty has no digit behind the point that means any.

    Example:
        >>> figure("accuracy", 63.1579, 19), figure("accuracy", 63.1579, 1900), figure("balanced_accuracy", 0.5)
        ('63 %', '63.16 %', '50.0 %')
        >>> figure("perplexity", 110.4321), figure("loss", 0.51234), figure("seconds", 80.2), figure("tokens", 1200)
        ('110.43', '0.512 nats', '1 min 20 s', '1,200')
    """
    unit = unit_of(name)
    if unit == "s" and isinstance(value, float | int):
        return duration(value)
    if not isinstance(value, float):
        return f"{value:,}" if type(value) is int else str(value)
    if unit in ("%", "share"):
        return f"{percent(value, unit, among)} %"
    return f"{number(value)} nats" if unit == "nats" else number(value)


def percent(value: float, unit: str, among: int | None = None) -> str:
    """A percent, or a share of one as such, without its sign.

    Example:
        >>> percent(0.25, "share"), percent(12.34, "%", 10), percent(12.34, "%", 10_000)
        ('25.0', '12', '12.34')
    """
    digits = 1 if among is None else min(2, max(0, len(str(max(1, among - 1))) - 2))
    # What is called a share and is none, as 65, was a percent before.
    value = 100 * value if unit == "share" and 0 <= value <= 1 else value
    return f"{value:,.{digits}f}" if abs(value) < 1e9 else number(value)


def share(value: float) -> str:
    """A share of one that somebody chose, in percent.

    Example:
        >>> share(0.1), share(0.125), share(1 / 3)
        ('10 %', '12.5 %', '33.3 %')
    """
    return f"{100 * value:.3g} %"


def ordinal(number: int) -> str:
    """Which one of many.

    Example:
        >>> [ordinal(number) for number in (2, 3, 10, 11, 21, 112)]
        ['2nd', '3rd', '10th', '11th', '21st', '112th']
    """
    end = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{end}"


def number(value: float) -> str:
    """A number with three digits that mean something, or more before the point.

    Example:
        >>> [number(value) for value in (0.00012345, 0.51234, 4.70449, 110.4321, 50.0, 12345.6, 1e300)]
        ['0.000123', '0.512', '4.704', '110.43', '50', '12,345.60', '1e+300']
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "-∞"
    size = abs(value)
    if size >= 10 and value == round(value) and size < 1e12:
        return f"{value:,.0f}"
    if 10 <= size < 1e9:
        return f"{value:,.2f}"
    return f"{value:.3f}" if 0.1 <= size < 10 else f"{value:.3g}"


def in_table(name: str, value: str | int | float) -> str:
    """A cell of a table, whose heading tells the unit.

    Example:
        >>> in_table("gap in nats", 12.345), in_table("lr", 0.00123), in_table("words", 1200), in_table("F1", 66.67)
        ('12.35', '0.00123', '1,200', '66.7')
    """
    if isinstance(value, float):
        unit = unit_of(name)
        if unit in ("%", "share"):
            return percent(value, unit)
        return f"{value:,.2f}" if 0.1 <= abs(value) < 1e9 else number(value)
    return f"{value:,}" if isinstance(value, int) else value


def heading(name: str, values: list[Any]) -> str:
    """A heading with the unit of what stands below it.

    Example:
        >>> heading("precision", [66.67, 100.0]), heading("precision", ["high"]), heading("words", [3])
        ('precision %', 'precision', 'words')
    """
    told = any(isinstance(value, float) for value in values) and "%" not in name
    return f"{name} %" if told and unit_of(name) in ("%", "share") else name


def counted(figures: Mapping[str, Any]) -> int | None:
    """How many examples figures were measured on, as far as they tell: their largest count.

    Example:
        >>> counted({"accuracy": 50.0, "examples": 20, "beam": 8}), counted({"steps": 100})
        (20, None)
    """
    counts = [value for name, value in figures.items() if type(value) is int and name.replace("_", " ") not in SINGLE]
    return max(counts, default=None)


def size(count: int) -> str:
    """So many bytes.

    Example:
        >>> size(999), size(123_456), size(5_000_000)
        ('999 B', '123 kB', '5.0 MB')
    """
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:,.0f} kB" if count < 1_000_000 else f"{count / 1e6:,.1f} MB"


def duration(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> duration(0.05), duration(1.94), duration(75), duration(3675), duration(math.inf)
        ('0.05 s', '1.9 s', '1 min 15 s', '1 h 1 min', '–')
    """
    if not math.isfinite(seconds):
        return "–"
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
