"""What a model makes of an input: named fields for programs, text for people, HTML for a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from throughtime.errors import spelled
from throughtime.visible import visible


@spelled
@dataclass(frozen=True, repr=False)
class Prediction:
    """What a model makes of an input. A task's own subclass names the fields of its results, by keyword.

    A field that a result does not have is None. Fields stand in :attr:`data`, too, in their order, as plain data.

    Attributes:
        shown: For people.
        data: For programs: plain data.
        warnings: What the user should know of the input.
        final: False where more of the input is to come, and may change it.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, repr=False, kw_only=True)
        ... class Language(Prediction):
        ...     language: str
        ...     probability: float | None = None
        >>> found = Language(Text("German, surely", "bold"), language="de")
        >>> found.data, print(found), found
        German, surely
        ({'language': 'de'}, None, Language(language='de'))
    """

    shown: Text
    data: dict[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    final: bool = True

    def __post_init__(self) -> None:
        own = {name: plain(value) for name, value in self._named().items() if value is not None}
        object.__setattr__(self, "data", own | self.data)

    def _named(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in COMMON}

    @property
    def columns(self) -> dict[str, Any]:
        """What stands beside the input in a table: the label and its probability; without a label, texts and numbers.

        Example:
            >>> Prediction(Text(), {"label": "a", "probabilities": {"a": 0.75003, "b": 0.24997}}).columns
            {'predicted': 'a', 'probability': 0.75}
            >>> Prediction(Text(), {"language": "de", "letters": [1, 2]}).columns
            {'language': 'de'}
        """
        label, chances = self.data.get("label"), self.data.get("probabilities")
        if label is None or not isinstance(chances, dict):
            return {name: value for name, value in self.data.items() if isinstance(value, str | int | float)}
        return {"predicted": label, "probability": round(chances[label], 4)}

    def __repr__(self) -> str:
        told = self._named() or self.data
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in told.items() if v is not None)})"

    def __str__(self) -> str:
        return visible(self.shown.plain)

    def __rich__(self) -> Text:
        return self.shown

    def _repr_html_(self) -> str:
        """For a notebook."""
        return f'<pre style="white-space: pre-wrap">{as_html(self.shown)}</pre>'


COMMON = frozenset(f.name for f in fields(Prediction))


def plain(value: Any) -> Any:
    """Dataclasses, and whatever holds them, as plain data.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Span:
        ...     start: int
        ...     end: int
        >>> plain({"spans": (Span(0, 4), Span(8, 12))})
        {'spans': [{'start': 0, 'end': 4}, {'start': 8, 'end': 12}]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


ON_ANY_GROUND = TerminalTheme(
    (255, 255, 255),
    (0, 0, 0),
    [
        (0x77, 0x77, 0x77),
        (0xD6, 0x43, 0x3B),
        (0x1D, 0x8A, 0x3E),
        (0x96, 0x74, 0x0F),
        (0x3B, 0x78, 0xD8),
        (0xB4, 0x55, 0xB8),
        (0x0F, 0x85, 0x85),
        (0x77, 0x77, 0x77),
    ],
)
"""A terminal's eight colours where the ground is not known: each is as legible on white as on a notebook's black."""


def as_html(text: Text) -> str:
    """A styled text as HTML that acts on nothing: what it says is escaped, its styles are spans.

    Example:
        >>> as_html(Text.assemble("a < ", ("b", "bold")))
        'a &lt; <span style="font-weight: bold">b</span>'
    """
    pieces = []
    ends = sorted({0, len(text), *(end for span in text.spans for end in (span.start, span.end))})
    for start, end in pairwise(ends):
        words = escape(visible(text.plain[start:end]))
        styles = [text.style, *(span.style for span in text.spans if span.start <= start and end <= span.end)]
        style = Style.combine([Style(), *(Style.parse(s) if isinstance(s, str) else s for s in styles)])
        css = style.get_html_style(ON_ANY_GROUND)
        pieces.append(f'<span style="{css}">{words}</span>' if css else words)
    return "".join(pieces)


BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60
"""Most characters of a line of attention."""


def bars(weights: Sequence[float]) -> str:
    """Attention as a line of bars, the highest as high as a line; of many steps, each bar shows the mean of some.

    Example:
        >>> bars([0.0, 0.1, 0.8, 0.1])
        '▁▂█▂'
    """
    groups = np.array_split(np.asarray(weights), min(len(weights), WIDTH))
    means = np.array([group.mean() for group in groups])
    return "".join(BARS[round(height * (len(BARS) - 1))] for height in means / max(1e-12, means.max()))
