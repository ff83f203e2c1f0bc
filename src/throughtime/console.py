"""What is shown to people: a console whose every text is made visible, and tables as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from throughtime.visible import in_line, visible

WIDE = 10_000
"""Columns of a console that breaks no line."""

GAP = "  "
"""Between two columns of a table."""
FIGURE, LEAST = 24, 10
"""Columns that a figure takes at most, and that a text is left at least."""
FILLED = 40
"""Columns that a text is filled up to where there is no terminal: whoever reads a file has room, but not for ever."""


class VisibleConsole(Console):
    """Prints what was written by others as it stands: no markup, no emoji, and nothing that acts."""

    def __init__(self, **options: object) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)  # type: ignore[arg-type]

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a text; those that steer the terminal are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def cut(text: str, width: int) -> str:
    """A text as a terminal shows it in so many columns: cut with an ellipsis where it is longer, never within a sign.

    A path keeps its end: files of a folder begin alike.

    Example:
        >>> cut("a long text", 7), cut("猫猫猫", 5), cut("short", 5), cut("/data/clips/a.mp4", 9)
        ('a long…', '猫猫…', 'short', '…ps/a.mp4')
    """
    if cell_len(text) <= width:
        return text
    import regex  # where nothing is cut, nothing is paid

    kept, size = "", 0
    is_path = "/" in text.split(" ", 1)[0]
    signs = regex.findall(r"\X", text)  # a letter with its marks, an emoji of several parts
    for sign in reversed(signs) if is_path else signs:
        size += cell_len(sign)
        if size >= width:
            break
        kept = sign + kept if is_path else kept + sign
    if width <= 0:
        return ""
    return f"…{kept}" if is_path else f"{kept.rstrip()}…"


def as_lines(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = (), width: int | None = None
) -> list[Text]:
    """The lines of a table, its headings bold.

    Of a given width every row is one line: headings are wrapped, long texts are cut, figures never. Columns that have
    no room beside the others follow below, the first column before them again. Without a width nothing is cut, and
    what is longer than :data:`FILLED` columns moves what comes after it in its row alone.

    Args:
        columns: Headings.
        rows: Cells.
        right: Columns that stand on the right: figures.
        width: Columns of the terminal; None: as wide as it needs to be.
    """
    # Made visible before it is measured.
    made = [
        _Column(_clean(heading), [_clean(row[at]) for row in rows], heading in right)
        for at, heading in enumerate(columns)
    ]
    if width is None:
        return _block(made, [min(column.natural, FIGURE if column.right else FILLED) for column in made], whole=True)
    lines: list[Text] = []
    for number, block in enumerate(_blocks(made, width)):
        lines += [Text()] * bool(number) + _block(block, _shared(block, width))
    return lines


class _Column:
    """A column of a table, measured."""

    def __init__(self, heading: str, cells: Sequence[str], right: bool) -> None:
        self.heading, self.cells, self.right = heading, cells, right
        sizes = [cell_len(cell) for cell in cells]
        words = max(map(cell_len, heading.split()), default=0)
        # What is longer than any figure is a text among them, such as a path.
        figures = max((size for size in sizes if size <= FIGURE), default=0) if right else 0
        self.natural = max([cell_len(heading), *sizes])
        self.least = max(figures, min(words, FIGURE)) if right else min(self.natural, LEAST)


def _blocks(columns: Sequence[_Column], width: int) -> list[list[_Column]]:
    """Columns that have room beside each other; each block begins with the first column, if that leaves room."""
    blocks: list[list[_Column]] = [[]]
    for column in columns:
        if blocks[-1] and _needed([*blocks[-1], column]) > width:
            first = columns[0]
            blocks.append([first] if _needed([first, column]) <= width else [])
        blocks[-1].append(column)
    return blocks


def _needed(columns: Sequence[_Column]) -> int:
    return sum(column.least for column in columns) + len(GAP) * (len(columns) - 1)


def _shared(columns: Sequence[_Column], width: int) -> list[int]:
    """The width of every column: what it needs at least, and what is left to those that are narrowest."""
    widths = [min(column.least, width) for column in columns]
    for _ in range(width - _needed(columns)):
        wanting = [at for at, column in enumerate(columns) if widths[at] < column.natural]
        if not wanting:
            break
        widths[min(wanting, key=lambda at: widths[at])] += 1
    return widths


def _block(columns: Sequence[_Column], widths: Sequence[int], whole: bool = False) -> list[Text]:
    """Headings and rows."""

    def line(cells: Iterable[str]) -> str:
        kept = zip(columns, cells if whole else map(cut, cells, widths), widths, strict=True)
        filled = (
            " " * (width - cell_len(cell)) + cell if column.right else cell + " " * (width - cell_len(cell))
            for column, cell, width in kept
        )
        return GAP.join(filled).rstrip()

    headings = [
        [column.heading] if whole else _wrapped(column.heading, width)
        for column, width in zip(columns, widths, strict=True)
    ]
    height = max(map(len, headings), default=0)
    above = ([""] * (height - len(words)) + words for words in headings)
    shown = [Text(line(cells), "bold") for cells in zip(*above, strict=True)]
    return shown + [Text(line(cells)) for cells in zip(*(column.cells for column in columns), strict=True)]


def _wrapped(heading: str, width: int) -> list[str]:
    """A heading in lines of so many columns, if its words allow it.

    Example:
        >>> _wrapped("1 % left after", 8), _wrapped("confusion", 8)
        (['1 % left', 'after'], ['confusion'])
    """
    lines: list[str] = []
    for word in heading.split():
        if lines and cell_len(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _clean(cell: str) -> str:
    """In one line, of known width: how far a tab goes depends on where it stands."""
    return in_line(cell).replace("\t", "␉")


def as_text(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """A table as plain text, as wide as it needs to be.

    Example:
        >>> print(as_text(["word", "count"], [["a", "12"]], ["count"]))
        word  count
        a        12
    """
    return "\n".join(line.plain for line in as_lines(columns, rows, right))


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
