"""``throughtime score RUN``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from throughtime.api import Run
from throughtime.cli.common import (
    cell_option,
    encoding_option,
    json_option,
    print_table,
    read_lines,
    run_argument,
    trained_encoding,
)
from throughtime.cli.output import echo_json
from throughtime.errors import UserError
from throughtime.tasks import TASKS


@click.command(name="score")
@run_argument
@click.argument("file", default="-")
@click.option("--line", "lines", multiple=True, help="A line to score instead of FILE; may be repeated.")
@click.option("--sort", is_flag=True, help="Likeliest first.")
@encoding_option
@cell_option
@json_option
def command(
    run: Path,
    file: str,
    lines: tuple[str, ...],
    sort: bool,
    encoding: str | None,
    cell: str | None,
    as_json: bool,
) -> None:
    """The log-probability (nats) and the perplexity of every line of FILE, or of standard input.

    Which of these did the speaker say? `--sort` puts the likeliest first.
    """
    model = Run(run, TASKS["text"], cell=cell).ready()
    texts = [line for line in (lines or read_lines(file, encoding or trained_encoding(model, file))) if line.strip()]
    if not texts:
        raise UserError("expected lines to score, got none; give FILE, --line, or standard input")
    scores = model.score(texts)
    if sort:
        scores.sort(key=lambda score: -score.log_prob)
    if as_json:
        for score in scores:
            echo_json(asdict(score))
        return
    rows = [
        [f"{score.log_prob:.2f}", f"{score.perplexity:,.2f}", str(score.tokens), str(score.unknown), score.text]
        for score in scores
    ]
    columns = ["log-prob", "perplexity", "tokens", "unknown", "line"]
    print_table(columns, rows, right=columns[:-1])
