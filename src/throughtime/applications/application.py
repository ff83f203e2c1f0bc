"""What a task on labelled examples declares; everything else follows in :mod:`throughtime.applications.supervised`.

A task of your own is one class in one file: what its files hold, what it learns of them, its model, how good a result
is and how one is shown. See "A task of your own" in the guide.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import torch

from throughtime.applications.exported import Exported
from throughtime.applications.folder import learnt
from throughtime.applications.judging.curves import draw_learning
from throughtime.applications.live import Live
from throughtime.applications.live.one import read_stream
from throughtime.applications.options import Drawing, Options, Reading
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.readable import Readable
from throughtime.applications.reading.tabular import Tabular
from throughtime.applications.settings import ExampleSettings, FileSettings, StackSettings
from throughtime.applications.task import Report, Sampler, Table
from throughtime.data.examples import Judged
from throughtime.data.parts import find_parts
from throughtime.errors import UserError, listed, nearest, shown
from throughtime.models import Model
from throughtime.training import Evaluation

ROWS = 64
"""Examples of a batch where nothing is trained."""


class Where(Protocol):
    """An example knows where it comes from: ``"train.csv:17"``."""

    @property
    def where(self) -> str:
        """File and line."""
        ...


ExampleT = TypeVar("ExampleT", bound=Where)


@dataclass(frozen=True)
class Learnt:
    """A trained model, for comparison.

    Attributes:
        run: Its folder.
        application: What it was trained for.
        model: In evaluation mode.
        test: Its test data.
    """

    run: Path
    application: Application[Any]
    model: Any
    test: Sequence[Any]


class Application(Tabular, Readable[ExampleT]):
    """A task on labelled examples.

    Args:
        settings: Of the run.
        vocabulary: What :meth:`learn` found in the training data.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    settings_type: ClassVar[type[FileSettings] | type[StackSettings]] = ExampleSettings
    example_type: ClassVar[type[Any]]
    """A frozen dataclass of plain fields (texts, numbers, lists of them), among them ``where: str``."""
    vocabulary_type: ClassVar[Any] = learnt.Anything
    """What :meth:`learn` gives: a ``TypedDict``, which ``vocabulary.json`` is held against."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Of the files that are looked for in a folder."""
    kinds: ClassVar[str] = ""
    """What :meth:`is_data` takes, for the message where a folder has none; default: the suffixes."""
    predicting: type[Options] = Reading
    """What may be asked of a prediction."""
    judging: type[Options] = Reading
    """What may be asked of an evaluation, such as ``beam``."""
    drawing: type[Drawing] | None = None
    """What may be asked of a new sequence; None: the task draws none."""
    reads_files: ClassVar[bool] = False
    """Whether ``predict`` takes files, each of them an input, rather than lines of text."""
    numbers: str = ""
    """What inputs are made of that are rows of numbers in memory, such as ``"(start, length, pitch) in beats"``."""

    needs_all: ClassVar[str] = ""
    """Why nothing can be told before an input is there as a whole, in a few words."""

    def __init__(self, settings: Any, vocabulary: Mapping[str, Any]) -> None:
        self.settings = settings
        self.vocabulary = vocabulary

    # Data.

    @classmethod
    def make(cls, part: str, settings: Any) -> Iterator[ExampleT]:
        """The examples of a part, ``train``, ``valid`` or ``test``, of a task whose settings name no data."""
        raise NotImplementedError(f"{cls.__name__} makes nothing: define make(cls, part, settings)")

    @classmethod
    def find(cls, paths: Sequence[Path], settings: Any) -> dict[str, list[Path]]:
        """The files of each part, ``train``, ``valid``, ``test``."""
        return find_parts(paths, cls.is_data, cls.kinds or ", ".join(cls.suffixes))

    @classmethod
    def makes_data(cls) -> bool:
        """Whether it needs no data of the user's: its settings name none."""
        return not issubclass(cls.settings_type, FileSettings)

    @classmethod
    def data_left_out(cls, given: str) -> UserError:
        """What a user is told who gives data to a task that makes its own."""
        return UserError(f"task {cls.name} makes its data itself, got {given}; leave them out")

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """Whether what lies in a searched folder is data."""
        return path.is_file() and path.suffix.lower() in cls.suffixes

    @classmethod
    def read(cls, paths: Sequence[Path], settings: Any) -> Iterator[ExampleT]:
        """The examples of a part.

        Raises:
            UserError: If a file is not as it should be; names the line.
        """
        if cls.makes_data():
            raise cls.data_left_out(listed(paths))
        raise NotImplementedError(f"{cls.__name__} reads nothing: define read(cls, paths, settings)")

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Writes data in memory as files of the task's own format, which :meth:`read` then reads.

        Args:
            data: What a part's examples are made of, in the forms that the task's page names.
            folder: An empty one. Files that examples keep by reference stay where they are written.

        Raises:
            UserError: If the data have no form that the task knows.
        """
        if cls.makes_data():
            raise cls.data_left_out("data in memory")
        raise UserError(f"task {cls.name} reads files, got data in memory; give paths")

    @classmethod
    def key(cls, example: ExampleT) -> Hashable:
        """What makes two examples the same, so that a split keeps them together."""
        raise NotImplementedError(f"{cls.__name__}: define key(cls, example)")

    @classmethod
    def divided(
        cls, found: Mapping[str, Sequence[ExampleT]], settings: Any
    ) -> tuple[dict[str, list[Any]], dict[str, str]] | None:
        """Examples by part, and how what nobody gave was held out, where a task divides in a way of its own.

        None: a share of the training data is held out at random, see :mod:`throughtime.applications.dividing`.
        """
        return None

    @classmethod
    def refers(cls, example: ExampleT) -> Sequence[str]:
        """Files that an example keeps by reference, such as its recording."""
        return ()

    @classmethod
    def learn(cls, train: Sequence[ExampleT], settings: Any) -> dict[str, Any]:
        """Vocabularies and whatever else is learnt of the training data before training, as plain data.

        Raises:
            UserError: If there is too little of it.
        """
        raise NotImplementedError(f"{cls.__name__} learns nothing: define learn(cls, train, settings)")

    @classmethod
    def remarks(cls, examples: Sequence[ExampleT], settings: Any) -> list[str]:
        """What the user should know of a part's examples, such as files that could not be read whole."""
        return []

    @classmethod
    def validates(cls, train: Sequence[ExampleT], settings: Any) -> bool:
        """Whether some of the training data are held out to validate on where nobody gives a part for that."""
        return True

    @classmethod
    def cut(cls, train: Sequence[ExampleT], settings: Any) -> tuple[Sequence[ExampleT], Sequence[ExampleT]] | None:
        """Training data, and what is held out of them to validate on, where a task divides them in time; None: it does
        not, and whole examples are drawn.
        """
        return None

    # Model.

    def build(self) -> Model:
        """The model, its weights drawn at random."""
        raise NotImplementedError(f"{type(self).__name__} has no model: define build(self)")

    @classmethod
    def begins_with(cls, settings: Any) -> Sequence[str]:
        """Files that :meth:`initialise` reads."""
        return ()

    def check(self, example: ExampleT) -> None:
        """Refuses an example of a run's own that does not go with its settings and vocabulary.

        Raises:
            ValueError: Says why.
        """

    def initialise(self, model: Any) -> None:
        """Sets weights that do not start at random, such as pretrained vectors; called before the first step.

        Raises:
            UserError: If a file that they come from is not as it should be.
        """

    def size(self, example: ExampleT) -> int:
        """Steps of an example; those of similar size share a batch."""
        raise NotImplementedError(f"{type(self).__name__}: define size(self, example)")

    def pieces(self, train: Sequence[ExampleT]) -> Sequence[Any]:
        """What training goes over, where not whole examples; :meth:`size` and :meth:`training_batch` take it."""
        return train

    def batch(self, examples: Sequence[ExampleT]) -> Any:
        """Examples as what the model's loss takes.

        Raises:
            UserError: If an example has a label that training did not see; names its file and line.
        """
        raise NotImplementedError(f"{type(self).__name__}: define batch(self, examples)")

    def training_batch(self, examples: Sequence[ExampleT]) -> Any:
        """As :meth:`batch`, changed at random where that teaches more, such as by noise.

        What is drawn comes from PyTorch's own generator, so that a run that was stopped goes on with the same bits.
        """
        return self.batch(examples)

    # Judgement and use.

    def validate(self, model: Any, examples: Sequence[ExampleT]) -> Evaluation:
        """What training lowers and selects by, and figures beside it. By default the mean loss a batch member."""
        return Evaluation(loss := self.mean_loss(model, examples), {"loss": loss})

    def evaluate(self, model: Any, examples: Sequence[ExampleT], options: Any) -> Report:
        """The field's metrics, the majority or copy baseline beside them, counts per class, the hardest errors."""
        raise NotImplementedError(
            f"{type(self).__name__} has no metric: define evaluate(self, model, examples, options)"
        )

    @classmethod
    def compare(cls, runs: Mapping[str, Learnt], picture: Path) -> Sequence[Table]:
        """What sets runs apart that differ in their cell, drawn and as tables; by default how each of them learnt."""
        return [draw_learning({name: learnt.run for name, learnt in runs.items()}, picture, cls.chance)]

    def predict(self, model: Any, lines: Sequence[str], options: Any) -> list[Prediction]:
        """What the model makes of lines of text; an empty line is legal.

        Raises:
            UserError: If a line is not as it should be.
        """
        raise UserError(f"a model of task {self.name!r} does not read lines of text")

    def predict_items(self, model: Any, items: Sequence[Any], options: Any) -> list[Prediction]:
        """What the model makes of inputs in memory: lines, or paths where the task reads files; a prediction of each.

        Raises:
            UserError: If an input is none that the task reads.
        """
        for number, item in enumerate(items, 1):
            if not isinstance(item, str | Path):
                kind = "a path" if self.reads_files else "a line of text"
                several = "; put several inputs into a list" if isinstance(item, tuple) else ""
                raise UserError(f"input {number}: expected {kind}, got {shown(item)}{several}")
        if self.reads_files:
            return [found for item in items for found in self.predict_file(model, Path(item), options)]
        return self.predict(model, [str(item) for item in items], options)

    def predict_file(self, model: Any, path: Path, options: Any) -> Iterator[Prediction]:
        """What the model makes of a file, where the task :attr:`reads_files`.

        Raises:
            UserError: If the file is not as it should be.
        """
        raise UserError(f"a model of task {self.name!r} does not read files")

    def stream(self, model: Any, path: Path | None, options: Any) -> Iterator[Prediction]:
        """What a one-way model makes of a file, or of standard input, as it comes; the last prediction is final.

        Raises:
            UserError: As above, or if the model needs the whole input.
        """
        return read_stream(self.live(model), path, options)

    def sampler(self, model: Any) -> Sampler:
        """What draws new sequences from the model.

        Raises:
            UserError: If the task has none to draw.
        """
        raise UserError(f"a model of task {self.name!r} draws nothing; see: throughtime predict --help")

    def live(self, model: Any) -> Live:
        """How the model reads many streams side by side.

        Raises:
            UserError: If it cannot: the task has no streams, or the model needs the whole input.
        """
        why = f", as {self.needs_all}" if self.needs_all else ""
        raise UserError(f"a stream: a model of task {self.name!r} reads none{why}; give it whole inputs")

    def exported(self, model: Any) -> Exported:
        """What a runner without PyTorch needs to know beside the model's graphs: its kind, labels, words, settings.

        Raises:
            UserError: If the task has no form outside of Throughtime; says why.
        """
        raise UserError(f"a model of task {self.name!r} has no form outside of Throughtime: its task declares none")

    def summarise(self, model: Model) -> str:
        """The model in a line."""
        parameters = sum(p.numel() for p in model.parameters())
        layers = f"{self.settings.layers} × " if isinstance(self.settings, StackSettings) else ""
        return f"{self.settings.cell} {layers}{self.settings.hidden}, {parameters:,} parameters"

    # For use in the methods above.

    def in_batches(self, examples: Sequence[ExampleT]) -> Judged[ExampleT, Any]:
        """Examples of similar size together, for judging; ``chosen()`` says which stand where."""
        return Judged(examples, self.batch, self.size, ROWS)

    @torch.no_grad()
    def mean_loss(self, model: Model, examples: Sequence[ExampleT]) -> float:
        """The model's loss averaged over batches, each by its number of examples."""
        total = 0.0
        batches = self.in_batches(examples)
        for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
            total += float(model.loss(batch, None)[0]) * len(chosen)
        return total / max(1, len(examples))


def unknown_label(where: str, label: str, known: Sequence[str]) -> UserError:
    """What to raise where held-out data has a label that training did not see."""
    return UserError(
        f"{where}: unknown label {label!r}{nearest(label, known)}; the training data has {listed(known)}: "
        "mend the line, or train on data that has it"
    )
