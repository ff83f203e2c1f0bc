"""The plain loop with autograd: the definition of right. It serves every cell."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.cells import Cell, Matrix
from throughtime.engine.call import Call, Noise, Result
from throughtime.engine.ragged import Arranged, arrange, restore
from throughtime.errors import listed


class ReferenceEngine:
    """Calls the cell's step once a time step."""

    name = "reference"

    def refuses(self, call: Call) -> str | None:
        """Never."""
        return None

    def run(self, call: Call) -> Result:
        """Walks the cell through time."""
        arranged = arrange(call)
        if call.look is not None:
            call.look.begin(len(arranged.inputs), lambda steps: restore(arranged, steps, {})[0])
        cell, noise, batch = call.cell, arranged.noise, call.inputs.shape[0]
        state = dict(arranged.state)
        if not arranged.active:  # no step makes a new state, and the caller's own stays the caller's
            state = {name: value.clone() for name, value in state.items()}
        finished: list[dict[str, Tensor]] = []
        outputs: list[Tensor] = []
        running = batch
        parameters = bind(cell, call.parameters, noise)
        marks = Marks(call, arranged)
        for t, (x, active) in enumerate(zip(arranged.inputs.unbind(1), arranged.active, strict=True)):
            if active < running:
                finished.append({name: value[active:] for name, value in state.items()})
                state = {name: value[:active] for name, value in state.items()}
                parameters = bind(cell, call.parameters, noise, active)
                running = active
            state = marks.before(t, state)
            new = cell.step(x[:active], SimpleNamespace(**state), parameters)
            if t == 0:
                check_step(cell, new, active)
            made = {name: zone_out(new[name], state[name], noise.keep.get(name), t) for name in state}
            new, state = marks.after(t, new, state, made)
            if call.look is not None:
                state = call.look.step(new, state)
            outputs.append(F.pad(marks.output(t, state[cell.state[0]]), (0, 0, 0, batch - active)))
        finals = {
            name: torch.cat([state[name], *(part[name] for part in reversed(finished))]) if finished else state[name]
            for name in state
        }
        if not outputs:
            return restore(arranged, call.inputs.new_zeros(batch, 0, cell.output_size), finals)
        # in memory as the other engines lay it out: dropout draws in that order, and a seed gives all of them the same
        dense = call.lengths is None and call.resets is None and call.mask is None
        return restore(arranged, torch.stack(outputs).transpose(0, 1) if dense else torch.stack(outputs, 1), finals)


class Marks:
    """What resets and a mask make of a walk, step by step; without them it stays what it is.

    Args:
        call: The call.
        arranged: The same in the order of running.
    """

    def __init__(self, call: Call, arranged: Arranged) -> None:
        self.resets, self.mask = arranged.resets, arranged.mask
        zero = call.to_zero
        self.fresh = {name: torch.zeros_like(value) if zero else value for name, value in arranged.state.items()}
        self.held = torch.zeros_like(self.fresh[call.cell.state[0]])

    def before(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The states that step t begins with: fresh ones where a row begins anew."""
        if self.resets is None:
            return dict(state)
        anew = self._rows(self.resets, t, state)
        self.held = self.held[: len(anew)].masked_fill(anew, 0.0)
        return {name: torch.where(anew, self.fresh[name][: len(anew)], value) for name, value in state.items()}

    def after(
        self, t: int, new: Mapping[str, Tensor], old: dict[str, Tensor], made: dict[str, Tensor]
    ) -> tuple[Mapping[str, Tensor], dict[str, Tensor]]:
        """What step t returned, zeros where it is left out, and its states, the old ones there."""
        if self.mask is None:
            return new, made
        real = self._rows(self.mask, t, old)
        states = {name: torch.where(real, made[name], value) for name, value in old.items()}
        return {name: value.masked_fill(~real, 0.0) for name, value in new.items()}, states

    def output(self, t: int, output: Tensor) -> Tensor:
        """The output of step t: the one before where it is left out."""
        if self.mask is None:
            return output
        rows = len(output)
        self.held = torch.where(self.mask[:rows, t].unsqueeze(1), output, self.held[:rows])
        return self.held

    @staticmethod
    def _rows(flags: Tensor, t: int, state: Mapping[str, Tensor]) -> Tensor:
        return flags[: len(next(iter(state.values()))), t].unsqueeze(1)


def bind(
    cell: Cell, parameters: Mapping[str, Tensor], noise: Noise | None = None, rows: int | None = None
) -> SimpleNamespace:
    """The parameters as a step sees them: matrices apply by ``@``, under the noise of the first ``rows`` rows."""
    products = noise.products if noise else {}

    def view(name: str, value: Tensor) -> Tensor | Matrix:
        parameter = declared[name]
        if parameter.role not in ("input", "recurrent"):
            return value
        mask = products[name][:rows] if name in products else None
        return Matrix(value, mask, heads=parameter.heads, gates=parameter.gates)

    declared = cell.parameters()
    return SimpleNamespace(**{name: view(name, value) for name, value in parameters.items()})


def check_step(cell: Cell, new: Mapping[str, Tensor], rows: int) -> None:
    """Refuses a step that returned no state, or a state of another shape.

    Raises:
        TypeError: If a state is missing.
        ValueError: If a state has another shape.
    """
    name = type(cell).__name__
    for state, width in cell.widths().items():
        if not isinstance(new, Mapping) or state not in new:
            got = f"names {sorted(new)}" if isinstance(new, Mapping) else type(new).__name__
            raise TypeError(
                f"{name}.step: expected a dict with the new state {listed(cell.state)}, got {got}; "
                f"end the step with: return {{{listed(f'{s!r}: {s}' for s in cell.state)}}}"
            )
        if new[state].shape != (rows, width):
            raise ValueError(
                f"{name}.step: expected state {state!r} of shape [{rows}, {width}], got {list(new[state].shape)}; "
                "check the parameters' shapes, or the widths that the cell declares"
            )


def zone_out(new: Tensor, old: Tensor, keep: Tensor | float | None, t: int) -> Tensor:
    """The state after a step's zoneout: ``keep`` drawn for every step, a number, or None where there is none."""
    if keep is None:
        return new
    if isinstance(keep, Tensor):
        return torch.where(keep[: len(new), t] > 0, old, new)
    return keep * old + (1 - keep) * new
