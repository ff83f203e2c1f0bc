"""What is learnt of labelled series before training: what is to be told of them, units of channels, frames."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from typing_extensions import TypedDict

from throughtime.applications.folder.learnt import Different, Real
from throughtime.applications.judging.classification import learn_classes
from throughtime.data.ragged import RaggedBatch
from throughtime.data.series.labelled.series import LabelledSeries, are_numbers
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import note
from throughtime.tasks.series.settings import SeriesSettings, Target

SEEN = 64
"""Steps of the model that a series of middle length has, if nobody says how many."""

LEAST = 7
"""Steps of a series that a frame shows at least."""

Array = npt.NDArray[np.float64]
Size = Annotated[int, Field(ge=1, le=1 << 16)]
Unit = Annotated[Real, Field(gt=0)]


class LearntNovelty(TypedDict):
    """What ``vocabulary.json`` holds of series without labels."""

    learnt: Literal["novelty"]
    means: Annotated[list[Real], Field(min_length=1, max_length=1 << 16)]
    scales: list[Unit]
    moves: list[Unit]
    missing: bool
    window: Size
    season: Annotated[int, Field(ge=0, le=1 << 16)]


class LearntLabels(TypedDict):
    """What ``vocabulary.json`` holds of series with labels."""

    learnt: Literal["labels"]
    target: Literal["class", "number", "steps"]
    labels: Different
    weights: list[Unit]
    middle: Real
    spread: Unit
    means: Annotated[list[Real], Field(min_length=1, max_length=1 << 16)]
    scales: list[Unit]
    moves: list[Unit]
    missing: bool
    window: Size
    stride: Size


def learn_labels(train: Sequence[LabelledSeries], settings: SeriesSettings) -> dict[str, Any]:
    """All of it, of the training data alone.

    Raises:
        UserError: If series differ in their channels, or labels are none.
    """
    target = target_of(train, settings.target)
    check_labelled(train, target)
    return {**_of_labels(train, target, settings), **learn_units(train), **_learn_frames(train, target, settings)}


def target_of(train: Sequence[LabelledSeries], asked: Target) -> str:
    """What is to be told, which labels show if nobody says it."""
    if asked != "auto":
        return asked
    if any(example.labels for example in train) and not any(example.label for example in train):
        note("every step has a label of its own: that is learnt (--target steps)")
        return "steps"
    if are_numbers([example.label for example in train]):
        note("labels are amounts, not classes: a number is learnt (--target number)")
        return "number"
    return "class"


def check_labelled(examples: Sequence[LabelledSeries], target: str) -> None:
    """Refuses a series that has not what is to be told of it.

    Raises:
        UserError: Names it.
    """
    for example in examples:
        if target == "steps" and not any(example.labels):
            raise UserError(
                f"{example.where}: expected a label of every step, got none; name their column by --label-column"
            )
        if target != "steps" and not example.label:
            of = "a label that is the same at all of its steps" if any(example.labels) else "a label"
            raise UserError(
                f"{example.where}: expected {of}, got none; mend the data, or see --target and --label-column"
            )
        if target == "number":
            number_of(example)


def number_of(example: LabelledSeries) -> float:
    """A label that is a number.

    Raises:
        UserError: If it is none.
    """
    try:
        value = float(example.label)
    except ValueError:
        value = math.nan
    if not abs(value) <= 1e15:
        raise UserError(
            f"{example.where}: expected a number as label, got {example.label[:40]!r}; mend it, or --target class"
        )
    return value


def scaled(examples: Sequence[LabelledSeries], learnt: Mapping[str, Any]) -> RaggedBatch:
    """Values ``[B, T, C]`` in units of the training data, missing ones not a number.

    Raises:
        UserError: If a series is not like those of training.
    """
    means, scales = np.array(learnt["means"]), np.array(learnt["scales"])
    for example in examples:
        check_channels(example, len(means), learnt["missing"])
    return RaggedBatch.of([((array_of(each) - means) / scales).astype(np.float32) for each in examples])


def array_of(example: LabelledSeries) -> Array:
    """Values ``[T, C]``, missing ones not a number."""
    return np.array(example.channels, np.float64).T


def check_channels(example: LabelledSeries, channels: int, missing: bool) -> None:
    """Refuses a series that is not like those of training.

    Raises:
        UserError: If it has other channels, or missing values where those of training have none.
    """
    if len(example.channels) != channels:
        raise UserError(
            f"{example.where}: expected as many channels as in the training data, {channels}, got "
            f"{len(example.channels)}"
        )
    if not missing and any(None in values for values in example.channels):
        raise UserError(
            f"{example.where}: a value is missing, and none was in the training data, so that the model has no way to "
            "know; fill it in, or train on data in which some are missing, too"
        )


def _of_labels(train: Sequence[LabelledSeries], target: str, settings: SeriesSettings) -> dict[str, Any]:
    numbers = np.array([number_of(example) for example in train]) if target == "number" else np.zeros(1)
    middle, spread = float(numbers.mean()), float(numbers.std())
    found: dict[str, Any] = {"target": target, "labels": [], "weights": [], "middle": middle, "spread": spread or 1.0}
    if target == "number":
        if settings.balance:
            raise UserError("--balance: weighs classes, and a number is learnt; leave it out")
        return found
    said = [
        label for example in train for label in ([example.label] if target == "class" else filter(None, example.labels))
    ]
    labels = learn_classes(said, train[0].where)
    times = Counter(said)
    weights = [len(said) / (len(labels) * times[label]) for label in labels] if settings.balance else []
    return {**found, "labels": Vocabulary(labels).symbols, "weights": weights}


def learn_units(train: Sequence[LabelledSeries]) -> dict[str, Any]:
    """Mean and deviation of every channel, and how far it usually moves in a step, in units of the deviation."""
    channels = len(train[0].channels)
    count, total, moved, moves = np.zeros(channels), np.zeros(channels), np.zeros(channels), np.zeros(channels)
    for example in train:
        check_channels(example, channels, True)
        values = array_of(example)
        count += np.isfinite(values).sum(0)
        total += np.nansum(values, 0)
    if not count.all():
        at = int(np.argmin(count)) + 1
        raise UserError(f"{train[0].where}: expected values in every channel, got none in channel {at} of any series")
    means, squares = total / count, np.zeros(channels)
    for example in train:
        values = array_of(example) - means
        steps = np.diff(values, axis=0)
        squares += np.nansum(values**2, 0)
        moved += np.nansum(steps**2, 0)
        moves += np.isfinite(steps).sum(0)
    # What never changes has no unit: any will do.
    scales = np.sqrt(squares / count)
    scales = np.where(scales > 1e-9 * (1e-9 + np.abs(means)), scales, 1.0)
    usual = np.sqrt(moved / np.maximum(moves, 1)) / scales
    return {
        "means": means.tolist(),
        "scales": scales.tolist(),
        "moves": np.where(usual > 1e-6, usual, 1.0).tolist(),
        "missing": any(None in values for example in train for values in example.channels),
    }


def _learn_frames(train: Sequence[LabelledSeries], target: str, settings: SeriesSettings) -> dict[str, Any]:
    if target == "steps" and settings.stride > 1:
        raise UserError(
            f"--stride {settings.stride}: every step is to have a label, so that the model goes step by step"
        )
    middle = float(np.median([example.steps for example in train]))
    stride = settings.stride or (1 if target == "steps" else max(1, round(middle / SEEN)))
    return {"stride": stride, "window": settings.frame or max(LEAST, 3 * stride + (stride + 1) % 2)}
