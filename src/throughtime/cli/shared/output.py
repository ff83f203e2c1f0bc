"""The one way out: all that a command prints passes the filter of ``throughtime.visible`` here.

Styles of our own, which are escapes too, are added after it; no other module prints (a test reads the source).
"""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from types import TracebackType
from typing import Any

import click
from rich.console import RenderableType

from throughtime.console import WIDE, VisibleConsole
from throughtime.visible import as_json, visible

CLEAR = "\r\x1b[K"
"""Begins a terminal's line anew."""


def echo(text: str = "", err: bool = False, nl: bool = True) -> None:
    """Prints a text."""
    click.echo(visible(text), err=err, nl=nl)


def echo_json(value: Any) -> None:
    """Prints one line of JSON on standard output."""
    click.echo(as_json(value))


def rewrite(text: str, err: bool = False) -> None:
    """Prints a text over a terminal's present line."""
    click.echo(CLEAR + visible(text), err=err, nl=False)


def echo_styled(shown: RenderableType, end: str = "\n", clear: bool = False) -> None:
    """Prints a text with styles on standard output; lines are as long as they are.

    Args:
        shown: What is printed.
        end: After it.
        clear: Over a terminal's present line.
    """
    console = VisibleConsole(width=WIDE)
    with console.capture() as printed:  # rich has its own way with a closed pipe; click.echo has ours
        console.print(shown, end=end, soft_wrap=True)
    click.echo((CLEAR if clear else "") + printed.get(), nl=False)


class VisibleContext(click.Context):
    """Of a command whose help may hold what others wrote."""

    class Formatter(click.HelpFormatter):
        """Writes help."""

        def getvalue(self) -> str:
            """All of it."""
            return visible(super().getvalue())

    formatter_class = Formatter


def guard_process() -> None:
    """What Python itself prints on standard error passes the filter, too: tracebacks, warnings, lines of a log."""
    written = warnings.formatwarning

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        echo("".join(traceback.format_exception(kind, error, trace)), err=True, nl=False)

    def formatwarning(*arguments: Any, **options: Any) -> str:
        return visible(written(*arguments, **options))

    class Formatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return visible(super().format(record))

    sys.excepthook = excepthook
    warnings.formatwarning = formatwarning
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Formatter())
