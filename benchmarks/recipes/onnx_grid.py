"""Exported layers in ONNX Runtime against the reference engine: every built-in cell, on a grid of shapes and options.

    python benchmarks/recipes/onnx_grid.py               # the whole grid
    python benchmarks/recipes/onnx_grid.py --cells lstm gru

Each cell × batch 1, 3, 17 × time 1, 2, 50 × with and without lengths (an empty row among them) × initial states ×
resets × one and two directions × one layer and two × numbers of 32 and 64 bits; and its step. A graph is made once
for all shapes, which shows that none is frozen into it. Tells for each cell the largest difference of an output or a
final state, in shares of its largest value where that is above 1. Past 1e-5 the reference itself is run in 64 bits,
too: a cell that magnifies rounding over fifty steps does so in any engine of 32.
Writes ``benchmarks/results/onnx-grid.json``.
"""

from __future__ import annotations

import argparse
import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.cells import CELLS
from throughtime.export import onnx
from throughtime.layers import Recurrent

BATCHES, TIMES = (1, 3, 17), (1, 2, 50)
ALLOWED = 1e-5
"""Largest difference."""


@dataclass(frozen=True)
class Case:
    """A layer and what it is given."""

    cell: str
    form: str = "sequence"
    lengths: bool = False
    states: bool = True
    resets: bool = False
    bidirectional: bool = False
    layers: int = 1
    dtype: torch.dtype = torch.float32

    def layer(self, **options: Any) -> Recurrent:
        """Three features in, four units, every parameter away from its start value."""
        torch.manual_seed(0)
        shape: dict[str, Any] = {"num_layers": self.layers, "bidirectional": self.bidirectional, "dtype": self.dtype}
        layer = Recurrent(self.cell, 3, 4, engine="reference", **shape, **options).eval()
        return shaken(layer)


def shaken(layer: Recurrent) -> Recurrent:
    """A layer with noise on its parameters: biases and peepholes start at zero, and would hide what is wrong."""
    with torch.no_grad():
        for value in layer.parameters():
            value.add_(torch.randn_like(value), alpha=0.2)
    return layer


def given(layer: Recurrent, case: Case, batch: int, time: int) -> dict[str, Tensor]:
    """What a case is given, by the names of the graph; past a row's length stands what is no number."""
    source = torch.Generator().manual_seed(batch * 100 + time)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=source, dtype=torch.float64).to(case.dtype)

    step = case.form == "step"
    found = {"inputs": drawn(batch, layer.input_size) if step else drawn(batch, time, layer.input_size)}
    if case.states or step:
        widths = layer.cell.widths().items()
        found |= {name: drawn(len(layer.directed), batch, width) for name, width in widths}
    if case.lengths:
        found["lengths"] = torch.randint(0, time + 1, (batch,), generator=source)
        found["lengths"][0], found["lengths"][-1] = time, 0
        for row, length in zip(found["inputs"], found["lengths"].tolist(), strict=True):
            row[length:] = torch.nan
    if case.resets:
        found["resets"] = torch.rand(found["inputs"].shape[:-1], generator=source) < 0.3
    return found


@torch.no_grad()
def expected(layer: Recurrent, case: Case, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the reference engine makes of it, by the names of the graph."""
    state = {name: values[name] for name in layer.cell.state if name in values} or None
    resets = values.get("resets")
    if case.form == "step":
        outputs, final = layer.step(values["inputs"], state, resets=resets)
    else:
        to = None if resets is None else "zero"
        outputs, final = layer(values["inputs"], state, values.get("lengths"), resets=resets, resets_to=to)
    return {"outputs": outputs, **{f"next_{name}": value for name, value in final.items()}}


def opened(model: Any) -> Any:
    """A model in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def difference(session: Any, values: dict[str, Tensor], right: dict[str, Tensor]) -> float:
    """The largest difference of a result, in shares of its largest value where that is above 1; infinite where shapes
    differ or something is no number.

    Args:
        session: Of ONNX Runtime, or a reader with the same ``run``.
        values: What is given, by name.
        right: What should come out.
    """
    names = list(right)
    found = session.run(names, {name: value.numpy() for name, value in values.items()})
    worst = 0.0
    for got, name in zip(found, names, strict=True):
        want = right[name].numpy()
        if got.shape != want.shape or got.dtype != want.dtype or np.isnan(got).any():
            return float("inf")
        if got.size:
            worst = max(worst, float(np.abs(got - want).max() / max(1.0, np.abs(want).max())))
    return worst


def cases(cell: str) -> Iterator[Case]:
    """The grid but for shapes."""
    for dtype, layers in itertools.product((torch.float32, torch.float64), (1, 2)):
        for resets in (False, True):
            yield Case(cell, "step", resets=resets, layers=layers, dtype=dtype)
        for lengths, states, resets, both in itertools.product((False, True), repeat=4):
            yield Case(cell, "sequence", lengths, states, resets, both, layers, dtype)


@dataclass(frozen=True)
class Judged:
    """What was found for a case: runs, the largest difference, and beside it what 32 bits do to the reference."""

    case: Case
    runs: int
    differs: float
    rounding: float

    @property
    def agrees(self) -> bool:
        """Whether it is within 1e-5, or a cell magnifies rounding so that the reference's own is as large."""
        return self.differs <= max(ALLOWED, 10 * self.rounding)


def judged(case: Case) -> Judged:
    """Runs a case over all shapes."""
    layer = case.layer()
    shown: dict[str, Any] = {
        "form": case.form,
        "lengths": case.lengths,
        "states": case.states,
        "resets": case.resets,
    }
    session = opened(onnx(layer, **shown))
    shapes = list(itertools.product(BATCHES, (1,) if case.form == "step" else TIMES))
    found = []
    for batch, time in shapes:
        values = given(layer, case, batch, time)
        found.append(difference(session, values, expected(layer, case, values)))
    differs, (batch, time) = max(zip(found, shapes, strict=True))
    rounding = own_rounding(layer, case, batch, time) if differs > ALLOWED else 0.0
    return Judged(case, len(shapes), differs, rounding)


class Exact:
    """The reference in 64 bits, with a session's ``run`` and the results' type."""

    def __init__(self, layer: Recurrent, case: Case) -> None:
        self.layer, self.case = copy.deepcopy(layer).double(), case

    def run(self, names: list[str], values: dict[str, Any]) -> list[Any]:
        """The results of these names."""
        given = {name: torch.from_numpy(value) for name, value in values.items()}
        given = {name: value.double() if value.is_floating_point() else value for name, value in given.items()}
        found = expected(self.layer, self.case, given)
        return [found[name].to(self.case.dtype).numpy() for name in names]


def own_rounding(layer: Recurrent, case: Case, batch: int, time: int) -> float:
    """How far the reference in 32 bits is from itself in 64."""
    values = given(layer, case, batch, time)
    return difference(Exact(layer, case), values, expected(layer, case, values))


def main() -> None:
    """Judges the grid."""
    from record import machine, record

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    chosen = parser.parse_args().cells
    torch.set_num_threads(1)
    rows: dict[str, Any] = {}
    for cell in chosen:
        found = [judged(case) for case in cases(cell)]
        rows[cell] = {"runs": sum(one.runs for one in found)}
        for dtype in (torch.float32, torch.float64):
            worst = max((one for one in found if one.case.dtype == dtype), key=lambda one: one.differs)
            rows[cell][str(dtype).removeprefix("torch.")] = {
                "differs_at_most_by": worst.differs,
                "reference_differs_from_64_bits_by": worst.rounding or None,
            }
        rows[cell]["disagrees"] = [str(one) for one in found if not one.agrees]
        print(cell, rows[cell], flush=True)
    if chosen == list(CELLS):
        record("onnx-grid", {"command": "benchmarks/recipes/onnx_grid.py", "machine": machine(), "cells": rows})


if __name__ == "__main__":
    main()
