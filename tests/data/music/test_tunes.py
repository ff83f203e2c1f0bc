"""Tunes, piano rolls and their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from throughtime.data.music.rolls import read_rolls
from throughtime.errors import UserError
from throughtime.runtime.music.tunes import KEYS, LOWEST, PITCHES, Tune, best_scale, name_of, pitch_of, read_notes, room

scipy_io = pytest.importorskip("scipy.io")

rolls = arrays(np.uint8, st.tuples(st.integers(1, 6), st.just(KEYS)), elements=st.integers(0, 1), fill=st.just(0))


@settings(derandomize=True, deadline=None, max_examples=50)
@given(rolls)
def test_a_roll_is_the_roll_of_its_notes(roll: Any) -> None:
    tune = Tune.of_frames(roll)
    assert np.array_equal(tune.frames(), roll)
    assert tune.steps == len(roll)
    ends = {(pitch, start + length) for start, length, pitch in tune.notes}
    assert not ends & {(pitch, start) for start, _, pitch in tune.notes}  # one note, not two that touch
    assert list(tune.notes) == sorted(tune.notes, key=lambda note: (note[0], note[2]))


def test_what_no_piano_plays_is_in_no_frame() -> None:
    roll = Tune.of([(0, 2, LOWEST - 1), (1, 1, LOWEST), (0, 1, LOWEST + KEYS - 1), (0, 1, LOWEST + KEYS)]).frames()
    assert roll.sum() == 2
    assert roll[1, 0] == roll[0, KEYS - 1] == 1


@pytest.mark.parametrize("pitch", range(PITCHES))
def test_a_name_means_its_pitch(pitch: int) -> None:
    assert pitch_of(name_of(pitch)) == pitch


@pytest.mark.parametrize("name", ["H4", "C", "4", "C44", "A#9", "Cb-1", "Cx4", ""])
def test_what_is_no_note(name: str) -> None:
    assert pitch_of(name) is None
    with pytest.raises(UserError, match="expected notes such as C4"):
        read_notes(f"C4+{name}", 1)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 127), min_size=1), st.integers(0, 12))
def test_moved_pitches_stay_inside(pitches: list[int], most: int) -> None:
    low, high = room(pitches, most)
    assert -most <= low <= 0 <= high <= most
    for by, bound in ((low, 0), (high, 127)):
        moved = [pitch + by for pitch in pitches]
        assert all(0 <= pitch <= 127 for pitch in moved)
        assert abs(by) == most or bound in moved  # no less than there is room for


def test_the_scale_that_fits_best() -> None:
    a_major = [9, 11, 13, 14, 16, 18, 20]
    assert best_scale([60 + note for note in a_major]) == (1.0, 9)
    assert best_scale([*(60 + note for note in a_major), 60]) == (0.875, 9)
    assert best_scale(range(12))[0] == pytest.approx(7 / 12)
    assert best_scale([]) == (0.0, 0)


def cell(*tunes: Any) -> Any:
    made = np.empty((1, len(tunes)), dtype=object)
    for number, tune in enumerate(tunes):
        made[0, number] = tune
    return made


def test_matlab_files_come_back_as_they_were(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    parts = {"train": "traindata", "valid": "validdata", "test": "testdata"}
    made = {part: [(draw.random((n, KEYS)) < 0.1).astype(np.uint8) for n in (3, 5)] for part in parts}
    scipy_io.savemat(tmp_path / "a.mat", {parts[part]: cell(*made[part]) for part in parts})
    found = read_rolls(tmp_path / "a.mat")
    assert list(found) == list(parts)
    for part in parts:
        assert all(np.array_equal(t.frames(), roll) for t, roll in zip(found[part], made[part], strict=True))


def test_the_first_key_of_matlab_files_is_pitch_21(tmp_path: Path) -> None:
    roll = np.zeros((2, KEYS))
    roll[:, 39] = 1
    scipy_io.savemat(tmp_path / "a.mat", {"traindata": cell(roll, roll), "testdata": cell(roll)})
    assert read_rolls(tmp_path / "a.mat")["test"][0].notes == ((0, 2, 60),)


def test_chorales_with_and_without_silent_voices(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"train": [[[74, 70], [74, -1], []]], "test": [[[60.0]]]}))
    found = read_rolls(path)
    assert found["train"] == [Tune(((0, 1, 70), (0, 2, 74)), 3)]
    assert found["test"] == [Tune(((0, 1, 60),), 1)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1]", "a.json: expected a JSON object of train, valid, test, got list"),
        ('{"other": []}', "a.json: expected a JSON object of train, valid, test, got one of other"),
        ('{"train"', "a.json: expected JSON, which this is not"),
        ('{"train": [[[200]]]}', "a.json: train 1, step 0: expected a MIDI pitch from 0 to 127, or -1, got 200"),
        ('{"train": [[[60]], [["C"]]]}', "a.json: train 2, step 0: expected a MIDI pitch"),
        ('{"train": [[60]]}', "a.json: train 1: expected a list of steps, each a list of pitches"),
        ('{"train": [[]]}', "a.json: train 1: expected at least one frame, got none"),
        ('{"train": []}', "a.json: expected tunes, got none"),
    ],
)
def test_bad_chorales_are_named(tmp_path: Path, value: str, message: str) -> None:
    (tmp_path / "a.json").write_text(value)
    with pytest.raises(UserError) as caught:
        read_rolls(tmp_path / "a.json")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"other": np.zeros(3)}, "a.mat: expected the cells traindata, validdata, testdata, found none of them"),
        ({"traindata": cell(np.zeros((2, 87)))}, "a.mat: train 1: expected a matrix of frames × 88 keys of zeros"),
        ({"traindata": cell(np.full((2, KEYS), 2))}, "a.mat: train 1: expected a matrix of frames × 88 keys of zeros"),
        ({"traindata": cell(np.ones((1, KEYS)), np.zeros((0, KEYS)))}, "a.mat: train 2: expected"),
        (b"no matrix", "a.mat: expected a MATLAB file"),
        (b"", "a.mat: expected a MATLAB file"),
    ],
)
def test_bad_matlab_files_are_named(tmp_path: Path, value: Any, message: str) -> None:
    if isinstance(value, bytes):
        (tmp_path / "a.mat").write_bytes(value)
    else:
        scipy_io.savemat(tmp_path / "a.mat", value)
    with pytest.raises(UserError) as caught:
        read_rolls(tmp_path / "a.mat")
    assert message in str(caught.value)


def test_a_cut_matlab_file_is_named(tmp_path: Path) -> None:
    scipy_io.savemat(tmp_path / "a.mat", {"traindata": cell(np.ones((500, KEYS)))})
    content = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"a\.mat"):
        read_rolls(tmp_path / "a.mat")
