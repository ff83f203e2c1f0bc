"""Sentences in memory are read as the same sentences in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from throughtime.applications.application import Application
from throughtime.applications.supervised import Supervised
from throughtime.data.text import vectors
from throughtime.errors import UserError
from throughtime.tasks.sentences.entities import Entities, EntitySettings
from throughtime.tasks.sentences.sentiment import Sentiment, SentimentSettings
from throughtime.tasks.sentences.sentiment_trees import SentimentTrees, SentimentTreesSettings


class Column(list[Any]):
    """As a series of a frame has it."""

    def tolist(self) -> list[Any]:
        return list(self)


class Frame:
    """What a frame of pandas or polars shows of itself."""

    def __init__(self, **columns: Sequence[Any]) -> None:
        self.columns = list(columns)
        self.held = columns

    def __getitem__(self, name: str) -> Column:
        return Column(self.held[name])


def read(application: type[Application[Any]], settings: Any, paths: Sequence[Path]) -> list[Any]:
    """Examples without the names of the folders that they lie in."""
    found = []
    for example in application.read(paths, settings):
        name = "file" if application is Entities else "where"
        found.append(replace(example, **{name: getattr(example, name).rpartition("/")[2]}))
    return found


def spilled(application: type[Application[Any]], settings: Any, data: Any, folder: Path) -> list[Any]:
    folder.mkdir()
    paths = application.spill(data, folder)
    assert all(path.parent == folder for path in paths)
    return read(application, settings, paths)


TEXTS, LABELS = ['A "fine"\nfilm, ', "ein Übel\t;)", " bad"], ["good", "bad", "bad"]
AS_JSON = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]

TREES = ["(3 (2 the) (4 fine))", "(1 (2 a)\n (0 -LRB-))"]
HEADS = ["# label = 3\n1\tthe\t_\t_\t_\t_\t2\n2\tend\t_\t_\t_\t_\t0", "# label = 1\n1\tbad\t_\t_\t_\t_\t0\n\n"]

WORDS = [["Anna", "went", "to", "8 1/2", "\u2028"], ["nobody"]]
TAGS = [["B-per", "O", "O", "B-work", "O"], ["O"]]
COLUMNS = "Anna\tB-per\nwent\tO\nto\tO\n8 1/2\tB-work\n\u2028\tO\n\nnobody\tO\n"
LINES, SPANS = ["Anna went\nto Rome", "nobody"], [[(0, 4, "per"), (13, 17, "loc")], []]
AS_SPANS = [{"text": text, "spans": spans} for text, spans in zip(LINES, SPANS, strict=True)]


def json_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


CASES: dict[str, tuple[type[Application[Any]], Any, str, str, list[Any]]] = {
    "sentiment": (
        Sentiment,
        SentimentSettings(),
        "examples.jsonl",
        json_lines(AS_JSON),
        [list(zip(TEXTS, LABELS, strict=True)), (TEXTS, LABELS), AS_JSON, Frame(text=TEXTS, label=LABELS)],
    ),
    "reviews": (
        Sentiment,
        SentimentSettings(),
        "examples.jsonl",
        json_lines([{"stars": 1 + n % 2, "id": f"number {n} of many", "review": text} for n, text in enumerate(TEXTS)]),
        [Frame(stars=[1, 2, 1], id=[f"number {n} of many" for n in range(3)], review=TEXTS)],
    ),
    "trees": (
        SentimentTrees,
        SentimentTreesSettings(),
        "examples.txt",
        "(3 (2 the) (4 fine))\n(1 (2 a) (0 -LRB-))\n",
        [[(tree,) for tree in TREES], [{"tree": tree} for tree in TREES], Frame(tree=TREES)],
    ),
    "heads": (
        SentimentTrees,
        SentimentTreesSettings(cell="child-sum"),
        "examples.conllu",
        f"{HEADS[0]}\n\n{HEADS[1]}",
        [[(tree,) for tree in HEADS]],
    ),
    "tags": (
        Entities,
        EntitySettings(),
        "examples.conll",
        COLUMNS,
        [list(zip(WORDS, TAGS, strict=True)), (WORDS, TAGS), Frame(words=map(Column, WORDS), tags=map(Column, TAGS))],
    ),
    "spans": (
        Entities,
        EntitySettings(),
        "examples.jsonl",
        json_lines(AS_SPANS),
        [list(zip(LINES, SPANS, strict=True)), (LINES, SPANS), AS_SPANS, Frame(text=LINES, spans=SPANS)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_data_in_memory_are_read_as_those_of_a_file(tmp_path: Path, name: str) -> None:
    application, settings, file, content, forms = CASES[name]
    (tmp_path / file).write_bytes(content.encode())
    expected = read(application, settings, [tmp_path / file])
    assert len(expected) > 1
    for number, data in enumerate(forms):
        assert spilled(application, settings, data, tmp_path / str(number)) == expected


def test_no_letter_of_a_sentence_is_lost(tmp_path: Path) -> None:
    texts = spilled(Sentiment, SentimentSettings(), (TEXTS, LABELS), tmp_path / "texts")
    assert [(example.text, example.label) for example in texts] == list(zip(TEXTS, LABELS, strict=True))
    tagged = spilled(Entities, EntitySettings(), (WORDS, TAGS), tmp_path / "tags")
    assert [(example.words, example.tags) for example in tagged] == list(zip(WORDS, TAGS, strict=True))


@pytest.mark.parametrize(
    ("application", "data", "told"),
    [
        (Sentiment, [("fine", "good"), "bad"], r"example 2: expected \(text, label\), got 'bad'"),
        (Sentiment, [("\ud800", "good")], "example 1: expected plain data"),
        (Entities, [(["a", "b"], ["O"])], "example 1: expected words and a tag for each, got 2 and 1"),
        (Entities, [(["a"], ["O"]), ([], [])], "example 2: expected words and a tag for each, got 0 and 0"),
        (
            Entities,
            [(["a\tb"], ["O"])],
            r"1: expected words and tags that a file in columns can hold, got 'a\\tb'",
        ),
        (Entities, [(["-DOCSTART-"], ["O"])], "example 1: expected words and tags that a file"),
        (Entities, [(["\ud800"], ["O"])], "example 1: expected text, got half a character"),
        (Entities, [(3, None)], "example 1: expected words and a tag for each, got 0 and 0"),
        (SentimentTrees, [(3,)], "example 1: expected texts under tree, got 3 under 'tree'"),
        (SentimentTrees, [{"trees": "(3 a)"}], "example 1: expected texts under tree, got only trees"),
    ],
)
def test_what_no_file_can_hold_is_named(
    tmp_path: Path, application: type[Application[Any]], data: Any, told: str
) -> None:
    with pytest.raises(UserError, match=told) as caught:
        application.spill(data, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


# Pretrained vectors.

GIVEN = "fine 1 2\nzebra 3 4\n<unk> 5 6\nlate 7 8\nbad 9 1\nfine 0 0\n"


@pytest.fixture
def vector_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of whose words the first three are known even if they are not seen."""
    monkeypatch.setattr("throughtime.tasks.sentences.words.UNSEEN", 3)
    path = tmp_path / "own.vec"
    path.write_text(GIVEN)
    rows = [{"text": f"{word} {number}", "label": word} for number in range(10) for word in ("fine", "bad")]
    (tmp_path / "rows.jsonl").write_text(json_lines(rows))
    return path


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every time that a file of vectors is opened."""
    found: list[Path] = []
    lines = vectors.file_lines

    def counted(path: Path) -> Any:
        found.append(path)
        return lines(path)

    monkeypatch.setattr(vectors, "file_lines", counted)
    return found


def start(vector_file: Path, out: str) -> Callable[[str], list[float]]:
    """Begins a run; gives what a word starts from."""
    options = {"vectors": str(vector_file), "hidden": 4, "batch": 2, "min_count": 1, "device": "cpu"}
    trainer = Supervised(Sentiment).start([str(vector_file.parent / "rows.jsonl")], vector_file.parent / out, options)
    words = json.loads((vector_file.parent / out / "vocabulary.json").read_text())["words"]
    weights = trainer.model.get_parameter("inputs.embedding.weight")
    return lambda word: list(weights[words.index(word)].tolist())


def test_a_file_of_vectors_is_read_once(vector_file: Path, readings: list[Path]) -> None:
    starts = start(vector_file, "run")
    assert readings == [vector_file]
    assert [starts(word) for word in ("fine", "zebra", "<unk>", "bad")] == [[1, 2], [3, 4], [5, 6], [9, 1]]
    with pytest.raises(ValueError, match="late"):
        starts("late")


def test_vectors_that_have_changed_are_read_anew(
    vector_file: Path, readings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = Sentiment.learn

    def learn_and_change(train: Any, settings: Any) -> dict[str, Any]:
        found = learn(train, settings)
        vector_file.write_text(GIVEN.replace("fine 1 2", "fine 1 25"))
        return found

    monkeypatch.setattr(Sentiment, "learn", learn_and_change)
    starts = start(vector_file, "run")
    assert readings == [vector_file] * 2
    assert starts("fine") == [1, 25]


def test_vectors_are_those_of_the_run_that_starts_from_them(vector_file: Path) -> None:
    settings = SentimentSettings(vectors=str(vector_file), hidden=4, min_count=1)
    examples = list(Sentiment.read([vector_file.parent / "rows.jsonl"], settings))
    learnt = Sentiment.learn(examples, settings)
    other = [replace(example, words=[*example.words, "late"]) for example in examples]
    Sentiment.learn(other, settings)
    bound = Sentiment(settings, learnt)
    model: Any = bound.build()
    bound.initialise(model)
    weights = model.inputs.embedding.weight
    assert weights[learnt["words"].index("bad")].tolist() == [9, 1]
    assert "late" not in learnt["words"]
