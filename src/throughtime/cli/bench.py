"""``throughtime bench``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from throughtime.bench import PARTS, Plan, heading, measure, tables
from throughtime.bench.plot import draw
from throughtime.cli.shared.common import json_option, print_table, wide_option
from throughtime.cli.shared.output import echo, echo_json, rewrite
from throughtime.errors import UserError, listed
from throughtime.pictures import check_picture


class Words(click.ParamType[tuple[str, ...]]):
    """Words separated by commas."""

    name = "words"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Each word once, in the order given."""
        words = [word.strip() for word in str(value).split(",")]
        if not all(words):
            raise UserError(f"{_flag(param)}: expected words separated by commas, got {value!r}")
        return tuple(dict.fromkeys(words))

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """As they are written."""
        return "A,B,…"


class Numbers(click.ParamType[tuple[int, ...]]):
    """Sizes separated by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Each size once, in the order given."""
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isascii() and word.isdigit() and 0 < int(word) < 2**31 for word in words):
            raise UserError(f"{_flag(param)}: expected sizes of at least 1 separated by commas, as 1,32, got {value!r}")
        return tuple(dict.fromkeys(int(word) for word in words))

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """As they are written."""
        return "N,M,…"


def _flag(param: click.Parameter | None) -> str:
    return param.opts[0] if param is not None else "the option"


@click.command(name="bench")
@click.option(
    "--what",
    type=Words(),
    default="training,streaming",
    show_default=True,
    help=f"What is measured: {', '.join(PARTS)}, or all.",
)
@click.option("--cells", type=Words(), help="Cells by name, or module:Class.")
@click.option("--batch", type=Numbers(), help="Rows of a batch.")
@click.option("--time", type=Numbers(), help="Steps.")
@click.option("--hidden", type=Numbers(), help="Units.")
@click.option("--input", "inputs", type=Numbers(), help="Features of the input; default: as many as there are units.")
@click.option("--threads", type=Numbers(), help="Threads; default: as many as PyTorch takes.")
@click.option("--seconds", default=2.0, show_default=True, help="Time for a row of the table.")
@click.option("--engine", default="auto", show_default=True, help="The engine that runs our side.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of weights and inputs.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the ratios into this PNG file.")
@wide_option
@json_option
def command(
    what: tuple[str, ...], inputs: tuple[int, ...] | None, plot: Path | None, as_json: bool, **options: Any
) -> None:
    """Measure this machine: our layers beside torch.nn, an eager loop and ONNX Runtime, in one run.

    All take turns, with the same weights and threads. Without options this takes a minute or two.
    """
    if inputs is not None and len(inputs) != 1:
        raise UserError(f"--input: expected one size, got {listed(inputs)}")
    parts = tuple(PARTS) if "all" in what else what
    plan = Plan(what=parts, input=None if inputs is None else inputs[0], **options)
    plan.check()
    if plot is not None:
        check_picture(plot, "--plot")
    shown = sys.stderr.isatty()
    result = measure(
        plan,
        shlex.join(["throughtime", *sys.argv[1:]]),
        lambda case: rewrite(f"{case} …", err=True) if shown else None,
    )
    if shown:
        rewrite("", err=True)
    if plot is not None:
        draw(result, plot)
    if as_json:
        echo_json(result)
        return
    echo(heading(result))
    for table in tables(result):
        echo(f"\n{table.title}")
        print_table(table.columns, table.rows, right=table.right)
    for note in result["notes"]:
        echo(f"\n{note}")
