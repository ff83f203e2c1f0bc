"""Names in texts, by the tags of their words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from throughtime.runtime.chain import Labelling
from throughtime.runtime.text.tags import Span, find_spans
from throughtime.runtime.text.words import Word


@dataclass(frozen=True)
class Entity:
    """A name in a text: ``text[start:end]``.

    Attributes:
        start: Its first character.
        end: The character after its last.
        type: What it names, such as ``person``.
        text: The name.
        confidence: The probability of the least sure tag of its words.
    """

    start: int
    end: int
    type: str
    text: str
    confidence: float


@dataclass(frozen=True)
class Tagging:
    """One way to find the entities of a text.

    Attributes:
        log_prob: Of its tags.
        entities: From left to right.
    """

    log_prob: float
    entities: Sequence[Entity]


def taggings_of(
    line: str, words: Sequence[Word], best: Iterable[Labelling], tags: Sequence[str], sure: Any
) -> list[Tagging]:
    """Labellings of a line's words as the entities that they say.

    Args:
        line: The line.
        words: Of it.
        best: Labels of the words, the likeliest first.
        tags: The tag of every label.
        sure: The probability of every label of every word, ``[T, K]``.
    """
    found = []
    for labels, log_prob in best:
        spans = find_spans([tags[label] for label in labels])
        found.append(Tagging(round(log_prob, 4), [entity_of(line, words, span, labels, sure) for span in spans]))
    return found


def entity_of(line: str, words: Sequence[Word], span: Span, labels: Sequence[int], sure: Any) -> Entity:
    """An entity; it is as sure as the least sure tag of its words."""
    start, end = words[span.start].start, words[span.end - 1].end
    confidence = min(float(sure[word, labels[word]]) for word in range(span.start, span.end))
    return Entity(start, end, span.label, line[start:end], round(min(1.0, confidence), 4))
