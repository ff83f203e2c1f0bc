"""The model of a folder that was trained on labelled examples, and the examples that lie in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from throughtime.applications import memory
from throughtime.applications.application import Application
from throughtime.applications.exported import Exported
from throughtime.applications.folder import references
from throughtime.applications.folder.build import Weights, build_model
from throughtime.applications.folder.labelled import bind, load_examples, told
from throughtime.applications.folder.model_folder import ModelFolder, choose_device
from throughtime.applications.live import Live
from throughtime.applications.options import COLUMNS, Options, Tabled
from throughtime.applications.pieces import TOGETHER, Piece, file_size, line_pieces
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import read_account
from throughtime.applications.reading.inputs import Asked, Inputs, in_groups, line_inputs
from throughtime.applications.reading.verdict import remarks_on
from throughtime.applications.task import Inspected, Report, Sampler, Trained, Wanted
from throughtime.data.parts import check_there, is_file
from throughtime.data.progress import report
from throughtime.data.shards.names import expanded
from throughtime.errors import UserError, listed, texts_of
from throughtime.files import make_folder
from throughtime.layers import named_cells
from throughtime.models import Model
from throughtime.own import only
from throughtime.runtime.reading.encodings import asked_encoding, reading_as
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import renaming

LINES = ".txt"
"""Suffix of files of lines."""


class Opened(Trained):
    """A model folder's model, with its settings and vocabulary.

    Args:
        run: The folder.
        application: What the task declares.
        weights: Of the model; None: they are drawn.
    """

    def __init__(self, run: ModelFolder, application: type[Application[Any]], weights: Weights | None = None) -> None:
        self.run, self.application = run, application
        with only(run.said):
            self.bound = bind(run, application)
            model = build_model(self.bound.build, weights, choose_device(self.bound.settings.device), run)
        super().__init__(run.task, run.folder, model, self.bound.settings)

    @property
    def suffixes(self) -> Sequence[str]:
        """Of the files that are inputs; none: inputs are lines of text."""
        return self.bound.suffixes if self.bound.reads_files else ()

    @property
    def uses(self) -> Sequence[str]:
        """As the application declares them."""
        found = {"predict": bool(self.takes), "sample": self.bound.drawing is not None}
        return [use for use, there in found.items() if there]

    @property
    def takes(self) -> Sequence[str]:
        """As the application declares it."""
        lines = type(self.bound).predict is not Application.predict
        found = {"lines": lines, "files": lines or self.bound.reads_files, "numbers": self.bound.numbers}
        return [kind for kind, there in found.items() if there]

    @property
    def numbers(self) -> str:
        """As the application declares it."""
        return self.bound.numbers

    @property
    def uploads(self) -> Sequence[str]:
        """Inputs themselves, files of lines, and tables whose cells are inputs."""
        bound = self.bound
        tables = () if bound.column is None or bound.column.files else bound.tables
        return list(dict.fromkeys([*(bound.suffixes if bound.reads_files else (LINES,)), *tables]))

    def is_whole(self, folder: Path) -> bool:
        """As the application says."""
        return self.bound.is_whole(folder)

    def initialise(self) -> None:
        """Sets weights that do not start at random.

        Raises:
            UserError: If a file that they come from is not as it should be.
        """
        with self._encoded(None):
            self.bound.initialise(self.model)

    @torch.no_grad()
    def predict(self, lines: Sequence[str], options: Options | None = None) -> list[Prediction]:
        """A prediction for every line."""
        return self.bound.predict(self.model, texts_of(lines, "lines"), options or self.bound.predicting())

    def predict_items(self, items: Sequence[Any], options: Options | None = None) -> list[Prediction]:
        """A prediction for every input in memory, and for every one of the files among them.

        A text is a file where it names one whose inputs stand beside something else, such as a table.
        """
        options, found = options or self.bound.predicting(), []
        for are_files, group in groupby(items, self._is_file):
            if are_files:
                for path in map(Path, group):
                    found += self._of_file(path, options)
            else:
                found += self._of_memory(list(group), options)
        return found

    @torch.no_grad()
    def _of_memory(self, items: Sequence[Any], options: Options) -> list[Prediction]:
        for item in items:
            if isinstance(item, Path):
                check_there(item)
        with self._encoded(options):
            return self.bound.predict_items(self.model, items, options)

    def _of_file(self, path: Path, options: Options) -> list[Prediction]:
        check_there(path)
        with self._encoded(options):
            inputs = self._inputs(path, options)
        if inputs is None:
            return list(self.predict_file(path, options))
        return inputs.beside([found for _, found in self._answered(inputs, options)])

    def predict_rows(self, data: Any, options: Options | None = None, *, some: bool = False) -> list[Prediction]:
        """A prediction for every row of a frame or of mappings; an empty one where there is no input.

        Args:
            data: The rows.
            options: Of the task.
            some: They are some of many more, see :class:`~throughtime.applications.reading.inputs.Asked`.
        """
        options = options or self.bound.predicting()
        names = [self.bound.column.what] if self.bound.column else []
        inputs = self.bound.inputs_of(memory.rows(data, names), replace(self._asked(options), some=some))
        return inputs.beside([found for _, found in self._answered(inputs, options)])

    def predict_file(self, path: Path, options: Options | None = None) -> Iterator[Prediction]:
        """The predictions for a file."""
        return (prediction for _, prediction in self.answers(path, options))

    def answers(self, path: Path, options: Options | None = None) -> Iterator[tuple[str, Prediction]]:
        """The predictions for a file, each with what messages call its input."""
        options = options or self.bound.predicting()
        check_there(path)
        with self._encoded(options):
            inputs = self._inputs(path, options)
        yield from self._read(path, options) if inputs is None else self._answered(inputs, options)

    def answers_to_lines(
        self, lines: Sequence[str], options: Options | None = None
    ) -> Iterator[tuple[str, Prediction]]:
        """The predictions for lines of text."""
        options = options or self.bound.predicting()
        if self.bound.reads_files:
            _check_no_table(options, "lines")
            return ((f"line {number}", found) for number, found in enumerate(self.predict(lines, options), 1))
        name = self.bound.column.what if self.bound.column else "text"
        inputs = line_inputs(Path("lines"), name, texts_of(lines, "lines"), "line ")
        return self._answered(inputs, options)

    def pieces(self, path: Path, options: Options | None = None) -> Iterator[Piece]:
        """A file's inputs in pieces: rows of what is read as a table, lines as they are read, or the file itself.

        What :meth:`answered` makes of them, one after the other, is what :meth:`answers` gives.
        """
        options = options or self.bound.predicting()
        check_there(path)
        size = file_size(path)
        with self._encoded(options):
            inputs = self.bound.inputs(path, self._asked(options))
            if inputs is None and not self.bound.reads_files:
                yield from line_pieces(str(path), (line.removesuffix("\n") for line in file_lines(path)), f"{path}:")
        if inputs is not None:
            for group in in_groups(inputs.items, TOGETHER):
                yield Piece(str(path), group, size * len(group) / len(inputs.items))
        elif self.bound.reads_files:
            yield Piece(str(path), size=size)

    @torch.no_grad()
    def answered(self, piece: Piece, options: Options | None = None) -> list[Prediction]:
        """The predictions for a piece: one for each of its inputs, or all those for a file."""
        options = options or self.bound.predicting()
        if piece.inputs:
            return self.bound.predict_inputs(self.model, piece.inputs, options)
        return [found for _, found in self._read(Path(piece.file), options)]

    @torch.no_grad()
    def _read(self, path: Path, options: Options) -> Iterator[tuple[str, Prediction]]:
        _check_no_table(options, str(path))
        with self._encoded(options):
            for prediction in self.bound.predict_file(self.model, path, options):
                yield str(path), prediction

    @torch.no_grad()
    def _answered(self, inputs: Inputs, options: Options) -> Iterator[tuple[str, Prediction]]:
        """The predictions for inputs; those of a table are written after the last one, where ``out`` asks for it."""
        out = options.out if isinstance(options, Tabled) else None
        picture = getattr(options, "picture", None)
        if picture is not None and len(inputs.items) != 1:
            raise UserError(f"--picture: expected one input to draw, got {len(inputs.items):,} in {inputs.sheet.path}")
        if out is not None:
            inputs.check(out)
        columns: list[dict[str, Any]] = []
        for group in in_groups(inputs.items, TOGETHER):
            for item, found in zip(group, self.bound.predict_inputs(self.model, group, options), strict=True):
                columns.append(found.columns if out is not None else {})
                yield item.where, found
            report(len(columns), len(inputs.items), "inputs")
        if out is not None:
            inputs.write(out, columns)

    def _inputs(self, path: Path, options: Options) -> Inputs | None:
        """The inputs of a file; None where the task reads it as a whole."""
        inputs = self.bound.inputs(path, self._asked(options))
        if inputs is not None or self.bound.reads_files:
            return inputs
        name = self.bound.column.what if self.bound.column else "text"
        return line_inputs(path, name, (line.removesuffix("\n") for line in file_lines(path)), f"{path}:")

    def _asked(self, options: Options) -> Asked:
        """What the options, the settings and the data of training tell of a table."""
        name = f"{self.bound.column.what}_column" if self.bound.column else ""
        read = read_account(self.folder)
        trained = read.columns.get(name.removesuffix("_column"), []) if read is not None else []
        asked = getattr(options, name, None) or (None if trained else getattr(self.settings, name, None))
        return Asked(asked, trained, getattr(self._read_as(options), "header", None))

    def _is_file(self, item: Any) -> bool:
        """Whether an input is a file that is read here, and not by the task as it is."""
        if not isinstance(item, str | Path):
            return False
        path = Path(item)
        if isinstance(item, Path) and (not self.bound.reads_files or path.is_dir()):
            return True
        return path.suffix.lower() in self.bound.tables and is_file(path)

    @torch.no_grad()
    def stream(self, path: Path | None, options: Options | None = None) -> Iterator[Prediction]:
        """Predictions for a file or standard input, as it comes."""
        if path is not None:
            check_there(path)
        with self._encoded(options):
            yield from self.bound.stream(self.model, path, options or self.bound.predicting())

    def live(self) -> Live:
        """As the application says."""
        return self.bound.live(self.model)

    def evaluate(self, data: Any = (), options: Options | None = None) -> Report:
        """The field's metrics; where no data is named on the run's test data, or its validation data.

        Raises:
            UserError: If the data is bad, or there is none.
        """
        with self.held_out(data, options) as (examples, _):
            report = self.bound.evaluate(self.model, examples, options or self.bound.judging())
            rival = self.bound.rival(report.figures, examples)
            remarks = remarks_on(report.figures, self.bound.baselines, rival)
            return replace(report, remarks=[*report.remarks, *remarks])

    def sampler(self) -> Sampler:
        """What draws new sequences.

        Raises:
            UserError: If the task has none to draw.
        """
        return self.bound.sampler(self.model)

    def exported(self) -> Exported:
        """What the task tells."""
        return self.bound.exported(self.model)

    def inspected(self, wanted: Wanted) -> Inspected:
        """The longest examples that are not too long; where all are, the shortest."""
        if wanted.prompt is not None:
            raise UserError("--prompt is for language models; pass --data")
        if not named_cells(self.model) or type(self.model).losses is Model.losses:
            raise UserError(
                f"{self.folder}: a {type(self.model).__name__} cannot be inspected: expected recurrent layers, which "
                "have steps in time, as trees have not; in a model of your own as attributes, beside its losses(batch)"
            )
        bound = self.bound
        with self.held_out(wanted.data) as (examples, name):
            ordered = sorted(examples, key=bound.size)
            fitting = [example for example in ordered if 0 < bound.size(example) <= wanted.length]
            chosen = fitting[-wanted.rows :] or ordered[:1]
            steps = [bound.steps(example) for example in chosen]
            by_layer = {layer: [step.get(layer, []) for step in steps] for layer in steps[0]}
            shown = f"{len(chosen)} example{'s' if len(chosen) > 1 else ''} of {name}"
            facts = [bound.summarise(self.model), shown]
            return Inspected(self.model, bound.batch(chosen), self.run.model["cell"], facts, by_layer)

    @contextmanager
    def held_out(self, data: Any = (), options: Options | None = None) -> Iterator[tuple[list[Any], str]]:
        """The examples of paths or of data in memory, or the run's own test or validation data, and their name.

        What data in memory refer to is there inside the block.
        """
        if memory.is_nothing(data):
            part = next((part for part in ("test", "valid") if part in told(self.run)["examples"]), None)
            if part is None:
                raise UserError(f"{self.folder}: this run held nothing out (--held-out 0); name data to judge it by")
            yield self.own(part, "name data to judge it by"), f"the run's {part} data"
        elif memory.is_paths(data):
            paths = expanded([str(data)] if isinstance(data, str | Path) else list(map(str, data)))
            for path in paths:
                check_there(Path(path))
            name = listed(paths)
            with self._encoded(options):
                examples = list(self.application.read([Path(path) for path in paths], self._read_as(options)))
            if not examples:
                raise UserError(f"expected examples to judge by, got none in {name}")
            yield examples, name
        else:
            with memory.spilling() as folder, renaming(partial(memory.as_given, folder=folder)):
                found = from_memory(self.application, data, folder, self.settings)
                refers = self.application.refers
                yield [memory.moved(each, folder, kept=refers(each)) for each in found], "data in memory"

    def _encoded(self, options: Options | None) -> AbstractContextManager[None]:
        """Files of text are read as the options say, else as is said around this, else as in training."""
        said = getattr(options, "encoding", None)
        return reading_as(said, asked_encoding(), getattr(self.settings, "encoding", None))

    def _read_as(self, options: Options | None) -> Any:
        """The settings, with the columns that the options name."""
        said = {name: getattr(options, name, None) for name in COLUMNS}
        return self.settings.model_copy(update={name: value for name, value in said.items() if value is not None})

    def own(self, part: str, remedy: str) -> list[Any]:
        """The run's examples of a part, if what they refer to may be read."""
        folder, refers = self.run.folder, self.application.refers
        examples = [
            memory.placed(each, folder, refers(each)) for each in load_examples(folder / f"{part}.jsonl", self.bound)
        ]
        references.check(folder, (Path(path) for example in examples for path in refers(example)), remedy)
        return examples


def _check_no_table(options: Options, read: str) -> None:
    """Refuses to write beside inputs that stand in no table."""
    if isinstance(options, Tabled) and options.out is not None:
        raise UserError(
            f"--out: expected a table, a manifest or another file of inputs to write again, got {read}; leave "
            "--out away, or list the inputs in a table"
        )


def from_memory(application: type[Application[Any]], data: Any, folder: Path, settings: Any) -> list[Any]:
    """The examples of data in memory; those of the task's own type are taken as they are.

    Args:
        application: What the task declares.
        data: In memory.
        folder: An empty one for files of the task's own format.
        settings: Of the task.

    Raises:
        UserError: If the data have no form that the task knows, or there is no example in them.
    """
    if isinstance(data, list | tuple) and data and all(isinstance(item, application.example_type) for item in data):
        return list(data)
    make_folder(folder)
    examples = list(application.read(application.spill(data, folder), settings))
    if not examples:
        raise UserError("expected examples in the data in memory, got none")
    return examples
