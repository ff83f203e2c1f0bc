"""Times as far as their order goes: which of two comes first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from throughtime.errors import UserError


def read_time(cell: str, where: str) -> float:
    """A time as a number that grows with it: a number as it is, a date in seconds since 1970.

    Raises:
        UserError: If it is neither a number nor a time as ISO 8601 writes it.

    Example:
        >>> read_time("7", "a.csv:1"), read_time("1970-01-02 00:00:01", "a.csv:1")
        (7.0, 86401.0)
    """
    try:
        value = float(cell)
    except ValueError:
        try:
            value = float(np.datetime64(cell.strip().removesuffix("Z"), "us").astype("int64")) / 1e6
        except ValueError:
            raise UserError(
                f"{where}: expected a number or a time such as 2024-03-01T10:15:00, got {cell.strip()[:40]!r}"
            ) from None
    if not abs(value) < 1e18:
        raise UserError(f"{where}: expected a time, got {cell.strip()[:40]!r}")
    return value


def check_forward(times: Sequence[float], said: Sequence[str], where: Sequence[str]) -> None:
    """Refuses times of which one does not come after the one before.

    Raises:
        UserError: Names where it stands.
    """
    for at in range(1, len(times)):
        if not times[at] > times[at - 1]:
            how = "again" if times[at] == times[at - 1] else f"after {said[at - 1]}"
            raise UserError(
                f"{where[at]}: expected times that go on, got {said[at]} {how}; sort the rows, mend the time"
            )
