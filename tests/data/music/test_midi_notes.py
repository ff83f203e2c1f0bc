"""What a MIDI file's bytes mean: held against a library where every note ends, by hand where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from throughtime.data.music.midi import midi_tunes, read_midi
from throughtime.data.music.midi_notes import parse_midi
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting

symusic = pytest.importorskip("symusic")

Event = tuple[int, Sequence[int]]
"""Ticks after the one before, and bytes."""


def varying(number: int) -> bytes:
    rest = [number & 0x7F]
    while number := number >> 7:
        rest.append(0x80 | number & 0x7F)
    return bytes(reversed(rest))


def midi(*tracks: Sequence[Event], kind: int = 1, beat: int = 480, told: int | None = None) -> bytes:
    """A file's bytes."""
    head = [kind, len(tracks) if told is None else told, beat & 0xFFFF]
    found = b"MThd\0\0\0\6" + b"".join(number.to_bytes(2, "big") for number in head)
    for track in tracks:
        content = b"".join(varying(wait) + bytes(event) for wait, event in track) + b"\0\xff\x2f\0"
        found += b"MTrk" + len(content).to_bytes(4, "big") + content
    return found


def on(pitch: int, channel: int = 0) -> list[int]:
    return [0x90 | channel, pitch, 64]


def off(pitch: int, channel: int = 0) -> list[int]:
    return [0x80 | channel, pitch, 0]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


OTHERS = st.sampled_from(
    [[0xFF, 0x51, 3, 7, 0, 0], [0xB0, 64, 127], [0xC1, 5], [0xE0, 0, 64], [0xFF, 5, 1, 65], [0xF0, 2, 1, 0xF7]]
)


@st.composite
def events(draw: Any) -> list[Event]:
    """Keys that are struck and let go, each as often, never let go before; other events between."""
    found: list[Event] = []
    sounding: list[tuple[int, int]] = []
    for _ in range(draw(st.integers(0, 10))):
        key = draw(st.tuples(st.sampled_from([0, 1, 60, 127]), st.sampled_from([0, 3, 9])))
        sounding.append(key)
        found += [(draw(st.integers(0, 300)), draw(OTHERS))] * draw(st.integers(0, 1))
        found.append((draw(st.integers(0, 20_000)), on(*key)))
        while sounding and draw(st.booleans()):
            key = sounding.pop(draw(st.integers(0, len(sounding) - 1)))
            quiet = [0x90 | key[1], key[0], 0]  # struck without force
            found.append((draw(st.integers(0, 300)), draw(st.sampled_from([off(*key), quiet]))))
    return found + [(10, off(*key)) for key in sounding]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(tracks=st.lists(events(), min_size=1, max_size=3), beat=st.sampled_from([1, 96, 480]))
def test_where_every_note_ends_a_library_finds_the_same(tracks: list[list[Event]], beat: int) -> None:
    content = midi(*tracks, beat=beat)
    found = parse_midi(content)
    assert (found.beat, found.told, len(found.tracks), found.endless) == (beat, len(tracks), len(tracks), 0)
    score = symusic.Score.from_midi(content)
    other = [(n.start, n.start + n.duration, n.pitch) for t in score.tracks if not t.is_drum for n in t.notes]
    assert sorted(note for track in found.tracks for note in track) == sorted(other)


@pytest.mark.parametrize(
    ("track", "notes", "endless"),
    [
        ([(0, on(60)), (9, on(60)), (9, off(60)), (9, off(60))], [(0, 18, 60), (9, 27, 60)], 0),
        ([(0, on(60)), (9, on(60)), (9, off(60)), (4, off(61))], [(0, 18, 60), (9, 22, 60)], 1),
        ([(0, on(60)), (9, on(60)), (0, off(60)), (9, off(60))], [(0, 9, 60), (9, 18, 60)], 0),
        ([(0, on(60)), (9, on(62)), (9, off(62))], [(0, 18, 60), (9, 18, 62)], 1),
        ([(0, on(60)), (0, off(60))], [(0, 0, 60)], 0),
        ([(0, off(60)), (5, on(60)), (5, off(60))], [(5, 10, 60)], 0),
        ([(0, on(60)), (5, on(60, 1)), (5, off(60, 1)), (5, off(60))], [(0, 15, 60), (5, 10, 60)], 0),
        ([(0, on(60)), (5, [60, 0]), (5, [61, 9]), (5, [61, 0])], [(0, 5, 60), (10, 15, 61)], 0),
    ],
    ids=["struck again", "one end", "struck, then ended", "no end", "no length", "no beginning", "channels", "running"],
)
def test_ends_belong_to_the_earliest_note(track: list[Event], notes: list[Any], endless: int) -> None:
    found = parse_midi(midi(track))
    assert (sorted(found.tracks[0]), found.endless) == (notes, endless)


def test_tracks_of_format_2_are_tunes_of_their_own(tmp_path: Path) -> None:
    first = [(960, on(60)), (480, off(60)), (0, on(62)), (480, off(62))]
    path = written(tmp_path / "a.mid", midi(first, [(0, [0xFF, 5, 1, 65])], [(7, on(67)), (480, off(67))], kind=2))
    with noting() as notes:
        found = midi_tunes(path, 4)
    assert [tune.notes for tune in found] == [((0, 4, 60), (4, 4, 62)), ((0, 4, 67),)]
    assert notes.taken == [f"{path}: each of its 2 tracks is a tune of its own (MIDI of format 2)"]
    with pytest.raises(UserError, match=r"a\.mid: expected a file of one tune, got 2, as format 2 has them"):
        read_midi(path, 4)


def test_what_could_deceive_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mid", midi([(0, on(60)), (480, on(62)), (480, off(62))], told=3))
    with noting() as notes:
        assert read_midi(path, 4).notes == ((0, 8, 60), (4, 4, 62))
    assert notes.taken == [
        f"{path}: its head tells of 3 tracks, 1 are there and read",
        f"{path}: notes that nothing ends (1) last to the end of their track",
    ]


GOOD = midi([(0, on(60)), (480, off(60))])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (midi([(0, on(60)), (9, off(60))], beat=0), "a beat of no ticks"),
        (midi([(0, on(60)), (9, off(60))], beat=0xE728), "it counts time in frames of film"),
        (midi([(0, on(60)), (9, off(60))], kind=3), "there is no format 3"),
        (midi([(0, on(200)), (9, off(200))]), "a key has the number 200"),
        (midi([(0, [60, 64])]), "an event begins with the byte 60"),
        (midi([(0, [0xF5])]), "an event begins with the byte 245"),
        (GOOD[:22] + b"\xff\xff\xff\xff\x01" + GOOD[22:], "a number is longer than four bytes"),
        (GOOD[:-4], "it is cut off"),
        (GOOD[:18] + b"\0\0\0\3" + GOOD[22:25], "a track is cut off"),
        (GOOD[:12], "its head is missing"),
    ],
)
def test_what_is_broken_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_midi(written(tmp_path / "a.mid", content), 4)
    assert str(caught.value).startswith(f"{tmp_path}/a.mid: expected a MIDI file, which this is not, or a broken one (")
    assert said in str(caught.value)


@settings(derandomize=True, deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_told(tmp_path: Path, at: int, value: int) -> None:
    path = written(tmp_path / "a.mid", GOOD[:at] + bytes([value]) + GOOD[at + 1 :])
    try:
        tune = read_midi(path, 4)
    except UserError:
        return
    assert all(start >= 0 and length > 0 and 0 <= pitch < 128 for start, length, pitch in tune.notes)
