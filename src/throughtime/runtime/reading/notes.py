r"""What readers tell of their files: how they were taken, and what was left out and why.

A reader notes where it decides; whoever reads collects::

    with noting() as notes:
        examples = list(read(path))
    print(*notes.lines(), sep="\n")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

SHOWN = 3
"""Places that are named of everything that was left out for one reason."""


@dataclass
class Notes:
    """What was noted.

    Attributes:
        taken: How files were taken, each line once, in order: which column is what and how it was found, say.
        left_out: Why something was left out, and where it stood.
        columns: The names of the columns of tables that were taken for something, such as ``text``, by what that is.
    """

    taken: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """A line for each note.

        Example:
            >>> Notes(["a.csv: no headings"], {"no label": ["a.csv:3", "a.csv:9"]}).lines()
            ['a.csv: no headings', 'left out, 2 times: no label (a.csv:3, a.csv:9)']
        """
        return [*self.taken, *(_shown(why, places) for why, places in self.left_out.items())]

    def add(self, others: Notes) -> None:
        """Takes over what was noted elsewhere."""
        self.taken += [how for how in others.taken if how not in self.taken]
        for why, places in others.left_out.items():
            self.left_out.setdefault(why, []).extend(places)
        for what, names in others.columns.items():
            known = self.columns.setdefault(what, [])
            known += [name for name in names if name not in known]

    def renamed(self, rename: Callable[[str], str]) -> Notes:
        """The same notes with other names in them, such as those of files that data in memory were written as."""
        left = {rename(why): list(map(rename, places)) for why, places in self.left_out.items()}
        return Notes(list(map(rename, self.taken)), left, self.columns)


_collecting: ContextVar[Notes | None] = ContextVar("notes", default=None)


@contextmanager
def noting(known: Notes | None = None) -> Iterator[Notes]:
    """Collects what readers note until the end of the block; an inner block keeps its notes to itself.

    Args:
        known: What was noted before, which stays as it is; what is collected begins with it.
    """
    notes = Notes() if known is None else known.renamed(str)
    before = _collecting.set(notes)
    try:
        yield notes
    finally:
        _collecting.reset(before)


@contextmanager
def renaming(rename: Callable[[str], str]) -> Iterator[None]:
    """What is noted in the block has other names in it for whoever collects around it, if somebody does."""
    if not is_heard():
        yield
        return
    with noting() as notes:
        yield
    pass_on(notes.renamed(rename))


def pass_on(notes: Notes) -> None:
    """Tells whoever collects here what was noted elsewhere."""
    around = _collecting.get()
    if around is not None:
        around.add(notes)


def is_heard() -> bool:
    """Whether somebody collects what is noted."""
    return _collecting.get() is not None


def note(how: str) -> None:
    """Tells how a file was taken, where that decides what it means."""
    notes = _collecting.get()
    if notes is not None and how not in notes.taken:
        notes.taken.append(how)


def note_column(what: str, name: str) -> None:
    """Tells which column of a table was taken for something, for whoever reads such a table again."""
    notes = _collecting.get()
    if notes is not None and name not in notes.columns.setdefault(what, []):
        notes.columns[what].append(name)


def leave_out(where: str, why: str) -> bool:
    """Tells that something was left out: ``leave_out("a.csv:7", "the answer is reject")``; False where nobody hears."""
    notes = _collecting.get()
    if notes is not None:
        notes.left_out.setdefault(why, []).append(where)
    return notes is not None


def _shown(why: str, places: list[str]) -> str:
    more = f" and {len(places) - SHOWN:,} more" if len(places) > SHOWN else ""
    times = f", {len(places):,} times" if len(places) > 1 else ""
    return f"left out{times}: {why} ({', '.join(places[:SHOWN])}{more})"
