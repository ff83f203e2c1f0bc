"""Pictures: figures without a screen, written whole or not at all."""

from __future__ import annotations

import re
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.files import write_chunks
from throughtime.visible import in_line, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
MOST = 60.0
"""Inches of a side: what is longer is drawn narrower."""

# Okabe and Ito's colours, which the colour-blind tell apart, dark and light in turn, each with a mark of its own.
COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#8C8C8C")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")

RAISED = str.maketrans("-.0123456789", "⁻·⁰¹²³⁴⁵⁶⁷⁸⁹")
"""Exponents."""

DASHES = ("-", "--", "-.", ":")


def line_style(number: int) -> dict[str, Any]:
    """A line that is told from others by colour, dash and mark, also in grey."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKS[number % len(MARKS)],
        "markersize": 4,
        "markevery": 0.12,
        "lw": 1.4,
    }


def check_picture(path: Path, option: str = "--picture") -> None:
    """Refuses a picture that could not be written, before anything is computed.

    Args:
        path: The file.
        option: What the user gave it as: the beginning of the message.

    Raises:
        UserError: If matplotlib is not installed, or the file cannot be one.
    """
    extra("matplotlib", "plots", option)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{option}: expected a file that ends in {', '.join(SUFFIXES)}, got {path}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{option}: expected a folder that exists, got {path.parent}; make it first")
    if path.is_dir():
        raise UserError(f"{option}: expected a file, got the folder {path}")


def new_figure(width: float, height: float) -> Figure:
    """A figure to draw on, of some inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(min(width, MOST), min(height, MOST)), layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure; the suffix tells the kind. No text of it is taken for maths: a word may hold dollar signs.

    Raises:
        OSError: If the file cannot be written.
    """
    from matplotlib import rc_context

    kind = path.suffix.lower().removeprefix(".")
    with rc_context({"text.parse_math": False}), warnings.catch_warnings():  # ticks are made while it is drawn
        # Letters that the font lacks are boxes in the picture; that is all there is to say of them.
        warnings.filterwarnings("ignore", r"Glyph \d+ |Matplotlib currently does not support", UserWarning)
        _take_literally(figure)
        drawn = BytesIO()
        figure.savefig(drawn, dpi=120, format=kind)
    write_chunks(path, [drawn.getvalue()])


def _take_literally(figure: Figure) -> None:
    """Texts and the labels of ticks are shown as they are written, but for control characters."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
        if text.get_text() != visible(text.get_text()):
            text.set_text(visible(text.get_text()))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        for ticks in (axis.major, axis.minor):  # whose formatter writes anew at every drawing
            _write_plainly(ticks.formatter)


def _write_plainly(formatter: Any) -> None:
    """Powers that the formatter writes as maths stand as plain text, and labels of data in one line."""
    if hasattr(formatter, "written_by"):  # axes may share one
        return
    formatter.written_by = formatter.format_ticks
    own = type(formatter).__name__.startswith("Log")
    formatter.format_ticks = lambda values: [
        plain_power(label) if own else in_line(label) for label in formatter.written_by(values)
    ]


def plain_power(label: str) -> str:
    r"""What matplotlib writes at a logarithmic axis, without maths.

    Example:
        >>> plain_power(r"$\mathdefault{2\times10^{-3}}$"), plain_power(r"$\mathdefault{0.1}$"), plain_power("")
        ('2×10⁻³', '0.1', '')
    """
    found = re.fullmatch(r"\$\\mathdefault\{([^^]*)(?:\^\{(.*)\})?\}\$", label)
    if found is None:
        return label
    return found[1].replace(r"\times", "×") + (found[2] or "").translate(RAISED)
