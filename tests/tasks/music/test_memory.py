"""Tunes in memory: what is written is read back as it was."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from throughtime.errors import UserError
from throughtime.tasks.music.files import roll_as_svg
from throughtime.tasks.music.memory import spill
from throughtime.tasks.music.task import Music
from throughtime.tasks.music.tunes import MusicSettings


def test_rolls_come_back(tmp_path: Path) -> None:
    rolls = [(np.random.default_rng(seed).random((6, 88)) < 0.1).astype(np.uint8) for seed in range(3)]
    found = list(Music.read(spill(rolls, tmp_path), MusicSettings()))
    assert all(example.rolled for example in found)
    for example, roll in zip(found, rolls, strict=True):
        assert np.array_equal(example.tune.frames(), roll)


def test_notes_come_back_on_the_grid_with_their_genre(tmp_path: Path) -> None:
    pytest.importorskip("symusic")
    notes = [(0, 1, 60), (1, 0.5, 64), (1.5, 2, 67)]
    found = list(Music.read(spill([(notes, "jigs"), (notes, "")], tmp_path), MusicSettings()))
    grid = found[0].notes[1][0]
    assert [tuple(note) for note in found[0].notes] == [(round(s * grid), round(n * grid), p) for s, n, p in notes]
    assert [example.genre for example in found] == ["jigs", ""]


def test_what_is_no_tune_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tune 1: expected a note within"):
        spill([[(0, 1, 200)]], tmp_path)
    with pytest.raises(UserError, match="expected piano rolls alone, or notes alone, got both"):
        spill([np.zeros((2, 88)), [(0, 1, 60)]], tmp_path)
    with pytest.raises(UserError, match="expected a piano roll of zeros and ones"):
        spill([np.full((2, 88), 0.5)], tmp_path)
    with pytest.raises(UserError, match="expected piano rolls without genres"):
        spill([(np.zeros((2, 88)), "jigs")], tmp_path)
    with pytest.raises(UserError, match="expected a genre that can name a folder"):
        spill([([(0, 1, 60)], "../x")], tmp_path)
    roll = np.zeros((3, 88))
    roll[2, 5] = np.nan
    with pytest.raises(UserError, match="tune 2: expected a piano roll of zeros and ones, got nan at step 2, key 5"):
        spill([np.zeros((3, 88)), roll], tmp_path)


def test_a_roll_for_a_notebook() -> None:
    assert roll_as_svg([]) == ""
    roll = roll_as_svg([(0, 2, 60), (2, 38, 62)])
    assert roll.count("<rect") == 2
    assert re.findall(r'text-anchor="(?:end|middle)">([^<]*)<', roll) == [
        *("C4", "D4"),
        *(str(beat) for beat in range(0, 41, 4)),
        "time (beats)",
    ]
    short = roll_as_svg([(0, 1, 60), (1, 1, 60)], "beats of 4 frames")
    assert re.findall(r'text-anchor="middle">([^<]*)<', short) == ["0", "1", "2", "time (beats of 4 frames)"]
