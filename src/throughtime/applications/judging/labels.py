"""Labels that were said beside those that stand there: counts, confusions, the surest errors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from throughtime.applications.task import Table

HARDEST = 10
"""Errors that a report shows."""


def counts(labels: Sequence[str], gold: Sequence[int], guessed: Sequence[int]) -> list[list[str | int | float]]:
    """Precision, recall and F1 of every label, in percent, and how often it stands in the data.

    Example:
        >>> counts(["no", "yes"], [0, 1, 1], [0, 0, 1])
        [['no', 50.0, 100.0, 66.67, 1], ['yes', 100.0, 50.0, 66.67, 2]]
    """
    rows: list[list[str | int | float]] = []
    for number, label in enumerate(labels):
        hits = sum(g == n == number for g, n in zip(gold, guessed, strict=True))
        said, there = guessed.count(number), gold.count(number)
        precision, recall = hits / max(1, said), hits / max(1, there)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        rows.append([label, *(round(100 * value, 2) for value in (precision, recall, f1)), there])
    return rows


def confusion(labels: Sequence[str], gold: Sequence[int], guessed: Sequence[int]) -> Table:
    """How often each label, a row, was taken for each other, a column.

    Example:
        >>> confusion(["no", "yes"], [0, 1, 1], [0, 0, 1]).rows
        [['no', 1, 0], ['yes', 1, 1]]
    """
    pairs = Counter(zip(gold, guessed, strict=True))
    numbers = range(len(labels))
    rows: list[list[str | int]] = [[labels[row], *(pairs[row, column] for column in numbers)] for row in numbers]
    return Table("confusions (rows: label, columns: said)", ["", *labels], rows)


def majority(gold: Sequence[int]) -> float:
    """The accuracy of always saying the commonest label, in percent.

    Example:
        >>> majority([0, 1, 1, 2])
        50.0
    """
    return 100 * Counter(gold).most_common(1)[0][1] / len(gold)


def surest_errors(
    labels: Sequence[str], gold: Sequence[int], log_probs: Tensor, texts: Sequence[str], column: str
) -> Table:
    """The wrong labels that a model gave the highest probability; ``log_probs`` are ``[N, K]``."""
    sure, guessed = (found.tolist() for found in log_probs.max(1))
    wrong = sorted((n for n in range(len(gold)) if guessed[n] != gold[n]), key=lambda n: -sure[n])[:HARDEST]
    rows = [[labels[gold[n]], labels[guessed[n]], 100 * math.exp(sure[n]), texts[n]] for n in wrong]
    return Table("surest errors", ["label", "said", "%", column], rows)
