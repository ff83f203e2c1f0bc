"""The class of a short sequence of DNA, such as the kind of a splice junction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from rich.text import Text
from torch.nn import functional as F
from typing_extensions import TypedDict

from throughtime.applications.application import ROWS, Application, unknown_label
from throughtime.applications.exported import Exported
from throughtime.applications.folder.learnt import Closed, Count
from throughtime.applications.judging.classification import class_evaluation, class_report, judge, learn_classes
from throughtime.applications.live.classes import LiveClasses
from throughtime.applications.live.parts import check_one_way
from throughtime.applications.options import Columned, Ranked, Tabled
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.inputs import Input
from throughtime.applications.task import Report
from throughtime.data.dna.bases import Codes, encode
from throughtime.data.dna.genomes import read_genome
from throughtime.data.dna.sequences import KINDS
from throughtime.data.progress import report
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError, listed
from throughtime.models import ClassBatch, Classifier, LetterInput, Letters, Model
from throughtime.models.base import tempered
from throughtime.runtime.dna.fasta import FASTA, GFF, read_fasta
from throughtime.runtime.dna.genbank import GENBANK
from throughtime.runtime.remarks import long_input, other_length
from throughtime.tasks.dna.examples import DnaExample, DnaSettings, batch_letters
from throughtime.tasks.dna.live import LetterFeed
from throughtime.tasks.dna.predictions import SequencePrediction
from throughtime.training import Evaluation


class LearntClasses(TypedDict):
    """What ``vocabulary.json`` holds of labelled sequences."""

    learnt: Literal["classes"]
    labels: Closed
    places: Count


class SequenceOptions(Ranked, Columned, Tabled):
    """Of a sequence's class: what may be asked of it."""


class DnaClasses(Application[DnaExample]):
    """The class of a sequence."""

    name: ClassVar[str] = "dna"
    predicting = SequenceOptions

    def __init__(self, settings: DnaSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.labels = Vocabulary(vocabulary["labels"])

    @classmethod
    def learn(cls, train: Sequence[DnaExample], settings: DnaSettings) -> dict[str, Any]:
        """Labels, and the length of the sequences where all have the same.

        Raises:
            UserError: If there is only one label, or labels are no classes.
        """
        labels = learn_classes([str(example.label) for example in train], train[0].where)
        lengths = {len(example.letters) for example in train}
        return {"labels": labels, "places": lengths.pop() if len(lengths) == 1 else 0}

    def build(self) -> Model:
        """The classifier of sequences."""
        model: Model = self.settings.classifier(len(self.labels), self.vocabulary["places"])
        return model

    def batch(self, examples: Sequence[DnaExample]) -> ClassBatch:
        """Sequences with their labels.

        Raises:
            UserError: If a label was not seen in training.
        """
        for example in examples:
            if example.label not in self.labels:
                raise unknown_label(example.where, str(example.label), self.labels.symbols)
        classes = torch.tensor(self.labels.ids(str(example.label) for example in examples))
        return ClassBatch(batch_letters(examples), classes)

    def training_batch(self, examples: Sequence[DnaExample]) -> ClassBatch:
        """Sequences, some letters read as N."""
        return ClassBatch(self.settings.hide(batch_letters(examples)), self.batch(examples).classes)

    def size(self, example: DnaExample) -> int:
        """Letters."""
        return len(example.letters)

    # Judgement.

    def validate(self, model: Classifier, examples: Sequence[DnaExample]) -> Evaluation:
        """Accuracy, and cross-entropy at the temperature that is fitted, which selects, as few errors tell little.

        At temperature 1 a model of little data is too sure long before it has learnt what it can.
        """
        log_probs, gold = judge(self, model, examples, len(self.labels))
        found = class_evaluation(log_probs, gold, self.settings.calibrate)
        return replace(found, objective=float(F.nll_loss(tempered(log_probs, found.temperature), gold)))

    def evaluate(self, model: Classifier, examples: Sequence[DnaExample], options: SequenceOptions) -> Report:
        """Accuracy beside the majority's; counts and confusions by label; the surest errors."""
        log_probs, classes = judge(self, model, examples, len(self.labels))
        names = [example.name for example in examples]
        return class_report(self.labels.symbols, log_probs, classes, names, "sequence", temperature=model.temperature)

    # Use.

    def predict(self, model: Classifier, lines: Sequence[str], options: SequenceOptions) -> list[Prediction]:
        """The class of every line of letters."""
        return list(self._show(model, [_line(number, line) for number, line in enumerate(lines, 1)], options))

    def predict_file(self, model: Classifier, path: Path, options: SequenceOptions) -> Iterator[Prediction]:
        """The class of every sequence of a file."""
        yield from self._predict(model, self._named(path), options)

    def predict_items(self, model: Classifier, items: Sequence[Any], options: SequenceOptions) -> list[Prediction]:
        """The class of lines of letters, and of every sequence of files."""
        found: list[tuple[str, Codes]] = []
        for number, item in enumerate(items, 1):
            found += self._named(item) if isinstance(item, Path) else [_line(number, item)]
        return list(self._predict(model, found, options))

    def predict_inputs(self, model: Classifier, inputs: Sequence[Input], options: SequenceOptions) -> list[Prediction]:
        """The class of every sequence of a table."""
        for found in inputs:
            if not isinstance(found.value, str):
                raise UserError(f"{found.where}: expected letters of DNA, got a {type(found.value).__name__}")
        return list(self._show(model, [(f.where, encode(f.value.strip(), f.where)) for f in inputs], options))

    def exported(self, model: Classifier) -> Exported:
        """Labels, the temperature of their probabilities, and how long sequences were where all were alike."""
        facts = {"labels": self.labels.symbols, "temperature": model.temperature}
        return Exported("dna", facts | {"places": self.vocabulary["places"]})

    def live(self, model: Classifier) -> LiveClasses:
        """A one-way model reads letters as they come; the last two wait for their neighbours."""
        check_one_way(self.settings.bidirectional, "sequence")
        inputs = model.inputs
        assert isinstance(inputs, LetterInput)
        labels = self.labels.symbols
        return LiveClasses(model, labels, lambda: LetterFeed(inputs), "text", lambda line, _: line, warn=self._warnings)

    def _named(self, path: Path) -> list[tuple[str, Codes]]:
        """The sequences of a file that is no table; they need no labels."""
        kind = path.suffix.lower()
        if kind in FASTA:
            return [(record.name, record.codes) for record in read_fasta(path)]
        if kind in (*GENBANK, *GFF):
            return [(record.name, record.codes) for record in read_genome(path)]
        raise UserError(f"{path}: expected a file that ends in {listed((*GENBANK, *KINDS))}")

    def _predict(
        self, model: Classifier, found: Sequence[tuple[str, Codes]], options: SequenceOptions
    ) -> Iterator[Prediction]:
        for begin in range(0, len(found), ROWS):
            yield from self._show(model, found[begin : begin + ROWS], options)
            report(min(begin + ROWS, len(found)), len(found), "sequences")

    def _show(
        self, model: Classifier, found: Sequence[tuple[str, Codes]], options: SequenceOptions
    ) -> Iterator[SequencePrediction]:
        log_probs = model.log_probs(Letters.of([codes for _, codes in found])).double().cpu()
        for (name, codes), row in zip(found, log_probs, strict=True):
            order = row.argsort(descending=True, stable=True).tolist()
            chances = {self.labels.symbols[n]: math.exp(float(row[n])) for n in order}
            shown = Text("  ".join(f"{label} {100 * p:.1f} %" for label, p in [*chances.items()][: options.nbest]))
            shown.append(f"  {name}")
            label, warnings = next(iter(chances)), self._warnings(len(codes))
            yield SequencePrediction(shown, name=name, label=label, probabilities=chances, warnings=warnings)

    def _warnings(self, letters: int) -> list[str]:
        return [*long_input(letters, "letters"), *other_length(letters, self.vocabulary["places"])]


def _line(number: int, letters: str) -> tuple[str, Codes]:
    """What a line is called, and its letters as numbers."""
    return f"line {number}", encode(letters, f"line {number}")
