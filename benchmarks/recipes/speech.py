"""Speech on real recordings: digits, strings of digits, yes and no; each trained, judged on its test data, recorded.

    python benchmarks/recipes/speech.py strings

``digits`` is the official split of the Free Spoken Digit Dataset (indices 0 to 4 test), ``strings`` are three to seven
of its recordings of one speaker joined with pauses (test strings of indices 0 to 4 alone), ``one-way`` the same with a
model that hears a stream, ``yesno`` trains on the
first thirty recordings of waves_yesno by name and judges by the last thirty, ``speakers`` leaves out one speaker after
the other.
Options were chosen on validation data alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from record import ROOT, commit, curve, data, machine, record

from tasks import judge

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RATE = 8000
VALID = range(5, 7)
TRAIN = range(7, 50)
TEST = range(5)
"""Indices of the recordings of a digit by a speaker."""

STRINGS = {"train": (TRAIN, 3000), "valid": (VALID, 300), "test": (TEST, 500)}

YES_NO = "--layers 1 --hidden 64 --volume 6 --speed 0.15 --join 0.5"
OPTIONS = {
    "strings": "--unit words --epochs 12 --seed 0",
    "one-way": "--unit words --epochs 12 --no-bidirectional --hidden 192 --seed 0",
    "digits": "--unit words --epochs 25 --batch 32 --seed 0",
    "yesno": f"--unit words {YES_NO} --batch 6 --steps 1200 --lr 0.005 --seed 0",
    "speakers": "--unit words --epochs 9 --batch 32 --speed 0.15 --band-masks 2 --seed 0",
}


def recordings(speakers: Iterable[str], indices: Iterable[int]) -> list[Path]:
    """Files of the Free Spoken Digit Dataset, digit by digit."""
    folder = data("fsdd/recordings")
    return [folder / f"{digit}_{who}_{i}.wav" for digit in range(10) for who in speakers for i in indices]


def all_speakers() -> list[str]:
    return sorted({file.name.split("_")[1] for file in data("fsdd/recordings").glob("*.wav")})


def digit(file: Path) -> str:
    return DIGITS[int(file.name.split("_")[0])]


def write_manifest(path: Path, rows: Iterable[tuple[Path, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(("path", "transcript"))
        table.writerows((str(audio), text) for audio, text in rows)


def isolated(folder: Path) -> None:
    """The official split; two indices of the training data are for validation."""
    for part, indices in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        write_manifest(folder / f"{part}.tsv", ((f, digit(f)) for f in recordings(all_speakers(), indices)))


def left_out(folder: Path, speaker: str) -> None:
    """All recordings of a speaker as test data, those of the others as training and validation data."""
    others = [who for who in all_speakers() if who != speaker]
    parts = {"train": (others, TRAIN), "valid": (others, range(7)), "test": ([speaker], range(50))}
    for part, (who, indices) in parts.items():
        write_manifest(folder / f"{part}.tsv", ((f, digit(f)) for f in recordings(who, indices)))


def yes_no(folder: Path) -> None:
    """The first thirty train, the last five of them for validation; the last thirty test. The name is the transcript.

    All of the first thirty begin with "no", all of the last thirty with "yes": what is learnt of the order of words
    does not hold in the test data.
    """
    files = sorted(data("waves_yesno").glob("*.wav"))
    said = {f: " ".join("yes" if sign == "1" else "no" for sign in f.stem.split("_")) for f in files}
    first, last = files[:30], files[-30:]
    parts = {"train": first[:25], "valid": first[25:], "test": last}
    for part, chosen in parts.items():
        write_manifest(folder / f"{part}.tsv", ((f, said[f]) for f in chosen))


def joined(files: Sequence[Path], draw: np.random.Generator) -> npt.NDArray[np.float32]:
    """Recordings one after the other, between pauses of 50 to 400 ms that hold a faint noise."""
    import soundfile

    pieces: list[npt.NDArray[np.float32]] = [_pause(draw)]
    for file in files:
        pieces += [soundfile.read(file, dtype="float32")[0], _pause(draw)]
    return np.concatenate(pieces)


def _pause(draw: np.random.Generator) -> npt.NDArray[np.float32]:
    samples = int(RATE * draw.uniform(0.05, 0.4))
    return (draw.standard_normal(samples) * 10 ** draw.uniform(-4, -2.5)).astype(np.float32)


def strings(folder: Path, seed: int = 0, most: int | None = None) -> None:
    """Strings of three to seven digits of one speaker, at most so many in a part; no recording is in two parts."""
    import soundfile

    for number, (part, (indices, count)) in enumerate(STRINGS.items()):
        draw = np.random.default_rng([seed, number])
        speakers = all_speakers()
        (folder / part).mkdir(exist_ok=True)
        rows: list[tuple[Path, str]] = []
        for name in range(min(count, most or count)):
            who = speakers[draw.integers(len(speakers))]
            choices = recordings([who], indices)
            files = [choices[n] for n in draw.integers(len(choices), size=draw.integers(3, 8))]
            audio = folder / part / f"{name:04}.wav"
            soundfile.write(audio, joined(files, draw), RATE, subtype="PCM_16")
            rows.append((audio.relative_to(folder), " ".join(map(digit, files))))
        write_manifest(folder / f"{part}.tsv", rows)


PREPARE: dict[str, Callable[[Path], None]] = {
    "strings": strings,
    "one-way": strings,
    "digits": isolated,
    "yesno": yes_no,
}


def train(prepared: Path, options: str, run: Path) -> None:
    command = ["train", "speech", str(prepared), *options.split(), "--out", str(run)]
    subprocess.run([sys.executable, "-m", "throughtime", *command], check=True)


def prepare(name: str, prepared: Path) -> Path:
    """The data of an experiment, made where it does not stand yet."""
    if not (prepared / "test.tsv").exists():
        prepared.mkdir(parents=True, exist_ok=True)
        if name in PREPARE:
            PREPARE[name](prepared)
        else:
            left_out(prepared, name)
    return prepared


def experiment(name: str, options: str, run: Path) -> dict[str, Any]:
    """Trains what is not trained yet; gives what is recorded of it."""
    prepared = prepare(name, run.parent / f"{run.name}-data")
    if not (run / "model.safetensors").exists():
        train(prepared, options, run)
    points = curve(run)
    return {
        "options": options,
        "training_seconds": points[-1]["seconds"],
        "steps": points[-1]["step"],
        "validation": min((p for p in points if p["best"]), key=lambda p: -p["step"]),
        "test": judge(run),
        "curve": points,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=OPTIONS)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="Folder of the models and the data.")
    parser.add_argument("--trained-at", help="The commit, where the model was not trained with this one.")
    given = parser.parse_args()
    name, options = given.experiment, OPTIONS[given.experiment]
    result: dict[str, Any] = {
        "command": f"throughtime train speech DATA {options}",
        "trained_at": given.trained_at or commit(ROOT),
        "machine": machine(),
    }
    if name == "speakers":
        found = {who: experiment(who, options, given.runs / f"speech-without-{who}") for who in all_speakers()}
        result["word_error_by_speaker"] = {who: one["test"]["word_error"] for who, one in found.items()}
        result["word_error"] = sum(result["word_error_by_speaker"].values()) / len(found)
        result["speakers"] = found
    else:
        result |= experiment(name, options, given.runs / f"speech-{name}")
    print(json.dumps({key: value for key, value in result.items() if key not in ("curve", "speakers")}, indent=1))
    print(f"recorded in {record(f'speech-{name}', result)}")


if __name__ == "__main__":
    main()
