"""Pictures: figures without a screen, written whole or not at all."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime.errors import UserError, listed
from throughtime.extras import extra
from throughtime.files import write_chunks
from throughtime.visible import in_line, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
MOST = 60.0
"""Inches of a side: what is longer is drawn narrower."""
DPI = 150
"""Dots of an inch."""
TITLE = 10
"""Points of a title's letters; about eleven of them stand in an inch."""

FONTS = (
    "DejaVu Sans",
    *(f"Noto Sans CJK {place}" for place in ("SC", "JP", "KR", "TC")),
    *("Noto Sans", "Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Thai", "Noto Emoji"),
    *("WenQuanYi Zen Hei", "IPAGothic", "Droid Sans Fallback", "Arial Unicode MS"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
)
"""Where letters are looked for, one after the other; what a machine lacks of them is passed over."""
LABEL = 52
"""Letters of a label in a legend or at a tick."""
BESIDE = 16
"""Letters of a line beside the axes."""
LACKING = 12
"""Letters that no font has, named in a picture's note at most."""

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
        "lw": max(1.2, 2.2 - 0.25 * number),  # a line that lies under another shows at its sides
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
        raise UserError(f"{option}: expected a file that ends in {listed(SUFFIXES)}, got {path}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{option}: expected a folder that exists, got {path.parent}; make it first")
    if path.is_dir():
        raise UserError(f"{option}: expected a file, got the folder {path}")


def new_figure(width: float, height: float, *title: str) -> Figure:
    """A figure to draw on, of some inches, and what stands above it: each line is cut where it is too long."""
    from matplotlib.figure import Figure

    width, height = min(width, MOST), min(height, MOST)
    figure = Figure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle("\n".join(_cut(in_line(line), int(11 * width)) for line in title), fontsize=TITLE)
    return figure


def short_name(path: str | Path) -> str:
    """A file or a run as a title names it: its folder and itself.

    Example:
        >>> short_name("/home/me/runs/adding/gru")
        'adding/gru'
    """
    return "/".join(Path(path).parts[-2:]).lstrip("/")


def tidy(axes: Any) -> None:
    """A grid behind the lines, and their names where they are told apart by them."""
    axes.grid(color="0.88", lw=0.6)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")


def mark_level(axes: Any, height: float, label: str) -> None:
    """A grey line across, which says beside the axes, where no curve runs, what it stands for."""
    axes.axhline(height, color="0.4", lw=1, zorder=1)
    place = ((1, height), (4, 0), ("axes fraction", "data"), "offset points")
    axes.annotate(textwrap.fill(label, BESIDE), *place, ha="left", va="center", fontsize=8, color="0.3")


def whole_steps(axis: Any) -> None:
    """Ticks at whole numbers alone: there is no half a step."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure; the suffix tells the kind. No text of it is taken for maths: a word may hold dollar signs.

    Labels of ticks that would touch are thinned, and a note tells of letters that no font of this machine has.

    Raises:
        OSError: If the file cannot be written.
    """
    from matplotlib import rc_context

    file = BytesIO()
    figure.set_dpi(DPI)
    with rc_context({"text.parse_math": False, "font.sans-serif": _fonts()}):  # ticks are made while it is drawn
        _take_literally(figure)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            figure.draw_without_rendering()
            for axis in _axes_of(figure):
                _thin(figure, axis)
            lacking = _lacking(told)
            if lacking:
                note = "□ stands for letters that no font here has: " + " ".join(lacking)
                figure.supxlabel(f"{note}; Noto Sans CJK has many", fontsize=7, color="0.3", parse_math=False)
                figure.draw_without_rendering()
            figure.set_layout_engine("none")  # it is laid out: once more would take as long as drawing it
            figure.savefig(file, format=path.suffix.lower().removeprefix("."))
    write_chunks(path, [file.getvalue()])


def _cut(text: str, most: int) -> str:
    """A text of so many letters at most.

    Example:
        >>> _cut("runs/first", 6), _cut("first", 6)
        ('runs/…', 'first')
    """
    return text if len(text) <= most else f"{text[: max(0, most - 1)]}…"


def _fonts() -> list[str]:
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return [name for name in FONTS if name in there]


def _lacking(told: Sequence[warnings.WarningMessage]) -> list[str]:
    """Numbers of the letters that matplotlib warned of, as Unicode writes them, each once, and not too many."""
    found = dict.fromkeys(re.findall(r"Glyph (\d+) ", " ".join(str(one.message) for one in told)))
    codes = [f"U+{int(number):04X}" for number in found]
    return codes if len(codes) <= LACKING else [*codes[:LACKING], f"… and {len(codes) - LACKING} more"]


def _axes_of(figure: Figure) -> Iterator[Any]:
    for axes in figure.axes:
        yield from (axes.xaxis, axes.yaxis)


def _thin(figure: Figure, axis: Any) -> None:
    """Leaves labels out until no two of an axis touch: first those between the powers, then every other one."""
    for _ in range(8):
        boxes = tick_boxes(axis)
        if not any(one.overlaps(other) for one, other in pairwise(boxes)):
            return
        minor = axis.minor.formatter
        if any(label.get_text() for label in axis.get_ticklabels(minor=True)) and not getattr(minor, "mute", False):
            minor.mute = True
        else:
            axis.major.formatter.every = 2 * getattr(axis.major.formatter, "every", 1)
        figure.draw_without_rendering()


def tick_boxes(axis: Any) -> list[Any]:
    """Where the labels of an axis stand that are seen, from one end to the other, in dots."""
    if not axis.axes.get_visible() or not axis.get_visible() or not axis.axes.axison:
        return []
    across = axis.axis_name == "x"
    low, high = sorted(axis.get_view_interval())
    slack = 1e-6 * (high - low)
    labels = [
        tick.label1
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        if tick.label1.get_visible() and tick.label1.get_text() and low - slack <= tick.get_loc() <= high + slack
    ]
    return sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0 if across else box.y0)


def _take_literally(figure: Figure) -> None:
    """Texts and the labels of ticks are shown as they are written, but for control characters."""
    from matplotlib.text import Text

    for legend in filter(None, (*figure.legends, *(axes.get_legend() for axes in figure.axes))):
        for text in legend.get_texts():
            text.set_text(_cut(text.get_text(), LABEL))
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        if text.get_text() != visible(text.get_text()):
            text.set_text(visible(text.get_text()))
    for axis in _axes_of(figure):
        for ticks in (axis.major, axis.minor):  # whose formatter writes anew at every drawing
            _write_plainly(ticks.formatter)


def _write_plainly(formatter: Any) -> None:
    """Powers that the formatter writes as maths stand as plain text, and labels of data in one line.

    Of labels that would touch, only one out of ``formatter.every`` is written, and none where it is ``mute``.
    """
    if hasattr(formatter, "written_by"):  # axes may share one
        return
    formatter.written_by = formatter.format_ticks
    own = type(formatter).__name__.startswith("Log")

    def written(values: Sequence[float]) -> list[str]:
        labels = [plain_power(label) if own else _cut(in_line(label), LABEL) for label in formatter.written_by(values)]
        every = len(labels) + 1 if getattr(formatter, "mute", False) else getattr(formatter, "every", 1)
        there = [number for number, label in enumerate(labels) if label]
        kept = set(there[:: min(every, len(there) or 1)]) if every <= len(labels) else set()
        return [label if number in kept else "" for number, label in enumerate(labels)]

    formatter.format_ticks = written


def plain_power(label: str) -> str:
    r"""What matplotlib writes at a logarithmic axis, without maths: a plain number where it is short.

    Example:
        >>> plain_power(r"$\mathdefault{2\times10^{-3}}$"), plain_power(r"$\mathdefault{10^{-7}}$"), plain_power("")
        ('0.002', '10⁻⁷', '')
    """
    found = re.fullmatch(r"\$\\mathdefault\{(-?)(?:([\d.]+)\\times)?10\^\{(-?\d+)\}\}\$", label)
    if found is None:
        return (
            label.removeprefix(r"$\mathdefault{").removesuffix("}$") if label.startswith(r"$\mathdefault{") else label
        )
    sign, factor, power = found[1], found[2], int(found[3])
    if -3 <= power <= 4:
        return f"{sign}{float(factor or 1) * 10.0**power:,.10g}"
    return f"{sign}{f'{factor}×' if factor else ''}10{found[3].translate(RAISED)}"
