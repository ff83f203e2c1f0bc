"""The folder of a cross-validation: ``folds.json`` beside the model folder of every fold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from throughtime.applications.folder.model_folder import FOLDS, check_links
from throughtime.applications.reading.account import read_account
from throughtime.applications.task import Report, Table
from throughtime.errors import UserError
from throughtime.figures import counted, figure
from throughtime.files import write_json
from throughtime.plain import parse_object, read_text
from throughtime.schema import checked_json

FORMAT = 1

SPREAD = "standard deviation over folds, n - 1"
"""What a spread is."""

MAJORITY = "majority_accuracy"
"""A figure that the labels of all examples give, where those of a single one do not."""
OF_SETS = ("f1", "precision", "recall", "mcc", "bleu", "chrf", "sensitivity", "specificity", "balanced")
"""Words in names of figures that a set of examples has, and a single one has not."""
CALIBRATION = "calibration"

Value = Annotated[float, Field(allow_inf_nan=False)]
Figures = dict[str, int | Value | None]


class _File(TypedDict):
    """What ``folds.json`` holds; mean and spread are there for others to read."""

    format: int
    examples: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2)]
    figures: list[Figures | None]


_SCHEMA: TypeAdapter[Any] = TypeAdapter(_File)


def fold_folder(folder: Path, number: int) -> Path:
    """The model folder of a fold, from 1."""
    return folder / f"fold-{number}"


@dataclass(frozen=True)
class Folds:
    """A cross-validation: how large its folds are, and how good the models are that were judged by them.

    Attributes:
        examples: Of every fold, that its model is judged by.
        figures: Of every fold; None where it has not been judged yet.
        apart: Whether each is judged by examples of its own; else all are by the same ones.
    """

    examples: Sequence[int]
    figures: Sequence[Mapping[str, float] | None]
    apart: bool = True

    @classmethod
    def begun(cls, examples: Sequence[int], apart: bool = True) -> Folds:
        """Folds none of which has been judged."""
        return cls(examples, [None] * len(examples), apart)

    @classmethod
    def load(cls, folder: Path) -> Folds:
        """Those of a folder.

        Raises:
            UserError: If its ``folds.json`` is missing or damaged, or a link leads out of the folder.
        """
        path = folder / FOLDS
        if not path.exists():
            raise UserError(f"{folder}: expected a cross-validation, found no {FOLDS} in it; make one with --folds")
        check_links(folder)
        text = read_text(path)
        parse_object(text, str(path))
        found = checked_json(_SCHEMA, text, str(path))
        if found["format"] != FORMAT or len(found["figures"]) != len(found["examples"]):
            raise UserError(f"{path}: expected format {FORMAT} and figures of every fold; the file is damaged")
        figures = [None if each is None else {n: _number(v) for n, v in each.items()} for each in found["figures"]]
        return cls(found["examples"], figures)

    def save(self, folder: Path) -> None:
        """Writes ``folds.json``."""
        figures = [None if each is None else _plain(each) for each in self.figures]
        told = {"mean": _plain(self.mean), "spread": _plain(self.spread), "spread_is": SPREAD}
        write_json(folder / FOLDS, {"format": FORMAT, "examples": self.examples, "figures": figures, **told})

    def judged(self, number: int, report: Report) -> Folds:
        """With the figures of a fold, from 1."""
        figures = {name: value for name, value in report.figures.items() if type(value) in (int, float)}
        return replace(self, figures=[figures if n == number else old for n, old in enumerate(self.figures, 1)])

    @property
    def done(self) -> int:
        """Folds that were judged."""
        return sum(each is not None for each in self.figures)

    @property
    def single(self) -> bool:
        """Whether every fold is one example: leave-one-out."""
        return self.apart and max(self.examples) == 1

    @property
    def mean(self) -> dict[str, float]:
        """The mean of every figure over the folds that were judged; of single examples, that over all of them."""
        return {name: fmean(values) for name, values in self._values().items()}

    @property
    def spread(self) -> dict[str, float]:
        """The sample standard deviation of every figure over the folds, n - 1; none of single examples."""
        values = {} if self.single or self.done < 2 else self._values()
        return {name: stdev(each) if all(map(math.isfinite, each)) else math.nan for name, each in values.items()}

    @property
    def counts(self) -> dict[str, int]:
        """What folds counted, such as words; together, where each has its own."""
        judged = self._judged() if self.apart else self._judged()[:1]
        return {name: sum(int(each[name]) for each in judged) for name in self._names() if self._counted(name)}

    def table(self) -> Table:
        """A row a fold."""
        names = self._names()
        rows: list[list[str | int | float]] = [
            [number, *(each[name] for name in names)] for number, each in enumerate(self.figures, 1) if each is not None
        ]
        return Table("by fold", ["fold", *(name.replace("_", " ") for name in names)], rows)

    def report(self, folder: Path) -> Report:
        """Mean and spread, and a row for every fold; of leave-one-out the figures over all examples."""
        mean, spread = self.mean, self.spread
        if self.single and MAJORITY in self._names() and (found := _majority(folder, len(self.examples))) is not None:
            mean[MAJORITY] = found
        counts = {"folds": self.done, **self.counts}
        figures = {**counts, **mean, **{f"{name}_spread": value for name, value in spread.items()}}
        among = counted(counts)
        if self.single:
            title = f"leave one out: each of {self._of()} examples judged by a model that was trained on the others"
            rows = [[name.replace("_", " "), figure(name, value, among)] for name, value in mean.items()]
            return _Report(figures, [self.table()], seen=[Table(title, ["figure", "over all"], rows, ["over all"])])
        title = f"{self._of()} folds; spread: {SPREAD}"
        rows = [
            [name.replace("_", " "), figure(name, value, among), figure(name, spread.get(name, ""), among)]
            for name, value in mean.items()
        ]
        head = Table(title, ["figure", "mean", "spread"], rows, ["mean", "spread"])
        return _Report(figures, [self.table()], seen=[head, self.table()])

    def _of(self) -> str:
        """How many of them, of how many."""
        return f"{self.done:,}" if self.done == len(self.examples) else f"{self.done:,} of {len(self.examples):,}"

    def _judged(self) -> list[Mapping[str, float]]:
        return [each for each in self.figures if each is not None]

    def _names(self) -> list[str]:
        """Figures that all folds have."""
        judged = self._judged()
        return [name for name in (judged[0] if judged else ()) if all(name in each for each in judged)]

    def _counted(self, name: str) -> bool:
        return all(isinstance(each[name], int) for each in self._judged())

    def _values(self) -> dict[str, list[float]]:
        """The values of every figure that has a mean."""
        names = [name for name in self._names() if not (self._counted(name) or (self.single and _of_set(name)))]
        return {name: [float(each[name]) for each in self._judged()] for name in names}


@dataclass(frozen=True)
class _Report(Report):
    """Figures over folds; what is shown of them are tables of their own, no row for every single example."""

    seen: Sequence[Table] = ()

    def shown(self) -> list[Table]:
        """Mean and spread, then the folds."""
        return [table for table in self.seen if table.rows]


def _of_set(name: str) -> bool:
    """Whether a single example has no such figure.

    Example:
        >>> _of_set("macro_f1"), _of_set("majority_accuracy"), _of_set("accuracy"), _of_set("nats")
        (True, True, False, False)
    """
    words = name.split("_")
    return name == MAJORITY or CALIBRATION in words or any(word in OF_SETS for word in words)


def _majority(folder: Path, folds: int) -> float | None:
    """The accuracy of always saying the commonest label of all folds, in percent; None where examples have no label."""
    accounts = [read_account(fold_folder(folder, number)) for number in range(1, folds + 1)]
    labels: Counter[str] = Counter()
    for read in accounts:
        labels.update(read.parts["test"].labels if read is not None and "test" in read.parts else {})
    return 100 * labels.most_common(1)[0][1] / folds if labels.total() == folds else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _plain(figures: Mapping[str, float]) -> dict[str, float | None]:
    """As JSON knows them: what is no finite number becomes null."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
