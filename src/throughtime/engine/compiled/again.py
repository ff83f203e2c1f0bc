"""What machine code cannot give, from the reference's operations: gradients of gradients, and many gradients at once.

The call is run again on the reference engine, whose operations PyTorch can differentiate twice and run in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from throughtime.cells import Cell
from throughtime.engine.call import Call, Noise, Zeros
from throughtime.engine.look import Record
from throughtime.engine.reference import ReferenceEngine


@dataclass(slots=True)
class Again:
    """A call without its differentiable tensors, which the graph keeps.

    Attributes:
        cell, lengths, reverse, noise, resets, to_zero, mask: The call's.
        names: Of the parameters.
        seen: States and gates whose every step is handed out beside the outputs.
        needed: Whose gradients are wanted, of inputs, states and parameters in order.
    """

    cell: Cell
    lengths: Tensor | None
    reverse: bool
    noise: Noise
    resets: Tensor | None
    to_zero: bool
    mask: Tensor | None
    names: tuple[str, ...]
    seen: tuple[str, ...] = ()
    needed: tuple[bool, ...] = ()

    @classmethod
    def of(cls, call: Call, seen: tuple[str, ...] = ()) -> Again:
        """What is kept of a call."""
        marks = (call.resets, call.to_zero, call.mask)
        return cls(call.cell, call.lengths, call.reverse, call.noise, *marks, tuple(call.parameters), seen)

    def gradients(self, given: Sequence[Tensor | None], incoming: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Gradients of inputs, initial state and parameters; they can be differentiated where gradients are enabled.

        Args:
            given: Inputs, initial state, None where it is zero, and parameters in order.
            incoming: Gradients of the outputs, the final states and what is seen; None where nothing depends on them.
        """
        states = self.cell.state
        further = torch.is_grad_enabled()
        with torch.enable_grad():
            inputs, *others = map(_apart, given)
            begun = dict(zip(states, others, strict=False))
            state = Zeros(self.cell, inputs) if any(value is None for value in begun.values()) else begun
            parameters = dict(zip(self.names, others[len(states) :], strict=True))
            record = Record() if self.seen else None
            call = Call(
                self.cell,
                parameters,
                inputs,
                state,
                self.lengths,
                self.reverse,
                self.noise,
                look=record,
                resets=self.resets,
                to_zero=self.to_zero,
                mask=self.mask,
            )
            outputs, final = ReferenceEngine().run(call)
            ends = [outputs, *(final[name] for name in states)]
            ends += [] if record is None else [record.values(name) for name in self.seen]
        return _pulled(ends, incoming, [inputs, *others], self.needed, further)


def in_batches(gradients: Sequence[Tensor | None]) -> bool:
    """Whether gradients stand for many of their kind, which are asked for at once (``is_grads_batched``, vmap)."""
    known = torch._C._functorch
    return any(g is not None and (known.is_batchedtensor(g) or known.is_legacy_batchedtensor(g)) for g in gradients)


def pulled_back(
    again: Again,
    needed: Sequence[bool],
    first: Callable[[], Sequence[Tensor | None]],
    incoming: Sequence[Tensor | None],
    given: Sequence[Tensor | None],
) -> Sequence[Tensor | None]:
    """Gradients of inputs, initial state and parameters, by whoever can give them.

    Args:
        again: The call.
        needed: Whose gradients are wanted, of inputs, states and parameters in order.
        first: Gives first gradients, one of each, which cannot be differentiated.
        incoming: Gradients of outputs, final states and what is seen.
        given: Inputs, initial state, None where it is zero, and parameters in order.
    """
    if in_batches(incoming):
        return replace(again, needed=tuple(needed)).gradients(given, incoming)
    if not torch.is_grad_enabled():
        return first()
    with torch.no_grad():
        results = first()
    return differentiable(replace(again, needed=tuple(needed)), results, incoming, given)


def differentiable(
    again: Again, results: Sequence[Tensor | None], incoming: Sequence[Tensor | None], given: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """First gradients as they are, whose own gradients are those of :meth:`Again.gradients`."""
    there = [result for result in results if result is not None]
    sources = [value for value in incoming if value is not None]
    form = _Form(again, [result is not None for result in results], [value is not None for value in incoming])
    handed = iter(_Second.apply(form, *there, *sources, *given))  # type: ignore[no-untyped-call]
    return [None if result is None else next(handed) for result in results]


@dataclass(frozen=True)
class _Form:
    """Which results and incoming gradients are there."""

    again: Again
    results: list[bool]
    incoming: list[bool]

    @property
    def count(self) -> int:
        """How many results."""
        return sum(self.results)


class _Second(torch.autograd.Function):
    """Hands first gradients on; their gradients flow to what they were made of."""

    @staticmethod
    def forward(ctx: Any, form: _Form, *values: Tensor) -> tuple[Tensor, ...]:
        """The results; the rest of the values is what they were made of."""
        ctx.form = form
        ctx.save_for_backward(*values[form.count :])
        ctx.set_materialize_grads(False)
        return tuple(value.view_as(value) for value in values[: form.count])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Differentiates the first gradients, computed again."""
        form: _Form = ctx.form
        further = torch.is_grad_enabled()
        with torch.enable_grad():
            sources = list(map(_apart, ctx.saved_tensors))
            waiting = iter(sources)
            incoming = [next(waiting) if there else None for there in form.incoming]
            results = form.again.gradients(list(waiting), incoming)
        there = [result for result, kept in zip(results, form.results, strict=True) if kept]
        found = _pulled(there, gradients, sources, ctx.needs_input_grad[1 + form.count :], further)
        return (None, *[None] * form.count, *found)


def _apart(value: Tensor | None) -> Any:
    """A value as a tensor of its own, for one may be given twice."""
    return None if value is None else value.view_as(value)


def _pulled(
    ends: Sequence[Tensor | None],
    gradients: Sequence[Tensor | None],
    sources: Sequence[Tensor | None],
    needed: Sequence[bool],
    further: bool,
) -> list[Tensor | None]:
    """The gradients of ends, pulled back to the sources that need one; they can be differentiated ``further``."""
    pairs = [
        (end, gradient)
        for end, gradient in zip(ends, gradients, strict=True)
        if gradient is not None and end is not None and end.requires_grad
    ]
    if not pairs:
        return [None] * len(sources)
    ended, begun = zip(*pairs, strict=True)
    leaves = [source for source, wanted in zip(sources, needed, strict=True) if wanted and source is not None]
    found = iter(torch.autograd.grad(ended, leaves, begun, create_graph=further, allow_unused=True))
    return [next(found) if wanted else None for wanted in needed]
