"""Tags of words that mark spans: the schemes IOB1, IOB2 and IOBES, and how well spans are found.

IOB1 (Ramshaw and Marcus 1995) writes ``I-X`` in a span of type X, ``B-X`` only where the span follows another one of
its type at once; IOB2 (Tjong Kim Sang and Veenstra 1999) begins every span with ``B-X``; IOBES ends those of many
words with ``E-X`` and writes ``S-X`` for those of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Scheme = Literal["iob1", "iob2", "iobes"]

OUTSIDE = "O"
"""The tag of a word that is in no span."""

PREFIXES = "BIES"


class Span(NamedTuple):
    """Words ``start`` to ``end``, the latter not counted, of type ``label``."""

    start: int
    end: int
    label: str


def is_tag(tag: str) -> bool:
    """Whether a word is a tag of any of the schemes.

    Example:
        >>> [is_tag(tag) for tag in ("O", "B-person", "I-", "NN", "E-creative-work")]
        [True, True, False, False, True]
    """
    return tag == OUTSIDE or (len(tag) > 2 and tag[0] in PREFIXES and tag[1] == "-")


def find_spans(tags: Sequence[str]) -> list[Span]:
    """The spans of a tag sequence of any scheme, by the rules of the shared tasks' script ``conlleval``.

    A broken sequence has spans, too: one begins at ``B-`` and ``S-``, and at any other tag that follows none of its
    type, or one that ends a span; it goes on to the last tag that does not begin another.

    Example:
        >>> find_spans(["O", "I-per", "B-per", "I-loc"])
        [Span(start=1, end=2, label='per'), Span(start=2, end=3, label='per'), Span(start=3, end=4, label='loc')]
    """
    spans: list[Span] = []
    before = OUTSIDE
    for number, tag in enumerate(tags):
        if tag != OUTSIDE:
            if _begins(before, tag):
                spans.append(Span(number, number + 1, tag[2:]))
            else:
                spans[-1] = spans[-1]._replace(end=number + 1)
        before = tag
    return spans


def tag_spans(spans: Iterable[Span], words: int, scheme: Scheme) -> list[str]:
    """Spans that do not overlap as tags.

    Example:
        >>> tag_spans([Span(0, 2, "per"), Span(2, 3, "per")], 4, "iobes")
        ['B-per', 'E-per', 'S-per', 'O']
        >>> tag_spans([Span(0, 2, "per"), Span(2, 3, "per")], 4, "iob1")
        ['I-per', 'I-per', 'B-per', 'O']
    """
    tags = [OUTSIDE] * words
    for start, end, label in sorted(spans):
        tags[start:end] = [f"I-{label}"] * (end - start)
        if scheme == "iobes":
            tags[start] = f"B-{label}"
            tags[end - 1] = f"E-{label}" if end - start > 1 else f"S-{label}"
        elif scheme == "iob2" or (start and tags[start - 1] != OUTSIDE and tags[start - 1][2:] == label):
            tags[start] = f"B-{label}"
    return tags


def convert(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Tags of any scheme in another one; broken sequences are mended as :func:`find_spans` reads them."""
    return tag_spans(find_spans(tags), len(tags), scheme)


def guess_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that a file has.

    Where spans are of one word and nothing tells, IOB2. Where some begin with ``B-`` and some with ``I-``, what most do
    decides: the others are mistakes.

    Example:
        >>> guess_scheme([["I-per", "I-per", "O"]]), guess_scheme([["B-per", "O"]]), guess_scheme([["S-per", "O"]])
        ('iob1', 'iob2', 'iobes')
    """
    begins: Counter[str] = Counter()
    for tags in sentences:
        before = OUTSIDE
        for tag in tags:
            if tag[0] in "ES":
                return "iobes"
            # After a span of the same type, IOB1 and IOB2 agree.
            if tag != OUTSIDE and before[2:] != tag[2:]:
                begins[tag[0]] += 1
            before = tag
    return "iob1" if begins["I"] > begins["B"] else "iob2"


def scheme_tags(types: Iterable[str], scheme: Scheme) -> list[str]:
    """Every tag there is, :data:`OUTSIDE` first.

    Example:
        >>> scheme_tags(["per"], "iobes")
        ['O', 'B-per', 'I-per', 'E-per', 'S-per']
    """
    prefixes = PREFIXES if scheme == "iobes" else "BI"
    return [OUTSIDE, *(f"{prefix}-{label}" for label in types for prefix in prefixes)]


def allowed_transitions(tags: Sequence[str], scheme: Scheme) -> list[list[bool]]:
    """Which tag may follow which, a row and a column a tag, and one more of each for what is outside of the sentence.

    Example:
        >>> allowed_transitions(["O", "B-per", "I-per"], "iob2")[0]  # after O: all but I
        [True, True, False, True]
    """
    around = [*tags, OUTSIDE]
    return [[_may_follow(before, tag, scheme) for tag in around] for before in around]


@dataclass
class SpanCounts:
    """How many spans were found; sums of counts are counts.

    Attributes:
        gold: Spans there are.
        guessed: Spans that were said to be.
        hits: Those of them that are right in words and type.
    """

    gold: int = 0
    guessed: int = 0
    hits: int = 0

    @property
    def precision(self) -> float:
        """Share of what was said that is right, in percent; 0 where nothing was said."""
        return 100.0 * self.hits / max(1, self.guessed)

    @property
    def recall(self) -> float:
        """Share of what there is that was found, in percent; 0 where there is nothing."""
        return 100.0 * self.hits / max(1, self.gold)

    @property
    def f1(self) -> float:
        """The harmonic mean of the two, in percent."""
        return 200.0 * self.hits / max(1, self.gold + self.guessed)


def count_spans(
    gold: Iterable[Sequence[Span]], guessed: Iterable[Sequence[Span]]
) -> tuple[SpanCounts, dict[str, SpanCounts]]:
    """Counts over all types together (micro average), and of each type, in alphabetical order.

    Args:
        gold: The spans of every sentence.
        guessed: Those that were found.
    """
    found: dict[str, SpanCounts] = {}
    for there, said in zip(gold, guessed, strict=True):
        for span in there:
            found.setdefault(span.label, SpanCounts()).gold += 1
        for span in said:
            found.setdefault(span.label, SpanCounts()).guessed += 1
        for span in set(there) & set(said):
            found[span.label].hits += 1
    total = SpanCounts(
        *(sum(getattr(counts, name) for counts in found.values()) for name in ("gold", "guessed", "hits"))
    )
    return total, dict(sorted(found.items()))


def _begins(before: str, tag: str) -> bool:
    return tag[0] in "BS" or before[0] in "OES" or before[2:] != tag[2:]


def _may_follow(before: str, tag: str, scheme: Scheme) -> bool:
    same = before != OUTSIDE and before[2:] == tag[2:]
    if scheme == "iob1":
        return tag[0] != "B" or same
    if scheme == "iob2":
        return tag[0] != "I" or same
    # A span that is begun goes on, and nothing goes on that is not begun.
    return same if before[0] in "BI" and tag[0] in "IE" else before[0] not in "BI" and tag[0] not in "IE"
