"""One page on a model: every figure with a line on what it shows and what is healthy, and a verdict in words."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from throughtime.files import make_folder, write_text
from throughtime.inspection.numbers import show_number
from throughtime.inspection.panels import Panel, draw_panels
from throughtime.inspection.report import Inspection
from throughtime.inspection.verdict import Finding
from throughtime.pictures import save_figure
from throughtime.visible import visible

CELLS = (
    "Half-life: steps in which a gradient halves. Factor: what a step multiplies it by. Reach: steps until 1 % of it "
    "is left. Largest and smallest: singular values of the recurrent Jacobian, medians over the sequence."
)


def write_page(inspection: Inspection, folder: Path, title: str, facts: Sequence[str]) -> Path:
    """Writes ``index.html``, which needs nothing beside it, and every figure as a PNG; gives the page's path.

    Args:
        inspection: What was found.
        folder: Made if need be.
        title: Of the page.
        facts: Lines below the title: the model, the data.
    """
    make_folder(folder)
    panels = draw_panels(inspection)
    for panel in panels:
        save_figure(panel.figure, folder / f"{panel.name}.png")
    text = visible(_html(inspection, panels, folder, title, facts))
    page = folder / "index.html"
    write_text(page, text)
    return page


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #111; background: #fff; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
img { max-width: 100%; } p.healthy { color: #444; font-style: italic; margin-top: 0; }
ul.verdict li { margin: .3rem 0; } table { border-collapse: collapse; }
td, th { padding: .15rem .8rem .15rem 0; text-align: right; } td:first-child, th:first-child { text-align: left; }
"""


def _html(inspection: Inspection, panels: Sequence[Panel], folder: Path, title: str, facts: Sequence[str]) -> str:
    verdict = "".join(map(_finding, inspection.findings))
    figures = "".join(
        f'<h2 id="{panel.name}">{escape(panel.title)}</h2><p>{escape(panel.shows)}</p>'
        f'<img alt="{escape(panel.title + ": " + panel.shows)}" src="data:image/png;base64,{_picture(folder, panel)}">'
        f'<p class="healthy">{escape(panel.healthy)}</p>'
        for panel in panels
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(title)}</h1>{''.join(f'<p>{escape(fact)}</p>' for fact in facts)}"
        f'<h2>Verdict</h2><ul class="verdict">{verdict}</ul><p>{CELLS}</p>{_table(inspection.by_cell())}{figures}'
        f"<h2>Saturation</h2><p>Shares of values within 0.1 of a bound: low is shut (or −1), high is open (or 1). "
        f"A gate passes no gradient there.</p>{_table(inspection.by_gate())}</body></html>\n"
    )


def _finding(finding: Finding) -> str:
    advice = f". What helps: {finding.advice}" if finding.advice else ""
    return f"<li><strong>{escape(finding.text)}</strong>{escape(advice)}.</li>"


def _picture(folder: Path, panel: Panel) -> str:
    return base64.b64encode((folder / f"{panel.name}.png").read_bytes()).decode()


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row.values())}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    return show_number(value) if isinstance(value, float) else escape(str(value))
