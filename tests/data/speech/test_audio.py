"""Recordings: what is read is what was written, however it is cut, and what is broken is told."""

from __future__ import annotations

import os
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
        (None, "the recording is empty"),
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
