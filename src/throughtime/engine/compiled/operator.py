"""The compiled loop as an operator of PyTorch's: one node of the graphs that ``torch.compile`` writes.

Its results have sizes that follow from the call's, whatever the lengths are. What the backward step reads has not: it
is kept beside the graph, by a token that is one of the results. Only time hangs on it: where a token comes back without
it, as a copy does, the loop runs again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from throughtime.cells import Cell
from throughtime.engine.call import Call, EngineError, Result
from throughtime.engine.compiled.again import Again, pulled_back
from throughtime.engine.compiled.cellcode import Compiled, Use, compile_cell, no_code
from throughtime.engine.compiled.layout import Layout
from throughtime.engine.compiled.loop import TYPES, Job, Kept, wanted
from throughtime.engine.form import Form
from throughtime.engine.ragged import within
from throughtime.program import CannotTrace


@dataclass(frozen=True)
class Written:
    """What a node says of its call, in words.

    Attributes:
        form: The call but for its tensors.
        type: Of its numbers, as the compiler names it.
        trains, reverse, recompute, to_zero: As in :class:`~throughtime.engine.call.Call`; whether there is a gradient.
    """

    form: Form
    type: str
    trains: bool
    reverse: bool
    recompute: bool
    to_zero: bool

    @property
    def compiled(self) -> Compiled:
        """The code that serves it."""
        form = self.form
        keep = tuple(sorted((*form.shares, *((name, None) for name in form.drawn))))
        return compile_cell(Use(form.cell, self.type, self.trains, tuple(sorted(form.products)), keep))

    @property
    def differentiable(self) -> int:
        """How many of the call's tensors, the first ones, may have a gradient."""
        return 1 + len(self.form.cell.state) + len(self.form.parameters)

    def call(
        self, tensors: Sequence[Tensor], lengths: Tensor | None, resets: Tensor | None, mask: Tensor | None
    ) -> Call:
        """The call of these tensors."""
        return replace(
            self.form.call(tensors),
            lengths=lengths,
            reverse=self.reverse,
            recompute=self.recompute,
            resets=resets,
            to_zero=self.to_zero,
            mask=mask,
        )

    def job(self, call: Call, layout: Layout | None = None) -> Job:
        """The call on its way, with the values of its lengths, resets and mask."""
        if layout is None:
            call = replace(
                call,
                lengths=None if call.lengths is None else within(call.lengths, call.inputs.shape[1]),
                resets=None if call.resets is None or not call.resets.any() else call.resets,
                mask=None if call.mask is None or call.mask.all() else call.mask,
            )
        return Job(call, self.compiled, layout)


WRITTEN: dict[str, Written] = {}
"""What nodes say, by the name that stands in them; a name says it in full, so that graphs may be kept on disk."""


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def check_may_stop(reason: str) -> None:
    """Refuses to end a graph where ``torch.compile`` was told to write one alone.

    Raises:
        EngineError: With the reason.
    """
    writer = getattr(torch._dynamo.symbolic_convert.tls, "current_tx", None)
    if getattr(writer, "one_graph", False):
        raise EngineError(
            f"torch.compile(fullgraph=True) cannot take a layer in here: {reason}; leave fullgraph out, and the graph "
            "ends before the layer and goes on after it"
        )


def stops(cell: Cell, tensors: Sequence[Tensor], masks: Sequence[str]) -> str:
    """Why a call, with masks over these matrices, cannot be a node of a graph; empty where it can."""
    kinds = {(value.device.type, value.dtype) for value in tensors}
    device, type = kinds.pop()
    if kinds or device != "cpu":
        return "its tensors are not all on the CPU and of one type"
    return str(_stops(*_told(cell), type, tuple(masks)))


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _stops(kind: type[Cell], values: tuple[tuple[str, Any], ...], type: torch.dtype, masks: tuple[str, ...]) -> str:
    if type not in TYPES:
        return f"it computes in float32 or float64, and got {type}"
    try:
        cell = kind(**dict(values))
        missing = no_code(cell)
        if missing is None:
            compile_cell(Use(cell, TYPES[type], False, tuple(sorted(masks))))
    except CannotTrace as reason:
        return str(reason)
    except TypeError as error:
        return f"the options of {kind.__name__} cannot be told apart ({error})"
    return missing or ""


def _told(cell: Cell) -> tuple[type[Cell], tuple[tuple[str, Any], ...]]:
    """A cell in words, which are what ``torch.compile`` watches for change."""
    return type(cell), tuple([(field.name, getattr(cell, field.name)) for field in fields(cell) if field.init])


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _write(
    kind: type[Cell], values: tuple[tuple[str, Any], ...], form: tuple[Any, ...], type: torch.dtype, *flags: bool
) -> str:
    """The name of what a node says.

    Args:
        kind: The cell's class.
        values: Its fields by name.
        form: The fields of :class:`~throughtime.engine.form.Form` after the cell.
        type: Of numbers.
        flags: The last fields of :class:`Written`.
    """
    cell = kind(**dict(values))
    written = Written(Form(cell, *form), TYPES[type], *flags)
    words = [name for name in ("trains", "reverse", "recompute", "to_zero") if getattr(written, name)]
    named = f"{kind.__module__}.{kind.__qualname__}{dict(values)}"
    name = " ".join([named, written.type, *words, str(form), str(cell.widths())])
    while WRITTEN.setdefault(name, written) != written:  # another class of the same name
        name += "'"
    return name


def run(call: Call) -> Result:
    """Serves a call by a node in the graph."""
    form, tensors = Form.of(call)
    words = (form.parameters, form.products, form.drawn, form.shares)
    trains = torch.is_grad_enabled() and any(value.requires_grad for value in tensors)
    name = _write(*_told(call.cell), words, call.inputs.dtype, trains, call.reverse, call.recompute, call.to_zero)
    outputs, *others = torch.ops.throughtime.loop(tensors, call.lengths, call.resets, call.mask, name)
    return outputs, dict(zip(call.cell.state, others, strict=False))


@torch.library.custom_op("throughtime::loop", mutates_args=())
def _loop(
    tensors: Sequence[Tensor], lengths: Tensor | None, resets: Tensor | None, mask: Tensor | None, name: str
) -> list[Tensor]:
    """Outputs ``[B, T, width]``, final states ``[B, width]``, and the token."""
    written = WRITTEN[name]
    job = written.job(written.call(tensors, lengths, resets, mask))
    outputs, finals, kept = job.forward(*job.split(tensors[: written.differentiable]))
    token = _token(tensors[0])
    if written.trains:
        _hold(token, kept, job.layout)
    # a copy: a graph writes over results that it has read
    return [_rows(tensors[0], outputs.shape[2], _is_whole(lengths, resets, mask)).copy_(outputs), *finals, token]


@_loop.register_fake
def _(
    tensors: Sequence[Tensor], lengths: Tensor | None, resets: Tensor | None, mask: Tensor | None, name: str
) -> list[Tensor]:
    inputs, cell = tensors[0], WRITTEN[name].form.cell
    finals = [inputs.new_empty(inputs.shape[0], width) for width in cell.widths().values()]
    return [_rows(inputs, cell.output_size, _is_whole(lengths, resets, mask)), *finals, _token(inputs)]


def _is_whole(*marks: Tensor | None) -> bool:
    return all(mark is None for mark in marks)


def _rows(like: Tensor, width: int, step_by_step: bool) -> Tensor:
    """Room for ``[B, T, width]`` that lies as the engine's results do: whole batches step by step."""
    batch, time = like.shape[:2]
    return like.new_empty(time, batch, width).transpose(0, 1) if step_by_step else like.new_empty(batch, time, width)


def _token(like: Tensor) -> Tensor:
    return like.new_empty(0, dtype=torch.uint8)


def _hold(token: Any, kept: Kept, layout: Layout) -> None:
    token.held = replace(kept, x=kept.x.new_empty(0)), layout


def _held(token: Any) -> tuple[Kept, Layout] | None:
    """What a token holds; it is written over, so that it is given once."""
    return token.__dict__.pop("held", None)  # type: ignore[no-any-return]


@torch.library.custom_op("throughtime::loop_backward", mutates_args=())
def _loop_backward(
    tensors: Sequence[Tensor],
    lengths: Tensor | None,
    resets: Tensor | None,
    mask: Tensor | None,
    token: Tensor,
    incoming: Sequence[Tensor | None],
    needed: Sequence[bool],
    name: str,
) -> list[Tensor]:
    """Gradients of the tensors that need one."""
    written, held = WRITTEN[name], _held(token)
    call = written.call(tensors, lengths, resets, mask)
    job = written.job(call, None if held is None else held[1])
    inputs, initial, parameters = job.split(tensors[: written.differentiable])
    kept = job.forward(inputs, initial, parameters)[2] if held is None else replace(held[0], x=job.rows(inputs))
    names = wanted(job.states, job.names)
    outputs, *others = incoming
    found = job.backward(kept, parameters, outputs, others, dict(zip(names, needed, strict=True)))
    rooms = _gradients(tensors, needed, _is_whole(lengths, resets, mask))
    there = [name for name, wants in zip(names, needed, strict=True) if wants]
    return [room.copy_(found[name]) if name in found else room.zero_() for name, room in zip(there, rooms, strict=True)]


def _gradients(tensors: Sequence[Tensor], needed: Sequence[bool], step_by_step: bool) -> list[Tensor]:
    """Room for the gradients that are needed."""
    inputs, *others = tensors[: len(needed)]
    first = [_rows(inputs, inputs.shape[2], step_by_step)] if needed[0] else []
    return first + [like.new_empty(like.shape) for like, wants in zip(others, needed[1:], strict=True) if wants]


@_loop_backward.register_fake
def _(
    tensors: Sequence[Tensor],
    lengths: Tensor | None,
    resets: Tensor | None,
    mask: Tensor | None,
    token: Tensor,
    incoming: Sequence[Tensor | None],
    needed: Sequence[bool],
    name: str,
) -> list[Tensor]:
    return _gradients(tensors, needed, _is_whole(lengths, resets, mask))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    tensors, *marks, ctx.name = inputs
    ctx.marked = [mark is not None for mark in marks]
    ctx.save_for_backward(output[-1], *tensors, *(mark for mark in marks if mark is not None))
    ctx.set_materialize_grads(False)


def _pull(ctx: Any, gradients: list[Tensor | None]) -> tuple[Any, ...]:
    token, *saved = ctx.saved_tensors
    needed = ctx.needs_input_grad[0]
    written = WRITTEN[ctx.name]
    tensors = saved[: len(needed)]
    left = iter(saved[len(needed) :])
    marks = [next(left) if there else None for there in ctx.marked]
    given, incoming = tensors[: written.differentiable], gradients[:-1]
    needed = needed[: len(given)]
    again = Again.of(written.call(tensors, *marks))

    def first() -> list[Tensor | None]:
        results = iter(torch.ops.throughtime.loop_backward(tensors, *marks, token, incoming, needed, ctx.name))
        return [next(results) if wants else None for wants in needed]

    found = pulled_back(again, needed, first, incoming, given)
    return [*found, *[None] * (len(tensors) - len(given))], None, None, None, None


_loop.register_autograd(_pull, setup_context=_keep)
