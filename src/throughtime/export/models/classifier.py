"""Classifiers of whole sequences as graphs, with every pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from throughtime.errors import UserError, listed
from throughtime.export.graph import Graph, Value, write_layer
from throughtime.export.models.signals import write_frames, write_letters, write_points
from throughtime.export.models.words import write_words
from throughtime.layers import Pooling
from throughtime.models import Classifier, FrameInput, LetterInput, PointInput, Regressor, WordInput

INPUTS: dict[type[nn.Module], Callable[[Graph, Any], tuple[Value, Value]]] = {
    FrameInput: write_frames,
    LetterInput: write_letters,
    PointInput: write_points,
    WordInput: write_words,
}
"""What a model reads, by the class of its inputs: adds the graph's inputs, gives features ``[B, T, F]`` and lengths."""


def write_sequence(graph: Graph, model: Classifier) -> None:
    """What the model reads gives ``log_probs [batch, K]`` in nats; with attention, ``weights [batch, time]``, too."""
    features, lengths = write_inputs(graph, model.inputs)
    outputs, _ = write_layer(graph, model.stack, features, lengths=lengths, prefix="stack.")
    if model.pool.name == "attention":
        graph.output(_attention(graph, model.pool, outputs, lengths), "weights", ["batch", "time"])
    pooled = write_pooling(graph, model.pool, outputs, lengths)
    scores = graph.linear(pooled, "softmax", model.softmax.weight, model.softmax.bias)
    graph.output(graph.add("LogSoftmax", scores, axis=-1), "log_probs", ["batch", model.softmax.out_features])


def write_regressor(graph: Graph, model: Regressor) -> None:
    """``features [batch, time, F]`` and ``lengths [batch]`` give ``numbers [batch, K]``."""
    features = graph.input("features", ["batch", "time", model.stack.input_size])
    lengths = graph.input("lengths", ["batch"], np.int64)
    outputs, _ = write_layer(graph, model.stack, features, lengths=lengths, prefix="stack.")
    pooled = write_pooling(graph, model.pool, outputs, lengths)
    found = graph.linear(pooled, "linear", model.linear.weight, model.linear.bias)
    graph.output(found, "numbers", ["batch", model.linear.out_features])


def write_inputs(graph: Graph, inputs: Any) -> tuple[Value, Value]:
    """What a model reads.

    Raises:
        UserError: If no writer is known for it.
    """
    if type(inputs) not in INPUTS:
        known = listed(kind.__name__ for kind in INPUTS)
        raise UserError(f"inputs {type(inputs).__name__} cannot be written as ONNX; there are writers for {known}")
    return INPUTS[type(inputs)](graph, inputs)


def write_pooling(graph: Graph, pool: Pooling, outputs: Value, lengths: Value) -> Value:
    """``outputs [B, T, F]``, zero past a length, and ``lengths [B]`` to ``[B, F]``, zeros for an empty sequence."""
    if pool.name == "mean":
        count = graph.cast(graph.add("Max", lengths, graph.constant(1)))
        total = graph.add("ReduceSum", outputs, graph.constant([1]), keepdims=0)
        return graph.add("Div", total, graph.unsqueeze(count, 1))
    if pool.name == "max":
        barred = graph.add("Where", _real(graph, outputs, lengths), outputs, -np.inf)
        empty = graph.unsqueeze(graph.add("Equal", lengths, graph.constant(0)), 1)
        return graph.add("Where", empty, 0.0, graph.add("ReduceMax", barred, axes=[1], keepdims=0))
    if pool.name == "attention":
        weights = graph.unsqueeze(_attention(graph, pool, outputs, lengths), 1)
        return graph.squeeze(graph.add("MatMul", weights, outputs), 1)
    return _last(graph, pool, outputs, lengths)


def _attention(graph: Graph, pool: Pooling, outputs: Value, lengths: Value) -> Value:
    """How much of each step is taken, ``[B, T]``."""
    hidden = graph.add("Tanh", graph.linear(outputs, "pool.project", pool.project.weight, pool.project.bias))
    scores, real = graph.linear(hidden, "pool.score", pool.score.weight), _real(graph, outputs, lengths)
    barred = graph.add("Where", real, scores, float(np.finfo(graph.dtype).min))
    weights = graph.add("Mul", graph.add("Softmax", barred, axis=1), graph.cast(real))
    return graph.squeeze(weights, 2)


def _last(graph: Graph, pool: Pooling, outputs: Value, lengths: Value) -> Value:
    """The last real step; of the backward half the first."""
    before = graph.add("Max", graph.add("Sub", lengths, graph.constant(1)), graph.constant(0))
    at = graph.add("Reshape", before, graph.shape(-1, 1, 1))
    everywhere = graph.add("Expand", at, graph.shape(graph.size(outputs, 0), 1, graph.size(outputs, 2)))
    last = graph.squeeze(graph.add("GatherElements", outputs, everywhere, axis=1), 1)
    if not pool.bidirectional:
        return last
    half = pool.features // 2
    first = graph.squeeze(graph.cut(outputs, 1, 0, 1), 1)
    return graph.concat([graph.cut(last, 1, 0, half), graph.cut(first, 1, half)])


def _real(graph: Graph, outputs: Value, lengths: Value) -> Value:
    """Which steps are real, ``[B, T, 1]``."""
    real = graph.real_steps(lengths, graph.size(outputs, 1))
    return graph.unsqueeze(graph.transpose(real, 1, 0), 2)
