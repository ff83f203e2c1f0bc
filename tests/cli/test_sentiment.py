"""A classifier of texts, from files to coloured words, as a user meets it."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from throughtime.cli import run as run_command

KIND = ["lovely", "warm", "bright", "tender"]
COLD = ["dreary", "stale", "clumsy", "hollow"]
THINGS = ["a story", "the music", "this film", "an ending", "the cast"]
TINY = ["--hidden", "12", "--embedding", "12", "--batch", "16", "--dropout", "0.1", "--min-count", "1", "--lr", "0.02"]


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        label = draw.choice(["good", "poor"])
        word = draw.choice(KIND if label == "good" else COLD)
        made.append(
            (f"{draw.choice(THINGS).capitalize()}, {word} and {draw.choice(['long', 'short', 'loud'])}.", label)
        )
    return made


def write_csv(path: Path, table: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *table])
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviews")
    for seed, (name, count) in enumerate({"train": 200, "dev": 40, "test": 40}.items()):
        write_csv(folder / f"{name}.csv", rows(count, seed))
    return folder


@pytest.fixture(scope="module")
def model(data: Path) -> Path:
    out = data.parent / f"{data.name}-run"
    options = ["--steps", "60", "--evaluate-every", "20", "--spelling", "cnn", "--cell", "gru"]
    assert run_command(["train", "sentiment", "--data", str(data), "--out", str(out), *TINY, *options]) == 0
    return out


def test_what_was_found_is_told(call: Any, data: Path, tmp_path: Path) -> None:
    answer = call("train", "sentiment", "--data", data, "--out", tmp_path / "run", *TINY, "--steps", "1", "--json")
    assert answer.code == 0
    assert f"; {data / 'train.csv'}\n" in answer.err
    for count in (200, 40, 40):
        assert f": {count} examples, words: median " in answer.err
    assert answer.json["steps"] == 1


def test_it_learns_and_says_so_beside_the_majority(call: Any, model: Path) -> None:
    found = call("evaluate", model, "--json").json
    assert found["accuracy"] > 95
    assert 50 <= found["majority_accuracy"] < 75
    by_label = found["tables"]["by label"]
    assert [row["label"] for row in by_label] == ["good", "poor"]
    assert sum(row["texts"] for row in by_label) == found["examples"] == 40
    shown = call("evaluate", model).out
    assert "confusions" in shown
    assert "majority accuracy" in shown


def test_other_data_can_be_judged(call: Any, model: Path, tmp_path: Path) -> None:
    wrong = [(text, "poor" if label == "good" else "good") for text, label in rows(30, 9)]
    found = call("evaluate", model, write_csv(tmp_path / "wrong.csv", wrong), "--json").json
    assert found["accuracy"] < 5
    errors = found["tables"]["surest errors"]
    assert len(errors) == 10
    assert all(error["label"] != error["said"] for error in errors)
    assert [error["%"] for error in errors] == sorted((error["%"] for error in errors), reverse=True)


@pytest.mark.parametrize("way", ["line", "file", "stdin"])
def test_predictions_come_from_lines_files_and_standard_input(call: Any, model: Path, tmp_path: Path, way: str) -> None:
    lines = ["A warm film.", "", "So dreary, so stale."]
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n")
    given = {
        "line": [part for line in lines for part in ("--line", line)],
        "file": [tmp_path / "lines.txt"],
        "stdin": [],
    }[way]
    answer = call("predict", model, *given, "--json", stdin=b"\n".join(line.encode() for line in lines))
    found = answer.lines
    assert [one["text"] for one in found] == lines
    assert (found[0]["label"], found[2]["label"]) == ("good", "poor")
    assert all(abs(sum(one["probabilities"].values()) - 1) < 1e-6 for one in found)


def test_a_line_is_answered_as_among_others(call: Any, model: Path, tmp_path: Path) -> None:
    lines = [text for text, _ in rows(50, 3)]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    together = call("predict", model, tmp_path / "lines.txt", "--json").lines
    alone = [call("predict", model, "--line", line, "--json").json for line in lines[:5]]
    assert len(together) == 50
    for one, other in zip(alone, together, strict=False):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


def test_the_word_that_moved_it_is_shown(call: Any, model: Path) -> None:
    line = "The music, tender and long."
    found = call("predict", model, "--line", line, "--explain", "--json").json
    assert all(line[word["start"] : word["end"]] == word["word"] for word in found["words"])
    strongest = max(found["words"], key=lambda word: word["moved"])
    assert strongest["word"] == "tender"
    shown = call("predict", model, "--line", line, "--explain").out.splitlines()
    assert shown[0].endswith(line)
    assert shown[1].split() == [f"{strongest['moved']:+.2f}", "tender"]
    assert len(shown) == 4


def test_nbest_shows_as_many_labels(call: Any, model: Path) -> None:
    out = call("predict", model, "--line", "so hollow", "--nbest", "2").out
    assert out.startswith("poor ")
    assert " good " in out


def test_a_long_text_works(call: Any, model: Path) -> None:
    found = call("predict", model, "--line", "stale " * 10_000, "--json")
    assert found.json["label"] == "poor"
    assert "10,000 words" in found.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "text,label\nfine,good\nmeh,middling\n",
            "bad.csv:3: unknown label 'middling'; the training data has good, poor",
        ),
        ("text,label\nfine\n", "bad.csv:2: expected 2 columns, got 1"),
    ],
)
def test_bad_data_to_judge_by_is_named(call: Any, model: Path, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    answer = call("evaluate", model, tmp_path / "bad.csv")
    assert (answer.code, answer.out) == (2, "")
    assert expected in answer.err
    assert len(answer.err.splitlines()) == 1


def test_what_is_on_can_be_turned_off(call: Any, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = ["--no-lowercase", "--no-bidirectional", "--steps", "1"]
    assert call("train", "sentiment", data, "--out", out, *TINY, *given).code == 0
    settings = json.loads((out / "config.json").read_text())["settings"]
    assert (settings["lowercase"], settings["bidirectional"]) == (False, False)
    assert "The" in json.loads((out / "vocabulary.json").read_text())["words"]


def test_one_label_is_nothing_to_learn(call: Any, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "one.csv", [(text, "same") for text, _ in rows(30, 0)])
    answer = call("train", "sentiment", path, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "expected at least two labels, got only 'same'" in answer.err
    assert not (tmp_path / "run").exists()


def test_files_in_another_encoding_are_read_by_every_command(call: Any, tmp_path: Path) -> None:
    films = [
        (f"{thing} très {'doux' if label == 'doux' else 'raté'} {n}", label)
        for n in range(20)
        for thing, label in (("un café", "doux"), ("un été", "raté"))
    ]
    given = write_csv(tmp_path / "films.csv", films)
    given.write_bytes(given.read_bytes().decode().encode("cp1252"))
    train = ["train", "sentiment", given, "--out", tmp_path / "run", *TINY, "--steps", "1"]
    refused = call(*train)
    assert (
        "films.csv: expected text in UTF-8, got other bytes in line 2; pass --encoding cp1252 if this is" in refused.err
    )
    assert "'un café très doux 0,doux'" in refused.err
    assert "expected an encoding such as cp1252" in call(*train, "--encoding", "cp1253x").err
    assert call(*train, "--encoding", "cp1252").code == 0
    assert json.loads((tmp_path / "run" / "vocabulary.json").read_text())["labels"] == ["doux", "raté"]
    # evaluate and predict read as training did, what is UTF-8 as that, and what they are told as they are told.
    (tmp_path / "old.txt").write_bytes("déjà\n".encode("cp1252"))
    (tmp_path / "new.txt").write_bytes("déjà\n".encode())
    (tmp_path / "mac.txt").write_bytes("déjà\n".encode("mac-roman"))
    run = tmp_path / "run"
    assert call("evaluate", run, given, "--json").json["examples"] == 40
    for name, said in (("old", []), ("new", []), ("mac", ["--encoding", "mac-roman"])):
        assert call("predict", run, tmp_path / f"{name}.txt", *said, "--json").json["text"] == "déjà"
    piped = call("predict", run, "--encoding", "cp1252", "--json", stdin="déjà\n".encode("cp1252"))
    assert piped.json["text"] == "déjà"
    assert call("predict", run, "--json", stdin="déjà\n".encode()).json["text"] == "déjà"


def test_columns_are_named_for_training_and_for_other_data(call: Any, tmp_path: Path) -> None:
    made = [(text, label, text[::-1]) for text, label in rows(40, 1)]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("v1", "v2", "v3"), *made])
    train = ["train", "sentiment", tmp_path / "a.csv", "--out", tmp_path / "run", *TINY, "--steps", "1"]
    refused = call(*train)
    assert "expected one column that may be meant, got 2: 'v1', 'v3'; name it by --text-column" in refused.err
    assert call(*train, "--text-column", "1", "--label-column", "v2").code == 0
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    assert (settings["text_column"], settings["label_column"], settings["header"]) == ("1", "v2", None)
    judged = ["evaluate", tmp_path / "run", tmp_path / "b.csv"]
    (tmp_path / "b.csv").write_text("words,v2\nso warm,good\nso stale,poor\n")
    assert call(*judged, "--json").json["examples"] == 2
    (tmp_path / "b.csv").write_text("good,so warm\npoor,so stale\n")
    assert "has no column 'v2'" in call(*judged, "--no-header").err
    named = ["--text-column", "2", "--label-column", "1"]
    assert "pass --header if it names the columns, --no-header if it does not" in call(*judged, *named).err
    assert call(*judged, *named, "--no-header", "--json").json["examples"] == 2
    assert call(*judged, *named, "--header", "--json").json["examples"] == 1


@pytest.mark.parametrize("option", [["--beam", "3"], ["--picture", "x.png"]])
def test_what_a_class_has_not_is_refused(call: Any, model: Path, option: list[str]) -> None:
    answer = call("predict", model, "--line", "x", *option)
    assert answer.code == 2
    assert f"unknown option {option[0]}" in answer.err
    assert "this model has for predict: --encoding, --out, --header, --text-column, --explain, --nbest\n" in answer.err


def test_a_classifier_has_nothing_to_draw(call: Any, model: Path) -> None:
    answer = call("sample", model)
    assert (answer.code, answer.out) == (2, "")
    assert "a model of task 'sentiment' draws nothing; see: throughtime predict --help" in answer.err


def test_code_outside_of_the_folder_is_not_run_unasked(call: Any, model: Path, tmp_path: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "task": "my_task:Mine"}))
    answer = call("predict", tmp_path, "--line", "x")
    assert answer.code == 2
    assert "pass --task my_task:Mine if you trust it" in answer.err
    answer = call("evaluate", tmp_path, "--task", "other:Task")
    assert "expected --task my_task:Mine, which made this model, got other:Task" in answer.err
