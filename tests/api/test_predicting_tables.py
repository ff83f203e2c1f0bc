"""Files of the kinds that training reads, predicted: inputs alone are read, and written again with predictions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import throughtime
from made_data import MAKERS, settings_of
from throughtime.data.tables.sheets import read_sheet
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting
from throughtime.runtime.text.tags import count_spans, find_spans
from throughtime.tasks import APPLICATIONS

Rows = Sequence[Sequence[str]]
TEXTS = ["the plain cat", 'a "fine", old mat', "=SUM(A1)", "grey near mat sat", "the old plain cat sat"]


def _table(path: Path, heading: Sequence[str], rows: Rows) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([*([heading] if heading else []), *rows])
    return path


def _rows(inputs: Sequence[str], answers: Sequence[str] | None) -> Rows:
    return [[one] if answers is None else [one, answers[at % len(answers)]] for at, one in enumerate(inputs)]


def _texts(folder: Path, answers: Sequence[str] | None) -> Path:
    return _table(folder / "in.csv", ["text", "label"][: 1 if answers is None else 2], _rows(TEXTS, answers))


def _trees(folder: Path, answers: Sequence[str] | None) -> Path:
    label = answers or ["_"]
    trees = [f"({label[at % len(label)]} (2 plain)\n  (4 cat{at}))" for at in range(4)]
    (folder / "in.ptb").write_text("\n".join(trees) + "\n", encoding="utf-8")
    return folder / "in.ptb"


def _words(folder: Path, answers: Sequence[str] | None) -> Path:
    words = ["Anna", "saw", "@plain", ".", "", "#fun", "is", "plain", ""]
    rows = [(word, (answers or ["O"])[at % len(answers or "O")]) for at, word in enumerate(words)]
    lines = [word if not word or answers is None else f"{word} NN {tag}" for word, tag in rows]
    (folder / "in.conll").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "in.conll"


def _pairs(folder: Path, answers: Sequence[str] | None) -> Path:
    lines = ["\t".join(row) + "\n" for row in _rows(TEXTS, answers)]
    (folder / "in.tsv").write_text("".join(lines), encoding="utf-8")
    return folder / "in.tsv"


def _dictionary(folder: Path, answers: Sequence[str] | None) -> Path:
    lines = ["  ".join(row) + "\n" for row in _rows(["plainbad", "plainkim(2)", "plaindo"], answers)]
    (folder / "in.dict").write_text(";;; a comment\n" + "".join(lines), encoding="utf-8")
    return folder / "in.dict"


def _manifest(folder: Path, answers: Sequence[str] | None) -> Path:
    sounds = sorted(map(str, (folder / "dataplain" / "train").glob("*.wav")))
    heading = ["path", "sentence"][: 1 if answers is None else 2]
    return _table(folder / "in.csv", heading, _rows(sounds[:3], answers))


def _sequences(folder: Path, answers: Sequence[str] | None) -> Path:
    heading = ["text", "label"][: 1 if answers is None else 2]
    letters = [(word * 20)[:20] for word in ("ACG", "TTGA", "CCAGT", "G")]
    return _table(folder / "in.csv", heading, _rows(letters, answers))


def _points(folder: Path, answers: Sequence[str] | None) -> Path:
    numbers = [[f"{(at * step) % 7 / 10}" for step in range(2 * (at + 2))] for at in range(4)]
    rows = [[*([] if answers is None else [answers[at % len(answers)]]), *row] for at, row in enumerate(numbers)]
    return _table(folder / "in.csv", [], rows)


Maker = Callable[[Path, Sequence[str] | None], Path]
CASES: dict[str, tuple[Maker, list[str], list[str], str]] = {
    "sentiment": (_texts, ["good", "plain"], ["plain", "plain", "good"], ".csv .tsv .jsonl"),
    "sentiment-trees": (_trees, ["1", "3"], ["4"], ".csv .jsonl"),
    "entities": (_words, ["B-loc", "O"], ["O", "I-loc", "B-plain"], ".conll .tsv"),
    "translation": (_pairs, ["tac plain eht", "x"], ["y"], ".csv .tsv .jsonl"),
    "pronunciation": (_dictionary, ["plain B A D"], ["K I M", "D"], ".csv .tsv .jsonl"),
    "speech": (_manifest, ["the plain"], ["plain", "plain the the"], ".csv .jsonl"),
    "dna": (_sequences, ["donor", "plain"], ["plain", "plain", "donor"], ".csv .jsonl"),
    "video": (_points, ["left", "plain"], ["plain"], ".csv .jsonl"),
    "series": (_points, ["left", "plain"], ["plain"], ".csv .jsonl"),
}
"""By task: a file of its kind with answers or without, answers, other ones, and what it can be written as."""

WITHOUT = {"music", "forecast", "agreement", "adding", "copy"}
"""Tasks whose files hold no answers beside inputs."""


def test_every_task_is_tried_or_reads_no_tables() -> None:
    assert set(CASES) == {task.name for task in APPLICATIONS} - WITHOUT
    assert not [task.name for task in APPLICATIONS if task.name in WITHOUT and task.column is not None]


@pytest.fixture(scope="module", params=CASES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[throughtime.Run, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    made = MAKERS[request.param](folder, "plain")
    throughtime.train(request.param, made.data, out=folder / "run", progress=False, **settings_of(made))
    return throughtime.load(folder / "run"), folder


def said(run: throughtime.Run, path: Path) -> list[Any]:
    found = [prediction.columns for prediction in run.predict(path)]
    return [{name: value for name, value in columns.items() if name != "predicted_tree"} for columns in found]


def test_answers_never_reach_the_model(trained: tuple[throughtime.Run, Path]) -> None:
    run, folder = trained
    make, answers, others, _ = CASES[run.task.name]
    found = said(run, make(folder, answers))
    assert len(found) >= 2
    assert all("predicted" in columns for columns in found)
    assert said(run, make(folder, others)) == found
    assert said(run, make(folder, None)) == found


def test_the_same_rows_are_written_with_predictions(trained: tuple[throughtime.Run, Path]) -> None:
    run, folder = trained
    make, answers, _, suffixes = CASES[run.task.name]
    path = make(folder, answers)
    for suffix in suffixes.split():
        out = folder / f"out{suffix}"
        found = [prediction.columns for prediction in run.predict(path, out=out)]
        names = list(found[0])
        if run.task.name == "entities":
            lines = [line.split("\t" if suffix == ".tsv" else " ") for line in out.read_text("utf-8").splitlines()]
            before = [line.split(" ") for line in path.read_text("utf-8").splitlines()]
            assert [line[:-1] or [""] for line in lines] == before
            assert [line[-1] for line in lines if line != [""]] == [tag for one in found for tag in one["predicted"]]
        else:
            written = list(as_rows(out, names))
            assert [row[-len(names) :] for row in written] == [list(columns.values()) for columns in found]
            if path.suffix in (".csv", ".tsv") and run.task.name not in ("video", "series"):
                separator = "," if path.suffix == ".csv" else "\t"
                quoting = csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE
                before = list(csv.reader(io.StringIO(path.read_text("utf-8")), delimiter=separator, quoting=quoting))
                assert [row[: -len(names)] for row in written] == before[-len(written) :]


def as_rows(path: Path, names: Sequence[str]) -> Iterator[list[Any]]:
    """The rows of a written file, what was added as plain data; the heading of a table is none, if there is one."""
    if path.suffix == ".jsonl":
        for line in path.read_text("utf-8").splitlines():
            yield list(json.loads(line).values())
        return
    separator, quoting = (",", csv.QUOTE_MINIMAL) if path.suffix == ".csv" else ("\t", csv.QUOTE_NONE)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file, delimiter=separator, quoting=quoting):
            if row[-len(names) :] != list(names):
                said = zip(names, row[-len(names) :], strict=True)
                added = [cell if name.startswith("predicted") else float(cell) for name, cell in said]
                yield [*row[: -len(names)], *added]


def test_rows_in_memory_are_read_as_files_are(trained: tuple[throughtime.Run, Path]) -> None:
    run, folder = trained
    make, answers, *_ = CASES[run.task.name]
    if run.task.name not in ("sentiment", "translation", "dna", "speech"):
        return
    path = make(folder, answers)
    names = {"translation": ("source", "target"), "speech": ("path", "sentence")}.get(run.task.name, ("text", "label"))
    pairs = [row for row in as_rows_of(path) if row != list(names)]
    rows = [dict(zip(names, row, strict=True)) for row in pairs]
    found = said(run, path)
    columns = {name: [row[name] for row in rows] for name in names}
    for data in (rows, columns, [{**row, "more": 1} for row in rows]):
        assert [prediction.columns for prediction in run.predict(data)] == found
    with pytest.raises(UserError, match=r"--(text|audio)-column"):
        run.predict([{"eins": "a b", "zwei": "b c d", "drei": "c d"} for _ in range(3)])


def as_rows_of(path: Path) -> list[list[str]]:
    separator, quoting = (",", csv.QUOTE_MINIMAL) if path.suffix == ".csv" else ("\t", csv.QUOTE_NONE)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=separator, quoting=quoting))


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6))
def test_cells_are_written_as_they_were_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    folder = tmp_path_factory.mktemp("cells")
    path = _table(folder / "a.csv", ["predicted", "text"], rows)
    sheet = read_sheet(path, {"text"}, True)
    added = [{"predicted": "a,b", "score": 0.5}] * len(sheet.records)
    (folder / "b.csv").write_bytes(b"".join(sheet.written(added, ".csv")))
    heading, *found = as_rows_of(folder / "b.csv")
    assert heading == ["predicted", "text", "predicted_2", "score"]
    assert found == [[*row, "a,b", "0.5"] for row in rows]
    (folder / "b.jsonl").write_bytes(b"".join(sheet.written(added, ".jsonl")))
    again = read_sheet(folder / "b.jsonl", set())
    assert [list((record.values or {}).values())[:2] for record in again.records] == rows


VALUES = st.none() | st.integers(-(10**9), 10**9) | CELLS | st.lists(CELLS, max_size=2)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.dictionaries(CELLS, VALUES, max_size=3), min_size=1, max_size=4))
def test_lines_of_json_stay_as_they_stood(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    lines = [json.dumps(value, ensure_ascii=bool(at % 2), separators=(" ,", " : ")) for at, value in enumerate(values)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sheet = read_sheet(path, set())
    written = b"".join(sheet.written([{"said": 1}] * len(values), ".jsonl")).decode().split("\n")[:-1]
    assert len(written) == sum(map(bool, values))
    for line, before in zip(written, (line for line, value in zip(lines, values, strict=True) if value), strict=True):
        assert line.startswith(before[:-1].rstrip())
        assert list(json.loads(line).values())[-1] == 1


def conlleval(text: str) -> tuple[int, int, int]:
    """Spans there, said, and right, of a file whose last two columns are tags; every row has as many columns."""
    sentences: list[list[list[str]]] = [[]]
    for line in text.split("\n"):
        cells = line.split(" ") if line else []
        if cells:
            sentences[-1].append(cells)
        else:
            sentences.append([])
    assert len({len(cells) for rows in sentences for cells in rows}) == 1
    gold, said = ([find_spans([cells[at] for cells in rows]) for rows in sentences] for at in (-2, -1))
    total, _ = count_spans(gold, said)
    return total.gold, total.guessed, total.hits


def test_conlleval_finds_what_evaluate_finds(tmp_path: Path) -> None:
    names = [("Anna", "B-per"), ("Oslo", "B-loc"), ("Bo", "B-per"), ("Rome", "B-loc")]
    sentences = [
        [(one, "NN", tag), ("saw", "VB", "O"), ("New", "NN", "B-loc"), (other, "NN", "I-loc"), ("#fun", "NN", "O")]
        for one, tag in names
        for other, _ in names
    ]
    rows = ["\n".join(" ".join(row) for row in sentence) for sentence in sentences]
    text = "-DOCSTART- -X- O\n\n" + "\n\n".join(f"# id = {at}\n{row}" for at, row in enumerate(rows)) + "\n"
    (tmp_path / "train.conll").write_text(text, encoding="utf-8")
    small: dict[str, Any] = {"hidden": 8, "embedding": 8, "letter": 4, "spelled": 4, "batch": 4, "min_count": 1}
    plan: dict[str, Any] = {"steps": 12, "lr": 0.03, "seed": 1, "held_out": 0, "progress": False}
    run = throughtime.train("entities", tmp_path / "train.conll", **small, **plan)
    with noting() as notes:
        run.predict(tmp_path / "train.conll", out=tmp_path / "p.conll")
    written = (tmp_path / "p.conll").read_text("utf-8")
    figures = run.evaluate(tmp_path / "train.conll").figures
    there, found, right = conlleval(written)
    assert (there, found, right) == (figures["entities"], figures["found"], figures["right"])
    assert 0 < right < there
    assert written.startswith("-DOCSTART- -X- O O\n\nAnna NN B-per ")
    assert "#fun NN O O\n" in written
    assert len(notes.left_out["a comment"]) == len(sentences)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> throughtime.Run:
    folder = tmp_path_factory.mktemp("reviews")
    rows = [(f"a {word} film", label) for word, label in (("fine", "good"), ("dull", "bad")) for _ in range(8)]
    _table(folder / "train.csv", ["Opinion", "Mood"], rows)
    small: dict[str, Any] = {"hidden": 4, "embedding": 4, "steps": 2, "min_count": 1, "held_out": 0}
    return throughtime.train("sentiment", folder / "train.csv", out=folder / "run", progress=False, **small)


def test_a_row_without_an_input_keeps_its_place(reviews: throughtime.Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"Opinion": "a film"}\n\n{"Opinion": null, "n": 1e2}\n{"Opinion": "b"}\n')
    with noting() as notes:
        found = reviews.predict(tmp_path / "a.jsonl", out=tmp_path / "b.jsonl")
    assert [bool(prediction.columns) for prediction in found] == [True, False, False, True]
    lines = (tmp_path / "b.jsonl").read_text().splitlines()
    assert lines[1] == '{"Opinion": null, "n": 1e2, "predicted": null, "probability": null}'
    assert notes.left_out == {"nothing stands in column 'Opinion'": [f"{tmp_path / 'a.jsonl'}:3"]}
    (tmp_path / "a.csv").write_text('sep=;\nMood;Opinion\nbad;"a; b"\n\n;\n', encoding="utf-8")
    reviews.predict(tmp_path / "a.csv", out=tmp_path / "b.csv")
    lines = (tmp_path / "b.csv").read_text().split("\n")
    assert lines[:2] == ["sep=;", "Mood;Opinion;predicted;probability"]
    assert lines[2].startswith('bad;"a; b";')
    assert lines[3:] == ["", ";;;", ""]


BAD = {
    "a.csv": ("Text,Mood\na b,c\nb a,d\n", "expected column 'Opinion', as in training, got 'Text', 'Mood'; name the"),
    "b.csv": ("Opinion,Mood\na,b,c\n", "b.csv:2: expected 2 columns, as many as there are headings, got 3"),
    "c.csv": ("", "expected rows with inputs, got none"),
    "d.jsonl": ('{"Opinion": 3}\n', "d.jsonl:1: expected a text in column 'Opinion', got a number, '3'; mend"),
    "e.jsonl": ('{"Opinion": null}\n', "expected rows with inputs, got none but empty ones"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_and_nothing_is_written(reviews: throughtime.Run, tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as told:
        reviews.predict(tmp_path / name, out=tmp_path / "out.csv")
    assert message in str(told.value)
    assert not (tmp_path / "out.csv").exists()


def test_where_it_may_be_written(reviews: throughtime.Run, tmp_path: Path) -> None:
    path = _texts(tmp_path, None)
    for out, message in (("p.conll", r"ends in .csv, .tsv"), ("in.csv", "another file than the one that is read")):
        with pytest.raises(UserError, match=message):
            reviews.predict(path, out=tmp_path / out)
    (tmp_path / "lines.txt").write_text("a fine\tfilm\n\n", encoding="utf-8")
    assert len(reviews.predict(tmp_path / "lines.txt", out=tmp_path / "p.csv")) == 2
    assert [row[0] for row in as_rows_of(tmp_path / "p.csv")] == ["text", "a fine\tfilm", ""]
    with pytest.raises(UserError, match=r"lines.txt:1: expected cells that a table without quotes can hold"):
        reviews.predict(tmp_path / "lines.txt", out=tmp_path / "p.tsv")
    assert not (tmp_path / "p.tsv").exists()


class Frame:
    """What a frame of pandas or polars shows of itself."""

    def __init__(self, data: dict[str, list[Any]]) -> None:
        self.data, self.columns = data, list(data)

    def __getitem__(self, name: str) -> list[Any]:
        return self.data[name]


def test_the_column_of_training_is_known_again_in_memory(reviews: throughtime.Run) -> None:
    found = reviews.predict(Frame({"Mood": ["a", "b"], "Opinion": ["a fine film", float("nan")]}))
    assert found[0].columns["predicted"] in ("good", "bad")
    assert found[1].columns == {}
    assert reviews.predict({"x": ["a fine film"], "y": ["b"]}, text_column="x")[0].columns == found[0].columns
