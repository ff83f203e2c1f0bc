"""A model of frames and symbols (CTC) as graphs: over whole recordings, and one step of a stream.

Shapes::

    B  sequences    T  frames of the longest    F  features of a frame    S  steps, T / frames rounded up
    V  symbols, blank the first of them
"""

from __future__ import annotations

import numpy as np

from throughtime.export.graph import Graph, Value, write_layer, write_layer_step
from throughtime.export.models.language_model import inputs_of_state, outputs_of_state
from throughtime.models import CTCModel


def write_sequence(graph: Graph, model: CTCModel) -> None:
    """Symbols of whole recordings.

    ``features [batch, time, F]``, zeros past a length, and ``lengths [batch]`` in frames give ``log_probs [batch,
    steps, V]`` of the symbols in nats, and ``real_steps [batch]``, how many of them are real.
    """
    config = model.config
    features = graph.input("features", ["batch", "time", config.features])
    steps = _rounded_up(graph, graph.input("lengths", ["batch"], np.int64), config.frames)
    joined = _joined(graph, features, config.frames)
    outputs, _ = write_layer(graph, model.stack, joined, lengths=steps, prefix="stack.")
    graph.output(_symbols(graph, model, outputs), "log_probs", ["batch", "steps", config.symbols])
    graph.output(steps, "real_steps", ["batch"], np.int64)


def write_step(graph: Graph, model: CTCModel) -> None:
    """One step of a stream.

    ``features [batch, frames · F]``, the frames of the step side by side, and the states give ``log_probs [batch, V]``
    and the next states.
    """
    config = model.config
    features = graph.input("features", ["batch", config.frames * config.features])
    state = inputs_of_state(graph, model.stack)
    outputs, final = write_layer_step(graph, model.stack, features, state, prefix="stack.")
    graph.output(_symbols(graph, model, outputs), "log_probs", ["batch", config.symbols])
    outputs_of_state(graph, model.stack, final)


def _symbols(graph: Graph, model: CTCModel, outputs: Value) -> Value:
    logits = graph.linear(outputs, "softmax", model.softmax.weight, model.softmax.bias)
    return graph.add("LogSoftmax", logits, axis=-1)


def _rounded_up(graph: Graph, count: Value, frames: int) -> Value:
    """Steps of so many frames, as whole numbers."""
    return graph.add("Div", graph.add("Add", count, graph.constant(frames - 1)), graph.constant(frames))


def _joined(graph: Graph, features: Value, frames: int) -> Value:
    """Every ``frames`` frames as one step, ``[B, S, frames · F]``; zeros complete the last one."""
    if frames == 1:
        return features
    time, none = graph.size(features, 1), graph.constant([0])
    steps = _rounded_up(graph, time, frames)
    more = graph.add("Sub", graph.add("Mul", steps, graph.constant(frames)), time)
    padded = graph.add("Pad", features, graph.add("Concat", none, none, none, none, more, none, axis=0))
    width = graph.add("Mul", graph.size(features, 2), graph.constant(frames))
    return graph.add("Reshape", padded, graph.shape(graph.size(features, 0), steps, width), allowzero=1)
