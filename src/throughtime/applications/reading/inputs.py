"""What a file or a table in memory holds for a trained model: its inputs alone, never the answers beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rich.text import Text

from throughtime.applications.prediction import Prediction
from throughtime.data.tables.columns import Guess, find_column, longest
from throughtime.data.tables.rows import SEEN, NoText, is_missing
from throughtime.data.tables.sheets import (
    Added,
    Record,
    Sheet,
    check_written,
    read_sheet,
    sheet_of_lines,
    sheet_of_rows,
)
from throughtime.errors import UserError, listed, shown
from throughtime.files import write_chunks
from throughtime.runtime.reading.notes import leave_out, note

Found = Mapping[str, Any]
"""What is added to the rows of an input, by the name of its column."""


@dataclass(frozen=True)
class Column:
    """The column of a table in which a task's inputs stand.

    Attributes:
        what: The inputs are, in a word; the option ``--WHAT-column`` names the column.
        usual: Names that are looked for, in lower case, in this order, where training tells none.
        guess: Finds it where no name does.
        nothing: What is written there where there is no input.
        files: Cells name files that hold the inputs.
    """

    what: str
    usual: Sequence[str]
    guess: Guess = longest
    nothing: frozenset[str] = frozenset()
    files: bool = False

    @property
    def option(self) -> str:
        """That names the column."""
        return f"--{self.what}-column"


@dataclass(frozen=True)
class Asked:
    """What is known of a table before it is read.

    Attributes:
        column: The name, or number from 1, of the column of inputs that the user gave; None: looked for.
        trained: The names that it had in training.
        header: Whether the first row names the columns; None: judged.
        some: The rows are some of many more, which others read: a column is told by its name alone, not by what
            stands in it, and there may be no input among them.
    """

    column: str | None = None
    trained: Sequence[str] = ()
    header: bool | None = None
    some: bool = False


class Input(NamedTuple):
    """An input.

    Attributes:
        value: What the model reads.
        where: File and line.
        rows: Which rows of the sheet are its own, from 0.
    """

    value: Any
    where: str
    rows: Sequence[int]


class Written(Protocol):
    """Rows that can be written with something beside each."""

    @property
    def path(self) -> Path:
        """The file that they come from."""
        ...

    @property
    def records(self) -> Sequence[Any]:
        """The rows."""
        ...

    @property
    def suffixes(self) -> Sequence[str]:
        """Of the files that they can be written to."""
        ...

    def written(self, added: Sequence[Added | None], suffix: str) -> Iterable[bytes]:
        """The file, line by line, with what is added to each row."""
        ...


@dataclass(frozen=True)
class Inputs:
    """The inputs of a file, in their order.

    Attributes:
        sheet: The rows that they stand in.
        items: The inputs.
        spread: What is added to an input is a list with a value for each of its rows.
    """

    sheet: Written
    items: Sequence[Input]
    spread: bool = False

    def check(self, out: Path) -> None:
        """Refuses a file that predictions cannot be written to.

        Raises:
            UserError: If its suffix is another, or it is the file that is read.
        """
        check_written(self.sheet.suffixes, out, self.sheet.path)

    def write(self, out: Path, found: Sequence[Found]) -> None:
        """Writes the rows again with what was found for each input beside its own, whole or not at all."""
        added: list[Found | None] = [None] * len(self.sheet.records)
        for item, columns in zip(self.items, found, strict=True):
            for place, row in enumerate(item.rows):
                added[row] = {name: value[place] if self.spread else value for name, value in columns.items()}
        write_chunks(out, self.sheet.written(added, out.suffix.lower()))

    def beside(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """The predictions, and an empty one for every row of a table that is left out."""
        if self.spread:
            return list(predictions)
        firsts = {item.rows[0]: prediction for item, prediction in zip(self.items, predictions, strict=True)}
        inside = {row for item in self.items for row in item.rows}
        rows = (row for row in range(len(self.sheet.records)) if row in firsts or row not in inside)
        return [firsts.get(row) or Prediction(Text()) for row in rows]


def table_inputs(
    path: Path,
    column: Column,
    asked: Asked,
    value: Callable[[Record, str, str], Any] | None = None,
    separator: str | None = None,
) -> Inputs:
    """The inputs of a table: one of a row.

    Args:
        path: One of :data:`~throughtime.data.tables.rows.TABLES`.
        column: In which they stand.
        asked: What is known of it.
        value: Makes an input of a row, the name of the column, and file and line; None: the cell's text.
        separator: What divides cells; None: as the file's name says, or looked for.

    Raises:
        UserError: If the table is broken, the column cannot be told, or a row holds something else there.
    """
    names = (*column.usual, *asked.trained, *([] if asked.column is None else [asked.column]))
    sheet = read_sheet(path, {name.lower() for name in names if not name.isdecimal()}, asked.header, separator)
    name = find_input(sheet, column, asked)
    items = []
    for row, record in enumerate(sheet.records):
        where = f"{path}:{record.line}"
        if record.values is not None and _is_there(record.values.get(name), where, name, column):
            made = record.values[name] if value is None else value(record, name, where)
            items.append(Input(made, where, [row]))
    return _some(Inputs(sheet, items))


def memory_inputs(rows: Sequence[Mapping[str, Any]], column: Column, asked: Asked) -> Inputs:
    """The inputs of rows in memory, as they stand there.

    Raises:
        UserError: If their column cannot be told.
    """
    sheet = sheet_of_rows(rows)
    name = find_input(sheet, column, asked)
    items = []
    for number, row in enumerate(rows):
        value, where = row.get(name), f"input {number + 1}"
        if _is_nothing(value, column):
            leave_out(where, f"nothing stands in column {name!r}")
        else:
            items.append(Input(value, where, [number]))
    return Inputs(sheet, items) if asked.some else _some(Inputs(sheet, items))


def line_inputs(path: Path, name: str, lines: Iterable[str], where: str) -> Inputs:
    """Every line an input, an empty one, too; ``where`` is what a line is called before its number."""
    sheet = sheet_of_lines(path, name, lines)
    values = ((found.line, (found.values or {})[name]) for found in sheet.records)
    return Inputs(sheet, [Input(value, f"{where}{number}", [number - 1]) for number, value in values])


def find_input(sheet: Sheet, column: Column, asked: Asked) -> str:
    """The name of the column of inputs: the one that is asked for, the only one, or the one of training.

    Only where training tells no names it is looked for as training does.

    Raises:
        UserError: If there is none, or several that may be meant; names the option that settles it.
    """
    rows = [record.values for record in sheet.records if record.values is not None][:SEEN]
    if not rows:
        raise UserError(f"{sheet.path}: expected rows with inputs, got none")
    if asked.column is not None:
        return find_column(sheet.path, rows, asked.column, column.usual, column.option, column.guess)
    if len(sheet.names) == 1:
        return _told(sheet.path, column, sheet.names[0], "there is no other")
    there = [name for name in sheet.names if name.lower() in {trained.lower() for trained in asked.trained}]
    if len(there) == 1:
        return _told(sheet.path, column, there[0], "as in training")
    numbered = sheet.heading is not None and all(map(str.isdecimal, asked.trained))
    usual = [name for name in sheet.names if name.lower() in column.usual]
    if asked.trained and numbered and len(usual) == 1:
        return _told(sheet.path, column, usual[0], "its name")
    if asked.trained:
        raise UserError(
            f"{sheet.path}: expected column {' or '.join(map(repr, asked.trained))}, as in training, got "
            f"{listed(map(repr, sheet.names))}; name the one to read by {column.option}"
        )
    if asked.some and not usual:
        raise UserError(
            f"{sheet.path}: expected a column whose name tells that inputs stand there, as {listed(column.usual)}, got "
            f"{listed(map(repr, sheet.names))}; name the one to read by {column.option}"
        )
    return find_column(sheet.path, rows, None, column.usual, column.option, column.guess)


def _told(path: Path, column: Column, name: str, how: str) -> str:
    note(f"{path}: the {column.what} is column {name!r} ({how})")
    return name


def _is_there(found: str | None, where: str, name: str, column: Column) -> bool:
    """Whether a cell holds an input; tells where it does not.

    Raises:
        UserError: If it holds something else than a text.
    """
    if found is None or is_missing(found) or found.strip() in column.nothing:
        leave_out(where, f"nothing stands in column {name!r}")
        return False
    if isinstance(found, NoText):
        raise UserError(f"{where}: expected a text in column {name!r}, got {found.kind}, {shown(found)}; mend the line")
    return True


def _is_nothing(value: Any, column: Column) -> bool:
    """Whether a value in memory is none: frames write NaN where there is no text."""
    if isinstance(value, str):
        return value.strip() in column.nothing
    return value is None or (isinstance(value, float) and value != value)


def _some(inputs: Inputs) -> Inputs:
    if not inputs.items:
        raise UserError(f"{inputs.sheet.path}: expected rows with inputs, got none but empty ones")
    return inputs


def in_groups(items: Sequence[Input], size: int) -> Iterator[Sequence[Input]]:
    """So many inputs together."""
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
