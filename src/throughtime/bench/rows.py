"""A measurement as a row of plain data, and what many rows say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from throughtime.bench.peers import OURS
from throughtime.bench.plan import Case
from throughtime.bench.timing import geometric_mean, ratios, rounded, summarise

Row = dict[str, Any]
"""Keys: what, cell, batch, time, input, hidden, threads; unit; ours: median, q1, q3, min, max, runs;
peers: the same by peer and ``ratio``: median, q1, q3 of the peer's figure over ours; and the part's own.
"""

UNITS = {"ms": 1e3, "µs": 1e6, "MB": 1.0}


def make_row(
    case: Case, figures: Mapping[str, Sequence[float]], unit: str, extra: Mapping[str, Any] | None = None
) -> Row:
    """A row of what :func:`~throughtime.bench.timing.interleave` gave."""
    scale = UNITS[unit]
    ours = figures[OURS]
    peers = {}
    for name, values in figures.items():
        if name != OURS:
            ratio = summarise(ratios(ours, values))
            peers[name] = {**summarise(values, scale), "ratio": {key: ratio[key] for key in ("median", "q1", "q3")}}
    return {**case.key(), "unit": unit, "ours": summarise(ours, scale), "peers": peers, **(extra or {})}


def shape_label(row: Row) -> str:
    """The sizes of a row that its part varies."""
    if row["what"] == "start":
        return "tiny"
    steps = "" if row["what"] in ("streaming", "drawing") else f"B{row['batch']} T{row['time']} "
    return f"{steps}{row['input']}→{row['hidden']}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}"


def add_share_of_peak(rows: Sequence[Row], peaks: Mapping[str, float]) -> None:
    """Writes into every row with a rate its share of the peak that was seen with as many threads."""
    for row in rows:
        peak = peaks.get(str(row["threads"]))
        if "gflops" in row and peak:
            row["share_of_peak"] = rounded(row["gflops"] / peak)


def summary(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """By part, cell, threads and peer: geometric mean of the ratios, and the worst with its shape.

    A cell's time per multiply-add over that of our LSTM is summed up in the same way; there, less is better.
    """
    groups: dict[tuple[str, str, int, str], list[tuple[float, str]]] = {}
    for row in rows:
        found = {name: peer["ratio"]["median"] for name, peer in row["peers"].items()}
        if "per_multiply_add_vs_lstm" in row:
            found[PER_MULTIPLY_ADD] = row["per_multiply_add_vs_lstm"]
        for peer, ratio in found.items():
            group = (row["what"], row["cell"], row["threads"], peer)
            groups.setdefault(group, []).append((ratio, shape_label(row)))
    lines = []
    for (what, cell, number, peer), found_ratios in groups.items():
        worst = max(found_ratios) if peer == PER_MULTIPLY_ADD else min(found_ratios)
        lines.append(
            {
                "what": what,
                "cell": cell,
                "threads": number,
                "against": peer,
                "rows": len(found_ratios),
                "geometric_mean": rounded(geometric_mean([ratio for ratio, _ in found_ratios])),
                "worst": worst[0],
                "worst_at": worst[1],
            }
        )
    return lines


PER_MULTIPLY_ADD = "our lstm, per multiply-add"
