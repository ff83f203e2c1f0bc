"""``throughtime code``."""

from __future__ import annotations

import click

from throughtime.cli.output import echo
from throughtime.errors import UserError


@click.command(name="code")
@click.argument("cell")
@click.option("--input", "input_size", default=16, show_default=True, metavar="K", help="Features of the input.")
@click.option("--hidden", "hidden_size", default=8, show_default=True, metavar="N", help="Units of the cell.")
@click.option("--float64", "double", is_flag=True, help="In double precision.")
@click.option("--inference", is_flag=True, help="Without the backward loop.")
@click.option("--llvm", "form", flag_value="llvm", help="The text handed to LLVM.")
@click.option("--assembly", "form", flag_value="assembly", help="This processor's instructions.")
@click.option("--plan", "form", flag_value="plan", default="plan", help="The step and its derivative in stages.")
def command(cell: str, input_size: int, hidden_size: int, double: bool, inference: bool, form: str) -> None:
    """Shows what the compiled engine makes of a cell: a built-in one by name, or "module:Class"."""
    if input_size < 1 or hidden_size < 1:
        raise UserError(f"expected --input and --hidden of at least 1, got {input_size} and {hidden_size}")
    import torch

    from throughtime.cells import find_cell
    from throughtime.engine.compiled.show import generated_code

    dtype = torch.float64 if double else torch.float32
    text = generated_code(
        find_cell(cell)(input_size, hidden_size),
        form=form,  # type: ignore[arg-type]
        dtype=dtype,
        training=not inference,
    )
    echo(text)
