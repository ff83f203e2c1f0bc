"""The task ``entities`` from files to predictions, through the command line."""

from __future__ import annotations

import io
import json
import math
import os
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from throughtime.applications.supervised import Supervised
from throughtime.cli import run
from throughtime.models import Tagger
from throughtime.runtime.text.tags import Span, count_spans, find_spans
from throughtime.runtime.text.words import split_words
from throughtime.tasks.sentences.entities import LIFTS, Entities, EntitySettings
from throughtime.tasks.sentences.recalled import recall
from throughtime.training import load_tensors

DATA = Path(os.environ.get("THROUGHTIME_DATA", Path(__file__).parents[3].parent / "shared" / "data")) / "wnut17"

TINY = ["--hidden", "16", "--embedding", "8", "--letter", "8", "--spelled", "8", "--batch", "8", "--lr", "0.02"]
TINY += ["--dropout", "0.1"]
PEOPLE, PLACES = ["Anna", "Bert", "Clara Stein", "Dora"], ["Rome", "New York", "Oslo", "Cape Town"]


def sentence(draw: random.Random) -> list[tuple[str, str]]:
    """A line of words and IOB2 tags."""
    rows: list[tuple[str, str]] = []
    for word in draw.choice(["P went to L .", "in L lives P", "P and P left L", "nobody was there ."]).split():
        if word in ("P", "L"):
            names, label = (PEOPLE, "per") if word == "P" else (PLACES, "loc")
            name = draw.choice(names).split()
            rows += [(part, f"{'I' if i else 'B'}-{label}") for i, part in enumerate(name)]
        else:
            rows.append((word, "O"))
    return rows


def columns(count: int, seed: int) -> str:
    draw = random.Random(seed)
    return "\n".join("".join(f"{word}\t{tag}\n" for word, tag in sentence(draw)) for _ in range(count))


def call(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, count, seed in (("own.train.conll", 120, 0), ("own.dev.conll", 30, 1), ("own.test.annotated", 30, 2)):
        (folder / name).write_text(columns(count, seed), encoding="utf-8")
    (folder / "notes.txt").write_text("no data\n")
    return folder


@pytest.fixture(scope="module")
def model(data: Path) -> Path:
    out = data.parent / "entities-run"
    assert call("train", "entities", data, "--out", out, *TINY, "--steps", "200") == 0
    return out


Answer = Callable[..., list[Any]]


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Lines of JSON of a command."""

    def lines(*arguments: object, stdin: str = "") -> list[Any]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        capsys.readouterr()
        assert call(*arguments, "--json") == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return lines


def failure(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert call(*arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


def test_it_finds_the_files_and_says_what_it_found(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("train", "entities", data, "--out", tmp_path / "run", *TINY, "--steps", "1") == 0
    told = capsys.readouterr().err
    for part, name in (("train", "own.train.conll"), ("valid", "own.dev.conll"), ("test", "own.test.annotated")):
        assert re.search(rf"{part}: .*; \S*{re.escape(name)}\n", told)
    assert "notes.txt" not in told
    assert all(f": {count} examples, " in told for count in (120, 30, 30))
    assert "tags: IOB2, learnt as IOB2: loc, per" in told


def test_it_learns_and_its_figures_are_those_of_its_predictions(model: Path, data: Path, answer: Answer) -> None:
    (report,) = answer("evaluate", model)
    assert report["f1"] > 90
    gold, said = [], []
    blocks = (data / "own.test.annotated").read_text().split("\n\n")
    read = [[line.split("\t") for line in block.splitlines()] for block in blocks]
    texts = [" ".join(row[0] for row in rows) for rows in read]
    predicted = answer("predict", model, stdin="".join(f"{text}\n" for text in texts))
    for rows, text, found in zip(read, texts, predicted, strict=True):
        words = [row[0] for row in rows]
        assert split_words(text) == words
        starts = [len(" ".join(words[:i])) + bool(i) for i in range(len(words))]
        said.append([Span(e["start"], e["end"], e["type"]) for e in found["entities"]])
        spans = find_spans([row[1] for row in rows])
        gold.append([Span(starts[a], starts[b - 1] + len(words[b - 1]), label) for a, b, label in spans])
        assert all(text[e["start"] : e["end"]] == e["text"] and 0 < e["confidence"] <= 1 for e in found["entities"])
    total, types = count_spans(gold, said)
    assert (report["entities"], report["found"], report["right"]) == (total.gold, total.guessed, total.hits)
    assert report["f1"] == pytest.approx(total.f1)
    (table,) = [rows for title, rows in report["tables"].items() if title == "by type"]
    assert {row["type"]: row["F1"] for row in table} == pytest.approx({name: c.f1 for name, c in types.items()})


def test_tags_are_as_sure_as_their_sentences_one_by_one_say(model: Path, data: Path, answer: Answer) -> None:
    (report,) = answer("evaluate", model)
    opened = Supervised(Entities).load(model)
    tagger = cast(Tagger, opened.model)
    sure, right, nats = [], [], []
    for example in Entities.read([data / "own.test.annotated"], opened.settings):
        batch = opened.bound.batch([example])
        chances, (best,) = tagger.marginals(batch.words)[0].detach(), tagger.decode(batch.words)
        for word, (said, gold) in enumerate(zip(best, batch.tags[0].tolist(), strict=True)):
            sure.append(float(chances[word, said]))
            right.append(said == gold)
            nats.append(-math.log(float(chances[word, gold])))
    assert report["nats"] == pytest.approx(sum(nats) / len(nats), rel=1e-3)
    bins = [[n for n in range(len(sure)) if (m - 1) / 15 < sure[n] <= m / 15] for m in range(1, 16)]
    gaps = [abs(sum(right[n] - sure[n] for n in members)) for members in bins]
    assert report["calibration_error"] == pytest.approx(100 * sum(gaps) / len(sure), abs=1e-3)


def test_the_baseline_is_memory(model: Path, answer: Answer) -> None:
    """Every name here stands in the training data with one type."""
    assert answer("evaluate", model)[0]["memory_baseline_f1"] == 100.0
    memory = {"New York": "loc", "New": "per", "York": "per"}
    assert recall(["New", "New", "York", "City", "York"], memory, 2) == [(0, 1, "per"), (1, 3, "loc"), (4, 5, "per")]
    assert recall(["x"], {}, 0) == recall([], memory, 2) == []


def test_hardest_sentences_show_both_sides(model: Path, tmp_path: Path, answer: Answer) -> None:
    path = tmp_path / "odd.conll"
    path.write_text("nobody\tO\n\nAnna\tI-loc\nand\tB-loc\nBert\tO\n")
    (report,) = answer("evaluate", model, path)
    (row,) = report["tables"]["hardest sentences"]
    assert (row["where"], row["there"]) == (f"{path}:3", "Anna [loc]; and [loc]")
    assert "Anna [per]" in row["said"]


def test_predictions_have_offsets_in_the_line_as_it_is(model: Path, answer: Answer) -> None:
    line = "  Anna  went to New  York ."
    (found,) = answer("predict", model, "--line", line)
    assert found["text"] == line
    assert [(e["start"], e["end"], e["type"], e["text"]) for e in found["entities"]] == [
        (2, 6, "per", "Anna"),
        (16, 25, "loc", "New  York"),
    ]


def test_taggings_come_with_their_probabilities(model: Path, answer: Answer) -> None:
    found, empty = answer("predict", model, "--nbest", "4", stdin="in Rome lives Anna\n\n")
    log_probs = [tagging["log_prob"] for tagging in found["nbest"]]
    assert len(log_probs) == 4
    assert log_probs == sorted(log_probs, reverse=True)
    assert log_probs[0] > -0.5
    assert found["entities"] == found["nbest"][0]["entities"]
    assert len({json.dumps(t["entities"]) for t in found["nbest"]}) > 1
    assert empty == {"text": "", "log_prob": 0.0, "entities": [], "nbest": [{"log_prob": 0.0, "entities": []}]}


def test_entities_are_shown_in_the_line(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert call("predict", model, "--line", "Anna  went to Rome .", "--line", "") == 0
    assert capsys.readouterr().out == "Anna [per]  went to Rome [loc] .\n\n"


def test_a_long_sentence_is_warned_of(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    lines = ["--line", "Anna went to Rome", "--line", "and Rome " * 1200]
    assert call("predict", model, *lines, "--json") == 0
    printed = capsys.readouterr()
    assert "line 2: 2,400 words in one line: this takes a while" in printed.err
    first, second = map(json.loads, printed.out.splitlines())
    assert [e["text"] for e in first["entities"]] == ["Anna", "Rome"]
    assert len(second["entities"]) > 500


@pytest.mark.parametrize("option", [["--explain"], ["--beam", "3"]])
def test_what_it_does_not_have_is_said(model: Path, option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    told = failure(capsys, "predict", model, "--line", "Anna", *option)
    assert f"unknown option {option[0]}" in told
    assert "this model has for predict: --encoding, --out, --header, --text-column, --nbest\n" in told


def test_an_unknown_label_in_test_data_names_file_and_line(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.conll"
    bad.write_text("nobody\tO\n\nAnna\tB-pers\n")
    told = f"{bad}:3: unknown label 'pers' (did you mean 'per'?)"
    assert told in failure(capsys, "evaluate", model, bad)
    out = tmp_path / "run"
    assert told in failure(capsys, "train", "entities", data, "--test", bad, "--out", out, *TINY, "--steps", "1")
    assert not out.exists()
    spans = tmp_path / "bad.jsonl"
    spans.write_text(json.dumps({"text": "so Anna went", "spans": [[3, 7, "org"]]}))
    assert f"{spans}:1: unknown label 'org'" in failure(capsys, "evaluate", model, spans)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Anna\tB-per\nsmiles\n", ":2: expected at least 2 columns"),
        ("".join(f"{word}\tO\n\n" for word in "abcdefghijklmnop"), "expected entities in the training data, got none"),
        ("", "expected examples in"),
    ],
)
def test_bad_training_data(tmp_path: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.conll").write_text(text)
    out = tmp_path / "run"
    assert told in failure(capsys, "train", "entities", tmp_path / "train.conll", "--out", out, *TINY)
    assert not out.exists()


def test_newswire_columns_and_a_split_of_its_own(tmp_path: Path, answer: Answer) -> None:
    """Four columns, IOB1, documents, one file alone; a cell and a softmax that are not the defaults."""
    draw = random.Random(4)
    blocks = ["-DOCSTART- -X- O O\n"]
    for _ in range(80):
        blocks.append("".join(f"{word} NN I-NP {tag.replace('B-', 'I-')}\n" for word, tag in sentence(draw)))
    (tmp_path / "eng.train").write_text("\n".join(blocks))
    out = tmp_path / "run"
    options = ["--cell", "gru", "--layers", "2", "--tags", "softmax", "--spelling", "cnn", "--steps", "40"]
    assert call("train", "entities", tmp_path / "eng.train", "--out", out, *TINY, *options) == 0
    vocabulary = json.loads((out / "vocabulary.json").read_text())
    assert (vocabulary["scheme"], vocabulary["types"]) == ("iob1", ["loc", "per"])
    assert answer("evaluate", out)[0]["f1"] > 50
    for part in ("train", "valid", "test"):
        assert (out / f"{part}.jsonl").stat().st_size > 0
    (found,) = answer("predict", out, "--line", "in Rome lives Anna", "--nbest", "2")
    assert len(found["nbest"]) == 2


def test_the_names_that_data_has(tmp_path: Path) -> None:
    names = [
        "eng.train",
        "eng.testa",
        "eng.testb",
        "wnut17train.conll",
        "emerging.test.annotated",
        "a.jsonl",
        "dev.txt",
    ]
    folder = tmp_path / "data"
    folder.mkdir()
    for name in [*names, "README.txt", "LICENSE", "a.py"]:
        (folder / name).touch()
    found = Entities.find([folder], None)
    assert {part: sorted(path.name for path in paths) for part, paths in found.items()} == {
        "train": ["a.jsonl", "eng.train", "wnut17train.conll"],
        "valid": ["dev.txt", "eng.testa"],
        "test": ["emerging.test.annotated", "eng.testb"],
    }


def test_pretrained_vectors_start_the_words(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Known words and words never seen take the file's vectors; at this learning rate they stay there."""
    from safetensors.torch import load_file

    vectors = tmp_path / "vectors.txt"
    vectors.write_text("4 3\nanna 1 2 3\nlisbon 4 5 6\nAnna 9 9 9\nwent 7 8 9\n")
    out = tmp_path / "run"
    options = [*TINY, "--vectors", vectors, "--lr", "1e-9", "--steps", "1"]
    assert call("train", "entities", data, "--out", out, *options) == 0
    assert re.search(
        r"vectors: \d+\.\d % of the different words, \d+\.\d % of the running words covered", capsys.readouterr().err
    )
    vocabulary = json.loads((out / "vocabulary.json").read_text())
    weights = load_file(out / "model.safetensors")["inputs.embedding.weight"]
    assert weights.shape[1] == 3
    for word, vector in {"anna": [1, 2, 3], "lisbon": [4, 5, 6], "went": [7, 8, 9]}.items():
        assert weights[vocabulary["words"].index(word)].tolist() == pytest.approx(vector)
    vectors.unlink()  # the trained model no longer needs the file
    assert call("predict", out, "--line", "Anna") == 0


def test_names_of_users_are_read_alike_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "joined.conll").write_text("hi O\n@Anna B-per\n# O\n#Rome B-loc\n@New B-loc\n@York I-loc\n")
    (tmp_path / "apart.conll").write_text(
        "hi O\n@ O\nAnna B-per\n# O\n# O\nRome B-loc\n@ O\nNew B-loc\n@ I-loc\nYork I-loc\n"
    )
    joined, apart = (
        next(Entities.read([tmp_path / f"{name}.conll"], EntitySettings())) for name in ("joined", "apart")
    )
    assert (joined.words, joined.tags) == (apart.words, apart.tags)


def test_validation_keeps_the_lift_with_the_best_f1(data: Path, model: Path) -> None:
    opened = Supervised(Entities).load(model)
    bound, tagger = opened.bound, opened.model
    examples = list(Entities.read([data / "own.dev.conll"], EntitySettings()))
    torch.manual_seed(0)
    for parameter in tagger.linear.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # a model that is wrong often enough for lifts to matter
    best = bound.validate(tagger, examples)
    kept, found = float(tagger.lift), {}
    for lift in LIFTS:
        tagger.lift.fill_(lift)
        tags = [[bound.tags.symbols[n] for n in tagger.decode(bound.batch([e]).words)[0]] for e in examples]
        found[lift] = count_spans([find_spans(e.tags) for e in examples], map(find_spans, tags))[0].f1
    assert len(set(found.values())) > 1
    assert best.figures["f1"] == found[kept] == max(found.values())
    assert best.objective == 100 - found[kept]


def test_a_run_goes_on(data: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = [*TINY, "--schedule", "constant", "--average", "0", "--evaluate-every", "2"]
    assert call("train", "entities", data, "--out", whole, *options, "--steps", "6") == 0
    assert call("train", "entities", data, "--out", parts, *options, "--steps", "3") == 0
    assert call("train", "entities", "--resume", "--out", parts, "--steps", "6") == 0
    one, other = (load_tensors(folder / "checkpoint.safetensors")[0] for folder in (whole, parts))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    figures = [json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1]) for folder in (whole, parts)]
    assert figures[0]["loss"] == figures[1]["loss"]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"real data is not at {DATA}; set THROUGHTIME_DATA")
def test_real_files_are_read_whole() -> None:
    parts = Entities.find([DATA], None)
    found = {part: list(Entities.read(paths, EntitySettings())) for part, paths in parts.items()}
    assert {part: len(sentences) for part, sentences in found.items()} == {"train": 3394, "valid": 1009, "test": 1287}
    vocabulary = Entities.learn(found["train"], Entities.settings_type())
    assert vocabulary["types"] == ["corporation", "creative-work", "group", "location", "person", "product"]
    assert vocabulary["scheme"] == "iob2"
