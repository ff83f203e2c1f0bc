"""A sequence that a model draws, while it is read or at once."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from throughtime.applications import task
from throughtime.visible import visible


class Sample:
    """A new sequence. Iterating shows it piece by piece as it is drawn; all else draws the rest of it first.

    Args:
        drawn: Of the task's sampler.
        options: How it is drawn.
    """

    def __init__(self, drawn: task.Sample, options: Any) -> None:
        self._drawn, self.options = drawn, options
        self._pieces: list[str] = []
        self._rest = iter(drawn)

    def __iter__(self) -> Iterator[str]:
        yield from self._pieces
        for piece in self._rest:
            self._pieces.append(piece)
            yield piece

    @property
    def text(self) -> str:
        """What is shown, the prompt first."""
        return "".join(self)

    @property
    def data(self) -> dict[str, Any]:
        """What was drawn, as plain data, ``text`` among it."""
        _ = self.text
        return self._drawn.data

    def save(self, path: str | Path) -> None:
        """Writes it in the format that the file's suffix names: text as .txt, music as .mid, .wav or .png."""
        _ = self.text
        self._drawn.save(Path(path))

    def __str__(self) -> str:
        return visible(self.text)

    def __repr__(self) -> str:
        return f"Sample({self.text!r})"

    def _repr_html_(self) -> str:
        """For a notebook; with a picture where the task has one."""
        return f'<pre style="white-space: pre-wrap">{escape(str(self))}</pre>{self._drawn.picture}'
