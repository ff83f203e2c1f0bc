"""``throughtime inspect RUN``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from throughtime.cli.common import cell_option, json_option, open_task, print_table, run_argument, task_option
from throughtime.cli.output import echo, echo_json
from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.visible import in_line


@click.command(name="inspect")
@run_argument
@click.option("--data", "paths", multiple=True, metavar="PATH", help="To look at it by; may be repeated.")
@click.option("--prompt", help="A text to look at a language model by.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the page; default: RUN/inspection.")
@click.option("--rows", default=8, show_default=True, type=click.IntRange(min=1), help="Most sequences.")
@click.option("--length", default=100, show_default=True, type=click.IntRange(min=2), help="Most steps of one.")
@cell_option
@task_option
@json_option
def command(
    run: Path,
    paths: tuple[str, ...],
    prompt: str | None,
    out: Path | None,
    rows: int,
    length: int,
    cell: str | None,
    task: str | None,
    as_json: bool,
) -> None:
    """Look inside the model in RUN: gradients through time, the recurrent Jacobian, gates, memory, and a verdict.

    Writes one page that needs nothing beside it, and its figures as PNG.
    """
    from throughtime.applications.task import Wanted
    from throughtime.inspection import inspect, read_history, record, write_page
    from throughtime.inspection.numbers import show_number

    if paths and prompt is not None:
        raise UserError("expected --data or --prompt, not both")
    extra("matplotlib", "plots", "the page")
    folder = out or run / "inspection"
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out: expected a folder, got the file {folder}")
    seen = open_task(run, task).inspected(run, cell, Wanted(paths, prompt, rows, length))
    recording = record(seen.model, seen.batch)
    found = inspect(seen.model, recording, read_history(run / "metrics.jsonl"), seen.kind, seen.steps)
    page = write_page(found, folder, f"{run.name}: gradients through time", seen.facts)
    if as_json:
        verdict = [{"kind": f.kind, "text": f.text, "advice": f.advice} for f in found.findings]
        memory = {name: {"length": m.length, "whole": m.whole} for name, m in found.memories.items()}
        result = {"page": str(page), "verdict": verdict, "cells": found.by_cell(), "gates": found.by_gate()}
        echo_json(_plain({**result, "memory": memory}))
        return
    columns = ["cell", "half-life", "factor a step", "1 % left after", "singular values"]
    lines = [
        [
            line["cell"],
            show_number(line["half_life"], ".1f"),
            show_number(line["factor"], ".3f"),
            show_number(line["reach"], ",.0f"),
            f"{show_number(line['smallest'])} – {show_number(line['largest'])}",
        ]
        for line in found.by_cell()
    ]
    print_table(columns, lines, right=columns[1:])
    echo()
    for finding in found.findings:
        echo(in_line(finding.text) + (f"; what helps: {finding.advice}" if finding.advice else ""))
    echo(f"\nthe page: {in_line(str(page))}")


def _plain(value: Any) -> Any:
    """Plain data as JSON knows it: what is no finite number becomes null."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
