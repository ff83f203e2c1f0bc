"""Tables that are read whole, and written again with columns added."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from throughtime.data.tables.dialect import Dialect
from throughtime.data.tables.rows import JSON, TABLES, NoText, parse_line, parse_table, separator_of
from throughtime.errors import UserError, listed, shown
from throughtime.runtime.reading.files import file_lines

Added = Mapping[str, Any]
"""What is added to a row, by the name of its column: texts, numbers, or lists of them."""


@dataclass(frozen=True)
class Record:
    """A row of a sheet.

    Attributes:
        line: Its number; of a row over several lines, the last.
        values: Its cells by column; None: it holds none, or is left out.
        cells: As they stand in a table of cells.
        raw: As it stands in a file of JSON lines.
    """

    line: int
    values: dict[str, str] | None
    cells: list[str] = field(default_factory=list)
    raw: str = ""


@dataclass(frozen=True)
class Sheet:
    """The rows of a file with columns, of a file with a text a line, or of data in memory.

    Attributes:
        path: What messages call it.
        names: Of the columns.
        records: Its rows, also those that are left out.
        dialect: How cells are divided; None: they come from no table of cells.
        heading: The row that names the columns, as it stands or should; None: there is none.
        lead: Lines before all others.
    """

    path: Path
    names: list[str]
    records: list[Record]
    dialect: Dialect | None = None
    heading: Sequence[str] | None = None
    lead: Sequence[str] = ()

    suffixes = TABLES
    """Of the files that it can be written to."""

    def written(self, added: Sequence[Added | None], suffix: str) -> Iterator[bytes]:
        """The sheet as a file, line by line.

        Args:
            added: To each record; None: it is left out.
            suffix: One of :attr:`suffixes`.

        Raises:
            UserError: If a cell cannot stand in a file of that kind; names the line.
        """
        names = free_names(added, [*self.names, *(self.heading or ())])
        rows = zip(self.records, added, strict=True)
        if suffix in JSON:
            for record, more in rows:
                if values := record.values or dict(zip(self.names, record.cells, strict=False)):
                    yield _as_json(values, record.raw, {new: (more or {}).get(name) for name, new in names.items()})
            return
        dialect = self.dialect if self.dialect is not None and suffix == self.path.suffix.lower() else _usual(suffix)
        if dialect == self.dialect:
            yield from (line.encode() for line in self.lead)
        if self.heading is not None:
            yield _as_cells([*self.heading, *names.values()], dialect, f"{self.path}: the heading")
        for record, more in rows:
            cells = record.cells or [(record.values or {}).get(name, "") for name in self.names if record.values]
            wide = [*cells, *[""] * len(self.names)][: len(self.names)]
            beside = [as_cell((more or {}).get(name)) for name in names]
            yield _as_cells([*wide, *beside] if cells else [], dialect, f"{self.path}:{record.line}")


def read_sheet(path: Path, headings: Set[str], header: bool | None = None, separator: str | None = None) -> Sheet:
    """A file with columns, one of :data:`~throughtime.data.tables.rows.TABLES`.

    Args:
        path: The file.
        headings: Names, in lower case, by which a heading is known.
        header: Whether the first row is a heading; None: judged by the whole.
        separator: What divides cells; None: as its name says, or looked for.

    Raises:
        UserError: As :func:`throughtime.data.tables.rows.read_rows`.
    """
    if path.suffix.lower() in JSON:
        lines = [(number, line.rstrip("\n")) for number, line in enumerate(file_lines(path), 1)]
        records = [
            Record(number, parse_line(line, f"{path}:{number}") if line.strip() else None, raw=line)
            for number, line in lines
        ]
        names = list(dict.fromkeys(name for found in records for name in found.values or ()))
        return Sheet(path, names, records, heading=names)
    table = parse_table(path, separator or separator_of(path), headings, header)
    records = [Record(number, table.values(f"{path}:{number}", row), row) for number, row in table.rows]
    return Sheet(path, table.names, records, table.dialect, table.heading, table.lead)


def sheet_of_lines(path: Path, name: str, lines: Iterable[str]) -> Sheet:
    """A text a line, as a sheet of one column."""
    return Sheet(path, [name], [Record(number, {name: line}) for number, line in enumerate(lines, 1)], heading=[name])


def sheet_of_rows(rows: Sequence[Mapping[str, Any]]) -> Sheet:
    """Rows in memory; what is no text is kept as JSON, where it has such a form."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    records = [
        Record(number, {name: _as_text(value) for name, value in row.items()}) for number, row in enumerate(rows, 1)
    ]
    return Sheet(Path("data in memory"), names, records, heading=names)


def free_names(added: Iterable[Added | None], taken: Iterable[str]) -> dict[str, str]:
    """Names for columns that are added, by what they are: others than those that are there.

    Example:
        >>> free_names([None, {"predicted": "a", "probability": 0.5}], ["text", "Predicted"])
        {'predicted': 'predicted_2', 'probability': 'probability'}
    """
    there = {name.strip().lower() for name in taken}
    found: dict[str, str] = {}
    for name in dict.fromkeys(name for more in added for name in more or ()):
        new, number = name, 1
        while new.lower() in there:
            number += 1
            new = f"{name}_{number}"
        found[name] = new
        there.add(new.lower())
    return found


def as_cell(value: Any) -> str:
    """A value as the text of a cell: what is no text as JSON, nothing where there is none.

    Example:
        >>> as_cell("a"), as_cell(0.25), as_cell([[0, 4, "person"]]), as_cell(None)
        ('a', '0.25', '[[0, 4, "person"]]', '')
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def check_written(suffixes: Sequence[str], out: Path, source: Path) -> None:
    """Refuses a file that predictions cannot be written to, before anything is computed.

    Raises:
        UserError: If its suffix is none of some, or it is the file that is read.
    """
    if out.suffix.lower() not in suffixes:
        raise UserError(f"--out: expected a file that ends in {listed(suffixes)} for what is read, got {out}")
    if out.exists() and source.exists() and out.samefile(source):
        raise UserError(f"--out: expected another file than the one that is read, got {out}; name a new one")


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return NoText.of(value)
    except (KeyError, TypeError, ValueError):  # an array, say: it may be an input, and is written nowhere
        return NoText()


def _as_json(values: Mapping[str, str], raw: str, added: Mapping[str, Any]) -> bytes:
    """A row as a line of JSON: what stood in one stays as it stood."""
    if raw:
        before = raw.rstrip()[:-1].rstrip()
        between = ", " if added and before != "{" else ""
        return f"{before}{between}{json.dumps(added, ensure_ascii=False)[1:]}\n".encode()
    whole = {name: json.loads(v or "null") if isinstance(v, NoText) else v for name, v in values.items()}
    return f"{json.dumps({**whole, **added}, ensure_ascii=False)}\n".encode()


def _usual(suffix: str) -> Dialect:
    return Dialect(",") if suffix == ".csv" else Dialect("\t", quoted=False)


def _as_cells(cells: Sequence[str], dialect: Dialect, where: str) -> bytes:
    """A row of cells; quotes stand around those that need them."""
    special: tuple[str, ...] = (dialect.separator, "\n", "\r")
    if not dialect.quoted:
        for cell in cells:
            if any(sign in cell for sign in special):
                raise UserError(
                    f"{where}: expected cells that a table without quotes can hold, got {shown(cell)}, which has its "
                    "separator or a line break in it; write a .csv or .jsonl"
                )
        return f"{dialect.separator.join(cells)}\n".encode()
    special = (*special, '"')
    quoted = [any(sign in cell for sign in special) or cell[:1] == " " or cells == [""] for cell in cells]
    whole = [_quoted(cell) if needs else cell for cell, needs in zip(cells, quoted, strict=True)]
    return f"{dialect.separator.join(whole)}\n".encode()


def _quoted(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'
