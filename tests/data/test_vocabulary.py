"""Symbols and ids, open and closed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.vocabulary import UNKNOWN, Vocabulary

quick = settings(deadline=None, derandomize=True, max_examples=60)
texts = st.lists(st.sampled_from("abcdefg"), max_size=40)


@quick
@given(texts, st.integers(1, 4), st.integers(1, 6))
def test_the_commonest_symbols_come_first_and_the_rest_is_unknown(text: list[str], least: int, most: int) -> None:
    vocabulary = Vocabulary.learn(text, min_count=least, max_size=most)
    counts = [text.count(symbol) for symbol in vocabulary.symbols[1:]]
    assert counts == sorted(counts, reverse=True)
    assert len(vocabulary) <= most
    left_out = [text.count(symbol) for symbol in set(text) - set(vocabulary.symbols)]
    full = len(vocabulary) == most
    assert all(count < least or (full and count <= min(counts, default=count)) for count in left_out)
    for symbol, number in zip(text, vocabulary.ids(text), strict=True):
        assert vocabulary.symbols[number] == (symbol if symbol in vocabulary else UNKNOWN)


def test_equally_common_symbols_keep_their_order() -> None:
    assert Vocabulary.learn("zaybzayb").symbols == [UNKNOWN, "z", "a", "y", "b"]


def test_a_text_that_holds_the_sign_for_unknown_words_does_not_make_two_of_it() -> None:
    assert Vocabulary.learn([UNKNOWN, "a", UNKNOWN]).symbols == [UNKNOWN, "a"]


def test_a_closed_vocabulary_knows_no_unknown() -> None:
    labels = Vocabulary.closed(["yes", "no", "yes"])
    assert labels.symbols == ["no", "yes"]
    with pytest.raises(KeyError, match="maybe"):
        labels.ids(["maybe"])


def test_a_symbol_stands_once() -> None:
    with pytest.raises(ValueError, match="got 'a' twice"):
        Vocabulary(["a", "b", "a"])
