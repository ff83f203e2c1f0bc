"""A division by time: what is judged comes after what is learnt from, and is in no example of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from throughtime.errors import UserError
from throughtime.runtime.reading.notes import leave_out
from throughtime.tasks.forecast.examples import SeriesExample, by_name, continued
from throughtime.tasks.forecast.settings import ForecastSettings

MOST = 20
"""Windows at most where nobody says how many, as GIFT-Eval has them."""

Examples = list[SeriesExample]


def divide(
    found: Mapping[str, Sequence[SeriesExample]], settings: ForecastSettings
) -> tuple[dict[str, Examples], dict[str, str]]:
    """Examples by part, and how those of each part that nobody gave were held out.

    Validation stands at the end of what is trained on, tests behind that. A part that was given goes on where the
    training data end.

    Raises:
        UserError: If nothing is long enough to hold something out, or a part goes on with no series.
    """
    horizon = settings.ahead(found["train"][0].frequency)
    rest = list(found["train"])
    parts: dict[str, Examples] = {}
    told: dict[str, str] = {}
    by_name(rest)
    wanted = settings.windows
    for part in ("test", "valid"):
        if part in found and part == "test":
            parts[part] = going_on(rest, found[part])
            if wanted is None:
                wanted = max(1, max(example.judged for example in parts[part]) // horizon)
        elif part in found:
            parts[part] = going_on(rest, found[part])
        elif settings.held_out and (part == "valid" or "valid" not in found):
            count = wanted or windows_in(min(map(len, rest)), horizon, settings.held_out)
            rest, parts[part] = held_out(rest, horizon, count, part)
            told[part] = f"the last {count} windows of {horizon} steps of each series"
            if part == "test":
                told[part] += ", behind those of valid"
    parts["train"] = [example for example in rest if _is_enough(example)]
    if not parts["train"]:
        raise UserError(f"{rest[0].where}: expected a series with two different numbers to learn from, got none")
    return {part: parts[part] for part in ("train", "valid", "test") if part in parts}, told


def windows_in(shortest: int, horizon: int, share: float) -> int:
    """Windows of a share of the shortest series.

    Example:
        >>> windows_in(17420, 48, 0.1), windows_in(700, 48, 0.1), windows_in(50, 48, 0.1)
        (20, 2, 1)
    """
    return min(MOST, max(1, math.ceil(shortest * share / horizon)))


def going_on(rest: Sequence[SeriesExample], later: Sequence[SeriesExample]) -> Examples:
    """Series that go on with those of the same names.

    Raises:
        UserError: If one has no beginning.
    """
    known, found = by_name(rest), []
    for example in by_name(later).values():
        if example.name not in known:
            raise UserError(
                f"{example.where}: expected a series that goes on with one of the training data, got {example.name!r}, "
                "which is none of them"
            )
        found.append(continued(known[example.name], example))
    return found


def held_out(rest: Sequence[SeriesExample], horizon: int, count: int, part: str) -> tuple[Examples, Examples]:
    """What is left, and the series with their last windows to be judged by.

    Raises:
        UserError: If none is long enough.
    """
    left, held = [], []
    for example in rest:
        windows = min(count, (len(example) - max(2, horizon)) // horizon)
        if windows < 1:
            leave_out(example.where, f"shorter than two horizons of {horizon} steps: learnt from, but not in {part}")
            left.append(example)
            continue
        end = len(example) - windows * horizon
        held.append(example.cut(len(example), windows * horizon))
        left.append(example.cut(end))
    if not held:
        longest = max(rest, key=len)
        raise UserError(
            f"{longest.where}: expected a series of at least {2 * horizon} steps, {horizon} of them for {part}, got "
            f"{len(longest)} at most; pass a shorter --horizon, or --held-out 0"
        )
    return left, held


def _is_enough(example: SeriesExample) -> bool:
    values = example.series.values
    there = values[~np.isnan(values)]
    if len(there) < 2:
        leave_out(example.where, "fewer than two numbers: nothing to learn from")
        return False
    if (there == there[0]).all():
        leave_out(example.where, "constant as far as it is learnt from: its scale is 0")
        return False
    return True
