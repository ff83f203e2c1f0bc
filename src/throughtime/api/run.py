"""A run: a model folder, and all that its model can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from throughtime.api.housed import Housed
from throughtime.api.looking import Look, look
from throughtime.api.progress import waiting
from throughtime.api.running import Outcome, Watching, check_names, resume
from throughtime.api.sampling import Sample
from throughtime.api.telling import telling_notes
from throughtime.applications.folder.model_folder import ModelFolder, stored
from throughtime.applications.live import Live
from throughtime.applications.live.one import OneStream
from throughtime.applications.memory import is_table
from throughtime.applications.options import Options
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import FILE, DataRead, read_account
from throughtime.applications.reading.verdict import cautions
from throughtime.applications.settings import TrainSettings, check_settings
from throughtime.applications.task import Report, Sampler, Table, Task, Trained, Use, Wanted
from throughtime.console import as_table
from throughtime.errors import UserError, arguments_of, spelled, texts_of
from throughtime.export.folder import Form, export, forms, rounding
from throughtime.figures import called, figure
from throughtime.models import Model
from throughtime.pictures import check_picture
from throughtime.training.metrics import best_of, read_metrics
from throughtime.visible import in_line

LOGGED = ("event", "step", "best", "seconds")
"""Of an evaluation in the log, what is no figure."""


@spelled
class Run(Housed):
    """A trained model with its folder; :func:`throughtime.train` and :func:`throughtime.load` give one.

    The model is loaded when it is first needed, and kept.

    Args:
        folder: The model folder.
        task: What made it.
        cell: Allows the user's own cell that the model was trained with, ``module:Class``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes:
        outcome: What the training came to, where this process did it.
        progress: Show on standard error, where that is a terminal, how far work has come that takes over two seconds,
            and tell there how files were taken, and what was left out of them.
    """

    def __init__(self, folder: str | Path, task: Task, *, cell: str | None = None, device: str = "auto") -> None:
        super().__init__(folder)
        self.task, self.cell, self.device = task, cell, device
        self.outcome: Outcome | None = None
        self.progress = True
        self._loaded: dict[bool, Trained] = {}
        self.within: object = None
        """What lives as long as the run, as its folder lies in the other's."""

    # What it is.

    @property
    def model(self) -> Model:
        """The model, a ``torch.nn.Module`` in evaluation mode."""
        return self._trained().model

    @property
    def trained(self) -> Trained:
        """The model with what its task makes of it."""
        return self._trained()

    def ready(self) -> Run:
        """Loads the model at once, so that what is wrong with its folder shows."""
        self._trained()
        return self

    @property
    def settings(self) -> TrainSettings:
        """What it was trained with."""
        return stored(ModelFolder.open(self.folder, self.task.name, self.cell), self.task.settings)

    @property
    def read(self) -> DataRead:
        """What training read: files, examples, labels, lengths, what was left out, and some examples as it saw them.

        Raises:
            UserError: If the folder does not tell, as it is older than that, or is damaged.
        """
        ModelFolder.open(self.folder, self.task.name, self.cell)
        found = read_account(self.folder)
        if found is None:
            raise UserError(f"{self.folder}: holds no {FILE}, which tells what was read; train again to have one")
        return found

    @property
    def cautions(self) -> list[str]:
        """What whoever uses the model should know, such as that it has hardly learnt; ``predict`` tells it once."""
        return cautions(self.folder)

    @property
    def history(self) -> Table:
        """The log of the training, an event a row."""
        events = read_metrics(self.folder / "metrics.jsonl")
        columns = list(dict.fromkeys(name for event in events for name in event))
        return Table("history", columns, [[_cell(event.get(name, "")) for name in columns] for event in events])

    def options(self, use: Use) -> type[Options]:
        """What may be asked of ``"predict"``, ``"evaluate"`` or ``"sample"``: a pydantic model.

        Raises:
            UserError: If the task has no such use.
        """
        return self.task.options(self.folder, use, self.cell)

    def suffixes(self, **options: Any) -> Sequence[str]:
        """Of the files that :meth:`predict_file` reads; none: the task reads lines of text."""
        self._checked("predict", options)
        return self._trained().suffixes

    # What it does.

    def predict(self, inputs: Any, **options: Any) -> list[Prediction]:
        """What the model makes of one input or several: lines, paths, or what else the task reads.

        Args:
            inputs: One input, or a list of them; or a table, as :func:`throughtime.train` takes it: a frame of pandas
                or polars, a list of mappings, a mapping of columns, the path of a file of a kind that training reads.
                Its inputs alone are read, and a prediction of each row is given, an empty one where there is no input.
            **options: Of the task: see :meth:`options`.

        Raises:
            UserError: If an input or an option is bad, or the task has nothing to predict.
        """
        chosen = self._checked("predict", options)
        if is_table(inputs):
            with self._doing("predicting"):
                return self._trained().predict_rows(inputs, chosen)
        items = list(inputs) if isinstance(inputs, list) else [inputs]
        for name in ("picture", "out"):
            if getattr(chosen, name, None) is not None and len(items) != 1:
                raise UserError(f"{name}: expected one input, got {len(items)}")
        with self._doing("predicting"):
            return self._trained().predict_items(items, chosen)

    def predict_lines(self, lines: Sequence[str], **options: Any) -> list[Prediction]:
        """The same of lines of text alone."""
        chosen = self._checked("predict", options)
        return self._trained().predict(lines, chosen)

    def predict_file(self, path: str | Path, **options: Any) -> Iterator[Prediction]:
        """What the model makes of a file, as it is read: one prediction, or one of each thing in it."""
        chosen = self._checked("predict", options)
        return self._trained().predict_file(Path(path), chosen)

    def is_whole(self, folder: str | Path) -> bool:
        """Whether a folder is an input as it is, and not the files in it."""
        return self._trained().is_whole(Path(folder))

    def answers(self, path: str | Path, **options: Any) -> Iterator[tuple[str, Prediction]]:
        """The same, each with the name of its input: the file, or file and line."""
        return self._trained().answers(Path(path), self._checked("predict", options))

    def answers_to_lines(self, lines: Sequence[str], **options: Any) -> Iterator[tuple[str, Prediction]]:
        """The same of lines of text."""
        return self._trained().answers_to_lines(lines, self._checked("predict", options))

    def stream(self, path: str | Path | None = None, **options: Any) -> Iterator[Prediction]:
        """What a one-way model makes of a file, or of standard input, as it comes; the last prediction is final."""
        chosen = self._checked("predict", options)
        return self._trained().stream(None if path is None else Path(path), chosen)

    def open_stream(self, **options: Any) -> OneStream:
        """A stream of the model's: an input that comes in pieces, and what the model makes of it so far.

        Args:
            **options: Of the stream, as ``facts["options"]`` of it names them.

        Raises:
            UserError: As :meth:`live`, or if the stream has no such option.

        Example:
            >>> import throughtime
            >>> rows = [[number, 1.0] for number in range(5)]
            >>> data = [(rows, "up"), (rows[::-1], "down")] * 8
            >>> settings = dict(steps=4, hidden=4, bidirectional=False, progress=False)
            >>> stream = throughtime.train("video", data, **settings).open_stream()
            >>> [event["steps"] for row in rows for event in stream.push([row])]
            [1, 2, 3, 4, 5]
            >>> sorted(stream.end())
            ['label', 'probabilities', 'steps']
        """
        return OneStream(self.live(), options)

    def live(self) -> Live:
        """How the model reads many streams side by side, each as it comes: what a server steps in one batch.

        Raises:
            UserError: If it cannot: the task has no streams, or the model needs the whole input.
        """
        return self._trained().live()

    def evaluate(self, data: Any = None, **options: Any) -> Report:
        """The field's metrics on data, paths or in memory; on none, on the run's own test or validation data."""
        if isinstance(data, list) and not data:
            raise UserError("expected data to judge by, got an empty list; leave it out for the run's own test data")
        chosen = self._checked("evaluate", options)
        with self._doing("judging"):
            return self._trained().evaluate(data, chosen)

    def sample(self, prompt: str = "", *, number: int = 0, **options: Any) -> Sample:
        """Draws a sequence.

        Args:
            prompt: What it goes on from.
            number: Of several with one ``seed``, which.
            **options: Of the task: see :meth:`options`.
        """
        chosen = self._checked("sample", {"prompt": prompt, **options})
        return Sample(self.sampler.sample(chosen, number), chosen)

    def samples(self, count: int, prompt: str = "", **options: Any) -> list[Sample]:
        """Draws so many, each what :meth:`sample` draws of its number; texts side by side, quicker than alone.

        Args:
            count: How many.
            prompt: What they go on from.
            **options: Of the task: see :meth:`options`.
        """
        chosen = self._checked("sample", {"prompt": prompt, **options})
        return [Sample(drawn, chosen) for drawn in self.sampler.samples(chosen, count)]

    @property
    def sampler(self) -> Sampler:
        """What draws new sequences: the files that it writes, and what it warns of."""
        return self._trained().sampler()

    def score(self, lines: str | Iterable[str], *, tokens: bool = False, weights: str = "float32") -> list[Any]:
        """The probability of every line, by a language model; of every token, too, where ``tokens`` are asked for.

        Args:
            lines: One, or several.
            tokens: Of every token, too.
            weights: What the model's matrices are kept in, as :class:`throughtime.Stream` has it: what its stream with
                ``"bfloat16"`` or ``"int8"`` would say.
        """
        texts = [lines] if isinstance(lines, str) else texts_of(lines, "lines")
        with waiting("scoring", self.progress):
            return list(self._trained().score(texts, tokens, weights))

    def score_pairs(self, pairs: Any) -> Report:
        """How often a language model finds the right one of two texts the likelier.

        Args:
            pairs: ``[(right, wrong), …]``, whole lines, or ``[(prefix, right, wrong), …]``, or a file of either.
        """
        with self._doing("scoring"):
            return self._trained().score_pairs(pairs)

    def inspect(
        self,
        data: Any = None,
        *,
        prompt: str | None = None,
        out: str | Path | None = None,
        rows: int = 8,
        length: int = 100,
    ) -> Look:
        """Looks inside the model: gradients through time, gates, memory, a verdict; writes a page.

        Args:
            data: To look at it by; default: the run's own, held out from training.
            prompt: A text to look at a language model by.
            out: Folder of the page; default: ``inspection`` in the model folder.
            rows: Most sequences.
            length: Most steps of one.
        """
        page = self.folder / "inspection" if out is None else Path(out)
        wanted = Wanted(() if data is None else data, prompt, rows, length)
        with self._doing("looking inside"):
            return look(lambda: self._trained(latest=True), wanted, page, self.folder)

    def forms(self, *, int8: bool = False) -> list[Form]:
        """What the model can become outside of Throughtime: ONNX graphs with their inputs, outputs and sizes.

        Args:
            int8: With matrices of int8.

        Raises:
            UserError: If it has no such form; says why.
        """
        return forms(self._trained(), int8=int8)

    def rounding(self) -> dict[str, tuple[Any, Any]]:
        """What int8 costs: the figures of :meth:`evaluate` on the run's own held-out data before and after, and sizes.

        Where the run held nothing out there are sizes alone.

        Raises:
            UserError: If the model has no form outside of Throughtime.
        """
        with self._doing("judging"):
            return rounding(self._trained())

    def export(self, out: str | Path | None = None, *, int8: bool = False, **files: str | Path) -> dict[Path, int]:
        """Writes the model as ONNX; gives the files and their bytes.

        Args:
            out: A new folder that :func:`throughtime.runtime.open` runs without PyTorch.
            int8: Matrices as int8 with a scale a channel: a quarter of the size; :meth:`rounding` tells what it costs.
            **files: Single graphs by form, such as ``sequence="model.onnx"``, ``step="step.onnx"``.

        Raises:
            UserError: If the folder exists, or the model has no such form; says why. Nothing is half-written.
        """
        paths = {name: Path(file) for name, file in files.items()}
        return export(self._trained(), None if out is None else Path(out), paths, int8=int8)

    def _forget(self) -> None:
        self._loaded.clear()

    def resume(self, data: Any = None, *, progress: bool = True, **settings: Any) -> Run:
        """Goes on with the training; settings may lengthen it, as ``epochs=20``.

        Args:
            data: Where the run's data lie, if it asks.
            progress: Show progress on standard error.
            **settings: That may change: see ``EXTENDABLE``.
        """
        if self.cell is not None:
            settings = {"cell": self.cell, **settings}
        self.outcome = resume(self.task, self.folder, data, settings, Watching(progress))
        self._loaded.clear()
        return self

    # How it is shown.

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={_short(value)}" for name, value in self._told().items())
        return in_line(f"Run({str(self.folder)!r}, task={self.task.name!r}{', ' if told else ''}{told})")

    def _repr_html_(self) -> str:
        """For a notebook."""
        told = ((called(name), figure(name, value)) for name, value in self._told().items())
        return as_table("", ["task", self.task.name], [("folder", str(self.folder)), *told])

    def _told(self) -> dict[str, Any]:
        """The last and the best of its log."""
        events = read_metrics(self.folder / "metrics.jsonl")
        figures = {name: value for name, value in best_of(events).items() if name not in LOGGED}
        return ({"steps": events[-1]["step"]} if events else {}) | figures

    # Behind it.

    def _trained(self, latest: bool = False) -> Trained:
        if latest and False in self._loaded:
            latest = False
        if latest not in self._loaded:
            self._loaded[latest] = self.task.load(self.folder, self.cell, device=self.device, latest=latest)
        return self._loaded[latest]

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Shows how far work has come, and tells what readers note in it, if the user wants to see anything."""
        with waiting(what, self.progress), telling_notes(self.progress):
            yield

    def _checked(self, use: Use, given: Mapping[str, Any]) -> Options:
        """Options of a use, and that what they name can be written, before anything is computed."""
        declared = self.options(use)
        check_names(given, declared.model_fields, f"{self.task.name!r} has for {use}", arguments_of(getattr(Run, use)))
        chosen = check_settings(declared, given)
        if (picture := getattr(chosen, "picture", None)) is not None:
            check_picture(picture)
        if (out := getattr(chosen, "out", None)) is not None and not out.absolute().parent.is_dir():
            raise UserError(f"--out: expected a folder that exists, got {out.parent}; make it first")
        return chosen


def _short(value: float) -> str:
    """Four digits; a count whole.

    Example:
        >>> _short(1.84651), _short(111541.0), _short(0.00012)
        ('1.847', '111541', '0.00012')
    """
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(f"{name} {number:.3g}" for name, number in value.items()) if isinstance(value, dict) else value
