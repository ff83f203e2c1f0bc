"""``throughtime predict RUN``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from throughtime.api import Run
from throughtime.api.progress import waiting
from throughtime.applications.prediction import Prediction
from throughtime.cli.common import (
    cell_option,
    json_option,
    open_run,
    read_lines,
    run_argument,
    stdin_lines,
    task_option,
    telling_notes,
    trained_encoding,
)
from throughtime.cli.options import RunCommand, task_options
from throughtime.cli.output import echo_json, echo_styled
from throughtime.data.parts import below
from throughtime.data.progress import counted
from throughtime.errors import UserError, listed
from throughtime.visible import tell

TOGETHER = 32
"""Lines of a file that are computed together; those of standard input are answered one by one, as they come."""


@click.command(name="predict", cls=RunCommand, use="predict")
@run_argument
@click.argument("files", nargs=-1)
@click.option("--line", "lines", multiple=True, help="A line instead of FILES; may be repeated.")
@click.option("--stream", is_flag=True, help="Read a file or standard input as it comes.")
@cell_option
@task_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: Path,
    files: tuple[str, ...],
    lines: tuple[str, ...],
    stream: bool,
    cell: str | None,
    task: str | None,
    as_json: bool,
    **_: Any,
) -> None:
    """What the model in RUN makes of its inputs.

    Models of text read every line of a file, or of standard input; an empty line is legal. Models of sound, pictures
    or genomes read FILES, or the files of a folder.
    """
    opened = open_run(run, cell, task)
    for caution in opened.cautions:
        tell(f"{run}: {caution}")
    with telling_notes(), waiting("predicting") as pause:
        for number, prediction in counted(_answers(opened, files, lines, task_options(ctx), stream), "predictions"):
            pause()
            _print(prediction, number, as_json)


def _answers(
    run: Run, files: Sequence[str], lines: Sequence[str], options: dict[str, Any], stream: bool
) -> Iterator[tuple[str, Prediction]]:
    """Predictions, each with the name of its input."""
    suffixes = run.suffixes(**options)
    one = next((name for name in ("picture", "out") if name in options), None)
    if stream:
        if len(files) > 1 or lines:
            raise UserError("--stream: expected one file, or none for standard input")
        path = Path(files[0]) if files and files[0] != "-" else None
        for prediction in run.stream(path, **options):
            yield str(path or "standard input"), prediction
    elif suffixes and not lines:
        paths = list(_paths(files, suffixes))
        if one and len(paths) != 1:
            raise UserError(f"--{one}: expected one file to read, got {len(paths)}")
        for path in paths:
            for prediction in run.predict_file(path, **options):
                yield str(path), prediction
    else:
        if len(files) > 1:
            raise UserError(f"expected one file of lines, got {len(files)}: {listed(files)}")
        if one and len(lines) != 1:
            raise UserError(f"--{one}: expected one --line to draw, got {len(lines)}; pass --line TEXT")
        file = files[0] if files else "-"
        encoding = options.get("encoding") or trained_encoding(run, file)
        for number, group in groups(file, lines, encoding):
            for offset, prediction in enumerate(run.predict_lines(group, **options)):
                yield f"line {number + offset}", prediction


def _paths(files: Sequence[str], suffixes: Sequence[str]) -> Iterator[Path]:
    """The files named, and those of a known kind in the folders named."""
    if not files:
        raise UserError(f"expected files to read ({listed(suffixes)}), got none")
    for path in map(Path, files):
        if not path.is_dir():
            yield path
            continue
        inside = [file for file in below(path) if file.suffix.lower() in suffixes]
        if not inside:
            raise UserError(f"{path}: expected files of {listed(suffixes)} in it, found none")
        yield from inside


def groups(file: str, lines: Sequence[str], encoding: str | None) -> Iterator[tuple[int, Sequence[str]]]:
    """Lines to predict together, with the number of the first, from 1."""
    if not lines and file == "-":
        for number, line in enumerate(stdin_lines(encoding), 1):
            yield number, [line.removesuffix("\n").removesuffix("\r")]
        return
    given = lines or read_lines(file, encoding)
    if not lines and given[-1] == "":  # what follows the last line break is no line
        given = given[:-1]
    number = 1
    for group in _batched(given):
        yield number, group
        number += len(group)


def _batched(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(lines), TOGETHER):
        yield lines[begin : begin + TOGETHER]


def _print(prediction: Prediction, name: str, as_json: bool) -> None:
    for warning in prediction.warnings:
        tell(f"{name}: {warning}")
    if as_json:
        echo_json(prediction.data)
    else:
        terminal = sys.stdout.isatty()
        # In a terminal what may change yet is written over by what comes after it.
        echo_styled(prediction.shown, "" if terminal and not prediction.final else "\n", clear=terminal)
