"""Recordings: what is read is what was written, however it is cut, and what is broken is told."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.speech.audio import Audio, audio_info
from throughtime.errors import UserError

Sound = npt.NDArray[np.float32]
DRAW = np.random.default_rng(0)
NOISE: Sound = (0.1 * DRAW.standard_normal(6000)).astype(np.float32)


def tone(hertz: float, seconds: float, rate: int) -> Sound:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write(path: Path, sound: Sound, rate: int = 8000, **how: Any) -> Path:
    soundfile.write(path, sound, rate, **how)
    return path


def read(path: Path | None, rate: int = 8000, **how: float) -> tuple[Sound, list[str]]:
    audio = Audio(path)
    return np.concatenate(list(audio.blocks(rate, **how))), audio.warnings


def pitch(sound: Sound, rate: int) -> float:
    """The loudest frequency, in hertz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * rate / len(sound))


@pytest.mark.parametrize(
    ("name", "how"), [("a.wav", {"subtype": "PCM_16"}), ("a.flac", {}), ("b.wav", {"subtype": "FLOAT"})]
)
def test_what_is_written_without_loss_is_read(tmp_path: Path, name: str, how: dict[str, str]) -> None:
    found, warnings = read(write(tmp_path / name, NOISE, **how), seconds=0.1)
    np.testing.assert_allclose(found, NOISE, atol=0 if "subtype" in how and how["subtype"] == "FLOAT" else 1 / 32768)
    assert warnings == []


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_what_is_written_with_loss_still_has_its_pitch(tmp_path: Path, name: str) -> None:
    found, warnings = read(write(tmp_path / name, tone(440, 1, 16000), 16000), 16000)
    assert abs(len(found) - 16000) < 1200
    assert pitch(found, 16000) == pytest.approx(440, abs=3)
    assert warnings == []


def test_channels_are_mixed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.stack([NOISE, -0.5 * NOISE], 1), subtype="FLOAT")
    np.testing.assert_allclose(read(path)[0], 0.25 * NOISE, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 11025, 48000])
def test_another_rate_keeps_pitch_loudness_and_length(tmp_path: Path, rate: int) -> None:
    found, _ = read(write(tmp_path / "a.wav", tone(440, 1, rate), rate), 16000)
    assert abs(len(found) - 16000) <= 1
    np.testing.assert_allclose(found[2000:14000], tone(440, 1, 16000)[2000:14000], atol=2e-3)


def test_sounds_too_high_for_the_rate_are_gone(tmp_path: Path) -> None:
    found, _ = read(write(tmp_path / "a.wav", tone(6000, 1, 48000), 48000), 8000)
    assert np.abs(found[500:-500]).max() < 1e-3


def test_faster_sound_is_shorter_and_higher(tmp_path: Path) -> None:
    found, _ = read(write(tmp_path / "a.wav", tone(400, 1, 8000)), 8000, speed=1.25)
    assert len(found) == pytest.approx(6400, abs=1)
    assert pitch(found, 8000) == pytest.approx(500, abs=3)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    seconds=st.floats(0.001, 1.0), rate=st.sampled_from([8000, 11025, 16000]), speed=st.sampled_from([0.9, 1.0, 1.1])
)
def test_blocks_do_not_change_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, seconds: float, rate: int, speed: float
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "a.wav"
    write(path, NOISE, 11025)
    whole, _ = read(path, rate, speed=speed, seconds=60)
    cut, _ = read(path, rate, speed=speed, seconds=seconds)
    assert np.array_equal(whole, cut)


def test_a_pipe_is_read_as_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.wav", NOISE)
    inside, outside = os.pipe()
    os.write(outside, path.read_bytes())  # a pipe holds that much
    os.close(outside)
    with os.fdopen(inside, encoding="latin1") as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        found, warnings = read(None, 16000)
    assert np.array_equal(found, read(path, 16000)[0])
    assert warnings == []


def cut_off(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    sound = (0.3 * np.random.default_rng(1).standard_normal(32000)).astype(np.float32)
    found, warnings = read(cut_off(write(tmp_path / name, sound), 0.5))
    assert 8000 <= len(found) < 17000
    np.testing.assert_allclose(found, sound[: len(found)].clip(-1, 1), atol=1 / 32768)
    assert len(warnings) == 1
    assert "cut off or broken: expected 4.0 s of sound, " in warnings[0]


def test_a_length_that_a_program_did_not_know_is_no_fault(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", NOISE)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    found, warnings = read(path)
    assert (len(found), warnings) == (6000, [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected sound (.wav, .flac"),
        (b"hello, world" * 50, "which this is not"),
        (None, "the recording is empty, or its head says so"),
    ],
)
def test_what_holds_no_sound_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "quiet.wav"
    if content is None:
        write(path, NOISE[:0])
    else:
        path.write_bytes(content)
    for use in (audio_info, read):
        with pytest.raises(UserError, match=r"quiet\.wav: expected sound") as error:
            use(path)
        assert message in str(error.value)


def test_the_head_tells_rate_and_length(tmp_path: Path) -> None:
    info = audio_info(write(tmp_path / "a.flac", NOISE, 12000))
    assert (info.rate, info.seconds, info.warning) == (12000, 0.5, "")


def head(said: int, sound: bytes, channels: int = 1, bits: int = 16, tag: int = 1, riff: int | None = None) -> bytes:
    """A wav file by hand, whose head says what it likes of its size."""
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, 8000, 8000 * width, width, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", said) + sound
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    frames=st.integers(200, 4000),
    channels=st.integers(1, 3),
    kind=st.sampled_from([(16, 1), (24, 1), (32, 1), (32, 3)]),
    said=st.sampled_from(["right", "nothing", "unknown", "endless", "too much", "too little"]),
    riff=st.sampled_from([None, 0, 0xFFFFFFFF]),
    chunk=st.sampled_from([b"", b"LIST\x04\0\0\0abcd"]),
)
def test_whatever_a_head_says_of_its_size_no_sound_is_lost_in_silence(
    tmp_path_factory: pytest.TempPathFactory,
    frames: int,
    channels: int,
    kind: tuple[int, int],
    said: str,
    riff: int | None,
    chunk: bytes,
) -> None:
    bits, tag = kind
    values = np.random.default_rng(frames).uniform(-0.5, 0.5, (frames, channels))
    if tag == 3:
        sound = values.astype("<f4").tobytes()
    else:
        whole = (values * 2 ** (bits - 1)).astype("<i4")
        sound = whole.view(np.uint8).reshape(frames, channels, 4)[..., : bits // 8].tobytes()
    sound += b"\0" * (len(sound) % 2)
    chunk = chunk if said == "right" else b""
    size = {
        "right": len(sound),
        "nothing": 0,
        "unknown": 0xFFFFFFFF,
        "endless": 0x7FFFFF00,
        "too much": 3 * len(sound),
        "too little": len(sound) // 6 * 2,
    }[said]
    path = tmp_path_factory.mktemp("heads") / "a.wav"
    path.write_bytes(head(size, sound + chunk, channels, bits, tag, riff))
    found, warnings = read(path)
    info = audio_info(path)
    assert info.seconds == len(found) / 8000
    assert ([info.warning] if info.warning else []) == warnings
    expected = frames if said != "too little" else size // (channels * bits // 8)
    assert len(found) == expected
    np.testing.assert_allclose(found, values.mean(1)[:expected], atol=2**-14)
    told = {
        "nothing": f"its head says that it holds no sound, though {len(sound):,} bytes follow",
        "too much": "the recording is cut off or broken",
        "too little": f"{len(sound) - size:,} bytes behind the sound that its head tells of are left out",
    }
    assert [warning[: len(told.get(said, ""))] for warning in warnings] == ([told[said]] if said in told else [])


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    at=st.integers(0, 5999),
    value=st.sampled_from([np.nan, np.inf, -np.inf, 1e20, 12345.0, -32768.0, 33.0]),
    channels=st.integers(1, 2),
)
def test_a_sample_that_is_no_sound_is_named_with_its_file_and_time(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: float, channels: int
) -> None:
    sound = np.stack([NOISE] * channels, 1)
    sound[at, channels - 1] = value
    path = write(tmp_path_factory.mktemp("broken") / "a.wav", sound, subtype="FLOAT")
    for use in (audio_info, read):
        with pytest.raises(UserError) as error:
            use(path)
        assert str(error.value).startswith(f"{path}: expected samples within [-1, 1], got ")
        assert f"at {at / 8000:.2f} s" in str(error.value)
        assert ("divide them by 32,768" in str(error.value)) == (abs(value) < 1e20)


@pytest.mark.parametrize(("loudest", "full"), [(32769, "8,388,608"), (2.0**31, "2,147,483,648")])
def test_whole_numbers_of_more_bits_are_divided_by_more(tmp_path: Path, loudest: float, full: str) -> None:
    path = write(tmp_path / "a.wav", np.array([0.0, -loudest], np.float32), subtype="FLOAT")
    with pytest.raises(UserError, match=f"divide them by {full}, or"):
        audio_info(path)


def test_reals_that_are_only_too_loud_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 40 * NOISE, subtype="FLOAT")
    assert np.array_equal(read(path)[0], 40 * NOISE)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_an_ogg_file_that_was_cut_short_is_told(tmp_path: Path, subtype: str, share: float) -> None:
    path = write(tmp_path / "a.ogg", np.tile(NOISE, 12), subtype=subtype)
    whole, warnings = read(path)
    assert (len(whole), warnings, audio_info(path).warning) == (72000, [], "")
    found, warnings = read(cut_off(path, share))
    assert len(found) < 72000
    told = f"the recording is cut off: its last page is missing; {len(found) / 8000:.1f} s could be read"
    assert warnings == [told]
    assert audio_info(path).warning == told


def test_an_ogg_file_that_holds_its_heads_alone_is_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ogg", np.tile(NOISE, 12))
    content = path.read_bytes()
    first_sound = [at for at in range(len(content)) if content.startswith(b"OggS", at)][2]
    path.write_bytes(content[: first_sound + 40])
    with pytest.raises(UserError, match=r"a\.ogg: expected sound.*(cut off|damaged)"):
        audio_info(path)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_what_the_head_cannot_tell_is_found_by_reading(tmp_path: Path, name: str) -> None:
    path = cut_off(write(tmp_path / name, np.tile(NOISE, 8)), 0.5)
    found, warnings = read(path)
    info = audio_info(path)
    assert 2 < info.seconds == len(found) / 8000 < 4
    assert [info.warning] == warnings


def test_a_flac_file_may_leave_its_length_open(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", NOISE)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    found, warnings = read(path, seconds=0.1)
    np.testing.assert_allclose(found, NOISE, atol=1 / 32768)
    assert warnings == []
    assert audio_info(path).seconds == 0.75
