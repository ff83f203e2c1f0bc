"""``throughtime predict RUN``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from throughtime.api import Run
from throughtime.api.archive.answering import Answer
from throughtime.api.archive.archive import Archive
from throughtime.api.archive.listing import input_files
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
from throughtime.data.progress import counted
from throughtime.errors import UserError, listed
from throughtime.runtime.reading.files import stdin_lines
from throughtime.visible import tell

UNANSWERED = 3
"""The exit status where some inputs of an archive could not be answered."""


@click.command(name="predict", cls=RunCommand, use="predict")
@run_argument
@click.argument("files", nargs=-1)
@click.option("--line", "lines", multiple=True, help="A line instead of FILES; may be repeated.")
@click.option("--stream", is_flag=True, help="Read a file or standard input as it comes.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that predict, each on one thread; --out is then JSON lines, one for each input.",
)
@click.option("--resume", is_flag=True, help="Go on with such an --out where it was stopped.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a line of JSON for each input to this .jsonl.")
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
    workers: int | None,
    resume: bool,
    out: Path | None,
    cell: str | None,
    task: str | None,
    as_json: bool,
    **_: Any,
) -> int:
    """What the model in RUN makes of its inputs.

    Models of text read every line of a file, or of standard input; an empty line is legal. Models of sound, pictures
    or genomes read FILES, or the files of a folder. Of a table, or of any other file of a kind that training reads, the
    inputs alone are read; --out writes it again with what the model says beside them.

    With --workers or --resume, FILES are an archive: what cannot be read is told and passed over (status 3 at the end),
    and --out is a .jsonl of its own, a line for each input in their order, with which --resume goes on after any end.
    """
    opened = open_run(run, cell, task)
    for caution in opened.cautions:
        tell(f"{run}: {caution}")
    asked = task_options(ctx)
    if workers or resume or (out is not None and "out" not in asked):
        if stream:
            raise UserError(
                "--stream: expected no --workers and no --resume: a stream is read by one process as it comes"
            )
        return _over_archive(opened, files, lines, asked, out, workers=workers or 1, resume=resume, as_json=as_json)
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
    return 0


def _over_archive(
    run: Run,
    files: Sequence[str],
    lines: Sequence[str],
    options: dict[str, Any],
    out: Path | None,
    *,
    workers: int,
    resume: bool,
    as_json: bool,
) -> int:
    """Predicts in processes; gives the exit status."""
    if resume and out is None:
        raise UserError("--resume: expected --out, the file to go on with")
    if "picture" in options:
        raise UserError("--picture: expected one input, without --workers and --resume")
    options = {name: value for name, value in options.items() if name != "out"}
    given: Iterable[str] | None = lines or None
    if not lines and not run.suffixes(**options) and (not files or files[0] == "-"):
        given = map(_ended, stdin_lines(options.get("encoding")))
    archive = Archive(run, options, files=files, lines=given, workers=workers)
    with telling_notes(), waiting("predicting") as pause:
        if out is not None:
            archive.write(out, resume)
        else:
            for answer in (answer for reply in archive.answers() for answer in reply.answers):
                pause()
                _show(answer, as_json)
    pace = archive.pace
    if out is not None:
        tell(f"{out}: answers to {pace.inputs - pace.failed:,} inputs")
    if pace.failed:
        where = "" if out is None else "; their lines say why, under error"
        tell(f"{pace.failed:,} of {pace.inputs:,} inputs could not be answered{where}")
    return UNANSWERED if pace.failed else 0


def _show(answer: Answer, as_json: bool) -> None:
    """A prediction, or why there is none."""
    if answer.error is not None:
        tell(answer.error)
    elif answer.prediction is not None:
        _warn(answer.prediction, answer.input)
        _print(answer.prediction, as_json)


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
        paths = list(input_files(run, files, suffixes))
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
