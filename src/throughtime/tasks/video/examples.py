"""What classifiers of clips are trained from: settings; clips in folders and lists, key points in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.applications.judging.classification import ClassSettings
from throughtime.applications.settings import SignalSettings, option, steps_at_least
from throughtime.data.classes import class_folders
from throughtime.data.parts import is_file
from throughtime.data.shards.tars import is_archive, samples
from throughtime.data.video import keypoints
from throughtime.data.video.clips import clips_of
from throughtime.data.video.columns import NO_VIDEO, check_classes
from throughtime.data.video.keypoints import read_points
from throughtime.errors import UserError, listed, shown
from throughtime.plain import parse_object
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.video import films
from throughtime.runtime.video.look import Look
from throughtime.runtime.video.windows import cut
from throughtime.training import OptimiserName

LISTS = (".jsonl",)
"""Suffixes of lists of videos: a line each, ``{"path": "…", "label": "…"}``; paths are as seen from the list."""

CLASS_NAMES = ("label", "cls", "class", "category", "action")
"""Under which a JSON file of an archive tells the class."""

Array = npt.NDArray[Any]


class VideoSettings(SignalSettings, ClassSettings):
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
    least_steps: int = steps_at_least(200)
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


def read_examples(path: Path, settings: VideoSettings) -> Iterator[ClipExample]:
    """The clips of a folder or a list, cut into windows, or the sequences of a table.

    Raises:
        UserError: If a video cannot be read at all, or a row of a table or a list is broken.
    """
    if path.is_dir():
        yield from _read_folder(path, settings)
    elif path.suffix.lower() in keypoints.SUFFIXES:
        yield from _read_table(path, settings)
    elif path.suffix.lower() in LISTS:
        yield from _read_list(path, settings)
    elif is_archive(path):
        yield from _read_archive(path, settings)
    else:
        raise UserError(
            f"{path}: expected a folder that holds a folder of videos for every class, a table "
            f"({listed(keypoints.SUFFIXES)}) of key points, a list ({listed(LISTS)}) of videos, or an archive (.tar)"
        )


def _read_folder(path: Path, settings: VideoSettings) -> Iterator[ClipExample]:
    classes = class_folders(path, films.SUFFIXES)
    if not classes:
        raise UserError(f"{path}: expected a folder of videos ({listed(films.SUFFIXES)}) for every class, found none")
    for label, files in classes.items():
        for file in files:
            yield from _read_clip(file, label, settings)


def _read_list(path: Path, settings: VideoSettings) -> Iterator[ClipExample]:
    for number, line in enumerate(file_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        row = parse_object(line, where)
        file, label = row.get("path"), row.get("label")
        if not isinstance(file, str) or not isinstance(label, str) or not file or not label.strip():
            raise UserError(f"{where}: expected texts under path and label, got {line.strip()[:40]!r}; mend the line")
        if not is_file(path.parent / file):
            raise UserError(f"{where}: expected the video {shown(str(path.parent / file))}, which is not there")
        yield from _read_clip(path.parent / file, label.strip(), settings)


def _read_archive(path: Path, settings: VideoSettings) -> Iterator[ClipExample]:
    """The samples of an archive: the class stands in a ``.cls``, or in a ``.json``, of the video's key."""
    for found in samples(path, films.SUFFIXES, ("cls", "json")):
        label = found.text("cls")
        if label is None:
            label = found.field("json", CLASS_NAMES)
        if label is None or not label.strip():
            raise UserError(f"{found.where}: expected its class in {found.key}.cls or .json beside it, found none")
        yield from _read_clip(found.media.path, label.strip(), settings)


def _read_clip(file: Path, label: str, settings: VideoSettings) -> Iterator[ClipExample]:
    place, longest = str(file.absolute()), max(1, round(settings.window * settings.fps))
    for begin, steps in cut(len(clips_of(settings.look())(place)), longest):
        where = str(file) if begin == 0 else f"{file} at {begin / settings.fps:g} s"
        yield ClipExample(place, label, where, place, begin, steps, [])


def _read_table(path: Path, settings: VideoSettings) -> Iterator[ClipExample]:
    place = str(path.absolute())
    sequences = list(read_points(path, settings.dims * settings.points))
    labels = [found.label for found in sequences if found.label]
    check_classes(path, labels)
    if sequences and not labels:
        raise UserError(f"{sequences[0].where}: expected a class, got none in any row; {NO_VIDEO}")
    for found in sequences:
        if not found.label:
            raise UserError(f"{found.where}: expected a class, got none; put one into the row's first cell, or label")
        yield ClipExample(place, found.label, found.where, found.recording, 0, len(found.points), found.points)


def steps_of(example: ClipExample, settings: VideoSettings) -> Array:
    """Steps: frames ``[T, C, S, S]`` or points ``[T, D]``."""
    if example.points:
        return np.array(example.points, np.float32)
    frames = clips_of(settings.look())(example.path)[example.begin : example.begin + example.steps]
    if not len(frames):
        raise UserError(f"{example.where}: expected the video that training began with; it has become shorter")
    return frames


def check_kind(examples: Sequence[ClipExample], of_points: bool, numbers: int) -> None:
    """Refuses examples that are not of the kind, or not of as many numbers a step, as the training data.

    Raises:
        UserError: Names the first of them.
    """
    for example in examples:
        if bool(example.points) != of_points:
            wanted, got = ("key points", "a video") if of_points else ("a video", "key points")
            raise UserError(f"{example.where}: expected {wanted} as in the rest of the training data, got {got}")
        if of_points:
            check_numbers(example.where, example.points, numbers)


def check_numbers(where: str, points: Sequence[Sequence[float]], numbers: int) -> None:
    """Refuses key points that have not as many numbers a step as those of the training data.

    Raises:
        UserError: Names where they come from.
    """
    if len(points[0]) != numbers:
        raise UserError(f"{where}: expected {numbers} numbers a step as in the training data, got {len(points[0])}")


def warnings_of(examples: Sequence[ClipExample], settings: VideoSettings) -> list[tuple[str, str]]:
    """What was found wrong with the clips that were decoded."""
    known = clips_of(settings.look()).warnings
    paths = dict.fromkeys(example.path for example in examples)
    return [(path, warning) for path in paths for warning in known.get(path, ())]
