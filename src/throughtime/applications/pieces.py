"""Inputs cut into pieces that are answered apart from each other, by whichever process, in whatever order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.inputs import Input

TOGETHER = 32
"""Inputs of a table, or lines of a file, that are computed together."""


@dataclass(frozen=True)
class Piece:
    """A file that is read whole, or some inputs of one.

    Attributes:
        file: The file.
        inputs: Rows or lines of it; none: the file itself is the input.
        size: About how many bytes it is of the file.
        error: Why it cannot be read, if that is known already.
    """

    file: str
    inputs: Sequence[Input] = ()
    size: float = 0.0
    error: str | None = None

    @property
    def names(self) -> list[str]:
        """What messages and results call its inputs.

        Example:
            >>> Piece("a.wav").names, Piece("a.txt", [Input("a film", "a.txt:1", [0])]).names
            (['a.wav'], ['a.txt:1'])
        """
        return [found.where for found in self.inputs] or [self.file]


class InPieces:
    """What answers a file in pieces; by default each file is one."""

    def answers(self, path: Path, options: Any = None) -> Iterator[tuple[str, Prediction]]:
        """The predictions for a file, each with what messages call its input."""
        raise NotImplementedError

    def pieces(self, path: Path, options: Any = None) -> Iterator[Piece]:
        """The inputs of a file in pieces that can be answered apart from each other."""
        yield Piece(str(path))

    def answered(self, piece: Piece, options: Any = None) -> list[Prediction]:
        """The predictions for a piece; of several inputs, one each."""
        return [found for _, found in self.answers(Path(piece.file), options)]


def line_pieces(file: str, lines: Iterable[str], where: str) -> Iterator[Piece]:
    """Lines as they come, so many together, an empty one, too.

    Args:
        file: Where they stand.
        lines: Without their ends.
        where: What a line is called before its number.

    Example:
        >>> [piece.names for piece in line_pieces("a.txt", ["a film", ""], "a.txt:")]
        [['a.txt:1', 'a.txt:2']]
    """
    numbered = (Input(line, f"{where}{number}", [number - 1]) for number, line in enumerate(lines, 1))
    while group := list(islice(numbered, TOGETHER)):
        yield Piece(file, group, float(sum(len(found.value.encode()) + 1 for found in group)))


def file_size(path: Path) -> int:
    """Bytes of a file; 0 where it cannot be told."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return 0
