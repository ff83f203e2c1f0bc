"""What is told of series with labels: a class of each, a number, or a label of every step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from throughtime.applications.application import Application, unknown_label
from throughtime.applications.judging.classification import class_evaluation, class_report, judge
from throughtime.applications.live.classes import LiveClasses
from throughtime.applications.live.parts import check_one_way, row_of
from throughtime.applications.options import Drawn, Explained, Headed, Ranked, Tabled
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.readable import commonest
from throughtime.applications.settings import SignalSettings, option
from throughtime.applications.task import Report
from throughtime.data import NOTHING
from throughtime.data.ragged import RaggedBatch
from throughtime.data.series.labelled.augment import SeriesChanges
from throughtime.data.series.labelled.frames import Framing
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError
from throughtime.models import (
    ClassBatch,
    Classifier,
    Model,
    NumberBatch,
    Regressor,
    SeriesInput,
    StackConfig,
    StepBatch,
    StepClassifier,
)
from throughtime.tasks.series.judging import balanced, number_evaluation, number_report
from throughtime.tasks.series.learning import check_labelled, learn_labels, number_of, scaled
from throughtime.tasks.series.live import SeriesFeed
from throughtime.tasks.series.pictures import draw_series
from throughtime.tasks.series.predictions import SeriesPrediction, by_step, show_class, show_number, show_steps
from throughtime.tasks.series.settings import SeriesSettings
from throughtime.training import Evaluation


class LabelOptions(Headed):
    """Where tables of series may be read."""

    label_column: str | None = option(
        None, "Column of the labels, first, last or none; default: as in training.", "Data"
    )


class SeriesOptions(Ranked, Explained, Drawn, Tabled, Headed):
    """Of what is told of series: what may be asked of it."""


class SeriesLabels(Application[LabelledSeries]):
    """The part of the task that has labels to learn."""

    settings_type: ClassVar[type[SignalSettings]] = SeriesSettings
    predicting = SeriesOptions
    judging = LabelOptions

    def __init__(self, settings: SeriesSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.target: str = vocabulary["target"]
        self.labels = Vocabulary(vocabulary["labels"] or ["-"])
        if len(vocabulary["weights"]) not in (0, len(self.labels)):
            raise ValueError("expected as many 'weights' as 'labels', or none")
        self.framing = Framing(
            vocabulary["window"],
            vocabulary["stride"],
            not settings.bidirectional,
            vocabulary["missing"],
            tuple(vocabulary["moves"]),
        )
        if self.target == "steps" and self.framing.stride > 1:
            raise ValueError("expected a 'stride' of 1 where every step has a label")

    @classmethod
    def learn(cls, train: Sequence[LabelledSeries], settings: SeriesSettings) -> dict[str, Any]:
        """What is to be told, and the units of the channels."""
        return learn_labels(train, settings)

    @property
    def known(self) -> Sequence[str]:
        """Labels that training had."""
        return self.vocabulary["labels"] or ()

    @property
    def spread(self) -> bool:
        """Whether what is told of a series is a list with something for each of its steps."""
        return self.target == "steps"

    def labels_of(self, example: LabelledSeries) -> Iterable[str]:
        """Classes; a number is none."""
        if self.target == "number":
            return []
        return [example.label] if self.target == "class" else filter(None, example.labels)

    def answer_of(self, example: LabelledSeries) -> str:
        """The label; those of the first steps."""
        if self.target != "steps":
            return example.label
        return f"{' '.join(example.labels[:3])}{' …' if example.steps > 3 else ''}"

    def guess(self, examples: Sequence[LabelledSeries], train: Sequence[LabelledSeries]) -> Guess | None:
        """Always the commonest label, or the mean of training."""
        if self.target != "number":
            return commonest([label for example in examples for label in self.labels_of(example)])
        errors = np.array([number_of(example) for example in examples]) - self.vocabulary["middle"]
        how = "always saying the mean of the training data"
        return Guess("rmse", float(np.sqrt(np.square(errors).mean())), how, higher=False)

    # Model.

    def build(self) -> Model:
        """Features of frames, a recurrent stack; attention over time and a softmax or a number, or a softmax a step."""
        settings, found = self.settings, self.vocabulary
        inputs = SeriesInput(
            self.framing.numbers, settings.features, one_way=self.framing.one_way, dropout=settings.feature_dropout
        )
        stack = StackConfig(**settings.stack()).build(inputs.output_size, engine=settings.engine)
        dropout, weights = settings.dropout, found["weights"] or None
        if self.target == "number":
            return Regressor(stack, inputs=inputs, pooling="attention", dropout=dropout)
        if self.target == "steps":
            return StepClassifier(inputs, stack, len(self.labels), dropout=dropout, weights=weights)
        return Classifier(inputs, stack, len(self.labels), pooling="attention", dropout=dropout, weights=weights)

    def size(self, example: LabelledSeries) -> int:
        """Steps."""
        return example.steps

    def batch(self, examples: Sequence[LabelledSeries]) -> Any:
        """Series with what is to be told of them.

        Raises:
            UserError: If a label was not seen in training, or a series is not like those of it.
        """
        return self._with_answers(self.framing(scaled(examples, self.vocabulary)), examples)

    def training_batch(self, examples: Sequence[LabelledSeries]) -> Any:
        """The same, changed in time and size; where steps have labels, in size alone."""
        given = self.settings
        if self.target == "steps":
            change = SeriesChanges(magnify=given.magnify, noise=given.noise)
        else:
            change = SeriesChanges(given.stretch, given.warp, given.crop, given.magnify, given.noise)
        changed = change(scaled(examples, self.vocabulary))
        return self._with_answers(self.framing(changed), examples)

    def _with_answers(self, frames: RaggedBatch, examples: Sequence[LabelledSeries]) -> Any:
        check_labelled(examples, self.target)
        if self.target == "number":
            numbers = torch.tensor([[number_of(example)] for example in examples], dtype=torch.float64)
            scaled = (numbers - self.vocabulary["middle"]) / self.vocabulary["spread"]
            return NumberBatch(frames.values, frames.lengths, scaled.float())
        for example in examples:
            for label in self.labels_of(example):
                if label not in self.labels:
                    raise unknown_label(example.where, label, self.labels.symbols)
        if self.target == "class":
            return ClassBatch(frames, torch.tensor(self.labels.ids(example.label for example in examples)))
        classes = torch.full(frames.values.shape[:2], NOTHING)
        for row, example in zip(classes, examples, strict=True):
            at = [step for step, label in enumerate(example.labels) if label]
            row[at] = torch.tensor(self.labels.ids(example.labels[step] for step in at))
        return StepBatch(frames, classes)

    # Judgement.

    def validate(self, model: Any, examples: Sequence[LabelledSeries]) -> Evaluation:
        """The loss, which selects, with accuracy; or the error of numbers."""
        if self.target == "number":
            return number_evaluation(*self._judged_numbers(model, examples))
        found = class_evaluation(*self._judged(model, examples), self.settings.calibrate)
        return Evaluation(found.figures["loss"], found.figures, found.temperature)

    def evaluate(self, model: Any, examples: Sequence[LabelledSeries], options: LabelOptions) -> Report:
        """Accuracy, plain and balanced, and macro F1 beside the majority's; or the error of numbers, and the mean's."""
        if self.target == "number":
            found, numbers = self._judged_numbers(model, examples)
            return number_report(found, numbers, self.vocabulary["middle"], [example.where for example in examples])
        log_probs, classes = self._judged(model, examples)
        names = [
            example.where if self.target == "class" else f"{example.where}, step {step}"
            for example in examples
            for step, label in enumerate(example.labels or [example.label], 1)
            if label
        ]
        what = "serie" if self.target == "class" else "step"
        made = class_report(self.labels.symbols, log_probs, classes, names, what, None, model.temperature)
        return balanced(made)

    def _judged(self, model: Any, examples: Sequence[LabelledSeries]) -> tuple[Tensor, Tensor]:
        """Log-probabilities ``[N, K]`` and classes ``[N]`` of series, or of their steps, in order."""
        if self.target == "class":
            return judge(self, model, examples, len(self.labels))
        found: dict[int, tuple[Tensor, Tensor]] = {}
        batches = self.in_batches(examples)
        with torch.no_grad():
            for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
                log_probs = model.log_probs(batch.steps).double().cpu()
                for row, number in enumerate(chosen):
                    said = batch.classes[row] != NOTHING
                    found[number] = log_probs[row][said], batch.classes[row][said]
        ordered = [found[number] for number in range(len(examples))]
        return torch.cat([each for each, _ in ordered]), torch.cat([each for _, each in ordered])

    @torch.no_grad()
    def _judged_numbers(self, model: Regressor, examples: Sequence[LabelledSeries]) -> tuple[Tensor, Tensor]:
        """What the model says, and what is right, ``[N]`` each."""
        found = torch.empty(len(examples), dtype=torch.float64)
        batches = self.in_batches(examples)
        for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
            found[chosen] = self._as_numbers(model(batch.features, batch.lengths))
        return found, torch.tensor([number_of(example) for example in examples], dtype=torch.float64)

    def _as_numbers(self, said: Tensor) -> Tensor:
        """What a model says, ``[B, 1]``, in the units of the data, ``[B]``."""
        found: Tensor = said[:, 0].double().cpu() * self.vocabulary["spread"] + self.vocabulary["middle"]
        return found

    # Use.

    def live(self, model: Any) -> LiveClasses:
        """A one-way classifier reads rows as they come."""
        if self.target != "class":
            raise UserError("a stream: expected a model of classes; one of numbers or of labels a step reads files")
        check_one_way(self.settings.bidirectional, "series")
        found = self.vocabulary
        feed = partial(SeriesFeed, model.inputs, self.framing, found["means"], found["scales"])
        facts = {"numbers": len(found["means"])}
        return LiveClasses(model, self.labels.symbols, feed, "rows", row_of, least=1, facts=facts)

    def tell(self, model: Any, series: Sequence[LabelledSeries], options: SeriesOptions) -> list[Prediction]:
        """What is told of every series."""
        made = self._shown(model, series, options)
        if options.picture is not None:
            draw_series(options.picture, series[0], made[0])
        return list(made)

    def _shown(self, model: Any, series: Sequence[LabelledSeries], options: SeriesOptions) -> list[SeriesPrediction]:
        frames = self.framing(scaled(series, self.vocabulary))
        if self.target == "steps":
            sure, best = model.log_probs(frames).double().exp().max(2)
            return [
                show_steps(one, [self.labels.symbols[at] for at in row[: one.steps]], chances, options.explain)
                for one, row, chances in zip(series, best.tolist(), sure.tolist(), strict=True)
            ]
        if self.target == "number":
            said, weights = model.attend(frames.values, frames.lengths)
            told: list[Any] = self._as_numbers(said).tolist()
        else:
            log_probs, weights = model.attend(frames)
            told = [dict(zip(self.labels.symbols, row, strict=True)) for row in log_probs.double().exp().tolist()]
        attended = options.explain or options.picture is not None
        found: list[SeriesPrediction] = []
        for one, each, row in zip(series, told, weights.tolist(), strict=True):
            attention = by_step(row, self.framing.stride, one.steps) if attended else None
            number = self.target == "number"
            found.append(
                show_number(one, each, attention) if number else show_class(one, each, attention, options.nbest)
            )
        return found
