"""Series in memory, written as JSON lines of the task's own format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.applications.memory import Row, as_array, write_rows
from throughtime.data.series.labelled.lines import SUFFIX
from throughtime.data.series.labelled.series import FURTHEST, LabelledSeries, check_series
from throughtime.errors import UserError, listed, shown

NAMES = ("series", "label")
"""Of the columns of data in memory."""


def as_series(item: Any, where: str) -> LabelledSeries:
    """A series in memory: numbers ``[T]`` or ``[T, C]``, those that are missing not a number, or None.

    Raises:
        UserError: If it is none.
    """
    if isinstance(item, LabelledSeries):
        return item
    try:
        values = np.asarray(as_array(item), np.float64)
    except (TypeError, ValueError):
        values = np.zeros(())
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise UserError(f"{where}: expected numbers [T] or [T, channels], got {shown(item)}")
    if (np.abs(values) > FURTHEST).any():
        raise UserError(f"{where}: expected numbers at most {FURTHEST:g} from 0, got one beyond")
    channels = [[None if value != value else value for value in column] for column in values.T.tolist()]
    return check_series(LabelledSeries(channels, "", [], where, where))


def write_series(found: Sequence[Row], folder: Path) -> Path:
    """Writes labelled series, as :func:`as_series` takes them; a label is a text, a number, or a list of every step's.

    Raises:
        UserError: If one is no series.
    """
    rows: list[Row] = []
    for number, row in enumerate(found, 1):
        where = f"example {number}"
        if "series" not in row:
            raise UserError(f"{where}: expected {listed(NAMES)}, got {listed(row) or 'nothing'}")
        series = as_series(row["series"], where)
        steps = [list(step) for step in zip(*series.channels, strict=True)]
        rows.append({"series": steps, "label": row.get("label")})
    return write_rows(rows, folder / f"series{SUFFIX}")
