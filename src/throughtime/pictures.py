"""Pictures: figures without a screen, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
MOST = 60.0
"""Inches of a side: what is longer is drawn narrower."""

# Okabe and Ito's colours, which the colour-blind tell apart, dark and light in turn, each with a mark of its own.
COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#8C8C8C")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")


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
    """Writes a figure; the suffix tells the kind.

    Raises:
        OSError: If the file cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    write_atomically(path, lambda partial: figure.savefig(partial, dpi=120, format=kind))
