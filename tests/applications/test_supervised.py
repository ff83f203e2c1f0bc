"""What every task on labelled examples has, shown on one of the user's own: does a line end in b?"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from rich.text import Text
from torch import Tensor
from torch.nn import functional as F

import throughtime
from throughtime.applications.application import Application
from throughtime.applications.judging.labels import confusion, counts
from throughtime.applications.prediction import Prediction
from throughtime.applications.settings import ExampleSettings
from throughtime.applications.supervised import Supervised
from throughtime.applications.task import Report
from throughtime.data.text.words import pad
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError
from throughtime.models import Model, StackConfig, State
from throughtime.runtime.reading.files import file_lines


@dataclass(frozen=True)
class Letters:
    letters: str
    where: str


@dataclass(frozen=True)
class LetterBatch:
    ids: Tensor
    lengths: Tensor
    classes: Tensor

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())


class LastLetter(Model):
    def __init__(self, letters: int, stack: StackConfig) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(letters, 4)
        self.stack = stack.build(4)
        self.out = torch.nn.Linear(self.stack.output_size, 2)

    def log_probs(self, batch: LetterBatch) -> Tensor:
        _, state = self.stack(self.embedding(batch.ids), lengths=batch.lengths)
        return F.log_softmax(self.out(state["h"][-1]), 1)

    def loss(self, batch: LetterBatch, carried: State | None) -> tuple[Tensor, State | None]:
        return F.nll_loss(self.log_probs(batch), batch.classes), None


class EndsInB(Application[Letters]):
    name: ClassVar[str] = "ends-in-b"
    summary: ClassVar[str] = "whether a line ends in b"
    example_type: ClassVar[type[Any]] = Letters
    suffixes: ClassVar[tuple[str, ...]] = (".letters",)

    @classmethod
    def read(cls, paths: Sequence[Path], settings: ExampleSettings) -> Iterator[Letters]:
        for path in paths:
            for number, line in enumerate(file_lines(path), 1):
                if " " in line:
                    raise UserError(f"{path}:{number}: expected letters alone, got a space")
                yield Letters(line.strip(), f"{path.name}:{number}")

    @classmethod
    def key(cls, example: Letters) -> Hashable:
        return example.letters

    @classmethod
    def learn(cls, train: Sequence[Letters], settings: ExampleSettings) -> dict[str, Any]:
        return {"letters": Vocabulary.learn(letter for e in train for letter in e.letters).symbols}

    def build(self) -> Model:
        return LastLetter(len(self.vocabulary["letters"]), StackConfig(**self.settings.stack()))

    def size(self, example: Letters) -> int:
        return len(example.letters)

    def batch(self, examples: Sequence[Letters]) -> LetterBatch:
        for example in examples:
            if "!" in example.letters:
                raise UserError(f"{example.where}: expected letters, got '!'")
        letters = Vocabulary(self.vocabulary["letters"])
        ids = pad([letters.ids(example.letters) for example in examples])
        lengths = torch.tensor([len(example.letters) for example in examples])
        return LetterBatch(ids, lengths, torch.tensor([int(example.letters.endswith("b")) for example in examples]))

    def evaluate(self, model: LastLetter, examples: Sequence[Letters], options: Any) -> Report:
        return Report({"nats": self.mean_loss(model, examples), "examples": len(examples)})

    def predict(self, model: LastLetter, lines: Sequence[str], options: Any) -> list[Prediction]:
        found = model.log_probs(self.batch([Letters(line, "") for line in lines])).argmax(1).tolist()
        return [Prediction(Text(line), {"b": bool(n)}) for line, n in zip(lines, found, strict=True)]


TASK = Supervised(EndsInB)
TINY = {"hidden": 8, "batch": 8, "steps": 6, "evaluate_every": 3}


def write(folder: Path, **files: Sequence[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, lines in files.items():
        (folder / f"{name}.letters").write_text("".join(f"{line}\n" for line in lines))
    return folder


def lines(count: int, first: int = 0) -> list[str]:
    """Different lines of different lengths."""
    return [f"{number:b}".translate({48: "a", 49: "b"}) for number in range(first, first + count)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data", train=lines(60, 8), dev=lines(20, 100), test=lines(10, 200))


def test_a_run_is_a_folder_of_plain_data(data: Path, tmp_path: Path) -> None:
    trainer = TASK.start([str(data)], tmp_path / "run", TINY)
    trainer.run()
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {
        "config.json", "data.json", "vocabulary.json", "train.jsonl", "valid.jsonl", "test.jsonl",
        "metrics.jsonl", "checkpoint.safetensors", "model.safetensors",
    }  # fmt: skip
    first = json.loads((tmp_path / "run" / "test.jsonl").read_text().splitlines()[0])
    assert first == {"letters": lines(1, 200)[0], "where": "test.letters:1"}
    told = TASK.describe(trainer)
    assert f"; {data / 'dev.letters'}" in told
    assert [line.split(": ")[1].partition(",")[0] for line in told.splitlines()[:3]] == [
        f"{count} examples" for count in (60, 20, 10)
    ]


def test_test_data_judges_and_validation_data_where_there_is_none(data: Path, tmp_path: Path) -> None:
    TASK.start([str(data)], tmp_path / "run", TINY).run()
    assert TASK.load(tmp_path / "run").evaluate([]).figures["examples"] == 10
    assert TASK.load(tmp_path / "run").evaluate([str(data / "train.letters")]).figures["examples"] == 60
    (data / "test.letters").unlink()
    (data / "dev.letters").unlink()
    write(data, dev=lines(7, 100))
    TASK.start([str(data)], tmp_path / "other", TINY).run()
    assert TASK.load(tmp_path / "other").evaluate([]).figures["examples"] == 7


def test_what_is_missing_is_held_out_and_the_same_is_never_on_both_sides(tmp_path: Path) -> None:
    data = write(tmp_path / "data", all=lines(50, 8) * 2)
    trainer = TASK.start([str(data)], tmp_path / "run", {**TINY, "held_out": 0.2})
    told = TASK.describe(trainer).splitlines()
    assert [line.rpartition("; ")[2] for line in told[1:3]] == ["20 % of train, seed 0"] * 2
    parts = {
        part: [json.loads(line)["letters"] for line in (tmp_path / "run" / f"{part}.jsonl").read_text().splitlines()]
        for part in ("train", "valid", "test")
    }
    assert {part: len(found) for part, found in parts.items()} == {"train": 60, "valid": 20, "test": 20}
    assert sum(len(set(found)) for found in parts.values()) == len(set().union(*parts.values())) == 50


def test_a_resumed_run_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    options = {**TINY, "dropout": 0.3, "layers": 2}
    TASK.start([str(data)], tmp_path / "whole", {**options, "schedule": "constant"}).run()
    TASK.start([str(data)], tmp_path / "run", {**options, "schedule": "constant", "steps": 3}).run()
    TASK.resume(tmp_path / "run", {"steps": 6}).run()
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()


def test_a_resumed_run_keeps_its_least_steps_unless_passes_are_asked_for(data: Path, tmp_path: Path) -> None:
    little = {name: value for name, value in TINY.items() if name != "steps"} | {"batch": 64}
    trainer = TASK.start([str(data)], tmp_path / "run", {**little, "epochs": 4, "least_steps": 9})
    assert trainer.total == 9
    assert [TASK.resume(tmp_path / "run", options).total for options in ({}, {"epochs": 5})] == [9, 5]


def test_a_resumed_run_keeps_its_settings(data: Path, tmp_path: Path) -> None:
    TASK.start([str(data)], tmp_path / "run", TINY).run()
    with pytest.raises(UserError, match="--hidden: a resumed run keeps 8, got 16"):
        TASK.resume(tmp_path / "run", {"hidden": 16})


def test_prediction_knows_the_trained_model(data: Path, tmp_path: Path) -> None:
    TASK.start([str(data)], tmp_path / "run", {**TINY, "steps": 60, "lr": 0.02, "evaluate_every": 20}).run()
    predicted = TASK.load(tmp_path / "run").predict(["ab", "aba", ""])
    assert [p.data["b"] for p in predicted] == [True, False, False]


@pytest.mark.parametrize(
    ("part", "line", "expected"),
    [
        ("train", "a b", r"train.letters:61: expected letters alone"),
        ("dev", "a!b", r"dev.letters:21: expected letters, got '!'"),
        ("test", "a!b", r"test.letters:11: expected letters, got '!'"),
    ],
)
def test_bad_examples_are_named_and_nothing_is_left_behind(
    data: Path, tmp_path: Path, part: str, line: str, expected: str
) -> None:
    with (data / f"{part}.letters").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=expected):
        TASK.start([str(data)], tmp_path / "run", TINY)
    assert not (tmp_path / "run").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"train": []}, "expected examples in .*train.letters, got none"),
        ({"train": ["a"] * 30}, "expected enough different examples to hold some out"),
    ],
)
def test_too_little_data_is_said(tmp_path: Path, files: dict[str, list[str]], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        TASK.start([str(write(tmp_path / "data", **files))], tmp_path / "run", TINY)


def test_damaged_examples_of_a_run_are_said(data: Path, tmp_path: Path) -> None:
    TASK.start([str(data)], tmp_path / "run", TINY)
    (tmp_path / "run" / "train.jsonl").write_text('{"letters": "a", "other": 1}\n')
    with pytest.raises(UserError, match=r"train.jsonl:1: where: Field required, got .*; the file is damaged"):
        TASK.resume(tmp_path / "run", {})


def test_counts_and_confusions_by_hand() -> None:
    gold, said = [0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 0, 1]
    assert counts(["a", "b", "c"], gold, said) == [
        ["a", 50.0, 50.0, 50.0, 2],
        ["b", 50.0, 66.67, 57.14, 3],
        ["c", 0.0, 0.0, 0.0, 1],
    ]
    assert confusion(["a", "b", "c"], gold, said).rows == [["a", 1, 1, 0], ["b", 1, 2, 0], ["c", 0, 1, 0]]


def test_nothing_held_out_keeps_the_last_weights_and_goes_on(tmp_path: Path) -> None:
    data = write(tmp_path / "data", train=lines(40))
    trainer = TASK.start([str(data)], tmp_path / "run", {**TINY, "held_out": 0})
    assert trainer.evaluate is None
    assert "held out to validate on: the last weights are kept" in TASK.describe(trainer)
    trainer.run()
    assert not (tmp_path / "run" / "valid.jsonl").exists()
    again = TASK.resume(tmp_path / "run", {"steps": 8})
    assert again.run().step == 8
    assert TASK.load(tmp_path / "run").predict(["ab"])
    with pytest.raises(UserError, match="held nothing out"):
        TASK.load(tmp_path / "run").evaluate()


def test_a_fold_is_tested_on_what_the_others_train_on(tmp_path: Path) -> None:
    data = write(tmp_path / "data", train=lines(30))
    tested = []
    for fold in (1, 2, 3):
        run = tmp_path / f"fold-{fold}"
        TASK.start([str(data)], run, {**TINY, "folds": 3, "fold": fold})
        parts = [(run / f"{part}.jsonl").read_text().splitlines() for part in ("train", "valid", "test")]
        assert [len(part) for part in parts] == [18, 2, 10]
        assert len({line for part in parts for line in part}) == 30
        tested += parts[2]
    assert len(set(tested)) == 30


def test_a_group_is_on_one_side(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number in range(8):
        write(data, **{f"s{number}_a": lines(3, 9 * number), f"s{number}_b": lines(3, 9 * number + 4)})
    options = {**TINY, "group": "^(s[0-9])_", "held_out": 0.25}
    TASK.start([str(path) for path in sorted(data.iterdir())], tmp_path / "run", options)
    files = [(tmp_path / "run" / f"{part}.jsonl").read_text() for part in ("train", "valid", "test")]
    for number in range(8):
        assert sum(f"s{number}_" in text for text in files) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"folds": 3, "fold": 4}, "--fold: expected one of the folds"),
        ({"fold": 1}, "--fold: expected one of the folds"),
        ({"folds": 31, "fold": 1}, "at most 30"),
        ({"group": "speaker"}, "no columns"),
    ],
)
def test_what_cannot_be_divided_is_said(tmp_path: Path, options: dict[str, object], expected: str) -> None:
    data = write(tmp_path / "data", train=lines(30))
    with pytest.raises(UserError, match=expected):
        TASK.start([str(data)], tmp_path / "run", {**TINY, **options})
    assert not (tmp_path / "run").exists()


def test_what_was_drawn_may_be_drawn_in_another_way(tmp_path: Path) -> None:
    """Equal texts stay together: a label that stands in them alone is on one side."""
    data = [(f"a {word} film {n}", label) for n in range(8) for label, word in (("good", "fine"), ("bad", "dull"))]
    rare = [*data, *[("so so", "rare")] * 3]
    small: dict[str, Any] = {"hidden": 4, "embedding": 4, "batch": 4, "steps": 1, "progress": False}
    drawn = (
        r"unknown label 'rare'.*; it was held out \(30 % of train, seed 0\): with another --seed it may stand elsewhere"
    )
    with pytest.raises(UserError, match=drawn):
        throughtime.train("sentiment", rare, held_out=0.3, seed=0, out=tmp_path / "run", **small)
    assert throughtime.train("sentiment", rare, held_out=0.3, seed=3, **small).read.parts["train"].labels["rare"] == 3
    with pytest.raises(UserError, match=r"unknown label 'rare'.* data that has it$"):
        throughtime.train("sentiment", data, valid=rare, out=tmp_path / "run", **small)
    assert not (tmp_path / "run").exists()
