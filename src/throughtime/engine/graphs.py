"""The reference's loop as a CUDA graph: its kernels are recorded once, forward and backward, and launched together.

The step of a small cell is bound by the launches of its kernels, one after the other from Python, not by what they
compute. A graph has one shape and memory of its own: every other batch size or number of steps is recorded anew, which
takes about as long as five calls of the reference.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from throughtime.engine.call import Call, EngineError, Result, untold, watched
from throughtime.engine.compiled.again import Again, pulled_back
from throughtime.engine.form import Form
from throughtime.engine.pieces import is_cut
from throughtime.engine.ragged import arrange, restore
from throughtime.engine.reference import ReferenceEngine

MOST = 32
"""Graphs that are kept; the oldest goes first."""


class GraphsEngine:
    """Replays the reference's loop on a GPU. It serves by name alone: who asks for it knows that shapes repeat."""

    name = "graphs"
    device = "cuda"
    record: Callable[..., Any] = staticmethod(torch.cuda.make_graphed_callables)

    def __init__(self) -> None:
        self.graphs: dict[Any, Graph] = {}
        self.lock = threading.Lock()

    def refuses(self, call: Call) -> str | None:
        """The CPU, ragged batches, resets, masks, looks, and whoever must see PyTorch's own operations."""
        if call.inputs.device.type != self.device:
            return f"CUDA graphs run on a GPU, and the call's tensors are on {call.inputs.device}"
        if watched():
            return "its operations cannot be traced, transformed or replaced, as something does here"
        if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
            return "it records a graph of its own, and the call is being recorded into another"
        if torch.is_autocast_enabled(self.device):
            return "a graph has one type of numbers, and autocast is on"
        if call.look is not None:
            return "a graph does not show its steps"
        if call.lengths is not None:
            return "a graph has one shape, and the rows end at different steps"
        if is_cut(call):
            return "a graph is recorded without resets and without a mask"
        return untold(call.cell)

    def run(self, call: Call) -> Result:
        """Records what it sees for the first time, and replays it."""
        if not len(call.inputs):
            return ReferenceEngine().run(call)
        arranged = arrange(call)
        turned = replace(call, inputs=arranged.inputs, state=arranged.state, noise=arranged.noise, reverse=False)
        form, tensors = Form.of(turned)
        outputs, *finals = _Replay.apply(self._graph(form, tensors), Again.of(turned), *tensors)  # type: ignore[no-untyped-call]
        return restore(arranged, outputs, dict(zip(call.cell.state, finals, strict=True)))

    def _graph(self, form: Form, tensors: Sequence[Tensor]) -> Graph:
        trains = [torch.is_grad_enabled() and value.requires_grad for value in tensors]
        kinds = tuple(
            (value.shape, value.dtype, value.device, wants) for value, wants in zip(tensors, trains, strict=True)
        )
        stream = torch.cuda.current_stream(tensors[0].device) if self.device == "cuda" else None
        key = (form, kinds, stream, torch.get_float32_matmul_precision())
        with self.lock:
            if key not in self.graphs:
                if len(self.graphs) >= MOST:
                    self.graphs.pop(next(iter(self.graphs)))
                self.graphs[key] = Graph(form, tensors, trains, self.record)
            return self.graphs[key]


class Graph:
    """A recorded loop. Its memory holds one call: after another one, a backward pass runs its own forward pass again.

    Args:
        form: What is recorded.
        tensors: Of the shapes to serve.
        trains: Which of them get a gradient.
        record: ``torch.cuda.make_graphed_callables``, or what stands in for it.
    """

    def __init__(self, form: Form, tensors: Sequence[Tensor], trains: list[bool], record: Callable[..., Any]) -> None:
        self.form, self.trains = form, trains
        self.turn = 0
        self.lock = threading.Lock()
        with torch.inference_mode(False), torch.set_grad_enabled(any(trains)):
            # the recording reads and writes these, never what a user holds
            own = [value.detach().clone(memory_format=torch.contiguous_format) for value in tensors]
            own = [value.requires_grad_(wants) for value, wants in zip(own, trains, strict=True)]
            try:
                self.replay = record(self._walk, tuple(own), allow_unused_input=True)
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
                raise EngineError(
                    f"engine 'graphs' cannot record {type(form.cell).__name__}: {reason}; pass engine=\"auto\""
                ) from error

    def _walk(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, final = ReferenceEngine().run(self.form.call(tensors))
        results = (outputs, *(final[name] for name in self.form.cell.state))
        self.flows = any(value.requires_grad for value in results)
        return results

    def forward(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], int]:
        """Results of the caller's own, and the number of the turn that made them."""
        with self.lock:
            self._forward(tensors)
            return [value.detach().clone() for value in self.results], self.turn

    def backward(self, turn: int, tensors: Sequence[Tensor], incoming: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Gradients of the tensors that train.

        Args:
            turn: Of the forward pass.
            tensors: What it was given.
            incoming: Gradients of its results; None where nothing depends on them.
        """
        if not self.flows:
            return [None] * len(tensors)
        with self.lock:
            if turn != self.turn:
                self._forward(tensors)
            self.turn += 1  # the backward pass writes over what the forward pass kept
            ends = [
                (value, torch.zeros_like(value) if gradient is None else gradient)
                for value, gradient in zip(self.results, incoming, strict=True)
                if value.requires_grad
            ]
            values, gradients = zip(*ends, strict=True)
            leaves = [leaf for leaf in self.leaves if leaf.requires_grad]
            found = iter(torch.autograd.grad(values, leaves, gradients, allow_unused=True))
            own = [next(found) if wants else None for wants in self.trains]
            return [None if gradient is None else gradient.clone() for gradient in own]

    def _forward(self, tensors: Sequence[Tensor]) -> None:
        self.turn += 1
        with torch.set_grad_enabled(any(self.trains)):
            self.leaves = [
                value.detach().requires_grad_(wants) for value, wants in zip(tensors, self.trains, strict=True)
            ]
            self.results = self.replay(*self.leaves)


class _Replay(torch.autograd.Function):
    """The tensors of a call to outputs and final states."""

    @staticmethod
    def forward(ctx: Any, graph: Graph, again: Again, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Replays the loop."""
        results, ctx.turn = graph.forward(tensors)
        ctx.graph, ctx.again = graph, again
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor | None) -> tuple[Any, ...]:
        """Replays its backward pass."""
        tensors = ctx.saved_tensors
        again: Again = ctx.again
        given = tensors[: 1 + len(again.cell.state) + len(again.names)]
        needed = ctx.needs_input_grad[2 : 2 + len(given)]

        def first() -> list[Tensor | None]:
            return ctx.graph.backward(ctx.turn, tensors, incoming)[: len(given)]  # type: ignore[no-any-return]

        found = pulled_back(again, needed, first, incoming, given)
        return (None, None, *found, *[None] * (len(tensors) - len(given)))
