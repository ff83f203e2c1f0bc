"""``throughtime sample RUN``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from throughtime.cli.common import cell_option, json_option, run_argument
from throughtime.decoding import Sampling
from throughtime.errors import UserError
from throughtime.tasks.text import TextModel


@click.command(name="sample")
@run_argument
@click.option("--prompt", default="", help="Text to go on from.")
@click.option(
    "--temperature", default=1.0, show_default=True, help="Below 1 bolder, above 1 more even; 0: the likeliest."
)
@click.option("--top-k", type=int, help="Draw from the k likeliest tokens.")
@click.option(
    "--top-p", default=1.0, show_default=True, help="Draw from the likeliest tokens with this share of probability."
)
@click.option("--length", default=300, show_default=True, help="Most tokens to draw.")
@click.option("--min-length", default=0, show_default=True, help="Do not end before this many tokens.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(min=1), help="Texts to draw.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of the draws; default: another each time.")
@cell_option
@json_option
def command(
    run: Path,
    prompt: str,
    temperature: float,
    top_k: int | None,
    top_p: float,
    length: int,
    min_length: int,
    count: int,
    seed: int | None,
    cell: str | None,
    as_json: bool,
) -> None:
    """Draw text from the language model in RUN, as it comes; UNK is never drawn."""
    try:
        settings = [
            Sampling(temperature, top_k, top_p, length, min_length, None if seed is None else seed + number)
            for number in range(count)
        ]
    except ValueError as error:
        raise UserError(str(error)) from error
    model = TextModel(run, cell=cell)
    read = model.tokenizer.encode(prompt)
    unknown = read.count(model.tokenizer.unk)
    if unknown:
        click.echo(f"throughtime: the model does not know {unknown} of the prompt's {len(read)} tokens", err=True)
    for number, setting in enumerate(settings):
        pieces = model.sample(prompt, setting)
        if as_json:
            click.echo(
                json.dumps({"prompt": prompt, "text": "".join(pieces), "seed": setting.seed}, ensure_ascii=False)
            )
            continue
        if number:
            click.echo("\n" + "─" * 40)
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
        click.echo()
