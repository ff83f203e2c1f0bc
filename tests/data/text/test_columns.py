"""Files of tagged sentences as people have them, and what is wrong with others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from throughtime.data.notes import noting
from throughtime.data.text.columns import TaggedSentence, read_columns, read_spans
from throughtime.data.text.vectors import read_vectors
from throughtime.errors import UserError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def into(text: str) -> Path:
        path = tmp_path / "train.conll"
        path.write_bytes(text.encode())
        return path

    return into


def pairs(sentences: list[TaggedSentence]) -> list[list[tuple[str, str]]]:
    return [list(zip(s.words, s.tags, strict=True)) for s in sentences]


def test_two_columns_with_tabs(write: Write) -> None:
    path = write("Anna\tB-per\nsmiles\tO\n\t\n\nin\tO\nRome\tB-loc")
    found = list(read_columns(path))
    assert pairs(found) == [[("Anna", "B-per"), ("smiles", "O")], [("in", "O"), ("Rome", "B-loc")]]
    assert [s.where for s in found] == [f"{path}:1", f"{path}:5"]
    assert found[1].where_is(1) == f"{path}:6"


def test_four_columns_with_spaces_and_documents(write: Write) -> None:
    text = (
        "-DOCSTART- -X- O O\n\nAnna  NNP I-NP I-PER\r\nsmiles VBZ I-VP O \n-DOCSTART- -X- O O\nRome NNP I-NP I-LOC\n\n"
    )
    found = list(read_columns(write(text)))
    assert pairs(found) == [[("Anna", "I-PER"), ("smiles", "O")], [("Rome", "I-LOC")]]
    assert [s.line for s in found] == [3, 6]


def test_documents_may_have_other_columns(write: Write) -> None:
    assert pairs(list(read_columns(write("-DOCSTART- O\n\na b c O\n")))) == [[("a", "O")]]


def test_odd_separators_of_unicode_are_words(write: Write) -> None:
    words = ["\u2028", "\x85", "\x0b", "\u00a0", "a b", "\u3000"]
    found = list(read_columns(write("".join(f"{word}\tO\n" for word in words))))
    assert [s.words for s in found] == [words]
    assert found[0].where_is(5).endswith(":6")


def test_an_empty_file_has_no_sentence(write: Write) -> None:
    assert list(read_columns(write(""))) == list(read_columns(write("\n\n  \n"))) == []


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("Anna\tO\nsmiles\n", 2, "expected at least 2 columns"),
        ("Anna\n", 1, "expected at least 2 columns"),
        ("a\tO\n\n\tO\n", 3, "the word first"),
        ("a N O\n\nb O\n", 3, "expected 3 columns as in the rows before, got 2"),
        ("a O\nb N O\n", 2, "expected 2 columns as in the rows before, got 3"),
        ("a\tNN\n", 1, "expected a tag such as O, B-person or I-person in the last column, got 'NN'"),
    ],
)
def test_bad_rows_are_named(write: Write, text: str, line: int, told: str) -> None:
    path = write(text)
    with pytest.raises(UserError) as caught:
        list(read_columns(path))
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_bytes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_bytes(b"a\tO\nZ\xfcrich\tB-loc\n")
    with pytest.raises(UserError, match=r"UTF-8, got other bytes in line 2"):
        list(read_columns(path))


TEXT = "Anna isn't in New York."


@pytest.mark.parametrize("key", ["spans", "entities", "labels", "label"])
@pytest.mark.parametrize("as_object", [False, True])
def test_spans_of_characters(write: Write, key: str, as_object: bool) -> None:
    spans = [[0, 4, "per"], [14, 22, "loc"]]
    given = [dict(zip(("start", "end", "label"), span, strict=True)) for span in spans] if as_object else spans
    path = write(json.dumps({"text": TEXT, key: given}) + "\n\n" + json.dumps({"text": "", key: []}))
    found = list(read_spans(path))
    assert found[0].words == ["Anna", "is", "n't", "in", "New", "York", "."]
    assert found[0].tags == ["B-per", "O", "O", "O", "B-loc", "I-loc", "O"]
    assert (found[1].words, found[1].where, found[1].where_is(9)) == ([], f"{path}:3", f"{path}:3")


@pytest.mark.parametrize(
    ("spans", "tags"),
    [
        ([[1, 3, "per"]], "B-per O O O O O O"),  # part of a word: the whole
        ([[4, 7, "x"]], "O B-x O O O O O"),  # spaces around do not count
        ([[16, 19, "loc"]], "O O O O B-loc I-loc O"),  # parts of two words: both
        ([[14, 17, "a"], [14, 22, "b"]], "O O O O B-b I-b O"),  # the longest stays
        ([[14, 17, "a"], [18, 22, "b"]], "O O O O B-a B-b O"),
        ([[1, 2, "a"], [2, 3, "b"]], "B-a O O O O O O"),  # of two equally long ones the first
    ],
)
def test_spans_widen_to_words(write: Write, spans: list[list[object]], tags: str) -> None:
    (found,) = read_spans(write(json.dumps({"text": TEXT, "spans": spans})))
    assert found.tags == tags.split()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "expected JSON, which this is not"),
        ("[1]", 'expected an object with a "text"'),
        ('{"text": 3, "spans": []}', 'expected an object with a "text"'),
        ('{"text": "a"}', "expected a list of spans under one of"),
        ('{"text": "a", "spans": {}}', "expected a list of spans under one of"),
        ('{"text": "ab", "spans": [[0, 3, "x"]]}', "of a text of 2"),
        ('{"text": "ab", "spans": [[1, 1, "x"]]}', "expected a span"),
        ('{"text": "ab", "spans": [[-1, 1, "x"]]}', "expected a span"),
        ('{"text": "ab", "spans": [[0, 1, ""]]}', "expected a span"),
        ('{"text": "ab", "spans": [[0, 1]]}', "expected a span"),
        ('{"text": "ab", "spans": [[0, 1.5, "x"]]}', "expected a span"),
        ('{"text": "ab", "spans": [7]}', "expected a span"),
        ('{"text": "a  b", "spans": [[1, 3, "x"]]}', "around some word"),
    ],
)
def test_bad_lines_are_named(write: Write, line: str, told: str) -> None:
    path = write('{"text": "fine", "spans": []}\n' + line + "\n")
    with pytest.raises(UserError) as caught:
        list(read_spans(path))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("head", ["", "3 2\n"])
def test_vectors_with_and_without_a_header(write: Write, head: str) -> None:
    found = read_vectors(write(head + "the 1 2\n. . 0.5 -1e-3\nthe 7 7\n"))
    assert found.size == 2
    assert {word: vector.tolist() for word, vector in found.vectors.items()} == (
        {"the": [1.0, 2.0], ". .": [0.5, pytest.approx(-1e-3)]}
    )
    assert list(read_vectors(write(head + "a 1 2\nb 1 2 \n"), lambda word: word == "b").vectors) == ["b"]
    assert list(read_vectors(write(head + "a 1 2\nb 1 2"), lambda word: False, 1 + bool(head)).vectors) == ["a"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected vectors, a word and its numbers a line, got an empty file"),
        ("a 1 2\nb 1\n", ":2: expected a word and 2 numbers, got 'b 1'"),
        ("a 1 2\nb 1 x\n", ":2: expected 2 numbers after 'b'"),
        ("alone\n", ":1: expected a word and some numbers, got 'alone'"),
    ],
)
def test_bad_vectors_are_named(write: Write, text: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        read_vectors(write(text))
    assert told in str(caught.value)


def test_what_an_annotator_did_not_accept_is_left_out(tmp_path: Path) -> None:
    rows = [
        {"text": f"{answer} Ann", "spans": [], "answer": answer} for answer in ("accept", "reject", "ignore", "why")
    ]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with noting() as notes:
        assert [found.words[0] for found in read_spans(tmp_path / "a.jsonl")] == ["accept", "why"]
    assert notes.left_out == {
        "the answer is reject": [f"{tmp_path / 'a.jsonl'}:2"],
        "the answer is ignore": [f"{tmp_path / 'a.jsonl'}:3"],
    }
