"""Tunes in ABC: found in files, and played by ``abc2midi``, a program that broken ones may hang."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from throughtime.data.text.files import read_file
from throughtime.errors import UserError
from throughtime.plain import check_regular

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

# Fields whose text is for people, and comments; what stands in quotes is drawn.
_FOR_PEOPLE = re.compile(r'(?m)^[ABCDFGHNORSTWXZwr]:.*$|%.*$|"[^"\n]*"|\[r:[^\]\n]*\]')
_LONG_NUMBER = re.compile(rf"\d{{{DIGITS + 1},}}")
_COMMAND = re.compile(r"(?im)%[^\S\n]*%[^\S\n]*abc-include.*$")
"""It reads any file of the machine into the tune."""


def abc_tunes(path: Path) -> list[tuple[int, str]]:
    """The tunes of an ABC file, each with the number of its first line, that of its ``X:``.

    Raises:
        UserError: If there is none.
    """
    check_regular(path, LARGEST)
    text = "".join(read_file(path))
    begins = [found.start() for found in re.finditer(r"(?m)^X:", text)]
    if not begins:
        raise UserError(f"{path}: expected tunes in ABC, each begun by X:, found none")
    tunes: list[tuple[int, str]] = []
    line, counted = 1, 0
    for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
        line, counted = line + text.count("\n", counted, begin), begin
        tunes.append((line, text[begin:end].rstrip() + "\n"))
    return tunes


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
