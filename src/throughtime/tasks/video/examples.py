"""Clips to learn from: where they stand, what is read of them, and what must be alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import TypedDict

from throughtime.applications.application import SignalSettings
from throughtime.applications.folder.learnt import Closed, Real, Rows
from throughtime.applications.settings import option
from throughtime.data.text.labelled import class_folders
from throughtime.data.video import clips as video
from throughtime.data.video.clips import Look, clips_of
from throughtime.data.video.keypoints import read_points
from throughtime.errors import UserError
from throughtime.models.inputs.clips import relative
from throughtime.tasks.video.windows import cut
from throughtime.training import OptimiserName

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


class Videos(TypedDict):
    """Of videos."""

    labels: Closed
    of_points: Literal[False]
    window: Annotated[int, Field(ge=1)]
    means: Rows


class Points(TypedDict):
    """Of key points."""

    labels: Closed
    of_points: Literal[True]
    window: Annotated[int, Field(ge=1)]
    numbers: Annotated[int, Field(ge=1, le=1 << 16)]
    scales: Annotated[list[Real], Field(min_length=2, max_length=2)]
    means: Rows


Learnt = Annotated[Videos | Points, Field(discriminator="of_points")]
"""What is learnt of the training data, before training."""


def read_folder(path: Path, settings: VideoSettings) -> Iterator[ClipExample]:
    """The clips of a folder that holds a folder for every class, cut into windows."""
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


def read_table(path: Path, settings: VideoSettings) -> Iterator[ClipExample]:
    """The sequences of a table of key points."""
    place = str(path.absolute())
    for found in read_points(path, settings.dims * settings.points):
        if not found.label:
            raise UserError(f"{found.where}: expected a class, got none; put one into the row's first cell, or label")
        yield ClipExample(place, found.label, found.where, found.recording, 0, len(found.points), found.points)


def values_of(example: ClipExample, settings: VideoSettings) -> Array:
    """Steps: frames ``[T, C, S, S]`` or points ``[T, D]``."""
    if example.points:
        return np.array(example.points, np.float32)
    frames = clips_of(settings.look())(example.path)[example.begin : example.begin + example.steps]
    if not len(frames):
        raise UserError(f"{example.where}: expected the video that training began with; it has become shorter")
    return frames


def check_kind(examples: Sequence[ClipExample], of_points: bool, numbers: int) -> None:
    """Refuses frames among key points, and the other way round."""
    for example in examples:
        if bool(example.points) != of_points:
            wanted, got = ("key points", "a video") if of_points else ("a video", "key points")
            raise UserError(f"{example.where}: expected {wanted} as in the rest of the training data, got {got}")
        if of_points:
            check_numbers(example.where, example.points, numbers)


def check_numbers(where: str, points: Sequence[Sequence[float]], numbers: int) -> None:
    """Refuses steps of another number of numbers."""
    if len(points[0]) != numbers:
        raise UserError(f"{where}: expected {numbers} numbers a step as in the training data, got {len(points[0])}")


def learn_points(train: Sequence[ClipExample], dims: int) -> dict[str, Any]:
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


def still(example: ClipExample, settings: VideoSettings, scale: float) -> npt.NDArray[np.float64]:
    """What is left of an example without time: its mean frame, made small, or its points' mean places."""
    values: Tensor
    if example.points:
        values = relative(torch.tensor([example.points], dtype=torch.float64), settings.dims)[0].mean(1) / scale
    else:
        mean = values_of(example, settings).mean(0) / 255
        values = F.adaptive_avg_pool2d(torch.from_numpy(mean), STILL)
    return np.asarray(values.flatten().numpy(), dtype=np.float64)


def warnings_of(examples: Sequence[ClipExample], settings: VideoSettings) -> list[tuple[str, str]]:
    """What was found wrong with the clips that were decoded."""
    known = clips_of(settings.look()).warnings
    paths = dict.fromkeys(example.path for example in examples)
    return [(path, warning) for path in paths for warning in known.get(path, ())]
