"""What is shown to people: a console whose every text is made visible, and tables as text and as HTML."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from throughtime.visible import in_line, visible

if TYPE_CHECKING:
    from rich.table import Table

WIDE = 10_000
"""Columns of a console that breaks no line."""


class VisibleConsole(Console):
    """Prints what was written by others as it stands: no markup, no emoji, and nothing that acts."""

    def __init__(self, **options: object) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)  # type: ignore[arg-type]

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a text; those that steer the terminal are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> Table:
    """A table for a console; ``right`` names columns that stand on the right."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(in_line(column), justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(in_line(cell)) for cell in row))  # made visible before its width is measured
    return made


def as_text(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """A table as plain text, as wide as it needs to be.

    Example:
        >>> print(as_text(["word", "count"], [["a", "12"]], ["count"]))
        word  count
        a        12
    """
    console = VisibleConsole(width=WIDE, file=io.StringIO(), color_system=None)
    with console.capture() as printed:
        Console.print(console, table(columns, rows, right))
    return "\n".join(line.rstrip() for line in printed.get().rstrip("\n").split("\n"))


def as_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """A table as HTML that acts on nothing: what it says is escaped. One that is too wide moves below its edge.

    Sides are named for every cell: notebooks have defaults of their own, which differ.

    Example:
        >>> print(as_table("", ["a<b"], [["1"]]).partition("<thead>")[2].partition("</thead>")[0])
        <tr><th style="text-align: left; padding: 0 0.6em">a&lt;b</th></tr>
    """

    def cell(tag: str, column: str, text: str) -> str:
        side = "right" if column in right else "left"
        return f'<{tag} style="text-align: {side}; padding: 0 0.6em">{escape(in_line(text))}</{tag}>'

    style = "text-align: left; font-weight: bold; white-space: nowrap; padding: 0.4em 0.6em"
    caption = f'<caption style="{style}">{escape(in_line(title))}</caption>' if title else ""
    head = "".join(cell("th", column, column) for column in columns)
    body = "".join(
        f"<tr>{''.join(cell('td', c, text) for c, text in zip(columns, row, strict=True))}</tr>" for row in rows
    )
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x: auto">{table}</div>'
