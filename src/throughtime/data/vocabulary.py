"""Symbols and their ids: words, characters, labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from throughtime.errors import listed

UNKNOWN = "<unk>"
"""Stands for every symbol that an open vocabulary does not hold."""


class Vocabulary:
    """Symbols numbered from 0. It is open where its first symbol is :data:`UNKNOWN`, else closed.

    Args:
        symbols: In the order of their ids, each once.

    Raises:
        ValueError: If a symbol is there twice.

    Example:
        >>> words = Vocabulary.learn(["to", "be", "or", "not", "to", "be"], min_count=2)
        >>> words.symbols, words.ids(["to", "sleep"])
        (['<unk>', 'to', 'be'], [1, 0])
        >>> labels = Vocabulary(["no", "yes"])
        >>> labels.ids(["yes", "no"]), "maybe" in labels
        ([1, 0], False)
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = list(symbols)
        self._ids = {symbol: number for number, symbol in enumerate(self.symbols)}
        if len(self._ids) < len(self.symbols):
            twice = next(symbol for symbol, count in Counter(self.symbols).items() if count > 1)
            raise ValueError(f"expected symbols that differ, got {twice!r} twice")
        self.is_open = self.symbols[:1] == [UNKNOWN]

    def __repr__(self) -> str:
        return f"Vocabulary({len(self.symbols):,} symbols: {listed(self.symbols, 5)})"

    @classmethod
    def learn(
        cls,
        symbols: Iterable[str],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        first: Sequence[str] = (UNKNOWN,),
    ) -> Vocabulary:
        """The symbols of a text, the commonest first, equally common ones in the order they came in.

        Args:
            symbols: The text.
            min_count: Rarer symbols are left out.
            max_size: Most symbols in all, ``first`` counted.
            first: Symbols that stand before all others.
        """
        counts = Counter(symbols)
        for symbol in first:
            counts.pop(symbol, None)
        found = [symbol for symbol, count in counts.most_common() if count >= min_count]
        return cls([*first, *found][: max_size or None])

    @classmethod
    def closed(cls, symbols: Iterable[str]) -> Vocabulary:
        """The symbols of a text in alphabetical order, none of them unknown."""
        return cls(sorted(set(symbols)))

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._ids

    def ids(self, symbols: Iterable[str]) -> list[int]:
        """The ids of symbols.

        Raises:
            KeyError: If a closed vocabulary does not hold one.
        """
        if self.is_open:
            return [self._ids.get(symbol, 0) for symbol in symbols]
        return [self._ids[symbol] for symbol in symbols]
