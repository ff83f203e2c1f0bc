"""Tables of key points, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.video.keypoints import PointSequence, read_points, slides
from throughtime.errors import UserError


def write(folder: Path, text: str, name: str = "points.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_row_is_a_class_and_its_steps(tmp_path: Path) -> None:
    path = write(tmp_path, "wave,0,0,1,0.5\n\nrest,3,4,,\n")
    one, other = read_points(path, 2)
    assert one == PointSequence([[0.0, 0.0], [1.0, 0.5]], "wave", f"{path}:1", "1", f"{path}:1")
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
    assert one == PointSequence([[1.0, 2.0], [3.0, 4.0]], "run", f"{path}:2", "a", f"{path}:2")
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
