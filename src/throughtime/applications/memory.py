"""Data in memory, written as files of a task's own format, so that one reader checks and tells all that comes."""

from __future__ import annotations

import json
import re
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch

from throughtime.data.parts import PARTS
from throughtime.errors import UserError, listed, shown
from throughtime.files import make_folder, write_chunks
from throughtime.plain import resolved
from throughtime.runtime.reading.notes import renaming

DATA = "data"
"""Of a run's folder: where it keeps what its examples refer to, if they came from memory."""

Row = dict[str, Any]


def is_paths(data: Any) -> bool:
    """Whether data are a path, or several: a text is one, as on the command line."""
    if isinstance(data, str | Path):
        return True
    return isinstance(data, list | tuple) and bool(data) and all(isinstance(item, str | Path) for item in data)


def is_table(data: Any) -> bool:
    """Whether data are rows whose columns have names: a frame, a mapping of columns, mappings.

    Example:
        >>> is_table([{"text": "a film"}]), is_table({"text": ["a film"]}), is_table(["a film"]), is_table("a film")
        (True, True, False, False)
    """
    rows = isinstance(data, list | tuple) and bool(data) and all(isinstance(row, Mapping) for row in data)
    return rows or isinstance(data, Mapping) or _is_frame(data)


def is_nothing(data: Any) -> bool:
    """Whether no data are given."""
    return data is None or (isinstance(data, list | tuple) and not data)


SPILLED = "throughtime-"
"""What names of folders for data in memory begin with."""


def is_spilled(path: str) -> bool:
    """Whether a file was written for data in memory alone, and is soon gone: people know it by no name."""
    inside = Path(tempfile.gettempdir()).resolve()
    return any(folder.parent == inside and folder.name.startswith(SPILLED) for folder in Path(path).parents)


_WRITTEN: ContextVar[dict[str, int | Sequence[int]] | None] = ContextVar("written", default=None)
"""By file that was written for data in memory: the number of its only example, or the lines at which examples begin."""


@contextmanager
def spilling() -> Iterator[Path]:
    """An empty folder for data in memory, which is gone after the block; messages name the data instead of it."""
    written = _WRITTEN.get()
    before = _WRITTEN.set({} if written is None else written)
    try:
        with tempfile.TemporaryDirectory(prefix=SPILLED, ignore_cleanup_errors=True) as name:
            folder = resolved(Path(name)) / DATA
            try:
                yield folder
            except UserError as error:
                if str(folder) not in str(error):
                    raise
                raise UserError(as_given(str(error), folder)) from error
    finally:
        _WRITTEN.reset(before)


@contextmanager
def written_as(name: str) -> Iterator[Path]:
    """An empty folder for an input in memory, which is gone after the block; messages name the input instead."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield Path(folder)
        except UserError as error:
            if folder not in str(error):
                raise
            raise UserError(re.sub(rf"{re.escape(folder)}[^\s:]*", lambda _: name, str(error))) from error


def holds(path: Path, example: int) -> Path:
    """Takes down that a file was written for one example alone, the ``example``-th."""
    return _written(path, example)


def begin_at(path: Path, lines: Sequence[int]) -> Path:
    """Takes down at which line of a file each example begins."""
    return _written(path, lines)


def _written(path: Path, examples: int | Sequence[int]) -> Path:
    if (written := _WRITTEN.get()) is not None:
        written[str(path)] = examples
    return path


@contextmanager
def as_paths(spill: Callable[[Any, Path], list[Path]], data: Any, part: str = PARTS[0]) -> Iterator[list[str]]:
    """The paths that data of a part are, or the files that data in memory are written as."""
    if is_nothing(data) or is_paths(data):
        yield [str(data)] if isinstance(data, str | Path) else list(map(str, data or ()))
        return
    with spilling() as folder:
        make_folder(folder / part)
        with renaming(lambda line: as_given(line, folder)):
            paths = list(map(str, spill(data, folder / part)))
        yield paths


ExampleT = TypeVar("ExampleT")


def moved(example: ExampleT, folder: Path, references: Sequence[str] = (), kept: Sequence[str] = ()) -> ExampleT:
    """An example whose texts do not name the folder that it was written in, but what the user gave.

    One that keeps its file and its ``line`` apart is at line 1 of what the user gave.

    Args:
        example: A frozen dataclass.
        folder: A folder of :func:`spilling`, with a folder a part.
        references: Files that the example keeps: where they lie in the folder their paths become relative.
        kept: Files that stay where they are.
    """
    changed: dict[str, Any] = {}
    for field in fields(cast(Any, example)):
        value = getattr(example, field.name)
        if isinstance(value, str) and str(folder) in value and value not in kept:
            inside = value in references
            if inside:
                changed[field.name] = str(Path(DATA, Path(value).relative_to(folder)))
            elif field.name == "file" and isinstance(line := getattr(example, "line", None), int):
                changed |= {"file": as_given(f"{value}:{line}", folder), "line": 1}
            else:
                changed[field.name] = as_given(value, folder)
    return cast(ExampleT, replace(cast(Any, example), **changed)) if changed else example


def placed(example: ExampleT, run: Path, references: Sequence[str]) -> ExampleT:
    """An example whose references are absolute: relative ones lie in the run's own folder."""
    relative = [path for path in references if not Path(path).is_absolute()]
    if not relative:
        return example
    values = {f.name: getattr(example, f.name) for f in fields(cast(Any, example))}
    found = {name: str(resolved(run) / value) for name, value in values.items() if value in relative}
    return cast(ExampleT, replace(cast(Any, example), **found))


def as_given(text: str, folder: Path) -> str:
    """A message with what the user gave in the place of files that were written for it: ``example 3 of valid``.

    Args:
        text: The message.
        folder: Of :func:`spilling`.
    """
    if str(folder) not in text:
        return text
    files = "|".join(re.escape(suffix) for suffix in {Path(path).suffix for path in _WRITTEN.get() or {}})
    inside = rf"(?P<rest>/.*?(?:{files})(?![\w.]))(?::(?P<line>\d+)|: (?:{'|'.join(PARTS)}) (?P<number>\d+))?"
    part = rf"(?:/(?P<part>{'|'.join(PARTS)})(?![\w.]))?"
    return re.sub(rf"{re.escape(str(folder))}{part}(?:{inside})?", lambda found: _said(found, folder), text)


def _said(found: re.Match[str], folder: Path) -> str:
    """What the user knows a file by: the number of an example, the data of a part."""
    part, rest = found["part"] or PARTS[0], found["rest"] or ""
    examples = (_WRITTEN.get() or {}).get(f"{folder}{'/' if found['part'] else ''}{found['part'] or ''}{rest}")
    if rest and examples is None:  # a file that stands for nothing the user gave
        return rest.removeprefix("/")
    if isinstance(examples, int):
        number: int | str | None = examples
    else:
        number = bisect_right(examples or (), int(found["line"])) if found["line"] else found["number"]
    if number:
        return f"example {number}" if part == PARTS[0] else f"example {number} of {part}"
    return "the data given" if part == PARTS[0] else f"the data given as {part}"


def rows(data: Any, names: Sequence[str]) -> list[Row]:
    """The rows of data in memory, by the names of their columns.

    Args:
        data: A frame of pandas or polars, which keeps its own names; mappings, a row each; a mapping of columns;
            sequences of as many values as ``names``, a row each; or a tuple of as many columns as ``names``.
        names: What the columns are called where the data do not say.

    Raises:
        UserError: If the data are none of these.

    Example:
        >>> rows([("a fine film", "good"), ("a waste", "bad")], ["text", "label"])[1]
        {'text': 'a waste', 'label': 'bad'}
        >>> rows((["a fine film", "a waste"], ["good", "bad"]), ["text", "label"])[0]
        {'text': 'a fine film', 'label': 'good'}
    """
    columns = _columns(data, names)
    if columns is not None:
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise UserError(f"expected columns of one length, got {lengths}")
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    found: list[Row] = []
    for number, row in enumerate(_items(data, names), 1):
        if isinstance(row, Mapping):
            found.append({str(name): value for name, value in row.items()})
        elif isinstance(row, list | tuple) and len(row) == len(names):
            found.append(dict(zip(names, row, strict=True)))
        else:
            raise UserError(f"example {number}: expected ({listed(names)}), got {shown(row)}")
    return found


def as_array(value: Any) -> npt.NDArray[Any]:
    """An array of what may be an array, a tensor on any device, or lists; one of no dimension where it is none.

    Example:
        >>> as_array([[1, 2], [3, 4]]).shape, as_array([[1], [2, 3]]).shape, as_array(None).shape
        ((2, 2), (), ())
    """
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # rows of several lengths, or a sparse tensor
        return np.array(None)


def texts(found: Sequence[Row], *names: str) -> list[tuple[str, ...]]:
    """The texts of some columns, a row each.

    Raises:
        UserError: If a row has another value there, or no such column.

    Example:
        >>> texts([{"text": "a fine film", "label": "good"}], "text")
        [('a fine film',)]
    """
    for number, row in enumerate(found, 1):
        for name in names:
            if not isinstance(row.get(name), str):
                given = f"{shown(row[name])} under {name!r}" if name in row else f"only {listed(row) or 'nothing'}"
                raise UserError(f"example {number}: expected texts under {listed(names)}, got {given}")
    return [tuple(str(row[name]) for name in names) for row in found]


def write_rows(found: Sequence[Row], path: Path) -> Path:
    """Rows as JSON lines.

    Raises:
        UserError: If a value is no plain data.
    """

    def lines() -> Iterator[bytes]:
        for number, row in enumerate(found, 1):
            try:
                value = {name: _plain(value) for name, value in row.items()}
                yield f"{json.dumps(value, ensure_ascii=False)}\n".encode()
            except (TypeError, ValueError) as error:
                raise UserError(f"example {number}: expected plain data, got {shown(row)} ({error})") from error

    write_chunks(path, lines())
    return begin_at(path, range(1, len(found) + 1))


def write_texts(found: Sequence[str], path: Path) -> Path:
    """What each example is in a file, one after the other.

    Raises:
        UserError: If one is no text.
    """
    write_chunks(path, (encoded(text, number) for number, text in enumerate(found, 1)))
    return begin_at(path, list(accumulate((text.count("\n") for text in found[:-1]), initial=1)))


def encoded(text: str, number: int) -> bytes:
    """The ``number``-th example's text in UTF-8.

    Raises:
        UserError: If it cannot be written so.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"example {number}: expected text, got half a character in {shown(text)}; mend it") from error


def _columns(data: Any, names: Sequence[str]) -> dict[str, list[Any]] | None:
    if isinstance(data, Mapping):
        wrong = [
            name for name, values in data.items() if not isinstance(values, list | tuple) and not _is_column(values)
        ]
        if wrong:
            raise UserError(f"expected columns, each a list of values, got {shown(data[wrong[0]])} as {wrong[0]!r}")
        return {str(name): list(values) for name, values in data.items()}
    if _is_frame(data):
        return {str(name): [_plain(value) for value in data[name]] for name in data.columns}
    whole = isinstance(data, tuple) and len(data) == len(names) and all(_is_column(column) for column in data)
    return dict(zip(names, map(list, data), strict=True)) if whole else None


def _is_frame(data: Any) -> bool:
    """Whether data are a frame of pandas or polars."""
    return hasattr(data, "columns") and hasattr(data, "__getitem__")


def _is_column(value: Any) -> bool:
    return isinstance(value, list) or (hasattr(value, "__len__") and hasattr(value, "dtype"))


def _items(data: Any, names: Sequence[str]) -> Sequence[Any]:
    if isinstance(data, list | tuple) and data:
        return data
    raise UserError(f"expected paths, a frame, or rows of ({listed(names)}), got {shown(data)}")


def _plain(value: Any) -> Any:
    """A number of NumPy's as Python's own; an array as lists; what is missing in a frame, not a number, as None."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return None if isinstance(value, float) and value != value else value
