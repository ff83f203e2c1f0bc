"""``python -m throughtime.runtime FOLDER COMMAND``: an exported model from a shell, without PyTorch.

Nothing but ONNX Runtime and NumPy is needed, so the standard library reads the command line.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, NoReturn

from throughtime.errors import UserError, listed, nearest, shown
from throughtime.runtime import Runner, noting, open
from throughtime.runtime.reading.files import stdin_lines
from throughtime.visible import as_json, say, tell

COMMANDS = {
    "predict": "what the model makes of lines or files, a line of JSON each",
    "score": "the probability of lines, a line of JSON each",
    "sample": "something new that goes on from a prompt",
    "stream": "the same, or what the model makes of a file, as it comes",
}

EPILOG = """Inputs are lines, files, or a prompt; without any, the lines of standard input; what follows -- is input,
too. Options are those of the model's methods: --seed 3 --temperature 0.7"""

GIVEN = ("lines", "inputs", "prompt", "source")
"""Arguments of methods that are no options."""

NUMBERS: dict[str, tuple[Callable[[str], Any], str]] = {"int": (int, "a whole number"), "float": (float, "a number")}
"""What is read of a text for an option that a method annotates so, and what a line calls it."""


class Parser(argparse.ArgumentParser):
    """What is wrong is one line."""

    def error(self, message: str) -> NoReturn:
        """Refuses a command line.

        Raises:
            UserError: Always.
        """
        raise UserError(f"{message}; expected: {self.format_usage().removeprefix('usage: ')}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; every error that can be mended is one line, and the status 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    usage = "%(prog)s FOLDER COMMAND [INPUT ...] [--NAME VALUE ...]"
    parser = Parser("python -m throughtime.runtime", usage, __doc__, EPILOG, allow_abbrev=False)
    parser.add_argument("folder", help="what throughtime export RUN --out FOLDER wrote")
    parser.add_argument("command", help="; ".join(f"{name}: {what}" for name, what in COMMANDS.items()))
    try:
        first = parser.parse_args([*given[:2], *(argument for argument in given[2:] if argument == "--help")])
        _run(first.folder, first.command, given[2:])
    except UserError as error:
        tell(str(error))
        return 2
    except OSError as error:
        tell(f"{error.filename or 'the system'}: {error.strerror or error}")
        return 2
    return 0


def _run(folder: str, command: str, rest: Sequence[str]) -> None:
    if command not in COMMANDS:
        raise UserError(f"unknown command {command!r}{nearest(command, COMMANDS)}; there are {listed(COMMANDS)}")
    runner = open(folder)
    method: Callable[..., Any] = getattr(runner, command)
    inputs, options = _arguments(rest, method, command)
    for caution in runner.folder.cautions:
        tell(f"{folder}: {caution}")
    many = command in ("predict", "score")
    if many:
        _refuse_files(runner, inputs)
    elif len(inputs) > 1:
        raise UserError(
            f"{command} takes one prompt or file, got {len(inputs)}; put a prompt of several words in quotes"
        )
    given = [inputs or [line.rstrip("\r\n") for line in stdin_lines()]] if many else inputs
    with noting() as notes:
        found = method(*given, **options)
        before = notes.lines()
        for line in before:
            tell(line)
        for each in found if many else [found]:
            _show(each)
    for line in notes.lines()[len(before) :]:  # of what streams, the end tells more
        tell(line)


def _refuse_files(runner: Runner, inputs: Sequence[str]) -> None:
    """A model of texts would take a file's name for one of them."""
    for given in inputs:
        if runner.instead is not None and os.path.splitext(given)[1] and os.path.isfile(given):
            raise UserError(
                f"{given}: a model of task {runner.folder.task!r} reads no files of this kind without PyTorch; give it "
                f"{runner.instead}"
            )


def _arguments(rest: Sequence[str], method: Callable[..., Any], command: str) -> tuple[list[str], dict[str, Any]]:
    """Inputs, and options by name, in whatever order they were given."""
    known = {
        f"--{name.replace('_', '-')}": (name, str(parameter.annotation).partition(" |")[0])
        for name, parameter in inspect.signature(method).parameters.items()
        if name not in GIVEN and parameter.kind is not parameter.VAR_KEYWORD
    }
    inputs: list[str] = []
    options: dict[str, Any] = {}
    left = iter(rest)
    for argument in left:
        spelled, assigned, text = argument.partition("=")
        if argument == "--":
            inputs += left
        elif not argument.startswith("--"):
            inputs.append(argument)
        elif spelled not in known:
            raise UserError(f"{command} has no option {spelled}{nearest(spelled, known)}{_there_are(known)}")
        else:
            name, kind = known[spelled]
            options[name] = (
                _flag(spelled, assigned)
                if kind == "bool"
                else _value(spelled, kind, text if assigned else next(left, None))
            )
    return inputs, options


def _there_are(known: Collection[str]) -> str:
    return f"; there are {listed(known)}" if known else ""


def _flag(spelled: str, assigned: str) -> bool:
    if assigned:
        raise UserError(f"{spelled} takes no value; leave it out for no")
    return True


def _value(spelled: str, kind: str, text: str | None) -> Any:
    read, called = NUMBERS.get(kind, (str, "a value"))
    try:
        if text is not None:
            return read(text)
    except ValueError:
        pass
    raise UserError(f"{spelled}: expected {called}, got {'nothing' if text is None else shown(text)}")


def _show(found: Any) -> None:
    """A text as it is, or as its pieces come; plain data as JSON."""
    if isinstance(found, str):
        say(found)
    elif isinstance(found, Iterator):
        last: Any = ""
        for last in found:
            say(last if isinstance(last, str) else as_json(_plain(last)), end="" if isinstance(last, str) else "\n")
        if isinstance(last, str):
            say("")
    else:
        say(as_json(_plain(found)))


def _plain(found: Any) -> Any:
    if is_dataclass(found) and not isinstance(found, type):
        return {name: value for name, value in asdict(found).items() if value is not None}
    return dict(found) if isinstance(found, Mapping) else found


if __name__ == "__main__":
    sys.exit(main())
