"""Words of a text, and batches of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from throughtime.data.text.tokenizer import WORD
from throughtime.data.text.words import WordReader
from throughtime.data.vocabulary import Vocabulary
from throughtime.runtime.text.words import LONGEST_WORD, find_words, is_mark, split_words

quick = settings(deadline=None, derandomize=True, max_examples=80)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t ", []),
        ("Don't!", ["Do", "n't", "!"]),
        ("It’s hers, they'll say", ["It", "’s", "hers", ",", "they", "'ll", "say"]),
        ("the 1,000.50 $ at 12:30", ["the", "1,000.50", "$", "at", "12:30"]),
        ("U.S. and e.g. this...", ["U.S.", "and", "e.g.", "this", "..."]),
        ("@user likes #food :) http://a.b/c?d", ["@user", "likes", "#food", ":", ")", "http://a.b/c?d"]),
        ("well-known R&B", ["well-known", "R&B"]),
        ("Größe 東京", ["Größe", "東京"]),
        ("वह हिन्दी में है।", ["वह", "हिन्दी", "में", "है", "।"]),
        ("cafe\u0301s, na\u0308ıve", ["cafe\u0301s", ",", "na\u0308ıve"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("ภาษาไทย คำ", ["ภาษาไทย", "คำ"]),
        ("#हिन्दी @कवि", ["#हिन्दी", "@कवि"]),
        (
            "👩\u200d👩\u200d👧!! 👍🏽👍🏽 ❤\ufe0f 1\ufe0f\u20e3 🇩🇪🇫🇷",
            ["👩\u200d👩\u200d👧", "!!", "👍🏽👍🏽", "❤\ufe0f", "1\ufe0f\u20e3", "🇩🇪", "🇫🇷"],
        ),
        ("\u0301a \u200d", ["\u0301a", "\u200d"]),  # nothing stands before them
        ("a\ud800", ["a", "\ud800"]),
    ],
)
def test_words_by_hand(text: str, words: list[str]) -> None:
    assert split_words(text) == words


SIGNS = st.text(
    st.one_of(st.characters(), st.sampled_from("aé'’.-@#_1² \u0301\u093f\u094d\u200c\u200d\ufe0f👍🏽🇩")), max_size=40
)


@quick
@given(SIGNS)
def test_marks_begin_no_word_and_no_letter_is_lost(text: str) -> None:
    words = find_words(text)
    assert all(text[word.start : word.end] == word.text for word in words)
    for word in words:
        if is_mark(word.text[0]):
            assert not text[: word.start] or text[word.start - 1].isspace()
    assert "".join(word.text for word in words) == "".join(text.split())


@quick
@given(st.text(st.sampled_from("abé中1 \u0301\u093f\u200d\u200c!\U0001f44d"), max_size=30))
def test_a_language_model_has_the_same_words(text: str) -> None:
    """But for clitics, numbers and names, which are one word there."""
    words = pre_tokenizers.Split(Regex(WORD), "removed", invert=True).pre_tokenize_str(text)
    found = [(word.start, word.end) for word in find_words(text)]
    assert [at for _, at in words if text[at[0]].isalnum()] == [at for at in found if text[at[0]].isalnum()]


@quick
@given(st.text(max_size=60))
def test_words_stand_where_they_say_and_nothing_but_space_is_lost(text: str) -> None:
    words = find_words(text)
    assert all(text[word.start : word.end] == word.text for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))
    left = text
    for word in reversed(words):
        left = left[: word.start] + left[word.end :]
    assert all(sign.isspace() or not (sign.isalnum() or sign.isprintable()) or sign == "_" for sign in left), left


@quick
@given(st.lists(st.lists(st.text("abcXY", min_size=1, max_size=6), max_size=5), min_size=1, max_size=4))
def test_a_batch_reads_as_its_sentences(sentences: list[list[str]]) -> None:
    words = Vocabulary.learn(word.lower() for sentence in sentences for word in sentence)
    letters = Vocabulary.learn("abcXY", first=("<unk>",))
    batch = WordReader(words, letters, lowercase=True).batch(sentences)
    assert batch.spellings is not None
    assert batch.spelled is not None
    assert batch.letters is not None
    assert batch.tokens == sum(map(len, sentences))
    for row, sentence in enumerate(sentences):
        assert int(batch.lengths[row]) == len(sentence)
        assert batch.words[row, len(sentence) :].eq(0).all()
        for at, word in enumerate(sentence):
            assert words.symbols[batch.words[row, at]] == word.lower()
            spelling = batch.spellings[batch.spelled[row, at]]
            length = int(batch.letters[batch.spelled[row, at]])
            assert [letters.symbols[i - 1] for i in spelling[:length].tolist()] == list(word)
            assert spelling[length:].eq(0).all()
    different = {word for sentence in sentences for word in sentence}
    assert len(batch.spellings) == max(1, len(different))  # each word is spelled once


def test_shapes_are_those_of_the_words_as_they_are_written() -> None:
    shapes = Vocabulary(["<unk>", "x", "Xx", "d.d"])
    batch = WordReader(Vocabulary.learn(["a"]), lowercase=True, shapes=shapes).batch([["Oslo", "is", "NATO"], ["3.50"]])
    assert batch.shapes is not None
    assert batch.shapes.tolist() == [[2, 1, 0], [3, 0, 0]]


def test_an_endless_word_is_cut() -> None:
    reader = WordReader(Vocabulary.learn(["a"]), Vocabulary.learn("a"))
    batch = reader.batch([["a" * 5000]])
    assert batch.spellings is not None
    assert batch.spellings.shape == (1, LONGEST_WORD)
