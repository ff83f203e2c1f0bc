"""How a task tells where its inputs stand in files that hold more than them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.inputs import Asked, Column, Input, Inputs, memory_inputs, table_inputs
from throughtime.data.tables.rows import TABLES
from throughtime.errors import UserError


class Tabular:
    """The part of an application by which ``predict`` reads what training reads; a task names its column, at least."""

    column: Column | None = None
    """Of the inputs in a table; None: the task reads none."""
    tables: ClassVar[tuple[str, ...]] = TABLES
    """Suffixes of files whose inputs stand beside something else, see :meth:`inputs`."""

    def inputs(self, path: Path, asked: Asked) -> Inputs | None:
        """The inputs of a file of a kind that training reads, without the answers that stand beside them there.

        None: the file itself is the input, or each of its lines. By default that of a table where the task has a
        :attr:`column`.

        Raises:
            UserError: If the file is not as it should be.
        """
        return table_inputs(path, self.column, asked) if self.column and path.suffix.lower() in self.tables else None

    def is_whole(self, folder: Path) -> bool:
        """Whether :meth:`inputs` reads a folder, and not one file in it after the other."""
        return False

    def inputs_of(self, rows: Sequence[Mapping[str, Any]], asked: Asked) -> Inputs:
        """The inputs of rows in memory.

        Raises:
            UserError: If the task reads no tables, or their column cannot be told.
        """
        if self.column is None:
            raise UserError("expected inputs, got a table, and this task reads none; pass the inputs themselves")
        return memory_inputs(rows, self.column, asked)

    def predict_inputs(self, model: Any, inputs: Sequence[Input], options: Any) -> list[Prediction]:
        """What the model makes of the inputs of a table, or of what else :meth:`inputs` reads; a prediction of each."""
        return self.predict_items(model, [found.value for found in inputs], options)

    def predict_items(self, model: Any, items: Sequence[Any], options: Any) -> list[Prediction]:
        """What the model makes of inputs in memory."""
        raise NotImplementedError(f"{type(self).__name__}: define predict_items(self, model, items, options)")
