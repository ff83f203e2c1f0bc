"""Two texts that differ, one of them right: which does a language model find likelier?

Agreement sets are written so: *The keys to the cabinet* goes on with *are*, not with *is* (Linzen et al. 2016; Marvin
and Linzen 2018; Warstadt et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from throughtime.applications.task import Report, Table
from throughtime.applications.text_model import TextModel
from throughtime.decoding import sequence_log_probs
from throughtime.errors import UserError, shown
from throughtime.runtime.reading.files import file_lines

LISTED = 20
"""Pairs of a report's table."""

GROUP = 1024
"""Pairs that are computed together."""


class Pair(NamedTuple):
    """Two continuations of a text; of none, two whole lines.

    Attributes:
        prefix: What both go on from; None: they are whole lines, their end counted where lines end in EOS.
        right: What should be likelier.
        wrong: The other.
        where: File and line.
    """

    prefix: str | None
    right: str
    wrong: str
    where: str


def as_pairs(pairs: Any) -> list[Pair]:
    """Pairs of a file, or in memory.

    Raises:
        UserError: If they have no such form, or there are none.
    """
    if isinstance(pairs, str | Path):
        found = list(_read(Path(pairs)))
    else:
        rows = pairs if isinstance(pairs, list | tuple) else [pairs]
        found = [_pair(row, f"pair {number}") for number, row in enumerate(rows, 1)]
    if not found:
        raise UserError("expected pairs of texts, got none; write right, a tab and wrong in a line")
    return found


def compare_pairs(model: TextModel, pairs: Sequence[Pair]) -> Report:
    """The share of pairs whose right one is the likelier by the model, in percent; ties are not right.

    What comes after a prefix is judged as far as it goes, without an end.
    """
    ids = [(_ids(model, pair, pair.right), _ids(model, pair, pair.wrong)) for pair in pairs]
    gaps: list[float] = []
    for begin in range(0, len(ids), GROUP):
        scores = sequence_log_probs(model.model, [one for both in ids[begin : begin + GROUP] for one in both])
        gaps += [right - wrong for right, wrong in zip(scores[::2], scores[1::2], strict=True)]
    # The same ids may differ in the last bit, in batches of other lengths.
    gaps = [0.0 if right == wrong else gap for gap, (right, wrong) in zip(gaps, ids, strict=True)]
    unknown = sum(model.tokenizer.unk in (*right, *wrong) for right, wrong in ids)
    figures = {
        "accuracy": 100.0 * sum(gap > 0 for gap in gaps) / len(gaps),
        "pairs": len(gaps),
        "right": sum(gap > 0 for gap in gaps),
        "the_same_to_the_model": sum(right == wrong for right, wrong in ids),
        "with_unknown_tokens": unknown,
        "mean_gap_nats": sum(gaps) / len(gaps),
    }
    worst = sorted(zip(gaps, pairs, strict=True), key=lambda scored: scored[0])[:LISTED]
    rows: list[list[str | int | float]] = [
        [pair.where, gap, pair.prefix or "", pair.right, pair.wrong] for gap, pair in worst if gap <= 0
    ]
    return Report(figures, [Table("the wrong one likelier", ["where", "gap in nats", "after", "right", "wrong"], rows)])


def _ids(model: TextModel, pair: Pair, text: str) -> list[int]:
    if pair.prefix is None:
        return model.encode(text)
    joined = not pair.prefix or pair.prefix[-1].isspace() or text[0].isspace()
    return model.begin(f"{pair.prefix}{'' if joined else ' '}{text}")


def _read(path: Path) -> Iterator[Pair]:
    for number, line in enumerate(file_lines(path), 1):
        if line.strip():
            yield _pair(line.removesuffix("\n").split("\t"), f"{path}:{number}")


def _pair(row: Any, where: str) -> Pair:
    fields = list(row) if isinstance(row, list | tuple) else []
    if len(fields) not in (2, 3) or not all(isinstance(field, str) for field in fields):
        raise UserError(
            f"{where}: expected right and wrong, or a prefix, right and wrong, with tabs between them in a file, "
            f"got {shown(row)}"
        )
    prefix, (right, wrong) = (fields[0] if len(fields) == 3 else None), fields[-2:]
    if not right.strip() or not wrong.strip():
        raise UserError(f"{where}: expected two texts to compare, got {shown(right)} and {shown(wrong)}")
    if right == wrong:
        raise UserError(f"{where}: expected two texts that differ, got {shown(right)} twice")
    return Pair(prefix, right, wrong, where)
