"""Results as lines of a file, each input once and in order, however often their writer is killed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from throughtime._version import __version__
from throughtime.applications.pieces import Piece
from throughtime.errors import UserError, shown
from throughtime.files import append_text, cut_file, sync_file, write_json
from throughtime.plain import open_regular, parse_object, read_json

SUFFIX = ".jsonl"
SYNC = 5.0
"""Seconds after which what was added is waited for until it is on the disk."""


class Kept(NamedTuple):
    """What a file of results already answers.

    Attributes:
        size: Its bytes, to the end of the last input that is answered whole.
        inputs: How many inputs these answer.
        failed: How many of them have an error in the place of an answer.
        begun: The piece that comes next; None: there is no other.
        skip: How many of its inputs are answered.
    """

    size: int
    inputs: int
    failed: int
    begun: Piece | None
    skip: int


def kept(lines: Iterable[bytes], pieces: Iterator[Piece], where: str) -> Kept:
    """What lines of results answer, to the first one that is torn.

    Args:
        lines: Of the file, with their ends.
        pieces: All inputs in order; those that are answered are taken from it, and the next one.
        where: What messages call the file.

    Raises:
        UserError: If they answer other inputs.
    """
    size = end = inputs = failed = at = 0
    piece = next(pieces, None)
    for line in lines:
        found = _read(line)
        if found is None:
            break
        size += len(line)
        if piece is None or found["input"] != piece.names[at]:
            expected = "the end" if piece is None else shown(piece.names[at])
            raise UserError(
                f"{where}: expected an answer to {expected} as number {inputs + 1:,}, found one to "
                f"{shown(found['input'])}: the file was changed since; move it away to begin anew"
            )
        if found.get("part") != found.get("parts"):
            continue
        end, inputs, failed, at = size, inputs + 1, failed + ("error" in found), at + 1
        if at == len(piece.names):
            piece, at = next(pieces, None), 0
    return Kept(end, inputs, failed, piece, at)


def _read(line: bytes) -> dict[str, Any] | None:
    """What a line says; None where it is none of ours, as where it is torn."""
    try:
        found = parse_object(line.decode(), "", constants=True) if line.endswith(b"\n") else {}
    except (UserError, UnicodeDecodeError):
        return None
    return found if isinstance(found.get("input"), str) else None


class Results:
    """A file of results, and beside it what they were begun with.

    Args:
        out: The file.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.begun = out, out.with_name(f"{out.name}.begun.json")
        self.synced = time.monotonic()

    def begin(self, told: Mapping[str, Any], resume: bool) -> None:
        """Begins the file, or checks that it was begun with the same.

        Args:
            told: The model, the options and the inputs, as plain data.
            resume: Whether to go on with a file that is there.

        Raises:
            UserError: If it is there and shall not go on, or was begun with something else; says with what.
        """
        there = self.out.exists() or self.out.is_symlink()
        if there and not resume:
            raise UserError(f"{self.out}: already exists; pass --resume to go on with it, or another --out")
        if there and not self.begun.exists():
            raise UserError(
                f"{self.out}: expected {self.begun.name} beside it, which tells what it answers; pass --out"
            )
        if there:
            self._check(read_json(self.begun), told)
            return
        write_json(self.begun, {"throughtime": __version__, **told})
        append_text(self.out, "")

    def _check(self, before: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        for name in told:
            if before.get(name) != told[name]:
                raise UserError(
                    f"{self.out}: was begun with {name} {_short(before.get(name))}, not {_short(told[name])}; give "
                    "what it was begun with, or another --out to begin anew"
                )

    def keep(self, pieces: Iterator[Piece]) -> Kept:
        """What the file answers; what is torn at its end is cut off. See :func:`kept`."""
        with open_regular(self.out) as file:
            found = kept(file, pieces, str(self.out))
        cut_file(self.out, found.size)
        return found

    def add(self, lines: Sequence[str]) -> None:
        """Adds answers to its end, all or none."""
        append_text(self.out, "".join(lines))
        if time.monotonic() - self.synced >= SYNC:
            self.settle()

    def settle(self) -> None:
        """Waits until all of it is on the disk."""
        sync_file(self.out)
        self.synced = time.monotonic()


def _short(value: Any) -> str:
    """What it was begun with, in few words; of a digest, what tells it from another."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items()) or "none"
    return value[:12] if isinstance(value, str) and len(value) == 64 else shown(value)
