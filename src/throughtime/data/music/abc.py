"""Tunes in ABC: found in files, and played by ``abc2midi``, a program that broken ones may hang."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from throughtime.errors import UserError, listed, shown
from throughtime.plain import check_regular
from throughtime.runtime.reading.files import read_file
from throughtime.runtime.reading.notes import note

LARGEST = 64 << 20
"""Bytes of a file of tunes."""

LONGEST = 1 << 20
"""Characters of one tune."""

DIGITS = 6
"""Of a number that is played: no bar, length or repeat has more."""

SECONDS = 2
"""Of computing that the program may take for a tune; it takes a hundredth."""

MEMORY, OUTPUT = 1 << 30, 16 << 20
"""Bytes of memory, and of a file, that the program may take."""

IN_HEADER = "ABCDFGHILMNORSUZmr%"
"""First letters of what a file's header may hold: the fields that ABC 2.1 lets stand there, and directives."""

_FIELD = re.compile(r"[A-Za-z+]:|%")

# Fields whose text is for people, and comments; what stands in quotes is drawn.
_FOR_PEOPLE = re.compile(r'(?m)^[ABCDFGHNORSTWXZwr]:.*$|%.*$|"[^"\n]*"|\[r:[^\]\n]*\]')
_LONG_NUMBER = re.compile(rf"\d{{{DIGITS + 1},}}")
_COMMAND = re.compile(r"(?im)%[^\S\n]*%[^\S\n]*abc-include.*$")
"""It reads any file of the machine into the tune."""


def abc_tunes(path: Path) -> list[tuple[int, str]]:
    """The tunes of an ABC file, each with the number of its first line, that of its ``X:``.

    The fields of the file's header stand in every tune, after its ``X:``, but for those that the tune sets itself (ABC
    2.1, "The file header").

    Raises:
        UserError: If there is none.
    """
    check_regular(path, LARGEST)
    text = "".join(read_file(path))
    begins = [found.start() for found in re.finditer(r"(?m)^X:", text)]
    if not begins:
        raise UserError(f"{path}: expected tunes in ABC, each begun by X:, found none")
    header = _header(path, text[: begins[0]])
    tunes: list[tuple[int, str]] = []
    line, counted = 1, 0
    for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
        line, counted = line + text.count("\n", counted, begin), begin
        tunes.append((line, _headed(text[begin:end].rstrip() + "\n", header)))
    return tunes


def _header(path: Path, before: str) -> list[str]:
    """The lines that hold for every tune, of what stands before the first; a block with other lines is free text."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n", before):
        lines = [line.rstrip() for line in block.splitlines() if line.strip()]
        if all(_FIELD.match(line) for line in lines):
            found += [line for line in lines if line.startswith("%%") or line[0] not in "%+"]
    for line in found:
        if line[0] not in IN_HEADER:
            note(f"{path}: its header has {shown(line)}, which holds for no tune: it may stand in tunes alone")
    held = [line for line in found if line[0] in IN_HEADER]
    if held:
        note(f"{path}: its header holds for every tune: {listed(map(shown, held))}")
    return held


def _headed(tune: str, header: Sequence[str]) -> str:
    """A tune with the header's fields, each kind that it does not set itself, or that may stand several times."""
    own = set(re.findall(r"(?m)^([LMR]):", re.split(r"(?m)^K:", tune, maxsplit=1)[0]))
    first, rest = tune.split("\n", 1)
    return "\n".join([first, *(line for line in header if line[0] not in own), rest])


def abc_field(text: str, letter: str) -> str:
    r"""A field of a tune in ABC; empty where it has none.

    Example:
        >>> abc_field("X:1\nR: Slip jig % fast\nK:D\n", "R")
        'Slip jig'
    """
    found = re.search(rf"(?m)^{letter}:([^%\n]*)", text)
    return found.group(1).strip() if found else ""


def abc_to_midi(where: str, text: str, program: Path) -> bytes:
    """A tune as a MIDI file, played within bounds of time and memory.

    Args:
        where: File and line, for errors.
        text: The tune.
        program: ``abc2midi``.

    Raises:
        UserError: If it is broken, or takes too long.
    """
    _check(where, text)
    with tempfile.TemporaryDirectory(prefix="throughtime-") as folder:
        (Path(folder) / "tune.abc").write_text(_COMMAND.sub("%", text), encoding="utf-8")
        code = _run([str(program), "tune.abc", "-o", "tune.mid", "-silent"], folder)
        made = Path(folder) / "tune.mid"
        if code == 0 and made.is_file():
            return made.read_bytes()
    if code is None or code < 0:
        raise UserError(f"{where}: expected a tune in ABC, which this is not (nothing can play it); mend it")
    raise UserError(f"{where}: expected a tune in ABC, which this is not; mend it")


def _check(where: str, text: str) -> None:
    if len(text) > LONGEST:
        raise UserError(f"{where}: expected a tune of at most {LONGEST:,} characters, got {len(text):,}")
    if found := _LONG_NUMBER.search(_FOR_PEOPLE.sub("", text)):
        raise UserError(
            f"{where}: expected a tune in ABC, whose numbers have at most {DIGITS} digits, got "
            f"{found.group()[:20]}; mend it"
        )


def _run(command: list[str], folder: str) -> int | None:
    """Runs a program that cannot outlive its time, whatever becomes of this process; its exit status, None if late."""
    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, stdin=nothing, stdout=nothing, stderr=nothing) as process:
        try:
            _limit(process.pid)
            return process.wait(timeout=5 * SECONDS)
        except subprocess.TimeoutExpired:
            return None
        finally:
            process.kill()  # which Ctrl-C, too, comes by


def _limit(pid: int) -> None:
    """Bounds that the system holds, also where this process is killed before its child has ended."""
    try:
        import resource
    except ImportError:  # no Unix: the time that is waited has to do
        return
    prlimit: Any = getattr(resource, "prlimit", None)
    if prlimit is None:  # Linux alone bounds another process
        return
    bounds = ((resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, OUTPUT))
    for kind, most in bounds:
        try:
            prlimit(pid, kind, (most, most))
        except ProcessLookupError:  # it is done
            return
