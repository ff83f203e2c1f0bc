"""Names in texts, by the tags of their words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from throughtime.errors import UserError
from throughtime.runtime.chain import Labelling
from throughtime.runtime.text.tags import Scheme, Span, find_spans, tag_spans
from throughtime.runtime.text.words import Word, split_sign


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


@dataclass(frozen=True)
class GivenWords:
    """A sentence whose words are given.

    Attributes:
        words: Each with its place in the text.
        text: They with a space between them.
    """

    words: list[Word]
    text: str

    def tags(self, entities: Sequence[tuple[int, int, str]], scheme: Scheme) -> list[str]:
        """A tag for every word from entities in the text.

        An entity takes in the words whose last part it does: a sign (``@ann``) is read as a word of its own.
        """
        lasts = [[*split_sign(word)][-1] for word in self.words]
        spans = []
        for start, end, label in entities:
            inside = [at for at, last in enumerate(lasts) if last.start < end and start < last.end]
            if inside:
                spans.append(Span(inside[0], inside[-1] + 1, label))
        return tag_spans(spans, len(self.words), scheme)


def words_of(item: Any, number: int) -> GivenWords:
    """The words of a sentence in memory.

    Raises:
        UserError: If it is no list of texts.

    Example:
        >>> words_of(["New", "York"], 1).words
        [Word(text='New', start=0, end=3), Word(text='York', start=4, end=8)]
    """
    words = texts_in(item)
    if not words or not all(words):
        raise UserError(f"input {number}: expected a line of text, or a list of words, got a {type(item).__name__}")
    found, at = [], 0
    for word in words:
        found.append(Word(word, at, at + len(word)))
        at += len(word) + 1
    return GivenWords(found, " ".join(words))


def texts_in(values: Any) -> list[str]:
    """A sequence's texts; none where it is no sequence."""
    return [str(value) for value in values] if isinstance(values, Iterable) and not isinstance(values, str) else []
