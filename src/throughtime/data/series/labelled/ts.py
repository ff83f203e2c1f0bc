"""The ``.ts`` files of the UCR and UEA archives (Bagnall et al. 2018), as sktime and aeon write them.

A head of lines that begin with ``@``, then a series a line: channels between colons, values between commas, the label
last::

    # a comment
    @problemName JapaneseVowels
    @timeStamps false
    @univariate false
    @classLabel true 1 2 3
    @data
    1.86,1.89,?,1.71:-0.20,-0.19,-0.23,-0.31:1

``@targetLabel true`` instead of ``@classLabel``: the label is a number. With ``@timeStamps true`` a value is a pair,
``(2024-03-01 10:00:00,1.86)`` or ``(0,1.86)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from throughtime.data.series.labelled.series import LabelledSeries, Values, check_series, is_missing, read_value
from throughtime.data.series.labelled.times import check_forward, read_time
from throughtime.errors import UserError, listed, nearest
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import note

SUFFIX = ".ts"

FLAGS = ("timestamps", "missing", "univariate", "equallength", "targetlabel")
"""Fields that are true or false."""

NUMBERS = ("dimension", "dimensions", "serieslength")
"""Fields that are numbers."""

TEXTS = ("problemname", "classlabel", "data")

_PAIR = re.compile(r"\s*\(([^()]*),([^(),]*)\)\s*(?:,|$)")


@dataclass
class Head:
    """What the head of a file says.

    Attributes:
        flags: By the name of the field, in lower case.
        numbers: The same.
        classes: Those that are named; None: series have none.
    """

    flags: dict[str, bool] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    classes: list[str] | None = None

    @property
    def labelled(self) -> bool:
        """Whether a label stands behind the channels."""
        return self.classes is not None or self.flags.get("targetlabel", False)


def is_ts(path: Path) -> bool:
    """Whether a file is one of these, and not a video of the same suffix, which does not begin with text."""
    try:
        first = next((line for line in file_lines(path) if line.strip()), "")
    except UserError:
        return False
    return first.lstrip("\ufeff \t").startswith(("#", "@"))


def read_ts(path: Path) -> Iterator[LabelledSeries]:
    """The series of a file.

    Raises:
        UserError: If a line of it is not as it should be, or not as the head says; names the line.
    """
    head, begun = Head(), False
    for number, line in enumerate(file_lines(path), 1):
        text, where = line.strip(), f"{path}:{number}"
        if not text or text.startswith(("#", "%")):
            continue
        if begun:
            yield _series(text, head, where)
        elif not text.startswith("@"):
            raise UserError(f"{where}: expected a field such as @classLabel, or @data, got {text[:40]!r}")
        else:
            begun = _take(text, head, where)
            if begun and head.flags.get("timestamps"):
                note(f"{path}: times are taken for the order of the steps alone")
    if not begun:
        raise UserError(f"{path}: expected @data and series below it, got none")


def _take(text: str, head: Head, where: str) -> bool:
    """Takes in a field of the head; whether it is the last, ``@data``."""
    name, *words = text[1:].split()
    key = name.lower()
    if key in FLAGS:
        head.flags[key] = _flag(name, words, where)
    elif key in NUMBERS:
        if len(words) != 1 or not re.fullmatch(r"[0-9]{1,9}", words[0]):
            raise UserError(f"{where}: expected a number after @{name}, got {listed(words) or 'nothing'}")
        head.numbers[key.rstrip("s") if key.startswith("dim") else key] = int(words[0])
    elif key == "classlabel":
        if _flag(name, words[:1], where):
            head.classes = words[1:]
        elif words[1:]:
            raise UserError(f"{where}: expected no classes after @{name} false, got {listed(words[1:])}")
    elif key not in TEXTS:
        known = [*FLAGS, *NUMBERS, *TEXTS]
        raise UserError(f"{where}: unknown field @{name[:40]}{nearest(key, known)}; expected {listed(known, 12)}")
    return key == "data"


def _flag(name: str, words: list[str], where: str) -> bool:
    if len(words) != 1 or words[0].lower() not in ("true", "false"):
        raise UserError(f"{where}: expected true or false after @{name}, got {listed(words) or 'nothing'}")
    return words[0].lower() == "true"


def _series(text: str, head: Head, where: str) -> LabelledSeries:
    timed = head.flags.get("timestamps", False)
    parts = _split(text) if timed else text.split(":")
    label = parts.pop().strip() if head.labelled else ""
    if head.labelled and (is_missing(label) or not parts):
        raise UserError(f"{where}: expected a label behind the last colon, got {label[:40]!r}")
    if head.classes and label not in head.classes:
        raise UserError(f"{where}: expected a class of @classLabel, {listed(head.classes)}, got {label[:40]!r}")
    channels = [
        _timed(part, where) if timed else [read_value(cell, where) for cell in part.split(",")] for part in parts
    ]
    found = check_series(LabelledSeries(channels, label, [], where, where.rpartition(":")[2]))
    wanted = head.numbers.get("dimension", 1 if head.flags.get("univariate") else len(channels))
    if len(channels) != wanted:
        raise UserError(f"{where}: expected {wanted} channels between colons, as the head says, got {len(channels)}")
    length = head.numbers.get("serieslength", 0)
    if head.flags.get("equallength") and length and found.steps != length:
        raise UserError(f"{where}: expected {length:,} steps, as @seriesLength says, got {found.steps:,}")
    return found


def _split(text: str) -> list[str]:
    """Parts between colons that stand outside of brackets: times have colons in them."""
    return re.split(r":(?![^(]*\))", text)


def _timed(part: str, where: str) -> Values:
    """The values of pairs of a time and a value, whose times go on."""
    times, values, end = [], [], 0
    while end < len(part):
        found = _PAIR.match(part, end)
        if found is None:
            raise UserError(f"{where}: expected (time,value), got {part[end : end + 40].strip()!r}")
        times.append(found[1].strip())
        values.append(read_value(found[2], where))
        end = found.end()
    check_forward([read_time(time, where) for time in times], times, [where] * len(times))
    return values
