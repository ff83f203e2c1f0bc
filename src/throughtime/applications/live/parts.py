"""What a task tells about streams: how pieces become inputs of a model's steps, and its outputs something to tell.

A model runs many streams side by side; a :class:`Reader` is what stands before and after it for one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError, listed, nearest, shown
from throughtime.models.streams import SideBySide

Takes = Literal["audio", "text", "rows", "notes"]
"""What the pieces of a stream are: samples ``float32 [n]`` of one channel, text, rows ``[n, numbers]``, or chords."""

Output = npt.NDArray[np.float32]


def checked_options(said: Mapping[str, Any], known: Sequence[str]) -> Mapping[str, Any]:
    """What is said of a stream, if all of it is known.

    Raises:
        UserError: If something is not.

    Example:
        >>> checked_options({"topp": 3}, ["top"])
        Traceback (most recent call last):
        throughtime.errors.UserError: expected the option top, got 'topp' (did you mean 'top'?)
    """
    for name in said:
        if name not in known:
            has = f"the option {listed(known)}" if known else "a stream without options"
            raise UserError(f"expected {has}, got {name!r}{nearest(name, known)}")
    return said


def inside(piece: Any, name: str) -> Any:
    """A piece, which as a message of a server's stands under a name.

    Example:
        >>> inside({"rows": [[1.0, 2.0]]}, "rows"), inside([[1.0, 2.0]], "rows")
        ([[1.0, 2.0]], [[1.0, 2.0]])
    """
    return piece[name] if isinstance(piece, Mapping) and set(piece) == {name} else piece


def row_piece(piece: Any, numbers: int, furthest: float) -> Output:
    """A piece that is rows of numbers, or one row, as ``[n, numbers]``.

    Raises:
        UserError: If it is none, or a number is further than that from 0.

    Example:
        >>> row_piece([1.0, 2.0], 2, 1e15), row_piece([[1, 2], [3, 4]], 2, 1e15).shape
        (array([[1., 2.]], dtype=float32), (2, 2))
    """
    expected = f"expected rows of {numbers} numbers each"
    try:
        rows = np.asarray(inside(piece, "rows"), np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{expected}, got {shown(piece)}") from None
    rows = rows[None] if rows.ndim == 1 and rows.size else rows
    if not rows.size:
        return np.zeros((0, numbers), np.float32)
    if rows.ndim != 2 or rows.shape[1] != numbers:
        raise UserError(f"{expected}, got {' × '.join(map(str, rows.shape)) or 'one number'}")
    if not (np.abs(rows) <= furthest).all():
        raise UserError(f"{expected}, at most {furthest:g} from 0, got one beyond, or none that is a number")
    return rows.astype(np.float32)


def row_of(line: str, where: str) -> list[list[float]]:
    """A line of numbers between commas, tabs or spaces as rows: one, or none where it is empty.

    Raises:
        UserError: If a word is no number.

    Example:
        >>> row_of("0.5, 1e-3", "a.csv:1"), row_of("", "a.csv:2")
        ([[0.5, 0.001]], [])
    """
    words = line.replace(",", " ").split()
    try:
        return [[float(word) for word in words]] if words else []
    except ValueError:
        raise UserError(f"{where}: expected numbers with commas between them, got {shown(line.strip())}") from None


def check_one_way(bidirectional: bool, what: str) -> None:
    """Refuses to read as it comes what is read in both directions.

    Args:
        bidirectional: Whether it is.
        what: That is read.

    Raises:
        UserError: If it is; says what to do.
    """
    if bidirectional:
        raise UserError(
            f"a stream: this model reads in both directions, and so needs the whole {what}; ask for a prediction of "
            "that, or train one with --no-bidirectional"
        )


def text_piece(piece: Any) -> str:
    """A piece that is a text.

    Raises:
        UserError: If it is none, or has half of a surrogate pair in it.
    """
    text = inside(piece, "text")
    if not isinstance(text, str):
        raise UserError(f"expected a text, got {shown(piece)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError("expected a text, got one with half of a surrogate pair; send whole characters") from None
    return text


class Reader(Protocol):
    """One stream. However its pieces are cut, the inputs are the same."""

    def push(self, piece: Any) -> Sequence[Any]:
        """The inputs of the steps that are complete with this piece.

        Raises:
            UserError: If it is none that the model reads; the stream is then over.
        """
        ...

    def end(self) -> Sequence[Any]:
        """The inputs of the steps that waited for more; nothing is pushed after that."""
        ...

    def take(self, output: Output) -> Sequence[Any]:
        """Takes what a step gave, ``[V]``, to keep; gives inputs that follow of it, as where texts are drawn."""
        ...

    def partial(self) -> dict[str, Any] | None:
        """What is to tell so far, as plain data; None where nothing is new."""
        ...

    def final(self) -> dict[str, Any]:
        """What is told at the end: what ``throughtime predict --json`` prints where the task has that."""
        ...

    def dump(self) -> dict[str, Any]:
        """All that it holds, as plain data and NumPy arrays, for :meth:`Live.load`."""
        ...


class Live(Protocol):
    """How a trained model reads streams."""

    @property
    def takes(self) -> Takes:
        """What pieces are."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a client should know, such as the ``rate`` in samples a second."""
        ...

    def piece(self, line: str, where: str) -> Any:
        """A line of text, with its line break, as a piece.

        Raises:
            UserError: If it is none; names ``where`` it stands.
        """
        ...

    def shown(self, event: Mapping[str, Any]) -> str:
        """What is told, for people."""
        ...

    def side_by_side(self) -> SideBySide:
        """The model, over any number of streams."""
        ...

    def open(self, said: Mapping[str, Any]) -> Reader:
        """Begins a stream.

        Args:
            said: What the client says of it, such as the ``rate`` of its samples.

        Raises:
            UserError: If it cannot be read so.
        """
        ...

    def load(self, dumped: Mapping[str, Any]) -> Reader:
        """A stream that goes on where it was dumped."""
        ...
