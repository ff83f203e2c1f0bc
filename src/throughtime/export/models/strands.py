"""Taggers of both strands of DNA as graphs: a label for every base; regions are sought by whoever runs them."""

from __future__ import annotations

import numpy as np

from throughtime.export.graph import Graph, Value, write_layer
from throughtime.models import StrandTagger
from throughtime.models.strands import STEP
from throughtime.runtime.dna.bases import COMPLEMENT

LETTERS = 16
"""Numbers that a letter may have."""


def write_sequence(graph: Graph, model: StrandTagger) -> None:
    """``codes [batch, time]``, letters as numbers, 0 past the ``lengths [batch]``, give ``log_probs [batch, time, K]``.

    Both strands are in the graph; what stands past a length does not matter.
    """
    codes, lengths = graph.input("codes", ["batch", "time"], np.int64), graph.input("lengths", ["batch"], np.int64)
    at = _mirrored(graph, codes, lengths)
    complements = graph.add("Gather", COMPLEMENT.astype(np.int64), codes, axis=0)
    other = graph.add("GatherElements", complements, at, axis=1)
    both = _read(graph, model, graph.concat([codes, other], axis=0), graph.concat([lengths, lengths], axis=0))
    labels = len(model.config.swapped)
    apart = graph.add("Reshape", both, graph.shape(2, graph.size(codes, 0), graph.size(codes, 1), labels))
    one, two = (graph.squeeze(strand, 0) for strand in graph.split(apart, [1, 1], axis=0))
    everywhere = graph.add("Expand", graph.unsqueeze(at, 2), graph.shape(1, 1, labels))
    turned = graph.add("GatherElements", two, everywhere, axis=1)
    scores = graph.add("Add", one, graph.add("Gather", turned, np.array(model.config.swapped), axis=2))
    graph.output(graph.add("LogSoftmax", scores, axis=-1), "log_probs", ["batch", "time", labels])


def _mirrored(graph: Graph, codes: Value, lengths: Value) -> Value:
    """Where each step of a row stands that is read from its end, ``[B, L]``; what stands past it stays."""
    steps = graph.add("Range", graph.constant(0), graph.squeeze(graph.size(codes, 1), 0), graph.constant(1))
    last = graph.unsqueeze(graph.add("Sub", lengths, graph.constant(1)), 1)
    mirrored = graph.add("Sub", last, steps)
    return graph.add("Where", graph.add("Less", mirrored, graph.constant(0)), steps, mirrored)


def _read(graph: Graph, model: StrandTagger, codes: Value, lengths: Value) -> Value:
    """The scores of every label of every base of rows, ``[B, L, K]``, each read in its own direction."""
    labels, length = len(model.config.swapped), graph.size(codes, 1)
    steps = graph.add("Div", graph.add("Add", length, graph.constant(STEP - 1)), graph.constant(STEP))
    wanted = graph.add("Mul", graph.add("Add", steps, graph.constant(1)), graph.constant(STEP))
    past = graph.add("Expand", graph.constant(0), graph.shape(graph.size(codes, 0), graph.add("Sub", wanted, length)))
    padded = graph.concat([codes, past], axis=1)
    codon = graph.constant(0)
    for place in range(STEP):
        letter = graph.cut(padded, 1, place, place - STEP)
        codon = graph.add("Add", graph.add("Mul", codon, graph.constant(LETTERS)), letter)
    features = graph.add("Gather", _codons(graph, model), codon, axis=0)  # [B, 3T, E]
    features = graph.add("Reshape", features, graph.shape(graph.size(codes, 0), -1, STEP * model.config.codon))
    real = graph.add("Div", graph.add("Add", lengths, graph.constant(STEP - 1)), graph.constant(STEP))
    outputs, _ = write_layer(graph, model.stack, features, lengths=real, prefix="stack.")
    scores = graph.linear(outputs, "linear", model.linear.weight, model.linear.bias)
    apart = graph.add("Reshape", scores, graph.shape(graph.size(codes, 0), -1, labels))
    return graph.add("Slice", apart, graph.constant([0]), length, graph.constant([1]))


def _codons(graph: Graph, model: StrandTagger) -> Value:
    """The embedding of each three letters, ``[16 · 16 · 16, E]``; a runtime computes it once, as it opens the graph."""
    shares = graph.weight("shares", model.shares)
    found = graph.constant(np.ones((1, 1), dtype=graph.dtype))
    for place in range(STEP):  # [16^n, 4^n] and [16, 4] to [16^(n + 1), 4^(n + 1)]
        rows = graph.unsqueeze(graph.unsqueeze(found, 1), 3)
        product = graph.add("Mul", rows, graph.add("Reshape", shares, graph.shape(1, LETTERS, 1, 4)))
        found = graph.add("Reshape", product, graph.shape(LETTERS ** (place + 1), 4 ** (place + 1)))
    return graph.linear(found, "codons", model.codons.weight)
