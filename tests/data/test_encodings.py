"""Texts in other encodings: by their mark, by the user's word, or refused with the word that reads them."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.errors import UserError
from throughtime.runtime.reading.encodings import check_encoding, known_encodings, reading_as
from throughtime.runtime.reading.files import read_file
from throughtime.runtime.reading.notes import noting

TEXT = "Le garçon dîna.\nIl était déjà là…\n"


def write(folder: Path, content: bytes) -> Path:
    (folder / "a.txt").write_bytes(content)
    return folder / "a.txt"


def read(path: Path, encoding: str | None = None) -> str:
    with reading_as(encoding):
        return "".join(read_file(path))


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-32-le"])
def test_a_mark_says_how_a_file_is_read(tmp_path: Path, codec: str) -> None:
    mark = {"utf-16-be": codecs.BOM_UTF16_BE, "utf-32-le": codecs.BOM_UTF32_LE}.get(codec, b"")
    path = write(tmp_path, mark + TEXT.encode(codec))
    with noting() as notes:
        assert read(path) == read(path, "cp1252") == TEXT
    if codec != "utf-8-sig":
        assert notes.taken == [f"{path}: read as {codec[:6].upper()}, as its first bytes say"]


@pytest.mark.parametrize("codec", ["cp1252", "utf-16-le", "mac-roman", "gb18030"])
def test_the_user_says_how_a_file_is_read(tmp_path: Path, codec: str) -> None:
    assert read(write(tmp_path, TEXT.encode(codec)), codec) == TEXT


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_named(tmp_path: Path, codec: str) -> None:
    with pytest.raises(UserError, match=rf"a.txt: expected text in UTF-8, got what looks .*; pass --encoding {codec}"):
        read(write(tmp_path, "The river rose.\n".encode(codec)))


def test_what_is_utf_8_is_read_so_whatever_is_said_of_others(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT.encode())
    with noting() as notes:
        assert read(path, "cp1252") == read(path) == TEXT
    assert notes.taken == [f"{path}: read as UTF-8, which it is, not as cp1252"]


@pytest.mark.parametrize(
    ("content", "encoding", "said"),
    [
        (
            TEXT.encode("cp1252"),
            None,
            "in line 1; pass --encoding cp1252 if this is how it reads, or that of its language:",
        ),
        (b"fine\nso \x81 so\n", None, r"in line 2; pass --encoding latin-1 if"),
        (b"x" * 90 + b"\xe9" + b"y" * 90, None, "'…" + "x" * 20 + "é" + "y" * 19 + "…'"),
        (
            b"fine\n\x81\n",
            "cp1252",
            "a.txt: expected text in cp1252, got other bytes in line 2; pass another --encoding",
        ),
        (
            b"odd",
            "utf-16-le",
            "a.txt: expected text in utf-16-le, got other bytes; pass another --encoding, or mend it",
        ),
        (b"a\0b", None, "expected a text file, got a binary one"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, content: bytes, encoding: str | None, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read(write(tmp_path, content), encoding)
    assert said in str(caught.value)


@pytest.mark.parametrize(("pack", "unpack"), [(gzip, "gunzip"), (bz2, "bunzip2"), (lzma, "unxz")])
def test_a_packed_file_is_refused_with_what_unpacks_it(tmp_path: Path, pack: Any, unpack: str) -> None:
    path = write(tmp_path, pack.compress(b">one\nACGT\n"))
    for encoding in (None, "cp1252"):
        with pytest.raises(UserError, match=f"expected a text file, got a packed one; unpack it first: {unpack} "):
            read(path, encoding)


def test_what_is_offered_reads_the_file(tmp_path: Path) -> None:
    for content in (TEXT.encode("cp1252"), b"so \x81 so\n", bytes(range(1, 256))):
        path = write(tmp_path, content)
        with pytest.raises(UserError) as caught:
            read(path)
        offered = str(caught.value).partition("--encoding ")[2].split()[0]
        assert read(path, offered)


def test_inner_words_count_before_outer_ones(tmp_path: Path) -> None:
    path = write(tmp_path, "é".encode("mac-roman"))
    with reading_as("mac-roman"):
        assert read(path) == "é"
        assert read(path, "cp1252") == "\x8e".encode("latin-1").decode("cp1252")


@pytest.mark.parametrize("name", ["hex", "rot13", "base64", "nonsense", "utf-9", "", "..", "os", "unicode_escape.x"])
def test_what_is_no_encoding_of_text(name: str) -> None:
    with pytest.raises(ValueError, match="expected an encoding such as cp1252"):
        check_encoding(name)


def test_every_known_encoding_is_one() -> None:
    assert {"cp1252", "latin-1", "utf-8", "utf-16", "shift-jis", "gb18030", "koi8-r"} <= known_encodings()
    for name in known_encodings():
        codecs.lookup(check_encoding(name))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from([None, "cp1252", "latin-1"]),
)
def test_every_text_in_unicode_is_read(
    tmp_path_factory: pytest.TempPathFactory, text: str, codec: str, asked: str | None
) -> None:
    path = write(tmp_path_factory.getbasetemp(), text.encode(codec))
    assert read(path, asked) == text.removeprefix("\ufeff" if codec == "utf-8" else "")
