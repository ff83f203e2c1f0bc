"""A text that comes in pieces has the tokens and the words of the whole, wherever it is cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from throughtime.applications.live.texts import LONGEST, HeldText
from throughtime.data.text.tokenizer import Tokenizer, Unit
from throughtime.errors import UserError
from throughtime.runtime.text.language import Language
from throughtime.runtime.text.words import find_words
from throughtime.tasks.text.live import HeldBreak

LEARNT = "An old gréy cat, isn't it?\nIt's 3.5 km...  to x.org; Σοφός 1½ naïve\tmat!! A\u0301 \x85 \x1c end\n"
SIGNS = st.sampled_from(
    [*"aaAbé Σσ\u0301\u200d\u200c  \n\n\r\t\x1c\x85\xa0\u2028’'-.,!?#@1½़िक", "🙂", "🏽", "\r\n", "n't", "x.org"]
)
TEXTS = st.lists(SIGNS, max_size=12).map("".join)
CUTS = st.lists(st.integers(0, 24), max_size=4)


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    return [text[begin:end] for begin, end in pairwise(places)]


@pytest.fixture(scope="module", params=get_args(Unit))
def tokenizers(request: pytest.FixtureRequest) -> list[Tokenizer]:
    kinds: list[dict[str, Any]] = [{}, {"lowercase": True}]
    return [Tokenizer.train([LEARNT] * 3, request.param, **kind) for kind in kinds]


@pytest.mark.parametrize("line_ends", [False, True])
@settings(derandomize=True, deadline=None, max_examples=40)
@given(text=TEXTS, cuts=CUTS)
@example(text="a\r\nb", cuts=[2])
@example(text="!\x1c! a", cuts=[1, 2])
@example(text="a\x1cb c", cuts=[1, 2])
@example(text="a  \u0301b\u0301 ", cuts=[1, 2, 3, 4, 5])
def test_tokens(tokenizers: list[Tokenizer], line_ends: bool, text: str, cuts: list[int]) -> None:
    for tokenizer in tokenizers:
        language = Language(tokenizer, line_ends, False)
        held: HeldText | HeldBreak = HeldBreak() if tokenizer.unit == "characters" else HeldText()
        parts = [*map(held.push, pieces(text, cuts)), held.end()]
        assert "".join(parts) == text
        found = [token for part in parts if part for token in language.going_on(part)]
        assert found == (language.going_on(text) if text else [])
        if not line_ends or "\n" in text or "\r" not in text:
            assert found == language.begin(text)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(text=TEXTS, cuts=CUTS)
def test_words(text: str, cuts: list[int]) -> None:
    held, at, found = HeldText(), 0, []
    for part in [*map(held.push, pieces(text, cuts)), held.end()]:
        found += [(word.text, at + word.start, at + word.end) for word in find_words(part)]
        at += len(part)
    assert found == [tuple(word) for word in find_words(text)]


def test_what_is_no_text_or_no_words_is_refused() -> None:
    with pytest.raises(UserError, match="expected a text, got 3"):
        HeldText().push(3)
    with pytest.raises(UserError, match="half of a surrogate pair"):
        HeldText().push("\ud83d")
    held = HeldText()
    held.push("a" * LONGEST)
    with pytest.raises(UserError, match="expected white space within"):
        held.push("a")
