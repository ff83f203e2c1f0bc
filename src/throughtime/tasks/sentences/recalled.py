"""The baseline of entity taggers: what training data names, wherever it stands again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from throughtime.data.text.columns import TaggedSentence
from throughtime.runtime.text.tags import Span, find_spans


def recall(words: Sequence[str], memory: Mapping[str, str], longest: int) -> list[Span]:
    """The entities of a sentence that training data has, the longest first, from the left.

    The baseline of the shared tasks (Tjong Kim Sang and De Meulder 2003).

    Args:
        words: The sentence.
        memory: The type of every entity, by its words joined with spaces.
        longest: Words of the longest entity.

    Example:
        >>> recall(["in", "New", "York", "City"], {"New York": "place", "York": "person"}, 2)
        [Span(start=1, end=3, label='place')]
    """
    spans: list[Span] = []
    at = 0
    while at < len(words):
        ends = range(min(len(words), at + longest), at, -1)
        end = next((end for end in ends if " ".join(words[at:end]) in memory), None)
        if end is not None:
            spans.append(Span(at, end, memory[" ".join(words[at:end])]))
        at = end or at + 1
    return spans


def memorise(train: Sequence[TaggedSentence]) -> dict[str, str]:
    """The training data's entities that have one type alone."""
    types: dict[str, set[str]] = {}
    for sentence in train:
        for start, end, label in find_spans(sentence.tags):
            types.setdefault(" ".join(sentence.words[start:end]), set()).add(label)
    return {words: labels.pop() for words, labels in types.items() if len(labels) == 1}
