"""Data in memory, written as files of a task's own format, so that one reader checks and tells all that comes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from throughtime.errors import UserError
from throughtime.files import write_chunks

Row = dict[str, Any]


def is_paths(data: Any) -> bool:
    """Whether data are a path, or several: a text is one, as on the command line."""
    if isinstance(data, str | Path):
        return True
    return isinstance(data, list | tuple) and bool(data) and all(isinstance(item, str | Path) for item in data)


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
            raise UserError(f"example {number}: expected ({', '.join(names)}), got {_shown(row)}")
    return found


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
                raise UserError(f"example {number}: expected plain data, got {_shown(row)} ({error})") from error

    write_chunks(path, lines())
    return path


def _columns(data: Any, names: Sequence[str]) -> dict[str, list[Any]] | None:
    if isinstance(data, Mapping):
        return {str(name): list(values) for name, values in data.items()}
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):  # a frame of pandas or polars
        return {str(name): [_plain(value) for value in data[name]] for name in data.columns}
    whole = isinstance(data, tuple) and len(data) == len(names) and all(_is_column(column) for column in data)
    return dict(zip(names, map(list, data), strict=True)) if whole else None


def _is_column(value: Any) -> bool:
    return isinstance(value, list) or (hasattr(value, "__len__") and hasattr(value, "dtype"))


def _items(data: Any, names: Sequence[str]) -> Sequence[Any]:
    if isinstance(data, list | tuple) and data:
        return data
    raise UserError(f"expected paths, a frame, or rows of ({', '.join(names)}), got {_shown(data)}")


def _plain(value: Any) -> Any:
    """A number of NumPy's as Python's own; an array as lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
