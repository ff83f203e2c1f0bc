"""One stream of a model, alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.text import Text

from throughtime.applications.live.parts import Live
from throughtime.applications.options import Options
from throughtime.applications.prediction import Prediction
from throughtime.errors import UserError
from throughtime.runtime.reading.files import file_lines, stdin_lines


class OneStream:
    """Reads an input as it comes, and tells what the model makes of it so far.

    Args:
        live: How the model reads streams.
        said: Options of the stream.

    Attributes:
        takes: What pieces are: ``"text"``, ``"rows"``, ``"notes"``, ``"audio"``.
        facts: What to know of them, such as the ``rate`` of samples, or the ``numbers`` of a row.

    Raises:
        UserError: If the stream has no such option.
    """

    def __init__(self, live: Live, said: Mapping[str, Any]) -> None:
        self.takes, self.facts = live.takes, live.facts
        self.reader, self.rows = live.open(said), live.side_by_side()
        self.row, self.over = self.rows.open(), False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(takes={self.takes!r}{', over' if self.over else ''})"

    def push(self, piece: Any) -> list[dict[str, Any]]:
        """Reads a piece; gives what is to tell of all that came so far, if that changed.

        Args:
            piece: Samples, a text, rows of numbers, or notes, as the task's page says.

        Raises:
            UserError: If it is none that the model reads, or comes after the end. The stream is then over.
        """
        if self.over:
            raise UserError("expected nothing after the end of a stream; open another one")
        self.over = True  # unless all goes well
        self._step(self.reader.push(piece))
        partial = self.reader.partial()
        self.over = False
        return [] if partial is None else [partial]

    def end(self) -> dict[str, Any]:
        """Ends the stream; gives what is told of the whole input: what ``predict`` tells of it.

        Raises:
            UserError: If it is over already, or there was too little to tell anything of.
        """
        if self.over:
            raise UserError("expected a stream to end once; open another one")
        self.over = True
        self._step(self.reader.end())
        return self.reader.final()

    @torch.no_grad()
    def _step(self, inputs: Sequence[Any]) -> None:
        """Steps through inputs, and those that follow of them."""
        left = deque(inputs)
        while left:
            output = self.rows.step([self.row], [left.popleft()])[0]
            left.extend(self.reader.take(output.cpu().numpy().copy()))


def read_stream(live: Live, path: Path | None, options: Options) -> Iterator[Prediction]:
    """What a model makes of the lines of a file, or of standard input, as they come; the last prediction is final.

    Args:
        live: How the model reads streams.
        path: The file.
        options: Of a prediction; those that are not as by default are the stream's.

    Raises:
        UserError: If a line is no piece, or an option none of the stream's.
    """
    said = options.model_dump(exclude_defaults=True)
    encoding = said.pop("encoding", None)
    stream = OneStream(live, said)
    lines, name = stdin_lines(encoding) if path is None else file_lines(path), str(path or "standard input")
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        piece = live.piece(line, where)
        with _naming(where):
            events = stream.push(piece)
        for event in events:
            yield Prediction(Text(live.shown(event)), event, final=False)
    with _naming(name):
        final = stream.end()
    yield Prediction(Text(live.shown(final)), final, warnings=final.get("warnings", ()))


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Says of an error where it is."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {str(error).removeprefix('a stream: ')}") from error
