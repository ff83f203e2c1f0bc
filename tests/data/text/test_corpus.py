"""Files of token ids: what is in them is what encoding in memory gives, and the counts are those of the text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from throughtime.data.text.corpus import TokenFile, encode_to_file, learn_tokenizer
from throughtime.data.text.files import END, Pieces, lines, open_texts
from throughtime.data.text.tokenizer import Tokenizer, Unit
from throughtime.errors import UserError
from throughtime.runtime.reading.files import PIECE

# The folder is the same for every example: each writes its file anew.
quick = settings(
    deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def pieces_of(documents: list[str]) -> Pieces:
    for document in documents:
        yield from document.splitlines(keepends=True)
        yield END


@pytest.mark.parametrize("unit", ["characters", "words", "bytepairs"])
def test_a_file_holds_what_encoding_in_memory_gives(unit: Unit, tmp_path: Path) -> None:
    tokenizer = Tokenizer.train(["the oak and the elm, an oak\n"], unit)

    @quick
    @given(st.lists(st.text(alphabet="theoaklmdn ,x\né", min_size=1, max_size=15), max_size=5))
    def holds(documents: list[str]) -> None:
        file = encode_to_file(pieces_of(documents), tokenizer, tmp_path / "t.ids", each_line=False)
        expected: list[int] = []
        for document in documents:
            for line in document.splitlines(keepends=True):
                expected += tokenizer.encode(line)
            expected.append(tokenizer.eos)
        assert file.ids(1 << 20).tolist() == expected
        assert file.tokens == len(expected)
        assert file.characters == len("".join(documents))
        assert file.unknown == expected.count(tokenizer.unk)
        # EOS ends a text, whatever the text holds.
        assert expected.count(tokenizer.eos) == len(documents)

    holds()


def test_a_sentence_counts_its_line_break(tmp_path: Path) -> None:
    text = "one oak\ntwo elms\n"
    tokenizer = Tokenizer.train([text], "words")
    file = encode_to_file(lines([text[:8], text[8:], END]), tokenizer, tmp_path / "t.ids", each_line=True)
    one, oak, two, elms = (tokenizer.encode(word)[0] for word in ("one", "oak", "two", "elms"))
    assert file.ids(1 << 20).tolist() == [one, oak, tokenizer.eos, two, elms, tokenizer.eos]
    assert file.characters == len(text)


@pytest.mark.parametrize(("words", "wide"), [((1 << 16) - 2, False), ((1 << 16) - 1, True)])
def test_ids_are_16_bit_while_the_vocabulary_allows(words: int, wide: bool, tmp_path: Path) -> None:
    text = " ".join(f"w{n}" for n in range(words))
    tokenizer = Tokenizer.train([text], "words")
    assert len(tokenizer) == words + 2
    file = encode_to_file([text, END], tokenizer, tmp_path / "t.ids", each_line=False)
    assert file.wide == wide
    assert (tmp_path / "t.ids").stat().st_size == (words + 1) * (4 if wide else 2)
    ids = file.ids(1 << 20)
    assert sorted(ids[:-1].tolist()) == list(range(2, words + 2))
    assert ids.tolist() == [*tokenizer.encode(text), tokenizer.eos]


def test_bytes_are_little_endian_on_every_machine(tmp_path: Path) -> None:
    tokenizer = Tokenizer.train([" ".join(f"w{n}" for n in range(300))], "words")
    last = tokenizer.tokens([301])[0]
    encode_to_file([last, END], tokenizer, tmp_path / "t.ids", each_line=False)
    assert (tmp_path / "t.ids").read_bytes() == b"\x2d\x01\x01\x00"


def test_ids_are_read_through_a_memory_map(tmp_path: Path) -> None:
    file = encode_to_file(["abc", END], Tokenizer.train(["abc"]), tmp_path / "t.ids", each_line=False)
    ids = file.ids(1 << 20)
    assert isinstance(ids, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        ids[0] = 1


def test_a_text_of_nothing(tmp_path: Path) -> None:
    file = encode_to_file([], Tokenizer.train(["abc"]), tmp_path / "t.ids", each_line=False)
    assert file.ids(1 << 20).tolist() == []
    assert (file.tokens, file.characters, file.unknown) == (0, 0, 0)


@pytest.mark.parametrize("damage", ["missing", "cut", "longer", "emptied"])
def test_a_damaged_file_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "t.ids"
    file = encode_to_file(["abcabc", END], Tokenizer.train(["abc"]), path, each_line=False)
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": whole[:-1], "longer": whole + b"\0\0", "emptied": b""}[damage])
    with pytest.raises(UserError, match="expected a file of 7 token ids; it is missing or damaged") as caught:
        file.ids(1 << 20)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_moves_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    file = encode_to_file(["abca", END], Tokenizer.train(["abc"]), tmp_path / "old" / "t.ids", each_line=False)
    stored = json.loads(json.dumps(file.to_json()))
    (tmp_path / "old").rename(tmp_path / "new")
    moved = TokenFile.from_json(tmp_path / "new", stored)
    assert moved.path == tmp_path / "new" / "t.ids"
    assert (moved.wide, moved.tokens, moved.characters, moved.unknown) == (False, 5, 4, 0)
    assert len(moved.ids(1 << 20)) == 5


def test_there_must_be_something_to_learn_from(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(UserError, match="expected text, got none"):
        learn_tokenizer(open_texts([tmp_path]).read(), "characters")
    with pytest.raises(UserError, match="at least two different words"):
        learn_tokenizer(iter(["again again", END, "again", END]), "words")


def test_every_text_is_learnt_from() -> None:
    tokenizer = learn_tokenizer(iter(["oak\n", END, "elm", END, "fir oak", END]), "words", min_count=1)
    assert tokenizer.tokens(range(len(tokenizer)))[2] == "oak"
    assert set(tokenizer.tokens(range(2, len(tokenizer)))) == {"oak", "elm", "fir", "\n"}


@pytest.mark.parametrize(("size", "total"), [(PIECE, 6_000_000), (40, 2_000_000)])
def test_only_a_part_of_a_large_text_is_held_at_a_time(size: int, total: int, tmp_path: Path) -> None:
    # Long words make few ids of many characters, so that the test is quick; an id here is a word of 20 characters.
    tokenizer = Tokenizer.train(["an oak stood"], "words")
    path = tmp_path / "t.ids"
    most = read = 0

    def watched() -> Iterator[str | None]:
        nonlocal most, read
        piece = ("x" * 19 + " ") * (size // 20)
        while read < total:
            (growing,) = tmp_path.iterdir()  # under a name of its own until it is whole
            written = 20 * growing.stat().st_size // 2
            most = max(most, read - written)
            yield piece
            read += len(piece)
        yield END

    file = encode_to_file(watched(), tokenizer, path, each_line=False)
    assert file.tokens == read // 20 + 1
    assert most < 1_000_000
