"""Numbers as people write them: what is missing, decimal commas, signs between thousands."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.data.series.series import Numbers
from throughtime.data.tables.heading import is_time
from throughtime.errors import UserError, shown
from throughtime.runtime.reading.notes import note

Column = Sequence[Any] | npt.NDArray[Any]
"""Cells of a column: texts, or what a file with types has."""

Refuse = Callable[[int, str, object], UserError]
"""Makes the error of a cell: its row in the column, what was expected, what stands there."""

MISSING = frozenset(
    ["", "na", "n/a", "#n/a", "#na", "<na>", "nan", "nat", "null", "none", "nil", "missing", "-", "--", "?", ".", "\\n"]
)
"""How people write, in lower case, that a value is missing."""

POINT, COMMA = ".", ","

TOLD = 100
"""Cells by which it is told what a column holds."""

_GROUPS = {POINT: r"[,' \u00a0\u202f]", COMMA: r"[.' \u00a0\u202f]"}
"""Signs between thousands where the decimal sign is this."""

_NUMBER = {
    sign: re.compile(
        rf"[+-]?(?:[0-9]{{1,3}}(?:{groups}[0-9]{{3}})+|[0-9]+)?(?:\{sign}[0-9]*)?(?:[eE][+-]?[0-9]{{1,4}})?", re.ASCII
    )
    for sign, groups in _GROUPS.items()
}

_SURE_COMMA = re.compile(r"[+-]?[0-9]*,(?:[0-9]{1,2}|[0-9]{4,})(?:[eE].*)?|[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]*")
_SURE_POINT = re.compile(r"[+-]?[0-9]*\.(?:[0-9]{0,2}|[0-9]{4,})(?:[eE].*)?|[+-]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]*")
_EITHER = re.compile(r"[+-]?[0-9]{1,3}[.,][0-9]{3}")


def is_missing(cell: object) -> bool:
    """Whether a cell says that there is no value.

    Example:
        >>> [is_missing(cell) for cell in ("", " N/A ", "?", None, float("nan"), "0", 0)]
        [True, True, True, True, True, False, False]
    """
    if isinstance(cell, str):
        return cell.strip().lower() in MISSING
    return cell is None or cell != cell


def number_of(text: str, decimal: str = POINT) -> float | None:
    """The number that a text is; None: it is none.

    Example:
        >>> number_of("1,234.5"), number_of("1.234,5", ","), number_of("1 234"), number_of("3,14"), number_of("1_000")
        (1234.5, 1234.5, 1234.0, None, None)
    """
    stripped = text.strip()
    if not _NUMBER[decimal].fullmatch(stripped) or not any(letter.isdigit() for letter in stripped):
        return None
    plain = re.sub(_GROUPS[decimal], "", stripped).replace(decimal, ".")
    try:
        return float(plain)
    except ValueError:  # an exponent alone
        return None


def decimal_of(path: Path, cells: Iterable[object], separator: str) -> str:
    """The decimal sign of a table's numbers, told where it is a comma, or where it might be another.

    Args:
        path: The file, for messages.
        cells: Some of its cells.
        separator: Between cells: where that is a comma, one between digits stands between thousands.
    """
    texts = [cell.strip() for cell in cells if isinstance(cell, str) and ("," in cell or "." in cell)]
    comma = next((text for text in texts if _SURE_COMMA.fullmatch(text)), None)
    point = next((text for text in texts if _SURE_POINT.fullmatch(text)), None)
    either = next((text for text in texts if _EITHER.fullmatch(text)), None)
    commas = next((text for text in texts if "," in text and _EITHER.fullmatch(text)), None)
    if comma is not None and point is None:
        note(f"{path}: numbers have a decimal comma, as in {comma!r}")
        return COMMA
    if point is None and commas is not None and separator != COMMA:
        note(f"{path}: numbers have a decimal comma, as in {commas!r}; pass --decimal . if it stands between thousands")
        return COMMA
    if commas is not None:
        note(f"{path}: a comma in numbers stands between thousands, as in {commas!r}; pass --decimal , if it does not")
    elif point is None and either is not None and separator == ";":
        note(f"{path}: numbers have a decimal point, as in {either!r}; pass --decimal , if it stands between thousands")
    return POINT


def numbers(column: Column, decimal: str, refuse: Refuse) -> Numbers:
    """A column as numbers, NaN where one is missing.

    Raises:
        UserError: If a cell is text, or beyond all bounds.
    """
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        found = column.astype(np.float64)
    else:
        cells = column.tolist() if isinstance(column, np.ndarray) else column
        quick = _quick(cells) if decimal == POINT else None
        found = (
            np.array([_number(at, cell, decimal, refuse) for at, cell in enumerate(cells)]) if quick is None else quick
        )
    if np.isinf(found).any():
        at = int(np.flatnonzero(np.isinf(found))[0])
        raise refuse(at, "a finite number", column[at] if isinstance(column[at], str) else float(found[at]))
    return found.astype(np.float64)


def _quick(cells: Sequence[Any]) -> Numbers | None:
    """Cells by the reader of Python, which is fast; None where it refuses one, or takes what is no number here."""
    try:
        whole = "".join(cells)
        if "_" in whole or not whole.isascii():
            return None
        return np.array([float(cell) if cell else math.nan for cell in cells], np.float64)
    except (TypeError, ValueError):
        return None


def _number(at: int, cell: object, decimal: str, refuse: Refuse) -> float:
    if is_missing(cell):
        return math.nan
    if isinstance(cell, int | float | np.number | np.bool_):
        try:
            return float(cell)
        except OverflowError:
            return math.inf
    found = number_of(cell, decimal) if isinstance(cell, str) else None
    if found is None:
        if isinstance(cell, str) and cell.strip().lower().lstrip("+-") in ("inf", "infinity", "∞"):
            raise refuse(at, "a finite number", cell)
        raise refuse(at, "a number", cell)
    return found


def texts(column: Column) -> list[str]:
    """A column as texts, empty where nothing stands; whole numbers without a point.

    Example:
        >>> texts(["a", " ", None, 3, 2.0, 2.5])
        ['a', '', '', '3', '2', '2.5']
    """
    cells = column.tolist() if isinstance(column, np.ndarray) else column
    return [cell.strip() if isinstance(cell, str) else _text(cell) for cell in cells]


def _text(cell: object) -> str:
    if is_missing(cell):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def kind_of(column: Column) -> str:
    """What a column holds, by the most of its cells: ``"time"``, ``"number"`` or ``"text"``.

    Example:
        >>> kind_of(["1", "", "2,5", "oops"]), kind_of(["2024-01-01", ""]), kind_of(["a", "1", "b"])
        ('number', 'time', 'text')
    """
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiubM":
        return "time" if column.dtype.kind == "M" else "number"
    cells = column.tolist() if isinstance(column, np.ndarray) else column
    there = [cell for cell in cells if not is_missing(cell)][:TOLD]
    if there and 2 * sum(isinstance(cell, str) and is_time(cell) for cell in there) > len(there):
        return "time"
    counted = sum(
        not isinstance(cell, str) or any(number_of(cell, sign) is not None for sign in _NUMBER) for cell in there
    )
    return "number" if 2 * counted >= len(there) else "text"


def refused(place: str, expected: str, column: str, cell: object, remedy: str) -> UserError:
    """The error of a cell."""
    return UserError(f"{place}: expected {expected} in column {column!r}, got {shown(cell)}; {remedy}")
