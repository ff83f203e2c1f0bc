"""Classes of sequences of key points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from throughtime.errors import UserError, several, spelled
from throughtime.runtime.folder import Folder
from throughtime.runtime.kinds.classes import chances_of, log_softmax
from throughtime.runtime.reading.arrays import array_of
from throughtime.runtime.runner import Runner


@spelled
class ClipsRunner(Runner):
    """A classifier of sequences of key points.

    Args:
        folder: With the graph ``sequence``.
    """

    instead = "key points from Python: model.predict([array])"

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.network = folder.graph("sequence")
        self.labels, self.temperature = folder.fact("labels", list[str]), float(folder.fact("temperature", float))

    def predict(self, inputs: Sequence[Any], *, explain: bool = False) -> list[dict[str, Any]]:
        """The class of every sequence: ``where``, ``clip``, ``label``, ``probabilities``, ``steps``.

        Args:
            inputs: Arrays of key points, ``[T, numbers]`` each, or paths of ``.npy`` files of them.
            explain: How much of each step the result rests on, too: ``attention``.

        Raises:
            UserError: If one has another shape.
        """
        items = several(inputs, "inputs")
        return [self._told(f"input {number}", points, explain) for number, points in enumerate(items, 1)]

    def _told(self, where: str, points: Any, explain: bool) -> dict[str, Any]:
        values = as_steps(array_of(points), where, self.folder.fact("numbers", int))
        check_steps(len(values), where)
        made, _ = self.network({}, points=values[None], lengths=[len(values)])
        scores = made["log_probs"][0].astype(np.float64)
        scores = scores if self.temperature == 1.0 else log_softmax(scores / self.temperature)
        told = {"where": where, "clip": where, **chances_of(self.labels, scores), "steps": len(values)}
        return told | ({"attention": made["weights"][0].tolist()} if explain else {})


def as_steps(given: Any, where: str, numbers: int) -> NDArray[np.float32]:
    """An array of finite numbers, ``[T, numbers]``.

    Raises:
        UserError: If it is none.

    Example:
        >>> as_steps([[1, 2], [3, 4]], "input 1", 2).shape
        (2, 2)
    """
    try:
        values = np.asarray(given, np.float32)
    except (TypeError, ValueError):
        values = np.full((1, 0), np.nan, np.float32)
    if values.ndim != 2 or values.shape[1] != numbers or not np.isfinite(values).all():
        raise UserError(f"{where}: expected steps of {numbers} finite numbers each, got the shape {list(values.shape)}")
    return values


def check_steps(count: int, where: str) -> None:
    """Refuses a sequence without steps.

    Raises:
        UserError: If it is one.
    """
    if not count:
        raise UserError(f"{where}: expected at least one step, got none; leave it out")
