"""Lines, and the division of a text into a part to train on and a part held out: nothing is lost, nothing twice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.applications.text_model import TextSettings
from throughtime.data.text.corpus import Split, encode_to_file, parts
from throughtime.data.text.files import (
    END,
    Pieces,
    Texts,
    line_ends,
    lines,
    open_texts,
    place_cut,
    split_at,
    split_lines,
)
from throughtime.data.text.tokenizer import Tokenizer

quick = settings(deadline=None, derandomize=True, max_examples=80)

documents_of = st.lists(st.text(alphabet="ab \n", min_size=1, max_size=20), max_size=6)
"""Texts as files hold them: none is empty, any may lack the last line break, or be nothing but breaks."""


def pieces_of(documents: Iterable[str], most: int) -> Pieces:
    """As a reader gives them: a piece ends at a line's end or at ``most`` characters."""
    for document in documents:
        for line in document.splitlines(keepends=True):
            yield from (line[i : i + most] for i in range(0, len(line), most))
        yield END


def flat(pieces: Iterable[str | None]) -> str:
    """Pieces as one string, ends marked."""
    return "".join("\0" if piece is END else piece for piece in pieces)


@quick
@given(documents_of, st.integers(1, 9))
def test_every_line_is_a_text_of_its_own(documents: list[str], most: int) -> None:
    expected = [line.strip() for document in documents for line in document.split("\n") if line.strip()]
    assert list(lines(pieces_of(documents, most))) == [part for line in expected for part in (line, END)]


@quick
@given(documents_of, st.integers(1, 9), st.integers(2, 5))
def test_every_nth_line_is_held_out(documents: list[str], most: int, every: int) -> None:
    whole = [line for line in lines(pieces_of(documents, most)) if line is not END]
    train, held = (list(split_lines(pieces_of(documents, most), every, part)) for part in (False, True))
    assert held == [part for line in whole[every - 1 :: every] for part in (line, END)]
    kept = [line for number, line in enumerate(whole, 1) if number % every]
    assert train == [part for line in kept for part in (line, END)]


@quick
@given(documents_of, st.integers(1, 9), st.integers(-1, 130))
def test_the_two_parts_are_the_whole(documents: list[str], most: int, cut: int) -> None:
    train, held = (list(split_at(pieces_of(documents, most), cut, part)) for part in (False, True))
    # Ends are characters here: each must stand in one part, behind the last character of its text.
    assert flat(train) + flat(held) == flat(pieces_of(documents, most))
    assert "" not in train
    assert "" not in held


@quick
@given(documents_of, st.integers(1, 9), st.integers(0, 130))
def test_the_cut_stands_at_its_character(documents: list[str], most: int, cut: int) -> None:
    train, held = (flat(split_at(pieces_of(documents, most), cut, part)) for part in (False, True))
    size = len("".join(documents))
    assert len(train.replace("\0", "")) == min(cut, size)
    # A text that is read to its last character is read to its end.
    assert not held.startswith("\0")


@quick
@given(documents_of, st.integers(0, 130))
def test_the_cut_moves_to_the_end_of_its_line_or_else_of_its_word(documents: list[str], cut: int) -> None:
    whole = "".join(documents)
    placed = place_cut(pieces_of(documents, 1000), cut, len(whole))
    ends, seen = [0], 0
    for line in (line for document in documents for line in document.splitlines(keepends=True)):
        seen += len(line)
        ends.append(seen)
    if cut >= seen or cut in ends:
        assert placed == cut
        return
    end = min(end for end in ends if end >= cut)
    spaces = [at for at in range(cut, end) if whole[at].isspace()]
    left = [at for at in (end, *spaces[:1], cut) if seen - at >= (seen - cut) / 2]
    assert placed == left[0]


@pytest.mark.parametrize("unit", ["words", "tokens", "bytepairs"])
def test_a_text_of_one_line_is_cut_between_words(tmp_path: Path, unit: str) -> None:
    (tmp_path / "one.txt").write_text("the rain went on and on " * 50)
    split = TextSettings(unit=unit).split
    train, held = parts(open_texts([tmp_path / "one.txt"]), None, split)
    begun, rest = flat(train or ()).replace("\0", ""), flat(held or ()).replace("\0", "")
    assert begun + rest == "the rain went on and on " * 50
    assert 100 < len(rest) < 130
    assert begun[-1] == " " or rest[0] == " "


def test_lines_that_end_in_eos_are_counted_as_the_literature_counts_them(tmp_path: Path) -> None:
    text = " no it was n't black monday \n but while the N <unk> did n't fall apart \n\n mr. <unk>'s $ N \n"
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "b.txt").write_text("without an end")
    pieces = list(parts(open_texts([tmp_path]), None, Split(False, 0.0, True, line_ends=True))[0])
    tokenizer = Tokenizer.train([piece for piece in pieces if piece is not END], "tokens")
    words = [*text.split(), *"without an end".split()]  # noqa: SIM905
    assert len(tokenizer) == len({*words, "<unk>", "<eos>"})
    found = encode_to_file(pieces, tokenizer, tmp_path / "ids", True)
    assert (found.tokens, found.unknown) == (len(words) + 5, 1)
    assert found.characters == len(text) + len("without an end") + 1
    ids = found.ids(len(tokenizer)).tolist()
    assert "".join(tokenizer.stream(ids, line_ends=True)).split("\n")[:3] == [
        " ".join(line.split()) for line in text.split("\n")[:3]
    ]


@quick
@given(st.lists(st.text(st.sampled_from("ab \n\t\u2028"), max_size=12), min_size=1, max_size=3), st.integers(1, 9))
def test_every_line_ends_in_one_eos(documents: list[str], most: int) -> None:
    documents = [document for document in documents if document]
    found = flat(line_ends(pieces_of(documents, most)))
    assert found == "".join(document.removesuffix("\n").replace("\n", "\0") + "\0" for document in documents)


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    (tmp_path / "1.txt").write_text("".join(f"line {n}\n" for n in range(10, 20)))
    (tmp_path / "2.txt").write_text("".join(f"more {n}\n" for n in range(10, 20)))
    return open_texts([tmp_path])


def test_the_last_share_of_running_text_is_held_out(texts: Texts) -> None:
    train, held = parts(texts, None, Split(sentences=False, held_out=0.25, whole_lines=False))
    assert train is not None
    assert held is not None
    begun, rest = flat(train), flat(held)
    assert begun + rest == flat(texts.read())
    assert len(rest.replace("\0", "")) == 40  # of 160
    assert rest == "".join(f"more {n}\n" for n in range(15, 20)) + "\0"


def test_every_fourth_sentence_is_held_out(texts: Texts) -> None:
    train, held = parts(texts, None, Split(sentences=True, held_out=0.25, whole_lines=True))
    assert flat(held or ()) == "line 13\0line 17\0more 11\0more 15\0more 19\0"
    assert flat(train or ()).count("\0") == 15


@pytest.mark.parametrize("sentences", [True, False])
def test_a_text_named_for_validation_leaves_the_other_whole(texts: Texts, tmp_path: Path, sentences: bool) -> None:
    path = tmp_path / "valid"
    path.write_text("apart\n")
    train, held = parts(texts, open_texts([path]), Split(sentences, held_out=0.25, whole_lines=False))
    whole = lines(texts.read()) if sentences else texts.read()
    assert flat(train or ()) == flat(whole)
    assert flat(held or ()) == ("apart\0" if sentences else "apart\n\0")


def test_nothing_held_out(texts: Texts) -> None:
    train, held = parts(texts, None, Split(sentences=False, held_out=0.0, whole_lines=False))
    assert flat(train or ()) == flat(texts.read())
    assert held is None
