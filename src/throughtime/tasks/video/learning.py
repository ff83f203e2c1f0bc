"""What is learnt of clips before training: units of key points, and what each class looks like without time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import TypedDict

from throughtime.applications.folder.learnt import Closed, Real, Rows
from throughtime.errors import UserError
from throughtime.models.inputs.clips import relative
from throughtime.tasks.video.examples import ClipExample, VideoSettings, steps_of

STILL = 12
"""Side of the mean frames that the baseline without time compares."""


class LearntFrames(TypedDict):
    """What ``vocabulary.json`` holds of videos."""

    labels: Closed
    of_points: Literal[False]
    window: Annotated[int, Field(ge=1)]
    means: Rows


class LearntPoints(TypedDict):
    """What ``vocabulary.json`` holds of key points."""

    labels: Closed
    of_points: Literal[True]
    window: Annotated[int, Field(ge=1)]
    numbers: Annotated[int, Field(ge=1, le=1 << 16)]
    scales: Annotated[list[Real], Field(min_length=2, max_length=2)]
    means: Rows


LearntClips = Annotated[LearntFrames | LearntPoints, Field(discriminator="of_points")]


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


def without_time(example: ClipExample, settings: VideoSettings, scale: float) -> npt.NDArray[np.float64]:
    """What is left of an example without time: its mean frame, made small, or its points' mean places."""
    found: Tensor
    if example.points:
        found = relative(torch.tensor([example.points], dtype=torch.float64), settings.dims)[0].mean(1) / scale
    else:
        mean = steps_of(example, settings).mean(0) / 255
        found = F.adaptive_avg_pool2d(torch.from_numpy(mean), STILL)
    return np.asarray(found.flatten().numpy(), dtype=np.float64)
