"""Options and tables that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from throughtime.errors import UserError

run_argument: Callable[[Any], Any] = click.argument("run", type=click.Path(path_type=Path))
cell_option: Callable[[Any], Any] = click.option(
    "--cell", help="Allow the user's own cell that the model was trained with."
)
json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table of text on standard output; as wide as it needs to be where that is no terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as Text: what looks like markup is the user's own
    width = None if sys.stdout.isatty() else 10_000
    console = Console(width=width, highlight=False)
    with console.capture() as printed:  # rich has its own way with a closed pipe; click.echo has ours
        console.print(table, soft_wrap=width is not None)
    click.echo(printed.get(), nl=False)


def print_figures(figures: Mapping[str, Any], as_json: bool) -> None:
    """Figures by name, as a table or as one JSON object."""
    if as_json:
        click.echo(json.dumps(figures))
        return
    shown = {float: "{:,.4f}", int: "{:,}"}
    rows = [[name.replace("_", " "), shown.get(type(value), "{}").format(value)] for name, value in figures.items()]
    print_table(["figure", "value"], rows, right=["value"])


def read_lines(file: str) -> list[str]:
    """The lines of a file, or of standard input (``-``), without line breaks.

    Raises:
        UserError: If it cannot be read, or is not UTF-8.
    """
    from throughtime.data.text import read_file

    if file != "-":
        return "".join(read_file(Path(file))).split("\n")
    try:
        return sys.stdin.read().split("\n")
    except UnicodeDecodeError as error:
        raise UserError("expected text in UTF-8 on standard input, got other bytes; convert it first") from error
