"""What a vocabulary holds, in which order, and what stands in its file."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.text.tokenizer import EOS, UNK, Tokenizer, Unit
from throughtime.errors import UserError

quick = settings(deadline=None, derandomize=True, max_examples=60)


def vocabulary(tokenizer: Tokenizer) -> list[str]:
    return tokenizer.tokens(range(len(tokenizer)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rain fell, then hail.", ["Rain", "fell", ",", "then", "hail", "."]),
        ("the boat's well-worn o’clock", ["the", "boat's", "well-worn", "o’clock"]),
        ("'quoted' dogs' -dash- a--b", ["'", "quoted", "'", "dogs", "'", "-", "dash", "-", "a", "-", "-", "b"]),
        ("up\n\ndown \t in", ["up", "\n", "\n", "down", "in"]),
        ("3.14 x_1 50%", ["3", ".", "14", "x_1", "50", "%"]),
        ("Öl für Čapek 雨が降る", ["Öl", "für", "Čapek", "雨が降る"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("so?!… 😀", ["so", "?", "!", "…", "😀"]),
        ("", []),
        ("   ", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    tokenizer = Tokenizer.train([text, "and more"], "words")
    assert tokenizer.tokens(tokenizer.encode(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["Ah, no (yes)\nso.", "“Quoted”, she said.", "up\n\ndown", "50% of [these] {or those};", "How much? $5!"],
)
def test_words_are_joined_as_in_print(text: str) -> None:
    tokenizer = Tokenizer.train([text, "and more"], "words")
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_unknown_words_and_characters() -> None:
    words = Tokenizer.train(["one two three"], "words")
    assert words.tokens(words.encode("two four one")) == ["two", UNK, "one"]
    assert words.encode("four") == [words.unk]
    assert words.decode(words.encode("two four one")) == f"two {UNK} one"
    characters = Tokenizer.train(["abc"], "characters")
    assert characters.encode("azb") == [characters.encode("a")[0], characters.unk, characters.encode("b")[0]]


@quick
@given(st.lists(st.sampled_from(["oak", "elm", "fir", "ash", "yew", "sky"]), min_size=1, max_size=40), st.data())
def test_words_are_numbered_by_falling_count(words: list[str], data: st.DataObject) -> None:
    counts = Counter(words)
    min_count = data.draw(st.integers(1, 3))
    max_size = data.draw(st.one_of(st.none(), st.integers(4, 9)))
    kept = [count for count in sorted(counts.values(), reverse=True) if count >= min_count]
    kept = kept[: max_size - 2] if max_size else kept
    if len(kept) < 2:
        with pytest.raises(UserError, match="expected at least two different words"):
            Tokenizer.train([" ".join(words)], "words", min_count=min_count, max_size=max_size)
        return
    tokenizer = Tokenizer.train([" ".join(words)], "words", min_count=min_count, max_size=max_size)
    assert vocabulary(tokenizer)[:2] == [UNK, EOS]
    assert (tokenizer.unk, tokenizer.eos) == (0, 1)
    assert [counts[word] for word in vocabulary(tokenizer)[2:]] == kept


@quick
@given(st.text(alphabet="aábc \n", min_size=5))
def test_characters_are_numbered_by_falling_count(text: str) -> None:
    counts = Counter(text)
    if len(counts) < 2:
        with pytest.raises(UserError, match="expected at least two different characters"):
            Tokenizer.train([text])
        return
    tokenizer = Tokenizer.train([text])
    assert [counts[sign] for sign in vocabulary(tokenizer)[2:]] == sorted(counts.values(), reverse=True)


def test_lower_case() -> None:
    for unit, expected in (("words", ["rain", "fell"]), ("characters", list("rain fell"))):
        tokenizer = Tokenizer.train(["RAIN Fell"], unit, lowercase=True)  # type: ignore[arg-type]
        assert tokenizer.tokens(tokenizer.encode("Rain fELL")) == expected
        assert tokenizer.decode(tokenizer.encode("Rain fELL")) == "rain fell"
    pairs = Tokenizer.train(["RAIN Fell"], "bytepairs", lowercase=True)
    assert pairs.decode(pairs.encode("Rain ÄRA 雨")) == "rain ära 雨"


def test_byte_pairs_merge_the_commonest_pair_first() -> None:
    tokenizer = Tokenizer.train(["wave wave wave wax"], "bytepairs", max_size=260)
    # w a: 4 times; then "wa v" and "v e" stand 3 times each, so that the second merge takes one of them.
    assert vocabulary(tokenizer)[258] == "wa"
    assert vocabulary(tokenizer)[259] in ("wav", "ve", "Ġwa")
    assert len(tokenizer) == 260
    assert len(Tokenizer.train(["wave wave wave wax"], "bytepairs", max_size=258)) == 258
    assert len(Tokenizer.train(["wave wave wave wax"], "bytepairs", min_count=5)) == 258


def test_tokens_do_not_reach_over_the_end_of_a_piece() -> None:
    tokenizer = Tokenizer.train(["ab", "cd"] * 20, "bytepairs")
    assert set(vocabulary(tokenizer)[258:]) == {"ab", "cd"}


def test_too_few_symbols() -> None:
    with pytest.raises(UserError, match="beside UNK and EOS, got a vocabulary of 1; give more text"):
        Tokenizer.train(["aaaa"], "characters")
    with pytest.raises(UserError, match="got a vocabulary of 0"):
        Tokenizer.train(["one two"], "words", min_count=2)
    with pytest.raises(UserError, match="got a vocabulary of 1"):
        Tokenizer.train(["one two"], "words", max_size=3)


@pytest.mark.parametrize("size", [1, 4, 257])
def test_a_vocabulary_smaller_than_the_bytes(size: int) -> None:
    with pytest.raises(UserError, match=f"at least 258 byte pairs .*, got {size}"):
        Tokenizer.train(["text"], "bytepairs", max_size=size)


def test_an_unknown_unit() -> None:
    with pytest.raises(UserError, match="unknown unit 'syllables'; units: characters, words, bytepairs"):
        Tokenizer.train(["text"], "syllables")  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", ["characters", "words", "bytepairs"])
def test_the_same_text_writes_the_same_bytes(unit: Unit, tmp_path: Path) -> None:
    random.seed(4)
    text = [" ".join(random.choices(["elm", "oak", "fir", "ash", "yew", "Öl"], k=60)) for _ in range(20)]
    stored = []
    for number in range(3):
        path = tmp_path / f"{number}.json"
        tokenizer = Tokenizer.train(text, unit)
        tokenizer.save(path)
        stored.append(path.read_bytes())
        Tokenizer.load(path).save(path)
        stored.append(path.read_bytes())
        tokenizer.encode("oak and another")  # using one changes nothing
        tokenizer.save(path)
        stored.append(path.read_bytes())
    assert len(set(stored)) == 1
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0.json", "1.json", "2.json"]


def test_a_file_that_is_missing_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(UserError, match="which does not exist"):
        Tokenizer.load(path)
    Tokenizer.train(["some text"]).save(path)
    whole = path.read_bytes()
    for damaged in (b"", b"{}", b"[]", b"\xff\xfe", b"not json", whole[: len(whole) // 2], whole[:-3]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"which this is not|expected a JSON object") as caught:
            Tokenizer.load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_tokenizer_whose_ids_mean_something_else(tmp_path: Path) -> None:
    # A file of the right format from elsewhere: its first two ids are words, and a text would end at any "b".
    path = tmp_path / "tokenizer.json"
    Tokenizer.train(["a b"], "words").save(path)
    value = json.loads(path.read_text())
    value["model"]["vocab"] = {"a": 0, "b": 1, UNK: 2, EOS: 3}
    value["added_tokens"] = []
    path.write_text(json.dumps(value))
    with pytest.raises(UserError, match=f"expected {UNK} and {EOS} as its ids 0 and 1"):
        Tokenizer.load(path)
