"""The task sentiment-trees, from files to a model folder, its figures and its drawings."""

from __future__ import annotations

import io
import json
import math
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from throughtime.applications.options import Options
from throughtime.cli import run
from throughtime.data.trees.treebank import parse_brackets
from throughtime.data.trees.trees import Tree
from throughtime.tasks.sentences.sentiment_trees import SentimentTrees, SentimentTreesSettings

DATA = Path(os.environ.get("THROUGHTIME_DATA", Path(__file__).parents[4] / "shared" / "data"))
GRADES = {"awful": 0, "dull": 1, "long": 2, "fine": 3, "superb": 4}
TINY = ["--hidden", "12", "--embedding", "8", "--dropout", "0.1", "--lr", "0.02", "--batch", "8"]

Answer = tuple[int, str, str]
Call = Callable[..., Answer]


def brackets(draw: random.Random) -> str:
    """A little review whose first adjective is its grade, "not" turning it."""
    word, grade = draw.choice(list(GRADES.items()))
    phrase = f"({grade} {word})"
    if draw.random() < 0.3:
        grade = 4 - grade
        phrase = f"({grade} (2 not) {phrase})"
    return f"({grade} (2 (2 the) (2 {draw.choice(['film', 'plot', 'cast'])})) ({grade} (2 is) {phrase}))"


def heads(draw: random.Random) -> str:
    word, grade = draw.choice(list(GRADES.items()))
    rows = [("the", 2), (draw.choice(["film", "plot"]), 4), ("is", 4), (word, 0)]
    lines = [f"{n}\t{word}\t_\t_\t_\t_\t{head}\t_\t_\t_" for n, (word, head) in enumerate(rows, 1)]
    return "\n".join([f"# sentiment = {grade}", *lines, ""])


def write(folder: Path, one: Callable[[random.Random], str], suffix: str, trees: int = 60) -> Path:
    folder.mkdir()
    draw = random.Random(0)
    for part, count in {"train": trees, "dev": 20, "test": 20}.items():
        (folder / f"{part}{suffix}").write_text("\n".join(one(draw) for _ in range(count)) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    def answer(*arguments: object, stdin: bytes = b"") -> Answer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return answer


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("trees") / "data", brackets, ".txt")


@pytest.fixture(scope="module")
def trained(data: Path) -> Path:
    out = data.parent / "run"
    assert run(["train", "sentiment-trees", str(data), "--out", str(out), "--epochs", "40", *TINY]) == 0
    return out


def read(answer: Answer) -> Any:
    code, out, err = answer
    assert code == 0, err
    return json.loads(out)


def test_what_was_found_is_said(data: Path, tmp_path: Path, call: Call) -> None:
    code, _, err = call("train", "sentiment-trees", data, "--out", tmp_path / "run", "--steps", 1, *TINY)
    assert code == 0
    assert f"; {data / 'train.txt'}\n" in err
    assert all(f": {count} examples, " in err for count in (60, 20, 20))
    assert "tree-lstm 12, " in err


def test_it_is_judged_on_the_test_data(trained: Path, data: Path, call: Call) -> None:
    figures = read(call("evaluate", trained, "--json"))
    assert figures["trees"] == 20
    gold = [parse_brackets(line).labels[-1] for line in (data / "test.txt").read_text().splitlines()]
    assert figures["majority_accuracy"] == pytest.approx(100 * max(map(gold.count, gold)) / 20)
    assert figures["root_accuracy"] > figures["majority_accuracy"]
    assert figures["node_accuracy"] > 70
    assert [row["trees"] for row in figures["tables"]["by label, roots"]] == [gold.count(label) for label in "01234"]
    assert figures == read(call("evaluate", trained, data / "test.txt", "--json"))
    _, out, _ = call("evaluate", trained)
    assert "binary accuracy" in out


class Fixed:
    """A model that says what it is told to: the log-probabilities of the nodes in the order of the batch."""

    temperature = 1.0

    def __init__(self, chances: list[list[float]]) -> None:
        self.chances = torch.tensor(chances).log()

    def __call__(self, batch: object) -> torch.Tensor:
        return self.chances


def bound(labels: str = "01234") -> SentimentTrees:
    return SentimentTrees(SentimentTreesSettings(), {"words": ["<unk>"], "labels": list(labels)})


def test_the_figures_of_a_case_by_hand() -> None:
    """Two words and their root, then a word that is a root; in a batch: the words, then the root of two."""
    trees = [parse_brackets("(3 (1 a) (_ b))"), parse_brackets("(2 c)")]
    chances = [
        [0.1, 0.6, 0.1, 0.1, 0.1],  # a, right
        [0.2, 0.2, 0.2, 0.2, 0.2],  # b, not labelled
        [0.1, 0.1, 0.5, 0.2, 0.1],  # c, neutral and right
        [0.0, 0.3, 0.3, 0.2, 0.2],  # root: wrong (1), but positive: 0.4 > 0.3
    ]
    # The batch sorts by size: c stands first.
    order = [chances[2], chances[0], chances[1], chances[3]]
    report = bound().evaluate(Fixed(order), trees, Options())  # type: ignore[arg-type]
    assert report.figures == pytest.approx(
        {
            "root_accuracy": 50.0,
            "binary_accuracy": 100.0,
            "node_accuracy": 200 / 3,
            "majority_accuracy": 50.0,
            "nats": -0.5 * math.log(0.2 * 0.5),
            "calibration_error": 100 * (0.3 + 0.5) / 2,  # wrong at 30 %, right at 50 %: bins of their own
            "trees": 2,
        }
    )
    assert report.tables[2].rows == [["3", "1", pytest.approx(30.0), "a b"]]
    evaluation = bound().validate(Fixed(order), trees)  # type: ignore[arg-type]
    assert evaluation.objective == 50.0
    assert evaluation.figures["root_loss"] == pytest.approx(-0.5 * (torch.tensor([0.2, 0.5]).log().sum().item()))


def test_the_root_of_a_tree_with_more_than_two_children_is_judged_as_itself() -> None:
    """The node that the third child makes necessary stands before the root: the root's number is not the file's."""
    wrong, right = [0.6, 0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.6, 0.1]
    rows = [wrong, wrong, wrong, wrong, right]  # three words, the node in between, the root
    bind, trees = bound(), [parse_brackets("(3 (1 a) (2 b) (4 c))")]
    assert bind.evaluate(Fixed(rows), trees, Options()).figures["root_accuracy"] == 100.0  # type: ignore[arg-type]
    figures = bind.validate(Fixed(rows), trees).figures  # type: ignore[arg-type]
    assert (figures["root_accuracy"], figures["node_accuracy"]) == (100.0, 25.0)
    assert figures["root_loss"] == pytest.approx(-math.log(0.6))


def test_every_node_is_judged_as_itself() -> None:
    """In brackets a node stands before its right neighbour's words, in a batch after all words."""
    tree = parse_brackets("(3 (1 (2 a) (0 b)) (4 c))")
    by_level = [2, 0, 4, 1, 3]
    chances = [[0.96 if label == said else 0.01 for label in range(5)] for said in by_level]
    assert bound().evaluate(Fixed(chances), [tree], Options()).figures["node_accuracy"] == 100.0  # type: ignore[arg-type]


@pytest.mark.parametrize(("labels", "there"), [("01234", True), ("01", False), ("0123", False), ("xyz", False)])
def test_two_sides_are_told_where_labels_are_grades_around_a_middle(labels: str, there: bool) -> None:
    trees = [Tree(["a"], [labels[0]], [-1], "x:1"), Tree(["a"], [labels[-1]], [-1], "x:2")]
    chances = [[1 / len(labels)] * len(labels)] * 2
    figures = bound(labels).validate(Fixed(chances), trees).figures  # type: ignore[arg-type]
    assert ("binary_accuracy" in figures) == there


def test_labels_that_are_numbers_stand_in_their_order() -> None:
    trees = [Tree(["a"], [label], [-1], "x:1") for label in ("10", "-1", "9", "0")]
    assert SentimentTrees.learn(trees, SentimentTreesSettings())["labels"] == ["-1", "0", "9", "10"]
    named = [Tree(["a"], [label], [-1], "x:1") for label in ("sad", "glad")]
    assert SentimentTrees.learn(named, SentimentTreesSettings())["labels"] == ["glad", "sad"]


def test_capitals_are_kept_where_asked() -> None:
    trees = [Tree(["Film", "film"], ["0", "1"], [1, -1], "x:1")]
    assert SentimentTrees.learn(trees, SentimentTreesSettings())["words"] == ["<unk>", "film"]
    assert SentimentTrees.learn(trees, SentimentTreesSettings(lowercase=False))["words"] == ["<unk>", "Film", "film"]
    assert SentimentTrees.learn(trees, SentimentTreesSettings(min_count=2))["words"] == ["<unk>", "film"]


def test_a_tree_is_drawn_with_a_label_at_every_node(trained: Path, call: Call) -> None:
    code, out, err = call("predict", trained, "--line", "(_ (_ (_ the) (_ film)) (_ (_ is) (_ superb)))")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line[:3] for line in lines] == [lines[0][:3], "├─ ", "│  ", "│  ", "└─ ", "   ", "   "]
    assert [line.split()[-1] for line in lines if line[-1].isalpha()] == ["the", "film", "is", "superb"]
    assert lines[-1].split() == ["└─", "4", "superb"]


def test_a_prediction_as_data(trained: Path, call: Call) -> None:
    value = read(call("predict", trained, "--json", "--line", "(3 (1 The) (1 awful))"))
    assert value["text"] == "The awful"
    assert sum(value["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert max(value["probabilities"], key=value["probabilities"].get) == value["label"]
    assert [node["word"] for node in value["nodes"]] == ["The", "awful", None]
    assert [node["parent"] for node in value["nodes"]] == [2, 2, -1]
    tree = parse_brackets(value["tree"])
    assert tree.labels == [node["label"] for node in value["nodes"]]
    assert (tree.sentence, tree.labels[1]) == (["The", "awful"], "0")


def test_a_sentence_without_a_tree_is_read_with_a_warning(trained: Path, call: Call) -> None:
    code, out, err = call("predict", trained, "--json", stdin=b"the film is fine\n\n")
    assert code == 0
    assert err.count("throughtime: line 1: no tree is given") == err.count("throughtime:") == 1
    first, second = map(json.loads, out.splitlines())
    assert [node["word"] for node in first["nodes"]].count(None) == 3
    assert second["label"] is None


def test_a_sentence_that_begins_with_a_bracket_is_a_sentence(trained: Path, call: Call) -> None:
    code, out, err = call("predict", trained, "--json", "--line", "(well) it is awful")
    assert code == 0
    assert "no tree can be read (" in err
    assert [node["word"] for node in json.loads(out)["nodes"] if node["word"]] == [
        "(",
        "well",
        ")",
        "it",
        "is",
        "awful",
    ]


def test_more_than_two_children_are_read(trained: Path, call: Call) -> None:
    value = read(call("predict", trained, "--json", "--line", "(2 (2 the) (2 film) (2 is) (2 fine))"))
    assert value["text"] == "the film is fine"
    assert len(value["nodes"]) == 7


def test_a_sentence_of_ten_thousand_words_works(trained: Path, call: Call) -> None:
    code, out, err = call("predict", trained, "--json", stdin=("fine " * 10_000 + "\n").encode())
    assert code == 0, err
    assert "10,000 words in one line: this takes a while" in err
    assert len(json.loads(out)["nodes"]) == 19_999


def test_what_trees_do_not_have_is_refused(trained: Path, call: Call) -> None:
    code, _, err = call("predict", trained, "--line", "fine", "--nbest", "2", "--explain")
    assert code == 2
    assert "unknown option --nbest" in err
    assert "this model has for predict: --encoding, --out, --header, --text-column\n" in err


def test_trees_have_no_steps_in_time(trained: Path, call: Call) -> None:
    code, _, err = call("inspect", trained)
    assert code == 2
    assert "a TreeClassifier cannot be inspected: expected recurrent layers" in err


def test_dependency_heads(tmp_path: Path, call: Call) -> None:
    data, out = write(tmp_path / "data", heads, ".conllu", 40), tmp_path / "run"
    code, _, err = call(
        "train", "sentiment-trees", data, "--out", out, "--cell", "child-sum", "--epochs", 10, *TINY, "--dropout", 0
    )
    assert code == 0, err
    assert read(call("evaluate", out, "--json"))["root_accuracy"] == 100.0
    value = read(call("predict", out, "--json", "--line", "the|2 plot|4 is|4 awful|0"))
    assert value["label"] == "0"
    assert [node["parent"] for node in value["nodes"]] == [1, 3, 3, -1]
    code, _, err = call("predict", out, "--line", "the|2 plot|x")
    assert code == 0
    assert "line 1: no tree can be read (" in err


def test_dependency_heads_are_refused_by_a_cell_that_reads_leaves(trained: Path, tmp_path: Path, call: Call) -> None:
    said = "expected words at the leaves alone"
    sentences = write(tmp_path / "data", heads, ".conllu", 3) / "train.conllu"
    code, out, err = call("predict", trained, sentences)
    assert (code, out) == (2, "")
    assert f"train.conllu:2: {said}, as --cell tree-lstm takes them, got " in err
    assert err.count("\n") == 1
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    lines = (run / "test.jsonl").read_text().splitlines()
    damaged = json.loads(lines[1])
    damaged["words"][damaged["parents"].index(-1)] = "word"
    (run / "test.jsonl").write_text("\n".join([lines[0], json.dumps(damaged), *lines[2:]]) + "\n")
    code, _, err = call("evaluate", run)
    assert code == 2
    assert f"test.jsonl:2: expected an example, got something else ({said}, got 'word' above others)" in err


@pytest.mark.parametrize("cell", ["recursive", "rntn", "child-sum", "throughtime.layers.trees.rntn:RNTNCell"])
def test_every_cell_trains(cell: str, data: Path, tmp_path: Path, call: Call) -> None:
    code, _, err = call(
        "train", "sentiment-trees", data, "--out", tmp_path / "run", "--cell", cell, "--steps", 2, *TINY
    )
    assert code == 0, err
    leave = ["--cell", cell] if ":" in cell else []
    assert read(call("evaluate", tmp_path / "run", "--json", *leave))["trees"] == 20
    if leave:
        assert "pass --cell" in call("evaluate", tmp_path / "run")[2]


GOOD = "(3 (2 a) (4 b))\n(1 (2 c) (0 d))\n"


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("train.txt", GOOD + "(3 (2 a) (2 b)\n(2 c)\n", [], "train.txt:3: unbalanced brackets: 1 left open"),
        ("train.txt", GOOD + "(3 (2 a) (2 b)))\n", [], "train.txt:3: unbalanced brackets: 1 closed too many"),
        ("train.txt", GOOD + "(_ (2 a) (2 b))\n", [], "train.txt:3: expected a label at the root, got none"),
        ("test.txt", GOOD + "(3 (2 a) (7 b))\n", [], "test.txt:3: unknown label '7'; the training data has 0, 1, 2"),
        ("train.txt", "(1 a)\n(1 b)\n", [], "expected trees with at least 2 different labels, got only 1"),
        ("train.conllu", heads(random.Random(0)), [], "which tells a first child from a second, got dependency heads"),
        ("train.conllu", "1\ta\t_\t_\t_\t_\t0\n", ["--cell", "child-sum"], "write '# label = x' above the sentence"),
        ("train.txt", GOOD, ["--cell", "tree-lst"], "unknown tree cell 'tree-lst' (did you mean 'tree-lstm'?)"),
        ("train.txt", GOOD, ["--layers", "2"], "--layers"),
    ],
)
def test_bad_input_is_told_in_a_line_and_leaves_nothing(
    tmp_path: Path, call: Call, name: str, text: str, options: list[str], message: str
) -> None:
    data = write(tmp_path / "data", brackets, ".txt", 10)
    if not name.endswith(".txt"):
        (data / "train.txt").unlink()
    (data / name).write_text(text, encoding="utf-8")
    code, out, err = call("train", "sentiment-trees", data, "--out", tmp_path / "run", *TINY, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "run").exists()


def test_bytes_that_are_no_text_name_the_line(tmp_path: Path, call: Call) -> None:
    data = write(tmp_path / "data", brackets, ".txt", 10)
    (data / "train.txt").write_bytes(b"(3 (2 a) (4 b))\n(3 (2 caf\xe9) (4 b))\n")
    code, _, err = call("train", "sentiment-trees", data, "--out", tmp_path / "run", *TINY)
    assert code == 2
    assert "train.txt: expected text in UTF-8, got other bytes in line 2" in err


def test_the_treebank_is_read_whole() -> None:
    folder = DATA / "sst_trees"
    if not folder.exists():
        pytest.skip(f"no treebank in {folder}; set THROUGHTIME_DATA")
    settings = SentimentTreesSettings()
    trees = {part: list(SentimentTrees.read([folder / f"{part}.txt"], settings)) for part in ("dev", "test")}
    assert {part: len(found) for part, found in trees.items()} == {"dev": 1101, "test": 2210}
    roots = [tree.labels[tree.root] for tree in trees["test"]]
    assert sum(root != "2" for root in roots) == 1821  # as in Socher et al. 2013
    assert all(len(children) in (0, 2) for tree in trees["dev"][:100] for children in tree.children)
