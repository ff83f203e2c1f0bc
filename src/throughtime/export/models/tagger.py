"""Taggers as graphs: the score of every label of every word; the likeliest labels are sought by whoever runs them."""

from __future__ import annotations

import torch

from throughtime.export.graph import Graph, Value, write_layer, write_layer_step
from throughtime.export.models.classifier import write_inputs
from throughtime.export.models.language_model import inputs_of_state, outputs_of_state
from throughtime.export.models.words import write_word
from throughtime.models import Tagger


def write_sequence(graph: Graph, model: Tagger) -> None:
    """What the model reads of words gives ``scores [batch, time, K]``; what stands past a length does not matter."""
    features, lengths = write_inputs(graph, model.inputs)
    outputs, _ = write_layer(graph, model.stack, features, lengths=lengths, prefix="stack.")
    graph.output(_scores(graph, model, outputs), "scores", ["batch", "time", model.config.labels])


def write_step(graph: Graph, model: Tagger) -> None:
    """What the model reads of a word, and the states, give ``scores [batch, K]`` and the next states."""
    state = inputs_of_state(graph, model.stack)
    outputs, final = write_layer_step(graph, model.stack, write_word(graph, model.inputs), state, prefix="stack.")
    graph.output(_scores(graph, model, outputs), "scores", ["batch", model.config.labels])
    outputs_of_state(graph, model.stack, final)


def _scores(graph: Graph, model: Tagger, outputs: Value) -> Value:
    scores = graph.linear(outputs, "linear", model.linear.weight, model.linear.bias)
    lift = model.lift_scores(torch.zeros(model.config.labels, dtype=model.linear.weight.dtype))
    return graph.add("Add", scores, graph.weight("lift", lift))
