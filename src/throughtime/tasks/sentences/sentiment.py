"""Sentiment, or any other class of a text: many-to-one."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from rich.text import Text
from torch import Tensor

from throughtime.applications.application import ROWS, unknown_label
from throughtime.applications.exported import Exported
from throughtime.applications.folder.learnt import Closed
from throughtime.applications.judging.classification import (
    MAJORITY,
    ClassSettings,
    class_evaluation,
    class_report,
    judge,
    learn_classes,
)
from throughtime.applications.live.classes import LiveClasses
from throughtime.applications.live.parts import check_one_way
from throughtime.applications.memory import rows, write_rows
from throughtime.applications.options import Columned, Explained, Labelled, Ranked, Tabled
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.inputs import Column
from throughtime.applications.settings import ExampleSettings, option
from throughtime.applications.task import Report
from throughtime.data.text.labelled import KINDS, NOTHING, TEXT_NAMES, is_labelled, read_labelled
from throughtime.data.text.words import WordBatch
from throughtime.data.vocabulary import Vocabulary
from throughtime.layers import PoolingName
from throughtime.models import ClassBatch, Classifier, Model, StackConfig, WordInput
from throughtime.runtime.remarks import long_input
from throughtime.runtime.text.words import Word, find_words, split_words
from throughtime.tasks.sentences.live import WordFeatures, WordFeed
from throughtime.tasks.sentences.predictions import MovedWord, SentimentPrediction
from throughtime.tasks.sentences.words import KnownWords, WordApplication, WordSettings
from throughtime.training import Evaluation, OptimiserName

MOVERS = 3
"""Words that a prediction names beside their colours."""


class SentimentSettings(WordSettings, ClassSettings):
    """What a classifier of texts is trained from."""

    text_column: str | None = option(None, "Column of the texts: its name, or number from 1.", "Data")
    label_column: str | None = option(None, "Column of the labels: its name, or number from 1.", "Data")
    header: bool | None = option(None, "The first row names the columns; default: judged by the whole.", "Data")
    bidirectional: bool = option(True, "Read in both directions.", "Model")
    pooling: PoolingName = option("max", "Of the steps: last, mean, max, attention.", "Model")
    hidden: int = option(128, "Units of a layer.", "Model", ge=1, le=2**24)
    epochs: float = option(12.0, "Passes over the data.", "Training", gt=0)
    lr: float = option(1e-3, "Peak learning rate.", "Training", gt=0)
    optimiser: OptimiserName = option("adamw", "adam, adamw, sgd, or asgd (SGD with averaging).", "Training")
    weight_decay: float = option(0.1, "Of the optimiser.", "Training", ge=0)
    word_dropout: float = option(0.3, "Words read as UNK while training.", "Model", ge=0, lt=1)


@dataclass(frozen=True)
class SentimentExample:
    """A text, its words, its label, and where it stands."""

    text: str
    words: list[str]
    label: str
    where: str


class LabelledWords(KnownWords):
    """What ``vocabulary.json`` holds."""

    labels: Closed


class SentimentOptions(Ranked, Explained, Columned, Tabled):
    """Of the class of a text: what may be asked of it."""


class Sentiment(WordApplication[SentimentExample]):
    """The sentiment of a text."""

    name: ClassVar[str] = "sentiment"
    summary: ClassVar[str] = "classifier of texts, such as their sentiment: label, probabilities, which words moved it"
    settings_type: ClassVar[type[ExampleSettings]] = SentimentSettings
    kinds: ClassVar[str] = KINDS
    predicting = SentimentOptions
    column = Column("text", TEXT_NAMES, nothing=NOTHING)
    judging = Labelled
    example_type: ClassVar[type[Any]] = SentimentExample
    vocabulary_type: ClassVar[Any] = LabelledWords
    baselines: ClassVar[tuple[Baseline, ...]] = (MAJORITY,)

    def __init__(self, settings: SentimentSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.labels = Vocabulary(vocabulary["labels"])

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """A file with columns, or a folder of classes."""
        return is_labelled(path)

    @classmethod
    def read(cls, paths: Sequence[Path], settings: SentimentSettings) -> Iterator[SentimentExample]:
        """The texts of files and folders."""
        for path in paths:
            for found in read_labelled(path, settings.text_column, settings.label_column, settings.header):
                yield SentimentExample(found.text, split_words(found.text), found.label, found.where)

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Texts and labels as JSON lines.

        Args:
            data: ``[(text, label), …]``, ``(texts, labels)``, or mappings or a frame whose columns the reader finds: by
                names such as ``text``, ``review``, ``label``, ``sentiment``, else by what they hold.
            folder: An empty one.
        """
        return [write_rows(rows(data, ("text", "label")), folder / "examples.jsonl")]

    @classmethod
    def key(cls, example: SentimentExample) -> Hashable:
        """Texts of the same words are the same."""
        return tuple(example.words)

    @classmethod
    def learn(cls, train: Sequence[SentimentExample], settings: SentimentSettings) -> dict[str, Any]:
        """Labels, words and letters."""
        labels = learn_classes([example.label for example in train], train[0].where)
        return {"labels": labels, **cls.learn_words([example.words for example in train], settings)}

    def build(self) -> Model:
        """Words, a recurrent stack, pooling, softmax."""
        settings = self.settings
        inputs = WordInput(self.word_input(), engine=settings.engine)
        stack = StackConfig(**settings.stack()).build(inputs.output_size, engine=settings.engine)
        return Classifier(inputs, stack, len(self.labels), pooling=settings.pooling, dropout=settings.dropout)

    def size(self, example: SentimentExample) -> int:
        """Words."""
        return len(example.words)

    def steps(self, example: SentimentExample) -> dict[str, list[str]]:
        """The words."""
        return {"stack": example.words}

    def batch(self, examples: Sequence[SentimentExample]) -> ClassBatch:
        """Texts with their labels.

        Raises:
            UserError: If a label was not seen in training.
        """
        for example in examples:
            if example.label not in self.labels:
                raise unknown_label(example.where, example.label, self.labels.symbols)
        classes = torch.tensor(self.labels.ids(example.label for example in examples))
        return ClassBatch(self.reader.batch([example.words for example in examples]), classes)

    def validate(self, model: Classifier, examples: Sequence[SentimentExample]) -> Evaluation:
        """Accuracy, which selects, and the loss."""
        return class_evaluation(*judge(self, model, examples, len(self.labels)), self.settings.calibrate)

    def evaluate(self, model: Classifier, examples: Sequence[SentimentExample], options: SentimentOptions) -> Report:
        """Accuracy and macro F1 beside the majority's; counts and confusions; the surest errors."""
        log_probs, classes = judge(self, model, examples, len(self.labels))
        texts = [example.text for example in examples]
        return class_report(self.labels.symbols, log_probs, classes, texts, "text", temperature=model.temperature)

    def predict(self, model: Classifier, lines: Sequence[str], options: SentimentOptions) -> list[Prediction]:
        """The label of every line; with ``explain``, how far each word moved it."""
        words = [find_words(line) for line in lines]
        log_probs = model.log_probs(self._read(words)).double().cpu()
        return [self._show(model, *given, options) for given in zip(lines, words, log_probs, strict=True)]

    def exported(self, model: Classifier) -> Exported:
        """Labels, words, and the temperature of their probabilities."""
        facts = {"labels": self.labels.symbols, "temperature": model.temperature, "lowercase": self.settings.lowercase}
        return Exported("classes", facts, self.exported_words())

    def live(self, model: Classifier) -> LiveClasses:
        """A one-way model reads words as they come."""
        check_one_way(self.settings.bidirectional, "text")
        assert isinstance(model.inputs, WordInput)
        features = WordFeatures(self.reader, model.inputs)
        return LiveClasses(
            model, self.labels.symbols, lambda: WordFeed(features), "text", lambda line, _: line, warn=long_input
        )

    def _read(self, sentences: Sequence[Sequence[Word]]) -> WordBatch:
        return self.reader.batch([[word.text for word in sentence] for sentence in sentences])

    def _show(
        self, model: Classifier, line: str, words: Sequence[Word], log_probs: Tensor, options: SentimentOptions
    ) -> SentimentPrediction:
        order = log_probs.argsort(descending=True, stable=True).tolist()
        chances = {self.labels.symbols[n]: math.exp(float(log_probs[n])) for n in order}
        label = self.labels.symbols[order[0]]
        moved: list[MovedWord] | None = None
        shown = Text()
        shown.append("  ".join(f"{name} {100 * chance:.1f} %" for name, chance in [*chances.items()][: options.nbest]))
        shown.append("  ")
        if options.explain:
            moved = self._moves(model, words, log_probs, order[0])
            shown.append_text(coloured(line, moved))
            strongest = sorted(moved, key=lambda word: -abs(word.moved))[:MOVERS]
            shown.append("".join(f"\n  {word.moved:+.2f}  {word.word}" for word in strongest), "dim")
        else:
            shown.append(line)
        return SentimentPrediction(
            shown, text=line, label=label, probabilities=chances, words=moved, warnings=long_input(len(words))
        )

    def _moves(self, model: Classifier, words: Sequence[Word], log_probs: Tensor, label: int) -> list[MovedWord]:
        """How much each word adds to the logarithm of a label's odds: what is lost when it becomes UNK."""
        before = float(log_odds(log_probs.unsqueeze(0), label))
        lost: list[float] = []
        for begin in range(0, len(words), ROWS):
            hidden = [
                [w.text if n != at else "" for n, w in enumerate(words)]
                for at in range(len(words))[begin : begin + ROWS]
            ]
            lost += [before - after for after in log_odds(model.log_probs(self.reader.batch(hidden)), label).tolist()]
        return [MovedWord(*word, by) for word, by in zip(words, lost, strict=True)]


def log_odds(log_probs: Tensor, label: int) -> Tensor:
    """``log(p / (1 - p))`` of one label, of ``[N, K]``: it still tells apart what is nearly sure.

    Example:
        >>> chances = torch.tensor([[0.5, 0.25, 0.25], [0.8, 0.1, 0.1]])
        >>> [round(odds, 4) for odds in log_odds(chances.log(), 0).exp().tolist()]
        [1.0, 4.0]
    """
    others = [number for number in range(log_probs.shape[1]) if number != label]
    return log_probs[:, label] - log_probs[:, others].logsumexp(1)


def coloured(line: str, moved: Sequence[MovedWord]) -> Text:
    """The line, words that speak for the label in green, those against it in red, the strongest bold."""
    text = Text(line)
    most = max((abs(word.moved) for word in moved), default=0.0)
    for word in moved:
        if abs(word.moved) > most / 4:
            colour = "green" if word.moved > 0 else "red"
            text.stylize(f"bold {colour}" if abs(word.moved) > most / 2 else colour, word.start, word.end)
    return text
