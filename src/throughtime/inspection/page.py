"""One page on a model: every figure with a line on what it shows and what is healthy, and a verdict in words."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from throughtime.files import make_folder, write_text
from throughtime.inspection.numbers import show_factor, show_number, show_reach
from throughtime.inspection.panels import Panel, draw_panels
from throughtime.inspection.report import Inspection
from throughtime.inspection.verdict import Finding
from throughtime.pictures import save_figure
from throughtime.visible import visible

CELLS = {
    "half-life": "steps in which a gradient halves; a range where its curve bends, none where it turns",
    "factor": "what a step multiplies the gradient by; below 1 it falls, above 1 it grows",
    "1 % left after": "steps until a hundredth of the gradient is left, of as many as were looked at",
    "largest, smallest": "singular values of the recurrent Jacobian, medians over the longest sequence",
}
"""The columns of the first table."""
GATES = {
    "mean": "of all values",
    "low": "the share of values within 0.1 of the lower bound: a gate that is shut, a state near −1",
    "high": "the share within 0.1 of the upper bound: a gate that is open, a state near 1",
}
"""Of the second."""
SATURATED = (
    "There a gate hardly learns. That is no harm to a gate that keeps the memory (an LSTM's f, open; an update gate, "
    "shut): so a state, and its gradient, last."
)


def write_page(inspection: Inspection, folder: str | Path, of: str, facts: Sequence[str]) -> Path:
    """Writes ``index.html``, which needs nothing beside it, and every figure as a PNG; gives the page's path.

    Args:
        inspection: What was found.
        folder: Made if need be.
        of: What is looked at: the page's title, and the second line of each figure's.
        facts: Lines below the title: the model, the data.
    """
    folder = Path(folder)
    make_folder(folder)
    panels = draw_panels(inspection, of)
    for panel in panels:
        save_figure(panel.figure, folder / f"{panel.name}.png")
    text = visible(_html(inspection, panels, folder, of, facts))
    page = folder / "index.html"
    write_text(page, text)
    return page


STYLE = """
:root { color-scheme: light dark; --ink: #111; --paper: #fff; --soft: #444; --line: #bbb; --link: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #16181b; --soft: #b9bec4; --line: #555; --link: #8ec5ff; }
}
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } a { color: var(--link); }
figure { margin: 0; overflow-x: auto; }
figure img { width: 100%; min-width: 44rem; height: auto; background: #fff; border-radius: 6px; }
p.healthy { color: var(--soft); font-style: italic; margin-top: .3rem; }
summary { cursor: pointer; color: var(--link); } summary:focus-visible { outline: 2px solid var(--link); }
details pre { margin-left: 1rem; overflow-x: auto; }
details p, details dl { margin: .4rem 0 .6rem 1rem; } dt { font-weight: 600; } dd { margin: 0 0 .3rem 1rem; }
ul.verdict li { margin: .3rem 0; } .wide { overflow-x: auto; } table { border-collapse: collapse; }
td, th { padding: .15rem .8rem .15rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
td:first-child, th:first-child { text-align: left; }
"""
"""Figures keep a light ground of their own: their colours are told apart on it, also where the page is dark. On a
narrow screen they stay as wide as their letters need, and move below its edge."""


def _html(inspection: Inspection, panels: Sequence[Panel], folder: Path, of: str, facts: Sequence[str]) -> str:
    verdict = "".join(map(_finding, inspection.findings))
    lines = [line for fact in facts for line in fact.splitlines()]
    contents = " · ".join(f'<a href="#{panel.name}">{escape(panel.title)}</a>' for panel in panels)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(of)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>"
        f"<h1>{escape(of)}</h1>{''.join(f'<p>{escape(line)}</p>' for line in lines)}"
        f'<h2>Verdict</h2><ul class="verdict">{verdict}</ul>{_table(_cells(inspection))}'
        f"{_meaning('What do these columns mean?', CELLS)}<nav><p>{contents}</p></nav>"
        f"{''.join(_figure(panel, folder) for panel in panels)}"
        "<h2>Saturation</h2><p>How often gates and states are near a bound.</p>"
        f'<p class="healthy">{SATURATED}</p>{_table(inspection.by_gate())}'
        f"{_meaning('What do these columns mean?', GATES)}</main></body></html>\n"
    )


def _figure(panel: Panel, folder: Path) -> str:
    alt = escape(f"{panel.title}: {panel.shows}")
    return (
        f'<section><h2 id="{panel.name}">{escape(panel.title)}</h2><p>{escape(panel.shows)}</p>'
        f'<figure><img alt="{alt}" title="{escape(panel.means)}" src="data:image/png;base64,{_picture(folder, panel)}">'
        f'</figure><p class="healthy">{escape(panel.healthy)}</p>'
        f"<details><summary>What does this mean?</summary><p>{escape(panel.means)}</p>{_equations(panel)}</details>"
        "</section>"
    )


def _equations(panel: Panel) -> str:
    if not panel.equations:
        return ""
    return f"<p>The letters, as the cell's equations have them:</p><pre>{escape(panel.equations)}</pre>"


def _meaning(question: str, words: Mapping[str, str]) -> str:
    terms = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in words.items())
    return f"<details><summary>{escape(question)}</summary><dl>{terms}</dl></details>"


def _cells(inspection: Inspection) -> list[dict[str, Any]]:
    return [
        {
            "cell": line["cell"],
            "half-life": line["half_life_told"],
            "factor": line["factor"],
            "1 % left after": show_reach(line["reach"], line["distance"]),
            "largest": show_factor(line["largest"]),
            "smallest": show_factor(line["smallest"]),
        }
        for line in inspection.by_cell()
    ]


def _finding(finding: Finding) -> str:
    advice = f". What helps: {finding.advice}" if finding.advice else ""
    return f"<li><strong>{escape(finding.text)}</strong>{escape(advice)}.</li>"


def _picture(folder: Path, panel: Panel) -> str:
    return base64.b64encode((folder / f"{panel.name}.png").read_bytes()).decode()


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row.values())}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: Any) -> str:
    return show_number(value) if isinstance(value, float) else escape(str(value))
