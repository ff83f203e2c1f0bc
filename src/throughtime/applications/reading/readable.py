"""How a task tells what it read: what its examples are to the model, and what guessing would come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.errors import shown

ExampleT = TypeVar("ExampleT")
Counts = npt.NDArray[np.integer]


class Readable(Generic[ExampleT]):
    """The part of an application by which a run tells what it read; all of it has defaults."""

    unit: str = "steps"
    """What ``size`` counts, as a run tells the lengths of its examples."""
    trained: str = ""
    """What the ``tokens`` of a batch count, for the rate of training; default: the unit."""
    baselines: ClassVar[tuple[Baseline, ...]] = ()
    """Figures of ``evaluate`` that stand beside the model's; each is explained where the model's is the worse."""
    chance: ClassVar[float | None] = None
    """The first figure of an evaluation by guessing, where it is always the same; comparisons show it."""

    def steps(self, example: ExampleT) -> dict[str, list[str]]:
        """What stands at each step of an example, by the name of the model's layer that reads it; for figures."""
        return {}

    def seen(self, step: str) -> str:
        """A step as the model sees it, ``UNK(…)`` around what it does not know."""
        return step

    def labels_of(self, example: ExampleT) -> Iterable[str]:
        """What is to be learnt of an example, to be counted: by default its ``label``, if it has one."""
        label = getattr(example, "label", None)
        return [label] if isinstance(label, str) else []

    def answer_of(self, example: ExampleT) -> str:
        """What the model is to make of an example, in a line: by default its labels."""
        return ", ".join(self.labels_of(example))

    def input_of(self, example: ExampleT) -> str:
        """What the model reads of an example, in a line: by default its steps, else its fields."""
        read = next(iter(self.steps(example).values()), ())
        return " ".join(map(self.seen, read)) if read else _fields(example)

    def as_read(self, example: ExampleT) -> str:
        """An example in a line, as the model will see it: what it reads, and what it is to make of that."""
        read, answer = self.input_of(example), self.answer_of(example)
        return f"{read} → {answer}" if answer else read

    def guess(self, examples: Sequence[ExampleT], train: Sequence[ExampleT]) -> Guess | None:
        """What guessing comes to in a figure of ``validate``; by default that of always saying the commonest label.

        A run that ends no better says so, and so does ``predict``.

        Args:
            examples: That are judged.
            train: The training data, where the guess is to know how often something stands there.
        """
        labels = [list(self.labels_of(example)) for example in examples]
        if not labels or any(len(found) != 1 for found in labels):
            return None
        return commonest([label for (label,) in labels])

    def rival(self, figures: Mapping[str, Any], examples: Sequence[ExampleT]) -> Guess | None:
        """What guessing comes to in a figure of ``evaluate``; by default as in :meth:`guess`, if it is a figure there.

        Args:
            figures: Of the report, in which guesses may stand, too.
            examples: That were judged.
        """
        found = self.guess(examples, ())
        return found if found is not None and found.figure in figures else None


def commonest(labels: Sequence[str], figure: str = "accuracy") -> Guess:
    """The accuracy of always saying the commonest label, in percent.

    Example:
        >>> commonest(["a", "b", "b", "b"]).value
        75.0
    """
    label, count = Counter(labels).most_common(1)[0]
    return Guess(figure, 100 * count / len(labels), f"always saying {shown(label)}", higher=True)


def unigram(seen: Sequence[int] | Counts, said: Sequence[int] | Counts) -> float:
    """Nats a symbol of saying each as often as it stands in the training data, one added to every count.

    Args:
        seen: How often each symbol stands there.
        said: How often in what is judged.

    Example:
        >>> round(unigram([2, 0], [5, 0]), 4) == round(-float(np.log(3 / 4)), 4)
        True
    """
    chances = np.asarray(seen) + 1.0
    return -float(np.asarray(said) @ np.log(chances / chances.sum())) / max(1, int(np.sum(said)))


def _fields(example: Any) -> str:
    """The fields of an example but where it stands and its label, each shortened."""
    if not is_dataclass(example):
        return shown(example)
    names = [field.name for field in fields(example) if field.name not in ("where", "label")]
    return ", ".join(f"{name}: {shown(getattr(example, name))}" for name in names)
