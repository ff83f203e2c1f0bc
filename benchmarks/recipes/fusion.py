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
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from record import ROOT
from speech import DIGITS, RATE, all_speakers, joined, recordings, write_manifest

SEEDS = (0, 1, 2)
TRAIN, VALID, TEST = range(10, 50), range(5, 10), range(5)
"""Indices of the recordings of a digit by a speaker."""

STRINGS = {"train": (TRAIN, 2000), "valid": (VALID, 200)}
"""Of digits at random, which the recogniser learns and is selected by."""
DATES = {"valid": (VALID, 200), "test": (TEST, 400)}
"""Spoken ones."""
WRITTEN = {"train": 10_000, "valid": 1000}
"""Dates that the language model learns and is selected by."""

SPEECH = "--unit words --hidden 96 --speed 0 --minutes 7"
TEXT = "--sentences --unit words --hidden 64 --embedding 16 --dropout 0 --epochs 6 --lr 5e-3"
SNR = 5.0
"""Decibels of the sound above the noise where dates are judged."""
STRINGS_SNR = (0.0, 25.0)
"""The same where the recogniser learns and is selected: from, to."""


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
    """Strings of three to nine digits."""
    return [" ".join(DIGITS[n] for n in draw.integers(10, size=draw.integers(3, 10))) for _ in range(count)]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="Folder of the models and the data.")
    parser.add_argument("--only", type=int, help="Train the recogniser of this seed, and judge nothing.")
    given = parser.parse_args()
    if given.only is not None:
        train_speech(given.runs, given.only)
        return


if __name__ == "__main__":
    main()
