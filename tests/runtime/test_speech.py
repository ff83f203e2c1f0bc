"""Recognisers that left Throughtime hear what the runs hear; features and sound are those of the libraries."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import throughtime
from throughtime import runtime
from throughtime.data.speech import filterbank
from throughtime.errors import UserError
from throughtime.runtime.sound.filterbank import FilterBank
from throughtime.runtime.sound.wav import read_wav

pytest.importorskip("onnxruntime")
soundfile = pytest.importorskip("soundfile")
pytest.importorskip("kaldi_native_fbank")

RATE = 8000
SMALL = {"hidden": 10, "batch": 4, "steps": 3, "mels": 10, "time_masks": 1, "progress": False}
RUNS: dict[str, dict[str, Any]] = {
    "letters, both ways": {"layers": 2, "frames": 2},
    "words, one way": {"unit": "words", "bidirectional": False, "cell": "gru", "layers": 1, "frames": 3},
}


def sound(seed: int, samples: int = 5000) -> Any:
    """Tones that come and go, over noise."""
    draw, time = np.random.default_rng(seed), np.arange(samples) / RATE
    tones = sum(np.sin(2 * np.pi * f * time) * (np.sin(3 * time * f / 200) > 0) for f in draw.uniform(200, 3000, 3))
    return (0.1 * tones + 0.02 * draw.standard_normal(samples)).astype(np.float32)


@pytest.fixture(scope="module", params=list(RUNS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[throughtime.Run, Any, Path]:
    folder = tmp_path_factory.mktemp("speech")
    for part, count in (("train", 6), ("valid", 2), ("test", 2)):
        (folder / "data" / part).mkdir(parents=True)
        for number in range(count):
            file = folder / "data" / part / f"{number}.wav"
            soundfile.write(file, sound(number, 4000 + 700 * number), RATE, "PCM_16")
            file.with_suffix(".txt").write_text("so be it" if number % 2 else "be so")
    run = throughtime.train("speech", folder / "data", out=folder / "run", **{**SMALL, **RUNS[request.param]})
    run.export(folder / "exported")
    return run, runtime.open(folder / "exported"), folder


ASKED: list[dict[str, Any]] = [
    {},
    {"explain": True},
    {"beam": 4},
    {"beam": 4, "explain": True},
    {"nbest": 3},
    {"nbest": 2, "explain": True},
]


@pytest.mark.parametrize("options", ASKED, ids=str)
def test_what_is_heard_is_what_the_run_hears(options: dict[str, Any], pair: tuple[throughtime.Run, Any, Path]) -> None:
    run, model, folder = pair
    items = [folder / "data" / "test" / "1.wav", (sound(8), RATE), (sound(9, 300), RATE)]
    expected = [found.data for found in run.predict(items, **options)]
    for found, right in zip(model.predict(items, **options), expected, strict=True):
        assert {name: found[name] for name in ("file", "text", "seconds")} == {
            name: right[name] for name in ("file", "text", "seconds")
        }
        assert found.keys() == right.keys()
        for name in found.keys() & {"symbols", "hypotheses"}:
            for one, other in zip(found[name], right[name], strict=True):
                assert one == pytest.approx(other, abs=2e-3) if name == "hypotheses" else close(one, other)


def close(one: dict[str, Any], other: dict[str, Any]) -> bool:
    told = ("symbol", "start", "end")
    return [one[n] for n in told] == [other[n] for n in told] and abs(one["probability"] - other["probability"]) < 2e-4


def test_log_probabilities_are_those_of_the_run(pair: tuple[throughtime.Run, Any, Path]) -> None:
    run, model, _ = pair
    app, net = run._trained().bound, run._trained().model
    frames = app.bank.frames([sound(4)])
    import torch

    with torch.no_grad():
        right = net.log_probs(app.normalise(frames)[None], torch.tensor([len(frames)]))[0].numpy()
    bank = FilterBank(RATE, SMALL["mels"])
    found = model._log_probs(np.concatenate([bank.push(sound(4)), bank.finish()]))
    np.testing.assert_allclose(found, right, atol=1e-4)


def test_a_stream_hears_the_same(pair: tuple[throughtime.Run, Any, Path]) -> None:
    run, model, folder = pair
    file = folder / "data" / "test" / "0.wav"
    if "step" not in model.folder.graphs:
        with pytest.raises(UserError, match="reads in both directions"):
            model.stream(file)
        return
    expected = [found.data for found in run.stream(file)]
    assert list(model.stream(file)) == expected
    samples, _ = soundfile.read(file, dtype="float32")
    *_, last = model.stream(iter(np.array_split(samples, 7)))
    assert last == {**expected[-1], "file": "sound"}


def test_what_cannot_be_heard_is_told_in_a_line(pair: tuple[throughtime.Run, Any, Path], tmp_path: Path) -> None:
    _, model, _ = pair
    soundfile.write(tmp_path / "fast.wav", sound(0), 16000)
    soundfile.write(tmp_path / "other.flac", sound(0), RATE)
    soundfile.write(tmp_path / "none.wav", sound(0)[:0], RATE)
    for item, said in {
        tmp_path / "fast.wav": r"fast.wav: expected 8,000 samples a second, .* got 16,000; convert it: ffmpeg",
        tmp_path / "other.flac": r"other.flac: expected a wav file of PCM samples, got another .*; convert it",
        tmp_path / "none.wav": "none.wav: expected sound, got a recording without samples",
        tmp_path / "no.wav": "no.wav",
    }.items():
        with pytest.raises((UserError, OSError), match=said):
            model.predict([item])
    with pytest.raises(UserError, match=r"shorter than 0\.010 s"):
        model.predict([(sound(0, 20), RATE)])
    with pytest.raises(UserError, match=r"input 1: expected a path or \(waveform, rate\), got a ndarray"):
        model.predict([sound(0)])
    with pytest.raises(UserError, match="left to: throughtime predict RUN --lm LM"):
        model.predict([], lm="run")
    with pytest.raises(UserError, match="expected nbest to be at least 1, got 0"):
        model.predict([], nbest=0)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100])
@pytest.mark.parametrize("samples", [0, 1, 30, 80, 121, 799, 4001])
def test_features_are_kaldis(rate: int, samples: int) -> None:
    for mels, given in ((23, sound(1, samples)), (40, np.zeros(samples, np.float32))):
        blocks = np.array_split(given, 3)
        expected = list(filterbank.FilterBank(rate, mels).stream(blocks))
        bank = FilterBank(rate, mels)
        found = [*map(bank.push, blocks), bank.finish()]
        assert [len(frames) for frames in found] == [len(frames) for frames in expected]
        np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), atol=1e-4)


@pytest.mark.parametrize(("subtype", "channels"), [("PCM_U8", 1), ("PCM_16", 2), ("PCM_24", 1), ("PCM_32", 3)])
def test_samples_are_those_of_the_library(subtype: str, channels: int, tmp_path: Path) -> None:
    given = np.stack([sound(number, 999) for number in range(channels)], 1)
    soundfile.write(tmp_path / "a.wav", given, RATE, subtype)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getnchannels() == channels
    expected, _ = soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)
    found = np.concatenate(list(read_wav(tmp_path / "a.wav", RATE, 0.01)))
    np.testing.assert_allclose(found, expected.mean(1), atol=1e-7)
