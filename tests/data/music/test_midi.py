"""MIDI, ABC and sound: what is written is what a reader of its own finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from throughtime.data.music.abc import abc_field, abc_tunes
from throughtime.data.music.midi import RATE, read_abc, read_midi, write_midi, write_wav
from throughtime.errors import UserError
from throughtime.runtime.music.events import Events
from throughtime.runtime.music.tunes import Tune
from throughtime.runtime.reading.notes import noting

symusic = pytest.importorskip("symusic")
pretty_midi = pytest.importorskip("pretty_midi")
soundfile = pytest.importorskip("soundfile")

PER_PITCH = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 90)), max_size=4)


@st.composite
def tunes(draw: Any) -> Tune:
    """Notes that do not overlap on their own pitch, which MIDI could not tell apart; the first begins at 0."""
    notes = []
    for pitch in draw(st.sets(st.integers(0, 127), min_size=1, max_size=4)):
        now = 0
        for gap, length in draw(PER_PITCH):
            notes.append((now + gap, length, pitch))
            now += gap + length
    first = min((start for start, *_ in notes), default=0)
    return Tune.of([(start - first, length, pitch) for start, length, pitch in notes] or [(0, 1, 60)])


@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tune=tunes(), grid=st.sampled_from([1, 4, 12]))
def test_midi_events_midi(tmp_path: Path, tune: Tune, grid: int) -> None:
    write_midi(tmp_path / "a.mid", tune, grid)
    read = read_midi(tmp_path / "a.mid", grid)
    assert read == tune
    events = Events()
    write_midi(tmp_path / "b.mid", events.decode(events.encode(read)), grid)
    assert read_midi(tmp_path / "b.mid", grid) == tune
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.mid", "b.mid"]


ANY = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20), st.sampled_from([60, 61])), min_size=1, max_size=12)


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notes=ANY)
def test_a_key_struck_while_it_sounds_is_read_as_written(tmp_path: Path, notes: list[Any]) -> None:
    first = min(start for start, *_ in notes)
    tune = Tune.of([(start - first, length, pitch) for start, length, pitch in notes])
    write_midi(tmp_path / "a.mid", tune, 4)
    assert read_midi(tmp_path / "a.mid", 4) == tune
    other = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid"))  # which ends all notes of a key and channel at once
    found = [(round(8 * n.start), round(8 * (n.end - n.start)), n.pitch) for i in other.instruments for n in i.notes]
    assert Tune.of(found) == tune


def test_another_reader_finds_the_same_times(tmp_path: Path) -> None:
    write_midi(tmp_path / "a.mid", Tune.of([(0, 12, 60), (18, 6, 64)]), 12)
    (track,) = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid")).instruments
    assert [(note.start, note.end, note.pitch) for note in track.notes] == [(0.0, 0.5, 60), (0.75, 1.0, 64)]


def test_drums_are_left_out_and_times_move_to_the_grid(tmp_path: Path) -> None:
    score = symusic.Score(480)
    for drum, notes in ((False, [(970, 230, 60), (1201, 3, 62)]), (True, [(0, 480, 36)])):
        track = symusic.Track("t", 0, drum)
        for start, length, pitch in notes:
            track.notes.append(symusic.Note(start, length, pitch, 80))
        score.tracks.append(track)
    score.dump_midi(tmp_path / "a.mid")
    assert read_midi(tmp_path / "a.mid", 4).notes == ((0, 2, 60), (2, 1, 62))


def broken(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "a.mid"
    write_midi(path, Tune.of([(n, 1, 60 + n) for n in range(20)] if name != "silent" else []), 4)
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "text": b"hello", "empty": b""}.get(name, content))
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cut", "expected a MIDI file, which this is not, or a broken one"),
        ("text", "expected a MIDI file, which this is not, or a broken one"),
        ("empty", "expected a MIDI file, which this is not, or a broken one"),
        ("silent", "expected notes, found none"),
    ],
)
def test_bad_midi_is_named(tmp_path: Path, name: str, message: str) -> None:
    path = broken(tmp_path, name)
    with pytest.raises(UserError) as caught:
        read_midi(path, 4)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_tune_of_broken_times_is_refused(tmp_path: Path) -> None:
    write_midi(tmp_path / "a.mid", Tune.of([(0, 1, 60), (200_000, 1, 60)]), 1)
    with pytest.raises(UserError, match=r"a\.mid: expected a tune of at most 1,000,000 steps, got 2,400,012"):
        read_midi(tmp_path / "a.mid", 12)


HAND = """% a file of two tunes
X:1
T:Scale
R:Slip jig % a comment
M:4/4
L:1/4
K:D
DEFG|A2 c'z|

X: 7
M:3/4
L:1/8
K:C
|:C2 E2 G,2:|
"""


def test_abc_by_hand(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.abc").write_text(HAND)
    tunes = abc_tunes(tmp_path / "a.abc")
    assert [line for line, _ in tunes] == [2, 10]
    assert [abc_field(text, "R") for _, text in tunes] == ["Slip jig", ""]
    first, second = (read_abc("a", text, 4) for _, text in tunes)
    # D major: F and c are sharp; c' is an octave above c; a rest is silent.
    assert first.notes == ((0, 4, 62), (4, 4, 64), (8, 4, 66), (12, 4, 67), (16, 8, 69), (24, 4, 85))
    assert second.notes == ((0, 4, 60), (4, 4, 64), (8, 4, 55), (12, 4, 60), (16, 4, 64), (20, 4, 55))  # played twice
    assert capfd.readouterr() == ("", "")


def test_chords_above_the_tune_are_played() -> None:
    plain = read_abc("a", "X:1\nM:4/4\nL:1/4\nK:C\nc4|\n", 4)
    chords = read_abc("a", 'X:1\nM:4/4\nL:1/4\nK:C\n"G"c4|\n', 4)
    assert plain.notes == ((0, 16, 72),)
    assert {pitch % 12 for *_, pitch in chords.notes} == {0, 7, 11, 2}


HEADED = """%abc-2.1
% for all
M:6/8
L:1/4
R:jig
Z:someone
+:and someone else
K:D

words of a book: none of a tune
L:1/2

X:1
T:a
K:C
CDE|

X:2
R:reel
L:1/16
K:C
CDE|
"""


def test_the_header_of_an_abc_file_holds_for_every_tune(tmp_path: Path) -> None:
    path = tmp_path / "a.abc"
    path.write_text(HEADED)
    with noting() as notes:
        (one, first), (two, second) = abc_tunes(path)
    assert (one, two) == (13, 18)
    assert (abc_field(first, "R"), abc_field(second, "R")) == ("jig", "reel")
    assert read_abc("a", first, 4).notes == ((0, 4, 60), (4, 4, 62), (8, 4, 64))
    assert read_abc("a", second, 4).notes == ((0, 1, 60), (1, 1, 62), (2, 1, 64))
    assert notes.taken == [
        f"{path}: its header has 'K:D', which holds for no tune: it may stand in tunes alone",
        f"{path}: its header holds for every tune: 'M:6/8', 'L:1/4', 'R:jig', 'Z:someone'",
    ]


def test_abc_without_tunes_or_notes(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text("a story\n")
    with pytest.raises(UserError, match=r"a\.abc: expected tunes in ABC, each begun by X:, found none"):
        abc_tunes(tmp_path / "a.abc")
    with pytest.raises(UserError, match="a:3: expected notes, found none"):
        read_abc("a:3", "X:1\nT:none\nM:4/4\nK:C\n", 4)


def test_sound_has_the_tunes_length_and_pitch(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", Tune.of([(0, 4, 69), (4, 4, 57)]), 2)  # two beats each at 120 a minute: a second
    sound, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == RATE
    assert len(sound) == pytest.approx(2 * RATE, rel=0.05)
    assert 0.1 < np.abs(sound).max() < 1
    for half, hertz in ((sound[:RATE], 440), (sound[RATE : 2 * RATE], 220)):
        assert np.abs(np.fft.rfft(half)).argmax() == pytest.approx(hertz, abs=2)


def test_a_tune_without_notes_can_be_written(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", Tune((), 4), 4)
    assert len(soundfile.read(tmp_path / "a.wav")[0]) == 0
