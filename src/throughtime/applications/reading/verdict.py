"""Whether a run has learnt more than guessing tells, and has seen its data, as its end and ``predict`` say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from throughtime.applications.reading.account import Guess, read_account
from throughtime.applications.reading.baselines import Baseline, explained
from throughtime.figures import figure
from throughtime.training import Progress
from throughtime.training.metrics import best_of, read_metrics

HELPS = "what helps: more passes (--epochs), another --lr, or more data"


def hardly_learnt(guess: Guess | None, figures: Mapping[str, Any]) -> list[str]:
    """A line where a validation is no better than guessing; none where that is not known.

    Example:
        >>> hardly_learnt(Guess("accuracy", 60.0, "always saying 'a'", higher=True), {"accuracy": 55.0})[0]
        "hardly learnt: validation accuracy 55.0 %, and always saying 'a' gives 60.0 %; what helps: ...
        >>> hardly_learnt(Guess("accuracy", 60.0, "always saying 'a'", higher=True), {"accuracy": 75.0})
        []
    """
    return [f"hardly learnt: validation {worse}; {HELPS}" for worse in _no_better(guess, figures)]


def no_better(guess: Guess | None, figures: Mapping[str, Any]) -> list[str]:
    """A line where what a model is judged by shows it no better than guessing.

    Example:
        >>> no_better(Guess("word_error", 100.0, "hearing nothing", higher=False), {"word_error": 120.0})
        ['no better than guessing: word error 120.0 %, and hearing nothing gives 100.0 %']
    """
    return [f"no better than guessing: {worse}" for worse in _no_better(guess, figures)]


def remarks_on(figures: Mapping[str, Any], baselines: Sequence[Baseline], rival: Guess | None) -> list[str]:
    """What whoever reads the figures of a report should know of those beside them.

    Args:
        figures: Of the report.
        baselines: Figures that stand beside the model's; where one is better, it is explained.
        rival: What guessing comes to; told where it is as good.
    """
    return [*no_better(rival, figures), *explained(baselines, figures)]


def _no_better(guess: Guess | None, figures: Mapping[str, Any]) -> list[str]:
    value = None if guess is None else figures.get(guess.figure)
    if guess is None or value is None or guess.beaten(value):
        return []
    got, guessed = (figure(guess.figure, float(number)) for number in (value, guess.value))
    return [f"{guess.figure.replace('_', ' ')} {got}, and {guess.how} gives {guessed}"]


def fitted(figures: Mapping[str, Any]) -> list[str]:
    """A line where a temperature was fitted to the validation data (:mod:`throughtime.training.calibration`).

    Example:
        >>> fitted({"calibration_error": 4.12, "temperature": 1.84, "calibration_error_without": 11.2})
        ['temperature 1.84 (validation: calibration error 11.2 → 4.1 points)']
    """
    if "temperature" not in figures:
        return []
    temperature, before = figures["temperature"], figures["calibration_error_without"]
    after = figures["calibration_error"]
    return [f"temperature {temperature:.3g} (validation: calibration error {before:.1f} → {after:.1f} points)"]


def at_the_end(folder: Path, progress: Progress, batches: int) -> list[str]:
    """What a run that has ended tells of itself.

    Args:
        folder: Of the run.
        progress: Where it stands.
        batches: Of a pass.
    """
    read = read_account(folder)
    lines = hardly_learnt(None if read is None else read.guess, progress.best_figures)
    lines += fitted(progress.best_figures)
    if progress.epoch == 0:
        share = 100 * progress.index / batches
        lines.append(f"saw {share:.0f} % of the training data, less than a pass; give it more --minutes, or --steps")
    return lines


def cautions(folder: Path) -> list[str]:
    """What whoever uses the model of a folder should know; nothing where the folder does not tell.

    Raises:
        UserError: If its log or its ``data.json`` is damaged.
    """
    read = read_account(folder)
    if read is None or read.guess is None:
        return []
    return hardly_learnt(read.guess, best_of(read_metrics(folder / "metrics.jsonl")))
