"""Whatever the layout, the same series come out; what is guessed is told, and gives way to what the user says."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from throughtime.data.series.frames import write_columns
from throughtime.data.series.frequency import parse, times, times_from
from throughtime.data.series.reading import Reading, read_series, series_of
from throughtime.data.series.series import Series
from throughtime.runtime.reading.notes import noting

STARTS = {
    "s": "2024-02-28T23:59:58",
    "15min": "2024-02-28T23:45:00",
    "h": "2016-12-31T23:00:00",
    "D": "2024-02-28T00:00:00",
    "B": "2024-02-29T00:00:00",
    "W-SUN": "2024-02-25T00:00:00",
    "MS": "2023-11-01T00:00:00",
    "ME": "2023-11-30T00:00:00",
    "QE": "2023-12-31T00:00:00",
    "YS-APR": "1999-04-01T00:00:00",
}


@dataclass(frozen=True)
class Drawn:
    """Series of one start and length, by name, NaN where a value is missing."""

    frequency: str
    columns: dict[str, list[float]]
    draw: Random

    @property
    def steps(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def times(self) -> list[str]:
        return [str(time.astype("datetime64[s]")) for time in times(STARTS[self.frequency], self.frequency, self.steps)]

    @property
    def series(self) -> list[Series]:
        found = []
        for name, values in self.columns.items():
            there = [at for at, value in enumerate(values) if not math.isnan(value)]
            if there:
                found.append(Series(name, "", self.times[there[0]], self.frequency, np.array(values[there[0] :])))
        return found

    @property
    def how(self) -> Reading:
        return Reading(frequency=self.frequency)


numbers = st.one_of(
    st.just(math.nan), st.integers(-(10**6), 10**6).map(float), st.floats(-1e9, 1e9, width=32).map(float)
)
names = st.text("abcäß, \"'x-", min_size=1, max_size=5).filter(
    lambda name: name == name.strip() and any(letter.isalpha() for letter in name)
)


@st.composite
def drawn(draw: Callable[..., Any]) -> Drawn:
    steps = draw(st.integers(2, 12))
    found = draw(st.lists(names, min_size=1, max_size=4, unique_by=str.lower))
    columns = {f"n{name}": draw(st.lists(numbers, min_size=steps, max_size=steps)) for name in found}
    columns[next(iter(columns))][0] = 1.5  # some series begins with the table, and holds a number
    return Drawn(draw(st.sampled_from(list(STARTS))), columns, draw(st.randoms(use_true_random=False)))


def text_of(value: float, missing: str = "") -> str:
    return missing if math.isnan(value) else repr(value)


def long_rows(data: Drawn, gaps: bool = False) -> list[tuple[str, str, float]]:
    """Rows; missing values within a series are sometimes left out."""
    rows = [
        (name, time, value)
        for name, values in data.columns.items()
        for time, value in zip(data.times, values, strict=True)
    ]
    last = data.times[-1]
    return [row for row in rows if not (gaps and math.isnan(row[2]) and row[1] != last and data.draw.random() < 0.5)]


def as_cells(rows: list[list[str]], separator: str = ",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows(rows)
    return file.getvalue()


def write_long(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    rows = [
        [name, time, text_of(value, data.draw.choice(["", "NA", "?", "nan"]))]
        for name, time, value in long_rows(data, True)
    ]
    separator = data.draw.choice(",;\t|")
    (folder / "a.csv").write_text(as_cells([["unique_id", "ds", "y"], *rows], separator))
    return folder / "a.csv", replace(data.how, decimal=".")


def write_shuffled(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    rows = [[time, text_of(value, "null"), name] for name, time, value in long_rows(data)]
    first = rows[: data.steps]  # so that series come in their order
    rest = rows[data.steps :]
    data.draw.shuffle(first)
    (folder / "a.csv").write_text(as_cells([["when", "how much", "item_id"], *first, *rest]))
    return folder / "a.csv", replace(data.how, decimal=".", time="when")


def write_comma(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    rows = [[name, time.replace("T", " "), text_of(value).replace(".", ",")] for name, time, value in long_rows(data)]
    (folder / "a.csv").write_text(as_cells([["id", "time", "value"], *rows], ";"))
    return folder / "a.csv", replace(data.how, decimal=",")


def write_wide(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    rows = [
        [time, *map(text_of, values)]
        for time, values in zip(data.times, zip(*data.columns.values(), strict=True), strict=True)
    ]
    (folder / "a.csv").write_text(as_cells([["date", *data.columns], *rows]))
    return folder / "a.csv", replace(data.how, decimal=".", layout="wide")


def write_m4(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    rows = [[name, *(text_of(value, "NA") for value in values)] for name, values in data.columns.items()]
    (folder / "a.csv").write_text(as_cells([["id", *data.times], *rows]))
    return folder / "a.csv", replace(data.how, decimal=".")


def write_rows(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    rows = [
        {"id": name, "time": time, "value": None if math.isnan(value) else value}
        for name, time, value in long_rows(data)
    ]
    (folder / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder / "a.jsonl", data.how


def write_lines(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    keys = data.draw.choice([("name", "start", "frequency", "values"), ("item_id", "start", "freq", "target")])
    rows = [
        dict(
            zip(
                keys, (name, data.times[0], data.frequency, [None if math.isnan(v) else v for v in values]), strict=True
            )
        )
        for name, values in data.columns.items()
    ]
    (folder / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder / "a.jsonl", Reading()


def columns_long(data: Drawn) -> dict[str, Any]:
    rows = long_rows(data)
    return {
        "id": [name for name, _, _ in rows],
        "time": np.array([time for _, time, _ in rows], "datetime64[ns]"),
        "value": np.array([value for _, _, value in rows]),
    }


def columns_wide(data: Drawn) -> dict[str, Any]:
    return {"date": np.array(data.times, "datetime64[s]"), **data.columns}


def write_parquet(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    found = columns_long(data)
    pq.write_table(pa.table({**found, "value": pa.array(found["value"], from_pandas=True)}), folder / "a.parquet")
    return folder / "a.parquet", data.how


def write_parquet_wide(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    pq.write_table(pa.table(columns_wide(data)), folder / "a.parquet", row_group_size=3)
    return folder / "a.parquet", replace(data.how, layout="wide")


def write_arrays(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    write_columns(columns_long(data), folder / "a.npz")
    return folder / "a.npz", data.how


def write_tsf(data: Drawn, folder: Path) -> tuple[Path, Reading]:
    plain = {name: f"n{number}" for number, name in enumerate(data.columns)}
    start = data.times[0].replace("T", " ").replace(":", "-")
    lines = [
        f"{plain[name]}:{start}:{','.join(text_of(v, '?') for v in values)}" for name, values in data.columns.items()
    ]
    heading = [
        "# a comment",
        "@relation x",
        "@attribute series_name string",
        "@attribute start_timestamp date",
        "@data",
    ]
    (folder / "a.tsf").write_text("\n".join([*heading, *lines]))
    return folder / "a.tsf", data.how


WRITERS = [write_long, write_shuffled, write_comma, write_wide, write_m4, write_rows, write_lines, write_parquet]
WRITERS += [write_parquet_wide, write_arrays, write_tsf]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=drawn())
def test_every_layout_gives_the_same_series(
    write: Callable[..., tuple[Path, Reading]], tmp_path: Path, data: Drawn
) -> None:
    path, how = write(data, tmp_path)
    expected = data.series
    found = list(read_series([path], how))
    if write is write_tsf:
        expected = [replace(one, name=f"n{list(data.columns).index(one.name)}") for one in expected]
    assert found == expected


class Frame:
    """As a frame of pandas or polars: columns by name, and for the former an index."""

    def __init__(self, columns: dict[str, Any], index: Any = None) -> None:
        self._columns = columns
        self.columns = list(columns)
        if index is not None:
            self.index = index

    def __getitem__(self, name: str) -> Any:
        return np.asarray(self._columns[name], object) if name == "id" else self._columns[name]


@settings(max_examples=25, deadline=None)
@given(data=drawn())
def test_every_kind_of_memory_gives_the_same_series(data: Drawn) -> None:
    columns, wide = columns_long(data), columns_wide(data)
    whole = {**columns, "value": pa.array(columns["value"], from_pandas=True)}
    given_long = [
        columns,
        Frame(columns),
        pa.table(whole),
        pa.concat_tables([pa.table(whole).slice(0, 1), pa.table(whole).slice(1)]),
    ]
    for long in given_long:
        assert list(series_of(long, data.how)) == data.series
    without = {name: np.array(column) for name, column in data.columns.items()}
    for table in (wide, Frame(wide), pa.table(wide), Frame(without, np.array(data.times, "datetime64[s]"))):
        assert list(series_of(table, replace(data.how, layout="wide"))) == data.series


def test_arrays_are_series_without_a_time() -> None:
    one = list(series_of(np.array([1.0, np.nan, 3.0])))
    assert [(s.name, s.start, s.frequency, len(s)) for s in one] == [("1", "", "", 3)]
    several = list(series_of([np.array([1.0, 2.0]), [3, 4, 5], (6.0,)], Reading(frequency="h")))
    assert [(s.name, s.frequency, s.values.tolist()) for s in several] == [
        ("1", "h", [1, 2]),
        ("2", "h", [3, 4, 5]),
        ("3", "h", [6]),
    ]
    assert [len(s) for s in series_of(np.ones((2, 5)))] == [5, 5]


def read(tmp_path: Path, text: str, name: str = "a.csv", **how: Any) -> tuple[list[Series], list[str]]:
    (tmp_path / name).write_text(text)
    with noting() as notes:
        found = list(read_series([tmp_path / name], Reading(**how)))
    return found, [line.replace(f"{tmp_path}/", "") for line in notes.lines()]


def test_what_is_guessed_is_told_in_one_line_each(tmp_path: Path) -> None:
    text = "store;when;sold;note\n" + "".join(f"{s};{d:02}.03.2024;{d},5;x{d}\n" for s in "ab" for d in range(11, 25))
    found, told = read(tmp_path, text, id="store")
    assert [(s.name, s.start, s.frequency, s.values[:2].tolist()) for s in found] == [
        ("a", "2024-03-11T00:00:00", "D", [11.5, 12.5]),
        ("b", "2024-03-11T00:00:00", "D", [11.5, 12.5]),
    ]
    assert told == [
        "a.csv: its cells are divided by semicolons",
        "a.csv:1: the first row is a heading: 'store' stands in its column once, where all else recurs",
        "a.csv: long: series are told apart by 'store', times are column 'when', values are 'sold'",
        "a.csv: columns that are not read: note",
        "a.csv: numbers have a decimal comma, as in '11,5'",
        "a.csv: dates in column 'when' have the day first, as in '11.03.2024'",
        "a.csv: a step is D",
    ]


def test_a_frequency_by_few_rows_is_told_to_be_a_guess(tmp_path: Path) -> None:
    found, told = read(tmp_path, "time,a\n2024-01-01,1\n2024-02-01,2\n2024-03-01,3\n")
    assert found[0].frequency == "MS"
    assert told[-1] == "a.csv: a step is MS, by 2 steps alone: pass --frequency if it is another"
    found, told = read(tmp_path, "time,a\n2024-01-01,1\n2024-02-01,2\n", frequency="D")
    assert (found[0].frequency, len(found[0])) == ("D", 32)
    found, _ = read(tmp_path, "time,a\n2024-01-01,1\n")
    assert (found[0].start, found[0].frequency) == ("2024-01-01T00:00:00", "")


def test_gaps_are_missing_steps_and_told(tmp_path: Path) -> None:
    rows = [f"2024-01-{day:02},{day}\n" for day in range(1, 20) if day not in (5, 6, 9)]
    found, told = read(tmp_path, "time,a\n" + "".join(rows))
    assert np.flatnonzero(np.isnan(found[0].values)).tolist() == [4, 5, 8]
    assert (
        told[-1] == "a.csv: steps without a row: 3 in 2 gaps, the first of 2 after line 5; they are missing, not filled"
    )


def test_disorder_is_sorted_and_told(tmp_path: Path) -> None:
    rows = [f"2024-01-{day:02},{day}\n" for day in (1, 2, 4, 3, 5, 6)]
    found, told = read(tmp_path, "time,a\n" + "".join(rows))
    assert found[0].values.tolist() == [1, 2, 3, 4, 5, 6]
    assert told[-1] == "a.csv: times go back in line 5: rows were sorted by time"
    found, told = read(tmp_path, "time,a\n" + "".join(sorted(rows, reverse=True)))
    assert found[0].values.tolist() == [1, 2, 3, 4, 5, 6]
    assert told[-1] == "a.csv: rows stand newest first, from line 3: turned round"


def test_a_row_that_stands_twice_is_left_out_and_told(tmp_path: Path) -> None:
    found, told = read(tmp_path, "time,a\n2024-01-01,1\n2024-01-02,2\n2024-01-02,2.0\n2024-01-03,3\n")
    assert found[0].values.tolist() == [1, 2, 3]
    assert told[-1] == "left out: the row says again what the one before says of the same time (a.csv:4)"


def test_numbers_of_an_order_have_no_time(tmp_path: Path) -> None:
    found, told = read(tmp_path, "step,id,value\n" + "".join(f"{10 * at},a,{at}\n" for at in (0, 1, 2, 4)), time="step")
    assert (found[0].start, found[0].frequency) == ("", "")
    np.testing.assert_array_equal(found[0].values, [0, 1, 2, np.nan, 4])
    assert "a.csv: column 'step' holds numbers that are no dates: steps have an order, and no time" in told


def test_a_column_that_counts_rows_is_their_order(tmp_path: Path) -> None:
    found, told = read(tmp_path, "t,v\n0,1\n1,2\n2,4\n")
    assert [(one.name, one.values.tolist()) for one in found] == [("v", [1, 2, 4])]
    assert "a.csv: wide: times are column 't', series are 'v'" in told
    found, _ = read(tmp_path, "t,v\n0,1\n1,2\n2,4\n", value="t,v", time="none")
    assert [one.name for one in found] == ["t", "v"]
    found, _ = read(tmp_path, "v\n0\n1\n2\n")
    assert [(one.name, len(one)) for one in found] == [("v", 3)]


@pytest.mark.parametrize(
    ("cells", "start", "frequency", "told"),
    [
        (
            ["1700000000", "1700003600"],
            "2023-11-14T22:13:20",
            "h",
            "counts seconds since 1970, by the size of its numbers",
        ),
        (["1700000000000", "1700000000500"], "2023-11-14T22:13:20", "500ms", "counts milliseconds since 1970"),
        (["1700000000000000", "1700000001000000"], "2023-11-14T22:13:20", "s", "counts microseconds since 1970"),
        (["1700000000000000000", "1700000001000000000"], "2023-11-14T22:13:20", "s", "counts nanoseconds since 1970"),
        (["1999", "2000"], "1999-01-01T00:00:00", "YS", "holds years, by the size of its numbers"),
        (["199912", "200001"], "1999-12-01T00:00:00", "MS", "holds months as 202403, by its digits"),
        (["19991231", "20000101"], "1999-12-31T00:00:00", "D", "holds days as 20240301, by its digits"),
        (["2024-01", "2024-02"], "2024-01-01T00:00:00", "MS", ""),
        (["13/01/2024", "14/01/2024"], "2024-01-13T00:00:00", "D", "have the day first, as in '13/01/2024'"),
        (["01/13/2024", "01/14/2024"], "2024-01-13T00:00:00", "D", "have the month first, as in '01/13/2024'"),
        (["2024/01/13 10:00", "2024/01/13 11:00"], "2024-01-13T10:00:00", "h", ""),
        (["1/2/2024 11:00 PM", "1/3/2024 12:00 AM"], "2024-01-02T23:00:00", "h", "have the month first"),
        (["10.03.2004 18.00.00", "10.03.2004 19.00.00"], "2004-03-10T18:00:00", "h", "have the day first"),
        (["Jan 2024", "Feb 2024"], "2024-01-01T00:00:00", "MS", ""),
        (["2024Q1", "2024Q2"], "2024-01-01T00:00:00", "QS", ""),
        (["2024-01-01 00:00:00.25", "2024-01-01 00:00:00.50"], "2024-01-01T00:00:00.250000", "250ms", ""),
        (
            ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"],
            "2024-01-01T00:00:00",
            "h",
            "have offsets from UTC: read as UTC",
        ),
        (["2024-01-01T00:00:00+02:00", "2024-01-01T01:00:00+02:00"], "2023-12-31T22:00:00", "h", "read as UTC"),
        (
            ["2024-03-30T00:00:00+01:00", "2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00"],
            "2024-03-30T00:00:00",
            "D",
            "are the same of every day: read by their own clock",
        ),
    ],
)
def test_times_as_people_write_them(tmp_path: Path, cells: list[str], start: str, frequency: str, told: str) -> None:
    found, lines = read(tmp_path, "time,a\n" + "".join(f"{cell},{at}\n" for at, cell in enumerate(cells)))
    assert (found[0].start, found[0].frequency, len(found[0])) == (start, frequency, len(cells))
    assert any(told in line for line in lines)


def test_daylight_saving_time_by_the_zone(tmp_path: Path) -> None:
    """Berlin, 31 March and 27 October 2024: an hour is skipped, an hour comes twice; in UTC every hour comes once."""
    spring = ["2024-03-31 00:00", "2024-03-31 01:00", "2024-03-31 03:00", "2024-03-31 04:00"]
    autumn = ["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"]
    for hours, start in ((spring, "2024-03-30T23:00:00"), (autumn, "2024-10-26T23:00:00")):
        text = "time,a\n" + "".join(f"{hour},{at}\n" for at, hour in enumerate(hours))
        found, told = read(tmp_path, text, zone="Europe/Berlin")
        assert (found[0].start, found[0].values.tolist()) == (start, [0, 1, 2, 3])
        assert "a.csv: times are those of Europe/Berlin: read as UTC" in told


def test_covariates_of_every_kind(tmp_path: Path) -> None:
    rows = ["id,time,y,store,size,holiday,price,weather"]
    for name, store, size in (("a", "3", "1.5"), ("b", "4", "2.5")):
        for day in range(1, 6):
            value = "" if day > 3 else str(day)
            weather = "" if day > 3 else "wet" if day % 2 else "dry"
            rows.append(
                f"{name},2024-01-0{day},{value},{store},{size},{'no' if day < 5 else 'yes'},{day / 2},{weather}"
            )
    how: dict[str, Any] = {"static": ("store:category", "size"), "known": ("holiday", "price"), "past": ("weather",)}
    found, _ = read(tmp_path, "\n".join(rows), **how)
    assert [one.static for one in found] == [{"store": "3", "size": 1.5}, {"store": "4", "size": 2.5}]
    assert found[0].values.tolist() == [1, 2, 3]  # rows without a value at the end are the future of what is known
    assert found[0].known["holiday"].tolist() == ["no", "no", "no", "no", "yes"]
    assert found[0].known["price"].tolist() == [0.5, 1, 1.5, 2, 2.5]
    assert found[0].past["weather"].tolist() == ["wet", "dry", "wet"]
    lines = [
        {
            "name": one.name,
            "start": one.start,
            "frequency": "D",
            "values": one.values.tolist(),
            "static": one.static,
            "known": {key: column.tolist() for key, column in one.known.items()},
            "past": {key: column.tolist() for key, column in one.past.items()},
        }
        for one in found
    ]
    again, _ = read(tmp_path, "".join(f"{json.dumps(line)}\n" for line in lines), "a.jsonl")
    assert again == found


def test_several_files_and_several_values(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,x,y\n2024-01-01,1,2\n2024-01-02,3,4\n")
    (tmp_path / "b.csv").write_text("time,x\n2024-01-01,5\n2024-01-02,6\n")
    found = list(read_series([tmp_path / "a.csv", tmp_path / "b.csv"]))
    assert [one.name for one in found] == ["a/x", "a/y", "b"]
    text = "id,shop,time,x,y\n" + "".join(f"{i},{s},2024-01-0{d},{d},9\n" for i in "ab" for s in "cd" for d in (1, 2))
    found, _ = read(tmp_path, text, id="id,shop", value="x,y")
    assert [one.name for one in found][:3] == ["a/c/x", "a/c/y", "a/d/x"]


def test_m4_and_rows_without_a_heading(tmp_path: Path) -> None:
    text = '"V1","V2","V3","V4"\n"H1","1","2","3"\n"H2","4","NA",""\n'
    found, told = read(tmp_path, text)
    assert [(one.name, one.where.split("/")[-1], one.frequency, one.start, len(one)) for one in found] == [
        ("H1", "a.csv:2", "h", "", 3),
        ("H2", "a.csv:3", "h", "", 2),
    ]
    assert told == [
        "a.csv: a row a series: its id, then its values",
        "a.csv: a step is h, as ids of M4 tell, such as 'H1'",
    ]
    found, _ = read(tmp_path, "x,1,2,3\ny,4,5\n", layout="m4")
    assert [(one.name, one.values.tolist()) for one in found] == [("x", [1, 2, 3]), ("y", [4, 5])]


def test_tsf_attributes_are_static(tmp_path: Path) -> None:
    text = (
        "@relation tourism\n@attribute series_name string\n@attribute start_timestamp date\n@attribute state string\n"
        "@attribute size numeric\n@frequency monthly\n@missing true\n@data\nT1:1979-01-01 00-00-00:NSW:3.5:1,?,3\n"
    )
    found, told = read(tmp_path, text, "a.tsf")
    assert [(one.name, one.start, one.frequency, one.static) for one in found] == [
        ("T1", "1979-01-01T00:00:00", "MS", {"state": "NSW", "size": 3.5})
    ]
    np.testing.assert_array_equal(found[0].values, [1, np.nan, 3])
    assert told == ["a.tsf: a step is monthly, as its heading says"]


def test_a_series_that_begins_later_begins_later(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "time,a,b\n2024-01-01,1,\n2024-01-02,2,\n2024-01-03,3,4\n2024-01-04,,5\n", frequency="D")
    assert [(one.start, len(one)) for one in found] == [("2024-01-01T00:00:00", 4), ("2024-01-03T00:00:00", 2)]
    assert math.isnan(found[0].values[-1])
    assert str(times_from(np.datetime64(found[1].start, "us"), parse("D"), np.array([2]))[0])[:10] == "2024-01-05"
