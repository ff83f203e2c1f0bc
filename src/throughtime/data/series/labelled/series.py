"""Series of numbers with what is to be told of them: a class or a number of the whole, or a label of every step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from throughtime.errors import UserError

FURTHEST = 1e15
"""Of a value: squares of those beyond it would be infinite in a model."""

MISSING = frozenset({"", "?", "nan", "na", "n/a", "null", "none", "<na>"})
"""What is written where no value is, in lower case."""

Values = list[float | None]
"""Of a channel over time; None where one is missing."""


@dataclass(frozen=True)
class LabelledSeries:
    """A series.

    Attributes:
        channels: What was measured, a list over time each, all of one length: ``[C][T]``.
        label: The class, or the number, of the whole; empty where there is none.
        labels: The label of every step; empty where steps have none.
        where: File and line of its beginning.
        name: What its file calls it; its line where it has no name.
    """

    channels: list[Values]
    label: str
    labels: list[str]
    where: str
    name: str

    @property
    def steps(self) -> int:
        """T."""
        return len(self.channels[0])


def read_value(cell: str, where: str) -> float | None:
    """A cell as a number; None where it says that one is missing.

    Raises:
        UserError: If it is text, infinite, or further from 0 than :data:`FURTHEST`.

    Example:
        >>> read_value("4.5", "a.csv:1"), read_value("?", "a.csv:1"), read_value(" NaN", "a.csv:1")
        (4.5, None, None)
    """
    try:
        value = float(cell)
    except ValueError:
        if is_missing(cell):
            return None
        raise UserError(f"{where}: expected a number, or ? where one is missing, got {cell.strip()[:40]!r}") from None
    if value != value:
        return None
    if not abs(value) <= FURTHEST or "_" in cell:
        raise UserError(f"{where}: expected a number at most {FURTHEST:g} from 0, got {cell.strip()[:40]!r}")
    return value


def is_missing(cell: str) -> bool:
    """Whether a cell says that a value is missing."""
    return cell.strip().lower() in MISSING


def check_series(series: LabelledSeries) -> LabelledSeries:
    """The series, if it has steps, channels of one length, and a value at all.

    Raises:
        UserError: If it has not; names where it stands.
    """
    lengths = list(map(len, series.channels))
    if not lengths or not max(lengths):
        raise UserError(f"{series.where}: expected a series of at least one step, got none")
    if len(set(lengths)) > 1:
        at = next(at for at, length in enumerate(lengths) if length != lengths[0])
        raise UserError(
            f"{series.where}: expected channels of one length, got {lengths[0]:,} steps in channel 1 and "
            f"{lengths[at]:,} in channel {at + 1}; write ? where a value is missing"
        )
    if all(value is None for values in series.channels for value in values):
        raise UserError(f"{series.where}: expected a series with values, got one in which all are missing")
    return series


_WHOLE = re.compile(r"[+-]?\d{1,15}(\.0*)?")


def are_numbers(labels: Sequence[str]) -> bool:
    """Whether labels are amounts: numbers of which some have a fraction, or which hardly recur.

    Example:
        >>> are_numbers(["1", "2", "1", "2"]), are_numbers(["1.5", "2", "7"]), are_numbers(["a", "1.5"])
        (False, True, False)
    """
    try:
        values = [float(label) for label in labels]
    except ValueError:
        return False
    whole = all(_WHOLE.fullmatch(label.strip()) for label in labels)
    return bool(values) and (not whole or (len(values) > 20 and 2 * len(set(values)) > len(values)))
