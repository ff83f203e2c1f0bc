"""How good a classifier of whole sequences is, whatever they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from throughtime.applications.application import Application
from throughtime.applications.judging.labels import confusion, counts, majority, surest_errors
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.settings import TrainSettings, option
from throughtime.applications.task import Report, Table
from throughtime.data.tables.heading import is_number, is_time
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError, listed
from throughtime.models import Classifier
from throughtime.pictures import COLOURS
from throughtime.training import Evaluation
from throughtime.training.calibration import calibrate, error_of
from throughtime.visible import visible

BARS = 10
"""Classes that are shown as bars, at most."""


class ClassSettings(TrainSettings):
    """What every classifier takes."""

    calibrate: bool = option(True, "Fit probabilities to the validation data, by a temperature.", "Training")


MAJORITY = Baseline(
    "accuracy",
    "majority_accuracy",
    "accuracy counts all examples alike, so always saying a label that most of them have is hard to beat; macro F1 "
    "counts labels alike, and nats tell what the probabilities are worth",
)
"""Beside which a classifier stands."""


@torch.no_grad()
def judge(
    application: Application[Any], model: Classifier, examples: Sequence[Any], classes: int
) -> tuple[Tensor, Tensor]:
    """Log-probabilities ``[N, K]`` and classes ``[N]``, in the order of the examples."""
    log_probs = torch.empty(len(examples), classes, dtype=torch.float64)
    gold = torch.empty(len(examples), dtype=torch.int64)
    batches = application.in_batches(examples)
    for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
        log_probs[chosen] = model.log_probs(batch.steps).double().cpu()
        gold[chosen] = batch.classes
    return log_probs, gold


def class_evaluation(log_probs: Tensor, gold: Tensor, fit: bool = True) -> Evaluation:
    """Accuracy, which selects, the loss, and how far the probabilities can be trusted.

    Args:
        log_probs: ``[N, K]``, at temperature 1.
        gold: ``[N]``.
        fit: Fit a temperature to them.
    """
    accuracy, loss = _figures(log_probs, gold)
    found = calibrate(log_probs, gold, fit=fit)
    figures = {"accuracy": accuracy, "loss": loss, **found.figures}
    return Evaluation(100 - accuracy, figures, found.temperature)


def class_report(
    labels: Sequence[str],
    log_probs: Tensor,
    classes: Tensor,
    names: Sequence[str],
    column: str,
    baselines: dict[str, float] | None = None,
    temperature: float = 1.0,
) -> Report:
    """Accuracy and macro F1 beside the majority's; loss, calibration; counts and confusions; the surest errors.

    Args:
        labels: Names of the classes, K.
        log_probs: ``[N, K]``.
        classes: ``[N]``.
        names: What the examples are shown as, N.
        column: What they are.
        baselines: Further accuracies to show beside the model's, in percent.
        temperature: That the probabilities are told at; told, too, where it is not 1.
    """
    gold, guessed = classes.tolist(), log_probs.argmax(1).tolist()
    accuracy, nats = _figures(log_probs, classes)
    rows = counts(labels, gold, guessed)
    return Report(
        {
            "accuracy": accuracy,
            "majority_accuracy": majority(gold),
            **(baselines or {}),
            "macro_f1": sum(float(row[3]) for row in rows) / len(rows),
            "nats": nats,
            **trust(log_probs, classes, temperature),
            "examples": len(gold),
        },
        [
            Table("by label", ["label", "precision", "recall", "F1", f"{column}s"], rows),
            confusion(labels, gold, guessed),
            surest_errors(labels, gold, log_probs, names, column),
        ],
    )


def trust(log_probs: Tensor, gold: Tensor, temperature: float) -> dict[str, float]:
    """How far probabilities can be trusted: the calibration error in points, and the temperature where there is one."""
    return {
        "calibration_error": error_of(log_probs, gold),
        **({} if temperature == 1.0 else {"temperature": temperature}),
    }


def _figures(log_probs: Tensor, gold: Tensor) -> tuple[float, float]:
    """Accuracy in percent, and cross-entropy in nats."""
    hits = (log_probs.argmax(1) == gold).double().mean()
    return 100 * float(hits), -float(log_probs.gather(1, gold.unsqueeze(1)).mean())


def chances_html(chances: Mapping[str, float]) -> str:
    """Probabilities as bars, for a notebook; of many classes, the first ones.

    Example:
        >>> "a &lt; b" in chances_html({"a < b": 1.0}), chances_html({})
        (True, '')
    """
    rows = [
        f'<tr><td style="text-align: right">{escape(visible(label))}</td>'
        f'<td style="text-align: right; padding: 0 0.6em">{100 * chance:.1f} %</td>'
        f'<td style="width: 20em; text-align: left"><div style="width: {100 * chance:.1f}%; '
        f'height: 0.8em; background: {COLOURS[2]}"></div></td></tr>'
        for label, chance in islice(chances.items(), BARS)
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


MANY = 20
"""Classes from which on it is asked whether they are any."""


def learn_classes(labels: Sequence[str], where: str) -> list[str]:
    """The classes of examples, in order.

    Args:
        labels: Of the examples.
        where: Where the first of them stands, for messages.

    Raises:
        UserError: If there is only one, or if labels are amounts, times or names of single examples instead of classes.

    Example:
        >>> learn_classes(["good", "bad", "good"], "a.csv:2")
        ['bad', 'good']
    """
    classes = Vocabulary.closed(labels).symbols
    if len(classes) < 2:
        raise UserError(f"expected at least two labels, got only {classes[0]!r} ({where})")
    numbers: dict[float, str] = {}
    for name in filter(is_number, classes):
        other = numbers.setdefault(_value(name), name)
        if other != name:
            raise UserError(f"{where}: expected a class to be written in one way, got {other!r} and {name!r}; mend one")
    single = 2 * len(classes) > len(labels)
    if len(classes) <= MANY and not (single and all(map(is_time, classes))):
        return classes
    if all(map(is_time, classes)):
        kind, remedy = "times", "no classifier learns when something was"
    elif all(map(is_number, classes)) and (single or 10 * len(classes) > len(labels) or any(map(_is_broken, classes))):
        kind, remedy = "numbers", "a classifier learns classes, no amounts: make a few of them, such as low and high"
    elif single:
        kind, remedy = "labels", "most stand there once"
    else:
        return classes
    raise UserError(
        f"{where}: expected classes that recur, got {len(classes):,} different {kind} in {len(labels):,} examples: "
        f"{listed(classes)}; {remedy}, or name another column by --label-column"
    )


def _is_broken(number: str) -> bool:
    return _value(number) % 1 != 0


def _value(number: str) -> float:
    return float(number.replace(",", "."))
