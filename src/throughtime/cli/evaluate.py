"""``throughtime evaluate RUN``."""

from __future__ import annotations

from pathlib import Path

import click

from throughtime.cli.common import cell_option, json_option, open_task, print_report, run_argument, task_option


@click.command(name="evaluate")
@run_argument
@click.argument("paths", nargs=-1)
@cell_option
@task_option
@json_option
def command(run: Path, paths: tuple[str, ...], cell: str | None, task: str | None, as_json: bool) -> None:
    """Judge the model in RUN on PATHS; where none are given, on the run's own test data, or its validation data."""
    report = open_task(run, task).evaluate(run, paths, cell)
    print_report(report, as_json)
