"""Tunes as tokens."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.runtime.music.events import LONGEST, Events
from throughtime.runtime.music.tunes import Tune

EVENTS = Events(["jigs", "reels"])

notes = st.tuples(st.integers(0, 400), st.integers(1, 150), st.integers(0, 127))
tunes = st.lists(notes, min_size=1, max_size=12).map(Tune.of)


def cut(tune: Tune) -> Tune:
    return Tune.of([(start, min(length, LONGEST), pitch) for start, length, pitch in tune.notes])


@settings(derandomize=True, deadline=None, max_examples=80)
@given(tunes, st.sampled_from(["", "jigs", "reels", "waltzes"]))
def test_tokens_are_the_tune(tune: Tune, genre: str) -> None:
    ids = EVENTS.encode(tune, genre)
    assert EVENTS.decode(ids) == cut(tune)
    assert (ids[0] >= Events.GENRE) == (genre in EVENTS.genres)
    assert ids[-1] == Events.END
    assert EVENTS.encode(tune, genre, end=False) == ids[:-1]
    assert all(0 <= token < len(EVENTS) for token in ids)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(tunes)
def test_a_tune_is_well_formed(tune: Tune) -> None:
    legal = EVENTS.follows()
    ids = EVENTS.encode(tune, "reels") if tune.notes[0][0] == 0 else EVENTS.encode(Tune.of([(0, 1, 60), *tune.notes]))
    assert all(legal[before, token] for before, token in zip([-1, *ids[:-1]], ids, strict=True))


def test_what_is_no_tune_is_not_well_formed() -> None:
    legal = EVENTS.follows()
    pitch, lasts, move, genre = Events.PITCH + 60, Events.FOR + 4, Events.MOVE + 4, Events.GENRE
    every = {"end": Events.END, "pitch": pitch, "lasts": lasts, "move": move, "genre": genre, "nothing": -1}
    allowed = {
        before: {after for after, token in every.items() if token >= 0 and legal[place, token]}
        for before, place in every.items()
    }
    assert allowed == {
        "pitch": {"lasts"},
        "lasts": {"pitch", "move", "end"},
        "move": {"pitch", "move"},
        "genre": {"pitch"},
        "nothing": {"genre", "pitch"},
        "end": {"end"},
    }
    assert legal.any(1).all()


def test_tokens_by_hand() -> None:
    ids = EVENTS.encode(Tune.of([(0, 12, 60), (0, 6, 64), (200, 100, 127)]), "reels")
    assert [EVENTS.name(token, beat=12) for token in ids] == [
        "reels", "C4", "for 1 beat", "E4", "for 1/2 beat", "after 8 beats", "after 8 beats", "after 2/3 beat",
        "G9", "for 8 beats", "end",
    ]  # fmt: skip
    assert EVENTS.steps(ids) == [0, 0, 0, 0, 0, 96, 192, 200, 200, 200, 200]


def test_notes_come_as_soon_as_they_are_known() -> None:
    read: list[int] = []

    def tokens() -> Iterator[int]:
        for token in EVENTS.encode(Tune.of([(0, 1, 60), (0, 1, 64), (3, 1, 62)])):
            read.append(token)
            yield token

    found = EVENTS.notes(tokens())
    assert next(found) == [(0, 1, 60), (0, 1, 64)]
    assert len(read) == 5  # two notes, and the move after them
    assert list(found) == [[(3, 1, 62)]]


def test_a_pitch_without_a_duration_is_no_note() -> None:
    ids = [Events.PITCH + 60, Events.PITCH + 61, Events.FOR + 2, Events.FOR + 3, Events.MOVE + 1, Events.PITCH + 62]
    assert EVENTS.decode(ids).notes == ((0, 2, 61),)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(tunes)
def test_only_pitches_are_moved(tune: Tune) -> None:
    low = Tune.of([(start, length, min(pitch, 120)) for start, length, pitch in tune.notes])
    moved = EVENTS.decode(EVENTS.moved(EVENTS.encode(low, "jigs"), 5))
    assert moved == cut(Tune.of([(start, length, pitch + 5) for start, length, pitch in low.notes]))
