"""What models from one sequence to another tell: targets, the best first, and what each step of one attended to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Generic, TypeVar

from throughtime.applications.prediction import Prediction
from throughtime.visible import visible

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Result(Generic[ResultT]):
    """A target that was found.

    Attributes:
        result: The target.
        score: What targets are ordered by: the log-probability, made up for the length.
        log_prob: In nats.
    """

    result: ResultT
    score: float
    log_prob: float


@dataclass(frozen=True, repr=False, kw_only=True)
class PairPrediction(Prediction, Generic[ResultT]):
    """The targets of a source; a subclass adds one field, the source.

    Attributes:
        nbest: As many as were asked for, the best first; none where the source is empty.
        attention: What share of its attention each step of the best target gave to each step of the source, ``[S, T]``,
            where that was asked for.
        source_tokens: The steps of the source, with ``attention``.
        target_tokens: Those of the best target, likewise.
    """

    nbest: Sequence[Result[ResultT]]
    attention: Sequence[Sequence[float]] | None = None
    source_tokens: Sequence[str] | None = None
    target_tokens: Sequence[str] | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """The best target, and its log-probability in nats."""
        if not self.nbest:
            return {"predicted": "", "log_prob": None}
        best = self.nbest[0]
        return {"predicted": as_text(best.result), "log_prob": best.log_prob}

    def _named(self) -> dict[str, Any]:
        *rest, source = super()._named().items()
        return dict([source, *rest])

    def _repr_html_(self) -> str:
        """The result, under it the attention as a table, the darker the more."""
        shown = super()._repr_html_()
        if self.attention is None:
            return shown
        return shown + heat_table(self.source_tokens or (), self.target_tokens or (), self.attention)


@dataclass(frozen=True, repr=False, kw_only=True)
class TranslationPrediction(PairPrediction[str]):
    """The translation of a sentence.

    Attributes:
        source: What was read.
    """

    source: str

    @property
    def translation(self) -> str:
        """The best one."""
        return self.nbest[0].result if self.nbest else ""


@dataclass(frozen=True, repr=False, kw_only=True)
class PronunciationPrediction(PairPrediction[list[str]]):
    """How a word is spoken.

    Attributes:
        word: What was read.
    """

    word: str

    @property
    def sounds(self) -> list[str]:
        """The best ones."""
        return self.nbest[0].result if self.nbest else []


def as_text(result: Any) -> str:
    """A target in a cell: sounds with a space between them."""
    return result if isinstance(result, str) else " ".join(result)


def heat_table(columns: Sequence[str], rows: Sequence[str], shares: Sequence[Sequence[float]]) -> str:
    """A table of shares in percent as HTML, the darker the more; every column is as wide as a full one.

    Example:
        >>> heat_table(["<a>"], ["b"], [[0.25]]).split("<tr>")[2]
        '<th>b</th><td style="text-align: center; background: rgba(31, 119, 180, 0.25)">25</td></tr></table>'
    """
    wide = ' style="min-width: 2em; text-align: center"'
    head = "<th></th>" + "".join(f"<th{wide}>{escape(visible(name))}</th>" for name in columns)
    lines = [
        f"<tr><th>{escape(visible(name))}</th>" + "".join(map(_cell, row)) + "</tr>"
        for name, row in zip(rows, shares, strict=True)
    ]
    return f'<table style="font-size: smaller; border-spacing: 0"><tr>{head}</tr>{"".join(lines)}</table>'


def _cell(share: float) -> str:
    return f'<td style="text-align: center; background: rgba(31, 119, 180, {share:.2f})">{100 * share:.0f}</td>'
