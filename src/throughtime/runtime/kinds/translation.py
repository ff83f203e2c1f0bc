"""Translators: sentences of one language in another."""

from __future__ import annotations

from collections.abc import Sequence

from throughtime.errors import spelled
from throughtime.runtime.folder import Folder
from throughtime.runtime.pairs import PairRunner
from throughtime.runtime.remarks import of_translation
from throughtime.runtime.text.tokenizer import Tokenizer

SOURCE, TARGET = "source.json", "target.json"
"""The tokenizers' files."""


@spelled
class TranslationRunner(PairRunner):
    """A translator.

    Args:
        folder: With a tokenizer of either side beside the graphs.
    """

    read = "source"

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.source, self.target = (Tokenizer.load(folder.path / name) for name in (SOURCE, TARGET))

    def encoded(self, source: str) -> list[int]:
        """Its tokens' ids."""
        return self.source.encode(spaced(source))

    def result(self, tokens: Sequence[int]) -> str:
        """The sentence."""
        return self.target.decode(tokens).strip()

    def steps_of(self, source: str, ids: Sequence[int], tokens: Sequence[int]) -> tuple[list[str], list[str]]:
        """Their tokens."""
        return (
            [self.source.decode([token]).strip() for token in ids],
            [self.target.decode([token]).strip() for token in tokens],
        )

    def remarks_on(self, source: str, ids: Sequence[int], ended: bool) -> list[str]:
        """How long it is, what is not known of it, and whether its translation is cut."""
        return of_translation(source, ids.count(self.source.unk), len(ids), ended=ended)


def spaced(text: str) -> str:
    """With a space in front, so that a byte pair at the beginning is the same as within a sentence."""
    return f" {text}" if text else ""
