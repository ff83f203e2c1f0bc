"""Tiny data for every task, with a text planted wherever its files hold one: words, labels, names of files and keys."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORDS = ("the", "old", "grey", "cat", "sat", "near", "mat")
SMALL = ("--hidden", "4", "--steps", "2", "--batch", "4")
MADE = (*SMALL, "--cell", "gru", "--examples", "40", "--held-out", "10")


@dataclass(frozen=True)
class Made:
    """Data of a task.

    Attributes:
        data: What ``train`` reads.
        options: That make a small model of it in no time.
        inputs: Arguments of ``predict`` after the model folder.
        prompt: Of ``sample``.
    """

    data: list[Path]
    options: list[str]
    inputs: list[str] = field(default_factory=list)
    prompt: str = ""


Maker = Callable[[Path, str], Made]


def _sentences(planted: str, count: int = 12, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join([*draw.choices(WORDS, k=4), planted, "."]) for _ in range(count)]


def _parts(folder: Path, suffix: str, write: Callable[[Path, int], object]) -> list[Path]:
    """A file for each part; ``write`` gets the path and a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, part in enumerate(("train", "dev", "test")):
        write(folder / f"{part}{suffix}", seed)
    return [folder]


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_text(folder: Path, planted: str) -> Made:
    file = folder / f"{planted}.txt"
    _write(file, _sentences(planted, 40))
    return Made([file], [*SMALL, "--unit", "words", "--embedding", "4", "--bptt", "8"], prompt=f"the {planted}")


def make_sentiment(folder: Path, planted: str) -> Made:
    def write(path: Path, seed: int) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = [(text, ("good", planted)[n % 2]) for n, text in enumerate(_sentences(planted, seed=seed))]
            csv.writer(file).writerows([("text", "label"), *rows])

    return Made(
        _parts(folder / f"data{planted}", ".csv", write),
        [*SMALL, "--embedding", "4", "--min-count", "1"],
        ["--line", f"the {planted} cat"],
    )


def make_sentiment_trees(folder: Path, planted: str) -> Made:
    def write(path: Path, seed: int) -> None:
        draw = random.Random(seed)
        words = [(draw.choice(WORDS), number % 5) for number in range(10)]
        _write(path, [f"({grade} (2 (2 {planted}) (2 {word})) ({grade} {word}))" for word, grade in words])

    tree = f"(3 (2 {planted}) (4 cat))"
    return Made(_parts(folder / f"data{planted}", ".txt", write), [*SMALL, "--embedding", "4"], ["--line", tree])


def make_entities(folder: Path, planted: str) -> Made:
    rows = [("Anna", f"B-{planted}"), ("saw", "O"), (planted, "B-loc"), (".", "O")]
    sentence = "".join(f"{word}\t{tag}\n" for word, tag in rows)
    return Made(
        _parts(folder / f"data{planted}", ".conll", lambda path, _: _write(path, [sentence] * 6)),
        [*SMALL, "--embedding", "4", "--letter", "4", "--spelled", "4"],
        ["--line", f"Anna saw {planted} ."],
    )


def make_translation(folder: Path, planted: str) -> Made:
    def write(path: Path, seed: int) -> None:
        for suffix, order in (("de", 1), ("en", -1)):
            _write(path.with_name(f"{path.name}.{suffix}"), [" ".join(line.split()[::order]) for line in lines(seed)])

    def lines(seed: int) -> list[str]:
        return _sentences(planted, seed=seed)

    return Made(
        _parts(folder / f"data{planted}", "", write),
        [*SMALL, "--embedding", "4", "--vocab", "300"],
        ["--line", f"the {planted} cat"],
    )


def make_pronunciation(folder: Path, planted: str) -> Made:
    file = folder / f"{planted}.dict"
    draw = random.Random(0)
    words = sorted({"".join(draw.choices("bdkmaiou", k=4)) for _ in range(40)})
    _write(file, [f"{planted}{word} {planted} {' '.join(word.upper())}" for word in words])
    return Made([file], [*SMALL, "--embedding", "4", "--layers", "1"], ["--line", f"{planted}bad"])


def make_speech(folder: Path, planted: str) -> Made:
    import numpy as np
    import soundfile

    data = folder / f"data{planted}"
    random_ = np.random.default_rng(0)
    for part, count in (("train", 6), ("valid", 2), ("test", 2)):
        (data / part).mkdir(parents=True)
        for number in range(count):
            file = data / part / f"{planted}{number}.wav"
            soundfile.write(file, (0.1 * random_.standard_normal(4000)).astype(np.float32), 8000)
            _write(file.with_suffix(".txt"), [f"the {planted}"])
    masks = ["--time-masks", "0", "--band-masks", "0", "--mels", "8", "--layers", "1"]
    return Made([data], [*SMALL, "--unit", "words", *masks], [str(file)])


def make_music(folder: Path, planted: str) -> Made:
    from throughtime.data.music.midi import write_midi
    from throughtime.runtime.music.tunes import Tune

    data = folder / f"data{planted}"
    data.mkdir()
    for number in range(12):
        notes = [(12 * n, 12, 60 + (n * (1 + number % 3)) % 12) for n in range(8)]
        file = data / f"{planted}tune{number}.mid"
        write_midi(file, Tune.of(notes), 12)
    return Made([data], [*SMALL, "--embedding", "4"], [str(file)], prompt="C4 E4")


def make_dna(folder: Path, planted: str) -> Made:
    def write(path: Path, seed: int) -> None:
        draw = random.Random(seed)
        labels = [("donor", planted)[n % 2] for n in range(16)]
        letters = ["".join(draw.choices("ACGT", k=20)) for _ in labels]
        _write(path, [f">{planted}{n}|{labels[n]}\n{letters[n]}" for n in range(len(labels))])

    data = _parts(folder / f"data{planted}", ".fa", write)
    return Made(data, [*SMALL, "--embedding", "4", "--layers", "1"], [str(data[0] / "test.fa")])


def make_video(folder: Path, planted: str) -> Made:
    draw = random.Random(0)
    file = folder / f"{planted}.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        rows = [[("left", planted)[n % 2], *(f"{draw.gauss(n % 2, 1):.3f}" for _ in range(12))] for n in range(40)]
        csv.writer(opened).writerows(rows)
    return Made([file], [*SMALL, "--layers", "1"], [str(file)])


def make_series(folder: Path, planted: str) -> Made:
    def write(path: Path, seed: int) -> None:
        draw = random.Random(seed)
        rows = [[("left", planted)[n % 2], *(f"{draw.gauss(n % 2, 1):.3f}" for _ in range(12))] for n in range(16)]
        _write(path, [",".join(row) for row in rows])

    data = _parts(folder / f"data{planted}", ".csv", write)
    return Made(data, [*SMALL, "--features", "4"], [str(data[0] / "test.csv")])


def make_forecast(folder: Path, planted: str) -> Made:
    draw = random.Random(0)
    file = folder / f"{planted}.csv"
    times = [f"2024-01-{1 + n // 24:02d} {n % 24:02d}:00" for n in range(144)]
    lines = [
        f"{time},{','.join(f'{7 * n % 24 + draw.random():.3f}' for _ in range(3))}" for n, time in enumerate(times)
    ]
    _write(file, [f"time,{planted},five,noise", *lines])
    return Made([file], [*SMALL, "--horizon", "6", "--width", "4"], [str(file)])


def make_agreement(folder: Path, planted: str) -> Made:
    return Made([], [*MADE, "--gap", "6"])


def make_adding(folder: Path, planted: str) -> Made:
    return Made([], [*MADE, "--length", "8"])


def make_copy(folder: Path, planted: str) -> Made:
    return Made([], [*MADE, "--length", "8"])


MAKERS: dict[str, Maker] = {
    "text": make_text,
    "sentiment": make_sentiment,
    "sentiment-trees": make_sentiment_trees,
    "entities": make_entities,
    "translation": make_translation,
    "pronunciation": make_pronunciation,
    "speech": make_speech,
    "music": make_music,
    "dna": make_dna,
    "video": make_video,
    "series": make_series,
    "forecast": make_forecast,
    "agreement": make_agreement,
    "adding": make_adding,
    "copy": make_copy,
}
"""By task: a folder to write into, and what is planted there, without spaces, brackets or slashes."""


def settings_of(made: Made) -> dict[str, Any]:
    """Options of the command line as settings by name, which Python's users write as numbers."""
    words = iter(made.options)
    given: dict[str, Any] = {}
    for name, value in zip(words, words, strict=True):
        number = float(value) if value.replace(".", "").isdigit() else value
        given[name[2:].replace("-", "_")] = int(number) if isinstance(number, float) and number.is_integer() else number
    return given
