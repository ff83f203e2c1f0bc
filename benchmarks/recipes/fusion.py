"""What the language model does for speech: dates that are spoken digit by digit, heard through noise.

    python benchmarks/recipes/fusion.py

For each of three seeds: a recogniser is trained on strings of digits drawn at random, joined from recordings of the
Free Spoken Digit Dataset, so that it knows sounds and no dates; a language model is trained on dates as text, none of
which is spoken in validation or test data. Dates are read as eight digits, day, month, year. White noise is added to
what is judged. Recordings of indices 0 to 4 are in test strings alone, 5 to 9 in validation strings alone. The loudness
of the noise, and the weights of both ways to use the language model, are chosen on validation data.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import ROOT, commit, curve, machine, record
from speech import DIGITS, RATE, all_speakers, joined, recordings, write_manifest
from torch import Tensor

from throughtime.applications.judging.word_errors import error_figures, word_error
from throughtime.applications.opened import Opened
from throughtime.applications.supervised import Supervised
from throughtime.decoding.ctc import CTCBeam, CTCHypothesis, ctc_beam_search, ctc_greedy, rescore
from throughtime.files import write_json
from throughtime.models import CTCModel
from throughtime.plain import read_json
from throughtime.runtime.ctc import Fusion
from throughtime.tasks.speech.fusion import open_fusion, tune
from throughtime.tasks.speech.task import Speech

SEEDS = (0, 1, 2)
TRAIN, VALID, TEST = range(10, 50), range(5, 10), range(5)
"""Indices of the recordings of a digit by a speaker."""

STRINGS = {"train": (TRAIN, 1500), "valid": (VALID, 150)}
"""Of digits at random, which the recogniser learns and is selected by."""
DATES = {"valid": (VALID, 120), "test": (TEST, 400)}
"""Spoken ones."""
WRITTEN = {"train": 10_000, "valid": 1000}
"""Dates that the language model learns and is selected by."""

SPEECH = "--unit words --hidden 80 --speed 0 --lr 5e-3 --minutes 2.8 --evaluate-every 200"
TEXT = "--sentences --unit words --hidden 64 --embedding 16 --dropout 0 --epochs 4 --lr 5e-3"
SNR = 11.0
"""Decibels of the sound above the noise where dates are judged."""
STRINGS_SNR = (15.0, 40.0)
"""The same where the recogniser learns and is selected: from, to."""
WIDTH = 16
ALPHAS = (0.5, 1.0, 1.5)
BETAS = (0.0, 1.5, 3.0)
"""Weights that are tried."""


def dates() -> list[str]:
    """All dates of ninety years as digits: ``"2 4 1 1 1 9 8 7"`` is the 24th of November 1987."""
    first, last = date(1940, 1, 1), date(2029, 12, 31)
    days = ((first + timedelta(n)) for n in range((last - first).days + 1))
    return [" ".join(DIGITS[int(sign)] for sign in day.strftime("%d%m%Y")) for day in days]


def speak(folder: Path, part: str, texts: Sequence[str], indices: range, snr: tuple[float, float], seed: int) -> None:
    """Recordings of texts, each of one speaker, and their manifest.

    Args:
        folder: Takes them.
        part: Name of the manifest.
        texts: Digits in words.
        indices: Of the recordings that may be used.
        snr: Decibels of the sound above the noise, drawn from this range.
        seed: Of speakers, recordings, pauses and noise.
    """
    import soundfile

    draw = np.random.default_rng([seed, *part.encode()])
    speakers = all_speakers()
    files = {who: np.array(recordings([who], indices)).reshape(10, -1) for who in speakers}
    (folder / part).mkdir(parents=True, exist_ok=True)
    rows = []
    for number, text in enumerate(texts):
        own = files[speakers[draw.integers(len(speakers))]]
        chosen = [own[DIGITS.index(word), draw.integers(own.shape[1])] for word in text.split()]
        sound = joined(chosen, draw)
        level = np.sqrt(np.mean(np.square(sound))) * 10 ** (-draw.uniform(*snr) / 20)
        sound = sound + np.float32(level) * draw.standard_normal(len(sound), dtype=np.float32)
        audio = folder / part / f"{number:04}.wav"
        soundfile.write(audio, sound, RATE, subtype="PCM_16")
        rows.append((audio.relative_to(folder), text))
    write_manifest(folder / f"{part}.tsv", rows)


def at_random(count: int, draw: np.random.Generator) -> list[str]:
    """Strings of two to six digits."""
    return [" ".join(DIGITS[n] for n in draw.integers(10, size=draw.integers(2, 7))) for _ in range(count)]


def prepare_strings(folder: Path, seed: int) -> None:
    for part, (indices, count) in STRINGS.items():
        texts = at_random(count, np.random.default_rng([seed, count]))
        speak(folder, part, texts, indices, STRINGS_SNR, seed)


def prepare_dates(folder: Path, seed: int, snr: float) -> None:
    """Spoken and written dates; no date is in two parts."""
    order: list[str] = np.random.default_rng(seed).permutation(dates()).tolist()
    for part, (indices, count) in DATES.items():
        speak(folder, part, order[:count], indices, (snr, snr), seed)
        order = order[count:]
    for part, count in WRITTEN.items():
        (folder / f"{part}.txt").write_text("".join(f"{text}\n" for text in order[:count]), encoding="utf-8")
        order = order[count:]


def throughtime(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "throughtime", *arguments], check=True)


def train_speech(runs: Path, seed: int) -> Path:
    run, folder = runs / f"fusion-speech-{seed}", runs / f"fusion-strings-{seed}"
    if not (folder / "valid.tsv").exists():
        prepare_strings(folder, seed)
    if not (run / "model.safetensors").exists():
        throughtime("train", "speech", str(folder), *SPEECH.split(), "--seed", str(seed), "--out", str(run))
    return run


def train_text(runs: Path, seed: int) -> Path:
    run, folder = runs / f"fusion-text-{seed}", runs / f"fusion-dates-{seed}"
    if not (folder / "valid.txt").exists():
        prepare_dates(folder, seed, SNR)
    if not (run / "model.safetensors").exists():
        paths = [str(folder / "train.txt"), "--valid", str(folder / "valid.txt")]
        throughtime("train", "text", *paths, *TEXT.split(), "--seed", str(seed), "--out", str(run))
    return run


@dataclass(frozen=True)
class Sounds:
    """What a recogniser makes of recordings: log-probabilities ``[S, V]`` of each, and what was said."""

    said: Sequence[str]
    log_probs: Sequence[Tensor]


@torch.no_grad()
def listen(speech: Opened, manifest: Path) -> Sounds:
    """Runs a recogniser over the recordings of a manifest."""
    model = speech.model
    assert isinstance(model, CTCModel)
    examples = list(speech.bound.read([manifest], speech.bound.settings))
    found: dict[int, Tensor] = {}
    batches = speech.bound.in_batches(examples)
    for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
        rows = model.log_probs(batch.features, batch.lengths)
        lengths = model.steps(batch.lengths).tolist()
        found |= {number: row[:length] for number, row, length in zip(chosen, rows, lengths, strict=True)}
    return Sounds([example.transcript for example in examples], [found[number] for number in range(len(examples))])


@dataclass(frozen=True)
class Way:
    """A way from probabilities of frames to transcripts.

    Attributes:
        lists: The hypotheses of every recording with such weights, the best first.
        text: Of symbols.
    """

    lists: Callable[[Sounds, float, float], Sequence[Sequence[CTCHypothesis]]]
    text: Callable[[Sequence[int]], str]

    def transcribe(self, sounds: Sounds, alpha: float, beta: float) -> list[str]:
        return [self.text(hypotheses[0].symbols) for hypotheses in self.lists(sounds, alpha, beta)]

    def judge(self, valid: Sounds, test: Sounds, alphas: Sequence[float]) -> dict[str, Any]:
        """Weights chosen on validation data, word errors on test data with them."""
        tuned = tune(valid.said, partial(self.transcribe, valid), alphas, BETAS)
        began = time.perf_counter()
        heard = self.transcribe(test, tuned.alpha, tuned.beta)
        return {
            "alpha": tuned.alpha,
            "beta": tuned.beta,
            "validation_word_error": tuned.word_error,
            "milliseconds_a_recording": round(1000 * (time.perf_counter() - began) / len(heard), 1),
            **error_figures(test.said, heard),
        }


def search(lm: Fusion | None, sounds: Sounds, alpha: float, beta: float) -> list[list[CTCHypothesis]]:
    return [ctc_beam_search(each, CTCBeam(WIDTH, alpha, beta), lm) for each in sounds.log_probs]


def rescored(lm: Fusion) -> Callable[[Sounds, float, float], list[list[CTCHypothesis]]]:
    """The search without a language model, which then reads what was found; it reads each recording's list once."""
    read: dict[int, list[list[CTCHypothesis]]] = {}

    def lists(sounds: Sounds, alpha: float, beta: float) -> list[list[CTCHypothesis]]:
        if id(sounds) not in read:
            read[id(sounds)] = [rescore(found, 0.0, 0.0, lm) for found in search(None, sounds, 0.0, 0.0)]
        return [rescore(found, alpha, beta) for found in read[id(sounds)]]

    return lists


def judge(runs: Path, seed: int) -> dict[str, Any]:
    """Trains what is not trained yet; gives the word errors of every way, and how both models are."""
    speech_run, text_run, folder = train_speech(runs, seed), train_text(runs, seed), runs / f"fusion-dates-{seed}"
    speech = Supervised(Speech).load(speech_run)
    bound = speech.bound
    assert isinstance(bound, Speech)
    valid, test = (listen(speech, folder / f"{part}.tsv") for part in ("valid", "test"))
    lm = open_fusion(text_run, bound.units.symbols, "words")
    greedy = [
        [bound.text(ctc_greedy(each.unsqueeze(0), torch.tensor([len(each)]))[0]) for each in sounds.log_probs]
        for sounds in (valid, test)
    ]
    ways = {
        "beam": Way(partial(search, None), bound.text).judge(valid, test, [0.0]),
        "rescoring": Way(rescored(lm), bound.text).judge(valid, test, ALPHAS),
        "fusion": Way(partial(search, lm), bound.text).judge(valid, test, ALPHAS),
    }
    base = {"validation_word_error": word_error(valid.said, greedy[0]), **error_figures(test.said, greedy[1])}
    return {
        "seed": seed,
        "recogniser": {"training_seconds": curve(speech_run)[-1]["seconds"], **_best(speech_run, "word_error")},
        "language_model": {"training_seconds": curve(text_run)[-1]["seconds"], **_best(text_run, "perplexity")},
        "greedy": base,
        **ways,
        "fewer_errors_percent": {
            way: round(100 * (1 - found["word_error"] / base["word_error"]), 1) for way, found in ways.items()
        },
    }


def judged(runs: Path, seed: int) -> dict[str, Any]:
    """What :func:`judge` found, now or before: it is kept beside the models."""
    path = runs / f"fusion-{seed}.json"
    if not path.exists():
        write_json(path, judge(runs, seed))
    found: dict[str, Any] = read_json(path)
    return found


def _best(run: Path, figure: str) -> dict[str, float]:
    return {f"validation_{figure}": min(point[figure] for point in curve(run))}


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds."""
    ways = ("greedy", "beam", "rescoring", "fusion")
    errors = {way: [one[way]["word_error"] for one in found] for way in ways}
    return {
        "word_error": {way: round(statistics.mean(each), 2) for way, each in errors.items()},
        "word_error_deviation": {way: round(statistics.stdev(each), 2) for way, each in errors.items()},
        "exact": {way: round(statistics.mean(one[way]["exact"] for one in found), 2) for way in ways},
        "fewer_errors_percent": {
            way: round(statistics.mean(one["fewer_errors_percent"][way] for one in found), 1) for way in ways[1:]
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="Folder of the models and the data.")
    parser.add_argument("--only", type=int, choices=SEEDS, help="Train and judge this seed, and record nothing.")
    parser.add_argument("--trained-at", help="The commit, where the models were not trained with this one.")
    given = parser.parse_args()
    if given.only is not None:
        judged(given.runs, given.only)
        return
    before = machine()
    found = [judged(given.runs, seed) for seed in SEEDS]
    result = {
        "commands": {
            "recogniser": f"throughtime train speech STRINGS {SPEECH} --seed SEED",
            "language_model": f"throughtime train text DATES --valid DATES {TEXT} --seed SEED",
        },
        "trained_at": given.trained_at or commit(ROOT),
        "machine": before,
        "snr": SNR,
        "width": WIDTH,
        "recordings": DATES["test"][1],
        "mean": summary(found),
        "seeds": found,
    }
    print(json.dumps(result["mean"], indent=1))
    print(f"recorded in {record('fusion', result)}")


if __name__ == "__main__":
    main()
