"""Language models as graphs: the probability of whole texts, and of what comes next, step by step."""

from __future__ import annotations

from typing import cast

import numpy as np
from torch import nn

from throughtime.export.graph import Graph, State, Value, write_layer, write_layer_step
from throughtime.layers import Recurrent
from throughtime.models import LanguageModel
from throughtime.models.tokens import TokenModel


def write_sequence(graph: Graph, model: LanguageModel) -> None:
    """Log-probabilities of the tokens of whole texts.

    ``inputs [batch, time]`` (the token before each, -1 before the first), ``targets [batch, time]``, ``lengths
    [batch]`` and the states give ``log_probs [batch, time]`` in nats, zero past a length, and the next states.
    """
    steps = ["batch", "time"]
    inputs, targets = graph.input("inputs", steps, np.int64), graph.input("targets", steps, np.int64)
    lengths = graph.input("lengths", ["batch"], np.int64)
    state, embedded = inputs_of_state(graph, model.stack), write_embedding(graph, model, inputs)
    hidden, final = write_layer(graph, model.stack, embedded, lengths=lengths, state=state, prefix="stack.")
    scores = _log_softmax(graph, model, hidden)
    chosen = graph.squeeze(graph.add("GatherElements", scores, graph.unsqueeze(targets, 2), axis=2), 2)
    real = graph.transpose(graph.real_steps(lengths, graph.size(inputs, 1)), 1, 0)
    graph.output(graph.add("Where", real, chosen, 0.0), "log_probs", steps)
    outputs_of_state(graph, model.stack, final)


def write_step(graph: Graph, model: LanguageModel) -> None:
    """``inputs [batch]``, the tokens read, and the states give ``log_probs [batch, V]`` of the next token in nats."""
    inputs = graph.input("inputs", ["batch"], np.int64)
    state, embedded = inputs_of_state(graph, model.stack), write_embedding(graph, model, inputs)
    hidden, final = write_layer_step(graph, model.stack, embedded, state, prefix="stack.")
    graph.output(_log_softmax(graph, model, hidden), "log_probs", ["batch", model.config.vocabulary])
    outputs_of_state(graph, model.stack, final)


def write_embedding(graph: Graph, model: TokenModel, ids: Value) -> Value:
    """What the model reads of ids ``[…]``, ``[…, E]``: zeros for one below 0, as if nothing stood there."""
    there = graph.add("GreaterOrEqual", ids, graph.constant(0))
    embedded = graph.embedding(graph.add("Max", ids, graph.constant(0)), "embedding", model.embedding.weight)
    if model.scale != 1.0:
        embedded = graph.add("Mul", embedded, model.scale)
    return graph.add("Where", graph.unsqueeze(there, -1), embedded, 0.0)


def write_logits(graph: Graph, model: TokenModel, vectors: Value) -> Value:
    """Scores of every token, ``[…, A]`` to ``[…, V]``; tied to the embedding, the matrix is stored once."""
    if not model.tied:
        return graph.linear(vectors, "softmax", model.softmax.weight, model.softmax.bias)
    matrix = graph.transpose(graph.weight("embedding.weight", model.embedding.weight), 1, 0)
    return graph.add("Add", graph.add("MatMul", vectors, matrix), graph.weight("bias", model.bias))


def inputs_of_state(graph: Graph, layer: Recurrent, prefix: str = "") -> State:
    """A layer's states as inputs under their names, ``[cells, batch, width]`` each."""
    cells = len(layer.directed)
    return {name: graph.input(f"{prefix}{name}", [cells, "batch", n]) for name, n in layer.cell.widths().items()}


def outputs_of_state(graph: Graph, layer: Recurrent, state: State, prefix: str = "") -> None:
    """A layer's states as outputs, ``next_`` before the names of the inputs."""
    for name, width in layer.cell.widths().items():
        graph.output(state[name], f"next_{prefix}{name}", [len(layer.directed), "batch", width])


def _log_softmax(graph: Graph, model: LanguageModel, hidden: Value) -> Value:
    """``[…, width]`` to the log-probabilities of every token, ``[…, V]``."""
    if model.config.adaptive:
        return _adaptive(graph, model.adaptive, hidden)
    if isinstance(model.bridge, nn.Linear):
        hidden = graph.linear(hidden, "bridge", model.bridge.weight)
    return graph.add("LogSoftmax", write_logits(graph, model, hidden), axis=-1)


def _adaptive(graph: Graph, softmax: nn.AdaptiveLogSoftmaxWithLoss, hidden: Value) -> Value:
    """The head's own tokens, and those of each cluster: that of the cluster times that of the token in it."""
    head = graph.linear(hidden, "adaptive.head", softmax.head.weight, softmax.head.bias)
    head = graph.add("LogSoftmax", head, axis=-1)
    own = softmax.shortlist_size
    found = [graph.cut(head, -1, 0, own)]
    for number, tail in enumerate(softmax.tail):
        narrow, wide = cast(tuple[nn.Linear, nn.Linear], tail)
        inside = graph.linear(hidden, f"adaptive.tail.{number}.0", narrow.weight)
        inside = graph.add("LogSoftmax", graph.linear(inside, f"adaptive.tail.{number}.1", wide.weight), axis=-1)
        found.append(graph.add("Add", inside, graph.cut(head, -1, own + number, own + number + 1)))
    return graph.concat(found)
