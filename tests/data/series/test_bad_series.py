"""What is wrong with a file of series is said in one line, with the file, the line and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from throughtime.data.series.columns import tables
from throughtime.data.series.reading import Reading, read_series, series_of
from throughtime.data.series.series import Series
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting


def days(count: int, *rows: str) -> str:
    return (
        "time,a\n" + "".join(f"2024-01-{at:02},{at}\n" for at in range(1, count + 1)) + "".join(f"{r}\n" for r in rows)
    )


LONG = "id,time,y,size\n" + "".join(f"{name},2024-01-0{day},{day},3\n" for name in "ab" for day in range(1, 5))

BAD: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "text in a number column": (
        "a.csv", days(4, "2024-01-05,broken"), {},
        "a.csv:6: expected a number in column 'a', got 'broken'; mend it, or leave the cell empty where no value is k",
    ),
    "an infinity": ("a.csv", days(4, "2024-01-05,-inf"), {}, "a.csv:6: expected a finite number in column 'a', got '"),
    "a number beyond all": ("a.csv", days(4, "2024-01-05,1e999"), {}, "a.csv:6: expected a finite number in column '"),
    "an infinity in JSON": (
        "a.jsonl", '{"time": "2024-01-01", "y": 1}\n{"time": "2024-01-02", "y": Infinity}\n', {},
        "a.jsonl:2: expected a finite number in column 'y', got inf",
    ),
    "a decimal comma beside points": (
        "a.csv", "time;a\n2024-01-01;1.5\n2024-01-02;2,5\n", {}, "a.csv:3: expected a number in column 'a', got '2,5'",
    ),
    "a time that is none": (
        "a.csv", days(4, "tomorrow,5"), {"time": "time"},
        "a.csv:6: expected a time as in the other rows in column 'time', got 'tomorrow'; mend it, "
        "or name another column",
    ),
    "a day that no month has": (
        "a.csv", days(4, "2024-02-30,5"), {},
        "a.csv:6: expected a time as in the other rows in column 'time', got '2024-02-30'; mend it, or name another c",
    ),
    "words in the place of times": (
        "a.csv", "when,a\nlate,1\nsoon,2\nnever,3\n", {"time": "when"},
        "a.csv: expected times in column 'when', got 'late'; write them as 2024-03-01T12:00:00, name another column by "
        "--time, or pass --time none where rows are steps",
    ),
    "a time without its offset": (
        "a.csv", "time,a\n2024-01-01T00:00Z,1\n2024-01-01T01:00Z,1\n2024-01-01T02:00,1\n", {},
        "a.csv:4: expected a time with its offset in column 'time', got '2024-01-01T02:00'; mend it",
    ),
    "two rows of one time": (
        "a.csv", days(4, "2024-01-04,5"), {},
        "a.csv:6: expected one row at 2024-01-04T00:00:00 of series 'a', got another than in line "
        "5; take one out, name "
        "what tells series apart by --id",
    ),
    "an hour that clocks repeat": (
        "a.csv", "time,a\n" + "".join(f"2024-10-27 0{h}:00,{n}\n" for n, h in enumerate((0, 1, 2, 2, 3))), {},
        "a.csv:5: expected one row at 2024-10-27T02:00:00 of series 'a', got another than in line "
        "4; take one out, name "
        "what tells series apart by --id, or pass --zone if clocks were set back then",
    ),
    "a time between steps": (
        "a.csv", days(9, "2024-01-10T12:00:00,5"), {},
        "a.csv:11: expected a time some whole D after 2024-01-01T00:00:00 in series 'a', got "
        "2024-01-10T12:00:00; mend it, or "
        "pass the --frequency that all times have",
    ),
    "a mistyped year": (
        "a.csv", days(9, "2204-01-10,5"), {},
        "a.csv:11: expected a time near the one before, got one 65,744 steps later; mend it, or pass a longer --frequ",
    ),
    "a first time beside the frequency": (
        "a.csv", days(3), {"frequency": "W-SUN"},
        "a.csv:2: expected a time at SUN, got 2024-01-01T00:00:00; mend it, or pass another --frequency",
    ),
    "a frequency that is none": (
        "a.csv", days(3), {"frequency": "fortnight"},
        "expected a frequency such as h, 15min, D, B, W, MS, ME, QE or YE, got 'fortnight'",
    ),
    "months or days first": (
        "a.csv", "time,a\n01/02/2024,1\n01/03/2024,2\n", {},
        "a.csv: expected dates in column 'time' that tell the day from the month, got '01/02/2024' "
        "and others that may be "
        "either; pass --day-first or --no-day-first",
    ),
    "a static covariate that changes": (
        "a.csv", LONG + "b,2024-01-05,5,4\n", {"static": ("size",)},
        "a.csv:10: expected 3.0 in column 'size' in all rows of series 'b', got 4.0; pass it by --known or --past if",
    ),
    "a static covariate of a wide table": (
        "a.csv", days(3), {"static": ("a",)}, "a.csv: expected a column of numbers, got none; name it by --value",
    ),
    "a column that is not there": (
        "a.csv", LONG, {"known": ("sizes",)}, "--known: a.csv has no column 'sizes' (did you mean 'size'?); columns:",
    ),
    "too few cells": ("a.csv", days(3, "2024-01-04"), {}, "a.csv:5: expected 2 columns, got 1; fill the row up"),
    "too many cells": ("a.csv", days(3, "2024-01-04,1,2"), {}, "a.csv:5: expected 2 columns, got 3, the last '2'; me"),
    "an empty file": ("a.csv", "", {}, "a.csv: expected rows with numbers over time, got none"),
    "another kind of file": ("a.xlsx", "x", {}, "a.xlsx: expected a file that ends in .csv, .tsv"),
    "no parquet": ("a.parquet", "PAR1 no", {}, "a.parquet: expected a parquet file, got another, or a damaged one"),
    "a layout that is none": ("a.csv", days(3), {"layout": "tall"}, "--layout: expected one of long, wide, m4, tsf,"),
    "a zone that is none": ("a.csv", days(3), {"zone": "Mars/Base"}, "--zone: expected a time zone such as Europe/Be"),
    "an hour that clocks skip": (
        "a.csv", "time,a\n2024-03-31 01:00,1\n2024-03-31 02:00,2\n2024-03-31 03:00,2\n", {"zone": "Europe/Berlin"},
        "a.csv:3: expected a time that clocks show in Europe/Berlin, got one that they skip; pass the --zone of the d",
    ),
    "m4 with text": ("a.csv", "V1,V2,V3\nx,1,two\n", {}, "a.csv:2: expected a number in column '3', got 'two'"),
    "more values than times": (
        "a.csv", "id,2024-01-01,2024-01-02\nx,1,2\ny,1,2,3\n", {}, "a.csv:3: expected 2 values, as many as times abov",
    ),
    "a list beside none": ("a.jsonl", '{"y": [1, 2]}\n{"y": 3}\n', {}, "a.jsonl:2: expected a list of numbers as 'va"),
    "text in a list": ("a.jsonl", '{"y": [1, "two"]}\n', {}, "a.jsonl:1: expected a number in column 'values[1]', go"),
    "a start without a frequency": (
        "a.jsonl", '{"start": "2024-01-01", "y": [1, 2]}\n', {},
        "a.jsonl:1: expected a frequency beside the start '2024-01-01', got none; pass --frequency",
    ),
    "two frequencies": (
        "a.jsonl", '{"freq": "h", "y": [1, 2]}\n{"freq": "D", "y": [1, 2]}\n', {},
        "a.jsonl:2: expected one frequency, h, got 'D'; put it into another file",
    ),
    "covariates too short": (
        "a.jsonl", '{"y": [1, 2], "known": {"x": [1]}}\n', {},
        "a.jsonl:1: expected 2 values of 'x', as many as of the series, got 1; mend it",
    ),
    "tsf without data": ("a.tsf", "@relation x\n", {}, "a.tsf: expected a line @data and series below it"),
    "tsf with a part too few": (
        "a.tsf", "@attribute series_name string\n@data\nT1,1,2\n", {},
        "a.tsf:3: expected 1 attributes and values, divided by colons, got 1",
    ),
    "tsf with text": (
        "a.tsf", "@attribute series_name string\n@data\nT1:1,x,2\n", {},
        "a.tsf:3: expected a number in column 'value 2', got 'x'; mend it, or write ? for what is missing",
    ),
}  # fmt: skip


def read(tmp_path: Path, name: str, text: str, how: dict[str, Any]) -> list[Series]:
    (tmp_path / name).write_text(text)
    return list(read_series([tmp_path / name], Reading(**how)))


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, case: str) -> None:
    name, text, how, expected = BAD[case]
    with pytest.raises(UserError) as error:
        read(tmp_path, name, text, how)
    assert str(error.value).replace(f"{tmp_path}/", "").startswith(expected)


def test_a_value_is_told_where_several_may_be_one(tmp_path: Path) -> None:
    text = LONG.replace("y,size", "sold,size")
    with pytest.raises(UserError, match="expected one column of values, got sold, size; name it by --value"):
        read(tmp_path, "a.csv", text, {})
    assert [one.values[0] for one in read(tmp_path, "a.csv", text, {"value": "sold"})] == [1, 1]


def test_a_series_without_a_value_is_left_out_with_its_line(tmp_path: Path) -> None:
    text = "id,time,y\n" + "".join(
        f"{name},2024-01-0{day},{value}\n" for name, value in (("a", ""), ("b", 2)) for day in (1, 2)
    )
    with noting() as notes:
        found = read(tmp_path, "a.csv", text, {})
    assert [one.name for one in found] == ["b"]
    assert notes.left_out == {"series 'a' has no value": [f"{tmp_path}/a.csv:2"]}


def test_a_cell_far_down_is_named_by_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the rows by which columns are told, and beyond the first piece."""
    monkeypatch.setattr(tables, "CELLS", 1400)
    rows = [f"{at},{at}" for at in range(3000)]
    rows[2500] = "2500,oops"
    with pytest.raises(UserError, match=r"a\.csv:2502: expected a number in column 'a', got 'oops'"):
        read(tmp_path, "a.csv", "time,a\n" + "\n".join(rows), {})
    rows[2500] = "2500,7"
    assert read(tmp_path, "a.csv", "time,a\n" + "\n".join(rows), {})[0].values[2500] == 7


def test_files_of_several_frequencies_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(days(12))
    (tmp_path / "b.csv").write_text("time,b\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n")
    with pytest.raises(
        UserError, match=r"b\.csv:2: expected steps of D, as in .*a\.csv:2, got h; a model has one frequency"
    ):
        list(read_series([tmp_path / "a.csv", tmp_path / "b.csv"]))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"a": [1.0, np.inf]}, "the data given:2: expected a finite number in column 'a', got inf; mend"),
        ({"a": [1.0, "x", 2.0]}, "the data given:2: expected a number in column 'a', got 'x'"),
        (
            {"a": [1.0], "b": [1.0, 2.0]},
            "the data given: expected columns of one length, got 1 rows of 'a' and 2 of 'b'",
        ),
        ({"a": "text"}, "expected a column of values as 'a', got 'text'; put them into a list"),
        ({"a": np.ones((2, 2))}, r"expected a column of one axis as 'a', got an array of shape \(2, 2\)"),
        ([], r"expected a frame, columns by name, or arrays of numbers, got \[\]"),
        ("a.csv", "expected a frame, columns by name, or arrays of numbers, got 'a.csv'"),
    ],
)
def test_bad_data_in_memory_is_named_by_its_row(data: Any, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        list(series_of(data))
