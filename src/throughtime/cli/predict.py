"""``throughtime predict RUN``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console

from throughtime.cli.common import cell_option, json_option, open_task, read_lines, run_argument, task_option
from throughtime.errors import UserError
from throughtime.tasks.base import Asked, Prediction

TOGETHER = 32
"""Lines of a file that are computed together; those of standard input are answered one by one, as they come."""


@click.command(name="predict")
@run_argument
@click.argument("file", default="-")
@click.option("--line", "lines", multiple=True, help="A line instead of FILE; may be repeated.")
@click.option("--nbest", default=1, show_default=True, type=click.IntRange(min=1), help="Results for each line.")
@click.option("--beam", type=click.IntRange(min=1), help="Hypotheses that a search keeps.")
@click.option("--explain", is_flag=True, help="Show what in the input the result rests on.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw that into this PNG, of one line.")
@cell_option
@task_option
@json_option
def command(
    run: Path,
    file: str,
    lines: tuple[str, ...],
    nbest: int,
    beam: int | None,
    explain: bool,
    picture: Path | None,
    cell: str | None,
    task: str | None,
    as_json: bool,
) -> None:
    """What the model in RUN makes of every line of FILE, or of standard input; an empty line is legal."""
    if picture is not None and len(lines) != 1:
        raise UserError(f"--picture: expected one --line to draw, got {len(lines)}; pass --line TEXT")
    predictor = open_task(run, task).predictor(run, cell)
    asked = Asked(nbest, beam, explain, picture)
    for number, group in groups(file, lines):
        for offset, prediction in enumerate(predictor.predict(group, asked)):
            _print(prediction, number + offset, as_json)


def groups(file: str, lines: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Lines to predict together, with the number of the first, from 1."""
    if not lines and file == "-":
        try:
            for number, line in enumerate(sys.stdin, 1):
                yield number, [line.rstrip("\n")]
        except UnicodeDecodeError as error:
            raise UserError("expected text in UTF-8 on standard input, got other bytes; convert it first") from error
        return
    given = lines or read_lines(file)
    if not lines and given[-1] == "":  # what follows the last line break is no line
        given = given[:-1]
    number = 1
    for group in _batched(given):
        yield number, group
        number += len(group)


def _batched(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(lines), TOGETHER):
        yield lines[begin : begin + TOGETHER]


def _print(prediction: Prediction, number: int, as_json: bool) -> None:
    for warning in prediction.warnings:
        click.echo(f"throughtime: line {number}: {warning}", err=True)
    if as_json:
        click.echo(json.dumps(prediction.data, ensure_ascii=False))
    else:
        console = Console(highlight=False, soft_wrap=True)
        with console.capture() as printed:
            console.print(prediction.shown)
        click.echo(printed.get(), nl=False)
    sys.stdout.flush()
