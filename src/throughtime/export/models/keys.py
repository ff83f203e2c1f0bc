"""A next-frame model as graphs: over whole tunes, and one step.

Shapes::

    B  tunes        T  frames        K  keys
"""

from __future__ import annotations

import numpy as np

from throughtime.export.graph import Graph, State, Value, write_layer, write_layer_step
from throughtime.export.models.language_model import inputs_of_state, outputs_of_state
from throughtime.models import KeyModel


def write_sequence(graph: Graph, model: KeyModel) -> None:
    """``frames [batch, time, K]``, ``lengths [batch]`` and the states give ``logits`` of the keys after each frame."""
    shape: list[int | str] = ["batch", "time", model.stack.input_size]
    frames, lengths = graph.input("frames", shape), graph.input("lengths", ["batch"], np.int64)
    state = inputs_of_state(graph, model.stack)
    _told(graph, model, shape, write_layer(graph, model.stack, frames, lengths=lengths, state=state, prefix="stack."))


def write_step(graph: Graph, model: KeyModel) -> None:
    """``frames [batch, K]`` and the states give the ``logits`` of the frame after, and the next states."""
    shape: list[int | str] = ["batch", model.stack.input_size]
    frames, state = graph.input("frames", shape), inputs_of_state(graph, model.stack)
    _told(graph, model, shape, write_layer_step(graph, model.stack, frames, state, prefix="stack."))


def _told(graph: Graph, model: KeyModel, shape: list[int | str], found: tuple[Value, State]) -> None:
    outputs, final = found
    graph.output(graph.linear(outputs, "keys", model.keys.weight, model.keys.bias), "logits", shape)
    outputs_of_state(graph, model.stack, final)
