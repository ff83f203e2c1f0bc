"""Series of numbers over time: what is to be told of each, or how surprising each of its steps is."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from throughtime.applications.application import Application
from throughtime.applications.judging.classification import MAJORITY
from throughtime.applications.live import Live
from throughtime.applications.memory import rows
from throughtime.applications.options import Options
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.inputs import Asked, Column, Input, Inputs
from throughtime.applications.settings import SignalSettings
from throughtime.applications.task import Report
from throughtime.data.progress import report
from throughtime.data.series.labelled import lines, tables, ts
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.errors import UserError
from throughtime.models import Model
from throughtime.tasks.series.inputs import line_series, table_series
from throughtime.tasks.series.labels import LabelOptions, SeriesLabels
from throughtime.tasks.series.learning import LearntLabels, LearntNovelty
from throughtime.tasks.series.memory import NAMES, as_series, write_series
from throughtime.tasks.series.novelty import SeriesNovelty
from throughtime.tasks.series.settings import SUFFIXES, SeriesSettings, read_series_of
from throughtime.training import Evaluation

PARTS: dict[str, type[SeriesLabels] | type[SeriesNovelty]] = {"labels": SeriesLabels, "novelty": SeriesNovelty}
"""What is learnt of series with labels, and of those without."""

TOGETHER = 64
"""Series that are computed together."""

FEW = 200
"""Examples to train on, of which a tenth would say too little of a model to choose it by."""


class SeriesTask(Application[LabelledSeries]):
    """What is to be told of series of numbers."""

    name: ClassVar[str] = "series"
    summary: ClassVar[str] = "series of numbers: a class or a number of each, a label of every step, or its novelty"
    settings_type: ClassVar[type[SignalSettings]] = SeriesSettings
    example_type: ClassVar[type[Any]] = LabelledSeries
    vocabulary_type: ClassVar[Any] = Annotated[LearntLabels | LearntNovelty, Field(discriminator="learnt")]
    baselines: ClassVar[tuple[Baseline, ...]] = (
        MAJORITY,
        Baseline("rmse", "mean_rmse", "always saying the mean of the training data is no further off", higher=False),
    )
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    judging: type[Options] = LabelOptions
    column = Column("series", ("series",))
    tables: ClassVar[tuple[str, ...]] = (*tables.SUFFIXES, lines.SUFFIX)
    reads_files: ClassVar[bool] = True

    def __init__(self, settings: SeriesSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.part = PARTS[vocabulary["learnt"]](settings, vocabulary)
        self.predicting, self.judging = self.part.predicting, self.part.judging
        self.channels = len(vocabulary["means"])
        self.numbers = f"values [T, {self.channels}]"
        if not len(vocabulary["scales"]) == len(vocabulary["moves"]) == self.channels:
            raise ValueError("expected as many 'scales' and 'moves' as 'means'")

    # Data.

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """A file of series; a video, whose name may end alike, is none."""
        return super().is_data(path) and (path.suffix.lower() != ts.SUFFIX or ts.is_ts(path))

    @classmethod
    def read(cls, paths: Sequence[Path], settings: SeriesSettings) -> Iterator[LabelledSeries]:
        """The series of files.

        Raises:
            UserError: If a line of one is not as it should be.
        """
        for path in paths:
            yield from read_series_of(path, settings)

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Series as JSON lines.

        Args:
            data: ``[(series, label), …]``, ``(series, labels)``, or mappings or a frame with the columns series and
                label. A series is an array ``[T]`` or ``[T, channels]``, not a number where a value is missing; a
                label is a text, a number, or a list with one of every step.
            folder: An empty one.
        """
        return [write_series(rows(data, NAMES), folder)]

    @classmethod
    def key(cls, example: LabelledSeries) -> Hashable:
        """The same values never stand on both sides of a split."""
        return tuple(map(tuple, example.channels))

    @classmethod
    def learn(cls, train: Sequence[LabelledSeries], settings: SeriesSettings) -> dict[str, Any]:
        """Which of the two it is, and what that one learns."""
        learnt = "novelty" if settings.novelty else "labels"
        return {"learnt": learnt, **PARTS[learnt].learn(train, settings)}

    @classmethod
    def validates(cls, train: Sequence[LabelledSeries], settings: SeriesSettings) -> bool:
        """A tenth of a few series would say nothing of a model, and be missed in training it."""
        return settings.novelty or "held_out" in settings.model_fields_set or len(train) >= FEW

    @classmethod
    def cut(
        cls, train: Sequence[LabelledSeries], settings: SeriesSettings
    ) -> tuple[Sequence[LabelledSeries], Sequence[LabelledSeries]] | None:
        """Of what is to be foretold, the end of every series is held out."""
        return SeriesNovelty.cut(train, settings) if settings.novelty else None

    def check(self, example: LabelledSeries) -> None:
        """Channels as in training, of one length."""
        if len(example.channels) != self.channels or {len(values) for values in example.channels} != {example.steps}:
            raise ValueError(f"expected {self.channels} channels of one length")
        if not example.steps or len(example.labels) not in (0, example.steps):
            raise ValueError("expected at least one step, and a label of each or none")

    def labels_of(self, example: LabelledSeries) -> Iterable[str]:
        """As the part tells."""
        return self.part.labels_of(example)

    def answer_of(self, example: LabelledSeries) -> str:
        """As the part tells."""
        return self.part.answer_of(example)

    def input_of(self, example: LabelledSeries) -> str:
        """Its size, and the first steps."""
        first = zip(*(values[:3] for values in example.channels), strict=True)
        told = ", ".join(" ".join("?" if value is None else f"{value:g}" for value in step) for step in first)
        steps = f"{example.steps:,} {'step' if example.steps == 1 else 'steps'}"
        channels = f"{self.channels} {'channel' if self.channels == 1 else 'channels'}"
        return f"{example.where}: {steps} × {channels}: {told}{', …' if example.steps > 3 else ''}"

    def guess(self, examples: Sequence[LabelledSeries], train: Sequence[LabelledSeries]) -> Guess | None:
        """As the part tells."""
        return self.part.guess(examples, train)

    # As the part does it.

    def build(self) -> Model:
        """The model of the part."""
        return self.part.build()

    def size(self, example: LabelledSeries) -> int:
        """Steps."""
        return example.steps

    def batch(self, examples: Sequence[LabelledSeries]) -> Any:
        """As the part makes it.

        Raises:
            UserError: If a label was not seen in training, or a series is not like those of it.
        """
        return self.part.batch(examples)

    def training_batch(self, examples: Sequence[LabelledSeries]) -> Any:
        """As the part makes it."""
        return self.part.training_batch(examples)

    def validate(self, model: Any, examples: Sequence[LabelledSeries]) -> Evaluation:
        """As the part does it."""
        return self.part.validate(model, examples)

    def evaluate(self, model: Any, examples: Sequence[LabelledSeries], options: Any) -> Report:
        """As the part does it."""
        return self.part.evaluate(model, examples, options)

    def live(self, model: Any) -> Live:
        """As the part tells."""
        return self.part.live(model)

    # Use.

    def inputs(self, path: Path, asked: Asked) -> Inputs | None:
        """The series of a table or of JSON lines."""
        if path.suffix.lower() == lines.SUFFIX:
            return line_series(path)
        if path.suffix.lower() not in tables.SUFFIXES:
            return None
        return table_series(path, self.settings.columns(asked.header, self.part.known), self.part.spread)

    def predict_inputs(self, model: Any, inputs: Sequence[Input], options: Any) -> list[Prediction]:
        """What is told of every series."""
        return self.part.tell(model, [as_series(found.value, found.where) for found in inputs], options)

    def predict_items(self, model: Any, items: Sequence[Any], options: Any) -> list[Prediction]:
        """What is told of arrays of numbers, as :meth:`spill` takes them, and of files."""
        found: list[Prediction] = []
        for number, item in enumerate(items, 1):
            if isinstance(item, str | Path):
                found += self.predict_file(model, Path(item), options)
            else:
                found += self.part.tell(model, [as_series(item, f"input {number}")], options)
        return found

    def predict_file(self, model: Any, path: Path, options: Any) -> Iterator[Prediction]:
        """What is told of every series of a file."""
        found = self.inputs(path, Asked(header=options.header))
        series = list(read_series_of(path, self.settings)) if found is None else [one.value for one in found.items]
        if options.picture is not None and len(series) != 1:
            raise UserError(f"--picture: expected one series to draw, got {len(series):,} in {path}")
        for begin in range(0, len(series), TOGETHER):
            yield from self.part.tell(model, series[begin : begin + TOGETHER], options)
            report(min(begin + TOGETHER, len(series)), len(series), "series")
