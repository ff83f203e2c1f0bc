"""The ``.tsf`` files of the Monash archive (Godahewa et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from throughtime.data.series.building import Builder, Rows
from throughtime.data.series.columns.cells import number_of, numbers, refused
from throughtime.data.series.frequency import parse, parse_at, times_from
from throughtime.data.series.roles import Reading
from throughtime.data.series.series import Series
from throughtime.errors import UserError, shown
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import note

NAMES = ("series_name", "name", "id", "item_id")
START = "start_timestamp"


@dataclass
class Heading:
    """What stands before ``@data``.

    Attributes:
        attributes: Of each series, by name: ``string``, ``numeric`` or ``date``.
        frequency: As the archive names it; empty: none.
    """

    attributes: dict[str, str] = field(default_factory=dict)
    frequency: str = ""


def tsf_series(path: Path, how: Reading) -> Iterator[Series]:
    """A series a line: its attributes and its values, divided by colons.

    Attributes other than its name and its start are static covariates.

    Raises:
        UserError: If a line is broken; names it.
    """
    lines = enumerate(file_lines(path), 1)
    heading = _heading(path, lines)
    frequency = how.frequency or heading.frequency or None
    if heading.frequency and not how.frequency:
        note(f"{path}: a step is {heading.frequency}, as its heading says")
    found = [_row(path, number, line.strip(), heading, frequency) for number, line in lines if line.strip()]
    yield from Builder(path, frequency).series(found)


def _heading(path: Path, lines: Iterator[tuple[int, str]]) -> Heading:
    heading = Heading()
    for number, line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        tag = words[0].lower()
        if tag == "@data":
            return heading
        if tag == "@attribute" and len(words) == 3:
            heading.attributes[words[1]] = words[2].lower()
        elif tag == "@frequency" and len(words) == 2:
            parse_at(f"{path}:{number}", words[1])
            heading.frequency = words[1]
        elif not tag.startswith("@"):
            raise UserError(f"{path}:{number}: expected a line with @ before @data, got {shown(line.strip())}; mend it")
    raise UserError(f"{path}: expected a line @data and series below it, as in the Monash archive, got none")


def _row(path: Path, number: int, line: str, heading: Heading, frequency: str | None) -> Rows:
    where = f"{path}:{number}"
    parts = line.split(":")
    if len(parts) != len(heading.attributes) + 1:
        raise UserError(
            f"{where}: expected {len(heading.attributes)} attributes and values, divided by colons, got {len(parts)}"
        )
    said = dict(zip(heading.attributes, map(str.strip, parts), strict=False))
    values = numbers(
        parts[-1].split(","),
        ".",
        lambda at, expected, cell: refused(
            where, expected, f"value {at + 1}", cell, "mend it, or write ? for what is missing"
        ),
    )
    name = next((said[key] for key in NAMES if key in said), str(number))
    static = {
        key: _static(value, heading.attributes[key]) for key, value in said.items() if key not in NAMES and key != START
    }
    times = None
    if frequency and said.get(START):
        times = times_from(_start(where, said[START]), parse(frequency), np.arange(len(values))).astype(np.int64)
    return Rows(name, np.full(len(values), number), times, values, static=static)


def _static(value: str, kind: str) -> str | float:
    number = number_of(value) if kind == "numeric" else None
    return value if number is None else number


def _start(where: str, text: str) -> np.datetime64:
    """A time as the archive writes it: ``1979-01-01 00-00-00``."""
    day, _, clock = text.replace("T", " ").partition(" ")
    try:
        return np.datetime64(f"{day}T{clock.replace('-', ':')}" if clock else day, "us")
    except ValueError as error:
        raise UserError(f"{where}: expected a start such as 1979-01-01 00-00-00, got {shown(text)}; mend it") from error
