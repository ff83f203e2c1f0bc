"""Texts with labels, out of the files that people have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from throughtime.data.text.labelled import is_labelled, read_labelled
from throughtime.errors import UserError


def read(path: Path, *columns: str | None) -> list[tuple[str, str, str]]:
    return [(e.text, e.label, e.where.removeprefix(f"{path.parent}/")) for e in read_labelled(path, *columns)]


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_columns_by_their_usual_names(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id,Label,Review\n1,good,so kind\n2,bad,too cold\n")
    assert read(path) == [("so kind", "good", "a.csv:2"), ("too cold", "bad", "a.csv:3")]


def test_columns_named_or_numbered_by_the_user(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text,label,title,mood\nx,1,hello,up\ny,2,bye,down\n")
    assert read(path, "title", "mood") == [("hello", "up", "a.csv:2"), ("bye", "down", "a.csv:3")]
    assert read(path, "1", "4") == [("x", "up", "a.csv:2"), ("y", "down", "a.csv:3")]


def test_columns_without_names_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "7\tpos\tsuch a fine day\n8\tneg\tno sun at all\n9\tpos\twarm and bright\n")
    assert [(text, label) for text, label, _ in read(path)] == [
        ("such a fine day", "pos"),
        ("no sun at all", "neg"),
        ("warm and bright", "pos"),
    ]


def test_quotes_hold_separators_and_line_breaks_in_csv_and_are_letters_in_tsv(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'text,label\n"one, ""two""\nthree",x\nfour,y\n')
    assert read(path) == [('one, "two"\nthree', "x", "a.csv:3"), ("four", "y", "a.csv:4")]
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"so\tx\nit" is\ty\n')
    assert read(path) == [('"so', "x", "a.tsv:2"), ('it" is', "y", "a.tsv:3")]


def test_semicolons_of_other_countries(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text;label\ngut, sehr gut;1\nschlecht;0\n")
    assert [row[:2] for row in read(path)] == [("gut, sehr gut", "1"), ("schlecht", "0")]


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"text": "naïve", "label": 1}, {"text": "", "label": True, "more": None}]
    path = write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")
    assert read(path) == [("naïve", "1", "a.jsonl:1"), ("", "true", "a.jsonl:2")]


def test_a_folder_for_every_class(tmp_path: Path) -> None:
    for name, text in {"pos/1.txt": "fine", "neg/1.txt": "not\nfine\n", "neg/2.txt": "poor"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert is_labelled(tmp_path)
    found = [(e.text, e.label) for e in read_labelled(tmp_path)]
    assert found == [("not\nfine", "neg"), ("poor", "neg"), ("fine", "pos")]


def test_folders_named_after_parts_are_no_classes(tmp_path: Path) -> None:
    for name in ("train/a.txt", "test/a.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    assert not is_labelled(tmp_path)


def test_a_text_longer_than_any_buffer(tmp_path: Path) -> None:
    long = "word " * 60_000
    path = write(tmp_path, "a.csv", f'text,label\n"{long}",x\nshort,y\n')
    assert [(text, label) for text, label, _ in read(path)] == [(long, "x"), ("short", "y")]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "text,label\nfine,1\nno label\n", "a.csv:3: expected 2 columns, got 1"),
        ("a.csv", "text,label\nfine,1\npoor,\n", "a.csv:3: expected a value in column 'label', got none"),
        ("a.csv", 'text,label\n"never closed,1\n', "a.csv:2: expected a row of a table, got a broken one"),
        ("a.csv", "text\nfine\n", "expected two columns, got one, 'text'"),
        ("a.jsonl", '{"text": "a", "label": 1}\nnot json\n', "a.jsonl:2: expected JSON, which this is not"),
        ("a.jsonl", "[1]\n", "a.jsonl:1: expected a JSON object, got a list"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"label": 2}\n', "a.jsonl:2: expected a value in column 'text'"),
        ("a.docx", "x", "expected a table (.csv, .tsv, .tab, .jsonl, .ndjson), a folder of .txt files for every class"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, name: str, text: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        read(write(tmp_path, name, text))
    assert expected in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,label\ncaf\xe9,1\n")
    with pytest.raises(UserError, match=r"a.csv: expected text in UTF-8, got other bytes in line 2"):
        read(tmp_path / "a.csv")


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "words,mood\nx,1\ny,2\n")
    with pytest.raises(UserError, match=r"--label-column: .* has no column 'moood' \(did you mean 'mood'\?\); columns"):
        read(path, "words", "moood")
