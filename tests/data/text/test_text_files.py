"""Texts are read as they stand: every character once, whatever the file's line ends, size or place."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from throughtime.data.text.files import BUILT_IN, END, FileTexts, open_texts
from throughtime.errors import UserError
from throughtime.runtime.reading.files import PIECE, read_file


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path) -> str:
    """What the user reads when this path cannot be used: always one line that names the path."""
    with pytest.raises(UserError) as caught:
        list(open_texts([path]).read())
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


def test_a_file_is_one_text_a_line_a_piece(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "Rain fell.\n\n  It stopped.")
    assert list(open_texts([path]).read()) == ["Rain fell.\n", "\n", "  It stopped.", END]


def test_texts_can_be_read_again(tmp_path: Path) -> None:
    texts = open_texts([write(tmp_path / "a.txt", "once\nmore\n")])
    assert list(texts.read()) == list(texts.read()) == ["once\n", "more\n", END]


def test_a_folder_is_searched_at_any_depth_in_sorted_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/deep/er/m.txt", "c.txt"):
        write(tmp_path / name, name)
    write(tmp_path / "notes.md", "not a text file")
    (tmp_path / "folder.txt").mkdir()
    read = [piece for piece in open_texts([tmp_path]).read() if piece is not END]
    assert read == ["a/deep/er/m.txt", "a/z.txt", "b.txt", "c.txt"]


def test_paths_keep_their_order_and_any_file_can_be_named(tmp_path: Path) -> None:
    second = write(tmp_path / "log", "first named")
    first = write(tmp_path / "many" / "x.txt", "then the folder")
    assert list(open_texts([second, first.parent]).read()) == ["first named", END, "then the folder", END]


def test_a_folder_without_text(tmp_path: Path) -> None:
    write(tmp_path / "page.html", "<p>")
    assert "expected a folder with .txt files" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (b"\xef\xbb\xbfmark\nno mark\n", ["mark\n", "no mark\n", END]),
        (b"one\r\ntwo\r\n", ["one\n", "two\n", END]),
        (b"one\rtwo", ["one\n", "two", END]),
        (b"one\r\n\rtwo\n", ["one\n", "\rtwo\n", END]),
        (b"one\rtwo\r\r", ["one\n", "two\n", "\n", END]),
        ("é 日本 🌧\n".encode(), ["é 日本 🌧\n", END]),
        # Only line breaks end a line; a form feed or a line separator is a character of it.
        ("a\x0cb\u2028c\x85d".encode(), ["a\x0cb\u2028c\x85d", END]),
    ],
    ids=["byte order mark", "CRLF", "CR", "mixed", "CR alone", "UTF-8", "separators"],
)
def test_line_ends_and_marks(tmp_path: Path, stored: bytes, expected: list[str | None]) -> None:
    assert list(open_texts([write(tmp_path / "a.txt", stored)]).read()) == expected


def test_an_empty_file_is_no_text(tmp_path: Path) -> None:
    for name, content in (("1.txt", "a\n"), ("2.txt", ""), ("3.txt", b"\xef\xbb\xbf"), ("4.txt", "b")):
        write(tmp_path / name, content)
    assert list(open_texts([tmp_path]).read()) == ["a\n", END, "b", END]
    assert list(open_texts([tmp_path / "2.txt"]).read()) == []


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 17])
def test_a_file_without_a_line_break_comes_in_bounded_pieces(tmp_path: Path, size: int) -> None:
    text = ("aé日🌧" * (size // 4 + 1))[:size]
    *pieces, end = open_texts([write(tmp_path / "a.txt", text)]).read()
    assert "".join(piece or "" for piece in pieces) == text
    assert END not in pieces
    assert end is END
    assert max(len(piece or "") for piece in pieces) <= PIECE


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "weather.txt", "rain")
    assert refusal(tmp_path / "wether.txt").endswith("no such file or folder (did you mean 'weather.txt'?)")
    assert refusal(tmp_path / "zzz").endswith("no such file or folder")
    assert refusal(tmp_path / "no" / "such" / "place.txt").endswith("no such file or folder")


def test_a_sentence_in_the_place_of_a_path() -> None:
    # Longer than any file system's names: the operating system has another word for it than "missing".
    refusal(Path("the rain went on " * 40))


@pytest.mark.parametrize("at", [0, 5000, 8191])
def test_a_binary_file(tmp_path: Path, at: int) -> None:
    path = write(tmp_path / "a.txt", b"x" * at + b"\0" + b"x" * 9000)
    assert "expected a text file, got a binary one" in refusal(path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("broken", [1, 2, 700, 5000])
def test_latin_1_is_named_with_its_line(tmp_path: Path, broken: int, line_end: str) -> None:
    lines = ["plain line"] * 5000
    lines[broken - 1] = "déjà"
    lines[4999] = "déjà"  # only the first one counts
    path = write(tmp_path / "a.txt", line_end.join(lines).encode("latin-1"))
    message = refusal(path)
    assert f"got other bytes in line {broken};" in message
    assert message.endswith("; pass --encoding cp1252 if this is how it reads, or that of its language: 'déjà'")


def test_a_character_cut_at_the_end_of_the_file(tmp_path: Path) -> None:
    assert "in line 2;" in refusal(write(tmp_path / "a.txt", b"fine\ncut \xe6\x97"))


def test_a_file_that_vanished_after_it_was_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "here")
    texts = FileTexts([path])
    path.unlink()
    with pytest.raises(UserError, match=r"expected the file .*a\.txt, which does not exist"):
        list(texts.read())


def test_reading_is_lazy(tmp_path: Path) -> None:
    # The broken byte lies far behind: whoever reads only the head never meets it.
    path = write(tmp_path / "a.txt", b"head\n" + b"body\n" * 100_000 + b"\xff")
    assert next(read_file(path)) == "head\n"


def test_the_manual_has_every_topic_and_every_character() -> None:
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    pieces = list(open_texts([BUILT_IN]).read())
    whole = "".join("\0" if piece is END else piece for piece in pieces)
    assert whole == "".join(f"{topics[name]}\0" for name in sorted(topics))
    assert len(whole) > 400_000


@pytest.mark.parametrize("names", [["builtin:python-manul"], [BUILT_IN, "a.txt"], ["builtin:"]])
def test_another_built_in_text(names: list[str]) -> None:
    with pytest.raises(UserError, match=f"expected files, folders, or {BUILT_IN}, got {' '.join(names)}") as caught:
        open_texts(names)
    assert "stands alone" in str(caught.value)
