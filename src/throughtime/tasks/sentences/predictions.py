"""What models of sentences tell: of a text's class, of a tree's labels, of entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from throughtime.applications.prediction import Prediction, as_html
from throughtime.runtime.text.entities import Entity, Tagging


@dataclass(frozen=True)
class MovedWord:
    """A word, and how far it moved a label.

    Attributes:
        word: As it stands in the text.
        start: Its first character.
        end: The character after its last.
        moved: What it adds to the logarithm of the label's odds; below 0 it speaks against it.
    """

    word: str
    start: int
    end: int
    moved: float


@dataclass(frozen=True, repr=False, kw_only=True)
class SentimentPrediction(Prediction):
    """The class of a text.

    Attributes:
        text: What was read.
        label: The likeliest class.
        probabilities: Of every class, the likeliest first.
        words: How far each word moved the label, where that was asked for.
    """

    text: str
    label: str
    probabilities: dict[str, float]
    words: Sequence[MovedWord] | None = None


@dataclass(frozen=True, repr=False, kw_only=True)
class EntitiesPrediction(Prediction):
    """The entities of a text.

    Attributes:
        text: What was read.
        log_prob: Of the likeliest tags.
        entities: Those that they say, from left to right.
        nbest: The likeliest ways to find entities, the likeliest first, where more than one was asked for.
        tags: Of every word, where words are given.
    """

    text: str
    log_prob: float
    entities: Sequence[Entity]
    nbest: Sequence[Tagging] | None = None
    tags: Sequence[str] | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """The tags of words, or spans of a text's characters as training reads them."""
        spans = [[entity.start, entity.end, entity.type] for entity in self.entities]
        return {"predicted": spans if self.tags is None else self.tags}


@dataclass(frozen=True)
class Node:
    """A node of a tree.

    Attributes:
        label: The likeliest.
        probability: Of the label.
        word: The node's own; None where it has none.
        parent: Number of the node above; -1 at the root.
    """

    label: str
    probability: float
    word: str | None
    parent: int


@dataclass(frozen=True, repr=False, kw_only=True)
class TreePrediction(Prediction):
    """The labels of a sentence's tree.

    Attributes:
        text: The words.
        label: Of the root, and so of the sentence; None where there are no words.
        probabilities: Of the root's labels.
        tree: In brackets, with a label at every node.
        nodes: All nodes, each before the one above it in a tree of brackets.
    """

    text: str
    label: str | None
    probabilities: dict[str, float]
    tree: str
    nodes: Sequence[Node]

    @property
    def columns(self) -> dict[str, Any]:
        """The sentence's label with its probability, and the tree with those of its nodes."""
        return {**super().columns, "predicted_tree": self.tree} if self.label else {}

    def __post_init__(self) -> None:
        super().__post_init__()
        # That there is no label is told to programs, too.
        object.__setattr__(self, "data", {name: self.data.get(name) for name in self._named()})

    def _repr_html_(self) -> str:
        """The tree as it is drawn in a terminal; its lines are not broken."""
        return f'<pre style="white-space: pre; overflow-x: auto; line-height: 1.2">{as_html(self.shown)}</pre>'
