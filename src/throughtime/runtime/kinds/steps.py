"""Sequences of numbers or of symbols: what a model of the memory tasks makes of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from throughtime.errors import UserError, several, spelled
from throughtime.runtime.folder import Folder
from throughtime.runtime.kinds.clips import as_steps, check_steps
from throughtime.runtime.reading.arrays import array_of
from throughtime.runtime.runner import Runner


@spelled
class StepsRunner(Runner):
    """A network that adds marked numbers, or says symbols again.

    Args:
        folder: With the graph ``sequence``.
    """

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.network = folder.graph("sequence")

    def predict(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """Of sequences of numbers ``[T, F]`` the ``numbers`` sought; of symbols ``[T]`` the likeliest at each step.

        Args:
            inputs: Several sequences: arrays, or paths of ``.npy`` files of them.

        Raises:
            UserError: If one is none that the model reads.
        """
        return [self._told(f"input {number}", steps) for number, steps in enumerate(several(inputs, "inputs"), 1)]

    def _told(self, where: str, steps: Any) -> dict[str, Any]:
        steps = array_of(steps)
        if "features" in self.network.inputs:
            values = as_steps(steps, where, int(self.network.inputs["features"].shape[-1]))
            check_steps(len(values), where)
            made, _ = self.network({}, features=values[None], lengths=[len(values)])
            return {"numbers": made["numbers"][0].tolist()}
        symbols, most = np.asarray(steps), self.folder.fact("symbols", int)
        check_steps(symbols.size, where)
        if symbols.ndim != 1 or symbols.dtype.kind != "i" or ((symbols < 0) | (symbols >= most)).any():
            raise UserError(f"{where}: expected whole numbers from 0 to {most - 1}, a step each")
        made, _ = self.network({}, words=symbols[None], lengths=[len(symbols)])
        return {"symbols": made["scores"][0].argmax(1).tolist()}
