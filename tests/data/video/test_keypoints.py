"""Tables of key points, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.video.columns import check_classes
from throughtime.data.video.keypoints import PointSequence, read_points, slides
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting


def write(folder: Path, text: str, name: str = "points.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_row_is_a_class_and_its_steps(tmp_path: Path) -> None:
    path = write(tmp_path, "wave,0,0,1,0.5\n\nrest,3,4,,\n")
    one, other = read_points(path, 2)
    assert one == PointSequence([[0.0, 0.0], [1.0, 0.5]], "wave", f"{path}:1", "1", f"{path}:1", lines=[1])
    assert (other.points, other.label, other.where) == ([[3.0, 4.0]], "rest", f"{path}:3")


def test_a_heading_is_left_out_and_a_row_without_a_class_has_none(tmp_path: Path) -> None:
    path = write(tmp_path, "class,x1,y1,x2,y2\n0,1,2,3,4\n5,6,7,8\n")
    one, other = read_points(path, 2)
    assert (one.label, one.points) == ("0", [[1.0, 2.0], [3.0, 4.0]])
    assert (other.label, other.points) == (None, [[5.0, 6.0], [7.0, 8.0]])


def test_a_class_stands_first_where_a_step_is_one_number(tmp_path: Path) -> None:
    (found,) = read_points(write(tmp_path, "up\t1\t2\t3\n", "points.tsv"), 1)
    assert (found.label, found.points) == ("up", [[1.0], [2.0], [3.0]])


def test_a_step_a_row_in_any_order(tmp_path: Path) -> None:
    path = write(tmp_path, "Frame,clip,x,y,Label\n2,a,3,4,run\n1,b,7,8,sit\n1,a,1,2,run\n")
    one, other = read_points(path, 2)
    assert one == PointSequence([[1.0, 2.0], [3.0, 4.0]], "run", f"{path}:2", "a", f"{path}:2", lines=[2, 4])
    assert (other.points, other.label, other.where) == ([[7.0, 8.0]], "sit", f"{path}:3")
    path = write(tmp_path, "clip,frame,x,y\na,1,3,4\n")
    assert [found.label for found in read_points(path, 2)] == [None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1,2\nb,1,x\n", r"points.csv:2: expected a number in column 3, got 'x'"),
        ("a,1,2\nb,1,nan\n", r"points.csv:2: expected a number in column 3, got 'nan'"),
        ("a,1,2\n1,2,3,x\n", r"points.csv:2: expected a number in column 4, got 'x'"),
        ("a\n", r"points.csv:1: expected a class and a multiple of 2 numbers, got 1 cells"),
        ('a,1,"2\n', r"points.csv:1: expected a row of a table"),
        ("clip,frame,label\na,1,b\n", r"points.csv:1: expected columns of coordinates"),
        ("clip,frame,label,x\na,1,b\n", r"points.csv:2: expected 4 columns, got 3"),
        ("clip,frame,label,x\na,1,b,1\na,2,c,1\n", r"points.csv:3: expected label 'b' .* clip 'a' before, got 'c'"),
        ("clip,frame,label,x\na,1,b,1\na,1,b,1\n", r"points.csv:3: expected every frame of clip 'a' once, got frame 1"),
        ("clip,frame,label,x\na,one,b,1\n", r"points.csv:2: expected a number in column 2, got 'one'"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(read_points(write(tmp_path, text), 2))


def test_an_empty_table_holds_nothing(tmp_path: Path) -> None:
    assert list(read_points(write(tmp_path, "\n\n"), 2)) == []


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=12, max_size=12),
    st.integers(1, 2),
)
def test_windows_of_one_recording_are_known_by_their_overlap(track: list[tuple[int, int]], by: int) -> None:
    """Each is told from its own first point, as the windows of a recording are."""

    def window(begin: int) -> list[list[float]]:
        x, y = track[begin]
        return [[(a - x) / 64, (b - y) / 64] for a, b in track[begin : begin + 8]]

    assert slides(window(0), window(by))


def test_other_sequences_are_recordings_of_their_own(tmp_path: Path) -> None:
    rows = ["a,0,0,1,0,3,0,6,0", "a,0,0,2,0,5,0,9,0", "a,0,0,1,1,0,5,7,7", "b,0,0,-1,4,6,6,5,6"]
    first, second, third, fourth = read_points(write(tmp_path, "\n".join(rows)), 2)
    assert first.recording == second.recording
    assert second.recording != third.recording  # nothing of it is in the row before
    assert third.recording == fourth.recording  # whatever it is called


def read(path: Path, numbers: int = 2) -> tuple[list[tuple[str | None, list[list[float]]]], str]:
    """Classes and points, and what was noted."""
    with noting() as notes:
        found = [(one.label, one.points) for one in read_points(path, numbers)]
    return found, "\n".join(notes.taken)


STEPS = "clip,frame,label,x1,y1\na,0,wave,0.1,0.2\na,1,wave,0.1,0.3\nb,0,rest,0.5,0.2\nb,1,rest,0.4,0.3\n"


def beside(table: str, heading: str, values: Sequence[str], at: int) -> str:
    """A table with another column."""
    rows = [line.split(",") for line in table.splitlines()]
    return "".join(
        f"{','.join([*row[:at], new, *row[at:]])}\n" for row, new in zip(rows, [heading, *values], strict=True)
    )


@pytest.mark.parametrize("at", [0, 3, 5])
@pytest.mark.parametrize(
    ("heading", "values"),
    [
        ("", "0123"),
        ("Unnamed: 0", "1234"),
        ("index", "7890"),
        ("whatever", "4567"),
        ("timestamp", "0001"),
        ("time_ms", ("0", "33.3", "0", "33.3")),
        ("taken", ("2024-01-01 10:00", "2024-01-01 10:01", "2024-01-01 10:02", "2024-01-01 10:03")),
        ("taken", ("1611690000.1", "1611690000.2", "1611690000.3", "1611690000.4")),
    ],
)
def test_a_column_that_counts_or_tells_a_time_is_no_coordinate(
    tmp_path: Path, heading: str, values: Sequence[str], at: int
) -> None:
    at = 4 if not heading and at == 5 else at  # an empty cell at the end of a row is none
    found, notes = read(write(tmp_path, beside(STEPS, heading, list(values), at)))
    assert found == read(write(tmp_path, STEPS, "bare.csv"))[0]
    assert f"column {heading.lower() or at + 1!r} is no coordinate: it " in notes
    assert "a step a row, of 2 coordinates: x1, y1" in notes


@pytest.mark.parametrize(
    ("heading", "values"), [("z1", "0123"), ("value3", "1234"), ("size", "0101"), ("size", "4444")]
)
def test_a_column_of_other_numbers_is_a_coordinate(tmp_path: Path, heading: str, values: str) -> None:
    found, notes = read(write(tmp_path, beside(STEPS, heading, values, 5)))
    assert [len(points[0]) for _, points in found] == [3, 3]
    assert f"x1, y1, {heading}" in notes


def test_classes_may_stand_under_other_headings(tmp_path: Path) -> None:
    found, notes = read(write(tmp_path, STEPS.replace("label", "Gesture")))
    assert found == read(write(tmp_path, STEPS, "bare.csv"))[0]
    assert "of 2 coordinates: x1, y1" in notes


SEQUENCES = "wave,0.1,0.5,0.1,0.4\nrest,0.5,0.5\nwave,0.2,0.5,0.1,0.4\nrest,0.25,0.5\n"


@pytest.mark.parametrize(
    "changed",
    [
        "".join(f"{n},{line}\n" for n, line in enumerate(SEQUENCES.splitlines())),
        "".join(f"2024-01-0{n},{line}\n" for n, line in enumerate(SEQUENCES.splitlines(), 1)),
        "".join(f"{1611690000 + 60 * n},{line}\n" for n, line in enumerate(SEQUENCES.splitlines())),
        ",label,x0,y0,x1,y1\n" + "".join(f"{n},{line}\n" for n, line in enumerate(SEQUENCES.splitlines())),
        "Unnamed: 0,label,0,1,2,3\n" + "".join(f"{n},{line}\n" for n, line in enumerate(SEQUENCES.splitlines())),
        ",0,1,2,3,4\n" + "".join(f"{n},{line}\n" for n, line in enumerate(SEQUENCES.splitlines())),
        "time,label,x0,y0,x1,y1\n" + "".join(f"0.{n},{line}\n" for n, line in enumerate(SEQUENCES.splitlines())),
        "label,0,1,2,3\n" + SEQUENCES,
        "0,1,2,3,4\n" + SEQUENCES,
        "x0,y0,x1,y1,class\n0.1,0.5,0.1,0.4,wave\n0.5,0.5,,,rest\n0.2,0.5,0.1,0.4,wave\n0.25,0.5,,,rest\n",
    ],
)
def test_what_stands_before_a_class_or_above_numbers_is_none_of_them(tmp_path: Path, changed: str) -> None:
    if "class" in changed:  # cells in the middle may not be empty
        changed = changed.replace(",,,", ",0.6,0.6,")
        sequences = SEQUENCES.replace("0.5,0.5\n", "0.5,0.5,0.6,0.6\n").replace("0.25,0.5\n", "0.25,0.5,0.6,0.6\n")
    else:
        sequences = SEQUENCES
    assert read(write(tmp_path, changed))[0] == read(write(tmp_path, sequences, "bare.csv"))[0]


def test_classes_that_are_numbers_in_order_are_classes(tmp_path: Path) -> None:
    path = write(tmp_path, "".join(f"{n},0.5,0.{n}\n" for n in range(9)))
    assert [label for label, _ in read(path)[0]] == [str(n) for n in range(9)]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["wave", "rest", "3"]), st.lists(st.integers(-99, 99), min_size=2, max_size=6)),
        min_size=4,
        max_size=8,
    ),
    index=st.sampled_from(["", "0", "1"]),
    heading=st.booleans(),
)
def test_a_table_with_an_index_or_a_heading_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, list[int]]], index: str, heading: bool
) -> None:
    rows = [(label, [x / 8 for x in points[: len(points) // 2 * 2]]) for label, points in rows]
    expected = [(label, [points[at : at + 2] for at in range(0, len(points), 2)]) for label, points in rows]
    lines = [",".join([label, *map(str, points)]) for label, points in rows]
    if index:
        lines = [f"{n},{line}" for n, line in enumerate(lines, int(index))]
    if heading:
        lines.insert(0, ",".join([*([""] if index else []), "label", *map(str, range(6))]))
    found, notes = read(write(tmp_path_factory.mktemp("index"), "\n".join(lines)))
    assert found == expected
    assert ("column 1 is no coordinate: it counts the rows" in notes) == bool(index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,x,y\nwave,1,2\nrest,1,2,3,4\n", r"points.csv:3: expected at most 3 columns as in the heading, got 5"),
        ("label,x,y\nwave,1,2\nrest,,2\n", r"points.csv:3: expected a number in column 2, got ''"),
        ("label,0,1,2,3\nwave,1,2\nrest,1\n", r"points.csv:3: expected a number in column 1, got 'rest'"),
        ("5.1,3.5,1.4,0.2,setosa\n4.9,3,1.4,0.2,setosa\n", r"points.csv:1: expected the class in the row's first cell"),
        ("clip,frame,x,x\na,1,2,3\n", r"points.csv:1: expected every heading once, got x again"),
        ("clip,frame,label,x\na,1,b,1\na,2,b,1,5\n", r"points.csv:3: expected 4 columns, got 5"),
    ],
)
def test_rows_that_do_not_fit_the_heading_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(read_points(write(tmp_path, text), 2))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [str(n) for n in range(40)],
            r"got numbers where it should stand: 0, 1, .* and 30 more; a table of numbers is no",
        ),
        (["1", "1", "0.5", "2"], "got times or measures where it should stand: 0.5; "),
        (["wave", "2024-03-01"], "got times or measures where it should stand: 2024-03-01; "),
    ],
)
def test_numbers_and_times_are_no_classes(labels: list[str], message: str) -> None:
    with pytest.raises(UserError, match=rf"^a\.csv: expected a class for every sequence, {message}"):
        check_classes(Path("a.csv"), labels)


@pytest.mark.parametrize("labels", [["1.0", "2.0"] * 20, ["-1", "0", "1"] * 9, [f"word{n}" for n in range(40)], ["7"]])
def test_other_classes_are_classes(labels: list[str]) -> None:
    check_classes(Path("a.csv"), labels)
