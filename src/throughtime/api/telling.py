"""What readers note of files, told to whoever had them read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from throughtime.runtime.reading.notes import is_heard, noting
from throughtime.visible import tell


@contextmanager
def telling_notes(on: bool = True) -> Iterator[None]:
    """Tells on standard error how the files of the block were taken, and what was left out of them.

    Within another such block it is that one's part.

    Args:
        on: Whether to tell it; else nobody is told.
    """
    if is_heard():
        yield
        return
    with noting() as notes:
        yield
    for line in notes.lines() if on else ():
        tell(line)
