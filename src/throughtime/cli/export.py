"""``throughtime export RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from throughtime.api.run import Run
from throughtime.cli.shared.common import cell_option, json_option, open_run, print_table, run_argument, task_option
from throughtime.cli.shared.output import echo_json
from throughtime.export.folder import BYTES
from throughtime.figures import called, counted, figure, size
from throughtime.visible import tell

_file: Any = click.Path(path_type=Path)


@click.command(name="export")
@run_argument
@click.option("--out", type=_file, help="Write a folder that throughtime.runtime opens without PyTorch.")
@click.option("--onnx", type=_file, help="Write the model of whole inputs to this file.")
@click.option("--step", type=_file, help="Write one step of it to this file: what a stream needs.")
@click.option("--int8", is_flag=True, help="Matrices as int8, a quarter of the size; tells what it costs.")
@cell_option
@task_option
@json_option
def command(
    run: Path,
    out: Path | None,
    onnx: Path | None,
    step: Path | None,
    int8: bool,
    cell: str | None,
    task: str | None,
    as_json: bool,
) -> None:
    """Write the model in RUN as ONNX, for apps, browsers and servers without PyTorch.

    Without options: what the model can become, and how large each form is. With --int8 alone: what int8 would cost, in
    size and in the figures of the run's own held-out data.
    """
    opened = open_run(run, cell, task)
    if int8:
        _show_rounding(opened, as_json)
        if out is None and onnx is None and step is None:
            return
    if out is None and onnx is None and step is None:
        rows = [(form.name, form.file, form.described) for form in opened.forms()]
        if as_json:
            echo_json({name: {"file": file, **described} for name, file, described in rows})
            return
        columns = ["form", "file", "size", "takes", "gives"]
        cells = [
            [name, file, size(told["bytes"]), _named(told["inputs"]), _named(told["outputs"])]
            for name, file, told in rows
        ]
        print_table(columns, cells, right=["size"])
        return
    files = {form: path for form, path in (("sequence", onnx), ("step", step)) if path is not None}
    for path, count in opened.export(out, int8=int8, **files).items():
        tell(f"{path}: {size(count)}")


def _show_rounding(opened: Run, as_json: bool) -> None:
    """The figures before and after; of a run that held nothing out the sizes alone."""
    found = opened.rounding()
    if as_json:
        echo_json({name: {"float": before, "int8": after} for name, (before, after) in found.items()})
        return
    sizes = [name for name in found if name.startswith(BYTES)]
    among, first = counted({name: pair[0] for name, pair in found.items()}), next(iter(found))

    def shown(name: str, value: Any) -> str:
        if name in sizes:
            return size(value)
        return figure(first if name == "chance" else name, value, among)

    rows = [
        [called(name.removeprefix(BYTES) if name in sizes else name), *(shown(name, value) for value in pair)]
        for name, pair in found.items()
    ]
    print_table(["", "float", "int8"], rows, right=["float", "int8"])


def _named(values: list[dict[str, Any]]) -> str:
    return " ".join(f"{value['name']}[{', '.join(map(str, value['shape']))}]" for value in values)
