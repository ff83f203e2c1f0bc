"""``throughtime sample RUN``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from throughtime.cli.shared.common import cell_option, json_option, open_run, run_argument, task_option
from throughtime.cli.shared.options import RunCommand, task_options
from throughtime.cli.shared.output import echo, echo_json
from throughtime.errors import UserError, listed
from throughtime.pictures import SUFFIXES, check_picture
from throughtime.visible import tell


@click.command(name="sample", cls=RunCommand, use="sample")
@run_argument
@click.option("--count", default=1, show_default=True, type=click.IntRange(min=1), help="Samples to draw.")
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
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: Path,
    count: int,
    files: tuple[Path, ...],
    cell: str | None,
    task: str | None,
    as_json: bool,
    **_: Any,
) -> None:
    """Draw text or music from the model in RUN, as it comes; UNK is never drawn."""
    opened, options = open_run(run, cell, task), task_options(ctx)
    sampler = opened.sampler
    for file in files:
        _check(file, sampler.suffixes)
    for number, drawn in enumerate(opened.samples(count, **options)):
        if not number:
            for warning in sampler.warnings(drawn.options.prompt):
                tell(warning)
        elif not as_json:
            echo("\n" + "─" * 40)
        for piece in drawn:
            if not as_json:
                echo(piece, nl=False)
        if as_json:
            seed = drawn.options.sampling(number).seed
            echo_json({"prompt": drawn.options.prompt, **drawn.data, "seed": seed})
        else:
            echo()
        for file in files:
            drawn.save(file if count == 1 else file.with_stem(f"{file.stem}-{number + 1}"))


def _check(file: Path, suffixes: Sequence[str]) -> None:
    """Refuses a file that could not be written, before anything is drawn."""
    if file.suffix.lower() not in suffixes:
        raise UserError(f"--out: expected a file that ends in {listed(suffixes)}, got {file}")
    if file.suffix.lower() in SUFFIXES:
        check_picture(file, "--out")
    elif not file.absolute().parent.is_dir():
        raise UserError(f"--out: expected a folder that exists, got {file.parent}; make it first")
