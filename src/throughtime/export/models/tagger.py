"""Taggers as graphs: the score of every label of every word; the likeliest labels are sought by whoever runs them."""

from __future__ import annotations

import torch

from throughtime.export.graph import Graph, write_layer
from throughtime.export.models.classifier import write_inputs
from throughtime.models import Tagger


def write_sequence(graph: Graph, model: Tagger) -> None:
    """What the model reads of words gives ``scores [batch, time, K]``; what stands past a length does not matter."""
    features, lengths = write_inputs(graph, model.inputs)
    outputs, _ = write_layer(graph, model.stack, features, lengths=lengths, prefix="stack.")
    scores = graph.linear(outputs, "linear", model.linear.weight, model.linear.bias)
    lift = model.lift_scores(torch.zeros(model.config.labels, dtype=model.linear.weight.dtype))
    scores = graph.add("Add", scores, graph.weight("lift", lift))
    graph.output(scores, "scores", ["batch", "time", model.config.labels])
