"""``throughtime inspect RUN``."""

from __future__ import annotations

from pathlib import Path

import click

from throughtime.cli.common import (
    cell_option,
    encoding_option,
    json_option,
    open_run,
    print_table,
    run_argument,
    task_option,
)
from throughtime.cli.output import echo, echo_json
from throughtime.data.encodings import reading_as
from throughtime.visible import in_line


@click.command(name="inspect")
@run_argument
@click.option("--data", "paths", multiple=True, metavar="PATH", help="To look at it by; may be repeated.")
@click.option("--prompt", help="A text to look at a language model by.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the page; default: RUN/inspection.")
@click.option("--rows", default=8, show_default=True, type=click.IntRange(min=1), help="Most sequences.")
@click.option("--length", default=100, show_default=True, type=click.IntRange(min=2), help="Most steps of one.")
@encoding_option
@cell_option
@task_option
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
    with reading_as(encoding):
        seen = open_run(run, cell, task).inspect(paths, prompt=prompt, out=out, rows=rows, length=length)
    if as_json:
        echo_json(seen.data)
        return
    print_table(seen.cells.columns, seen.cells.text(), seen.cells.right)
    echo()
    for line in seen.verdict:
        echo(in_line(line))
    echo(f"\nthe page: {in_line(str(seen.page))}")
