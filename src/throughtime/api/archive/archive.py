"""A run over an archive: its inputs in pieces, answered by processes, in order, from where it was stopped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from throughtime.api.archive.answering import Answering, Reply
from throughtime.api.archive.listing import input_files, list_files
from throughtime.api.archive.opening import Opening, digest
from throughtime.api.archive.results import SUFFIX, Results
from throughtime.api.archive.team import Team
from throughtime.api.run import Run
from throughtime.applications.pieces import Piece, line_pieces
from throughtime.applications.settings import check_settings
from throughtime.data.progress import is_shown, report
from throughtime.errors import UserError
from throughtime.figures import duration
from throughtime.files import is_model
from throughtime.runtime.reading.notes import noting, pass_on
from throughtime.training.lock import alone
from throughtime.visible import tell

EVERY = 60.0
"""Seconds between two lines on how far it has come, where there is no terminal."""
NOTED = 10
"""Files of which it is told how they were read; an archive has too many for all."""


class Archive:
    """Inputs, and the processes that answer them.

    Args:
        run: Whose model answers.
        options: Of the task.
        files: Files and folders.
        lines: Lines of text instead.
        workers: How many processes, each on one thread.
    """

    def __init__(
        self,
        run: Run,
        options: Mapping[str, Any],
        *,
        files: Sequence[str] = (),
        lines: Iterable[str] | None = None,
        workers: int = 1,
    ) -> None:
        self.run, self.options, self.named, self.lines, self.workers = run, dict(options), files, lines, workers
        self.suffixes = run.suffixes(**options)
        self.chosen = check_settings(run.options("predict"), options)
        self.pace = Pace()

    def answers(self) -> Iterator[Reply]:
        """What is found for every piece, in order."""
        for piece, reply in self._answered(self._pieces(), written=False):
            pass_on(reply.notes)
            yield reply
            self.pace.add(piece.size, reply.failed)

    def write(self, out: Path, resume: bool) -> None:
        """Writes what is found for every input as a line of JSON.

        Args:
            out: The file.
            resume: Go on where an earlier run was stopped, if there was one.

        Raises:
            UserError: If the file is none that can go on.
        """
        if out.suffix.lower() != SUFFIX:
            raise UserError(f"--out: expected a file of JSON lines (*{SUFFIX}) with --workers or --resume, got {out}")
        if self.lines is not None:
            raise UserError("--out: expected files to read with --workers or --resume, got lines; put them into a file")
        with alone(out.with_name(f".{out.name}.lock"), str(out), "is writing it; wait for that to end, or stop it"):
            before = list_files(self._files())
            results = Results(out)
            results.begin(
                {"model": digest(self.run.folder), "options": self._told(), "inputs": before._asdict()}, resume
            )
            passed = Pace()
            pieces = passed.weighing(self._pieces())
            kept = results.keep(pieces)
            left = pieces if kept.begun is None else chain([kept.begun], pieces)
            self.pace = Pace(
                kept.inputs, kept.failed, before.bytes - passed.bytes + (kept.begun.size if kept.begun else 0)
            )
            if kept.inputs:
                tell(f"{out}: {kept.inputs:,} inputs are answered already")
            for piece, reply in self._answered(left, written=True):
                skip = kept.skip if piece is kept.begun else 0
                results.add(reply.lines[skip:])
                self.pace.add(piece.size, reply.failed[skip:])
            results.settle()
            if list_files(self._files()) != before:
                raise UserError(f"{out}: the inputs were changed while they were read; begin anew with another --out")

    def _answered(self, pieces: Iterator[Piece], written: bool) -> Iterator[tuple[Piece, Reply]]:
        with Team(Answering(Opening.of_run(self.run), self.options, written), self.workers) as team:
            yield from team.answers(pieces)

    def _files(self) -> Iterator[Path]:
        return input_files(self.run, self.named, self.suffixes)

    def _pieces(self) -> Iterator[Piece]:
        """All inputs, in order; a file that cannot be read is one, too."""
        if self.lines is not None:
            yield from line_pieces("lines", self.lines, "line ")
            return
        noted = 0
        for path in self._files():
            made = self._pieces_of(path)
            with noting() as notes:
                first = next(made, None)
            if notes.lines() and noted < NOTED:
                pass_on(notes)
                noted += 1
            if first is not None:
                yield first
                yield from made

    def _pieces_of(self, path: Path) -> Iterator[Piece]:
        try:
            yield from self.run.trained.pieces(path, self.chosen)
        except UserError as error:
            yield Piece(str(path), error=str(error))

    def _told(self) -> dict[str, Any]:
        """The options, as they are compared with those of a run that goes on."""
        return {name: _plain(value) for name, value in sorted(self.options.items())}


def _plain(value: Any) -> Any:
    """An option's value as plain data; a model folder by what stands in it."""
    if isinstance(value, Path):
        return {"file": str(value), "model": digest(value)} if is_model(value) else str(value)
    return value


class Pace:
    """How far it has come, and how fast: shown in a terminal, a line now and then elsewhere.

    Args:
        inputs: How many are answered already.
        failed: How many of them could not be.
        total: Bytes of those that are to come, where that is known.
    """

    def __init__(self, inputs: int = 0, failed: int = 0, total: float | None = None) -> None:
        self.inputs, self.failed, self.total = inputs, failed, total
        self.done, self.bytes = 0, 0.0
        self.begun = self.told = time.monotonic()

    def weighing(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """The same pieces, their bytes being counted."""
        for piece in pieces:
            self.bytes += piece.size
            yield piece

    def add(self, size: float, failed: Sequence[bool]) -> None:
        """Some inputs of so many bytes are answered."""
        self.inputs, self.failed = self.inputs + len(failed), self.failed + sum(failed)
        self.done, self.bytes = self.done + len(failed), self.bytes + size
        report(self.done, None, "inputs")
        if self.total is not None:
            report(min(self.bytes, self.total) / 1e6, self.total / 1e6, "MB")
        if not is_shown() and time.monotonic() - self.told >= EVERY:
            self.told = time.monotonic()
            tell(self.line(self.told - self.begun))

    def line(self, seconds: float) -> str:
        """What is told after so many seconds.

        Example:
            >>> pace = Pace(1000, 0, 8e6)
            >>> pace.add(2e6, [False] * 99 + [True])
            >>> pace.line(10.0)
            '1,100 inputs, 1 without an answer, 10 inputs/s, 2 of 8 MB, 30 s left'
        """
        failed = f", {self.failed:,} without an answer" if self.failed else ""
        told = f"{self.inputs:,} inputs{failed}, {self.done / seconds:,.3g} inputs/s"
        if self.total is None or not self.bytes:
            return told
        left = max(0.0, self.total - self.bytes) * seconds / self.bytes
        return f"{told}, {self.bytes / 1e6:,.4g} of {self.total / 1e6:,.4g} MB, {duration(left)} left"
