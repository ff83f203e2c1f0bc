"""``throughtime evaluate RUN``."""

from __future__ import annotations

from pathlib import Path

import click

from throughtime.applications.task import Asked
from throughtime.cli.common import (
    beam_option,
    cell_option,
    json_option,
    lm_options,
    open_task,
    print_report,
    run_argument,
    task_option,
)


@click.command(name="evaluate")
@run_argument
@click.argument("paths", nargs=-1)
@beam_option
@lm_options
@cell_option
@task_option
@json_option
def command(
    run: Path,
    paths: tuple[str, ...],
    beam: int | None,
    lm: Path | None,
    lm_weight: float | None,
    word_bonus: float | None,
    cell: str | None,
    task: str | None,
    as_json: bool,
) -> None:
    """Judge the model in RUN on PATHS; where none are given, on the run's own test data, or its validation data."""
    asked = Asked(beam=beam, lm=lm, lm_weight=lm_weight, word_bonus=word_bonus)
    report = open_task(run, task).evaluate(run, paths, cell, asked)
    print_report(report, as_json)
