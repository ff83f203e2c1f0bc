"""From labelled examples to a model folder and back: what every :class:`Application` has in common."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from throughtime.applications.application import Application, Learnt
from throughtime.applications.dividing import divide, no_validation
from throughtime.applications.folder import references
from throughtime.applications.folder.build import Weights, drawing_aside
from throughtime.applications.folder.folds import Folds, fold_folder
from throughtime.applications.folder.labelled import bind, old_lines, told, write_examples
from throughtime.applications.folder.model_folder import ModelFolder, resumed, staged, stored
from throughtime.applications.memory import DATA, as_given, moved, placed, spilling
from throughtime.applications.opened import Opened, from_memory
from throughtime.applications.options import Options
from throughtime.applications.reading.account import read_account
from throughtime.applications.reading.gather import Origin, account_of, in_a_word
from throughtime.applications.settings import DataSettings, FileSettings, StackSettings, check_settings
from throughtime.applications.task import Table, Task, Use
from throughtime.data.examples import Examples
from throughtime.data.parts import PARTS, check_there
from throughtime.data.progress import counted
from throughtime.data.shards.names import expanded
from throughtime.errors import UserError, listed
from throughtime.files import write_json
from throughtime.own import only
from throughtime.runtime.reading.encodings import reading_as
from throughtime.runtime.reading.notes import Notes, note, noting
from throughtime.training import Evaluation, Trainer

GO_ON = "pass --data PATH with --resume"


@dataclass(frozen=True)
class _Found:
    """What was read or made, before anything is held out of it.

    Attributes:
        examples: By part.
        origin: Where they come from.
        notes: What readers told.
        beside: A folder that data in memory were written in.
    """

    examples: Mapping[str, list[Any]]
    origin: Origin
    notes: Notes
    beside: Path | None


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
        self.makes_data = application.makes_data()

    def start(
        self, paths: Sequence[str], out: Path, options: dict[str, Any], memory: Mapping[str, Any] | None = None
    ) -> Trainer[Any]:
        """Reads the data into the run's folder and returns what trains.

        Raises:
            UserError: If the input or an option is bad; nothing is left behind.
        """
        settings = self._checked(options)
        with self._found(paths, settings, memory or {}) as found:
            return self._make(found, settings, out)

    def start_folds(
        self, paths: Sequence[str], out: Path, options: dict[str, Any], memory: Mapping[str, Any] | None = None
    ) -> None:
        """Reads the data once, and makes the folder of every fold below ``out``.

        Raises:
            UserError: If the input or an option is bad, of whichever fold; nothing is left behind.
        """
        settings = self._checked({**options, "fold": 1})
        with self._found(paths, settings, memory or {}) as found, staged(out) as folder:
            sizes = []
            for number in counted(range(1, settings.folds + 1), "folds"):
                run = fold_folder(folder, number)
                self._make(found, settings.model_copy(update={"fold": number}), run, judge=number == 1)
                sizes.append(told(ModelFolder.open(run, self.name, options.get("cell")))["examples"]["test"])
            Folds.begun(sizes).save(folder)

    def resume(self, out: Path, options: dict[str, Any], paths: Sequence[str] = ()) -> Trainer[Any]:
        """What goes on with a run from its checkpoint; options may lengthen it.

        Raises:
            UserError: If there is nothing to resume, or an option would change the run; if its data lie where the user
                has not trained yet, and ``paths`` do not say so.
        """
        references.remember(map(Path, paths))
        extended = resumed(out, self.name, self.application.settings_type, options)
        torch.manual_seed(stored(extended, self.application.settings_type).seed)
        weights = Weights.going_on(out)
        opened = Opened(extended, self.application, weights)
        there = told(extended)["examples"]
        train, valid = (opened.own(part, GO_ON) if part in there else [] for part in ("train", "valid"))
        if weights is None:
            references.check(out, map(Path, opened.bound.begins_with(opened.settings)), GO_ON)
            opened.initialise()
        trainer = _trainer(opened, train, valid, out)
        trainer.resume()
        if trainer.ranks.first:
            extended.save()
        return trainer

    def describe(self, trainer: Trainer[Any], cell: str | None = None) -> str:
        """What was found, the model, and the batches of an epoch."""
        run = ModelFolder.open(trainer.folder, self.name, cell)
        bound = bind(run, self.application)
        read = read_account(run.folder)
        lines = old_lines(run) if read is None else read.brief()
        return "\n".join([*lines, f"{bound.summarise(trainer.model)}, {len(trainer.source):,} batches an epoch"])

    def options(self, run: Path, use: Use, cell: str | None = None) -> type[Options]:
        """Of predictions, judgement, or new sequences; some depend on what the run has learnt."""
        opened = ModelFolder.open(run, self.name, cell)
        with only(opened.said):
            bound = bind(opened, self.application)
        found = {"predict": bound.predicting, "evaluate": bound.judging, "sample": bound.drawing}[use]
        if found is None:
            raise UserError(f"{run}: a model of task {self.name!r} draws nothing; see: throughtime predict --help")
        return found

    def load(self, run: Path, cell: str | None = None, *, device: str = "auto", latest: bool = False) -> Opened:
        """The trained model, in evaluation mode.

        Raises:
            UserError: If the folder is none of this task, or damaged.
        """
        found = ModelFolder.open(run, self.name, cell)
        found = replace(found, settings={**found.settings, "device": device})
        opened = Opened(found, self.application, Weights.trained(run, latest))
        opened.model.eval()
        return opened

    def spill(self, data: Any, folder: Path) -> list[Path]:
        """As the application does it."""
        return self.application.spill(data, folder)

    def compare(self, runs: Mapping[str, Path], picture: Path) -> Sequence[Table]:
        """What the application tells of them."""
        learnt = {}
        for cell, folder in runs.items():
            opened = self.load(folder, cell if ":" in cell else None)
            with opened.held_out() as (examples, _):
                learnt[cell] = Learnt(folder, opened.bound, opened.model, examples)
        return self.application.compare(learnt, picture)

    def _checked(self, options: Mapping[str, Any]) -> Any:
        settings = check_settings(self.application.settings_type, options)
        settings.check_model()
        return settings

    @contextmanager
    def _found(
        self, paths: Sequence[str], settings: FileSettings | StackSettings, memory: Mapping[str, Any]
    ) -> Iterator[_Found]:
        """What there is to train on and to judge by; what was written of data in memory is there inside the block."""
        with ExitStack() as stack:
            beside = stack.enter_context(spilling()) if memory else None
            with noting() as notes:
                paths = expanded(paths)
                if isinstance(settings, FileSettings):
                    examples, origin = self._read(paths, settings, memory, beside)
                else:
                    examples, origin = self._made(paths, settings, memory)
            self._remember(paths, examples, settings, beside)
            yield _Found(examples, origin, notes, beside)

    def _make(self, found: _Found, settings: Any, out: Path, judge: bool = False) -> Trainer[Any]:
        """Makes a run's folder, and what trains it; ``judge``: its model is to be judged as soon as it is trained."""
        beside, examples = found.beside, dict(found.examples)
        how: dict[str, str] = {}
        with noting(found.notes) as notes:
            if isinstance(settings, FileSettings):
                examples, how = _divided(self.application, examples, settings)
            if "valid" not in examples:
                note(no_validation(settings))
                settings = settings.model_copy(update={"held_out": 0})
            vocabulary = self.application.learn(examples["train"], settings)
        if beside is not None:
            notes = notes.renamed(lambda line: as_given(line, beside))
        with staged(out) as folder:
            write_json(folder / "vocabulary.json", vocabulary)
            data = {"examples": {part: len(members) for part, members in examples.items()}}
            run = ModelFolder(folder, self.name, settings.model_dump(mode="json"), {"cell": settings.cell}, data)
            run.save()
            torch.manual_seed(settings.seed)
            opened = Opened(run, self.application)
            opened.initialise()
            _try(opened, examples, judge, how)
            origin = Origin({**found.origin.sources, **how}, found.origin.files)
            read = account_of(opened.bound, opened.bound.size, examples, origin, notes)
            if beside is not None:
                read = replace(read, shown=[as_given(line, beside) for line in read.shown])
                examples = self._keep(examples, beside, folder)
            read.save(folder)
            for part, members in examples.items():
                write_examples(folder / f"{part}.jsonl", members)
        refers = self.application.refers
        train, valid = ([placed(e, out, refers(e)) for e in examples.get(part, ())] for part in ("train", "valid"))
        return _trainer(opened, train, valid, out)

    def _made(
        self, paths: Sequence[str], settings: StackSettings, memory: Mapping[str, Any]
    ) -> tuple[dict[str, list[Any]], Origin]:
        """The examples of each part, which the task makes."""
        if paths or memory:
            raise self.application.data_left_out(listed(paths) or "data in memory")
        made = {part: list(counted(self.application.make(part, settings), "examples")) for part in PARTS}
        made = {part: members for part, members in made.items() if members}
        return made, Origin(dict.fromkeys(made, "made by the task"))

    def _read(
        self, paths: Sequence[str], settings: FileSettings, memory: Mapping[str, Any], beside: Path | None
    ) -> tuple[dict[str, list[Any]], Origin]:
        """The examples of each part that there is, and where they come from."""
        given = {part: getattr(settings, part) for part in PARTS[1:] if getattr(settings, part) is not None}
        named = {part: [Path(path) for path in expanded([name])] for part, name in given.items()}
        for path in (path for found in named.values() for path in found):
            check_there(path)
        with reading_as(settings.encoding):
            files = self.application.find([Path(path) for path in paths], settings) if "train" not in memory else {}
        files |= named
        sources = {part: in_a_word(files[part]) for part in files} | dict.fromkeys(memory, "data in memory")
        examples = {}
        for part in (part for part in PARTS if part in sources):
            if part in memory:
                assert beside is not None
                examples[part] = from_memory(self.application, memory[part], beside / part, settings)
            else:
                with reading_as(settings.encoding):
                    examples[part] = list(counted(self.application.read(files[part], settings), "examples"))
        for part, members in examples.items():
            if not members:
                raise UserError(f"expected examples in {sources[part]}, got none")
            for remark in self.application.remarks(members, settings):
                note(remark)
        return examples, Origin(sources, {part: list(map(str, paths)) for part, paths in files.items()})

    def _remember(
        self, paths: Sequence[str], examples: Mapping[str, Sequence[Any]], settings: Any, beside: Path | None
    ) -> None:
        """Takes down what the user named: a run that refers to it goes on without a question."""
        named = (path for members in examples.values() for each in members for path in self.application.refers(each))
        kept = [path for path in map(Path, named) if beside is None or beside not in path.parents]
        if kept:
            held = [path for part in PARTS[1:] if (path := getattr(settings, part, None)) is not None]
            references.remember_data(map(Path, [*paths, *expanded(held)]), kept)
        references.remember(map(Path, self.application.begins_with(settings)))

    def _keep(self, examples: Mapping[str, Sequence[Any]], beside: Path, folder: Path) -> dict[str, list[Any]]:
        """Examples of data in memory as the run keeps them, and the files that they refer to in its folder."""
        refers = self.application.refers
        kept = {part: [moved(each, beside, refers(each)) for each in members] for part, members in examples.items()}
        if any(not Path(path).is_absolute() for members in kept.values() for each in members for path in refers(each)):
            shutil.copytree(beside, folder / DATA)  # the next fold refers to the same
        return kept


def _divided(
    application: type[Application[Any]], examples: Mapping[str, list[Any]], settings: FileSettings
) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Examples of every part: as the task divides them, or at random."""
    found = application.divided(examples, settings)
    if found is None:
        assert isinstance(settings, DataSettings)
        found = divide(application, examples, settings)
    return found


def _try(opened: Opened, examples: Mapping[str, Sequence[Any]], judge: bool, how: Mapping[str, str]) -> None:
    """Shows what is wrong with the model, its engine, or the labels of held-out data; draws nothing at random.

    With ``judge`` what an evaluation lacks shows, too, such as a library. ``how`` tells of the parts that were drawn.
    """
    bound = opened.bound
    with drawing_aside(opened.model):
        opened.model.loss(bound.batch(examples["train"][:2]), None)
        for part in PARTS[1:]:
            for begin in counted(range(0, len(examples.get(part, ())), opened.settings.batch), "batches"):
                with _drawn(opened.settings, how.get(part)):
                    bound.batch(examples[part][begin : begin + opened.settings.batch])
        if judge:
            bound.evaluate(opened.model.eval(), examples["test"][:2], bound.judging())


@contextmanager
def _drawn(settings: Any, how: str | None) -> Iterator[None]:
    """What is wrong with held-out examples may be so as they were drawn, ``how`` says how; None: the user gave them."""
    try:
        yield
    except UserError as error:
        if (fold := getattr(settings, "fold", None)) is not None:
            remedy = "with another --seed or fewer --folds it may stand elsewhere"
            raise UserError(f"{error}; it is held out in fold {fold} of {settings.folds}: {remedy}") from error
        if how is None:
            raise
        remedy = "with another --seed it may stand elsewhere; where all of its kind belong together, give --valid"
        raise UserError(f"{error}; it was held out ({how}): {remedy}") from error


def _trainer(opened: Opened, train: Sequence[Any], valid: Sequence[Any], out: Path) -> Trainer[Any]:
    bound, model, settings = opened.bound, opened.model, opened.settings
    over = bound.pieces(train)
    source: Examples[Any, Any] = Examples(
        over, bound.training_batch, bound.size, settings.batch, settings.seed, settings.shuffle_window
    )

    def evaluate() -> Evaluation:
        return bound.validate(model, valid)

    return Trainer(model, source, settings.plan(), out, evaluate if valid else None, unit=bound.trained or bound.unit)
