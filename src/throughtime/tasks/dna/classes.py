"""The class of a short sequence of DNA, such as the kind of a splice junction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from rich.text import Text

from throughtime.applications.application import ROWS, Application, long_input, unknown_label
from throughtime.applications.classification import class_evaluation, class_report, judge
from throughtime.applications.options import Ranked
from throughtime.applications.prediction import Prediction
from throughtime.applications.task import Report
from throughtime.data.dna.bases import Codes, encode
from throughtime.data.dna.genomes import FASTA, GENBANK, read_fasta, read_genome
from throughtime.data.dna.sequences import read_sequences
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError
from throughtime.models import ClassBatch, Classifier, Letters, Model
from throughtime.tasks.dna.examples import DnaExample, DnaSettings, batch_letters
from throughtime.training import Evaluation


@dataclass(frozen=True, repr=False, kw_only=True)
class SequencePrediction(Prediction):
    """The class of a sequence.

    Attributes:
        name: As its file names it.
        label: The likeliest class.
        probabilities: Of every class, the likeliest first.
    """

    name: str
    label: str
    probabilities: dict[str, float]


class SequenceOptions(Ranked):
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
            UserError: If there is only one label.
        """
        labels = Vocabulary.closed(str(example.label) for example in train)
        if len(labels) < 2:
            raise UserError(f"expected at least two labels, got only {labels.symbols[0]!r} ({train[0].where})")
        lengths = {len(example.letters) for example in train}
        return {"labels": labels.symbols, "places": lengths.pop() if len(lengths) == 1 else 0}

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
        """Cross-entropy, which selects, as few errors tell little, and accuracy."""
        figures = class_evaluation(*judge(self, model, examples, len(self.labels))).figures
        return Evaluation(figures["loss"], figures)

    def evaluate(self, model: Classifier, examples: Sequence[DnaExample], options: SequenceOptions) -> Report:
        """Accuracy beside the majority's; counts and confusions by label; the surest errors."""
        log_probs, classes = judge(self, model, examples, len(self.labels))
        return class_report(self.labels.symbols, log_probs, classes, [e.name for e in examples], "sequence")

    # Use.

    def predict(self, model: Classifier, lines: Sequence[str], options: SequenceOptions) -> list[Prediction]:
        """The class of every line of letters."""
        found = [(f"line {number}", encode(line, f"line {number}")) for number, line in enumerate(lines, 1)]
        return list(self._show(model, found, options))

    def predict_file(self, model: Classifier, path: Path, options: SequenceOptions) -> Iterator[Prediction]:
        """The class of every sequence of a file."""
        kind = path.suffix.lower()
        if kind in FASTA:
            found = [(record.name, record.codes) for record in read_fasta(path)]
        elif kind in GENBANK:
            found = [(record.name, record.codes) for record in read_genome(path)]
        else:
            read = read_sequences(path, self.settings.text_column, self.settings.label_column)
            found = [(sequence.name, sequence.codes) for sequence in read]
        for begin in range(0, len(found), ROWS):
            yield from self._show(model, found[begin : begin + ROWS], options)
            self.progress(min(begin + ROWS, len(found)), len(found), "sequences")

    def _show(
        self, model: Classifier, found: Sequence[tuple[str, Codes]], options: SequenceOptions
    ) -> Iterator[Prediction]:
        log_probs = model.log_probs(Letters.of([codes for _, codes in found])).double().cpu()
        for (name, codes), row in zip(found, log_probs, strict=True):
            order = row.argsort(descending=True, stable=True).tolist()
            chances = {self.labels.symbols[n]: math.exp(float(row[n])) for n in order}
            shown = Text("  ".join(f"{label} {100 * p:.1f} %" for label, p in [*chances.items()][: options.nbest]))
            shown.append(f"  {name}")
            yield SequencePrediction(
                shown,
                warnings=[*long_input(len(codes), "letters"), *self._other_length(len(codes))],
                name=name,
                label=next(iter(chances)),
                probabilities=chances,
            )

    def _other_length(self, length: int) -> list[str]:
        places = self.vocabulary["places"]
        if places in (0, length):
            return []
        return [f"{length:,} letters, where all of training had {places:,}: expect little of the result"]
