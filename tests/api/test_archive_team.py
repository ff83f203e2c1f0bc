"""Processes that answer pieces: all are answered, in order, whatever becomes of a process; and a window bounds them."""

from __future__ import annotations

import multiprocessing.forkserver
from collections.abc import Iterator
from pathlib import Path

import pytest

import forked
from dying import Dying
from throughtime.api.archive import team
from throughtime.api.archive.opening import Opening
from throughtime.api.archive.team import WINDOW, Team
from throughtime.applications.pieces import Piece
from throughtime.errors import UserError

NOTHING = Opening("", None, None, "cpu", "")


@pytest.fixture(scope="module", autouse=True)
def server() -> None:
    """The processes' server has loaded what they need."""
    assert forked.CONTEXT is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        multiprocessing.forkserver.ensure_running()


def found(names: list[str], folder: Path, size: int = 2) -> list[tuple[str, str | None]]:
    """Names in the order of their answers, and why there is none."""
    with Team(Dying(NOTHING, {}, False, folder), size) as made:
        replies = list(made.answers(Piece(name) for name in names))
        assert [piece.file for piece, _ in replies] == names
        assert len(made.members) <= size
    return [(answer.input, answer.error) for _, reply in replies for answer in reply.answers]


def test_everything_is_answered_in_order(tmp_path: Path) -> None:
    names = [f"file-{number}" for number in range(3 * WINDOW)]
    assert found(names, tmp_path) == [(name, None) for name in names]
    assert found([], tmp_path) == []


def test_a_process_that_is_killed_is_replaced_and_its_piece_tried_again(tmp_path: Path) -> None:
    names = ["a", "once", "b", "always", "c", "once more", "d"]
    told = dict(found(names, tmp_path))
    why = told.pop("always")
    assert why is not None
    assert why.startswith("always: two processes ended over it, with status -9")
    assert set(told.values()) == {None}


def test_what_cannot_be_read_takes_no_process(tmp_path: Path) -> None:
    with Team(Dying(NOTHING, {}, True, tmp_path), 2) as made:
        ((_, reply),) = made.answers(iter([Piece("a.txt", error="a.txt: not there")]))
        assert made.members == []
    assert (reply.lines, reply.failed) == (['{"input": "a.txt", "error": "a.txt: not there"}\n'], [True])


@pytest.mark.parametrize(("mark", "message"), [("refused", "no model here"), ("never", "status 7 before it had")])
def test_a_process_that_cannot_begin_ends_the_run(mark: str, message: str, tmp_path: Path) -> None:
    (tmp_path / mark).touch()
    with pytest.raises(UserError, match=message):
        found(["a"], tmp_path)


def test_no_more_pieces_are_taken_than_a_window_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "WINDOW", 2)
    taken = 0

    def pieces() -> Iterator[Piece]:
        nonlocal taken
        for number in range(40):
            taken += 1
            yield Piece(str(number))

    with Team(Dying(NOTHING, {}, False, tmp_path), 2) as made:
        for answered, _ in enumerate(made.answers(pieces()), 1):
            assert taken - answered <= 4
    assert taken == 40
