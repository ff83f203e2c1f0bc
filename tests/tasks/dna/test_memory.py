"""Sequences in memory are read as from a file; a prediction has named fields, and shows itself."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from throughtime.tasks.dna.examples import DnaSettings
from throughtime.tasks.dna.regions import CodingRegion, RegionsPrediction
from throughtime.tasks.dna.task import Dna


def test_sequences_with_their_labels(tmp_path: Path) -> None:
    data = [("ACGTACGT", "good"), ("TTTTAAAA", "bad")]
    for number, form in enumerate((data, tuple(map(list, zip(*data, strict=True))))):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = list(Dna.read(Dna.spill(form, folder), DnaSettings()))
        assert [(example.letters, example.label) for example in found] == data


def test_regions_are_told_and_drawn() -> None:
    regions = [CodingRegion(1, 300, "+", 0, 0.9), CodingRegion(500, 800, "-", 1, 0.5)]
    found = RegionsPrediction(Text("a <b>: 1,000 bases\n…"), name="a", bases=1000, coding=0.6, regions=regions)
    assert found.data == {
        "name": "a",
        "bases": 1000,
        "coding": 0.6,
        "regions": [
            {"begin": 1, "end": 300, "strand": "+", "phase": 0, "score": 0.9},
            {"begin": 500, "end": 800, "strand": "-", "phase": 1, "score": 0.5},
        ],
    }
    html = found._repr_html_()
    assert html.count("<rect") == 2
    assert "a &lt;b&gt;: 1,000 bases</p>" in html
    assert 'x="400.0" y="24"' in html
