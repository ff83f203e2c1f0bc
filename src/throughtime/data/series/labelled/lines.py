"""Labelled series as JSON lines, one each, as data in memory are kept, too.

A line::

    {"series": [[0.1, 4.0], [0.2, null]], "label": "up"}

``series`` is a list of steps, each a list of numbers, or one number where there is one channel; ``null`` is missing.
``label`` is a text or a number of the whole, or a list with one of every step; ``name`` is optional.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from throughtime.data.series.labelled.series import FURTHEST, LabelledSeries, Values, check_series
from throughtime.errors import UserError, shown
from throughtime.plain import parse_object
from throughtime.runtime.reading.files import file_lines

SUFFIX = ".jsonl"


def read_labelled_lines(path: Path) -> Iterator[LabelledSeries]:
    """The series of a file.

    Raises:
        UserError: If a line is not as it should be; names it.
    """
    for number, line in enumerate(file_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        row = parse_object(line, where)
        channels = _channels(row.get("series"), where)
        label, labels = _labels(row.get("label"), len(channels[0]), where)
        name = row.get("name")
        yield check_series(
            LabelledSeries(channels, label, labels, where, name if isinstance(name, str) else str(number))
        )


def _channels(found: Any, where: str) -> list[Values]:
    if not isinstance(found, list) or not found:
        raise UserError(f"{where}: expected a list of steps under series, got {shown(found)}")
    steps = [step if isinstance(step, list) else [step] for step in found]
    for at, step in enumerate(steps, 1):
        if not step or len(step) != len(steps[0]):
            raise UserError(f"{where}: expected {len(steps[0]) or 'some'} numbers in step {at}, got {len(step)}")
        for value in step:
            fits = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
            if not fits or (value is not None and not abs(value) <= FURTHEST):
                raise UserError(
                    f"{where}: expected numbers at most {FURTHEST:g} from 0, or null, in step {at}, got {shown(value)}"
                )
    return [[None if step[at] is None else float(step[at]) for step in steps] for at in range(len(steps[0]))]


def _labels(found: Any, steps: int, where: str) -> tuple[str, list[str]]:
    """The label of the whole, and those of the steps."""
    several = isinstance(found, list)
    texts = [_label(each, where) for each in (found if several else [found])]
    if several and len(texts) != steps:
        raise UserError(f"{where}: expected a label of each of {steps:,} steps, got {len(texts):,}")
    return ("", texts) if several else (texts[0], [])


def _label(value: Any, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UserError(f"{where}: expected a text or a number as label, got {shown(value)}")
    return value.strip() if isinstance(value, str) else repr(value)
