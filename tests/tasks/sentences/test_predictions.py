"""What models of sentences tell has named fields, which programs get in the same order, and is shown in a notebook."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rich.text import Text

from throughtime.applications.options import Options
from throughtime.tasks.sentences.entities import Entities, EntityOptions, EntitySettings
from throughtime.tasks.sentences.predictions import (
    EntitiesPrediction,
    Entity,
    MovedWord,
    Node,
    SentimentPrediction,
    TreePrediction,
)
from throughtime.tasks.sentences.sentiment import Sentiment, SentimentOptions, SentimentSettings
from throughtime.tasks.sentences.sentiment_trees import SentimentTrees, SentimentTreesSettings

KNOWN = {"characters": ["<unk>", "a"], "shapes": ["<unk>", "x"], "embedding": 4, "covered": [0, 0], "seen": [1, 1]}


def bound(application: Any, settings: Any, **vocabulary: Any) -> tuple[Any, Any]:
    """An application with a model at random."""
    torch.manual_seed(0)
    found = application(settings, vocabulary)
    return found, found.build().eval()


@pytest.fixture(scope="module")
def sentiment() -> tuple[Any, Any]:
    settings = SentimentSettings(hidden=4, embedding=4)
    return bound(Sentiment, settings, words=["<unk>", "fine", "film"], labels=["good", "bad"], **KNOWN)


@pytest.fixture(scope="module")
def entities() -> tuple[Any, Any]:
    settings = EntitySettings(hidden=4, embedding=4, letter=4, spelled=4)
    vocabulary = {"words": ["<unk>", "anna"], "types": ["per"], "scheme": "iob2", "entities": {}}
    return bound(Entities, settings, **vocabulary, **KNOWN)


@pytest.fixture(scope="module")
def trees() -> tuple[Any, Any]:
    settings = SentimentTreesSettings(hidden=4, embedding=4)
    return bound(SentimentTrees, settings, words=["<unk>", "fine"], labels=["0", "1"], majority="0")


@torch.no_grad()
def predict(found: tuple[Any, Any], line: str, options: Options) -> Any:
    application, model = found
    (prediction,) = application.predict(model, [line], options)
    return prediction


def test_the_class_of_a_text(sentiment: tuple[Any, Any]) -> None:
    said = predict(sentiment, "fine <film>", SentimentOptions())
    assert isinstance(said, SentimentPrediction)
    assert (said.text, said.words) == ("fine <film>", None)
    assert next(iter(said.probabilities)) == said.label
    assert sum(said.probabilities.values()) == pytest.approx(1)
    assert list(said.data) == ["text", "label", "probabilities"]
    assert "&lt;film&gt;" in said._repr_html_()
    told = predict(sentiment, "fine film", SentimentOptions(explain=True))
    assert [(word.word, word.start, word.end) for word in told.words] == [("fine", 0, 4), ("film", 5, 9)]
    assert list(told.data) == ["text", "label", "probabilities", "words"]
    assert list(told.data["words"][1]) == ["word", "start", "end", "moved"]
    assert told.data["words"][1]["moved"] == told.words[1].moved
    assert isinstance(told.words[1], MovedWord)


def test_the_entities_of_a_text(entities: tuple[Any, Any]) -> None:
    said = predict(entities, "Anna went", EntityOptions())
    assert isinstance(said, EntitiesPrediction)
    assert list(said.data) == ["text", "log_prob", "entities"]
    several = predict(entities, "Anna went", EntityOptions(nbest=4))
    assert list(several.data) == ["text", "log_prob", "entities", "nbest"]
    assert (several.log_prob, several.entities) == (several.nbest[0].log_prob, several.nbest[0].entities)
    found = next(tagging for tagging in several.nbest if tagging.entities)
    entity = found.entities[0]
    assert entity.text == "Anna went"[entity.start : entity.end]
    assert entity.type == "per"
    told = next(tagging for tagging in several.data["nbest"] if tagging["entities"])
    assert list(told) == ["log_prob", "entities"]
    assert list(told["entities"][0]) == ["start", "end", "type", "text", "confidence"]
    assert told["entities"][0]["confidence"] == entity.confidence


def test_entities_are_coloured_in_a_notebook(entities: tuple[Any, Any]) -> None:
    shown = entities[0]._coloured("a <b> c", [Entity(2, 5, "per", "<b>", 0.9)])
    html = EntitiesPrediction(shown, text="a <b> c", log_prob=0.0, entities=[])._repr_html_()
    assert 'font-weight: bold">&lt;b&gt;</span>' in html
    assert "[per]</span> c" in html


def test_the_labels_of_a_tree(trees: tuple[Any, Any]) -> None:
    said = predict(trees, "(0 (1 fine) (0 <film>))", Options())
    assert isinstance(said, TreePrediction)
    assert (said.text, said.label) == ("fine <film>", said.nodes[-1].label)
    assert [(node.word, node.parent) for node in said.nodes] == [("fine", 2), ("<film>", 2), (None, -1)]
    assert said.probabilities[said.label] == pytest.approx(said.nodes[-1].probability)
    assert list(said.data) == ["text", "label", "probabilities", "tree", "nodes"]
    assert list(said.data["nodes"][2].items())[2:] == [("word", None), ("parent", -1)]
    assert "white-space: pre;" in said._repr_html_()
    assert "&lt;film&gt;" in said._repr_html_()


def test_no_words_have_no_label_and_programs_are_told_so(trees: tuple[Any, Any]) -> None:
    said = predict(trees, "", Options())
    assert list(said.data.items()) == [
        ("text", ""),
        ("label", None),
        ("probabilities", {}),
        ("tree", ""),
        ("nodes", []),
    ]
    node = Node("1", 0.5, None, -1)
    tree = TreePrediction(Text(), text="a", label="1", probabilities={}, tree="(1 a)", nodes=[node])
    assert repr(tree) == f"TreePrediction(text='a', label='1', probabilities={{}}, tree='(1 a)', nodes=[{node!r}])"
