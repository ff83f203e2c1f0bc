"""Labelled series out of ``.ts`` files, tables and JSON lines: what is read, what is guessed, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.series.labelled.lines import read_labelled_lines
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.data.series.labelled.tables import Columns, read_labelled_table
from throughtime.data.series.labelled.ts import is_ts, read_ts
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting

HEAD = "# by hand\n@problemName made\n@timeStamps {}\n@missing true\n@univariate {}\n@classLabel true a b\n@data\n"


def written(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def said(found: Sequence[LabelledSeries]) -> list[tuple[object, str, list[str]]]:
    return [(one.channels, one.label, one.labels) for one in found]


def test_a_ts_file_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "m.ts", HEAD.format("false", "false") + "1,2.5,?:-1e1,NaN,3:a\n\n7:8:b\n")
    found = list(read_ts(path))
    assert said(found) == [([[1.0, 2.5, None], [-10.0, None, 3.0]], "a", []), ([[7.0], [8.0]], "b", [])]
    assert [one.where for one in found] == [f"{path}:8", f"{path}:10"]
    assert is_ts(path)
    timed = written(
        tmp_path, "t.ts", HEAD.format("true", "true") + "(2024-01-01 00:00:01,4),(2024-01-01 00:00:02,?):b\n"
    )
    with noting() as notes:
        assert said(list(read_ts(timed))) == [([[4.0, None]], "b", [])]
    assert notes.lines() == [f"{timed}: times are taken for the order of the steps alone"]
    numbers = written(tmp_path, "n.ts", "@targetlabel true\n@classLabel false\n@data\n1,2:0.25\n")
    assert said(list(read_ts(numbers))) == [([[1.0, 2.0]], "0.25", [])]
    (tmp_path / "film.ts").write_bytes(b"G@\x00\x10\xff" * 40)
    assert not is_ts(tmp_path / "film.ts")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD.format("false", "true") + "1,x:a\n", "m.ts:8: expected a number, or ? where one is missing, got 'x'"),
        (HEAD.format("false", "true") + "1,inf:a\n", "m.ts:8: expected a number at most 1e+15 from 0, got 'inf'"),
        (HEAD.format("false", "true") + "1,2:3,4:a\n", "m.ts:8: expected 1 channels between colons"),
        (
            HEAD.format("false", "false") + "1,2:3:a\n",
            "m.ts:8: expected channels of one length, got 2 steps in channel 1",
        ),
        (HEAD.format("false", "true") + "1,2:c\n", "m.ts:8: expected a class of @classLabel, a, b, got 'c'"),
        (HEAD.format("false", "true") + "?,?:a\n", "m.ts:8: expected a series with values, got one in which all are"),
        (HEAD.format("false", "true") + "1,2\n", "m.ts:8: expected a label behind the last colon"),
        (HEAD.format("true", "true") + "(3,1),(2,1):a\n", "m.ts:8: expected times that go on, got 2 after 3"),
        (HEAD.format("true", "true") + "(3,1),(3,1):a\n", "m.ts:8: expected times that go on, got 3 again"),
        (HEAD.format("true", "true") + "1,2:a\n", "m.ts:8: expected (time,value), got '1,2'"),
        ("@equalLength true\n@seriesLength 3\n@data\n1,2\n", "m.ts:4: expected 3 steps, as @seriesLength says, got 2"),
        ("@equalLenght true\n", "m.ts:1: unknown field @equalLenght (did you mean 'equallength'?)"),
        ("@missing perhaps\n", "m.ts:1: expected true or false after @missing, got perhaps"),
        ("1,2:a\n", "m.ts:1: expected a field such as @classLabel, or @data, got '1,2:a'"),
        ("@missing true\n", "m.ts: expected @data and series below it, got none"),
    ],
)
def test_a_broken_ts_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, "m.ts", text)
    with pytest.raises(UserError) as refused:
        list(read_ts(path))
    assert str(refused.value).startswith(f"{tmp_path}/{message}")


@pytest.mark.parametrize(
    ("text", "columns", "expected", "note"),
    [
        ("a,1,2,3\nb,4,5\n", Columns(), [([1, 2, 3], "a"), ([4, 5], "b")], "stands in column 1 (text beside numbers)"),
        ("1.5,2.5,a\n4,b\n", Columns(), [([1.5, 2.5], "a"), ([4], "b")], "stands last (text beside numbers)"),
        ("1,0.5,2.5\n2,0.25,0.75\n1,3.5,9.25\n2,3.5,9.5\n", Columns(), None, "stands in column 1 (a few whole numbers"),
        ("0.5,2.5,1\n0.25,0.75,2\n3.5,9.25,1\n3.5,8.5,2\n", Columns(), None, "stands last (a few whole numbers"),
        ("label,x1,x2\n1,2,\n3,4,?\n", Columns(), [([2], "1"), ([4], "3")], "stands in column 1 ('label')"),
        (",x1,x2,class\n0,2,7,u\n1,4,5,v\n", Columns(), [([2, 7], "u"), ([4, 5], "v")], "column 1 counts the rows"),
        ("1.5,2.5\n3.5,4.5\n", Columns(label="last"), [([1.5], "2.5"), ([3.5], "4.5")], "a series a row"),
        ("1.5,2.5\n3.5,4.5\n", Columns(label="none"), [([1.5, 2.5], ""), ([3.5, 4.5], "")], "a series a row"),
    ],
)
def test_a_series_a_row(
    tmp_path: Path, text: str, columns: Columns, expected: list[tuple[list[float], str]] | None, note: str
) -> None:
    path = written(tmp_path, "t.csv", text)
    with noting() as notes:
        found = list(read_labelled_table(path, columns))
    if expected is not None:
        assert [(one.channels, one.label) for one in found] == [([values], label) for values, label in expected]
    assert {one.label for one in found} != {""} or columns.label == "none"
    assert any(note in line for line in notes.lines()), notes.lines()


STEPS = "id,time,x,y,state\ns1,1,0.5,?,u\ns1,2,0.25,1,v\ns2,1,7,8,u\n"


def test_a_step_a_row(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", STEPS)
    with noting() as notes:
        found = list(read_labelled_table(path))
    assert said(found) == [([[0.5, 0.25], [None, 1.0]], "", ["u", "v"]), ([[7.0], [8.0]], "", ["u"])]
    assert [(one.name, one.where) for one in found] == [("s1", f"{path}:2"), ("s2", f"{path}:4")]
    assert f"{path}: series 'id', time 'time', label 'state'; values: x, y" in notes.lines()
    path = written(tmp_path, "w.csv", STEPS.replace("1,v", "1,u").replace("8,u", "8,v"))
    assert [(one.label, one.labels) for one in read_labelled_table(path)] == [("u", []), ("v", [])]
    (one, other) = read_labelled_table(path, Columns(values=["y"], label="none", time="2"))
    assert (one.channels, one.label, other.channels) == ([[None, 1.0]], "", [[8.0]])
    alone = written(tmp_path, "a.csv", "timestamp,value,is_anomaly\n0,1.5,0\n1,2.5,1\n")
    assert said(list(read_labelled_table(alone))) == [([[1.5, 2.5]], "", ["0", "1"])]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a,1,x\nb,2,3\n", Columns(label="first"), "t.csv:1, column 3: expected a number, or ?"),
        ("a,1,2\nb,?,?\n", Columns(), "t.csv:2: expected a series of at least one step, got none"),
        ("a,1,inf\nb,2,3\n", Columns(label="first"), "t.csv:1, column 3: expected a number at most"),
        ("1,2\n2,1\n1,1\n2,2\n", Columns(header=False), "t.csv:1: expected a label first or last in a row"),
        (STEPS.replace("s1,2,", "s1,0,"), Columns(), "t.csv:3: expected times that go on, got 0 after 1; sort"),
        (STEPS.replace("s1,2,", "s1,1,"), Columns(), "t.csv:3: expected times that go on, got 1 again; sort"),
        (STEPS.replace("0.25", "one"), Columns(), "t.csv:3, column 'x': expected a number, or ? where one is missing"),
        (STEPS.replace("s1,2,", "s1,soon,"), Columns(), "t.csv:3: expected a number or a time such as"),
        (STEPS.replace("0.25,1,v", "0.25,1"), Columns(), "t.csv:3: expected 5 columns, got 4; mend the row"),
        (STEPS, Columns(values=["z"]), "has no column 'z'; columns: id, time, x, y, state"),
        ("a,1\nb,2\n", Columns(layout="steps"), "t.csv:1: expected a heading above a step a row, got none"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, text: str, columns: Columns, message: str) -> None:
    path = written(tmp_path, "t.csv", text)
    with pytest.raises(UserError) as refused:
        list(read_labelled_table(path, columns))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_lines_of_json(tmp_path: Path) -> None:
    text = '{"series": [1, null], "label": 2}\n\n{"series": [[1, 2], [3, null]], "label": ["a", "b"], "name": "n"}\n'
    found = list(read_labelled_lines(written(tmp_path, "l.jsonl", text)))
    assert said(found) == [([[1.0, None]], "2", []), ([[1.0, 3.0], [2.0, None]], "", ["a", "b"])]
    assert [one.name for one in found] == ["1", "n"]
    for line, message in (
        ('{"series": [], "label": 1}', "expected a list of steps under series, got []"),
        ('{"series": [[1], [1, 2]]}', "expected 1 numbers in step 2, got 2"),
        ('{"series": [true]}', "expected numbers at most 1e+15 from 0, or null, in step 1, got True"),
        ('{"series": [1, 2], "label": ["a"]}', "expected a label of each of 2 steps, got 1"),
    ):
        path = written(tmp_path, "l.jsonl", line)
        with pytest.raises(UserError) as refused:
            list(read_labelled_lines(path))
        assert str(refused.value) == f"{path}:1: {message}"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=1, max_size=5), min_size=1, max_size=4))
def test_what_a_ts_file_says_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, series: list[list[float | None]]
) -> None:
    series = [values if any(v is not None for v in values) else [*values, 1.5] for values in series]
    lines = [",".join("?" if value is None else repr(value) for value in values) + ":a" for values in series]
    path = written(tmp_path_factory.mktemp("ts"), "m.ts", HEAD.format("false", "true") + "\n".join(lines))
    assert [one.channels for one in read_ts(path)] == [[values] for values in series]
