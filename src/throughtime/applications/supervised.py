"""From labelled examples to a model folder and back: what every :class:`Application` has in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from throughtime.applications.application import Application, DataSettings, Learnt
from throughtime.applications.folder import references
from throughtime.applications.folder.build import Weights, build_model
from throughtime.applications.folder.model_folder import Run, choose_device, resumed, staged, stored
from throughtime.applications.options import Options
from throughtime.applications.prediction import Prediction
from throughtime.applications.settings import StackSettings, check_settings
from throughtime.applications.task import (
    Inspected,
    Progress,
    Report,
    Sampler,
    Table,
    Task,
    Use,
    Wanted,
    no_progress,
)
from throughtime.data.examples import Examples
from throughtime.data.parts import PARTS, check_there, split
from throughtime.errors import UserError
from throughtime.files import write_chunks, write_json
from throughtime.layers import named_cells
from throughtime.models import Model
from throughtime.own import only
from throughtime.plain import check_regular, parse_object, read_json
from throughtime.schema import checked, checked_json
from throughtime.training import Evaluation, Trainer

GO_ON = "pass --data PATH with --resume"

LISTED = 3
"""Files of a part that are told by name."""


class Supervised(Task):
    """A task on labelled examples.

    Args:
        application: What the task declares.
        name: Where it is not the application's own: ``module:Class``.
    """

    def __init__(self, application: type[Application[Any]], name: str | None = None) -> None:
        self.application = application
        self.name = name or application.name
        self.summary = application.summary
        self.settings = application.settings_type
        self.makes_data = not issubclass(application.settings_type, DataSettings)

    def start(self, paths: Sequence[str], out: Path, options: dict[str, Any]) -> Trainer[Any]:
        """Reads the data into the run's folder and returns what trains.

        Raises:
            UserError: If the input or an option is bad; nothing is left behind.
        """
        settings = check_settings(self.application.settings_type, options)
        settings.check_model()
        examples, found = self._examples(paths, settings)
        kept = [
            Path(path) for members in examples.values() for each in members for path in self.application.refers(each)
        ]
        if kept:
            held = [path for part in PARTS[1:] if (path := getattr(settings, part, None)) is not None]
            references.remember_data(map(Path, [*paths, *held]), kept)
        references.remember(map(Path, self.application.begins_with(settings)))
        vocabulary = self.application.learn(examples["train"], settings)
        with staged(out) as folder:
            write_json(folder / "vocabulary.json", vocabulary)
            for part, members in examples.items():
                _write(folder / f"{part}.jsonl", members)
            data = {"found": found, "examples": {part: len(members) for part, members in examples.items()}}
            run = Run(folder, self.name, settings.model_dump(mode="json"), {"cell": settings.cell}, data)
            run.save()
            # What is wrong with the model, its engine, or the labels of held-out data, shows before the folder stands.
            opened = Opened(run, self.application)
            opened.model.loss(opened.bound.batch(examples["train"][:2]), None)
            for part in PARTS[1:]:
                for begin in range(0, len(examples.get(part, ())), settings.batch):
                    opened.bound.batch(examples[part][begin : begin + settings.batch])
        return self._trainer(replace(run, folder=out))

    def resume(self, out: Path, options: dict[str, Any], paths: Sequence[str] = ()) -> Trainer[Any]:
        """What goes on with a run from its checkpoint; options may lengthen it.

        Raises:
            UserError: If there is nothing to resume, or an option would change the run; if its data lie where the user
                has not trained yet, and ``paths`` do not say so.
        """
        references.remember(map(Path, paths))
        extended = resumed(out, self.name, self.application.settings_type, options)
        trainer = self._trainer(extended)
        trainer.resume()
        extended.save()
        return trainer

    def describe(self, trainer: Trainer[Any], cell: str | None = None) -> str:
        """What was found, the model, and the batches of an epoch."""
        run = Run.open(trainer.folder, self.name, cell)
        told = _told(run)
        counts = ", ".join(f"{part} {count:,}" for part, count in told["examples"].items())
        bound = _bind(run, self.application)
        lines = [*told["found"], f"{counts} examples"]
        return "\n".join([*lines, f"{bound.summarise(trainer.model)}, {len(trainer.source):,} batches an epoch"])

    def options(self, run: Path, use: Use, cell: str | None = None) -> type[Options]:
        """Of predictions, judgement, or new sequences; some depend on what the run has learnt."""
        opened = Run.open(run, self.name, cell)
        with only(opened.said):
            bound = _bind(opened, self.application)
        found = {"predict": bound.predicting, "evaluate": bound.judging, "sample": bound.drawing}[use]
        if found is None:
            raise UserError(f"{run}: a model of task {self.name!r} draws nothing; see: throughtime predict --help")
        return found

    def evaluate(
        self, run: Path, paths: Sequence[str], cell: str | None = None, options: Options | None = None
    ) -> Report:
        """The field's metrics on other data; where none is named on the run's test data, or its validation data.

        Raises:
            UserError: If the data is bad, or there is none.
        """
        opened = Opened.load(run, self, cell)
        chosen = options or opened.bound.judging()
        return opened.bound.evaluate(opened.model, self._held_out(opened, paths)[0], chosen)

    def compare(self, runs: Mapping[str, Path], picture: Path) -> Sequence[Table]:
        """What the application tells of them."""
        learnt = {}
        for cell, folder in runs.items():
            opened = Opened.load(folder, self, cell if ":" in cell else None)
            learnt[cell] = Learnt(folder, opened.bound, opened.model, self._held_out(opened, ())[0])
        return self.application.compare(learnt, picture)

    def inspected(self, run: Path, cell: str | None, wanted: Wanted) -> Inspected:
        """The longest examples that are not too long; where all are, the shortest."""
        if wanted.prompt is not None:
            raise UserError("--prompt is for language models; pass --data")
        opened = Opened.load(run, self, cell, latest=True)
        if not named_cells(opened.model) or type(opened.model).losses is Model.losses:
            raise UserError(
                f"{run}: a {type(opened.model).__name__} cannot be inspected: expected recurrent layers as attributes "
                "of the model, and its method losses(batch)"
            )
        examples, name = self._held_out(opened, wanted.paths)
        bound = opened.bound
        ordered = sorted(examples, key=bound.size)
        fitting = [example for example in ordered if 0 < bound.size(example) <= wanted.length]
        chosen = fitting[-wanted.rows :] or ordered[:1]
        steps = [bound.steps(example) for example in chosen]
        by_layer = {layer: [step.get(layer, []) for step in steps] for layer in steps[0]}
        facts = [bound.summarise(opened.model), f"{len(chosen)} examples of {name}"]
        return Inspected(opened.model, bound.batch(chosen), opened.run.model["cell"], facts, by_layer)

    def predictor(self, run: Path, cell: str | None = None) -> Opened:
        """The trained model of a folder."""
        return Opened.load(run, self, cell)

    def sampler(self, run: Path, cell: str | None = None) -> Sampler:
        """What draws new sequences from the trained model of a folder.

        Raises:
            UserError: If the task has none to draw, or the folder is none of its.
        """
        opened = Opened.load(run, self, cell)
        return opened.bound.sampler(opened.model)

    def _held_out(self, opened: Opened, paths: Sequence[str]) -> tuple[list[Any], str]:
        """The examples of files, or the run's own test or validation data, and what to call them."""
        if not paths:
            part = next(part for part in ("test", "valid") if part in _told(opened.run)["examples"])
            return self._load(opened, part, "name data to judge it by"), f"the run's {part} data"
        files = [Path(path) for path in paths]
        for path in files:
            check_there(path)
        examples = list(self.application.read(files, opened.bound.settings))
        if not examples:
            raise UserError(f"expected examples to judge by, got none in {', '.join(map(str, paths))}")
        return examples, ", ".join(map(str, paths))

    def _examples(
        self, paths: Sequence[str], settings: DataSettings | StackSettings
    ) -> tuple[dict[str, list[Any]], list[str]]:
        """The examples of each part, and what to tell of them."""
        if isinstance(settings, DataSettings):
            return self._read(paths, settings)
        if paths:
            raise UserError(f"task {self.name} makes its data itself, got {', '.join(paths)}; leave them out")
        return {part: list(self.application.make(part, settings)) for part in PARTS}, []

    def _read(self, paths: Sequence[str], settings: DataSettings) -> tuple[dict[str, list[Any]], list[str]]:
        named = {part: getattr(settings, part) for part in PARTS[1:] if getattr(settings, part) is not None}
        for path in map(Path, named.values()):
            check_there(path)
        files = self.application.find([Path(path) for path in paths], settings)
        files |= {part: [Path(path)] for part, path in named.items()}
        examples = {part: list(self.application.read(files[part], settings)) for part in PARTS if part in files}
        told = [f"{part}: {_listed(files[part])}" for part in files]
        for part, members in examples.items():
            if not members:
                raise UserError(f"expected examples in {_listed(files[part])}, got none")
            told += self.application.remarks(members, settings)
        missing = ["valid"] if "test" in files else ["valid", "test"]
        missing = [] if "valid" in files else missing
        if missing:
            shares = [settings.held_out] * len(missing)
            parts = split(examples["train"], shares, settings.seed, self.application.key)
            examples |= dict(zip(("train", *missing), parts, strict=True))
            told.append(f"{' and '.join(missing)}: {settings.held_out:g} of train each, seed {settings.seed}")
            for part in ("train", *missing):
                if not examples[part]:
                    raise UserError(
                        f"expected enough different examples to hold some out for {part}, got {sum(map(len, parts))}; "
                        "give more data, or --valid"
                    )
        return {part: examples[part] for part in PARTS if part in examples}, told

    def _trainer(self, run: Run) -> Trainer[Any]:
        settings = stored(run, self.application.settings_type)
        torch.manual_seed(settings.seed)
        weights = Weights.going_on(run.folder)
        opened = Opened(run, self.application, weights)
        bound, model = opened.bound, opened.model
        train, valid = (self._load(opened, part, GO_ON) for part in ("train", "valid"))
        if weights is None:
            references.check(run.folder, map(Path, bound.begins_with(bound.settings)), GO_ON)
            bound.initialise(model)
        source: Examples[Any, Any] = Examples(train, bound.training_batch, bound.size, settings.batch, settings.seed)

        def evaluate() -> Evaluation:
            return bound.validate(model, valid)

        return Trainer(model, source, settings.plan(), run.folder, evaluate)

    def _load(self, opened: Opened, part: str, remedy: str) -> list[Any]:
        """The run's examples of a part, if what they refer to may be read."""
        folder, refers = opened.run.folder, self.application.refers
        examples = _load(folder / f"{part}.jsonl", opened.bound)
        references.check(folder, (Path(path) for example in examples for path in refers(example)), remedy)
        return examples


class Opened:
    """A model folder's model, with its settings and vocabulary.

    Args:
        run: The folder.
        application: What the task declares.
        weights: Of the model; None: they are drawn.
    """

    def __init__(self, run: Run, application: type[Application[Any]], weights: Weights | None = None) -> None:
        self.run = run
        self.progress: Progress = no_progress
        with only(run.said):
            self.bound = _bind(run, application)
            self.model = build_model(self.bound.build, weights, choose_device(self.bound.settings.device), run)

    @classmethod
    def load(cls, folder: Path, task: Supervised, cell: str | None, latest: bool = False) -> Opened:
        """The trained model, in evaluation mode; with ``latest`` also one that no validation has seen yet.

        Raises:
            UserError: If the folder is none of this task, or damaged.
        """
        run = Run.open(folder, task.name, cell)
        run = replace(run, settings={**run.settings, "device": "auto"})
        opened = cls(run, task.application, Weights.trained(folder, latest))
        opened.model.eval()
        return opened

    @property
    def suffixes(self) -> Sequence[str]:
        """Of the files that are inputs; none: inputs are lines of text."""
        return self.bound.suffixes if self.bound.reads_files else ()

    @torch.no_grad()
    def predict(self, lines: Sequence[str], options: Options | None = None) -> list[Prediction]:
        """A prediction for every line."""
        return self.bound.predict(self.model, lines, options or self.bound.predicting())

    @torch.no_grad()
    def predict_file(self, path: Path, options: Options | None = None) -> Iterator[Prediction]:
        """The predictions for a file."""
        check_there(path)
        self.bound.progress = self.progress
        yield from self.bound.predict_file(self.model, path, options or self.bound.predicting())

    @torch.no_grad()
    def stream(self, path: Path | None, options: Options | None = None) -> Iterator[Prediction]:
        """Predictions for a file or standard input, as it comes."""
        if path is not None:
            check_there(path)
        self.bound.progress = self.progress
        yield from self.bound.stream(self.model, path, options or self.bound.predicting())


class _Data(TypedDict):
    """What config.json tells of the data."""

    found: list[str]
    examples: dict[Literal["train", "valid", "test"], int]


class _Config(TypedDict):
    data: _Data


def _told(run: Run) -> _Data:
    config: _Config = checked(_schema(_Config), {"data": run.data}, str(run.folder / "config.json"))
    if not {"train", "valid"} <= config["data"]["examples"].keys():
        raise UserError(f"{run.folder / 'config.json'}: expected parts 'train' and 'valid'; the file is damaged")
    return config["data"]


def _listed(files: Sequence[Path]) -> str:
    """Files by name, of many the first ones.

    Example:
        >>> _listed([Path(name) for name in "abcdef"])
        'a, b, c and 3 more'
    """
    more = f" and {len(files) - LISTED:,} more" if len(files) > LISTED else ""
    return ", ".join(map(str, files[:LISTED])) + more


def _bind(run: Run, application: type[Application[Any]]) -> Application[Any]:
    path = run.folder / "vocabulary.json"
    vocabulary = read_json(path)
    checked(_schema(application.vocabulary_type), vocabulary, str(path))
    settings = stored(run, application.settings_type)
    try:
        return application(settings, vocabulary)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError) as error:  # what no schema tells: a symbol that is there twice
        raise UserError(f"{path}: does not go with the run's settings ({error}); the file is damaged") from error


@lru_cache(64)
def _schema(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _write(path: Path, examples: Sequence[Any]) -> None:
    write_chunks(path, (f"{json.dumps(asdict(example), ensure_ascii=False)}\n".encode() for example in examples))


def _load(path: Path, bound: Application[Any]) -> list[Any]:
    """Examples that :func:`_write` wrote.

    Raises:
        UserError: If the file is missing or damaged.
    """
    schema, examples = _schema(cast(Any, bound.example_type)), []
    check_regular(path)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}:{number}"
            try:
                text = line.decode("utf-8")
                value = parse_object(text, where)
                checked_json(schema, text, where)
                examples.append(bound.example_type(**value))
                bound.check(examples[-1])
            except (TypeError, ValueError) as error:  # TypeError: an entry too many
                raise UserError(f"{where}: expected an example, got something else ({error}); it is damaged") from error
    if not examples:
        raise UserError(f"{path}: expected the run's examples, got none; the file is damaged")
    return examples
