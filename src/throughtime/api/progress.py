"""Progress of a training run: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time

from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from throughtime.console import VisibleConsole
from throughtime.training import Evaluation, Observer, StepReport
from throughtime.visible import in_line

PLAIN_SECONDS = 10.0
"""Between two lines where there is no terminal."""


class ProgressObserver(Observer):
    """Shows step, loss, rate and time left; evaluations stay on screen."""

    def __init__(self, console: VisibleConsole) -> None:
        self.console = console
        self.loss = self.rate = math.nan
        self.shown = -math.inf
        self.live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None

    def step(self, report: StepReport) -> None:
        """Smooths loss and rate over about fifty steps and shows them."""
        self.loss = _smooth(self.loss, report.loss)
        self.rate = _smooth(self.rate, report.tokens_per_second)
        if self.live is not None:
            if not self.live.is_started:
                self.live.start()
            self.live.update(Text(in_line(self.line(report)), no_wrap=True, overflow="ellipsis"))
        elif time.monotonic() - self.shown >= PLAIN_SECONDS:
            self.shown = time.monotonic()
            self.say(self.line(report))

    def line(self, report: StepReport) -> str:
        """One line of progress."""
        width = 20
        done = int(width * report.share)
        of = f"/{report.total}" if report.total else ""
        return (
            f"{'━' * done}{'─' * (width - done)} step {report.step}{of}  loss {self.loss:.3f}  "
            f"{self.rate:,.0f} tokens/s  {clock(report.seconds_left)} left  clipped {report.clipped_share:.0%}"
            + "".join(f"  {name} {norm:.2g}" for name, norm in report.layers.items())
        )

    def evaluation(self, step: int, evaluation: Evaluation, best: bool) -> None:
        """A line that stays."""
        shown = "  ".join(f"{n.replace('_', ' ')} {v:.4g}" for n, v in list(evaluation.figures.items())[:3])
        self.say(f"step {step}  validation: {shown}{'  (best)' if best else ''}")

    def close(self) -> None:
        """Clears the live line."""
        if self.live is not None and self.live.is_started:
            self.live.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(in_line(line), soft_wrap=True)


class ReadingBar:
    """How far a long input is read, with rate and time left; nothing where there is no terminal."""

    def __init__(self, console: VisibleConsole) -> None:
        self.console = console
        self.bar: Progress | None = None

    def __call__(self, done: float, total: float | None, unit: str) -> None:
        """See :class:`throughtime.applications.task.Progress`."""
        if not self.console.is_terminal:
            return
        if self.bar is None:
            self.begun = time.monotonic()
            columns = (BarColumn(20), TextColumn("{task.description}", markup=False), TimeRemainingColumn())
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.task = self.bar.add_task("", total=total)
            self.bar.start()
        rate = done / max(time.monotonic() - self.begun, 1e-3)
        of = f" of {total:,.0f}" if total is not None else ""
        self.bar.update(self.task, completed=done, total=total, description=f"{done:,.0f}{of} {unit}, {rate:,.0f}/s")

    def close(self) -> None:
        """Clears it; the next call begins anew."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds.

    Example:
        >>> clock(75), clock(3675), clock(math.inf)
        ('1:15', '1:01:15', '–')
    """
    if not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _smooth(old: float, new: float) -> float:
    return new if math.isnan(old) else 0.98 * old + 0.02 * new
