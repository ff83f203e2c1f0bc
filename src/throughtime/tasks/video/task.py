"""The action in a clip: a class for a video, or for a sequence of key points. Many-to-one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from throughtime.applications.application import Application, unknown_label
from throughtime.applications.exported import Exported
from throughtime.applications.folder.describing import describe_model
from throughtime.applications.folder.learnt import LARGEST
from throughtime.applications.judging.classification import (
    MAJORITY,
    class_evaluation,
    class_report,
    judge,
    learn_classes,
)
from throughtime.applications.live.classes import LiveClasses
from throughtime.applications.live.parts import check_one_way, row_of
from throughtime.applications.memory import rows, written_as
from throughtime.applications.options import Drawn, Explained, Ranked, Tabled
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.inputs import Asked, Column, Input, Inputs
from throughtime.applications.settings import SignalSettings
from throughtime.applications.task import Report, Table
from throughtime.data.classes import class_folders
from throughtime.data.progress import counted, report
from throughtime.data.ragged import RaggedBatch
from throughtime.data.shards.tars import is_archive
from throughtime.data.video import keypoints
from throughtime.data.video.augment import FrameChanges, PointChanges
from throughtime.data.video.keypoints import PointSequence
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError
from throughtime.models import ClassBatch, Classifier, FrameInput, Model, PointInput, StackConfig
from throughtime.pictures import short_name
from throughtime.runtime.video import films
from throughtime.runtime.video.films import Video
from throughtime.runtime.video.memory import Film
from throughtime.runtime.video.windows import Window, groups, windows_of
from throughtime.tasks.video.examples import (
    LISTS,
    Array,
    ClipExample,
    VideoSettings,
    check_kind,
    check_numbers,
    read_examples,
    steps_of,
    warnings_of,
)
from throughtime.tasks.video.inputs import list_inputs, point_inputs
from throughtime.tasks.video.learning import STILL, LearntClips, learn_points, without_time
from throughtime.tasks.video.live import PointFeed
from throughtime.tasks.video.memory import as_clip, write_clips, write_film
from throughtime.tasks.video.pictures import Samples, draw_points, draw_windows
from throughtime.tasks.video.predictions import show_points, show_windows
from throughtime.training import Evaluation

TOGETHER = 8
"""Windows of a long video that are computed together."""


class ActionOptions(Ranked, Explained, Drawn, Tabled):
    """Of the actions of a clip: what may be asked of it."""


class VideoActions(Application[ClipExample]):
    """The action in a clip."""

    name: ClassVar[str] = "video"
    summary: ClassVar[str] = "classifier of videos or key points, such as the action shown: class, and when it shows"
    settings_type: ClassVar[type[SignalSettings]] = VideoSettings
    example_type: ClassVar[type[Any]] = ClipExample
    vocabulary_type: ClassVar[Any] = LearntClips
    baselines: ClassVar[tuple[Baseline, ...]] = (
        MAJORITY,
        Baseline(
            "accuracy",
            "accuracy_without_time",
            "the mean of a clip over time tells its class better: the model has not learnt what happens in time, or "
            "these classes do not differ in it",
        ),
    )
    suffixes: ClassVar[tuple[str, ...]] = (*films.SUFFIXES, *keypoints.SUFFIXES)
    kinds: ClassVar[str] = (
        f"tables ({', '.join(keypoints.SUFFIXES)}), archives (.tar), and a folder of videos for every class"
    )
    predicting = ActionOptions
    column = Column("clip", ("path", "clip"), files=True)
    tables: ClassVar[tuple[str, ...]] = (*keypoints.SUFFIXES, *LISTS)
    reads_files: ClassVar[bool] = True

    def __init__(self, settings: VideoSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.labels = Vocabulary(vocabulary["labels"])
        self.of_points: bool = vocabulary["of_points"]
        self.numbers = f"key points [T, {vocabulary['numbers']}]" if self.of_points else ""
        size = vocabulary["numbers"] if self.of_points else settings.look().channels * STILL**2
        if [len(mean) for mean in vocabulary["means"]] != [size] * len(self.labels):
            raise ValueError(f"expected 'means' of {size} numbers of each of {len(self.labels)} classes")

    # Data.

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """A table, an archive, or a folder of classes."""
        if path.is_file():
            return path.suffix.lower() in keypoints.SUFFIXES or is_archive(path)
        return len(class_folders(path, films.SUFFIXES)) > 1

    @classmethod
    def read(cls, paths: Sequence[Path], settings: VideoSettings) -> Iterator[ClipExample]:
        """The clips of folders, cut into windows, and the sequences of tables.

        Raises:
            UserError: If a video cannot be read at all, or a row of a table is broken.
        """
        for path in paths:
            yield from read_examples(path, settings)

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Key points as a table, frames as videos that lose nothing, with a list of them.

        Args:
            data: ``[(clip, label), …]``, ``(clips, labels)``, or mappings or a frame with the columns clip (or path)
                and label. A clip is an array of key points ``[T, k]``; an array of frames ``[T, H, W, 3]``, uint8, or
                ``(frames, fps)``; or the path of a video.
            folder: An empty one. Videos stay there.
        """
        return [write_clips(rows(data, ("clip", "label")), folder)]

    @classmethod
    def key(cls, example: ClipExample) -> Hashable:
        """Parts of one recording stay together."""
        return example.recording

    @classmethod
    def remarks(cls, examples: Sequence[ClipExample], settings: VideoSettings) -> list[str]:
        """Clips that could not be read whole."""
        return [f"{path}: {warning}" for path, warning in warnings_of(examples, settings)]

    @classmethod
    def refers(cls, example: ClipExample) -> Sequence[str]:
        """The clip; key points stand in the example itself."""
        return [] if example.points else [example.path]

    @classmethod
    def learn(cls, train: Sequence[ClipExample], settings: VideoSettings) -> dict[str, Any]:
        """Labels, whether steps are frames or points, their units and the longest sequence; the baseline's means."""
        labels = Vocabulary(learn_classes([example.label for example in train], train[0].where))
        of_points = bool(train[0].points)
        learnt: dict[str, Any] = {
            "labels": labels.symbols,
            "of_points": of_points,
            "window": max(example.steps for example in train),
        }
        if of_points:
            learnt |= learn_points(train, settings.dims)
        check_kind(train, of_points, learnt.get("numbers", 0))
        scale = learnt["scales"][0] if of_points else 1.0
        stills = np.stack([without_time(example, settings, scale) for example in counted(train, "clips")])
        of = np.array(labels.ids(example.label for example in train))
        means = [stills[of == number].mean(0).round(4).tolist() for number in range(len(labels))]
        return {**learnt, "means": means}

    def check(self, example: ClipExample) -> None:
        """A stretch of a video, or as many rows of numbers as steps."""
        count = len(example.points) if self.of_points else example.steps
        numbers = {len(row) for row in example.points}
        if not (example.begin >= 0 and 1 <= example.steps == count and numbers <= {self.vocabulary.get("numbers")}):
            raise ValueError("expected at least one step, and as many rows of points, alike in length")
        if any(abs(number) > LARGEST for row in example.points for number in row):
            raise ValueError(f"expected points at most {LARGEST:g} from 0")

    def input_of(self, example: ClipExample) -> str:
        """Where it begins, and its size; of key points the first steps, of a video its seconds."""
        if not example.points:
            size, seconds = self.settings.size, example.steps / self.settings.fps
            look = f"{size} × {size} × {self.settings.look().channels}"
            return f"{example.where}: {example.steps:,} frames of {look}, {seconds:.2f} s"
        first = ", ".join(" ".join(f"{number:g}" for number in step) for step in example.points[:3])
        more = ", …" if example.steps > 3 else ""
        steps = f"{example.steps:,} {'step' if example.steps == 1 else 'steps'}"
        return f"{example.where}: {steps} × {len(example.points[0])} numbers: {first}{more}"

    # Model.

    def build(self) -> Model:
        """Features of frames or points, a recurrent stack, attention over time, softmax."""
        settings = self.settings
        inputs: FrameInput | PointInput
        if self.of_points:
            inputs = PointInput(settings.dims, self.vocabulary["numbers"], self.vocabulary["scales"])
        else:
            inputs = FrameInput(settings.look().channels, settings.size, settings.features)
        stack = StackConfig(**settings.stack()).build(inputs.output_size, engine=settings.engine)
        return Classifier(inputs, stack, len(self.labels), pooling="attention", dropout=settings.dropout)

    def size(self, example: ClipExample) -> int:
        """Steps."""
        return example.steps

    def batch(self, examples: Sequence[ClipExample]) -> ClassBatch:
        """Clips with their classes.

        Raises:
            UserError: If a class was not seen in training, or frames stand where points are expected.
        """
        check_kind(examples, self.of_points, self.vocabulary.get("numbers", 0))
        for example in examples:
            if example.label not in self.labels:
                raise unknown_label(example.where, example.label, self.labels.symbols)
        classes = torch.tensor(self.labels.ids(example.label for example in examples))
        return ClassBatch(RaggedBatch.of([steps_of(example, self.settings) for example in examples]), classes)

    def training_batch(self, examples: Sequence[ClipExample]) -> ClassBatch:
        """The same, changed in time, place and light."""
        batch, given = self.batch(examples), self.settings
        assert isinstance(batch.steps, RaggedBatch)
        change: FrameChanges | PointChanges
        if self.of_points:
            change = PointChanges(given.dims, self.vocabulary["scales"][0], given.stretch, given.flip, given.noise)
        else:
            change = FrameChanges(given.stretch, given.shift, given.flip, given.brightness, given.noise)
        return ClassBatch(change(batch.steps), batch.classes)

    # Judgement.

    def validate(self, model: Classifier, examples: Sequence[ClipExample]) -> Evaluation:
        """Accuracy, which selects, and the loss."""
        return class_evaluation(*judge(self, model, examples, len(self.labels)), self.settings.calibrate)

    def evaluate(self, model: Classifier, examples: Sequence[ClipExample], options: ActionOptions) -> Report:
        """Accuracy and macro F1 beside the majority's, and beside what the mean over time alone tells."""
        log_probs, classes = judge(self, model, examples, len(self.labels))
        still = 100 * float((torch.tensor(self._still_classes(examples)) == classes).double().mean())
        names = [example.where for example in examples]
        baselines = {"accuracy_without_time": still}
        report = class_report(self.labels.symbols, log_probs, classes, names, "clip", baselines, model.temperature)
        broken = Table("not read whole", ["clip", "warning"], warnings_of(examples, self.settings))
        return Report(report.figures, [*report.tables, broken])

    def _still_classes(self, examples: Sequence[ClipExample]) -> list[int]:
        """The class whose mean over time is nearest to each example's."""
        means = np.array(self.vocabulary["means"])
        scale = self.vocabulary["scales"][0] if self.of_points else 1.0
        stills = [without_time(example, self.settings, scale) for example in examples]
        return [int(((means - still) ** 2).sum(1).argmin()) for still in stills]

    # Use.

    def inputs(self, path: Path, asked: Asked) -> Inputs | None:
        """The sequences of a table, or the videos of a list, without their classes."""
        if path.suffix.lower() in LISTS:
            return list_inputs(path)
        numbers = self.settings.dims * self.settings.points
        return point_inputs(path, numbers) if self.of_points and path.suffix.lower() in keypoints.SUFFIXES else None

    def predict_inputs(self, model: Classifier, inputs: Sequence[Input], options: ActionOptions) -> list[Prediction]:
        """The class of every sequence, or of every video."""
        points = [found.value for found in inputs if isinstance(found.value, PointSequence)]
        if points:
            return list(self._of_points(model, points, options))
        return super().predict_inputs(model, inputs, options)

    def predict_file(self, model: Classifier, path: Path, options: ActionOptions) -> Iterator[Prediction]:
        """The class of a video, window by window where it is long, or of every sequence of a table."""
        is_table = path.suffix.lower() in keypoints.SUFFIXES
        if is_table and not self.of_points:
            raise UserError(f"{path}: expected a video, got a table: this model was trained on frames")
        if self.of_points and not is_table:
            raise UserError(f"{path}: expected a table of key points, got a video: this model was trained on points")
        if is_table:
            found = point_inputs(path, self.settings.dims * self.settings.points)
            yield from self._of_points(model, [one.value for one in found.items], options)
        else:
            yield self._of_video(model, path, str(path), options)

    def predict_items(self, model: Classifier, items: Sequence[Any], options: ActionOptions) -> list[Prediction]:
        """The class of arrays of key points or frames, as :meth:`spill` takes them, and of files."""
        clips = [(f"input {number}", as_clip(item, f"input {number}")) for number, item in enumerate(items, 1)]
        found: list[Prediction] = []
        for _, together in groupby(clips, key=lambda pair: isinstance(pair[1], list)):
            group = list(together)
            points = [PointSequence(clip, None, at, at, at) for at, clip in group if isinstance(clip, list)]
            found += self._of_points(model, points, options)
            for at, clip in group:
                if isinstance(clip, Film):
                    found.append(self._of_film(model, clip, at, options))
                elif isinstance(clip, Path):
                    found += self.predict_file(model, clip, options)
        return found

    def exported(self, model: Classifier) -> Exported:
        """Labels, the temperature of their probabilities; numbers of a step, or how videos are seen."""
        facts = {"labels": self.labels.symbols, "temperature": model.temperature}
        if self.of_points:
            return Exported("clips", facts | {"numbers": self.vocabulary["numbers"]})
        look = self.settings.model_dump(include={"size", "fps", "colour"})
        return Exported("videos", facts | look | {"window": self.vocabulary["window"]})

    def live(self, model: Classifier) -> LiveClasses:
        """A one-way model of key points reads rows as they come."""
        if not self.of_points:
            raise UserError(
                "a stream: expected a model of key points; one of frames sees a clip's light as a whole: give it files"
            )
        check_one_way(self.settings.bidirectional, "sequence")
        assert isinstance(model.inputs, PointInput)
        inputs, numbers = model.inputs, self.vocabulary["numbers"]

        def feed() -> PointFeed:
            return PointFeed(inputs, numbers)

        return LiveClasses(model, self.labels.symbols, feed, "rows", row_of, least=1, facts={"numbers": numbers})

    def _of_points(
        self, model: Classifier, found: Sequence[PointSequence], options: ActionOptions
    ) -> Iterator[Prediction]:
        for begin in range(0, len(found), TOGETHER):
            group = found[begin : begin + TOGETHER]
            for sequence in group:
                if not self.of_points:
                    raise UserError(f"{sequence.where}: expected frames, as this model was trained on, got key points")
                check_numbers(sequence.where, sequence.points, self.vocabulary["numbers"])
            windows = self._judge_windows(model, [(0, np.array(one.points, np.float32)) for one in group], 1.0)
            for sequence, window in zip(group, windows, strict=True):
                if options.picture is not None:
                    title = (short_name(sequence.where), describe_model(self.name, self.settings))
                    draw_points(options.picture, sequence.points, self.settings.dims, window, *title)
                yield show_points(sequence, window, options)
            report(begin + len(group), len(found), "sequences")

    def _of_film(self, model: Classifier, film: Film, where: str, options: ActionOptions) -> Prediction:
        """Frames in memory are read as those of a video, so that they look the same."""
        if self.of_points:
            raise UserError(f"{where}: expected key points, as this model was trained on, got frames")
        with written_as(where) as folder:
            return self._of_video(model, write_film(film, folder / "film.avi"), where, options)

    def _of_video(self, model: Classifier, path: Path, name: str, options: ActionOptions) -> Prediction:
        clip = Video(path, self.settings.look())
        samples, windows, fps = Samples(), [], self.settings.fps
        for group in groups(windows_of(iter(clip), self.vocabulary["window"]), TOGETHER):
            windows += self._judge_windows(model, group, fps)
            report(windows[-1].end, clip.seconds, "seconds")
            if options.picture is not None:
                for begin, frames in group:
                    samples.add(begin, frames)
        if options.picture is not None:
            title = (short_name(name), describe_model(self.name, self.settings))
            draw_windows(options.picture, windows, samples, fps, *title)
        return show_windows(name, windows, clip.warnings, options)

    def _judge_windows(self, model: Classifier, group: Sequence[tuple[int, Array]], fps: float) -> list[Window]:
        """Probabilities and attention of pieces, each with the step that it begins at."""
        log_probs, weights = model.attend(RaggedBatch.of([values for _, values in group]))
        rows = zip(group, log_probs.double().exp().tolist(), weights.tolist(), strict=True)
        return [
            Window(
                begin / fps,
                (begin + len(values)) / fps,
                dict(zip(self.labels.symbols, chances, strict=True)),
                attention[: len(values)],
            )
            for (begin, values), chances, attention in rows
        ]
