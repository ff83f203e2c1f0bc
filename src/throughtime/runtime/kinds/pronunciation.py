"""How words are spoken."""

from __future__ import annotations

from collections.abc import Sequence

from throughtime.errors import spelled
from throughtime.runtime.folder import Folder
from throughtime.runtime.pairs import PairRunner
from throughtime.runtime.remarks import of_pronunciation

UNKNOWN = 0
"""The id of a letter that training did not see."""


@spelled
class PronunciationRunner(PairRunner):
    """Letters to sounds.

    Args:
        folder: Which tells the letters and the sounds in the order of their ids.
    """

    read = "word"

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.letters = {letter: number for number, letter in enumerate(folder.fact("letters", list[str]))}
        self.sounds: list[str] = folder.fact("sounds", list[str])

    def tidied(self, line: str) -> str:
        """In lower case."""
        return line.strip().lower()

    def encoded(self, source: str) -> list[int]:
        """Its letters' ids."""
        return [self.letters.get(letter, UNKNOWN) for letter in source]

    def result(self, tokens: Sequence[int]) -> list[str]:
        """The sounds."""
        return [self.sounds[token] for token in tokens]

    def steps_of(self, source: str, ids: Sequence[int], tokens: Sequence[int]) -> tuple[list[str], list[str]]:
        """Letters and sounds."""
        return list(source), self.result(tokens)

    def remarks_on(self, source: str, ids: Sequence[int], ended: bool) -> list[str]:
        """How long it is, which letters are not known, and whether its pronunciation is cut."""
        return of_pronunciation(source, [letter for letter in source if letter not in self.letters], ended=ended)
