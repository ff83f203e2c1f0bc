"""Settings of the tasks that make their own data: they show what a cell can remember, and for how long."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from throughtime.applications.settings import StackSettings, option
from throughtime.cells import cell_options, find_cell

CELLS_COMPARED = "rnn,gru-simplified,gru,lstm,lstm-peephole"


class MadeSettings(StackSettings):
    """What training on data that the task makes takes."""

    lacking: ClassVar[Mapping[str, str]] = {
        "folds": "the task makes as many sequences as are asked for: judge by --held-out new ones, and try other seeds",
        "fold": "the task makes as many sequences as are asked for: judge by --held-out new ones, and try other seeds",
        "group": "the task makes each sequence anew: none belongs to another",
        "valid": "the task makes its data itself: see --held-out",
        "test": "the task makes its data itself: see --held-out",
    }

    cell: str = option(CELLS_COMPARED, "A cell, or several, separated by commas, which are trained alike.", "Model")
    hidden: int = option(64, "Units of a layer.", "Model", ge=1, le=2**24)
    dropout: float = option(0.0, "Between layers and before the output.", "Model", ge=0, lt=1)
    lr: float = option(2e-3, "Peak learning rate.", "Training", gt=0)
    examples: int = option(20_000, "Sequences to train on.", "Data", ge=10, le=100_000_000)
    held_out: int = option(1_000, "Sequences to validate on; as many to test on.", "Data", ge=0, le=100_000_000)

    memory: float | None = option(
        None,
        "Steps that gates keep their memory at the start, 0: the cell's own start; default: as the task asks.",
        "Model",
        ge=0,
    )

    def far(self) -> int:
        """Steps that the task asks a network to remember something for."""
        raise NotImplementedError(f"{type(self).__name__}: define far(self)")

    def stack(self) -> dict[str, Any]:
        """With the memory of gated cells (Tallec and Ollivier 2018); those without gates have none."""
        fields = super().stack()
        memory = 4.0 * self.far() if self.memory is None else self.memory
        if memory > 2 and "memory" in cell_options(find_cell(self.cell)):
            fields["options"] = {"memory": memory, **fields["options"]}
        return fields

    def count(self, part: str) -> int:
        """Sequences of a part."""
        return self.examples if part == "train" else self.held_out

    def random(self, part: str) -> np.random.Generator:
        """The same draws for every cell; others for every part and seed."""
        return np.random.default_rng([self.seed, zlib.crc32(part.encode())])
