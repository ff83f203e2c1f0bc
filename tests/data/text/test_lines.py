"""Lines end where people end them, in files, in memory and between the pieces of a long one."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from throughtime.cli.shared.common import read_lines
from throughtime.data.text.aligned import read_aligned
from throughtime.runtime.reading import files
from throughtime.runtime.reading.files import file_lines, read_file
from throughtime.runtime.text.language import lines_of

quick = settings(deadline=None, derandomize=True, max_examples=60)
signs = st.text("a b\t\r\n\x0b\x0c\x85\u2028\u2029é", max_size=30)


def by_definition(text: str) -> list[str]:
    if "\n" not in text:
        return text.split("\r")
    return [line.removesuffix("\r") for line in text.split("\n")[:-1]] + [text.split("\n")[-1]]


@quick
@given(signs)
@example("a\r\nb\rc\n")
@example("a\r")
def test_a_line_ends_at_a_line_break_alone(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(text.encode())
    expected = by_definition(text)
    assert lines_of(text) == expected
    assert [line.removesuffix("\n") for line in file_lines(path)] == expected[: -1 if expected[-1] == "" else None]
    assert read_lines(str(path)) == expected


@quick
@given(signs, st.integers(3, 9))
@example("aaaa\r\nb\n", 5)
def test_pieces_of_a_long_line_are_the_line(text: str, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PIECE", piece)
        newline = "\n" if "\n" in text else None
        with io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", newline=newline) as wrapped:
            pieces = list(files.pieces_of(wrapped))
    assert "".join(pieces) == "\n".join(by_definition(text))
    assert max(map(len, pieces), default=0) <= piece


def test_a_long_line_is_cut_between_words(tmp_path: Path) -> None:
    text = "the rain went on " * (files.PIECE // 5)
    (tmp_path / "a.txt").write_text(text)
    pieces = list(read_file(tmp_path / "a.txt"))
    assert "".join(pieces) == text
    assert len(pieces) > 2
    assert [word for piece in pieces for word in piece.split()] == text.split()


def test_a_carriage_return_inside_a_line_shifts_no_translation(tmp_path: Path) -> None:
    (tmp_path / "train.en").write_bytes(b"one\ntwo\rhalves\nthree\n")
    (tmp_path / "train.de").write_bytes(b"eins\r\nzwei\r\ndrei\r\n")
    found = read_aligned([tmp_path / "train.de", tmp_path / "train.en"], "de", "en")
    assert [(pair.source, pair.target) for pair in found] == [
        ("eins", "one"),
        ("zwei", "two\rhalves"),
        ("drei", "three"),
    ]


def test_standard_input_has_the_lines_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\rb\r\nc"), encoding="utf-8", newline="\n"))
    assert read_lines("-") == ["a\rb", "c"]
