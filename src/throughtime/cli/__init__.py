"""The command line, a file a subcommand. Nothing here imports torch before a command needs it."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

import click

from throughtime._version import __version__
from throughtime.cli.shared.output import VisibleContext, echo, guard_process
from throughtime.errors import UserError, listed, nearest
from throughtime.visible import tell, visible

COMMANDS = {
    "train": "Train a model of a task, and resume a run.",
    "evaluate": "Judge a trained model.",
    "predict": "What a trained model makes of lines or files.",
    "sample": "Draw text or music from a model.",
    "score": "The probability of lines of text.",
    "inspect": "Gradients through time, gates and memory of a model.",
    "serve": "Answer programs and browsers: predictions, texts, streams, a page.",
    "export": "Write a model as ONNX, for apps and servers without PyTorch.",
    "tasks": "What can be trained.",
    "code": "Show what the compiled engine makes of a cell.",
    "bench": "Measure speed beside torch.nn and others.",
}


class Commands(click.Group):
    """The subcommands, each imported when it is called."""

    context_class = VisibleContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of work, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Imports ``throughtime.cli.<name>``."""
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"throughtime.cli.{name}").command
        assert isinstance(command, click.Command)
        command.context_class = VisibleContext
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the nearest command where there is none of that name."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise UserError(f"unknown command {args[0]!r}{nearest(args[0], COMMANDS)}; commands: {listed(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Ends well where the reader has left, as ``head`` does."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # click would exit with 1. What Python flushes at exit has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


# The \b keeps click from filling the lines after it.
HELP = """Recurrent sequence models: train, judge, sample and score them.

A first model, on the corpus that Python carries:

\b
  throughtime train text builtin:python-manual --minutes 1 --out runs/first
  throughtime sample runs/first --prompt "The "
"""


@click.group(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="throughtime")
def app() -> None:
    """The command line."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 diverged, 2 the user's mistake, 3 not all answered, 130 stopped."""
    # Text is UTF-8, as in the files, whatever the locale says.
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig", newline="\n")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    guard_process()
    signals = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]

    def be_deaf() -> None:  # what follows must not disturb the tidying up; Ctrl-C still can
        for number in signals:
            signal.signal(number, signal.SIG_IGN)

    def interrupt(number: int, frame: object) -> None:
        be_deaf()
        raise KeyboardInterrupt

    for number in signals:
        signal.signal(number, interrupt)
    try:
        status = run(arguments)
    except KeyboardInterrupt:  # while it told why it ends
        status = 130
    be_deaf()
    sys.exit(status)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; every error the user can mend is one line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        for argument in arguments:
            if not _is_unicode(argument):
                raise UserError(f"expected arguments in UTF-8, got {os.fsencode(argument)!r}")
        result = app.main(args=arguments, prog_name="throughtime", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        return _fail(_with_help(error), error.exit_code)
    except UserError as error:
        return _fail(str(error), 2)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except OSError as error:
        return _fail(f"{error.filename or 'the system'}: {error.strerror or error}", 2)


def _with_help(error: click.ClickException) -> str:
    """What click says of a wrong command line; where it gives no remedy, where options are told."""
    message = error.format_message().rstrip(".")
    if isinstance(error, click.UsageError) and error.ctx is not None and ";" not in message:
        return f"{message}; see: {error.ctx.command_path} --help"
    return message


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fail(message: str, code: int) -> int:
    tell(" ".join(visible(message).split()))
    return code
