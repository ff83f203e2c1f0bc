"""Sequences of DNA from memory, and what is told of them: as of those in files."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from throughtime.applications.prediction import COMMON
from throughtime.errors import UserError
from throughtime.runtime.dna.regions import CodingRegion, Region
from throughtime.tasks.dna.examples import DnaExample, DnaSettings
from throughtime.tasks.dna.predictions import RegionsPrediction, SequencePrediction, track
from throughtime.tasks.dna.task import Dna

ROWS = [("ACGTAC", "a donor site"), ("GT", "no site, but a long name"), ("nnaR", "a donor site")]


class Column:
    """As much of a frame's column as is used."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __iter__(self) -> Any:
        return iter(self.values)


class Frame:
    """As much of a frame as is used."""

    def __init__(self, **columns: list[Any]) -> None:
        self.given, self.columns = columns, list(columns)

    def __getitem__(self, name: str) -> Column:
        return Column(self.given[name])


def read(data: Any, folder: Path, **options: Any) -> list[DnaExample]:
    return list(Dna.read(Dna.spill(data, folder), DnaSettings(**options)))


MISSING = float("nan")
LETTERS, LABELS = [row[0] for row in ROWS], [row[1] for row in ROWS]


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        [list(row) for row in ROWS],
        (LETTERS, LABELS),
        (np.array(LETTERS), np.array(LABELS)),
        {"letters": LETTERS, "label": LABELS},
        [{"letters": one, "label": label} for one, label in ROWS],
        Frame(label=LABELS, letters=LETTERS),
        Frame(text=LETTERS, **{"class": LABELS}),
    ],
)
def test_sequences_in_memory_are_those_of_a_file(tmp_path: Path, data: Any) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabel\n" + "".join(f"{one}\t{label}\n" for one, label in ROWS))
    wanted = list(Dna.read([tmp_path / "a.tsv"], DnaSettings()))
    found = read(data, tmp_path)
    assert [(one.letters, one.label) for one in found] == [(one.letters, one.label) for one in wanted]
    assert [one.letters for one in found] == ["ACGTAC", "GT", "NNAR"]
    assert found[1].where == f"{tmp_path / 'sequences.jsonl'}:2"


def test_columns_are_found_as_in_tables(tmp_path: Path) -> None:
    data = Frame(number=[7, 8], dna=["ACGT", "GGCC"], kind=["x", "y"], text=["A", "C"])
    found = read(data, tmp_path, text_column="dna", label_column="kind")
    assert [(one.letters, one.label) for one in found] == [("ACGT", "x"), ("GGCC", "y")]
    found = read(data, tmp_path, text_column="text", label_column="1")
    assert [(one.letters, one.label) for one in found] == [("A", "7"), ("C", "8")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([("ACGT", "x"), ("ACJT", "y")], "sequences.jsonl:2: expected letters of DNA"),
        ([("ACGT", "x"), ("", "y")], "sequences.jsonl:2: expected letters, got none"),
        (Frame(letters=["ACGT", MISSING], label=["x", "y"]), "sequences.jsonl:2: expected a value in column 'text'"),
        (Frame(letters=["ACGT", "AC"], label=["x", MISSING]), "sequences.jsonl:2: expected a value in column 'label'"),
        (Frame(letters=["ACGT", "AC"], label=[None, MISSING]), "sequences.jsonl:1: expected a value in column 'label'"),
        ([("ACGT", "x", [(1, 2)])], "example 1: expected (letters, label)"),
        (["ACGT", 3], "example 1: expected (letters, label), got 'ACGT'"),
        (3, "expected paths, a frame, or rows of (letters, label), got 3"),
    ],
)
def test_what_is_no_sequence_is_named(tmp_path: Path, data: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        read(data, tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def model(learnt: dict[str, Any]) -> tuple[Dna, Any]:
    torch.manual_seed(0)
    application = Dna(DnaSettings(hidden=4, layers=1, embedding=4), learnt)
    return application, application.build().eval()


CLASSES = {"learnt": "classes", "labels": ["x", "y"], "places": 0}
REGIONS = {"learnt": "regions", "shortest": 60}


@torch.no_grad()
@pytest.mark.parametrize("learnt", [CLASSES, REGIONS])
def test_letters_and_files_are_told_as_lines_and_files_are(tmp_path: Path, learnt: dict[str, Any]) -> None:
    (tmp_path / "a.fa").write_text(">one\nACGTACGT\n>two\nGGCC\n")
    application, built = model(learnt)
    options = application.predicting()
    lines = application.predict(built, ["ACGTTT", "", "GT"], options)
    files = list(application.predict_file(built, tmp_path / "a.fa", options))
    assert [one.data["name"] for one in files] == ["one", "two"]
    found = application.predict_items(built, ["ACGTTT", "", "GT", tmp_path / "a.fa", str(tmp_path / "a.fa")], options)
    for one, other in zip(found, [*lines, *files, *files], strict=True):
        assert list(one.data) == list(other.data)
        if learnt is CLASSES:  # those read side by side may differ in their last bits
            assert one.data["probabilities"] == pytest.approx(other.data["probabilities"], abs=1e-6)
        assert one.data["name"] == other.data["name"]
        assert {field.name for field in fields(one)} - COMMON == set(one.data)
    with pytest.raises(UserError, match="input 2: expected letters of DNA, or a path, got 3"):
        application.predict_items(built, ["ACGT", 3], options)
    with pytest.raises(UserError, match="line 2: expected letters of DNA"):
        application.predict_items(built, ["ACGT", "ACJT"], options)
    with pytest.raises(UserError, match=r"line 1: expected letters of DNA .*, got '\.'"):
        application.predict(built, ["a.fa"], options)


@torch.no_grad()
def test_the_regions_of_a_record_have_names_and_types(tmp_path: Path) -> None:
    application, built = model(REGIONS)
    out = tmp_path / "all.bed"
    application.predict_items(built, ["ACGT" * 30, "GGCC" * 30], application.predicting(out=out))
    assert {line.split("\t")[0] for line in out.read_text().splitlines()} <= {"line1", "line2"}
    assert CodingRegion.of(Region(4, 10, -1, 2, 0.98761)) == CodingRegion(5, 10, "-", 1, 0.9876)
    found = RegionsPrediction(
        application.predict_items(built, ["ACGT"], application.predicting())[0].shown,
        name="<b>",
        bases=10,
        coding=0.6,
        regions=[CodingRegion.of(Region(4, 10, -1, 2, 0.5))],
    )
    assert found.data == {
        "name": "<b>",
        "bases": 10,
        "coding": 0.6,
        "regions": [{"begin": 5, "end": 10, "strand": "-", "phase": 1, "score": 0.5}],
    }
    assert 'd="M400 20h600v14h-600z"' in found._repr_html_()


def test_a_track_shows_both_strands_and_regions_of_any_length() -> None:
    found = track(1_000_000, [CodingRegion(1, 500_000, "+", 0, 1.0), CodingRegion(900_001, 900_010, "-", 0, 1.0)])
    plus, minus = found.index("M0 6h500v14h-500z"), found.index("M900 20h1v14h-1z")
    assert 0 < plus < minus
    assert track(0, []).count("<path") == 1


def test_a_notebook_shows_labels_that_act_on_nothing() -> None:
    from rich.text import Text

    found = SequencePrediction(Text("<i>"), name="<i>", label="<i>", probabilities={"<i>": 0.75, "b\x1b[0m": 0.25})
    page = found._repr_html_()
    assert "<i>" not in page
    assert "\x1b" not in page
    assert "width: 75.0%" in page
