"""Recordings as Common Voice, LJSpeech, NeMo and Kaldi lay them out; columns that tell when something is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.parts import find_parts
from throughtime.data.speech.audio import Audio, AudioInfo, Stretch
from throughtime.data.speech.recordings import is_recordings, read_recordings
from throughtime.data.speech.spoken import Recording, stretch_of, times
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"sound")
    return folder


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def said(path: Path) -> list[tuple[str, str]]:
    return [(str(found.audio.relative_to(path.parent)), found.transcript) for found in read_recordings([path])]


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_recordings([path])
    return str(error.value)


def common_voice(folder: Path) -> Path:
    touch(folder, "clips/a.mp3", "clips/b.mp3", "clips/c.mp3")
    for name, audio in (("train", "a"), ("test", "b"), ("validated", "a"), ("invalidated", "c"), ("other", "c")):
        write(folder / f"{name}.tsv", "client_id\tpath\tsentence\tup_votes", f"7\t{audio}.mp3\tto be {audio}\t2")
    return folder


def test_common_voice_keeps_its_recordings_in_clips(tmp_path: Path) -> None:
    with noting() as notes:
        assert said(common_voice(tmp_path) / "train.tsv") == [("clips/a.mp3", "to be a")]
    assert f"{tmp_path / 'train.tsv'}: the recordings lie in {tmp_path / 'clips'}" in notes.taken


def test_what_common_voice_refused_is_no_part(tmp_path: Path) -> None:
    folder = common_voice(tmp_path / "cv")
    with noting() as notes:
        found = find_parts([folder], is_recordings)
    assert found == {"train": [folder / "train.tsv"], "test": [folder / "test.tsv"]}
    assert [note.split(":")[0] for note in notes.taken] == [
        str(folder / f"{name}.tsv") for name in ("invalidated", "other", "validated")
    ]
    assert find_parts([folder / "validated.tsv"], is_recordings) == {"train": [folder / "validated.tsv"]}  # named
    (folder / "train.tsv").unlink()
    assert folder / "validated.tsv" in find_parts([folder], is_recordings)["train"]


def test_a_file_beside_the_manifest_is_meant_before_one_in_clips(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "clips/a.wav")
    assert said(write(tmp_path / "m.csv", "path,text", "a.wav,to be")) == [("a.wav", "to be")]


def test_ljspeech_has_bars_and_names_without_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "wavs/LJ001-0001.wav", "wavs/LJ001-0002.wav")
    path = write(
        tmp_path / "metadata.csv",
        'LJ001-0001|Printing, in 1455, "differs|Printing, in fourteen fifty-five, "differs',
        'LJ001-0002|"most of it|"most of it',
    )
    assert said(path) == [
        ("wavs/LJ001-0001.wav", 'Printing, in fourteen fifty-five, "differs'),
        ("wavs/LJ001-0002.wav", '"most of it'),
    ]
    path = write(tmp_path / "metadata.csv", "audio_file|text|speaker", "wavs/LJ001-0001.wav|to be|me")
    assert said(path) == [("wavs/LJ001-0001.wav", "to be")]
    path.write_text("LJ001-0001|to be\n" * 30 + "LJ001-0002|a|b\n")
    assert "metadata.csv:31: expected 2 columns, as many as the first row has, got 3" in refused(path)


def test_two_recordings_of_one_name_are_both_named(tmp_path: Path) -> None:
    touch(tmp_path, "wavs/a.wav", "clips/a.flac")
    message = refused(write(tmp_path / "m.csv", "path,text", "a,to be"))
    assert "m.csv:2: expected one recording 'a', found clips/a.flac and wavs/a.wav" in message


@pytest.fixture
def kaldi(tmp_path: Path) -> Path:
    touch(tmp_path, "train/a.wav", "b.flac")
    write(tmp_path / "train/wav.scp", "r1 a.wav", f"r2\t{tmp_path / 'b.flac'}")
    write(tmp_path / "train/text", "u1 to  be", "u2 or not", "u3 to be")
    write(tmp_path / "train/segments", "u1 r1 0.5 1.25", "u2 r1 2 -1", "u3 r2 0 1.5")
    return tmp_path / "train"


def test_kaldi_tells_recordings_texts_and_stretches(kaldi: Path) -> None:
    found = read_recordings([kaldi])
    assert [(each.audio.name, each.transcript, each.begin, each.seconds) for each in found] == [
        ("a.wav", "to be", 0.5, 0.75),
        ("a.wav", "or not", 2.0, None),
        ("b.flac", "to be", 0.0, 1.5),
    ]
    assert found[1].where == f"{kaldi / 'text'}:2"
    assert find_parts([kaldi.parent], is_recordings) == {"train": [kaldi]}
    (kaldi / "segments").unlink()
    write(kaldi / "text", "r1 to be", "r2 or not")
    assert [(each.audio.name, each.transcript) for each in read_recordings([kaldi])] == [
        ("a.wav", "to be"),
        ("b.flac", "or not"),
    ]


def test_kaldi_names_files_as_seen_from_where_it_was_started(kaldi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(kaldi.parent)
    write(kaldi / "wav.scp", "r1 train/a.wav", "r2 b.flac")
    assert {each.audio.name for each in read_recordings([kaldi])} == {"a.wav", "b.flac"}


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("wav.scp", ["r1 touch ran |", "r2 b.flac"], "wav.scp:1: expected the path of a recording, got a command"),
        ("wav.scp", ["r1 | touch ran", "r2 b.flac"], "wav.scp:1: expected the path of a recording, got a command"),
        ("wav.scp", ["r1 a.wav"], "text:3: expected recording 'r2' in "),
        ("wav.scp", ["r1 c.wav", "r2 b.flac"], "wav.scp:1: expected the recording "),
        ("wav.scp", ["r1", "r2 b.flac"], "wav.scp:1: expected the recording "),
        ("wav.scp", ["r1 a.wav", "r1 a.wav"], "wav.scp:2: expected 'r1' once, got it as in "),
        ("text", ["u1 to be", "u2 or not"], "segments:3: expected what is said in 'u3' in "),
        ("text", ["u1 to be", "u2", "u3 to be"], "text:2: expected what is said in the recording, got nothing"),
        ("text", ["u1 a", "u2 b", "u3 c", "u4 d"], "text:4: expected 'u4' in "),
        ("segments", ["u1 r1 0.5"], "segments:1: expected utterance, recording, start and end, got 'r1 0.5'"),
        ("segments", ["u1 r1 1 0.5", "u2 r1 2 3", "u3 r2 0 1"], "segments:1: expected an end after the start at 1 s"),
        ("segments", ["u1 r1 one 2", "u2 r1 2 3", "u3 r2 0 1"], "segments:1: expected a time as a number in column"),
    ],
)
def test_what_is_wrong_in_a_folder_of_kaldi_is_named(
    kaldi: Path, name: str, lines: Sequence[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kaldi)
    write(kaldi / name, *lines)
    assert message in refused(kaldi)
    assert not (kaldi / "ran").exists()


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    begin=st.floats(0, 100).map(lambda value: round(value, 2)),
    length=st.floats(0.01, 100).map(lambda value: round(value, 2)),
    way=st.sampled_from([("offset", "duration"), ("start", "end"), ("Start_Time", "end_time"), ("start_ms", "end_ms")]),
)
def test_times_are_told_in_many_ways(begin: float, length: float, way: tuple[str, str]) -> None:
    unit = 1000 if way[0].endswith("_ms") else 1
    second = length if way[1] == "duration" else begin + length
    found = times({"path": "a.wav", way[0]: str(begin * unit), way[1]: str(second * unit)}, "m:1")
    assert found == (pytest.approx(begin), pytest.approx(length))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"offset": "half"}, "expected a time as a number in column 'offset', got 'half'"),
        ({"offset": "nan"}, "expected a time as a number in column 'offset', got 'nan'"),
        ({"offset": "-1"}, "expected a time as a number in column 'offset', got '-1'"),
        ({"duration": "0"}, "expected a time as a number in column 'duration', got '0'"),
        ({"end": "2"}, "expected a column 'start' beside the one that tells the end"),
        ({"start": "2", "end": "2"}, "expected an end after the start at 2 s, got 2 s"),
        ({"start": "1", "end": "2", "duration": "3"}, "expected 1 s from start to end, got a duration of 3 s"),
        ({"frame_offset": "8000"}, "expected times in seconds, got 'frame_offset' in samples"),
    ],
)
def test_times_that_mean_nothing_are_refused(columns: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=r"^m\.csv:2: ") as error:
        times(columns, "m.csv:2")
    assert message in str(error.value)


def test_other_columns_are_no_times() -> None:
    assert times({"path": "a.wav", "weekend": "2", "offset": " "}, "m:1") == (None, None)


@pytest.mark.parametrize(
    ("begin", "seconds", "stretch", "odd"),
    [
        (None, None, None, ""),
        (None, 2.95, None, ""),  # as manifests round it
        (None, 1.0, Stretch(0.0, 1.0), ""),  # as NeMo reads it
        (None, 9.0, None, "expected 9.0 s of sound as m:1 says, 3.0 s are there"),
        (0.0, 3.05, None, ""),
        (1.0, 2.05, Stretch(1.0, 3.0), ""),
        (1.0, None, Stretch(1.0, 3.0), ""),
        (1.0, 0.5, Stretch(1.0, 1.5), ""),
    ],
)
def test_the_stretch_of_a_recording(
    begin: float | None, seconds: float | None, stretch: Stretch | None, odd: str
) -> None:
    recording = Recording(Path("a.wav"), "to be", "m:1", begin, seconds)
    assert stretch_of(recording, AudioInfo(8000, 3.0)) == (stretch, odd)


@pytest.mark.parametrize(("begin", "seconds"), [(3.0, None), (500.0, 500.0), (1.0, 2.5), (0.0, 3.5)])
def test_a_stretch_beyond_the_recording_is_named(begin: float, seconds: float | None) -> None:
    recording = Recording(Path("a.wav"), "to be", "m:1", begin, seconds)
    with pytest.raises(UserError, match=r"m:1: expected a stretch of the 3.00 s of a.wav, got .*times are in seconds"):
        stretch_of(recording, AudioInfo(8000, 3.0))


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    cut=st.tuples(st.integers(0, 8000), st.integers(1, 8000)).filter(lambda cut: sum(cut) <= 8000),
    suffix=st.sampled_from([".wav", ".flac", ".ogg"]),
)
def test_a_stretch_is_read_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory, cut: tuple[int, int], suffix: str
) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path_factory.mktemp("stretch") / f"a{suffix}"
    soundfile.write(path, (0.1 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32), 8000)
    whole = np.concatenate(list(Audio(path).blocks(8000)))
    begin, length = cut
    found = np.concatenate(list(Audio(path, Stretch(begin / 8000, (begin + length) / 8000)).blocks(8000, seconds=0.1)))
    np.testing.assert_allclose(found, whole[begin : begin + length], atol=1e-6 if suffix == ".ogg" else 0)


def test_the_same_stretch_twice_is_once_and_another_is_not(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    rows = [("a", 0.0), ("b", 1.0), ("a", 0.0)]
    lines = [json.dumps({"audio_filepath": "a.wav", "text": t, "offset": o, "duration": 1}) for t, o in rows]
    assert [each.transcript for each in read_recordings([write(tmp_path / "m.jsonl", *lines)])] == ["a", "b"]


def test_what_systems_leave_beside_recordings_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "._a.wav", ".ipynb_checkpoints/b.wav", "__MACOSX/._c.wav")
    write(tmp_path / "a.txt", "to be")
    write(tmp_path / "._a.txt", "Mac OS X")
    write(tmp_path / ".ipynb_checkpoints/d.txt", "or not")
    with noting() as notes:
        assert [each.transcript for each in read_recordings([tmp_path])] == ["to be"]
    assert f"{tmp_path}: not looked at, since hidden or left there by a system: " in notes.taken[0]
    assert is_recordings(tmp_path)
