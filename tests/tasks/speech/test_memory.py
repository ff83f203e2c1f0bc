"""Recordings in memory: what is written is read back as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from throughtime.applications.memory import moved, spilling
from throughtime.data.speech.audio import Audio
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting
from throughtime.tasks.speech.examples import SpeechSettings, named
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


TONE = 0.5 * np.sin(np.arange(4000) * 0.3)


@pytest.mark.parametrize(
    "waveform",
    [
        torch.tensor(TONE, dtype=torch.float32, requires_grad=True),
        torch.tensor(TONE, dtype=torch.bfloat16),
        torch.tensor(TONE)[None],
        TONE.astype(np.float16),
        TONE[:, None],
        TONE.tolist(),
        torch.tensor(TONE * 32768).to(torch.int16),
    ],
)
def test_a_waveform_may_be_a_tensor_or_a_list(tmp_path: Path, waveform: Any) -> None:
    found = samples(write_sound(tmp_path / "a.wav", (waveform, np.int64(RATE)), "a"))
    np.testing.assert_allclose(found, TONE, atol=4e-3)


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        ((np.where(np.arange(4000) == 99, np.nan, TONE), RATE), "got one as sample 100 that is no number"),
        ((np.where(np.arange(4000) == 99, -np.inf, TONE), RATE), "got one as sample 100 that is infinite"),
        ((np.round(32768 * TONE), RATE), r"got .* as sample \d+: whole numbers of 16 bits .* divide them by 32,768"),
        ((TONE[:0], RATE), "expected a waveform, got one without samples"),
        (([[0.1], [0.1, 0.2]], RATE), "expected a waveform .*, got a list"),
        ((TONE.astype(complex), RATE), "expected a waveform .*, got complex128"),
        ((TONE, 8000.5), "expected a whole number from 1,000 to 1,000,000 samples a second, got 8000.5"),
        ((TONE, float("nan")), "expected a whole number .* samples a second, got nan"),
        ((TONE, "fast"), "expected a whole number .* samples a second, got 'fast'"),
        ((TONE, 8), "expected a whole number .* samples a second, got 8"),
    ],
)
def test_a_waveform_that_is_no_sound_is_refused_by_number(tmp_path: Path, sound: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^example 2: .*{message}"):
        spill([((TONE, RATE), "a"), (sound, "b")], tmp_path)


@pytest.mark.parametrize("said", ["", "  ", None, float("nan"), 5])
def test_a_waveform_without_transcript_is_refused_by_number(tmp_path: Path, said: Any) -> None:
    with pytest.raises(UserError, match=r"^example 2: expected a text as its transcript, got "):
        spill([((TONE, RATE), "a"), ((TONE, RATE), said)], tmp_path)


def test_examples_in_memory_are_called_by_their_number(tmp_path: Path) -> None:
    with spilling() as folder:
        folder.mkdir()
        found = list(Speech.read(spill([((TONE, RATE), "a"), ((TONE, RATE), "b")], folder), SpeechSettings()))
        kept = [moved(example, folder, kept=[example.audio]) for example in found]
        assert [named(example) for example in kept] == ["example 1", "example 2"]
    kept = next(Speech.read(spill([((TONE, RATE), "a")], tmp_path), SpeechSettings()))
    assert named(kept) == str(tmp_path / "00000.wav")


def test_a_stretch_of_a_recording_is_all_that_is_learnt_from(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", (np.concatenate([TONE, 0 * TONE]), RATE), "a")
    rows = [("a", 0.0, 0.5), ("b", 0.5, 0.5), ("c", 0.25, 0.1)]
    lines = [json.dumps({"audio_filepath": "a.wav", "text": t, "offset": o, "duration": d}) for t, o, d in rows]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    with noting() as notes:
        found = list(Speech.read([tmp_path / "m.jsonl"], SpeechSettings()))
    assert [(each.begin, each.seconds) for each in found] == [(0.0, 0.5), (0.5, 0.5), (0.25, pytest.approx(0.1))]
    assert named(found[1]) == f"{tmp_path / 'a.wav'} at 0.5 s"
    assert notes.taken[2:] == [f"{tmp_path / 'm.jsonl'}: of a recording that stretch alone is read that its line tells"]
    settings = SpeechSettings(frames=1, speed=0.0, volume=0.0)
    task = Speech(settings, Speech.learn(found, settings))
    frames = [task.frames((each.audio, each.stretch, 1.0)) for each in found]
    assert [len(each) for each in frames] == [50, 50, 10]
    assert frames[0].mean() > frames[1].mean() + 3  # which is silent
    for make in (task.batch, task.training_batch):
        assert make(found).lengths.tolist() == [50, 50, 10]
    assert Speech.key(found[0]) == Speech.key(found[1])  # a split keeps them together
