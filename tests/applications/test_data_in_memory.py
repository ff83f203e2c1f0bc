"""Data in memory are known by what the user gave, in notes and in errors: no temporary path, for every task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import throughtime
from throughtime import UserError
from throughtime.applications.memory import as_given, begin_at, holds, spilling, write_texts
from throughtime.runtime.reading.notes import noting
from throughtime.tasks import TASKS, find_task

ROLL = np.zeros((8, 88))
ROLL[:4, 40], ROLL[4:, 44] = 1, 1
TONE = (0.1 * np.sin(np.arange(4000) / 5)).astype(np.float32)
CLIP = [[0.5, 1.0], [0.25, 2.0]]
NOTES = [(n, 1, 60 + n) for n in range(8)]
TREE = "(3 (2 very) (4 good))"

DATA: dict[str, list[Any]] = {
    "text": [("one two three four\n" * 8,), ("four three two one\n" * 8,)] * 4,
    "sentiment": [("a fine film", "good"), ("a sad film", "bad")] * 6,
    "sentiment-trees": [(TREE,), ("(1 (2 a) (1 bore))",)] * 6,
    "entities": [(["Anna", "saw", "Rome"], ["B-per", "O", "B-loc"]), (["a", "b"], ["O", "O"])] * 6,
    "translation": [("ein Haus", "a house"), ("ein Hund", "a dog")] * 6,
    "pronunciation": [(f"ca{letter}", "K AE T") for letter in "bcdfghklmnpt"],
    "speech": [((TONE, 8000), "yes"), ((TONE, 8000), "no")] * 3,
    "music": [NOTES, [(start, length, pitch + 1) for start, length, pitch in NOTES]] * 6,
    "dna": [("ACGTACGT", "a"), ("TTTTACGT", "b")] * 6,
    "video": [(CLIP, "a"), ([[1.0, 0.0]], "b")] * 6,
    "series": [([0.5, 1.0, 2.0], "a"), ([[1.0], [0.0]], "b")] * 6,
    "forecast": [np.arange(40.0) % 5, np.arange(30.0) % 7] * 6,
}
"""What each task takes from memory; two examples again and again."""

BROKEN: dict[str, tuple[Any, str]] = {
    "sentiment": (("", ""), "example 3"),
    "sentiment-trees": (("(3 (2 very) (4 good)",), "example 3"),
    "translation": (("", "a house"), ""),
    "dna": (("AC-GT*!", "a"), "example 3"),
    "video": (([[1.0, 0.0]], " "), "example 3"),
    "series": (([1.0, 0.0], {"a": 1}), "example 3"),
}
"""An example that the reader refuses, and what it is called."""

SMALL: dict[str, Any] = {"hidden": 4, "steps": 1, "batch": 2, "progress": False, "held_out": 0.2}
FURTHER: dict[str, dict[str, Any]] = {
    "text": {"bptt": 4, "embedding": 4},
    "entities": {"embedding": 4, "letter": 4, "spelled": 4},
    "translation": {"embedding": 4, "vocab": 300},
    "speech": {"mels": 8, "unit": "words"},
}


@pytest.mark.parametrize("name", [name for name in TASKS if not find_task(name).makes_data])
def test_what_was_read_of_memory_names_no_temporary_file(name: str, tmp_path: Path) -> None:
    given = {**SMALL, **FURTHER.get(name, {})}
    run = throughtime.train(name, DATA[name], valid=DATA[name][:4], out=tmp_path / "run", **given)
    with noting() as notes:
        run.evaluate(DATA[name][:4])
    files = [path for path in run.folder.rglob("*.json*") if "data" not in path.relative_to(run.folder).parts]
    assert {path.name for path in files} >= {"config.json", "data.json", "metrics.jsonl"}
    for told in (*(path.read_text(encoding="utf-8") for path in files), str(notes)):
        assert "throughtime-" not in told
        assert "/tmp/" not in told
    assert {part.source for part in run.read.parts.values()} == {"data in memory"}
    for part in ("train", "valid") if name != "text" else ():
        kept = map(json.loads, (tmp_path / "run" / f"{part}.jsonl").read_text().splitlines())
        wheres = [example.get("where") or example["file"] for example in kept]
        of = "" if part == "train" else " of valid"
        assert wheres == [f"example {number}{of}" for number in range(1, len(DATA[name][: None if not of else 4]) + 1)]


@pytest.mark.parametrize("name", [name for name, (_, where) in BROKEN.items() if where])
def test_an_error_names_the_example(name: str, tmp_path: Path) -> None:
    broken, where = BROKEN[name]
    data = [*DATA[name][:2], broken, *DATA[name][2:]]
    with pytest.raises(UserError) as caught:
        throughtime.train(name, data, out=tmp_path / "run", **SMALL)
    assert str(caught.value).startswith(f"{where}: ")
    with pytest.raises(UserError) as caught:
        throughtime.train(name, DATA[name], valid=data, out=tmp_path / "run", **SMALL)
    assert str(caught.value).startswith(f"{where} of valid: ")


def test_a_text_without_a_letter_is_left_out_by_its_number(tmp_path: Path) -> None:
    texts = [*DATA["text"], ("",)]
    run = throughtime.train("text", texts, valid=texts, out=tmp_path / "run", **SMALL, **FURTHER["text"])
    assert run.read.left_out[0].where == ["example 9", "example 9 of valid"]
    assert run.read.parts["train"].examples == 8


def test_files_are_named_by_what_they_stand_for() -> None:
    with spilling() as folder:
        for part in ("train", "valid"):
            (folder / part).mkdir(parents=True)
            write_texts(["a\n", "b\nc\n", "d\n"], folder / part / "examples.conll")
        holds(folder / "train" / "Irish jigs" / "00002.mid", 2)
        begin_at(folder / "train" / "rolls.json", ())
        for inside, said in {
            "train/examples.conll:1: x": "example 1: x",
            "train/examples.conll:3: x": "example 2: x",
            "valid/examples.conll:4: x": "example 3 of valid: x",
            "valid/examples.conll: x": "the data given as valid: x",
            "train/Irish jigs/00002.mid: x": "example 2: x",
            "train/rolls.json: train 7": "example 7",
            "train": "the data given",
            "train/rolls.json/train": "the data given/train",
        }.items():
            assert as_given(f"{folder}/{inside}", folder) == said
        assert as_given("/tmp/other/train/examples.conll:1", folder) == "/tmp/other/train/examples.conll:1"
