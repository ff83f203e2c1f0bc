"""Sequences with labels, in every format."""

from __future__ import annotations

from pathlib import Path

import pytest

from throughtime.data.dna.bases import decode
from throughtime.data.dna.sequences import read_sequences
from throughtime.errors import UserError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.data", "EI,   one,    ACGN\nN, two,AC\n"),
        ("a.fa", ">one EI\nAC\nGN\n>two N\nAC\n"),
        ("a.fasta", ">one|EI\nACGN\n>two|N\nAC\n"),
        ("a.csv", "label,sequence\nEI,ACGN\nN,AC\n"),
        ("a.tsv", "sequence\tclass\nACGN\tEI\nAC\tN\n"),
        ("a.jsonl", '{"label": "EI", "sequence": "acgn"}\n{"label": "N", "sequence": "AC"}\n'),
    ],
)
def test_every_format_says_the_same(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    found = list(read_sequences(tmp_path / name))
    assert [(decode(one.codes), one.label) for one in found] == [("ACGN", "EI"), ("AC", "N")]
    if name in ("a.data", "a.fa", "a.fasta"):
        assert [one.name for one in found] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.data", "EI, one\n", "a.data:1: expected a row 'class, name, letters'"),
        ("a.data", "EI, one, ACGT\nN, two, AXZ\n", "a.data:2: expected letters of DNA"),
        ("a.fa", ">one of many words\nACGT\n", "record one: expected a label"),
        ("a.fa", ">one\nACGT\n", "or the coding regions of the file in one of a.gff3"),
        ("a.csv", "label,sequence\nEI,ACGT\nEI, \n", "a.csv:3: expected letters, got none"),
        ("a.xyz", "", "expected a file that ends in"),
    ],
)
def test_bad_rows_are_told_with_their_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as error:
        list(read_sequences(tmp_path / name))
    assert said in str(error.value)
