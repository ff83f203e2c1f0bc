"""The compiled loop as a function that PyTorch can differentiate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.engine.call import Call, EngineError, Result
from throughtime.engine.compiled.cellcode import Compiled, Use, compile_cell
from throughtime.engine.compiled.frame import Run
from throughtime.engine.compiled.gradients import Gradients, vectors
from throughtime.engine.compiled.layout import Layout

TYPES = {torch.float32: "float", torch.float64: "double"}


def use_of(call: Call) -> Use:
    """What a call asks of the compiler."""
    given = (call.inputs, *call.state.values(), *call.parameters.values())
    return Use(
        call.cell,
        TYPES[call.inputs.dtype],
        torch.is_grad_enabled() and any(value.requires_grad for value in given),
        tuple(sorted(call.noise.products)),
        tuple(sorted((name, keep if not isinstance(keep, Tensor) else None) for name, keep in call.noise.keep.items())),
    )


def run(call: Call, compiled: Compiled | None = None) -> Result:
    """Serves a call."""
    states = call.cell.state
    given = [call.inputs, *(call.state[name] for name in states), *call.parameters.values()]
    compiled = compiled or compile_cell(use_of(call))
    job = Job(call, compiled, Layout.of(call))
    if not compiled.use.trains:
        outputs, finals, _ = job.forward(*job.split(given))
        return outputs, dict(zip(states, finals, strict=True))
    outputs, *finals = _Loop.apply(job, *given)  # type: ignore[no-untyped-call]
    return outputs, dict(zip(states, finals, strict=True))


@dataclass
class Kept:
    """What the backward step reads: the inputs as rows, the histories of the states, and the tape."""

    x: Tensor
    histories: dict[str, Tensor]
    tape: Tensor | None


class Job:
    """One call on its way forward and back.

    Args:
        call: The call; only its noise, names and sizes are read here.
        compiled: The cell.
        layout: The rows in time.
    """

    def __init__(self, call: Call, compiled: Compiled, layout: Layout) -> None:
        self.compiled = compiled
        self.layout = layout
        self.states = call.cell.state
        self.names = tuple(call.parameters)
        self.widths = call.cell.widths()
        self.noise = {
            **{f"mask {name}": layout.sort(mask.detach()) for name, mask in call.noise.products.items()},
            **{
                f"keep {name}": layout.pack(keep.detach()).contiguous()
                for name, keep in call.noise.keep.items()
                if isinstance(keep, Tensor)
            },
        }

    def split(self, given: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Inputs, initial state and parameters by name."""
        states = dict(zip(self.states, given[1:], strict=False))
        parameters = dict(zip(self.names, given[1 + len(states) :], strict=True))
        return given[0], states, {name: value.detach().contiguous() for name, value in parameters.items()}

    def forward(
        self, inputs: Tensor, initial: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
    ) -> tuple[Tensor, list[Tensor], Kept]:
        """Outputs ``[B, T, width]``, final states, and what the backward step needs."""
        layout, compiled = self.layout, self.compiled
        x = layout.pack(inputs.detach()).contiguous()
        held: dict[str, Tensor] = {}
        for name, value in initial.items():
            if name in compiled.histories:
                held[name] = x.new_empty(layout.rows + layout.batch, self.widths[name])
                layout.initial(held[name]).copy_(layout.sort(value.detach()))
            else:
                held[name] = layout.sort(value.detach()).clone()
        tape = self._run_forward(x, held, parameters)
        finals = [
            layout.unsort(layout.final(value) if name in compiled.histories else value) for name, value in held.items()
        ]
        outputs = layout.unpack(layout.after(held[self.states[0]]))
        return outputs, finals, Kept(x, {name: held[name] for name in compiled.histories}, tape)

    def _run_forward(self, x: Tensor, held: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> Tensor:
        compiled = self.compiled
        tape = x.new_empty(self.layout.rows, sum(compiled.widths))
        run = Run(compiled.forward, self.layout, self.layout.table)
        run.rows("x", x)
        run.rows("tape", tape)
        for name, value in held.items():
            run.rows(f"state {name}", value)
        for name, value in self.noise.items():
            run.rows(name, value)
        run.parameters(parameters)
        run.start()
        return tape

    def backward(
        self,
        kept: Kept,
        parameters: Mapping[str, Tensor],
        grad_outputs: Tensor | None,
        grad_finals: Sequence[Tensor | None],
        needed: Mapping[str, bool],
    ) -> dict[str, Tensor]:
        """Gradients of inputs, initial states and parameters by name, those that are needed."""
        compiled, layout, x = self.compiled, self.layout, kept.x
        side, derived = compiled.backward, compiled.derived
        assert side is not None
        assert derived is not None
        tape = self._run_forward(x, kept.histories, parameters) if kept.tape is None else kept.tape
        kept.tape = None  # gradients are written over it
        carried = {}
        for name, gradient in zip(self.states, grad_finals, strict=True):
            start = x.new_zeros(layout.batch, self.widths[name]) if gradient is None else layout.sort(gradient)
            carried[name] = start.clone() if start is gradient else start
        run = Run(side, layout, layout.back)
        run.rows("x", x)
        run.rows("tape", tape)
        for name, value in kept.histories.items():
            run.rows(f"state {name}", value)
        for name, value in carried.items():
            run.rows(f"state d {name}", value)
        for name, value in self.noise.items():
            run.rows(name, value)
        output = self.states[0]
        if grad_outputs is None:
            run.rows("grad y", x.new_zeros(1, self.widths[output]).expand(max(layout.rows, 2), -1))
        else:
            run.rows("grad y", layout.pack(grad_outputs).contiguous())
        summed = vectors(compiled)
        sums = x.new_zeros(len(run.edges) - 1, sum(vector.width for vector in summed))
        column = 0
        for vector in summed:
            run.rows(f"sum {vector.name}", sums, column)
            column += vector.width
        run.parameters(parameters)
        run.start()
        states = {f"initial {name}": layout.unsort(value) for name, value in carried.items()}
        found = {name: value for name, value in states.items() if needed[name]}
        return found | Gradients(compiled, layout, kept.histories, x, tape).collect(parameters, sums, needed)


class _Loop(torch.autograd.Function):
    """Inputs, initial state and parameters to outputs and final states."""

    @staticmethod
    def forward(ctx: Any, job: Job, *given: Tensor) -> tuple[Tensor, ...]:
        """Runs the loop; keeps the tape until the backward step has written over it."""
        outputs, finals, kept = job.forward(*job.split(given))
        ctx.job, ctx.tape, ctx.names = job, kept.tape, tuple(kept.histories)
        ctx.save_for_backward(kept.x, *kept.histories.values(), *given)
        ctx.set_materialize_grads(False)
        return (outputs, *finals)

    @staticmethod
    def backward(ctx: Any, grad_outputs: Tensor | None, *grad_finals: Tensor | None) -> tuple[Any, ...]:
        """Runs the derived loop."""
        job: Job = ctx.job
        x, *saved = ctx.saved_tensors
        histories = dict(zip(ctx.names, saved, strict=False))
        given = saved[len(histories) :]
        names = ["inputs", *(f"initial {name}" for name in job.states), *job.names]
        needed = dict(zip(names, ctx.needs_input_grad[1:], strict=True))
        with torch.no_grad():
            _, _, parameters = job.split(given)
            kept = Kept(x, histories, ctx.tape)
            ctx.tape = None
            gradients = job.backward(kept, parameters, grad_outputs, grad_finals, needed)
        results = [gradients.get(name) for name in names]
        if torch.is_grad_enabled():
            results = _refuse_second(results, [grad_outputs, *grad_finals, *given])
        return (None, *results)


class _Second(torch.autograd.Function):
    """Hands gradients on, and says what to do when somebody differentiates them."""

    @staticmethod
    def forward(ctx: Any, count: int, *values: Tensor) -> tuple[Tensor, ...]:
        """The first ``count`` values; the rest is what they were made of."""
        return tuple(value.view_as(value) for value in values[:count])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Refuses."""
        raise EngineError(
            "the compiled engine gives first derivatives, and a gradient of a gradient was asked for; "
            'pass engine="reference"'
        )


def _refuse_second(results: list[Tensor | None], made_of: Sequence[Tensor | None]) -> list[Tensor | None]:
    there = [result for result in results if result is not None]
    sources = (value for value in made_of if value is not None)
    handed = iter(_Second.apply(len(there), *there, *sources))  # type: ignore[no-untyped-call]
    return [None if result is None else next(handed) for result in results]
