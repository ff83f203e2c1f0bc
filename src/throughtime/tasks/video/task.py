"""The action in a clip: a class for a video, or for a sequence of key points. Many-to-one."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.applications.application import Application, SignalSettings, unknown_label
from throughtime.applications.classification import class_evaluation, class_report, judge
from throughtime.applications.folder import learnt
from throughtime.applications.options import Drawn, Explained, Ranked
from throughtime.applications.prediction import Prediction
from throughtime.applications.settings import option
from throughtime.applications.task import Report, Table
from throughtime.data.ragged import RaggedBatch
from throughtime.data.text.labelled import class_folders
from throughtime.data.video import clips as video
from throughtime.data.video import keypoints
from throughtime.data.video.augment import FrameChanges, PointChanges
from throughtime.data.video.clips import Look, Video, clips_of
from throughtime.data.video.keypoints import read_points
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError
from throughtime.models import ClassBatch, Classifier, FrameInput, Model, PointInput, StackConfig
from throughtime.models.inputs.clips import relative
from throughtime.tasks.video.pictures import Samples, Window, draw_points, draw_windows, show_points, show_windows
from throughtime.training import Evaluation, OptimiserName

TOGETHER = 8
"""Windows of a long video that are computed together."""

STILL = 12
"""Side of the mean frames that the baseline without time compares."""

Array = npt.NDArray[Any]


class VideoSettings(SignalSettings):
    """What a classifier of clips is trained from."""

    fps: float = option(10.0, "Steps a second of video, whatever its frame rate.", "Data", gt=0, le=1000)
    size: int = option(64, "Side of the square that frames are fitted into.", "Data", ge=16, le=1024)
    colour: bool = option(False, "Frames in colour, not in grey.", "Data")
    window: float = option(10.0, "Seconds of video read at once; longer clips are cut.", "Data", gt=0)
    dims: int = option(2, "Coordinates of a key point.", "Data", ge=1, le=1_000)
    points: int = option(1, "Key points a step, in tables with a sequence a row.", "Data", ge=1, le=10_000)
    features: int = option(96, "Features of a frame.", "Model", ge=1, le=2**24)
    hidden: int = option(64, "Units of a layer.", "Model", ge=1, le=2**24)
    layers: int = option(2, "Depth.", "Model", ge=1, le=1_000)
    bidirectional: bool = option(True, "Read in both directions.", "Model")
    stretch: float = option(0.15, "Share by which speed is changed while training.", "Training", ge=0, lt=1)
    shift: float = option(0.1, "Share of the side by which frames are moved while training.", "Training", ge=0, lt=1)
    flip: bool = option(False, "Mirror every other clip while training.", "Training")
    brightness: float = option(0.1, "Share by which light is changed while training.", "Training", ge=0, lt=1)
    noise: float = option(0.02, "Of frames and points while training, as a share of their range.", "Training", ge=0)
    batch: int = option(16, "Sequences side by side in a batch.", "Training", ge=1, le=2**20)
    epochs: float = option(20.0, "Passes over the data.", "Training", gt=0)
    lr: float = option(2e-3, "Peak learning rate.", "Training", gt=0)
    warmup: int = option(20, "Steps over which the learning rate rises.", "Training", ge=0)
    optimiser: OptimiserName = option("adamw", "adam, adamw, sgd, or asgd (SGD with averaging).", "Training")
    weight_decay: float = option(0.05, "Of the optimiser.", "Training", ge=0)

    def look(self) -> Look:
        """How videos are seen."""
        return Look(self.size, self.fps, self.colour)


@dataclass(frozen=True)
class ClipExample:
    """A clip, or the part of one from step ``begin`` on; of a table, its ``points [T, D]``.

    ``recording`` is shared by what a split keeps together.
    """

    path: str
    label: str
    where: str
    recording: str
    begin: int
    steps: int
    points: list[list[float]]


class ActionOptions(Ranked, Explained, Drawn):
    """Of the actions of a clip: what may be asked of it."""


class VideoActions(Application[ClipExample]):
    """The action in a clip."""

    name: ClassVar[str] = "video"
    summary: ClassVar[str] = "classifier of videos or key points, such as the action shown: class, and when it shows"
    settings_type: ClassVar[type[SignalSettings]] = VideoSettings
    example_type: ClassVar[type[Any]] = ClipExample
    vocabulary_type: ClassVar[Any] = learnt.Video
    suffixes: ClassVar[tuple[str, ...]] = (*video.SUFFIXES, *keypoints.SUFFIXES)
    predicting = ActionOptions
    reads_files: ClassVar[bool] = True

    def __init__(self, settings: VideoSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.labels = Vocabulary(vocabulary["labels"])
        self.of_points: bool = vocabulary["of_points"]
        size = vocabulary["numbers"] if self.of_points else settings.look().channels * STILL**2
        if [len(mean) for mean in vocabulary["means"]] != [size] * len(self.labels):
            raise ValueError(f"expected 'means' of {size} numbers of each of {len(self.labels)} classes")

    # Data.

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """A table, or a folder of classes."""
        if path.is_file():
            return path.suffix.lower() in keypoints.SUFFIXES
        return len(class_folders(path, video.SUFFIXES)) > 1

    @classmethod
    def read(cls, paths: Sequence[Path], settings: VideoSettings) -> Iterator[ClipExample]:
        """The clips of folders, cut into windows, and the sequences of tables.

        Raises:
            UserError: If a video cannot be read at all, or a row of a table is broken.
        """
        for path in paths:
            if path.is_dir():
                yield from _read_folder(path, settings)
            elif path.suffix.lower() in keypoints.SUFFIXES:
                yield from _read_table(path, settings)
            else:
                raise UserError(
                    f"{path}: expected a folder that holds a folder of videos for every class, or a table "
                    f"({', '.join(keypoints.SUFFIXES)}) of key points"
                )

    @classmethod
    def key(cls, example: ClipExample) -> Hashable:
        """Parts of one recording stay together."""
        return example.recording

    @classmethod
    def remarks(cls, examples: Sequence[ClipExample], settings: VideoSettings) -> list[str]:
        """Clips that could not be read whole."""
        return [f"{path}: {warning}" for path, warning in _warnings(examples, settings)]

    @classmethod
    def refers(cls, example: ClipExample) -> Sequence[str]:
        """The clip; key points stand in the example itself."""
        return [] if example.points else [example.path]

    @classmethod
    def learn(cls, train: Sequence[ClipExample], settings: VideoSettings) -> dict[str, Any]:
        """Labels, whether steps are frames or points, their units and the longest sequence; the baseline's means."""
        labels = Vocabulary.closed(example.label for example in train)
        if len(labels) < 2:
            raise UserError(f"expected at least two classes, got only {labels.symbols[0]!r} ({train[0].where})")
        of_points = bool(train[0].points)
        learnt: dict[str, Any] = {
            "labels": labels.symbols,
            "of_points": of_points,
            "window": max(example.steps for example in train),
        }
        if of_points:
            learnt |= _learn_points(train, settings.dims)
        _check_kind(train, of_points, learnt.get("numbers", 0))
        scale = learnt["scales"][0] if of_points else 1.0
        stills = np.stack([_still(example, settings, scale) for example in train])
        of = np.array(labels.ids(example.label for example in train))
        means = [stills[of == number].mean(0).round(4).tolist() for number in range(len(labels))]
        return {**learnt, "means": means}

    def check(self, example: ClipExample) -> None:
        """A stretch of a video, or as many rows of numbers as steps."""
        rows = len(example.points) if self.of_points else example.steps
        numbers = {len(row) for row in example.points}
        if not (example.begin >= 0 and 1 <= example.steps == rows and numbers <= {self.vocabulary.get("numbers")}):
            raise ValueError("expected at least one step, and as many rows of points, alike in length")
        if any(abs(number) > learnt.LARGEST for row in example.points for number in row):
            raise ValueError(f"expected points at most {learnt.LARGEST:g} from 0")

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
        _check_kind(examples, self.of_points, self.vocabulary.get("numbers", 0))
        for example in examples:
            if example.label not in self.labels:
                raise unknown_label(example.where, example.label, self.labels.symbols)
        classes = torch.tensor(self.labels.ids(example.label for example in examples))
        return ClassBatch(RaggedBatch.of([_values(example, self.settings) for example in examples]), classes)

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
        return class_evaluation(*judge(self, model, examples, len(self.labels)))

    def evaluate(self, model: Classifier, examples: Sequence[ClipExample], options: ActionOptions) -> Report:
        """Accuracy and macro F1 beside the majority's, and beside what the mean over time alone tells."""
        log_probs, classes = judge(self, model, examples, len(self.labels))
        still = 100 * float((torch.tensor(self._still_classes(examples)) == classes).double().mean())
        names = [example.where for example in examples]
        baselines = {"accuracy_without_time": still}
        report = class_report(self.labels.symbols, log_probs, classes, names, "clip", baselines)
        rows = _warnings(examples, self.settings)
        return Report(report.figures, [*report.tables, Table("not read whole", ["clip", "warning"], rows)])

    def _still_classes(self, examples: Sequence[ClipExample]) -> list[int]:
        """The class whose mean over time is nearest to each example's."""
        means = np.array(self.vocabulary["means"])
        scale = self.vocabulary["scales"][0] if self.of_points else 1.0
        stills = [_still(example, self.settings, scale) for example in examples]
        return [int(((means - still) ** 2).sum(1).argmin()) for still in stills]

    # Use.

    def predict_file(self, model: Classifier, path: Path, options: ActionOptions) -> Iterator[Prediction]:
        """The class of a video, window by window where it is long, or of every sequence of a table."""
        is_table = path.suffix.lower() in keypoints.SUFFIXES
        if is_table and not self.of_points:
            raise UserError(f"{path}: expected a video, got a table: this model was trained on frames")
        if self.of_points and not is_table:
            raise UserError(f"{path}: expected a table of key points, got a video: this model was trained on points")
        yield from self._of_table(model, path, options) if is_table else [self._of_video(model, path, options)]

    def _of_table(self, model: Classifier, path: Path, options: ActionOptions) -> Iterator[Prediction]:
        found = list(read_points(path, self.settings.dims * self.settings.points))
        if not found:
            raise UserError(f"{path}: expected sequences of key points, got an empty table")
        if options.picture is not None and len(found) != 1:
            raise UserError(f"--picture: expected a table of one sequence, got {len(found)} in {path}")
        for begin in range(0, len(found), TOGETHER):
            group = found[begin : begin + TOGETHER]
            for sequence in group:
                _check_numbers(sequence.where, sequence.points, self.vocabulary["numbers"])
            windows = self._judge_windows(model, [(0, np.array(one.points, np.float32)) for one in group], 1.0)
            for sequence, window in zip(group, windows, strict=True):
                if options.picture is not None:
                    draw_points(options.picture, sequence.points, self.settings.dims, window)
                yield show_points(sequence, window, options)

    def _of_video(self, model: Classifier, path: Path, options: ActionOptions) -> Prediction:
        clip = Video(path, self.settings.look())
        samples, windows, fps = Samples(), [], self.settings.fps
        for group in _groups(windows_of(iter(clip), self.vocabulary["window"]), TOGETHER):
            windows += self._judge_windows(model, group, fps)
            self.progress(windows[-1].end, clip.seconds, "seconds")
            if options.picture is not None:
                for begin, frames in group:
                    samples.add(begin, frames)
        if options.picture is not None:
            draw_windows(options.picture, windows, samples, fps)
        return show_windows(path, windows, clip.warnings, options)

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


def _read_folder(path: Path, settings: VideoSettings) -> Iterator[ClipExample]:
    classes = class_folders(path, video.SUFFIXES)
    if not classes:
        raise UserError(
            f"{path}: expected a folder of videos ({', '.join(video.SUFFIXES)}) for every class, found none"
        )
    clips, longest = clips_of(settings.look()), max(1, round(settings.window * settings.fps))
    for label, files in classes.items():
        for file in files:
            place = str(file.absolute())
            for begin, steps in cut(len(clips(place)), longest):
                where = str(file) if begin == 0 else f"{file} at {begin / settings.fps:g} s"
                yield ClipExample(place, label, where, place, begin, steps, [])


def _read_table(path: Path, settings: VideoSettings) -> Iterator[ClipExample]:
    place = str(path.absolute())
    for found in read_points(path, settings.dims * settings.points):
        if not found.label:
            raise UserError(f"{found.where}: expected a class, got none; put one into the row's first cell, or label")
        yield ClipExample(place, found.label, found.where, found.recording, 0, len(found.points), found.points)


def cut(steps: int, longest: int) -> list[tuple[int, int]]:
    """Where windows of a long sequence begin, and their steps; less than half a window at the end joins the last one.

    Example:
        >>> cut(7, 3), cut(8, 3), cut(2, 3)
        ([(0, 3), (3, 4)], [(0, 3), (3, 3), (6, 2)], [(0, 2)])
    """
    pieces = [(begin, min(longest, steps - begin)) for begin in range(0, steps, longest)]
    if len(pieces) > 1 and 2 * pieces[-1][1] < longest:
        (begin, before), (_, rest) = pieces[-2:]
        pieces[-2:] = [(begin, before + rest)]
    return pieces


def windows_of(frames: Iterator[Array], longest: int) -> Iterator[tuple[int, Array]]:
    """A video's frames as :func:`cut` divides them, with never more than two windows in memory."""
    held: list[Array] = []
    begin = 0
    for frame in frames:
        held.append(frame)
        if len(held) == 2 * longest:  # what is held beyond the first window may have to join it
            yield begin, np.stack(held[:longest])
            held, begin = held[longest:], begin + longest
    for at, steps in cut(len(held), longest):
        yield begin + at, np.stack(held[at : at + steps])


def _groups(windows: Iterator[tuple[int, Array]], most: int) -> Iterator[list[tuple[int, Array]]]:
    group: list[tuple[int, Array]] = []
    for window in windows:
        group.append(window)
        if len(group) == most:
            yield group
            group = []
    if group:
        yield group


def _values(example: ClipExample, settings: VideoSettings) -> Array:
    """Steps: frames ``[T, C, S, S]`` or points ``[T, D]``."""
    if example.points:
        return np.array(example.points, np.float32)
    frames = clips_of(settings.look())(example.path)[example.begin : example.begin + example.steps]
    if not len(frames):
        raise UserError(f"{example.where}: expected the video that training began with; it has become shorter")
    return frames


def _check_kind(examples: Sequence[ClipExample], of_points: bool, numbers: int) -> None:
    for example in examples:
        if bool(example.points) != of_points:
            wanted, got = ("key points", "a video") if of_points else ("a video", "key points")
            raise UserError(f"{example.where}: expected {wanted} as in the rest of the training data, got {got}")
        if of_points:
            _check_numbers(example.where, example.points, numbers)


def _check_numbers(where: str, points: Sequence[Sequence[float]], numbers: int) -> None:
    if len(points[0]) != numbers:
        raise UserError(f"{where}: expected {numbers} numbers a step as in the training data, got {len(points[0])}")


def _learn_points(train: Sequence[ClipExample], dims: int) -> dict[str, Any]:
    """Numbers of a step, and how far points usually are from the middle and move in a step."""
    numbers = len(train[0].points[0])
    if numbers % dims:
        raise UserError(f"--dims: expected a divisor of the {numbers} numbers of a step ({train[0].where}), got {dims}")
    squares, count = np.zeros(2), 0
    for example in train:
        parts = relative(torch.tensor([example.points], dtype=torch.float64), dims)
        squares += [float(part.square().sum()) for part in parts]
        count += parts[0].numel()
    # Points that never move have no unit: any will do.
    return {"numbers": numbers, "scales": [math.sqrt(square / count) or 1.0 for square in squares.tolist()]}


def _still(example: ClipExample, settings: VideoSettings, scale: float) -> npt.NDArray[np.float64]:
    """What is left of an example without time: its mean frame, made small, or its points' mean places."""
    values: Tensor
    if example.points:
        values = relative(torch.tensor([example.points], dtype=torch.float64), settings.dims)[0].mean(1) / scale
    else:
        mean = _values(example, settings).mean(0) / 255
        values = F.adaptive_avg_pool2d(torch.from_numpy(mean), STILL)
    return np.asarray(values.flatten().numpy(), dtype=np.float64)


def _warnings(examples: Sequence[ClipExample], settings: VideoSettings) -> list[tuple[str, str]]:
    """What was found wrong with the clips that were decoded."""
    known = clips_of(settings.look()).warnings
    paths = dict.fromkeys(example.path for example in examples)
    return [(path, warning) for path in paths for warning in known.get(path, ())]
