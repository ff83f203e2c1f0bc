"""Whether a table's first row names its columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path

from throughtime.errors import UserError, listed, shown
from throughtime.runtime.reading.notes import note

RARE = 0.05
"""Share of a column's values that may stand there once where others are said to recur."""

_FILE = re.compile(r"\S*[^\s.]\.[A-Za-z]\w{0,4}")
_TIME = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d.*)?|\d{1,2}:\d\d(:\d\d.*)?|\w{3} \w{3} \d{1,2} .*\d{4}")


def is_number(text: str) -> bool:
    """Whether a cell is a number; ``nan`` and ``inf`` are words.

    Example:
        >>> [is_number(text) for text in ("4.5", "-1e3", "1_000", "nan", "five", "٤")]
        [True, True, False, False, False, False]
    """
    return re.fullmatch(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?", text.strip()) is not None


def is_time(text: str) -> bool:
    """Whether a cell is a date, or a time.

    Example:
        >>> [is_time(text) for text in ("2024-03-01", "1/2/2024 10:15", "2024-03-01T10:15:00Z", "10:15", "4.5", "may")]
        [True, True, True, True, False, False]
    """
    return _TIME.fullmatch(text.strip()) is not None


KINDS: dict[str, Callable[[str], bool]] = {
    "a number": is_number,
    "a time": is_time,
    "a file's name": lambda text: _FILE.fullmatch(text.strip()) is not None,
}
"""What a cell may be beside text."""


def has_heading(path: Path, rows: Sequence[tuple[int, list[str]]], headings: Set[str], header: bool | None) -> bool:
    """Whether the first row names the columns; tells how that was found where no known name says so.

    It does where it holds a known name that does not stand in that column again, or where it is unlike the rows below:
    a text above numbers, a value above others that all recur. It does not where it is like them.

    Args:
        path: The file, for messages.
        rows: Line numbers and cells of all rows.
        headings: Names, in lower case, by which a heading is known.
        header: What the user says of it; None: judged.

    Raises:
        UserError: If the rows do not tell; names the options that do.
    """
    if header is not None:
        return header
    number, first = rows[0]
    others = [row for _, row in rows[1:] if row != first]
    columns = [[row[at].strip() for row in others if at < len(row) and row[at].strip()] for at in range(len(first))]
    cells = [cell.strip() for cell in first]
    known = [cell for cell, rest in zip(cells, columns, strict=True) if cell.lower() in headings]
    if any(_stands_alone(cell, rest) for cell, rest in zip(cells, columns, strict=True) if cell in known):
        return True
    if not others:  # one row, or one over and over: were it a heading, there would be nothing below it
        return False
    like = list(_like(cells, columns))
    unlike = list(_unlike(cells, columns))
    if unlike and not any(sure for sure, _ in like):
        note(f"{path}:{number}: the first row is a heading: {unlike[0]}")
        return True
    if like and not unlike:
        note(f"{path}: it has no heading: {like[0][1]}")
        return False
    raise UserError(
        f"{path}:{number}: expected a heading, or a row like the others, got {listed(map(shown, cells))}, which may be "
        "either; pass --header if it names the columns, --no-header if it does not"
    )


def _stands_alone(cell: str, rest: Sequence[str]) -> bool:
    return cell.lower() not in {value.lower() for value in rest}


def _recur(values: Sequence[str]) -> bool:
    """Whether a column's values stand there again and again."""
    times = Counter(values)
    return len(values) > 1 and sum(count == 1 for count in times.values()) <= RARE * len(values)


def _like(cells: Sequence[str], columns: Sequence[Sequence[str]]) -> Iterator[tuple[bool, str]]:
    """What speaks against a heading, and whether it surely does."""
    for cell, rest in zip(cells, columns, strict=True):
        kind = _kind(cell)
        if cell in rest:
            yield _recur(rest), f"{shown(cell)} of the first row stands in its column again"
        elif kind is not None and rest and not _recur(rest) and all(KINDS[kind](value) for value in rest):
            yield not _are_places(cells), f"{shown(cell)} of the first row is {kind} like all below it"


def _unlike(cells: Sequence[str], columns: Sequence[Sequence[str]]) -> Iterator[str]:
    """What speaks for a heading."""
    most = max(map(len, columns))
    for cell, rest in zip(cells, columns, strict=True):
        if not rest or (not cell and len(rest) < most):
            continue
        kind = next((kind for kind, is_kind in KINDS.items() if all(map(is_kind, rest))), None)
        if kind is not None and not KINDS[kind](cell):
            yield f"{shown(cell)} stands above a column where all else is {kind}"
        elif kind is None and _are_places(cells) and is_number(cell) and not any(map(is_number, rest)):
            yield f"{shown(cell)} stands above a column where nothing else is a number"
        elif kind is None and cell and not is_number(cell) and cell not in rest and _recur(rest):
            yield f"{shown(cell)} stands in its column once, where all else recurs"


def _kind(cell: str) -> str | None:
    return next((kind for kind, is_kind in KINDS.items() if is_kind(cell)), None)


def _are_places(cells: Sequence[str]) -> bool:
    """Whether a row counts its columns, as pandas does where they have no names.

    Example:
        >>> [_are_places(cells) for cells in (["0", "1"], ["", "0", "1"], ["1", "2", "3"], ["1", "0"], ["a", "1"])]
        [True, True, True, False, False]
    """
    said = [cell for cell in cells if cell]
    return bool(said) and any(said == [str(at) for at in range(begin, begin + len(said))] for begin in (0, 1))
