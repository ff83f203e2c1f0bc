"""Rows with times become series of equal steps: sorted, without doubles, with gaps as steps that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from throughtime.data.series.frequency import TIME, Frequency, Integers, parse, positions, times_from
from throughtime.data.series.rhythm import DAY, FEW, order_step, rhythm_of
from throughtime.data.series.series import Covariate, Series
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import leave_out, note

SAMPLED = 200
"""Series by which a frequency is found."""

LONGEST_GAP = 10
"""A series has at most so many times as many steps as rows, and some more: else a time is likely mistyped."""

SOME = 10_000


@dataclass
class Rows:
    """The rows of one series, as they stand.

    Attributes:
        name: Of the series.
        lines: Where each stands.
        times: Of each, in microseconds, or its number in an order; None: rows are steps.
        values: A number each.
        known: Covariates.
        past: Covariates.
        static: Of the series.
    """

    name: str
    lines: Integers
    times: Integers | None
    values: npt.NDArray[np.float64]
    known: Mapping[str, Covariate] = field(default_factory=dict)
    past: Mapping[str, Covariate] = field(default_factory=dict)
    static: Mapping[str, str | float] = field(default_factory=dict)

    def taken(self, which: npt.NDArray[np.intp]) -> Rows:
        """Some of the rows."""
        return Rows(
            self.name,
            self.lines[which],
            None if self.times is None else self.times[which],
            self.values[which],
            {name: column[which] for name, column in self.known.items()},
            {name: column[which] for name, column in self.past.items()},
            self.static,
        )


@dataclass
class Builder:
    """Makes series of the rows of one file, and tells at the end what was put right.

    Attributes:
        path: The file.
        frequency: What the user says of it, or an earlier file; None: found.
        is_order: Times are numbers of an order.
    """

    path: Path
    frequency: str | None = None
    is_order: bool = False
    _unsorted: list[int] = field(default_factory=list)
    _turned: list[int] = field(default_factory=list)
    _gaps: list[tuple[int, int]] = field(default_factory=list)

    def series(self, rows: Iterable[Rows]) -> Iterator[Series]:
        """A series of each, but for those without a single value, which are left out.

        Raises:
            UserError: If two rows of one time differ, or a time lies between steps; names the line.
        """
        everyone = iter(rows)
        first = list(islice(everyone, SAMPLED))
        step, frequency = self._step(first)
        for one in chain(first, everyone):
            if one.times is not None:
                one = self._regular(self._once(self._sorted(one)), step, frequency)
            if (found := self._finished(one, frequency)) is not None:
                yield found
        self._tell()

    def _step(self, rows: Sequence[Rows]) -> tuple[int, Frequency | None]:
        """Numbers of a step in an order, or the frequency; tells it where it was found."""
        asked = parse(self.frequency) if self.frequency else None
        times = [one.times for one in rows if one.times is not None]
        if self.is_order or not times:
            return (order_step(times) if times else 1), asked
        if asked is not None:
            return 1, asked
        found, seen = rhythm_of(times)
        if found is not None:
            begin = min(one.min() for one in times if len(one))
            name = found.name_at(np.int64(begin).astype(TIME))
            alone = f", by {seen} steps alone: pass --frequency if it is another" if seen < FEW else ""
            note(f"{self.path}: a step is {name}{alone}")
        return 1, found

    def _sorted(self, rows: Rows) -> Rows:
        assert rows.times is not None
        back = np.flatnonzero(np.diff(rows.times) < 0)
        if not len(back):
            return rows
        turned = (np.diff(rows.times) <= 0).all()
        (self._turned if turned else self._unsorted).extend(rows.lines[back[:1] + 1].tolist())
        return rows.taken(np.argsort(rows.times, kind="stable"))

    def _once(self, rows: Rows) -> Rows:
        """Without rows that say again what the one before says of the same time."""
        assert rows.times is not None
        again = np.flatnonzero(np.diff(rows.times) == 0) + 1
        if not len(again):
            return rows
        columns = [rows.values, *rows.known.values(), *rows.past.values()]
        for at in again.tolist():
            here, before = f"{self.path}:{rows.lines[at]}", rows.lines[at - 1]
            time = str(rows.times[at]) if self.is_order else _iso(rows.times[at])
            if not all(np.array_equal(c[at : at + 1], c[at - 1 : at], equal_nan=c.dtype.kind == "f") for c in columns):
                night = not self.is_order and rows.times[at] % DAY < 4 * 3600 * 10**6 and rows.times[at] % DAY > 0
                why = ", or pass --zone if clocks were set back then" if night else ""
                raise UserError(
                    f"{here}: expected one row at {time} of series {rows.name!r}, got another than in line {before}; "
                    f"take one out, name what tells series apart by --id{why}"
                )
            leave_out(here, "the row says again what the one before says of the same time")
        return rows.taken(np.delete(np.arange(len(rows.times)), again))

    def _regular(self, rows: Rows, step: int, frequency: Frequency | None) -> Rows:
        """With a step for each that is missing between two rows."""
        assert rows.times is not None
        if not len(rows.times):
            return rows
        start = rows.times[:1]
        if self.is_order:
            at = np.where((rows.times - start) % step == 0, (rows.times - start) // step, -1)
        elif frequency is None:
            at = np.arange(len(rows.times))
        else:
            self._check_start(rows, frequency)
            at = positions(start.astype(TIME)[0], frequency, rows.times.astype(TIME))
        if (at < 0).any():
            self._refuse_between(rows, int(np.flatnonzero(at < 0)[0]), step, frequency)
        far = np.diff(at) - 1
        if not far.any():
            return rows
        self._gaps.extend(zip(rows.lines[:-1][far > 0].tolist(), far[far > 0].tolist(), strict=True))
        count = int(at[-1]) + 1
        if count > LONGEST_GAP * len(at) + SOME:
            widest = int(np.argmax(far))
            raise UserError(
                f"{self.path}:{rows.lines[widest + 1]}: expected a time near the one before, got one "
                f"{far[widest] + 1:,} steps later; mend it, or pass a longer --frequency"
            )
        return Rows(
            rows.name,
            np.repeat(rows.lines, np.diff(np.append(at, count))),
            np.concatenate([start, np.zeros(count - 1, np.int64)]),
            spread(rows.values, at, count),
            {name: spread(column, at, count) for name, column in rows.known.items()},
            {name: spread(column, at, count) for name, column in rows.past.items()},
            rows.static,
        )

    def _check_start(self, rows: Rows, frequency: Frequency) -> None:
        assert rows.times is not None
        start = rows.times[:1].astype(TIME)[0]
        if (wrong := frequency.misses(start)) is not None:
            raise UserError(
                f"{self.path}:{rows.lines[0]}: expected a time at {wrong}, got {_iso(rows.times[0])}; mend it, or pass "
                "another --frequency"
            )

    def _refuse_between(self, rows: Rows, at: int, step: int, frequency: Frequency | None) -> None:
        assert rows.times is not None
        if self.is_order:
            expected, got = f"a number some whole {step:,} after {rows.times[0]}", str(rows.times[at])
        else:
            assert frequency is not None
            start = rows.times[:1].astype(TIME)[0]
            expected, got = (
                f"a time some whole {frequency.name_at(start)} after {_iso(rows.times[0])}",
                _iso(rows.times[at]),
            )
        raise UserError(
            f"{self.path}:{rows.lines[at]}: expected {expected} in series {rows.name!r}, got {got}; mend it, or "
            "pass the --frequency that all times have"
        )

    def _finished(self, rows: Rows, frequency: Frequency | None) -> Series | None:
        there = np.flatnonzero(~np.isnan(rows.values))
        if not len(there):
            where = f"{self.path}:{rows.lines[0]}" if len(rows.lines) else str(self.path)
            leave_out(where, f"series {rows.name!r} has no value")
            return None
        begin = int(there[0])
        end = int(there[-1]) + 1 if rows.known else len(rows.values)
        start, name = "", "" if frequency is None else frequency.name
        if rows.times is not None and not self.is_order:
            first = rows.times[:1].astype(TIME)[0]
            if frequency is not None:
                first = times_from(first, frequency, np.array([begin]))[0]
                name = frequency.name_at(first)
            start = str(first.astype("datetime64[s]")) if first == first.astype("datetime64[s]") else str(first)
        return Series(
            rows.name,
            f"{self.path}:{rows.lines[begin]}",
            start,
            name,
            rows.values[begin:end],
            dict(rows.static),
            {key: column[begin:] for key, column in rows.known.items()},
            {key: column[begin:end] for key, column in rows.past.items()},
        )

    def _tell(self) -> None:
        if self._turned:
            note(f"{self.path}: rows stand newest first, from line {self._turned[0]}: turned round")
        if self._unsorted:
            several = f" and {len(self._unsorted) - 1:,} other series" if len(self._unsorted) > 1 else ""
            note(f"{self.path}: times go back in line {self._unsorted[0]}{several}: rows were sorted by time")
        if self._gaps:
            steps = sum(count for _, count in self._gaps)
            line, count = self._gaps[0]
            note(
                f"{self.path}: steps without a row: {steps:,} in {len(self._gaps):,} gaps, the first of {count:,} "
                f"after line {line}; they are missing, not filled"
            )


def spread(column: Covariate, at: Integers, count: int) -> Covariate:
    """A column with its rows at some of so many steps, and nothing at the others."""
    wide: Covariate = np.full(count, np.nan) if column.dtype.kind == "f" else np.full(count, "", column.dtype)
    wide[at] = column
    return wide


def _iso(time: np.int64) -> str:
    return str(time.astype(TIME).astype("datetime64[s]"))
