"""The series that tables and lists hold for a trained model, without the labels beside them."""

from __future__ import annotations

from pathlib import Path

from throughtime.applications.reading.inputs import Input, Inputs
from throughtime.data.series.labelled.lines import read_labelled_lines
from throughtime.data.series.labelled.tables import Columns, read_table, series_in
from throughtime.data.tables.sheets import Record, Sheet, read_sheet
from throughtime.errors import UserError


def table_series(path: Path, columns: Columns, spread: bool) -> Inputs:
    """The series of a table; ``spread``: what is told of one is a list with a value for each of its rows.

    Raises:
        UserError: If a row is broken, or there is none.
    """
    table = read_table(path, columns)
    found = list(series_in(table, columns))
    if not found:
        raise UserError(f"{path}: expected series, got an empty table")
    width = max(len(cells) for _, cells in table.rows)
    names = [*table.heading, *(str(at) for at in range(len(table.heading) + 1, width + 1))]
    records = [Record(line, dict(zip(names, cells, strict=False)), cells) for line, cells in table.rows]
    rows = {record.line: row for row, record in enumerate(records)}
    sheet = Sheet(path, names, records, table.dialect, table.heading or None)
    items = [Input(series, series.where, [rows[line] for line in lines]) for series, lines in found]
    return Inputs(sheet, items, spread=spread and all(len(lines) == series.steps for series, lines in found))


def line_series(path: Path) -> Inputs:
    """The series of JSON lines.

    Raises:
        UserError: If a line is broken, or there is none.
    """
    found = list(read_labelled_lines(path))
    if not found:
        raise UserError(f"{path}: expected series, got an empty file")
    sheet = read_sheet(path, set())
    rows = {record.line: row for row, record in enumerate(sheet.records)}
    return Inputs(sheet, [Input(one, one.where, [rows[int(one.where.rpartition(":")[2])]]) for one in found])
