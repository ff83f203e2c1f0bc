"""``throughtime sample RUN``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from throughtime.cli.common import cell_option, json_option, open_task, run_argument, task_option
from throughtime.cli.output import echo, echo_json
from throughtime.decoding import Sampling
from throughtime.errors import UserError
from throughtime.pictures import SUFFIXES, check_picture
from throughtime.visible import tell


@click.command(name="sample")
@run_argument
@click.option("--prompt", default="", help="What to go on from: text; of music a genre, notes (C4 E4), a MIDI file.")
@click.option(
    "--temperature", default=1.0, show_default=True, help="Below 1 bolder, above 1 more even; 0: the likeliest."
)
@click.option("--top-k", type=int, help="Draw from the k likeliest tokens.")
@click.option(
    "--top-p", default=1.0, show_default=True, help="Draw from the likeliest tokens with this share of probability."
)
@click.option(
    "--length",
    type=int,
    help="Most tokens, or frames, to draw; default: 300 of text, 128 frames of keys, else a whole tune.",
)
@click.option("--min-length", default=0, show_default=True, help="Do not end before this many tokens.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(min=1), help="Samples to draw.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of the draws; default: another each time.")
@click.option(
    "--out",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Write the sample to this file, too: text as .txt, music as .mid, .wav or .png; may be repeated.",
)
@cell_option
@task_option
@json_option
def command(
    run: Path,
    prompt: str,
    temperature: float,
    top_k: int | None,
    top_p: float,
    length: int | None,
    min_length: int,
    count: int,
    seed: int | None,
    files: tuple[Path, ...],
    cell: str | None,
    task: str | None,
    as_json: bool,
) -> None:
    """Draw text or music from the model in RUN, as it comes; UNK is never drawn."""
    sampler = open_task(run, task).sampler(run, cell)
    most = sampler.length if length is None else length
    try:
        settings = [
            Sampling(temperature, top_k, top_p, most, min_length, None if seed is None else seed + number)
            for number in range(count)
        ]
    except ValueError as error:
        raise UserError(str(error)) from error
    for file in files:
        _check(file, sampler.suffixes)
    for warning in sampler.warnings(prompt):
        tell(warning)
    for number, setting in enumerate(settings):
        drawn = sampler.sample(prompt, setting)
        if number and not as_json:
            echo("\n" + "─" * 40)
        for piece in drawn:
            if not as_json:
                echo(piece, nl=False)
        if as_json:
            echo_json({"prompt": prompt, **drawn.data, "seed": setting.seed})
        else:
            echo()
        for file in files:
            drawn.save(file if count == 1 else file.with_stem(f"{file.stem}-{number + 1}"))


def _check(file: Path, suffixes: Sequence[str]) -> None:
    """Refuses a file that could not be written, before anything is drawn."""
    if file.suffix.lower() not in suffixes:
        raise UserError(f"--out: expected a file that ends in {', '.join(suffixes)}, got {file}")
    if file.suffix.lower() in SUFFIXES:
        check_picture(file, "--out")
    elif not file.absolute().parent.is_dir():
        raise UserError(f"--out: expected a folder that exists, got {file.parent}; make it first")
