"""Options and tables that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from throughtime.cli.output import echo, echo_json, echo_styled
from throughtime.errors import UserError
from throughtime.visible import in_line

if TYPE_CHECKING:
    from throughtime.applications.task import Report, Task

run_argument: Callable[[Any], Any] = click.argument("run", type=click.Path(path_type=Path))
cell_option: Callable[[Any], Any] = click.option(
    "--cell", help="Allow the user's own cell that the model was trained with."
)
task_option: Callable[[Any], Any] = click.option("--task", help="Allow the user's own task that made the model.")
json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def open_task(run: Path, own: str | None) -> Task:
    """The task that made a model folder; code of the user's own only where the user names it.

    Raises:
        UserError: If the folder is damaged, or its task is ``module:Class`` and ``own`` is not the same.
    """
    from throughtime.applications.folder.model_folder import task_of
    from throughtime.tasks import find_task

    name = task_of(run, own)
    try:
        return find_task(name)
    except UserError as error:
        raise UserError(f"{run}: {error}") from error


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table of text on standard output; as wide as it needs to be where that is no terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(in_line(column), justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(in_line(cell)) for cell in row))  # made visible before its width is measured
    echo_styled(table, fold=sys.stdout.isatty())


def print_figures(figures: Mapping[str, Any], as_json: bool) -> None:
    """Figures by name, as a table or as one JSON object."""
    if as_json:
        echo_json(figures)
        return
    shown = {float: "{:,.4f}", int: "{:,}"}
    rows = [[name.replace("_", " "), shown.get(type(value), "{}").format(value)] for name, value in figures.items()]
    print_table(["figure", "value"], rows, right=["value"])


def print_report(report: Report, as_json: bool) -> None:
    """A report's figures and tables, or all of it as one JSON object."""
    if as_json:
        tables = {t.title: [dict(zip(t.columns, row, strict=True)) for row in t.rows] for t in report.tables}
        echo_json({**report.figures, **({"tables": tables} if tables else {})})
        return
    print_figures(report.figures, as_json=False)
    for table in report.tables:
        if not table.rows:
            continue
        echo(f"\n{in_line(table.title)}")
        numbers = [c for i, c in enumerate(table.columns) if any(isinstance(row[i], int | float) for row in table.rows)]
        print_table(table.columns, [[_shown(cell) for cell in row] for row in table.rows], right=numbers)


def _shown(cell: str | int | float) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) >= 0.1 or not cell else f"{cell:.4f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def read_lines(file: str) -> list[str]:
    """The lines of a file, or of standard input (``-``), without line breaks.

    Raises:
        UserError: If it cannot be read, or is not UTF-8.
    """
    from throughtime.data.text.files import read_file

    if file != "-":
        return "".join(read_file(Path(file))).split("\n")
    try:
        return sys.stdin.read().split("\n")
    except UnicodeDecodeError as error:
        raise UserError("expected text in UTF-8 on standard input, got other bytes; convert it first") from error
