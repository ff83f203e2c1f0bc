"""What an application is: what it trains, tells, predicts and draws, whatever its data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal, Protocol

from throughtime import figures
from throughtime.applications.exported import Exported
from throughtime.applications.live import Live
from throughtime.applications.options import Options
from throughtime.applications.pieces import InPieces
from throughtime.applications.prediction import Prediction
from throughtime.applications.settings import TrainSettings
from throughtime.console import as_table, as_text
from throughtime.errors import UserError, spelled
from throughtime.models import Model
from throughtime.training import Trainer
from throughtime.visible import in_line

Use = Literal["predict", "evaluate", "sample"]
"""What a trained model can be asked for with options."""


class Task:
    """An application: its data, model, metric, and how a result is shown."""

    name: str
    summary: str
    settings: type[TrainSettings]
    makes_data: bool = False
    """Whether it needs no data of the user's."""

    def __repr__(self) -> str:
        return f"<task {self.name}: {self.summary}>"

    def start(
        self, paths: Sequence[str], out: Path, options: dict[str, Any], memory: Mapping[str, Any] | None = None
    ) -> Trainer[Any]:
        """Reads the data, makes the run's folder, and returns what trains; nothing is left behind on bad input.

        Args:
            paths: Files and folders.
            out: The folder to make.
            options: Settings by name.
            memory: Data in memory by part, ``train``, ``valid`` and ``test``, instead of paths.
        """
        raise NotImplementedError

    def start_folds(
        self, paths: Sequence[str], out: Path, options: dict[str, Any], memory: Mapping[str, Any] | None = None
    ) -> None:
        """Makes the folders of a cross-validation below ``out``, each to be trained by :meth:`resume`.

        Raises:
            UserError: If the input or an option is bad, of whichever fold; nothing is left behind.
        """
        raise UserError(f"--folds: task {self.name!r} has no examples to divide")

    def resume(self, out: Path, options: dict[str, Any], paths: Sequence[str] = ()) -> Trainer[Any]:
        """What goes on with a run that was stopped; ``paths`` tell where its data lie, if it asks."""
        raise NotImplementedError

    def describe(self, trainer: Trainer[Any], cell: str | None = None) -> str:
        """A line on what is about to be trained; ``cell`` allows the user's own."""
        raise NotImplementedError

    def options(self, run: Path, use: Use, cell: str | None = None) -> type[Options]:
        """The options that a trained model has for a use.

        Raises:
            UserError: If it has no such use.
        """
        raise NotImplementedError

    def load(self, run: Path, cell: str | None = None, *, device: str = "auto", latest: bool = False) -> Trained:
        """The trained model of a folder.

        Args:
            run: The folder.
            cell: Allows the user's own cell.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            latest: Take the checkpoint of a training that no validation has seen yet, too.

        Raises:
            UserError: If the folder is none of this task, or damaged.
        """
        raise NotImplementedError

    def spill(self, data: Any, folder: Path) -> list[Path]:
        """Writes data in memory as files of the task's own format.

        Raises:
            UserError: If the data have no form that the task knows.
        """
        raise UserError(f"task {self.name!r} reads files, got data in memory; give paths")

    def compare(self, runs: Mapping[str, Path], picture: Path) -> Sequence[Table]:
        """What sets runs apart that differ in their cell, drawn and as tables.

        Args:
            runs: Folders of finished runs, by cell.
            picture: The file.
        """
        raise NotImplementedError(f"{type(self).__name__}: define compare(self, runs, picture)")


class Trained(InPieces):
    """A trained model of a folder, and what it is used for; what a task lacks is refused in a line.

    Args:
        task: Name of the task.
        folder: The model folder.
        model: With its weights, in evaluation mode.
        settings: Of the task.
    """

    def __init__(self, task: str, folder: Path, model: Model, settings: TrainSettings) -> None:
        self.task, self.folder, self.model, self.settings = task, folder, model, settings

    def __repr__(self) -> str:
        return in_line(f"<{type(self.model).__name__} of task {self.task} in {str(self.folder)!r}>")

    @property
    def suffixes(self) -> Sequence[str]:
        """Of the files that it reads, each of them an input; none: it reads lines of text."""
        return ()

    @property
    def uses(self) -> Sequence[str]:
        """What it can be asked for, among ``"predict"``, ``"score"``, ``"sample"``."""
        made = {"predict": Trained.predict, "score": Trained.score, "sample": Trained.sampler}
        return [use for use, lacking in made.items() if getattr(type(self), lacking.__name__) is not lacking]

    @property
    def takes(self) -> Sequence[str]:
        """What it predicts of, among ``"lines"``, ``"files"``, ``"numbers"``: rows of numbers in memory."""
        return ()

    @property
    def numbers(self) -> str:
        """What rows of numbers are, that it predicts of; empty where it takes none."""
        return ""

    @property
    def uploads(self) -> Sequence[str]:
        """Suffixes of files that it predicts of and that name no other files: they may come from strangers."""
        return ()

    def predict(self, lines: Sequence[str], options: Any = None) -> list[Prediction]:
        """A prediction for every line."""
        raise self._lacks("has nothing to predict; see: throughtime --help")

    def predict_items(self, items: Sequence[Any], options: Any = None) -> list[Prediction]:
        """A prediction for every input in memory: lines, paths, or what else the task reads."""
        raise self._lacks("has nothing to predict; see: throughtime --help")

    def predict_file(self, path: Path, options: Any = None) -> Iterator[Prediction]:
        """What the model makes of a file: one prediction, or one of each thing in it."""
        raise self._lacks("has nothing to predict; see: throughtime --help")

    def is_whole(self, folder: Path) -> bool:
        """Whether a folder is read as one, and not one file in it after the other."""
        return False

    def answers(self, path: Path, options: Any = None) -> Iterator[tuple[str, Prediction]]:
        """The same, each with what messages call its input; writes them where ``out`` asks for a table."""
        return ((str(path), prediction) for prediction in self.predict_file(path, options))

    def answers_to_lines(self, lines: Sequence[str], options: Any = None) -> Iterator[tuple[str, Prediction]]:
        """The same of lines of text."""
        raise self._lacks("has nothing to predict; see: throughtime --help")

    def predict_rows(self, data: Any, options: Any = None, *, some: bool = False) -> list[Prediction]:
        """A prediction for every row of a frame, or of mappings, which are read as tables are."""
        raise self._lacks("has nothing to predict; see: throughtime --help")

    def stream(self, path: Path | None, options: Any = None) -> Iterator[Prediction]:
        """What the model makes of a file, or of standard input, as it comes; the last prediction is final."""
        raise self._lacks("has nothing to predict; see: throughtime --help")

    def live(self) -> Live:
        """How the model reads many streams side by side."""
        raise self._lacks("does not read streams")

    def evaluate(self, data: Any = (), options: Any = None) -> Report:
        """The field's metrics on paths or data in memory; on none, on the run's own test or validation data.

        Raises:
            UserError: If the data is bad, or there is none.
        """
        raise NotImplementedError

    def score(self, lines: Sequence[str], tokens: bool = False, weights: str = "float32") -> Sequence[Any]:
        """The probability of every line; of every token, too, where ``tokens`` are asked for; with matrices kept in
        ``weights``.
        """
        raise self._lacks("scores no lines: expected a language model; train one with: throughtime train text")

    def score_pairs(self, pairs: Any) -> Report:
        """How often the right one of two texts is the likelier; pairs in memory, or a file of them."""
        raise self._lacks("scores no pairs: expected a language model; train one with: throughtime train text")

    def sampler(self) -> Sampler:
        """What draws new sequences."""
        raise self._lacks("draws nothing; see: throughtime predict --help")

    def inspected(self, wanted: Wanted) -> Inspected:
        """The model with a batch of data to look at it by.

        Raises:
            UserError: If the data is bad, or the task's models have no steps in time.
        """
        raise self._lacks("cannot be inspected")

    def exported(self) -> Exported:
        """What a runner without PyTorch needs to know beside the model's graphs.

        Raises:
            UserError: If the task has no form outside of Throughtime; says why.
        """
        raise self._lacks("has no form outside of Throughtime: its task declares none (exported)")

    def _lacks(self, what: str) -> UserError:
        return UserError(f"{self.folder}: a model of task {self.task!r} {what}")


@dataclass(frozen=True)
class Wanted:
    """What a model is to be looked at by.

    Attributes:
        data: Paths, or data in memory; none: the run's own, held out from training.
        prompt: A text instead.
        rows: Most sequences.
        length: Most steps of a sequence.
    """

    data: Any = ()
    prompt: str | None = None
    rows: int = 8
    length: int = 100


@dataclass(frozen=True)
class Inspected:
    """A model and a batch that it is looked at by.

    Attributes:
        model: With its weights.
        batch: Of the kind that the model reads.
        kind: Name of the model's cell.
        facts: Lines on the model and the data.
        steps: What stands at each step of each sequence, by the name of the layer that reads it.
    """

    model: Model
    batch: Any
    kind: str
    facts: Sequence[str]
    steps: Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        title: What it shows.
        columns: Headings.
        rows: Cells; numbers stand on the right.
        right: Further columns that do.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]
    right: Sequence[str] = ()

    def headings(self) -> list[str]:
        """Its columns, with the units of what stands below them."""
        return [figures.heading(name, [row[at] for row in self.rows]) for at, name in enumerate(self.columns)]

    def text(self) -> list[list[str]]:
        """Its cells as they are shown."""
        return [
            [figures.in_table(name, value) for name, value in zip(self.columns, row, strict=True)] for row in self.rows
        ]

    def numbers(self) -> list[str]:
        """Headings of the columns that stand on the right."""
        return [
            shown
            for at, (name, shown) in enumerate(zip(self.columns, self.headings(), strict=True))
            if name in self.right or any(isinstance(row[at], int | float) for row in self.rows)
        ]

    def __str__(self) -> str:
        lines = as_text(self.headings(), self.text(), self.numbers())
        return f"{in_line(self.title)}\n{lines}" if self.title else lines

    def _repr_html_(self) -> str:
        """For a notebook."""
        return as_table(self.title, self.headings(), self.text(), self.numbers())


@spelled
@dataclass(frozen=True)
class Report:
    """How good a model is: figures and tables, which print well.

    Attributes:
        figures: The field's metrics by name, the baseline beside them.
        tables: Counts per class, the hardest errors.
        remarks: What whoever reads them should know, such as that guessing is no worse.

    Example:
        >>> print(Report({"accuracy": 87.5, "examples": 1200}, [Table("by label", ["label", "F1"], [["good", 50.0]])]))
        figure      value
        accuracy  87.50 %
        examples    1,200
        <BLANKLINE>
        by label
        label  F1 %
        good   50.0
    """

    figures: dict[str, Any]
    tables: Sequence[Table] = ()
    remarks: Sequence[str] = ()

    def shown(self) -> list[Table]:
        """All of it as tables, the figures first, without those that are empty."""
        among, first = figures.counted(self.figures), next(iter(self.figures), "")
        rows = [
            # Chance is that of the figure that the task is known by.
            [figures.called(name), figures.figure(first if name == "chance" else name, value, among)]
            for name, value in self.figures.items()
        ]
        return [Table("", ["figure", "value"], rows, ["value"]), *(table for table in self.tables if table.rows)]

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.shown()), *map(in_line, self.remarks)])

    def _repr_html_(self) -> str:
        """For a notebook."""
        remarks = "".join(f"<p>{escape(in_line(remark))}</p>" for remark in self.remarks)
        return "".join(table._repr_html_() for table in self.shown()) + remarks


class Sample(Protocol):
    """A sequence that is drawn while it is read, once."""

    def __iter__(self) -> Iterator[str]:
        """What is shown, piece by piece as it is drawn, the prompt first."""
        ...

    @property
    def data(self) -> dict[str, Any]:
        """What was drawn, for programs: plain data, ``text`` among it."""
        ...

    @property
    def picture(self) -> str:
        """What a notebook shows below the text, as HTML; empty where the text is all."""
        ...

    def save(self, path: Path) -> None:
        """Writes what was drawn in the format that the file's suffix names."""
        ...


class Sampler(Protocol):
    """A trained model that draws new sequences."""

    @property
    def suffixes(self) -> Sequence[str]:
        """Of the files that it writes."""
        ...

    def warnings(self, prompt: str) -> Sequence[str]:
        """What the user should know of a prompt."""
        ...

    def sample(self, options: Any, number: int = 0) -> Sample:
        """Draws a sequence that begins with the prompt; the ``number``-th of several has a seed of its own.

        Raises:
            UserError: If the model cannot read the prompt, or draw in that way.
        """
        ...

    def samples(self, options: Any, count: int) -> Sequence[Sample]:
        """The first of many, each what :meth:`sample` draws; side by side where the model can."""
        ...
