"""Tables of any size as pieces of their columns: CSV, TSV, JSON lines, parquet, arrays."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.data.series.columns.cells import Column
from throughtime.data.series.frequency import Integers
from throughtime.data.tables.dialect import Dialect, find_dialect
from throughtime.data.tables.heading import has_heading
from throughtime.data.tables.rows import JSON, TABLES, separator_of
from throughtime.errors import UserError, shown
from throughtime.extras import extra
from throughtime.plain import open_regular, parse_object
from throughtime.runtime.reading.arrays import ARRAYS, read_arrays
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import leave_out, note

PARQUET = (".parquet", ".pq")
SUFFIXES = (*TABLES, *PARQUET, *ARRAYS)
"""Of files that hold tables."""

HEAD = 1000
"""Lines by which a table's dialect, heading and columns are told."""

HEAD_SIZE = 1 << 20
"""Characters of these lines, but for the first twenty."""

CELLS = 1 << 13
"""Cells of a piece, whose rows are 64 at least: more would be slower, as Python looks through all that is alive."""

PIECE = 1 << 15
"""Rows of a piece of a file with types."""

_HEADINGS = """
date time timestamp datetime ds day month year week hour period
id unique_id item_id series_id series name y value values target
"""
HEADINGS = frozenset(_HEADINGS.split())
"""Names, in lower case, by which a heading is known."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a table.

    Attributes:
        lines: Where each stands: the number of its line, or of its row where there are no lines.
        columns: By name, as long.
    """

    lines: Integers
    columns: dict[str, Column]


@dataclass(frozen=True)
class Table:
    """A table that is read once, piece by piece.

    Attributes:
        path: What messages call it.
        names: Of its columns.
        pieces: Its rows.
        separator: Between cells; a tab where there are none.
    """

    path: Path
    names: list[str]
    pieces: Iterator[Piece]
    separator: str = "\t"

    def peeked(self) -> tuple[Piece, Table]:
        """The first piece, and the same table with it.

        Raises:
            UserError: If there is no row.
        """
        first = next(self.pieces, None)
        if first is None:
            raise UserError(f"{self.path}: expected rows with numbers over time, got none")
        return first, Table(self.path, self.names, chain([first], self.pieces), self.separator)


def read_table(path: Path, header: bool | None = None) -> Table:
    """The table of a file, by its suffix.

    Args:
        path: The file.
        header: Whether the first row names the columns; None: judged.

    Raises:
        UserError: If it is none.
    """
    suffix = path.suffix.lower()
    if suffix in JSON:
        return _json_lines(path)
    if suffix in PARQUET:
        return _parquet(path)
    if suffix in ARRAYS:
        return table_of(path, dict(read_arrays(path)))
    return _cells(path, separator_of(path), header)


def table_of(path: Path, columns: dict[str, Column]) -> Table:
    """A table of whole columns.

    Raises:
        UserError: If they are not of one length.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        few, many = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise UserError(
            f"{path}: expected columns of one length, got {lengths[few]:,} rows of {few!r} and "
            f"{lengths[many]:,} of {many!r}"
        )
    lines = np.arange(1, max(lengths.values(), default=0) + 1)
    return Table(path, list(columns), iter([Piece(lines, columns)] if len(lines) else []))


def heading_of(path: Path) -> list[str]:
    """The cells of the first line of a table of cells."""
    head = _head(file_lines(path))
    dialect = find_dialect(path, head, separator_of(path), HEADINGS)
    return next((cells for _, cells in _rows(path, iter(head), dialect)), [])


def _head(lines: Iterator[str]) -> list[str]:
    """The first lines."""
    found: list[str] = []
    size = 0
    for line in islice(lines, HEAD):
        found.append(line)
        size += len(line)
        if size > HEAD_SIZE and len(found) >= 20:
            break
    return found


def raw_rows(path: Path) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The separator of a table of cells, and line numbers and cells of all rows, of any width, that hold a value.

    Raises:
        UserError: If one is broken; names the line.
    """
    lines = file_lines(path)
    head = _head(lines)
    dialect = find_dialect(path, head, separator_of(path), HEADINGS)
    return dialect.separator, _rows(path, chain(head, lines), dialect)


def _rows(path: Path, lines: Iterator[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, **dialect.options())
    try:
        for row in reader:
            if row and any(row):
                yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: expected a row of a table, got a broken one: {error}") from error


def _cells(path: Path, separator: str | None, header: bool | None) -> Table:
    lines = file_lines(path)
    head = _head(lines)
    dialect = find_dialect(path, head, separator, HEADINGS)
    first = list(_rows(path, iter(_whole(head, dialect)), dialect))
    if not first:
        return Table(path, [], iter([]))
    headed = has_heading(path, first, HEADINGS, header)
    count = len(first[0][1])
    cells = [cell.strip() for cell in first[0][1]] if headed else [""] * count
    names = [name or str(at) for at, name in enumerate(cells, 1)]
    names = [name if names.count(name) == 1 else f"{name} [{at}]" for at, name in enumerate(names, 1)]
    heading = first[0][1] if headed else None
    return Table(path, names, _pieces(path, names, heading, chain(head, lines), dialect), dialect.separator)


def _whole(head: Sequence[str], dialect: Dialect) -> list[str]:
    """Lines up to the last that is no part of a cell that goes on."""
    lines = list(head)
    while lines and dialect.quoted and sum(line.count('"') for line in lines) % 2:
        lines.pop()
    return lines


def _pieces(
    path: Path, names: Sequence[str], heading: list[str] | None, lines: Iterator[str], dialect: Dialect
) -> Iterator[Piece]:
    reader, begun, last = csv.reader(lines, **dialect.options()), heading is None, 0
    while rows := _some(path, reader, max(64, CELLS // len(names))):
        numbers, last = _numbered(rows, last, reader.line_num), reader.line_num
        firsts = [row[0] if row else "" for row in rows]
        if set(map(len, rows)) != {len(names)} or "" in firsts or (heading and heading[0] in firsts):
            kept = list(_kept(path, zip(numbers.tolist(), rows, strict=True), names, heading, begun))
            begun = begun or bool(kept)
            numbers, rows = np.array([number for number, _ in kept], np.int64), [row for _, row in kept]
        if rows:
            yield Piece(numbers, dict(zip(names, zip(*rows, strict=True), strict=True)))


def _some(path: Path, reader: Any, count: int) -> list[list[str]]:
    try:
        return list(islice(reader, count))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: expected a row of a table, got a broken one: {error}") from error


def _numbered(rows: Sequence[list[str]], before: int, last: int) -> Integers:
    """The line in which each row ends; those before them ended in a line, and theirs do in another."""
    if last - before == len(rows):
        return np.arange(before + 1, last + 1)
    return before + np.cumsum([1 + sum(cell.count("\n") for cell in row) for row in rows])


def _kept(
    path: Path, rows: Iterable[tuple[int, list[str]]], names: Sequence[str], heading: list[str] | None, begun: bool
) -> Iterator[tuple[int, list[str]]]:
    """Rows with a value, as wide as there are columns, without the heading; where it stands again, that is told."""
    for number, row in rows:
        if row == heading:
            if begun:
                leave_out(f"{path}:{number}", "the heading stands there again")
            begun = True
        elif any(row):
            yield number, row if len(row) == len(names) else _fitted(f"{path}:{number}", row, len(names))


def _fitted(where: str, row: list[str], width: int) -> list[str]:
    if len(row) < width:
        raise UserError(f"{where}: expected {width} columns, got {len(row)}; fill the row up, or take it out")
    if any(cell.strip() for cell in row[width:]):
        raise UserError(
            f"{where}: expected {width} columns, got {len(row)}, the last {shown(row[-1])}; mend the row, or pass "
            "--layout m4 where each row is a series"
        )
    return row[:width]


def _json_lines(path: Path) -> Table:
    lines = ((number, line) for number, line in enumerate(file_lines(path), 1) if line.strip())
    rows = ((number, parse_object(line, f"{path}:{number}", constants=True, unique=True)) for number, line in lines)
    head = list(islice(rows, HEAD))
    names = list(dict.fromkeys(name for _, row in head for name in row))
    return Table(path, names, _json_pieces(path, names, chain(head, rows)))


def _json_pieces(path: Path, names: Sequence[str], rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[Piece]:
    known = set(names)
    while found := list(islice(rows, CELLS)):
        for number, row in found:
            if not known.issuperset(row):
                new = next(name for name in row if name not in known)
                leave_out(f"{path}:{number}", f"column {new!r}, which no earlier row has")
        lines = np.array([number for number, _ in found], np.int64)
        yield Piece(lines, {name: [row.get(name) for _, row in found] for name in names})


def _parquet(path: Path) -> Table:
    with open_regular(path) as file:
        names = [str(name) for name in _opened(path, file).schema_arrow.names]
    return Table(path, names, _parquet_pieces(path))


def _opened(path: Path, file: Any) -> Any:
    parquet = extra("pyarrow.parquet", "tables", f"{path}: a parquet file")
    try:
        return parquet.ParquetFile(file)
    except (OSError, ValueError) as error:  # of Arrow: its errors are of these kinds
        raise UserError(f"{path}: expected a parquet file, got another, or a damaged one ({error})") from error


def _parquet_pieces(path: Path) -> Iterator[Piece]:
    begin = 0
    with open_regular(path) as file:
        opened = _opened(path, file)
        try:
            for batch in opened.iter_batches(batch_size=PIECE, use_threads=False):
                columns = {
                    name: arrow_column(path, name, batch.column(at)) for at, name in enumerate(batch.schema.names)
                }
                yield Piece(np.arange(begin + 1, begin + batch.num_rows + 1), columns)
                begin += batch.num_rows
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: expected a parquet file, got a damaged one ({error})") from error


def arrow_column(path: Path, name: str, column: Any) -> Column:
    """A column of Arrow: numbers and times as arrays, texts and lists as Python has them."""
    types = extra("pyarrow", "tables", f"{path}: its columns").types
    kind = column.type
    if types.is_timestamp(kind):
        if kind.tz is not None:
            note(f"{path}: times in column {name!r} have a time zone: read as UTC")
        return np.asarray(column.cast("timestamp[us]", safe=False).to_numpy(zero_copy_only=False))
    if types.is_date(kind):
        return np.asarray(column.to_numpy(zero_copy_only=False)).astype("datetime64[us]")
    if types.is_floating(kind) or types.is_integer(kind):
        found = column.to_numpy(zero_copy_only=False)
        return np.asarray(found if found.dtype.kind in "fiu" else found.astype(np.float64))
    cells: list[Any] = column.to_pylist()
    return [float(cell) if types.is_decimal(kind) and cell is not None else cell for cell in cells]
