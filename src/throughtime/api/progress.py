"""How far work has come: live in a terminal; elsewhere a training says a line now and then, all else nothing."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.cells import cell_len
from rich.live import Live
from rich.text import Text

from throughtime.console import VisibleConsole
from throughtime.data.progress import is_shown, showing
from throughtime.figures import duration, figure, number
from throughtime.training import Evaluation, Observer, StepReport
from throughtime.visible import in_line

AFTER = 2.0
"""Seconds that pass before anything is shown of work that is not training."""

PLAIN_SECONDS = 10.0
"""Between two lines where there is no terminal."""


class ProgressObserver(Observer):
    """Shows step, loss, rate and time left; evaluations stay on screen.

    Args:
        console: Where.
        unit: What the rate counts.
    """

    def __init__(self, console: VisibleConsole, unit: str = "tokens") -> None:
        self.console, self.unit = console, unit
        self.loss = self.rate = math.nan
        self.shown, self.last = -math.inf, ""
        self.live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None

    def step(self, report: StepReport) -> None:
        """Smooths loss and rate over about fifty steps and shows them."""
        self.loss = _smooth(self.loss, report.loss)
        self.rate = _smooth(self.rate, report.tokens_per_second)
        if self.live is not None:
            if not self.live.is_started:
                self.live.start()
            over = cell_len(self.line(report)) - self.console.width
            self.last = self.line(report, width=min(20, max(0, 20 - over))).lstrip()
            self._update(self.last)
        elif time.monotonic() - self.shown >= PLAIN_SECONDS:
            self.shown = time.monotonic()
            self.say(self.line(report))

    def line(self, report: StepReport, width: int = 20) -> str:
        """One line of progress, after a bar of so many columns."""
        done = int(width * report.share)
        of = f"/{report.total:,}" if report.total else ""
        left = duration(math.ceil(report.seconds_left)) if math.isfinite(report.seconds_left) else "–"
        return (
            f"{'━' * done}{'─' * (width - done)} step {report.step:,}{of}  loss {number(self.loss)}  "
            f"{self.rate:,.0f} {self.unit}/s  {left} left  clipped {100 * report.clipped_share:.0f} %"
            + "".join(f"  {name} {norm:.2g}" for name, norm in report.layers.items())
        )

    def judging(self, done: float, total: float | None, unit: str) -> None:
        """How far a validation has come, behind the live line; see :class:`throughtime.data.progress.Progress`."""
        if self.live is not None and self.live.is_started:
            self._update(f"judging: {_counted(unit, _Told(done, total))}  {self.last}")

    def _update(self, line: str) -> None:
        assert self.live is not None
        self.live.update(Text(in_line(line), no_wrap=True, overflow="ellipsis"))

    def evaluation(self, step: int, evaluation: Evaluation, best: bool) -> None:
        """A line that stays."""
        shown = "  ".join(f"{n.replace('_', ' ')} {figure(n, v)}" for n, v in list(evaluation.figures.items())[:3])
        self.say(f"step {step:,}  validation: {shown}{'  (best)' if best else ''}")

    def close(self) -> None:
        """Clears the live line."""
        if self.live is not None and self.live.is_started:
            self.live.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(in_line(line), soft_wrap=True)


class BriefObserver(ProgressObserver):
    """Shows no evaluations: those of many runs, one after the other, would be a wall."""

    def evaluation(self, step: int, evaluation: Evaluation, best: bool) -> None:
        """Nothing stays."""


class Waiting:
    """What is shown of work that takes long: nothing for two seconds, then how far it has come, gone at its end.

    Args:
        what: The work, in a word.
        console: Where.
    """

    def __init__(self, what: str, console: VisibleConsole) -> None:
        self.what, self.console = what, console
        self.told: dict[str, _Told] = {}
        self.live: Live | None = None
        self.lock = threading.RLock()  # what is told and what is drawn come from two threads
        self.begin()

    def begin(self) -> None:
        """Waits before anything is shown."""
        self.begun = self.whole = time.monotonic()
        self.timer = threading.Timer(AFTER, self._show)
        self.timer.daemon = True
        self.timer.start()

    def __call__(self, done: float, total: float | None, unit: str) -> None:
        """See :class:`throughtime.data.progress.Progress`; what is whole is shown no longer."""
        with self.lock:
            now = time.monotonic()
            begun = self.told[unit].begun if unit in self.told else self.whole
            self.told[unit] = _Told(done, total, begun, now)
            if total is not None and done >= total:
                del self.told[unit]
                self.whole = now

    def pause(self) -> None:
        """Makes room for what is printed on the same terminal; what follows is waited for anew."""
        if sys.stdout.isatty():
            self.close()
            self.begin()

    def close(self) -> None:
        """Clears it."""
        self.timer.cancel()
        with self.lock:
            live, self.live = self.live, None
        if live is not None:
            live.stop()

    def lines(self) -> Text:
        """What is shown: a line for each thing that is counted, the outer ones first."""
        with self.lock:
            lines = [_counted(unit, told) for unit, told in self.told.items()]
        passed = duration(round(time.monotonic() - self.begun))
        shown = [in_line(f"{self.what} … {line}") for line in lines or [passed]]
        return Text("\n".join(shown), no_wrap=True, overflow="ellipsis")

    def _show(self) -> None:
        with self.lock:
            if self.timer.finished.is_set():  # closed meanwhile
                return
            self.live = Live(
                console=self.console,
                get_renderable=self.lines,
                refresh_per_second=4,
                transient=True,
                redirect_stdout=False,  # it may be a file's
            )
            self.live.start()


class _Told(NamedTuple):
    """How far something has come, when it began, and when that was told."""

    done: float
    total: float | None
    begun: float = 0.0
    at: float = 0.0


def _counted(unit: str, told: _Told) -> str:
    """How far it has come, in words.

    Example:
        >>> _counted("examples", _Told(500, 2000, 10.0, 20.0)), _counted("bases", _Told(500, None))
        ('500 of 2,000 examples, 50/s, 30 s left', '500 bases')
    """
    done, total, passed = told.done, told.total, told.at - told.begun
    shown = f"{done:,.0f} {unit}" if total is None else f"{done:,.0f} of {total:,.0f} {unit}"
    if passed < 1 or not done:
        return shown
    rate = done / passed
    left = "" if total is None else f", {duration(math.ceil((total - done) / rate))} left"
    return f"{shown}, {rate:,.{0 if rate >= 10 else 1}f}/s{left}"


@contextmanager
def waiting(what: str, on: bool = True) -> Iterator[Callable[[], None]]:
    """Work of the block shows how far it has come on standard error, where that is a terminal; else nothing is shown.

    Gives what makes room for a line on the same terminal. Within another block it is that one's part.

    Args:
        what: The work, in a word.
        on: Whether to show it.
    """
    console = VisibleConsole(stderr=True)
    if not on or is_shown() or not (sys.stderr.isatty() and console.is_terminal):
        yield lambda: None
        return
    bar = Waiting(what, console)
    try:
        with showing(bar):
            yield bar.pause
    finally:
        bar.close()


def _smooth(old: float, new: float) -> float:
    return new if math.isnan(old) else 0.98 * old + 0.02 * new
