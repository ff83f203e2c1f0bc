"""``throughtime code``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from throughtime.cli.shared.output import echo
from throughtime.errors import UserError

if TYPE_CHECKING:
    from throughtime.cells import Cell


@click.command(name="code")
@click.argument("cell")
@click.option("--input", "input_size", default=16, show_default=True, metavar="K", help="Features of the input.")
@click.option("--hidden", "hidden_size", default=8, show_default=True, metavar="N", help="Units of the cell.")
@click.option("--cell-option", "words", multiple=True, metavar="NAME=VALUE", help="An option of the cell; repeatable.")
@click.option("--float64", "double", is_flag=True, help="Machine code in double precision.")
@click.option("--inference", is_flag=True, help="Without the backward step.")
@click.option(
    "--program", "form", flag_value="program", default="program", help="The step and its derivative, a value a line."
)
@click.option("--plan", "form", flag_value="plan", help="The same in stages and memory, for the compiled engine.")
@click.option("--llvm", "form", flag_value="llvm", help="The text handed to LLVM.")
@click.option("--assembly", "form", flag_value="assembly", help="This processor's instructions.")
def command(
    cell: str, input_size: int, hidden_size: int, words: tuple[str, ...], double: bool, inference: bool, form: str
) -> None:
    """Shows what becomes of a cell's equations: a built-in one by name, or "module:Class"."""
    if input_size < 1 or hidden_size < 1:
        raise UserError(f"expected --input and --hidden of at least 1, got {input_size} and {hidden_size}")
    made = _make(cell, input_size, hidden_size, words)
    if form == "program":
        from throughtime.program import CannotTrace, describe

        try:
            echo(describe(made, training=not inference))
        except CannotTrace as reason:
            name = type(made).__name__
            raise UserError(f"{name} cannot be traced: {reason}; it runs on the reference engine") from reason
        return
    import torch

    from throughtime.engine.compiled.show import generated_code

    dtype = torch.float64 if double else torch.float32
    echo(generated_code(made, form=form, dtype=dtype, training=not inference))  # type: ignore[arg-type]


def _make(cell: str, input_size: int, hidden_size: int, words: tuple[str, ...]) -> Cell:
    """The cell with its options.

    Raises:
        UserError: If there is no such cell, or option of it, or if an option is out of range.
    """
    from throughtime.applications.settings import check_options, read_options
    from throughtime.cells import find_cell

    for word in words:
        if "=" not in word:
            raise UserError(f"--cell-option: expected name=value, got {word!r}")
    options = read_options(words)
    check_options(cell, options)
    try:
        return find_cell(cell)(input_size, hidden_size, **options)
    except (TypeError, ValueError) as error:
        raise UserError(f"--cell-option: {error}") from error
