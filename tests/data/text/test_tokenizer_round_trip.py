"""A text's ids give the text back, whole or piece by piece, and no text can smuggle in an id that has a meaning."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel

from throughtime.data.text.tokenizer import BYTES, EOS, UNK, Tokenizer, Unit

quick = settings(deadline=None, derandomize=True, max_examples=80)

SAMPLE = (
    "The boat's sails — red, wet — hung down. Wo ist das Öl?\n\n\t雨が降る。 😀👍🏽 é e\u0301 \ufffd\r\na <eos> <unk> b"
)


@cache
def learnt(unit: Unit) -> Tokenizer:
    return Tokenizer.train([SAMPLE] * 3, unit)


@cache
def reloaded(unit: Unit, folder: Path) -> Tokenizer:
    learnt(unit).save(folder / f"{unit}.json")
    return Tokenizer.load(folder / f"{unit}.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokenizers")


@quick
@given(st.text(alphabet=sorted(set(SAMPLE)), max_size=40))
@example("sails \ufffd")
def test_characters_give_the_text_back(text: str) -> None:
    tokenizer = learnt("characters")
    ids = tokenizer.encode(text)
    assert len(ids) == len(text)
    assert tokenizer.tokens(ids) == list(text)
    assert tokenizer.decode(ids) == text


@quick
@given(st.text(max_size=30))
@example("雨が降る")
@example("e\u0301 é 👩‍👩‍👧 🇫🇷 \u200b\u0000")
@example("a\r\nb\n\n\n  c\t\t ")
@example("\ufffd")
@example("\ufeffmark")
def test_byte_pairs_give_any_text_back(text: str) -> None:
    # Learnt from a handful of signs: all others are spelt in bytes.
    tokenizer = learnt("bytepairs")
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not {tokenizer.unk, tokenizer.eos} & set(ids)


@quick
@given(st.lists(st.text(max_size=12), max_size=6))
def test_many_texts_are_encoded_as_each_alone(texts: list[str]) -> None:
    units: tuple[Unit, ...] = ("characters", "words", "bytepairs")
    for unit in units:
        assert learnt(unit).encode_many(texts) == [learnt(unit).encode(text) for text in texts]


@quick
@given(st.text(alphabet=st.one_of(st.sampled_from(sorted(set(SAMPLE))), st.characters(codec="utf-8")), max_size=30))
def test_the_stream_is_the_whole_text(text: str) -> None:
    units: tuple[Unit, ...] = ("characters", "words", "bytepairs")
    for unit in units:
        tokenizer = learnt(unit)
        ids = tokenizer.encode(text)
        assert "".join(tokenizer.stream(iter(ids))) == tokenizer.decode(ids)
    pieces = list(learnt("bytepairs").stream(learnt("bytepairs").encode(text)))
    # A character of many bytes comes when it is whole: no piece shows the sign of a broken one.
    assert "".join(pieces).count("\ufffd") == text.count("\ufffd")
    assert "" not in pieces


def test_every_piece_comes_as_soon_as_its_character_is_whole() -> None:
    tokenizer = Tokenizer.train(["x"], "bytepairs")  # nothing merged: an id a byte
    drawn: list[int] = []

    def ids() -> list[int]:
        return tokenizer.encode("aé日👍b")

    def watched() -> object:
        for i in ids():
            drawn.append(i)
            yield i

    seen = [(piece, len(drawn)) for piece in tokenizer.stream(watched())]  # type: ignore[arg-type]
    assert seen == [("a", 1), ("é", 3), ("日", 6), ("👍", 10), ("b", 11)]


@quick
@given(st.lists(st.integers(0, 257), max_size=12))
def test_bytes_that_are_no_text_can_be_shown(ids: list[int]) -> None:
    tokenizer = learnt("bytepairs")
    ids = [*ids, *tokenizer.encode("!")]  # so that no character is still unfinished at the end
    stored = b"".join(bytes([BYTES[sign] for sign in token]) for token in tokenizer.tokens(ids))
    assert tokenizer.decode(ids) == stored.decode(errors="replace")


def test_the_signs_of_bytes_are_those_of_the_library() -> None:
    assert sorted(BYTES) == sorted(ByteLevel.alphabet())
    assert sorted(BYTES.values()) == list(range(256))
    spelt = ByteLevel(add_prefix_space=False, use_regex=False)
    for text in ("\0\x1f ~\x7f", "\u0080ÿ¡\u00ad", "日本", "😀"):
        ((signs, _),) = spelt.pre_tokenize_str(text)
        assert bytes(BYTES[sign] for sign in signs) == text.encode()


@pytest.mark.parametrize("text", [EOS, UNK, f"a{EOS}b", f"{EOS}{UNK} {EOS}\n", "<eos", "< eos >"])
@pytest.mark.parametrize("unit", ["characters", "words", "bytepairs"])
def test_a_text_never_yields_the_ids_with_a_meaning(unit: Unit, text: str, folder: Path) -> None:
    # Every sign of these texts is in the sample, so that UNK is not drawn for its own sake either.
    spelt = ["< eos >"] if text == "< eos >" else [text]
    for tokenizer in (learnt(unit), reloaded(unit, folder)):
        for ids in (tokenizer.encode(text), *tokenizer.encode_many(spelt)):
            assert not {tokenizer.unk, tokenizer.eos} & set(ids)
            assert ids
        if unit != "words":
            assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("unit", ["characters", "words", "bytepairs"])
def test_a_learnt_text_full_of_the_names_does_not_teach_them(unit: Unit) -> None:
    tokenizer = Tokenizer.train([f"{EOS}{UNK}{EOS} {UNK}x\n"] * 500, unit)
    assert not {tokenizer.unk, tokenizer.eos} & set(tokenizer.encode(f"{EOS}{UNK} {EOS}x"))


@pytest.mark.parametrize("unit", ["characters", "words", "bytepairs"])
def test_a_loaded_tokenizer_is_the_saved_one(unit: Unit, folder: Path) -> None:
    tokenizer, loaded = learnt(unit), reloaded(unit, folder)
    assert loaded.unit == tokenizer.unit == unit
    assert len(loaded) == len(tokenizer)
    assert loaded.tokens(range(len(loaded))) == tokenizer.tokens(range(len(tokenizer)))
    text = SAMPLE + " The boat 𝄞 unseen"
    assert loaded.encode(text) == tokenizer.encode(text)
    assert loaded.decode(loaded.encode(text)) == tokenizer.decode(tokenizer.encode(text))
