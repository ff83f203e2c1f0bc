"""How good what is told of series is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from throughtime.applications.judging.labels import HARDEST
from throughtime.applications.task import Report, Table
from throughtime.training import Evaluation


def balanced(report: Report) -> Report:
    """A report on classes with its balanced accuracy: the mean of the classes' recalls, as a share of one."""
    by_label = next(table for table in report.tables if table.title == "by label")
    recalls = [float(row[2]) for row in by_label.rows if row[4]]
    first, *others = report.figures.items()
    share = sum(recalls) / len(recalls) / 100
    return replace(report, figures=dict([first, ("balanced_accuracy", share), *others]))


def number_evaluation(found: Tensor, right: Tensor) -> Evaluation:
    """The root of the mean squared error, which selects, and the mean absolute error."""
    rmse = _rmse(found - right)
    return Evaluation(rmse, {"rmse": rmse, "mae": float((found - right).abs().mean())})


def number_report(found: Tensor, right: Tensor, mean: float, names: Sequence[str]) -> Report:
    """Errors and R² beside those of always saying the mean of the training data; the largest errors.

    Example:
        >>> from torch import tensor
        >>> report = number_report(tensor([1.0, 3.0]), tensor([1.0, 4.0]), 2.5, ["a", "b"])
        >>> round(report.figures["r2"], 3)  # 1 - 1 / 4.5
        0.778
    """
    errors = found - right
    spread = float((right - right.mean()).square().sum())
    largest = errors.abs().argsort(descending=True)[:HARDEST].tolist()
    rows = [[float(right[at]), float(found[at]), float(errors[at]), names[at]] for at in largest]
    return Report(
        {
            "rmse": _rmse(errors),
            "mean_rmse": _rmse(mean - right),
            "mae": float(errors.abs().mean()),
            "mean_mae": float((mean - right).abs().mean()),
            "r2": 1 - float(errors.square().sum()) / spread if spread else float("nan"),
            "examples": len(right),
        },
        [Table("largest errors", ["number", "said", "difference", "series"], rows)],
    )


def _rmse(errors: Tensor) -> float:
    return float(errors.square().mean().sqrt())
