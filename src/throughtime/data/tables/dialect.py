"""How a table's cells are divided and quoted."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughtime.errors import UserError
from throughtime.runtime.reading.notes import note

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What divides cells, and what a message calls it."""

BAR = "|"
"""Between cells it leaves quotes as they are, which may be of a text, unless they hold cells throughout."""

TRIED = 100
"""Lines by which separators are told apart."""

_SAID = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How cells are divided and quoted.

    Attributes:
        separator: Between cells.
        quoted: Quotes hold cells; else they are letters.
        spaced: Spaces before a cell are none of it, so that quotes after them hold it, too.
    """

    separator: str
    quoted: bool = True
    spaced: bool = False

    def options(self) -> dict[str, Any]:
        """For :mod:`csv`."""
        quoting: dict[str, Any] = {"strict": True} if self.quoted else {"quoting": csv.QUOTE_NONE}
        return {"delimiter": self.separator, "skipinitialspace": self.spaced, **quoting}


def find_dialect(path: Path, lines: list[str], separator: str | None, headings: Set[str]) -> Dialect:
    """How a table is written; takes a line that only names the separator out of it.

    Args:
        path: The file, for messages.
        lines: Its lines.
        separator: What divides it; None: looked for. Where it is a tab by the file's name, quotes are letters, as in
            most corpora.
        headings: Names, in lower case, by which a heading is known.

    Raises:
        UserError: If two separators divide it equally well.
    """
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is not None and (said := _SAID.fullmatch(lines[first])):
        lines[first] = "\n"
        note(f"{path}:{first + 1}: it names the separator, {said[1]!r}")
        return Dialect(said[1], spaced=_spaced(lines, said[1]))
    if separator is not None:
        return Dialect(separator, quoted=False)
    separator = _separator(path, [line for line in lines[:TRIED] if line.strip()], headings)
    if separator != ",":
        note(f"{path}: its cells are divided by {SEPARATORS[separator]}")
    if separator == BAR:
        return Dialect(BAR, quoted=len(_rows(lines, Dialect(BAR))) == sum(bool(line.strip()) for line in lines))
    return Dialect(separator, spaced=_spaced(lines, separator))


def _separator(path: Path, lines: Sequence[str], headings: Set[str]) -> str:
    """What divides most lines into equally many cells, at least two."""
    if not lines:
        return ","
    tried = {separator: _rows(lines, Dialect(separator, quoted=separator != BAR)) for separator in SEPARATORS}
    shares = {separator: _alike(rows) for separator, rows in tried.items()}
    best = [separator for separator in SEPARATORS if shares[separator] == max(shares.values())]
    if len(best) > 1 and shares[best[0]] == 1.0:
        known = [s for s in best if headings & {cell.strip().lower() for cell in tried[s][0]}]
        if len(known) != 1:
            names = " as well as by ".join(SEPARATORS[separator] for separator in best)
            raise UserError(
                f"{path}: expected one way to divide its lines, got lines that are divided by {names}; name it in a "
                f"first line, as in sep={best[0]}"
            )
        best = known
    return best[0]


def _rows(lines: Sequence[str], dialect: Dialect) -> list[list[str]]:
    """Rows up to the first that is broken, or not whole."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(row for row in csv.reader(lines, **dialect.options()) if row)
    return rows


def _alike(rows: Sequence[Sequence[str]]) -> float:
    """The share of rows that have the commonest number of cells, if that is more than one.

    Example:
        >>> _alike([["a", "b"], ["c", "d"], ["e"]]), _alike([["a"], ["b"]])
        (0.6666666666666666, 0.0)
    """
    widths = Counter(len(row) for row in rows if len(row) > 1)
    return max(widths.values(), default=0) / max(1, len(rows))


def _spaced(lines: Sequence[str], separator: str) -> bool:
    """Whether cells are quoted after spaces, as in ``good, "slow, but good"``."""
    if not any(re.search(rf"(?:^|{re.escape(separator)}) +\"", line) for line in lines):
        return False
    found = [_rows(lines, Dialect(separator, spaced=spaced)) for spaced in (False, True)]
    one, other = ([[cell.lstrip(" ") for cell in row] for row in rows] for rows in found)
    return one != other
