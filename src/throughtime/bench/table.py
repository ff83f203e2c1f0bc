"""The rows as tables that a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from throughtime.bench.plan import PARTS
from throughtime.bench.rows import PER_MULTIPLY_ADD, Row

TITLES = {
    "training": "training step, padded batch: forward, backward, gradients of inputs and weights",
    "ragged": "training step, ragged batch: lengths from T/10 to T; torch.nn on a PackedSequence",
    "streaming": "one streaming step, batch 1, state carried",
    "drawing": "a character of a text that is drawn: embedding, step, softmax, draw, and the text",
    "words": "training step of a tied model of 10,000 words: embedding, layer, loss, gradients, clipping, Adam",
    "memory": "memory of a training step, beyond weights and inputs, at its height",
    "start": "first call of a new cell, beyond a later one: with an empty cache, then in a later process",
}


@dataclass(frozen=True)
class Table:
    """Text in columns; those in ``left`` stand to the left, the others to the right."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    left: tuple[str, ...] = ("cell", "against", "part", "worst at")

    @property
    def right(self) -> list[str]:
        """The columns of figures."""
        return [column for column in self.columns if column not in self.left]


def tables(result: Mapping[str, Any]) -> list[Table]:
    """A table a part, and one of geometric means and worst cases."""
    rows: Sequence[Row] = result["rows"]
    made = [_part(part, found) for part in PARTS if (found := [row for row in rows if row["what"] == part])]
    if result["summary"]:
        made.append(_summary(result["summary"]))
    return made


def heading(result: Mapping[str, Any]) -> str:
    """The machine in one line, and how to read the tables in another."""
    machine, peaks = result["machine"], result["peak_gflops"]
    rates = ", ".join(f"{rate:,.0f} GFLOP/s on {number} thread(s)" for number, rate in peaks.items())
    peak = f"; float32 products: {rates}" if rates else ""
    target = f", code for {machine['target']}" if machine.get("target") else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}{target}, "
        f"load {machine['load_before']:.2f} before{peak}\n"
        "median ± half the distance of the quartiles; ratio: the peer's figure over ours, above 1 where ours is ahead"
    )


def _part(part: str, rows: Sequence[Row]) -> Table:
    unit = rows[0]["unit"]
    peers = list(dict.fromkeys(name for row in rows for name in row["peers"]))
    sizes = {"streaming": ["input", "hidden", "threads"], "drawing": ["input", "hidden", "threads"], "start": []}.get(
        part, ["batch", "time", "input", "hidden", "threads"]
    )
    columns = ["cell", *sizes, f"ours {unit}", *(["p99"] if part == "streaming" else [])]
    for peer in peers:
        columns += [f"{peer} {unit}", *(["its p99"] if part == "streaming" else []), "ratio"]
    extra = {
        "per_multiply_add_vs_lstm": ("per multiply-add, lstm = 1", "{:.2f}"),
        "share_of_peak": ("of peak", "{:.1%}"),
    }
    shown = {key: how for key, how in extra.items() if any(key in row for row in rows)}
    columns += [title for title, _ in shown.values()]
    if part == "start":
        columns.append(f"later process {unit}")
    body = []
    for row in rows:
        line = [row["cell"], *(str(row[size]) for size in sizes), figure(row["ours"])]
        if part == "streaming":
            line.append(number(row["ours"]["p99"]))
        for peer in peers:
            found = row["peers"].get(peer)
            line.append("–" if found is None else figure(found))
            if part == "streaming":
                line.append("–" if found is None else number(found["p99"]))
            line.append("–" if found is None else f"{found['ratio']['median']:.2f}×")
        line += [how.format(row[key]) if key in row else "–" for key, (_, how) in shown.items()]
        if part == "start":
            line.append(figure(row["later"]))
        body.append(line)
    return Table(TITLES[part], columns, body)


def _summary(lines: Sequence[Mapping[str, Any]]) -> Table:
    body = [
        [
            line["what"],
            line["cell"],
            str(line["threads"]),
            line["against"],
            str(line["rows"]),
            f"{line['geometric_mean']:.2f}{sign}",
            f"{line['worst']:.2f}{sign}",
            line["worst_at"],
        ]
        for line in lines
        for sign in ("" if line["against"] == PER_MULTIPLY_ADD else "×",)
    ]
    title = "in all: geometric mean of the ratios, and the worst"
    columns = ["part", "cell", "threads", "against", "rows", "geometric mean", "worst", "worst at"]
    return Table(title, columns, body)


def figure(summary: Mapping[str, float]) -> str:
    """The median, and half of the distance between the quartiles where there are any.

    Example:
        >>> figure({"median": 12.34, "q1": 12.0, "q3": 13.0, "runs": 5})
        '12.3 ± 0.50'
        >>> figure({"median": 1234.0, "q1": 1234.0, "q3": 1234.0, "runs": 1})
        '1,234 (once)'
    """
    if summary["runs"] == 1:
        return f"{number(summary['median'])} (once)"
    return f"{number(summary['median'])} ± {number((summary['q3'] - summary['q1']) / 2)}"


def number(value: float) -> str:
    """About three digits, as people read them.

    Example:
        >>> [number(value) for value in (0.01234, 0.5, 1.234, 12.34, 123.4, 12345.6)]
        ['0.012', '0.50', '1.23', '12.3', '123', '12,346']
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
