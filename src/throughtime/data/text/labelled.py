"""Texts with labels: tables with columns named or guessed, a folder a class, a file a class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from throughtime.data.classes import SUFFIXES, class_files, class_folders, class_of
from throughtime.data.parts import part_of
from throughtime.data.tables.columns import Columns, column_names, fewest, find_column, longest, values_of
from throughtime.data.tables.rows import TABLES, NoText, first_rows, is_missing, note_columns, read_rows
from throughtime.errors import UserError, listed, shown
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import leave_out, note

TEXT_NAMES = ("text", "sentence", "review", "comment", "content", "tweet", "phrase", "message", "body", "document")
LABEL_NAMES = ("label", "sentiment", "class", "category", "polarity", "target", "rating", "stars", "emotion", "intent")
"""Names of columns that are looked for, in this order."""

KINDS = (
    f"a table ({', '.join(TABLES)}), a folder of .txt files for every class, or a file for every class with a text a "
    "line (film.pos and film.neg; pos.txt and neg.txt)"
)
"""What holds texts with labels, for messages."""

PARTED = ("split", "partition", "subset", "set", "part", "fold")
"""Columns that say, by the name of a part, what a row is for."""

ANSWER, ANSWERS = "answer", {"accept", "reject", "ignore"}
"""The column in which Prodigy keeps what an annotator said of a row, and what stands there."""

NOTHING = frozenset({"nan", "NaN", "NAN", "<NA>", "#N/A", "NULL", "null", "NaT"})
"""What programs write where there is no value."""


@dataclass(frozen=True)
class LabelledText:
    """A text and its label.

    Attributes:
        text: As it stands in the file.
        label: Its class.
        where: File and line.
    """

    text: str
    label: str
    where: str


def is_labelled(path: Path) -> bool:
    """Whether a path is one of :data:`KINDS`."""
    if path.is_file():
        return path.suffix.lower() in (*TABLES, *SUFFIXES)
    return len(class_folders(path, (".txt",))) > 1 or bool(class_files(path))


def read_labelled(
    path: Path, text: str | None = None, label: str | None = None, header: bool | None = None
) -> Iterator[LabelledText]:
    """The texts of one of :data:`KINDS`.

    Args:
        path: The file or folder.
        text: Of a table: name, or number from 1, of the column with the texts; None: found by its name, or by what it
            holds.
        label: The same of the labels.
        header: Of a table: whether the first row names the columns; None: judged by the whole.

    Raises:
        UserError: If a row has too few columns, no text or no label, or columns cannot be told apart; names the line.
    """
    if path.is_dir():
        return _read_folder(path)
    if path.suffix.lower() in TABLES:
        return _read_table(path, text, label, header)
    found = class_of(path)
    if found is None:
        raise UserError(f"{path}: expected {KINDS}")
    return _read_class(path, found)


def _read_folder(folder: Path) -> Iterator[LabelledText]:
    classes = class_folders(folder, (".txt",))
    for name, files in classes.items():
        for file in files:
            yield LabelledText("".join(file_lines(file)).strip(), name, str(file))
    if not classes:
        lined = class_files(folder)
        if not lined:
            raise UserError(f"{folder}: expected {KINDS}; found none")
        for name, file in lined.items():
            yield from _read_class(file, name)


def _read_class(path: Path, label: str) -> Iterator[LabelledText]:
    """The texts of a file with a text a line."""
    note(f"{path}: every line is a text of class {label!r} (the file's name)")
    for number, line in enumerate(file_lines(path), 1):
        if text := line.strip():
            yield LabelledText(text, label, f"{path}:{number}")


def _read_table(path: Path, text: str | None, label: str | None, header: bool | None) -> Iterator[LabelledText]:
    asked = {name.lower() for name in (text, label) if name is not None and not name.isdecimal()}
    columns, rows = first_rows(read_rows(path, {*TEXT_NAMES, *LABEL_NAMES, *asked}, header))
    if not columns:
        return
    text, label = _find_both(path, columns, text, label)
    _check_parts(path, columns, {text, label})
    answer = next((name for name in column_names(columns) if _are_answers(name, columns)), None)
    note_columns(path, column_names(columns), [text, label, *([answer] if answer else [])])
    for number, found in rows:
        where = f"{path}:{number}"
        said = "accept" if answer is None else found.get(answer, "").strip()
        if said != "accept":
            leave_out(where, f"the answer is {said or 'missing'}")
            continue
        yield LabelledText(_text(where, found, text), _label(where, found, label), where)


def _find_both(path: Path, columns: Columns, text: str | None, label: str | None) -> tuple[str, str]:
    """The columns of texts and of labels: first the one that is surer."""
    named = {name.lower() for name in column_names(columns)} & set(LABEL_NAMES)
    if text is None and (label is not None or named):
        label = find_column(path, columns, label, LABEL_NAMES, "--label-column", fewest)
        return find_column(path, columns, text, TEXT_NAMES, "--text-column", longest, taken=label), label
    text = find_column(path, columns, text, TEXT_NAMES, "--text-column", longest)
    return text, find_column(path, columns, label, LABEL_NAMES, "--label-column", fewest, taken=text)


def _text(where: str, row: dict[str, str], name: str) -> str:
    found = row.get(name)
    if found is None or is_missing(found) or found.strip() in NOTHING:
        got = repr(found) if found else "none"
        raise UserError(f"{where}: expected a value in column {name!r}, got {got}; fill it in, or take the line out")
    if isinstance(found, NoText):
        raise UserError(f"{where}: expected a text in column {name!r}, got {found.kind}, {shown(found)}; mend the line")
    return found


def _label(where: str, row: dict[str, str], name: str) -> str:
    found = row.get(name, "")
    if not found.strip() or found.strip() in NOTHING:
        got = "none" if not found.strip() else repr(found)
        raise UserError(
            f"{where}: expected a value in column {name!r}, got {got}; a text needs its label: fill it in, or take the "
            "line out"
        )
    if isinstance(found, NoText) and found.kind in ("a list", "an object"):
        raise UserError(
            f"{where}: expected one label in column {name!r}, got {found.kind}, {shown(found)}; write it as a text"
        )
    return found.strip()


def _are_answers(name: str, rows: Sequence[dict[str, str]]) -> bool:
    values = values_of(name, rows)
    return name.lower() == ANSWER and bool(values) and set(values) <= ANSWERS


def _check_parts(path: Path, rows: Sequence[dict[str, str]], used: set[str]) -> None:
    """Refuses a table of which a column says which rows are for training and which are not."""
    for name in column_names(rows):
        values = sorted(set(values_of(name, rows)))
        if name.lower() in PARTED and name not in used and len(values) > 1 and all(map(part_of, values)):
            raise UserError(
                f"{path}: expected rows of one part, got column {name!r}, which says of each whether it is for "
                f"{listed(values)}; write them into files of these names"
            )
