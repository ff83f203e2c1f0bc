"""Subject and verb across a gap: what vanishing gradients mean for a language, and which cells bridge them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from typing_extensions import TypedDict

from throughtime.applications.application import Application, Learnt
from throughtime.applications.exported import Exported
from throughtime.applications.folder.describing import describe_runs
from throughtime.applications.folder.learnt import Open
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.settings import StackSettings, option
from throughtime.applications.task import Report, Table
from throughtime.data.text.words import WordReader
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import listed
from throughtime.inspection import Flow, gradients_through_time, record
from throughtime.inspection.verdict import LOST, first_norm
from throughtime.models import ClassBatch, Classifier, Model, StackConfig, WordInput, WordInputConfig
from throughtime.pictures import line_style, mark_level, new_figure, save_figure, tidy, whole_steps
from throughtime.tasks.memory.grammar import VERBS, Agreement, sentence
from throughtime.tasks.memory.settings import MadeSettings
from throughtime.training import Evaluation
from throughtime.training.calibration import calibration_error

GAPS = 11
"""Gaps that the test data has, evenly from 0 to the longest."""

FORMS = [form for pair in VERBS for form in pair]

LOOKED_AT = 32
"""Sentences of the longest gap by which gradients are measured."""


class AgreementSettings(MadeSettings):
    """What a network that finds the verb's number is trained from."""

    gap: int = option(50, "Most words between noun and verb.", "Data", ge=0, le=1000)
    shortest: int | None = option(
        None, "Fewest words between noun and verb in training; default: half of the most.", "Data", ge=0, le=1_000
    )
    embedding: int = option(32, "Features of a word's embedding.", "Model", ge=1, le=2**24)
    epochs: float = option(3.0, "Passes over the data.", "Training", gt=0)

    def far(self) -> int:
        """The longest gap."""
        return self.gap

    def least(self) -> int:
        """Fewest words between noun and verb in training."""
        return self.gap // 2 if self.shortest is None else min(self.shortest, self.gap)

    def gaps(self) -> list[int]:
        """The test data's gaps."""
        return sorted({round(number * self.gap / (GAPS - 1)) for number in range(GAPS)})


class PlainWords(TypedDict):
    """What ``vocabulary.json`` holds."""

    words: Open


class AgreementTask(Application[Agreement]):
    """The verb that agrees with a noun."""

    name: ClassVar[str] = "agreement"
    summary: ClassVar[str] = "network that finds the verb's number across a gap: accuracy and gradients of every cell"
    settings_type: ClassVar[type[StackSettings]] = AgreementSettings
    example_type = Agreement
    unit = "words"
    vocabulary_type: ClassVar[Any] = PlainWords
    baselines: ClassVar[tuple[Baseline, ...]] = tuple(
        Baseline(
            figure,
            "chance",
            "saying either form is right more often: the number of the noun is lost on the way, or that of another "
            "word is taken for it",
        )
        for figure in ("accuracy", "accuracy_longest_gap", "accuracy_never_met")
    )

    def __init__(self, settings: AgreementSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.reader = WordReader(Vocabulary(vocabulary["words"]))
        self.forms = Vocabulary(FORMS)

    @classmethod
    def make(cls, part: str, settings: AgreementSettings) -> Iterator[Agreement]:
        """Gaps at random in training; in the test data every gap as often, half of its pairs never met."""
        random, least = settings.random(part), settings.least()
        for number in range(settings.count(part)):
            where = f"{part}:{number + 1}"
            if part == "test":
                gaps = settings.gaps()
                yield sentence(random, gaps[number // 2 % len(gaps)], number % 2 == 0, where)
            else:
                gap = int(random.integers(least, settings.gap + 1))
                yield sentence(random, gap, True, where)

    @classmethod
    def learn(cls, train: Sequence[Agreement], settings: AgreementSettings) -> dict[str, Any]:
        """The words before verbs."""
        return {"words": Vocabulary.learn(word for example in train for word in example.words).symbols}

    def build(self) -> Model:
        """Words, a recurrent stack, its last step, a softmax over the forms of all verbs."""
        settings = self.settings
        words = WordInput(WordInputConfig(words=len(self.reader.words), embedding=settings.embedding))
        stack = StackConfig(**settings.stack()).build(words.output_size, engine=settings.engine)
        return Classifier(words, stack, len(self.forms), pooling="last", dropout=settings.dropout)

    def check(self, example: Agreement) -> None:
        """Verbs that there are, after a noun."""
        if not example.words or not {example.verb, example.other} <= set(FORMS):
            raise ValueError(f"expected words, and forms of verbs ({listed(FORMS[:4])}, …)")

    def size(self, example: Agreement) -> int:
        """Words."""
        return len(example.words)

    def steps(self, example: Agreement) -> dict[str, list[str]]:
        """The words."""
        return {"stack": example.words}

    def batch(self, examples: Sequence[Agreement]) -> ClassBatch:
        """Sentences with their verbs."""
        verbs = self.forms.ids(example.verb for example in examples)
        return ClassBatch(self.reader.batch([example.words for example in examples]), torch.tensor(verbs))

    def answer_of(self, example: Agreement) -> str:
        """The verb."""
        return example.verb

    def guess(self, examples: Sequence[Agreement], train: Sequence[Agreement]) -> Guess:
        """One of two forms is right."""
        return Guess("accuracy", 50.0, "saying either form", higher=True)

    def validate(self, model: Classifier, examples: Sequence[Agreement]) -> Evaluation:
        """The share of verbs whose right form is likelier than the wrong one."""
        right = self._odds(model, examples) > 0
        accuracy = 100 * float(right.double().mean())
        return Evaluation(100 - accuracy, {"accuracy": accuracy, "loss": self.mean_loss(model, examples)})

    def evaluate(self, model: Classifier, examples: Sequence[Agreement], options: Any) -> Report:
        """Accuracy by gap, of pairs met in training and of others; one of two forms is right by chance.

        Loss and calibration are those of the two forms, as if there were no other verbs.
        """
        odds = self._odds(model, examples)
        right = odds > 0
        rows = self.by_gap(right, examples)
        figures = {
            "accuracy": 100 * float(right.double().mean()),
            "accuracy_longest_gap": float(rows[-1][1]),
            "accuracy_never_met": _share(right, [not example.met for example in examples]),
            "chance": 50.0,
            "nats": -float(logsigmoid(odds).mean()),
            "calibration_error": calibration_error(odds.abs().sigmoid(), right),
            "examples": len(examples),
        }
        return Report(figures, [Table("by gap", ["gap", "accuracy", "met", "never met", "sentences"], rows)])

    @staticmethod
    def by_gap(right: Tensor, examples: Sequence[Agreement]) -> list[list[str | int | float]]:
        """A row for every gap: accuracy of all pairs, of those met in training, of the others; sentences."""
        rows: list[list[str | int | float]] = []
        for gap in sorted({example.gap for example in examples}):
            here = [example.gap == gap for example in examples]
            known = [example.gap == gap and example.met for example in examples]
            strange = [example.gap == gap and not example.met for example in examples]
            rows.append([gap, *(_share(right, chosen) for chosen in (here, known, strange)), sum(here)])
        return rows

    @classmethod
    def compare(cls, runs: Mapping[str, Learnt], picture: Path) -> Sequence[Table]:
        """Accuracy against the gap, beside the gradient's decay over the longest gap, a line a cell."""
        title = "Does the verb agree with its subject, and how far back does the gradient of its loss reach?"
        figure = new_figure(12, 5, title, describe_runs(found.run for found in runs.values()))
        left, right = figure.subplots(1, 2)
        summary: list[list[str | int | float]] = []
        gaps: list[list[str | int | float]] = []
        for number, (cell, found) in enumerate(runs.items()):
            assert isinstance(found.application, AgreementTask)
            rows = cls.by_gap(found.application._odds(found.model, found.test) > 0, found.test)
            flow = found.application.flow(found.model, found.test)
            curve = flow.by_distance()
            left.plot([row[0] for row in rows], [row[1] for row in rows], label=cell, **line_style(number))
            label = f"{cell}: {curve.half_life_in_words()}"
            right.plot((curve.norms / first_norm(flow)).numpy(), label=label, **line_style(number))
            never = [float(row[3]) for row in rows]
            summary.append([cell, float(rows[-1][1]), never[-1], sum(never) / len(never)])
            summary[-1] += [curve.decay().factor, curve.half_life_told()]
            gaps += [[cell, *row] for row in rows]
        longest = max(example.gap for found in runs.values() for example in found.test)
        _label(left, right, longest)
        save_figure(figure, picture)
        columns = ["cell", f"accuracy at gap {longest}", "pairs never met", "all gaps, never met"]
        columns += ["factor a step", "half-life"]
        return [
            Table("by cell", columns, summary),
            Table("by gap", ["cell", "gap", "accuracy", "met", "never met", "sentences"], gaps),
        ]

    def flow(self, model: Classifier, examples: Sequence[Agreement]) -> Flow:
        """The gradients of the verb's loss over the longest gap, in the lowest layer."""
        longest = max(example.gap for example in examples)
        batch = self.batch([example for example in examples if example.gap == longest][:LOOKED_AT])
        return gradients_through_time(record(model, batch))[0]

    def exported(self, model: Classifier) -> Exported:
        """The forms of the verbs, and the words before them."""
        facts = {"labels": FORMS, "temperature": model.temperature, "lowercase": False}
        told = json.dumps({"words": self.reader.words.symbols}, ensure_ascii=False)
        return Exported("classes", facts, {"vocabulary.json": f"{told}\n".encode()})

    def _odds(self, model: Classifier, examples: Sequence[Agreement]) -> Tensor:
        """By how many nats the right form is likelier than the wrong one, ``[N]``."""
        found = torch.zeros(len(examples), dtype=torch.float64)
        batches = self.in_batches(examples)
        with torch.no_grad():
            for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
                log_probs = model.log_probs(batch.steps).double().cpu()
                others = torch.tensor(self.forms.ids(examples[n].other for n in chosen)).unsqueeze(1)
                found[chosen] = (log_probs.gather(1, batch.classes.unsqueeze(1)) - log_probs.gather(1, others))[:, 0]
        return found


def _label(left: Any, right: Any, longest: int) -> None:
    for axes in (left, right):
        whole_steps(axes.xaxis)
    left.set_xlabel("between noun and verb (words)")
    left.set_ylabel("right forms (%)")
    left.set_ylim(0, 102)
    mark_level(left, 50, "guessing: 50")
    right.axvline(longest, color="0.5", lw=0.8)
    place = ((longest, 1), (-4, -4), ("data", "axes fraction"), "offset points")
    right.annotate("the noun", *place, ha="right", va="top", fontsize=8, color="0.3")
    right.set_yscale("log")
    low, high = right.get_ylim()
    right.set_ylim(min(low, LOST / 2), max(high, 3.0))
    mark_level(right, LOST, "1 %: vanished below")
    right.set_xlabel("before the verb (steps)")
    right.set_ylabel("size of the gradient (share of the nearest)")
    for axes in (left, right):
        tidy(axes)


def _share(right: Tensor, chosen: Sequence[bool]) -> float:
    """Percent of the chosen ones that are right; 0 where there are none."""
    there = right[torch.tensor(chosen)]
    return 100 * float(there.double().mean()) if len(there) else 0.0
