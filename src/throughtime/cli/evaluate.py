"""``throughtime evaluate RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from throughtime.cli.shared.common import (
    cell_option,
    json_option,
    open_runs,
    print_report,
    run_argument,
    task_option,
    wide_option,
)
from throughtime.cli.shared.options import RunCommand, task_options


@click.command(name="evaluate", cls=RunCommand, use="evaluate")
@run_argument
@click.argument("paths", nargs=-1)
@cell_option
@task_option
@wide_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: Path,
    paths: tuple[str, ...],
    cell: str | None,
    task: str | None,
    as_json: bool,
    **_: Any,
) -> None:
    """Judge the model in RUN on PATHS; where none are given, on the run's own test data, or its validation data.

    Of a cross-validation every fold's model is judged: mean and spread.
    """
    print_report(open_runs(run, cell, task).evaluate(paths, **task_options(ctx)), as_json)
