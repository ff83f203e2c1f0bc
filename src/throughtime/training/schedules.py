"""The learning rate over a run, as a factor on its peak. Pure functions of progress: a resumed run needs no memory."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["constant", "linear", "cosine", "plateau"]

FLOOR = 0.01
"""The linear and the cosine schedule end at this share of the peak."""


def factor(schedule: Schedule, progress: float, step: int, warmup: int = 0, drops: int = 0) -> float:
    """The factor on the peak learning rate.

    Args:
        schedule: ``"constant"``; ``"linear"`` and ``"cosine"`` fall to :data:`FLOOR` at the end of the run
            (cosine: Loshchilov and Hutter 2017); ``"plateau"`` divides by four at every evaluation without
            improvement.
        progress: Share of the run that is done, 0 to 1.
        step: Steps done.
        warmup: Steps over which the factor first rises from zero.
        drops: Evaluations without improvement so far, for ``"plateau"``.

    Raises:
        ValueError: If there is no schedule of that name.

    Example:
        >>> [round(factor("cosine", p, step=100), 3) for p in (0.0, 0.5, 1.0)]
        [1.0, 0.505, 0.01]
        >>> factor("constant", 0.0, step=4, warmup=10), factor("plateau", 0.5, step=9, drops=2)
        (0.5, 0.0625)
    """
    rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
    left = 1.0 - min(1.0, progress)
    if schedule == "linear":
        return rising * (FLOOR + (1 - FLOOR) * left)
    if schedule == "cosine":
        return rising * (FLOOR + (1 - FLOOR) * 0.5 * (1 - math.cos(math.pi * left)))
    if schedule == "plateau":
        return rising * 0.25**drops
    if schedule == "constant":
        return rising
    raise ValueError(f"unknown schedule {schedule!r}")
