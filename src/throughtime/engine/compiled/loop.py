"""The compiled loop as a function that PyTorch can differentiate."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from throughtime.engine.call import Call, Result, Zeros
from throughtime.engine.compiled import spare
from throughtime.engine.compiled.again import Again, pulled_back
from throughtime.engine.compiled.cellcode import Compiled, Use, compile_cell
from throughtime.engine.compiled.frame import Run, blocks
from throughtime.engine.compiled.gradients import INPUTS, Gradients, complete, sum_columns, total
from throughtime.engine.compiled.layout import Layout, Window
from throughtime.engine.look import Record

TYPES = {torch.float32: "float", torch.float64: "double"}

FEW = 2**14
"""Numbers that are sooner filled with zeros than a part of them is found."""

LEAST_WINDOW = 16
"""Steps of a window, at least, where the tape is computed again."""


def use_of(call: Call) -> Use:
    """What a call asks of the compiler."""
    trains = torch.is_grad_enabled() and any(value.requires_grad for value in call.tensors())
    cell, kind, records = call.cell, TYPES[call.inputs.dtype], call.look is not None
    if not call.noise:
        return Use(cell, kind, trains, records=records)
    kept = call.noise.keep.items()
    keep = tuple(sorted((name, keep if not isinstance(keep, Tensor) else None) for name, keep in kept))
    return Use(cell, kind, trains, tuple(sorted(call.noise.products)), keep, records=records)


@functools.lru_cache(maxsize=1024)
def wanted(states: tuple[str, ...], parameters: tuple[str, ...]) -> tuple[str, ...]:
    """What gradients are told apart by: the inputs, the initial states and the parameters."""
    return (INPUTS, *(f"initial {name}" for name in states), *parameters)


def run(call: Call, compiled: Compiled | None = None) -> Result:
    """Serves a call."""
    states = call.cell.state
    begun = [None] * len(states) if isinstance(call.state, Zeros) else [call.state[name] for name in states]
    given = [call.inputs, *begun, *call.parameters.values()]
    job = Job(call, compiled or compile_cell(use_of(call)))
    if job.compiled.use.trains:
        outputs, *others = _Loop.apply(job, *given)  # type: ignore[no-untyped-call]
    else:
        outputs, others, _ = job.forward(*job.split(given))
    if isinstance(call.look, Record):
        call.look.take({states[0]: outputs, **dict(zip(job.seen, others[len(states) :], strict=True))})
    return outputs, dict(zip(states, others, strict=False))


@dataclass
class Kept:
    """What the backward step reads.

    Attributes:
        x: The inputs as rows.
        histories: States before and after every step.
        starts: For each window the other states before it, ``[B, width]``.
        tape: What the forward step kept; None where that is to be computed again.
    """

    x: Tensor
    histories: dict[str, Tensor]
    starts: list[dict[str, Tensor]]
    tape: Tensor | None


class Job:
    """One call on its way forward and back, in windows of steps: one, or many whose tapes are computed again. Nothing
    here is recorded by autograd: it runs where gradients are disabled, or where nothing requires one.

    Args:
        call: The call; only its noise, names and sizes are read here.
        compiled: The cell.
        layout: The call's, where it is known.
    """

    def __init__(self, call: Call, compiled: Compiled, layout: Layout | None = None) -> None:
        layout = layout or Layout.of(call)
        self.compiled = self.forth = compiled
        self.seen = compiled.seen[1:]  # the first are the outputs
        self.again = Again.of(call, self.seen) if compiled.use.trains else None
        self.layout = layout
        self.windows = [layout.entire]
        if call.recompute and compiled.use.trains and not compiled.use.records:
            self.forth = compile_cell(replace(compiled.use, trains=False))
            self.windows = layout.windows(max(LEAST_WINDOW, math.isqrt(layout.steps)))
        self.states = call.cell.state
        self.names = tuple(call.parameters)
        self.widths = call.cell.widths()
        self.masks: dict[str, Tensor] = {}
        self.keep: dict[str, Tensor] = {}
        if call.noise:
            self.masks = {f"mask {name}": layout.sort(mask.detach()) for name, mask in call.noise.products.items()}
            drawn = {name: keep for name, keep in call.noise.keep.items() if isinstance(keep, Tensor)}
            self.keep = {f"keep {name}": layout.pack(keep.detach()).contiguous() for name, keep in drawn.items()}

    def split(self, given: Sequence[Any]) -> tuple[Tensor, dict[str, Tensor | None], dict[str, Tensor]]:
        """Inputs, initial state, None where it is zero, and parameters by name."""
        states = dict(zip(self.states, given[1:], strict=False))
        parameters = dict(zip(self.names, given[1 + len(states) :], strict=True))
        return given[0], states, {name: value.contiguous() for name, value in parameters.items()}

    def rows(self, inputs: Tensor) -> Tensor:
        """Inputs ``[B, T, k]`` as rows."""
        x = self.layout.pack(inputs)
        return x if x.stride(1) == 1 else x.contiguous()

    def forward(
        self, inputs: Tensor, initial: Mapping[str, Tensor | None], parameters: Mapping[str, Tensor]
    ) -> tuple[Tensor, list[Tensor], Kept]:
        """Outputs ``[B, T, width]``; final states and :attr:`seen`; and what the backward step needs."""
        layout, parameters = self.layout, self.compiled.once.filled(parameters)
        x = self.rows(inputs)
        histories: dict[str, Tensor] = {}
        others: dict[str, Tensor] = {}
        for name, value in initial.items():
            if name in self.forth.histories:
                histories[name] = self._begun(x, name, value)
            elif value is None:
                others[name] = x.new_zeros(layout.batch, self.widths[name])
            else:
                others[name] = layout.begin(value).clone()
        starts = []
        tape = self._tape(self.forth, x)
        for window in self.windows:
            if self.compiled.use.trains:
                starts.append({name: value.clone() for name, value in others.items()})
            held = {name: window.of_states(value) for name, value in histories.items()} | others
            self._forward(self.forth, window, window.of_rows(x), tape, held, parameters)
        finals = [
            layout.end(layout.final(histories[name]).clone() if name in histories else others[name])
            for name in self.states
        ]
        outputs = layout.states(histories[self.states[0]])
        shown = [self._seen(name, histories, tape) for name in self.seen]
        return outputs, finals + shown, Kept(x, histories, starts, tape if self.forth is self.compiled else None)

    def _seen(self, name: str, histories: Mapping[str, Tensor], tape: Tensor) -> Tensor:
        """A state or a gate at every step; the backward loop writes over the tape."""
        if name in histories:
            return self.layout.states(histories[name])
        return self.layout.outputs(tape[:, self.compiled.gates[name]].clone())

    def _begun(self, x: Tensor, name: str, value: Tensor | None) -> Tensor:
        """A history with its initial state."""
        rows, width = self.layout.rows + self.layout.batch, self.widths[name]
        if value is None and rows * width <= FEW and spare.padded(x, width) == width:
            return x.new_zeros(rows, width)
        history = spare.apart(x, rows, width)
        first = self.layout.initial(history)
        first.zero_() if value is None else first.copy_(self.layout.begin(value))
        return history

    def _tape(self, code: Compiled, x: Tensor) -> Tensor:
        """A tape that every window uses after the other."""
        return spare.take(x, max(window.layout.rows for window in self.windows), sum(code.widths))

    def _forward(
        self,
        code: Compiled,
        window: Window,
        x: Tensor,
        tape: Tensor,
        held: Mapping[str, Tensor],
        parameters: Mapping[str, Tensor],
    ) -> None:
        """Runs the forward loop over a window: writes the tape."""
        run = Run(code.forward, window.layout, window.layout.table)
        self._rows(run, window, x, tape, held)
        run.parameters(parameters)
        run.start()

    def _rows(self, run: Run, window: Window, x: Tensor, tape: Tensor, held: Mapping[str, Tensor]) -> None:
        run.rows({"x": x, "tape": tape, **{f"state {name}": value for name, value in held.items()}})
        for name, mask, start in run.side.masks:
            run.columns(self.masks[mask], [(name, start)])
        if self.keep:
            run.rows({name: window.of_rows(value) for name, value in self.keep.items()})

    def backward(
        self,
        kept: Kept,
        parameters: Mapping[str, Tensor],
        grad_outputs: Tensor | None,
        grad_others: Sequence[Tensor | None],
        needed: Mapping[str, bool],
    ) -> dict[str, Tensor]:
        """Gradients of inputs, initial states and parameters by name, those that are needed.

        Args:
            kept: What the forward step kept.
            parameters: By name.
            grad_outputs: Gradient of the outputs; None where nothing depends on them.
            grad_others: Of final states, then of :attr:`seen`.
            needed: Whose gradients are wanted.
        """
        layout, x, once = self.layout, kept.x, self.compiled.once
        filled = once.filled(parameters)
        carried = {}
        for name, gradient in zip(self.states, grad_others, strict=False):
            last = x.new_zeros(layout.batch, self.widths[name]) if gradient is None else layout.grad_end(gradient)
            carried[name] = last.clone() if last is gradient else last
        incoming = {"grad y": self._incoming(x, grad_outputs, self.widths[self.states[0]])}
        for name, gradient in zip(self.seen, grad_others[len(self.states) :], strict=True):
            incoming[f"grad of {name}"] = self._incoming(x, gradient, self._width(name))
        sums = x.new_zeros(blocks(layout.batch, self.compiled.forward.target.rows).shape[0] - 1, total(self.compiled))
        found: dict[str, Tensor] = {}
        inputs = []
        tape = self._tape(self.compiled, x) if kept.tape is None else kept.tape
        for window, start in zip(reversed(self.windows), reversed(kept.starts), strict=True):
            rows, held = window.of_rows(x), self._held(kept, window, start)
            if kept.tape is None:
                self._forward(self.compiled, window, rows, tape, held, filled)
            arriving = incoming if window.rows is None else {n: window.of_rows(v) for n, v in incoming.items()}
            self._backward(window, rows, tape, held, arriving, carried, sums, filled)
            written = tape if tape.shape[0] == window.layout.rows else tape[: window.layout.rows]
            gradients = Gradients(self.compiled, window.layout, held, rows, written).collect(parameters, needed)
            if needed[INPUTS]:
                inputs.append((window.rows.start if window.rows else 0, gradients.pop(INPUTS)))
            found = {name: found[name] + value for name, value in gradients.items()} if found else gradients
        spare.give(tape)
        if needed[INPUTS]:
            ordered = [rows for _, rows in sorted(inputs, key=lambda pair: pair[0])] if len(inputs) > 1 else []
            found[INPUTS] = layout.unpack(torch.cat(ordered) if ordered else inputs[0][1])
        for state, value in carried.items():
            if needed[f"initial {state}"]:
                found[f"initial {state}"] = layout.grad_begin(value)
        found = complete(found, self.compiled, filled, sums, {**needed, **dict.fromkeys(once.places, True)})
        return once.handed_on(found, parameters, needed)

    def _incoming(self, x: Tensor, gradient: Tensor | None, width: int) -> Tensor:
        """A gradient as rows; one row of zeros for all where there is none."""
        if gradient is None:
            return x.new_zeros(1, width).expand(self.layout.rows, -1)
        return self.layout.grad_outputs(gradient)

    def _width(self, name: str) -> int:
        """Features of a state or a gate."""
        if name in self.widths:
            return self.widths[name]
        columns = self.compiled.gates[name]
        return columns.stop - columns.start  # type: ignore[no-any-return]

    def _held(self, kept: Kept, window: Window, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The states as the training code holds them, over a window."""
        held = {name: window.of_states(value) for name, value in kept.histories.items()}
        for name, value in start.items():
            if name in self.compiled.histories:
                held[name] = value.new_empty(window.layout.rows + window.layout.batch, self.widths[name])
                window.enter(held[name], value)
            else:
                held[name] = value.clone()
        return held

    def _backward(
        self,
        window: Window,
        x: Tensor,
        tape: Tensor,
        held: Mapping[str, Tensor],
        incoming: Mapping[str, Tensor],
        carried: Mapping[str, Tensor],
        sums: Tensor,
        parameters: Mapping[str, Tensor],
    ) -> None:
        """Runs the derived loop over a window: writes gradients over the tape, ``carried`` and ``sums``."""
        side = self.compiled.backward
        assert side is not None
        run = Run(side, window.layout, window.layout.back)
        self._rows(run, window, x, tape, held)
        run.rows({**{f"state d {name}": value for name, value in carried.items()}, **incoming})
        run.columns(sums, sum_columns(self.compiled))
        run.parameters(parameters)
        run.start()


class _Loop(torch.autograd.Function):
    """Inputs, initial state and parameters to outputs, final states, and what is seen of every step."""

    @staticmethod
    def forward(ctx: Any, job: Job, *given: Tensor) -> tuple[Tensor, ...]:
        """Runs the loop; keeps the tape until the backward step has written over it."""
        outputs, others, kept = job.forward(*job.split(given))
        ctx.job, ctx.tape, ctx.starts, ctx.names = job, kept.tape, kept.starts, tuple(kept.histories)
        ctx.save_for_backward(kept.x, *kept.histories.values(), *given)
        ctx.set_materialize_grads(False)
        return (outputs, *others)

    @staticmethod
    def backward(ctx: Any, grad_outputs: Tensor | None, *grad_others: Tensor | None) -> tuple[Any, ...]:
        """Runs the derived loop."""
        job: Job = ctx.job
        assert job.again is not None
        x, *saved = ctx.saved_tensors
        histories = dict(zip(ctx.names, saved, strict=False))
        given = saved[len(histories) :]
        names = wanted(job.states, job.names)
        needed = dict(zip(names, ctx.needs_input_grad[1:], strict=True))

        def first() -> list[Tensor | None]:
            _, _, parameters = job.split(given)
            kept = Kept(x, histories, ctx.starts, ctx.tape)
            ctx.tape = None  # gradients are written over it; asked again, it is computed again
            gradients = job.backward(kept, parameters, grad_outputs, grad_others, needed)
            return [gradients.get(name) for name in names]

        return (None, *pulled_back(job.again, ctx.needs_input_grad[1:], first, [grad_outputs, *grad_others], given))
