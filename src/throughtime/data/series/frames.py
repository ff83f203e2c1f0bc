"""Data in memory as columns by name: frames of pandas, polars and Arrow, mappings, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.data.series.columns.cells import Column
from throughtime.data.series.columns.tables import arrow_column
from throughtime.errors import UserError, shown
from throughtime.files import write_chunks

INDEX = "time"
"""What the times of a frame's index are called, if they have no name."""


def columns_of(data: Any) -> dict[str, Column]:
    """The columns of data in memory.

    Args:
        data: A frame of pandas, whose index may hold the times, or of polars; a table of Arrow; columns by name; an
            array ``[steps]`` or ``[series, steps]``; or several arrays of any length, a series each.

    Raises:
        UserError: If it is none of these.

    Example:
        >>> columns_of([[1.0, 2.0], [3.0]])
        {'series': ['1', '1', '2'], 'value': [1.0, 2.0, 3.0]}
    """
    if hasattr(data, "column_names") and hasattr(data, "to_batches"):
        whole = data.combine_chunks()
        return {
            str(name): arrow_column(Path("the data given"), str(name), _chunk(whole.column(at)))
            for at, name in enumerate(data.column_names)
        }
    if isinstance(data, Mapping):
        return {str(name): _column(str(name), column) for name, column in data.items()}
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
        columns = {str(name): _column(str(name), data[name]) for name in data.columns}
        index = np.asarray(data.index) if hasattr(data, "index") else np.empty(0)
        return (
            {str(getattr(data.index, "name", None) or INDEX): index, **columns} if index.dtype.kind == "M" else columns
        )
    return _of_arrays(data)


def write_columns(data: Any, path: Path) -> int:
    """Data in memory as a file of arrays, ``.npz``, which reads as they do.

    Returns:
        How many rows it has.

    Raises:
        UserError: As :func:`columns_of`.
    """
    columns = columns_of(data)
    arrays = {name: _writable(column) for name, column in columns.items()}
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    write_chunks(path, [file.getvalue()])
    return max(map(len, arrays.values()), default=0)


def _chunk(column: Any) -> Any:
    return column.chunk(0) if getattr(column, "num_chunks", 0) == 1 else column


def _column(name: str, column: Any) -> Column:
    if isinstance(column, str | bytes) or not hasattr(column, "__len__"):
        raise UserError(f"expected a column of values as {name!r}, got {shown(column)}; put them into a list")
    if isinstance(column, list | tuple):
        return list(column)
    found = np.asarray(column)
    if found.ndim != 1:
        raise UserError(f"expected a column of one axis as {name!r}, got an array of shape {found.shape}")
    return found if found.dtype.kind in "fiubM" else found.tolist()


def _of_arrays(data: Any) -> dict[str, Column]:
    if not hasattr(data, "__len__") or isinstance(data, str | bytes) or not len(data):
        raise UserError(f"expected a frame, columns by name, or arrays of numbers, got {shown(data)}")
    several = np.ndim(data[0]) == 1 if hasattr(data[0], "__len__") else False
    parts = [_column(f"series {at}", one) for at, one in enumerate(data if several else [data], 1)]
    names = [str(at) for at, part in enumerate(parts, 1) for _ in part]
    return {
        "series": names,
        "value": [value for part in parts for value in (part.tolist() if isinstance(part, np.ndarray) else part)],
    }


def _writable(column: Column) -> np.ndarray:
    """A column that can be written: numbers, times or texts; what is none of them as text."""
    if isinstance(column, np.ndarray):
        return column
    if all(cell is None or isinstance(cell, int | float) for cell in column):
        return np.array([np.nan if cell is None else float(cell) for cell in column])
    return np.array(["" if cell is None or cell != cell else str(cell) for cell in column])
