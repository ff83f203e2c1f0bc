"""``throughtime score RUN``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from throughtime.api import Run
from throughtime.cli.shared.common import (
    cell_option,
    encoding_option,
    json_option,
    print_report,
    print_table,
    read_lines,
    run_argument,
    trained_encoding,
    wide_option,
)
from throughtime.cli.shared.output import echo_json
from throughtime.engine import WEIGHTS
from throughtime.errors import UserError
from throughtime.runtime.reading.encodings import reading_as
from throughtime.tasks import TASKS
from throughtime.visible import in_line


@click.command(name="score")
@run_argument
@click.argument("file", default="-")
@click.option("--line", "lines", multiple=True, help="A line to score instead of FILE; may be repeated.")
@click.option("--sort", is_flag=True, help="Likeliest first.")
@encoding_option
@click.option("--tokens", is_flag=True, help="The log-probability of every token, too.")
@click.option(
    "--pairs",
    type=click.Path(path_type=Path),
    help="Compare two texts a line, the right one first: RIGHT, tab, WRONG; or PREFIX, tab, RIGHT, tab, WRONG.",
)
@click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default="float32",
    show_default=True,
    help="What matrices are kept in: what a stream with as many bits says.",
)
@cell_option
@wide_option
@json_option
def command(
    run: Path,
    file: str,
    lines: tuple[str, ...],
    sort: bool,
    encoding: str | None,
    tokens: bool,
    pairs: Path | None,
    weights: str,
    cell: str | None,
    as_json: bool,
) -> None:
    """The log-probability (nats) and the perplexity of every line of FILE, or of standard input.

    Which of these did the speaker say? `--sort` puts the likeliest first; `--pairs` counts how often the right one of
    two is the likelier.
    """
    model = Run(run, TASKS["text"], cell=cell).ready()
    if pairs is not None:
        if file != "-" or lines or sort or tokens or weights != "float32":
            raise UserError("--pairs: expected no other lines or options with it; it names the file of pairs")
        with reading_as(encoding):
            print_report(model.score_pairs(pairs), as_json)
        return
    texts = [line for line in (lines or read_lines(file, encoding or trained_encoding(model, file))) if line.strip()]
    if not texts:
        raise UserError("expected lines to score, got none; give FILE, --line, or standard input")
    scores = model.score(texts, tokens=tokens, weights=weights)
    if sort:
        scores.sort(key=lambda score: -score.log_prob)
    if as_json:
        for score in scores:
            echo_json({name: value for name, value in asdict(score).items() if value is not None})
        return
    if tokens:
        _print_tokens(scores)
        return
    rows = [
        [f"{score.log_prob:.2f}", f"{score.perplexity:,.2f}", str(score.tokens), str(score.unknown), score.text]
        for score in scores
    ]
    columns = ["log-prob (nats)", "perplexity", "tokens", "unknown", "line"]
    print_table(columns, rows, right=columns[:-1])


def _print_tokens(scores: Sequence[Any]) -> None:
    """Every token of every line, a row each, and the line's sum."""
    rows = []
    for number, score in enumerate(scores, 1):
        rows += [[str(number), f"{one.log_prob:.4f}", in_line(one.token)] for one in score.each]
        rows.append([str(number), f"{score.log_prob:.4f}", f"all {score.tokens}: {score.text}"])
    print_table(["line", "log-prob (nats)", "token"], rows, right=["line", "log-prob (nats)"])
