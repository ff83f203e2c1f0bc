"""What models of clips tell: the class of a video, window by window, or of a sequence of key points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

from rich.text import Text

from throughtime.applications.judging.classification import chances_html
from throughtime.applications.prediction import Prediction, bars
from throughtime.data.video.keypoints import PointSequence
from throughtime.pictures import COLOURS
from throughtime.runtime.video.windows import Window, overall
from throughtime.visible import visible

LISTED = 40
"""Most spans of a long video that are listed for people; ``--json`` has all windows."""

TRACK, HEIGHT = 1000, 100
"""Of a track, in units of its own."""


@dataclass(frozen=True)
class ActionWindow:
    """What is seen in a piece of a video.

    Attributes:
        start: Seconds from the beginning.
        end: The same, of its end.
        label: The likeliest class.
        probabilities: Of every class, the likeliest first.
        attention: How much of each step the result rests on, where that was asked for; sums to 1.
    """

    start: float
    end: float
    label: str
    probabilities: dict[str, float]
    attention: Sequence[float] | None = None


@dataclass(frozen=True, repr=False, kw_only=True)
class VideoPrediction(Prediction):
    """The class of a video.

    Attributes:
        file: Its path, or the number of an input that comes from memory.
        label: The likeliest class.
        probabilities: Of every class, the likeliest first: the mean of the windows', each by its length.
        seconds: Its length.
        windows: What is seen when.
    """

    file: str
    label: str
    probabilities: dict[str, float]
    seconds: float
    windows: Sequence[ActionWindow]

    def __post_init__(self) -> None:
        super().__post_init__()
        rows = [{name: value for name, value in row.items() if value is not None} for row in self.data["windows"]]
        object.__setattr__(self, "data", {**self.data, "windows": rows})

    def _repr_html_(self) -> str:
        """Bars below the text: the probabilities, and where there are several windows, theirs over time."""
        bars = chances_html(self.probabilities)
        times = over_time(self.windows, [*self.probabilities]) if len(self.windows) > 1 else ""
        return f"<div>{super()._repr_html_()}{bars}{times}</div>"


@dataclass(frozen=True, repr=False, kw_only=True)
class PointsPrediction(Prediction):
    """The class of a sequence of key points.

    Attributes:
        where: File and line, or the number of an input that comes from memory.
        clip: What the table calls it; its line, or number, where it has no name.
        label: The likeliest class.
        probabilities: Of every class, the likeliest first.
        steps: Its length.
        attention: How much of each step the result rests on, where that was asked for; sums to 1.
    """

    where: str
    clip: str
    label: str
    probabilities: dict[str, float]
    steps: int
    attention: Sequence[float] | None = None

    def _repr_html_(self) -> str:
        """The probabilities as bars below the text."""
        return f"<div>{super()._repr_html_()}{chances_html(self.probabilities)}</div>"


def show_windows(file: str, windows: Sequence[Window], warnings: Sequence[str], options: Any) -> VideoPrediction:
    """The class of a video, and what is seen when where it has several windows."""
    chances = overall(windows)
    shown = Text(f"{_percents(chances, options.nbest)}  {file}")
    if options.explain:
        lines = [_attention(window, " s", named=len(windows) > 1) for window in windows]
    else:
        lines = _timeline(windows) if len(windows) > 1 else []
    shown.append("".join(f"\n  {line}" for line in lines), "dim")
    return VideoPrediction(
        shown,
        file=file,
        label=next(iter(chances)),
        probabilities=chances,
        seconds=windows[-1].end,
        windows=[_told(window, options.explain) for window in windows],
        warnings=warnings,
    )


def show_points(sequence: PointSequence, window: Window, options: Any) -> PointsPrediction:
    """The class of a sequence of key points."""
    chances = overall([window])
    shown = Text(f"{_percents(chances, options.nbest)}  {sequence.where}")
    if options.explain:
        shown.append(f"\n  {_attention(window, '', named=False)}", "dim")
    return PointsPrediction(
        shown,
        where=sequence.where,
        clip=sequence.clip,
        label=window.label,
        probabilities=chances,
        steps=len(sequence.points),
        attention=window.attention if options.explain else None,
    )


def _percents(chances: dict[str, float], most: int) -> str:
    return "  ".join(f"{name} {100 * chance:.1f} %" for name, chance in [*chances.items()][:most])


def _span(start: float, end: float) -> str:
    return f"{start:.1f}–{end:.1f}"


def _told(window: Window, explain: bool) -> ActionWindow:
    chances = dict(sorted(window.chances.items(), key=lambda pair: -pair[1]))
    return ActionWindow(window.start, window.end, window.label, chances, window.attention if explain else None)


def _attention(window: Window, unit: str, named: bool) -> str:
    label = f"  {_percents({window.label: window.chances[window.label]}, 1)}" if named else ""
    at, most = window.best
    when = f"{at:.1f}{unit}" if unit else f"step {int(at) + 1}"
    span = f"{_span(window.start, window.end)}{unit}" if unit else f"steps 1–{len(window.attention)}"
    return f"{span}{label}  attention {bars(window.attention)}  most at {when} ({100 * most:.0f} %)"


def _timeline(windows: Sequence[Window]) -> list[str]:
    """Spans of windows of one class."""
    lines = []
    for label, group in groupby(windows, key=lambda window: window.label):
        members = list(group)
        chance = overall(members)[label]
        lines.append(f"{_span(members[0].start, members[-1].end)} s  {label} {100 * chance:.1f} %")
    rest = len(lines) - LISTED
    return lines if rest <= 0 else [*lines[:LISTED], f"… and {rest:,} more spans; --json has all"]


def over_time(windows: Sequence[ActionWindow], labels: Sequence[str]) -> str:
    """The probabilities of windows as SVG: a stack of bars each, in the colours that the legend below names.

    Example:
        >>> found = over_time([ActionWindow(0, 1, "a", {"a": 0.75, "b": 0.25})], ["a", "b"])
        >>> found.count("<rect"), 'y="0" width="1000" height="75"' in found
        (2, True)
    """
    seen = COLOURS[1:]  # black is not seen on a dark page
    colours = {label: seen[number % len(seen)] for number, label in enumerate(labels)}
    scale, rects = TRACK / windows[-1].end, []
    for window in windows:
        left, width, below = scale * window.start, scale * (window.end - window.start), 0.0
        for label, colour in colours.items():
            height = HEIGHT * window.probabilities[label]
            place = f'x="{left:.6g}" y="{below:.6g}" width="{width:.6g}" height="{height:.6g}"'
            rects.append(f'<rect {place} fill="{colour}"><title>{_hint(window, label)}</title></rect>')
            below += height
    names = "  ".join(f'<span style="color: {colour}">■</span> {_safe(label)}' for label, colour in colours.items())
    return (
        f'<svg viewBox="0 0 {TRACK} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'style="width: 100%; max-width: 60em; height: 4em">{"".join(rects)}</svg><div>{names}</div>'
    )


def _hint(window: ActionWindow, label: str) -> str:
    return f"{_span(window.start, window.end)} s: {_safe(label)} {100 * window.probabilities[label]:.1f} %"


def _safe(text: str) -> str:
    return escape(visible(text))
