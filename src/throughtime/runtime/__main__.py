"""``python -m throughtime.runtime FOLDER COMMAND``: an exported model from a shell, without PyTorch.

Nothing but ONNX Runtime and NumPy is needed, so the standard library reads the command line.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from throughtime.errors import UserError, listed, nearest
from throughtime.runtime import Runner, noting, open
from throughtime.visible import as_json, say, tell

COMMANDS = {
    "predict": "what the model makes of lines or files, a line of JSON each",
    "score": "the probability of lines, a line of JSON each",
    "sample": "something new that goes on from a prompt",
    "stream": "the same, or what the model makes of a file, as it comes",
}

HELP = "options: --NAME VALUE, as the methods of the model have them: --seed 3 --temperature 0.7"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; every error that can be mended is one line, and the status 2."""
    parser = argparse.ArgumentParser("python -m throughtime.runtime", description=__doc__, epilog=HELP)
    parser.add_argument("folder", help="what throughtime export RUN --out FOLDER wrote")
    parser.add_argument("command", help="; ".join(f"{name}: {what}" for name, what in COMMANDS.items()))
    parser.add_argument("inputs", nargs="*", help="lines, files, or a prompt; none: the lines of standard input")
    given, rest = parser.parse_known_args(arguments)
    try:
        _run(given.folder, given.command, given.inputs, rest)
    except UserError as error:
        tell(str(error))
        return 2
    except OSError as error:
        tell(f"{error.filename or 'the system'}: {error.strerror or error}")
        return 2
    return 0


def _run(folder: str, command: str, inputs: list[str], rest: Sequence[str]) -> None:
    if command not in COMMANDS:
        raise UserError(f"unknown command {command!r}{nearest(command, COMMANDS)}; there are {listed(COMMANDS)}")
    runner = open(folder)
    for caution in runner.folder.cautions:
        tell(f"{folder}: {caution}")
    method: Callable[..., Any] = getattr(runner, command)
    options = dict(_options(rest, method, command))
    many = command in ("predict", "score")
    if many:
        _refuse_files(runner, inputs)
    given = [inputs or [line.rstrip("\r\n") for line in sys.stdin]] if many else inputs[:1]
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


def _options(rest: Sequence[str], method: Callable[..., Any], command: str) -> Iterator[tuple[str, Any]]:
    """``--seed 3 --tokens`` as names and values; a value that is JSON is that."""
    at = 0
    while at < len(rest):
        name = rest[at].removeprefix("--").partition("=")[0].replace("-", "_")
        known = [n for n in inspect.signature(method).parameters if n not in ("lines", "inputs", "prompt", "source")]
        if not rest[at].startswith("--") or name not in known:
            spelled = [f"--{n.replace('_', '-')}" for n in known]
            raise UserError(f"{command} has no option {rest[at]}{nearest(rest[at], spelled)}")
        value = rest[at].partition("=")[2]
        if not value and at + 1 < len(rest) and not rest[at + 1].startswith("--"):
            at += 1
            value = rest[at]
        at += 1
        yield name, _value(value)


def _value(text: str) -> Any:
    if not text:
        return True
    try:
        return json.loads(text)
    except ValueError:
        return text


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
