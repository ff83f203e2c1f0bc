"""Results of an archive: wherever their file is cut, going on gives the file that was never cut."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from throughtime.api.archive.answering import Answer, Reply, reply
from throughtime.api.archive.results import Kept, Results, kept
from throughtime.applications.pieces import Piece
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.inputs import Input
from throughtime.errors import UserError

TOLD = {"model": "a" * 64, "options": {"nbest": 2}, "inputs": {"files": 3}}


def answer(piece: Piece) -> Reply:
    """Of ``a-N`` N answers; of ``bad`` an error; of a row one answer each, of ``bad`` rows an error."""
    if piece.error is not None:
        return reply([Answer(piece.file, error=piece.error)], True)
    if piece.inputs:
        told = [
            Answer(found.where, error="bad")
            if found.value == "bad"
            else Answer(found.where, Prediction(Text(), {"said": found.value}))
            for found in piece.inputs
        ]
        return reply(told, True)
    count = int(piece.file.rpartition("-")[2])
    if not count:
        return reply([Answer(piece.file, part=0, parts=0)], True)
    told = [Answer(piece.file, Prediction(Text(), {"é": n}), None, n, count) for n in range(1, count + 1)]
    return reply(told, True)


def pieces_of(kinds: list[int]) -> list[Piece]:
    """Below 0: a file with so many rows, every third of them bad; 9: a bad file; else one with so many answers."""
    made = []
    for at, kind in enumerate(kinds):
        name = f"f{at}"
        if kind < 0:
            rows = [Input("bad" if row % 3 == 2 else f'"{row}"\n', f"{name}:{row}", [row]) for row in range(-kind)]
            made.append(Piece(name, rows))
        else:
            made.append(Piece(name, error="cannot be read") if kind == 9 else Piece(f"{name}-{kind}"))
    return made


def go_on(begun: bytes, pieces: list[Piece]) -> tuple[bytes, Kept]:
    """The file after going on with what stands there: as the archive does it, without processes."""
    left = iter(pieces)
    found = kept(begun.splitlines(keepends=True), left, "r.jsonl")
    text = begun[: found.size]
    for piece in left if found.begun is None else chain([found.begun], left):
        text += "".join(answer(piece).lines[found.skip if piece is found.begun else 0 :]).encode()
    return text, found


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from([-5, -2, 0, 1, 1, 2, 3, 9]), max_size=5))
def test_wherever_it_is_cut_it_goes_on_to_the_same_file(kinds: list[int]) -> None:
    pieces = pieces_of(kinds)
    whole, _ = go_on(b"", pieces)
    names = [name for piece in pieces for name in piece.names]
    said = [json.loads(line) for line in whole.decode().splitlines()]
    assert [one["input"] for one in said if one.get("part") == one.get("parts")] == names
    for size in range(len(whole) + 1):
        for torn in (b"", b"\0\0\0", b"\n", b"{}\n"):  # what a power cut may leave behind
            text, found = go_on(whole[:size] + torn, pieces)
            assert text == whole
            assert found.size <= size + (torn == b"\n")  # which may end the line
    _, found = go_on(whole, pieces)
    assert (found.inputs, found.begun) == (len(names), None)
    assert found.failed == sum("error" in one for one in said)


def test_no_more_than_the_input_in_hand_is_done_again() -> None:
    pieces = pieces_of([-5, 3])
    whole, _ = go_on(b"", pieces)
    lines = whole.splitlines(keepends=True)
    assert kept(lines[:4], iter(pieces), "r") == Kept(sum(map(len, lines[:4])), 4, 1, pieces[0], 4)
    assert kept(lines[:7], iter(pieces), "r") == Kept(sum(map(len, lines[:5])), 5, 1, pieces[1], 0)


def test_answers_to_other_inputs_are_refused() -> None:
    whole, _ = go_on(b"", pieces_of([1, 1]))
    lines = whole.splitlines(keepends=True)
    with pytest.raises(UserError, match=r"r: expected an answer to 'f0-1' as number 1, found one to 'f1-1': the file"):
        kept(lines[1:], iter(pieces_of([1, 1])), "r")
    with pytest.raises(UserError, match=r"r: expected an answer to the end as number 2"):
        kept(lines, iter(pieces_of([1])), "r")


def test_a_file_goes_on_with_what_it_was_begun_with_alone(tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    Results(out).begin(TOLD, True)  # there is nothing yet
    Results(out).add(["{}\n"])
    Results(out).begin(TOLD, True)
    with pytest.raises(UserError, match=r"r.jsonl: already exists; pass --resume to go on with it, or another --out"):
        Results(out).begin(TOLD, False)
    for name, other, message in (
        ("model", "b" * 64, "was begun with model aaaaaaaaaaaa, not bbbbbbbbbbbb"),
        ("options", {}, "was begun with options nbest 2, not none"),
        ("inputs", {"files": 4}, "was begun with inputs files 3, not files 4; give what it was begun with, or another"),
    ):
        with pytest.raises(UserError, match=message):
            Results(out).begin(TOLD | {name: other}, True)
    assert out.read_text() == "{}\n"
    (tmp_path / "r.jsonl.begun.json").unlink()
    with pytest.raises(UserError, match=r"expected r\.jsonl\.begun\.json beside it"):
        Results(out).begin(TOLD, True)


def test_a_full_disk_leaves_whole_lines_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = pieces_of([3, -5, 2])
    whole, _ = go_on(b"", pieces)

    def fill(out: Path, room: int) -> None:
        """Adds all answers that are not there yet, on a disk with so much room."""
        results = Results(out)
        results.begin(TOLD, True)
        left = iter(pieces)
        found = results.keep(left)
        with monkeypatch.context() as patch:
            patch.setattr("throughtime.files.os", Disk(room))
            for piece in left if found.begun is None else chain([found.begun], left):
                results.add(answer(piece).lines[found.skip if piece is found.begun else 0 :])

    for room in range(0, len(whole), 7):
        out = tmp_path / f"{room}.jsonl"
        with pytest.raises(OSError, match=rf"No space left on device: '{out}'"):
            fill(out, room)
        assert whole.startswith(out.read_bytes())
        assert out.read_bytes()[-1:] in (b"", b"\n")
        fill(out, len(whole))
        assert out.read_bytes() == whole


class Disk:
    """Stands for :mod:`os`; a write takes a few bytes at a time, and fails where there is no room."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __getattr__(self, name: str) -> Callable[..., object]:
        return getattr(os, name)

    def write(self, number: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        wrote = os.write(number, data[: min(self.room, 11)])
        self.room -= wrote
        return wrote
