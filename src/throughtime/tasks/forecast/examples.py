"""Series as examples of a run: plain data, cut in time so that no part holds what another is judged by."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from throughtime.data.series.frequency import parse, positions
from throughtime.data.series.series import Covariate, Numbers, Series
from throughtime.errors import UserError

Packed = str | list[str]
"""Numbers as the text of their bytes (base64 of doubles, lowest byte first), or categories."""


@dataclass(frozen=True)
class SeriesExample:
    """A series, and from where on it is judged.

    Attributes:
        name: The series' id.
        where: File and line of its beginning.
        start: Time of the first step, ISO 8601; empty where there is none.
        frequency: What lies between steps; may be empty.
        packed: A number a step, NaN where it is missing.
        static: Covariates of the series.
        known: Covariates of steps, known ahead.
        past: Covariates of steps, known so far.
        judged: Steps at its end by which it is judged, in windows of one horizon; 0 of what is learnt from.
    """

    name: str
    where: str
    start: str
    frequency: str
    packed: str
    static: dict[str, str | float] = field(default_factory=dict)
    known: dict[str, Packed] = field(default_factory=dict)
    past: dict[str, Packed] = field(default_factory=dict)
    judged: int = 0

    @classmethod
    def of(cls, series: Series, judged: int = 0) -> SeriesExample:
        """Of a series that was read."""
        return cls(
            series.name,
            series.where,
            series.start,
            series.frequency,
            pack(series.values),
            dict(series.static),
            {name: _packed(value) for name, value in series.known.items()},
            {name: _packed(value) for name, value in series.past.items()},
            judged,
        )

    @cached_property
    def series(self) -> Series:
        """As it was read."""
        return Series(
            self.name,
            self.where,
            self.start,
            self.frequency,
            unpack(self.packed),
            self.static,
            {name: _unpacked(value) for name, value in self.known.items()},
            {name: _unpacked(value) for name, value in self.past.items()},
        )

    def __len__(self) -> int:
        """Its steps."""
        return len(self.series)

    @property
    def first(self) -> int:
        """The first step by which it is judged."""
        return len(self) - self.judged

    def cut(self, end: int, judged: int = 0) -> SeriesExample:
        """What was there before a step, and nothing else."""
        series = self.series
        known, past = ({name: value[:end] for name, value in part.items()} for part in (series.known, series.past))
        return SeriesExample.of(replace(series, values=series.values[:end], known=known, past=past), judged)


def pack(values: Numbers) -> str:
    """Numbers as text, to the bit.

    Example:
        >>> pack(np.array([1.5])), unpack("AAAAAAAA+D8=").tolist()
        ('AAAAAAAA+D8=', [1.5])
    """
    return b64encode(np.asarray(values, "<f8").tobytes()).decode("ascii")


def unpack(text: str) -> Numbers:
    """What :func:`pack` packed.

    Raises:
        ValueError: If the text is none.
    """
    data = b64decode(text, validate=True)
    if len(data) % 8:
        raise ValueError("expected the bytes of doubles")
    return np.frombuffer(data, "<f8").astype(np.float64)


def _packed(value: Covariate) -> Packed:
    return pack(value.astype(np.float64)) if value.dtype.kind == "f" else value.tolist()


def _unpacked(value: Packed) -> Covariate:
    return unpack(value) if isinstance(value, str) else np.array(value, dtype=np.str_)


def continued(history: SeriesExample, later: SeriesExample) -> SeriesExample:
    """A series with what came behind its end: in order, or at its times where both have some.

    Raises:
        UserError: If the later steps do not begin behind the earlier ones.
    """
    before, after = history.series, later.series
    gap = 0
    if before.start and after.start and before.frequency:
        begin = np.datetime64(before.start, "us")
        at = int(positions(begin, parse(before.frequency), np.array([after.start], "datetime64[us]"))[0])
        gap = at - len(before)
        if gap < 0:
            raise UserError(
                f"{after.where}: expected {after.name} to go on behind {before.where}, which has {len(before):,} steps "
                f"from {before.start}, got {after.start}; leave out the steps that are there already"
            )
    values = np.concatenate([before.values, np.full(gap, np.nan), after.values])
    known = _joined(before.known, after.known, len(before) + gap)
    past = _joined(before.past, after.past, len(before) + gap)
    joined = replace(before, values=values, known=known, past=past, where=after.where)
    return SeriesExample.of(joined, gap + len(after))


def _joined(before: Mapping[str, Covariate], after: Mapping[str, Covariate], at: int) -> dict[str, Covariate]:
    """Covariates with those that came later, from the step that these begin at."""
    found = {}
    for name, value in before.items():
        nothing = np.nan if value.dtype.kind == "f" else ""
        head = np.concatenate([value[:at], np.full(max(0, at - len(value)), nothing, dtype=value.dtype)])
        found[name] = np.concatenate([head, after[name].astype(value.dtype)]) if name in after else value
    return found


def check_start(name: str, text: str) -> str:
    """A time as ISO 8601, if it is one.

    Raises:
        UserError: If it is none.

    Example:
        >>> check_start("start", "2024-01-01 03:00")
        '2024-01-01T03:00:00'
    """
    try:
        found = np.array([text], "datetime64[us]")
    except ValueError:
        found = np.array(["NaT"], "datetime64[us]")
    if np.isnat(found[0]):
        raise UserError(f"{name}: expected a time such as 2024-01-01T00:00, got {text!r}")
    return str(found.astype("datetime64[s]")[0])


def by_name(examples: Sequence[SeriesExample]) -> dict[str, SeriesExample]:
    """Series by their id.

    Raises:
        UserError: If two have one.
    """
    found: dict[str, SeriesExample] = {}
    for example in examples:
        if example.name in found:
            raise UserError(
                f"{example.where}: expected every series to have a name of its own, got {example.name!r} again, which "
                f"stands at {found[example.name].where} already; pass --id for the column that tells them apart"
            )
        found[example.name] = example
    return found


def begins(data: Any) -> list[int]:
    """The rows, from 1, at which series in memory begin, where they are arrays of their own; else one of all.

    Example:
        >>> begins([[1.0, 2.0], [3.0]]), begins({"a": [1.0]}), begins([1.0, 2.0])
        ([1, 3], [1], [1])
    """
    if isinstance(data, Mapping) or hasattr(data, "columns") or not len(data) or np.ndim(data[0]) != 1:
        return [1]
    return [1, *(1 + np.cumsum([len(one) for one in data])[:-1]).tolist()]
