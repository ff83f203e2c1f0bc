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
    """A table as HTML that acts on nothing: what it says is escaped.

    Example:
        >>> as_table("", ["a<b"], [["1"]])
        '<table><thead><tr><th>a&lt;b</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>'
    """

    def cell(tag: str, column: str, text: str) -> str:
        style = ' style="text-align: right"' if column in right else ""
        return f"<{tag}{style}>{escape(in_line(text))}</{tag}>"

    caption = f"<caption>{escape(in_line(title))}</caption>" if title else ""
    head = "".join(cell("th", column, column) for column in columns)
    body = "".join(
        f"<tr>{''.join(cell('td', c, text) for c, text in zip(columns, row, strict=True))}</tr>" for row in rows
    )
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
