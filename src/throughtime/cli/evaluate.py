"""``throughtime evaluate RUN``."""

from __future__ import annotations

from pathlib import Path

import click

from throughtime.cli.common import cell_option, json_option, print_figures, run_argument
from throughtime.tasks import find_task
from throughtime.tasks.run import Run


@click.command(name="evaluate")
@run_argument
@click.argument("paths", nargs=-1)
@cell_option
@json_option
def command(run: Path, paths: tuple[str, ...], cell: str | None, as_json: bool) -> None:
    """Judge the model in RUN on PATHS; on the run's own validation data where no PATHS are given."""
    result = find_task(Run.open(run).task).evaluate(run, paths, cell)
    print_figures(result, as_json)
