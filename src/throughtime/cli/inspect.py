"""``throughtime inspect RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from throughtime.cli.shared.common import (
    cell_option,
    encoding_option,
    json_option,
    open_run,
    print_table,
    print_tables,
    run_argument,
    task_option,
    wide_option,
)
from throughtime.cli.shared.output import echo, echo_json
from throughtime.errors import UserError
from throughtime.runtime.reading.encodings import reading_as
from throughtime.visible import in_line

if TYPE_CHECKING:
    from throughtime.applications.reading.account import DataRead

TOLD = "\0"
"""Stands for ``--data`` without a path: nobody can type it."""


@click.command(name="inspect")
@run_argument
@click.option(
    "--data",
    "paths",
    multiple=True,
    is_flag=False,
    flag_value=TOLD,
    metavar="[PATH]",
    help="To look at it by; may be repeated. Without PATH, after RUN: tell what training read, and nothing else.",
)
@click.option("--prompt", help="A text to look at a language model by.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the page; default: RUN/inspection.")
@click.option("--rows", default=8, show_default=True, type=click.IntRange(min=1), help="Most sequences.")
@click.option("--length", default=100, show_default=True, type=click.IntRange(min=2), help="Most steps of one.")
@encoding_option
@cell_option
@task_option
@wide_option
@json_option
def command(
    run: Path,
    paths: tuple[str, ...],
    prompt: str | None,
    out: Path | None,
    rows: int,
    length: int,
    encoding: str | None,
    cell: str | None,
    task: str | None,
    as_json: bool,
) -> None:
    """Look inside the model in RUN: gradients through time, the recurrent Jacobian, gates, memory, and a verdict.

    Writes one page that needs nothing beside it, and its figures as PNG.
    """
    opened = open_run(run, cell, task)
    if TOLD in paths:
        if len(paths) > 1 or prompt is not None:
            raise UserError("--data: expected a path each time, or once without one, to be told what training read")
        _tell(opened.read, as_json)
        return
    with reading_as(encoding):
        seen = opened.inspect(paths, prompt=prompt, out=out, rows=rows, length=length)
    if as_json:
        echo_json(seen.data)
        return
    print_table(seen.cells.headings(), seen.cells.text(), seen.cells.right)
    echo()
    for line in seen.verdict:
        echo(in_line(line))
    echo(f"\nthe page: {in_line(str(seen.page))}")


def _tell(read: DataRead, as_json: bool) -> None:
    """What training read."""
    if as_json:
        echo_json(read.data)
        return
    print_tables(read.tables())
    for title, lines in read.lines():
        echo(f"\n{title}")
        for line in lines:
            echo(in_line(line))
