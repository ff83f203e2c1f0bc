"""Spans of tags, whole and broken, by hand and by what any spans must give back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.runtime.text.tags import (
    Scheme,
    Span,
    SpanCounts,
    allowed_transitions,
    convert,
    count_spans,
    find_spans,
    guess_scheme,
    is_tag,
    scheme_tags,
    tag_spans,
)

quick = settings(deadline=None, derandomize=True, max_examples=80)
SCHEMES: tuple[Scheme, ...] = ("iob1", "iob2", "iobes")

# (tags, spans as start, end, type) by hand, after conlleval's rules
BY_HAND = [
    ("", []),
    ("O O", []),
    ("B-PER I-PER O B-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
    ("O I-PER", [(1, 2, "PER")]),
    ("I-PER I-PER B-PER I-PER", [(0, 2, "PER"), (2, 4, "PER")]),
    ("B-PER I-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),
    ("B-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),
    ("I-PER O I-PER", [(0, 1, "PER"), (2, 3, "PER")]),
    ("I-PER I-LOC I-PER", [(0, 1, "PER"), (1, 2, "LOC"), (2, 3, "PER")]),
    ("S-PER B-LOC I-LOC E-LOC O", [(0, 1, "PER"), (1, 4, "LOC")]),
    ("E-PER", [(0, 1, "PER")]),
    ("E-PER E-PER", [(0, 1, "PER"), (1, 2, "PER")]),
    ("S-PER I-PER", [(0, 1, "PER"), (1, 2, "PER")]),
    ("B-PER S-PER", [(0, 1, "PER"), (1, 2, "PER")]),
    ("B-PER O E-PER", [(0, 1, "PER"), (2, 3, "PER")]),
    ("B-PER E-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),
    ("B-PER E-PER I-PER", [(0, 2, "PER"), (2, 3, "PER")]),
    ("B-creative-work I-creative-work", [(0, 2, "creative-work")]),
]


@pytest.mark.parametrize(("tags", "spans"), BY_HAND)
def test_spans_by_hand(tags: str, spans: list[tuple[int, int, str]]) -> None:
    assert find_spans(tags.split()) == spans


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Spans that do not overlap, and how many words there are."""
    spans, at = [], 0
    for gap, size, label in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(["per", "loc"])), max_size=6)
    ):
        spans.append(Span(at + gap, at + gap + size, label))
        at += gap + size
    return spans, at + draw(st.integers(0, 2))


@quick
@given(sentences(), st.sampled_from(SCHEMES), st.sampled_from(SCHEMES))
def test_every_scheme_keeps_the_spans(sentence: tuple[list[Span], int], one: Scheme, other: Scheme) -> None:
    spans, words = sentence
    tags = tag_spans(spans, words, one)
    assert len(tags) == words
    assert find_spans(tags) == spans
    assert convert(tags, other) == tag_spans(spans, words, other)


@quick
@given(sentences(), st.sampled_from(SCHEMES))
def test_tags_of_spans_go_through_allowed_transitions(sentence: tuple[list[Span], int], scheme: Scheme) -> None:
    tags = scheme_tags(["per", "loc"], scheme)
    allowed = allowed_transitions(tags, scheme)
    path = [len(tags), *(tags.index(tag) for tag in tag_spans(*sentence, scheme)), len(tags)]
    assert all(allowed[a][b] for a, b in itertools.pairwise(path))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_allowed_is_what_some_spans_give(scheme: Scheme) -> None:
    """Every sequence of four tags: legal if and only if it is the scheme's own way to write its spans."""
    tags = scheme_tags(["per", "loc"], scheme)
    allowed, around = allowed_transitions(tags, scheme), len(tags)
    for path in itertools.product(range(len(tags)), repeat=4):
        sequence = [tags[i] for i in path]
        legal = all(allowed[a][b] for a, b in itertools.pairwise([around, *path, around]))
        assert legal == (convert(sequence, scheme) == sequence), sequence


@pytest.mark.parametrize(
    ("files", "scheme"),
    [
        (["I-per I-per O I-loc", "B-per I-per"], "iob1"),
        (["I-per B-per I-per"], "iob1"),
        (["B-per I-per O B-loc"], "iob2"),
        (["B-per B-per O B-loc I-loc"], "iob2"),
        (["B-per O", "B-loc", "O I-per"], "iob2"),  # the last one is a mistake
        (["O O"], "iob2"),
        (["B-per E-per"], "iobes"),
        (["O", "S-per"], "iobes"),
    ],
)
def test_schemes_are_guessed(files: list[str], scheme: str) -> None:
    assert guess_scheme(line.split() for line in files) == scheme


def test_words_that_are_no_tags() -> None:
    assert not any(is_tag(word) for word in ("", "o", "B", "B-", "-", "X-per", "NNP", "BX-per", "B_per"))
    assert all(is_tag(word) for word in ("O", "B-per", "I-a-b", "E--", "S-O"))


def test_counts_by_hand() -> None:
    gold = [[Span(0, 2, "per"), Span(3, 4, "loc")], [], [Span(1, 2, "per")]]
    said = [[Span(0, 2, "per"), Span(3, 5, "loc")], [Span(0, 1, "org")], [Span(1, 2, "loc")]]
    total, types = count_spans(gold, said)
    assert total == SpanCounts(3, 4, 1)
    assert types == {"loc": SpanCounts(1, 2, 0), "org": SpanCounts(0, 1, 0), "per": SpanCounts(2, 1, 1)}
    assert (total.precision, total.recall) == (25.0, pytest.approx(100 / 3))
    assert total.f1 == pytest.approx(2 * 25 * (100 / 3) / (25 + 100 / 3))
    assert (types["org"].precision, types["org"].recall, types["org"].f1) == (0.0, 0.0, 0.0)
    assert count_spans([[]], [[]])[0].f1 == 0.0
