"""A trained model as an object that other processes and machines call on batches."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich.text import Text

from throughtime.api.archive.opening import Opening, on_threads
from throughtime.api.run import Run
from throughtime.applications import memory
from throughtime.applications.memory import is_table
from throughtime.applications.options import Options
from throughtime.applications.prediction import Prediction
from throughtime.applications.settings import check_settings
from throughtime.data.tables.sheets import free_names
from throughtime.errors import UserError, spelled
from throughtime.visible import in_line

ERROR = "error"
"""The column that says why a row has no prediction."""

Columns = dict[str, list[Any]]


@spelled
class Predictor:
    """A trained model to be called on batches, by any number of processes, on any machine that sees its folder.

    It pickles small: the folder's path and the options. A process opens the model once, when it is first called there,
    and keeps it; it refuses a folder that holds another model by then. It predicts on one thread unless told otherwise:
    as many processes as cores then fill them, and more threads would only wait for each other.

    Called on a list of inputs, or on one, it gives what :meth:`throughtime.Run.predict` gives for it. Called on a table
    (a mapping of columns, a frame of pandas, polars or pyarrow, or mappings) it gives the same table with columns
    of what was found beside its own; what is no text, number or truth stands in them as JSON. Called on an iterator of
    batches, as Spark's ``mapInPandas`` hands over, it gives an iterator. A row's prediction is the same in any batch,
    so that results do not depend on who predicts what.

    Args:
        run: The model folder, or a run.
        errors: ``"raise"``, or ``"keep"``: an input that cannot be read has an error in the place of a prediction, in a
            table in a column of that name, which is None elsewhere.
        whole: Name of a column, of tables, that holds all that was found as JSON.
        threads: Threads of PyTorch for each process.
        cell: As of :func:`throughtime.load`.
        task: The same, ``module:Class``.
        device: The same.
        **options: Of the task for predictions: see :meth:`throughtime.Run.options`.

    Raises:
        UserError: If the folder is none, or an option is bad.
    """

    def __init__(
        self,
        run: str | Path | Run,
        *,
        errors: Literal["raise", "keep"] = "raise",
        whole: str | None = None,
        threads: int = 1,
        cell: str | None = None,
        task: str | None = None,
        device: str = "auto",
        **options: Any,
    ) -> None:
        if errors not in ("raise", "keep"):
            raise UserError(f"errors: expected 'raise' or 'keep', got {errors!r}")
        self.opening = Opening.of_run(run) if isinstance(run, Run) else Opening.of(Path(run), cell, task, device)
        self.errors, self.whole, self.threads = errors, whole, threads
        for name in ("out", "picture"):
            if options.get(name) is not None:
                raise UserError(f"{name}: expected no file, which every batch would write over; save what is returned")
        self.options = {name: value.absolute() if isinstance(value, Path) else value for name, value in options.items()}
        check_settings(self.opening.unopened().options("predict"), self.options)

    def __repr__(self) -> str:
        given = self.options | ({} if self.whole is None else {"whole": self.whole})
        return in_line(
            f"Predictor({self.opening.folder!r}{''.join(f', {name}={value!r}' for name, value in given.items())})"
        )

    def __call__(self, batch: Any) -> Any:
        """Predictions for a batch.

        Args:
            batch: Inputs, a table of them, or an iterator of such.

        Raises:
            UserError: If an input is bad, unless errors are kept; if it cannot be told which column holds the inputs:
                it is told by its name alone, as what stands in one batch says nothing of the next.
        """
        if isinstance(batch, Iterator):
            return map(self, batch)
        with on_threads(self.threads):
            run = self.opening.run()
            chosen = check_settings(run.options("predict"), self.options)
            if not is_table(batch):
                items = batch if isinstance(batch, list) else [batch]
                return self._found(items, lambda some: run.trained.predict_items(some, chosen))
            rows = memory.rows(batch.to_pydict() if _kind(batch) == "pyarrow" else batch, [])
            found = self._found(rows, lambda some: run.trained.predict_rows(some, chosen, some=True)) if rows else []
            return beside(batch, rows, self._columns(found, run, chosen))

    def _found(self, items: list[Any], predict: Callable[[list[Any]], list[Prediction]]) -> list[Prediction]:
        """The predictions; where errors are kept, each of the items that have none brings its own."""
        try:
            return predict(items)
        except (UserError, OSError) as error:
            if self.errors == "raise":
                raise
            if len(items) == 1:
                return [Prediction(Text(str(error)), {ERROR: str(error)})]
            return [found for item in items for found in self._found([item], predict)]

    def _columns(self, found: Sequence[Prediction], run: Run, options: Options) -> Columns:
        """What stands beside the rows, by the name of its column: the same names for every batch."""
        told = [self._told(prediction) for prediction in found]
        known = _KNOWN.setdefault(repr(self), {})
        known |= dict.fromkeys(name for one in told for name in one if name != ERROR)
        if not known and not run.trained.suffixes:  # no row of the batch has a prediction, but an empty text has
            known |= dict.fromkeys(self._told(run.trained.predict_items([""], options)[0]))
        kept = [ERROR] if self.errors == "keep" else []
        return {name: [one.get(name) for one in told] for name in [*known, *kept]}

    def _told(self, prediction: Prediction) -> dict[str, Any]:
        """What is told of a row."""
        told = {name: _cell(value) for name, value in prediction.columns.items()}
        if self.whole is not None and prediction.data and ERROR not in prediction.data:
            told[self.whole] = json.dumps(prediction.data, ensure_ascii=False)
        return told


_KNOWN: dict[str, dict[str, None]] = {}
"""The columns that a predictor's tables have got in this process, in order."""


def beside(batch: Any, rows: Sequence[Mapping[str, Any]], columns: Columns) -> Any:
    """A table of the same kind with further columns, under names that are not there yet.

    Args:
        batch: The table.
        rows: Its rows.
        columns: A value for each row.

    Example:
        >>> beside({"text": ["a film"]}, [{"text": "a film"}], {"predicted": ["good"]})
        {'text': ['a film'], 'predicted': ['good']}
        >>> beside([{"text": "a film"}], [{"text": "a film"}], {"text": ["good"]})
        [{'text': 'a film', 'text_2': 'good'}]
    """
    kind = _kind(batch)
    there = batch.column_names if kind == "pyarrow" else batch if isinstance(batch, Mapping) else None
    if there is None:
        there = batch.columns if hasattr(batch, "columns") else dict.fromkeys(name for row in rows for name in row)
    names = free_names([columns], map(str, there))
    added = {new: columns[name] for name, new in names.items()}
    if isinstance(batch, Mapping):
        arrays = any(hasattr(column, "dtype") for column in batch.values())
        return {**batch, **{name: _array(values) if arrays else values for name, values in added.items()}}
    if isinstance(batch, Sequence):
        return [{**row, **{name: values[at] for name, values in added.items()}} for at, row in enumerate(rows)]
    library: Any = sys.modules.get(kind)
    if kind == "polars":
        return batch.with_columns([library.Series(name, values) for name, values in added.items()])
    if kind == "pyarrow":
        for name, values in added.items():
            batch = batch.append_column(name, library.array(values))
        return batch
    return batch.assign(**added)


def _kind(batch: Any) -> str:
    """The library that a table is of."""
    return type(batch).__module__.partition(".")[0]


def _array(values: list[Any]) -> npt.NDArray[Any]:
    """An array of numbers, what is missing being not a number; else of objects.

    Example:
        >>> _array([0.5, None]), _array(["good", None])
        (array([0.5, nan]), array(['good', None], dtype=object))
    """
    real = any(isinstance(value, float) for value in values)
    if real and all(value is None or isinstance(value, int | float) for value in values):
        return np.array([np.nan if value is None else value for value in values])
    return np.array(values, dtype=None if values and all(type(value) in (bool, int) for value in values) else object)


def _cell(value: Any) -> Any:
    """What may stand in a frame: what is no text, number or truth as JSON."""
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
