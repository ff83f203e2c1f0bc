"""Recordings in memory: what is written is read back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from throughtime.data.speech.audio import Audio
from throughtime.errors import UserError
from throughtime.tasks.speech.examples import SpeechSettings
from throughtime.tasks.speech.memory import spill, write_sound
from throughtime.tasks.speech.task import Speech

RATE = 8000


def samples(path: Path) -> np.ndarray:
    return np.concatenate(list(Audio(path).blocks(RATE)))


def test_waveforms_come_back_to_the_last_bit(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    reals = np.random.default_rng(0).uniform(-1, 1, 4000).astype(np.float32)
    whole = np.arange(-2000, 2000, dtype=np.int16)
    assert np.array_equal(samples(write_sound(tmp_path / "a.wav", (reals, RATE), "a")), reals)
    assert np.array_equal(samples(write_sound(tmp_path / "b.wav", (whole, RATE), "b")) * 32768, whole)


@pytest.mark.parametrize("apart", [True, False])
def test_examples_of_waveforms(tmp_path: Path, apart: bool) -> None:
    pytest.importorskip("soundfile")
    sounds = [np.sin(np.arange(6000) * pitch) for pitch in (0.1, 0.2)]
    data = [(s, RATE, t) if apart else ((s, RATE), t) for s, t in zip(sounds, ["one", "two two"], strict=True)]
    found = list(Speech.read(spill(data, tmp_path), SpeechSettings()))
    assert [example.transcript for example in found] == ["one", "two two"]
    for example, sound in zip(found, sounds, strict=True):
        assert np.array_equal(samples(Path(example.audio)), sound.astype(np.float32))


def test_what_is_no_waveform_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    with pytest.raises(UserError, match=r"example 1: expected a waveform \[T\] of reals .*, got float64 \[2, 3\]"):
        spill([((np.zeros((2, 3)), RATE), "a")], tmp_path)
    with pytest.raises(UserError, match=r"input 1: expected \(waveform, rate\), got a ndarray"):
        write_sound(tmp_path / "x.wav", np.zeros(5), "input 1")
