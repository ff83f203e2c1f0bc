"""Options and tables that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from throughtime.cli.shared.output import echo, echo_json, echo_styled
from throughtime.console import as_lines
from throughtime.errors import UserError
from throughtime.visible import in_line, tell

if TYPE_CHECKING:
    from throughtime.api import CrossValidation, Run
    from throughtime.applications.task import Report, Table


def _known(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    from throughtime.runtime.reading.encodings import check_encoding

    try:
        return None if value is None else check_encoding(value)
    except ValueError as error:
        raise UserError(f"--encoding: {error}, got {value!r}") from error


run_argument: Callable[[Any], Any] = click.argument("run", type=click.Path(path_type=Path))
cell_option: Callable[[Any], Any] = click.option(
    "--cell", help="Allow the user's own cell that the model was trained with."
)
task_option: Callable[[Any], Any] = click.option("--task", help="Allow the user's own task that made the model.")
encoding_option: Callable[[Any], Any] = click.option(
    "--encoding", callback=_known, help="Of text that is not UTF-8; default: as in training."
)
json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


WIDE = f"{__name__}.wide"
"""Where a context keeps that tables are to be shown whole."""


def _be_wide(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[WIDE] = value


WIDE_HELP: dict[str, Any] = {
    "is_flag": True,
    "expose_value": False,
    "callback": _be_wide,
    "help": "Show tables whole, also where they are wider than the terminal.",
}
wide_option: Callable[[Any], Any] = click.option("--wide", **WIDE_HELP)


def open_run(run: Path, cell: str | None, task: str | None) -> Run:
    """The run of a model folder; code of the user's own only where the user names it.

    Raises:
        UserError: If the folder is damaged, or its task is ``module:Class`` and ``task`` is not the same.
    """
    from throughtime.api import Run, open_task

    return Run(run, open_task(run, task), cell=cell)


def open_runs(run: Path, cell: str | None, task: str | None) -> Run | CrossValidation:
    """The run of a model folder, or all those of a cross-validation.

    Raises:
        UserError: As of :func:`open_run`.
    """
    from throughtime.api.folds import CrossValidation, is_cross_validation

    return CrossValidation(run, cell=cell, task=task) if is_cross_validation(run) else open_run(run, cell, task)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table of text on standard output: of a terminal's width, unless ``--wide`` is asked for; else all of it."""
    context = click.get_current_context(silent=True)
    fit = sys.stdout.isatty() and not (context is not None and context.meta.get(WIDE))
    lines = as_lines(columns, rows, right, get_terminal_size().columns if fit else None)
    echo_styled(Text("\n").join(lines))


def print_figures(figures: Mapping[str, Any], as_json: bool) -> None:
    """Figures by name, as a table or as one JSON object."""
    if as_json:
        echo_json(figures)
        return
    from throughtime.applications.task import Report

    print_tables(Report(dict(figures)).shown())


def print_report(report: Report, as_json: bool) -> None:
    """A report's figures and tables, or all of it as one JSON object."""
    if as_json:
        tables = {t.title: [dict(zip(t.columns, row, strict=True)) for row in t.rows] for t in report.tables}
        remarks = {"remarks": list(report.remarks)} if report.remarks else {}
        echo_json({**report.figures, **({"tables": tables} if tables else {}), **remarks})
    else:
        print_tables(report.shown())
    for remark in report.remarks:
        tell(remark)


def print_tables(tables: Sequence[Table]) -> None:
    """Tables, each under its title."""
    for shown in tables:
        if shown.title:
            echo(f"\n{in_line(shown.title)}")
        print_table(shown.headings(), shown.text(), shown.numbers())


def read_lines(file: str, encoding: str | None = None) -> list[str]:
    """The lines of a file, or of standard input (``-``), without line breaks.

    Raises:
        UserError: If it cannot be read, or is not in its encoding.
    """
    from throughtime.runtime.reading.encodings import reading_as
    from throughtime.runtime.reading.files import read_file, stdin_lines
    from throughtime.runtime.text.language import lines_of

    if file == "-":
        return lines_of("".join(stdin_lines(encoding)))
    with reading_as(encoding):
        return lines_of("".join(read_file(Path(file))))


def trained_encoding(run: Run, file: str) -> str | None:
    """The encoding that a run was trained with, for a file; standard input comes from elsewhere."""
    return None if file == "-" else getattr(run.settings, "encoding", None)
