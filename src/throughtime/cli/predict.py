"""``throughtime predict RUN``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from throughtime.api import Run
from throughtime.api.progress import waiting
from throughtime.api.telling import telling_notes
from throughtime.applications.options import Tabled
from throughtime.applications.prediction import Prediction
from throughtime.cli.shared.common import (
    cell_option,
    json_option,
    open_run,
    run_argument,
    task_option,
)
from throughtime.cli.shared.options import RunCommand, task_options
from throughtime.cli.shared.output import echo_json, echo_styled
from throughtime.data.parts import below
from throughtime.data.progress import counted
from throughtime.errors import UserError, listed
from throughtime.runtime.reading.files import stdin_lines
from throughtime.visible import tell


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
    or genomes read FILES, or the files of a folder. Of a table, or of any other file of a kind that training reads, the
    inputs alone are read; --out writes it again with what the model says beside them.
    """
    opened = open_run(run, cell, task)
    for caution in opened.cautions:
        tell(f"{run}: {caution}")
    asked = task_options(ctx)
    beside = asked.get("out") if issubclass(opened.options("predict"), Tabled) else None
    with telling_notes(), waiting("predicting") as pause:
        count = 0
        for name, prediction in counted(_answers(opened, files, lines, asked, stream), "predictions"):
            count += 1
            if prediction.warnings or beside is None:
                pause()
            _warn(prediction, name)
            if beside is None:
                _print(prediction, as_json)
    if beside is not None:
        tell(f"{beside}: predictions for {count:,} inputs")


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
        paths = list(_paths(run, files, suffixes))
        if one and len(paths) != 1:
            raise UserError(f"--{one}: expected one file to read, got {len(paths)}")
        for path in paths:
            yield from run.answers(path, **options)
    elif len(files) > 1:
        raise UserError(f"expected one file of lines, got {len(files)}: {listed(files)}")
    elif lines or (files and files[0] != "-"):
        yield from run.answers_to_lines(lines, **options) if lines else run.answers(files[0], **options)
    elif "picture" in options:
        raise UserError("--picture: expected one --line to draw, got 0; pass --line TEXT")
    elif one:
        given = [_ended(line) for line in stdin_lines(options.get("encoding"))]
        yield from run.answers_to_lines(given, **options)
    else:  # answered one by one, as they come
        for number, line in enumerate(stdin_lines(options.get("encoding")), 1):
            for prediction in run.predict_lines([_ended(line)], **options):
                yield f"line {number}", prediction


def _ended(line: str) -> str:
    """A line of standard input without its end."""
    return line.removesuffix("\n").removesuffix("\r")


def _paths(run: Run, files: Sequence[str], suffixes: Sequence[str]) -> Iterator[Path]:
    """The files named, and those of a known kind in the folders named."""
    if not files:
        raise UserError(f"expected files to read ({listed(suffixes)}), got none")
    for path in map(Path, files):
        if not path.is_dir() or run.is_whole(path):
            yield path
            continue
        inside = [file for file in below(path) if file.suffix.lower() in suffixes]
        if not inside:
            raise UserError(f"{path}: expected files of {listed(suffixes)} in it, found none")
        yield from inside


def _warn(prediction: Prediction, name: str) -> None:
    for warning in prediction.warnings:
        tell(f"{name}: {warning}")


def _print(prediction: Prediction, as_json: bool) -> None:
    if as_json:
        echo_json(prediction.data)
    else:
        terminal = sys.stdout.isatty()
        # In a terminal what may change yet is written over by what comes after it.
        echo_styled(prediction.shown, "" if terminal and not prediction.final else "\n", clear=terminal)
