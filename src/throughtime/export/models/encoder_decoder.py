"""An encoder–decoder as two graphs: the encoder over whole sources, and one step of the decoder with its attention.

Shapes::

    B  pairs        T  steps of the source        V  tokens of the target's vocabulary        M  features of a memory
    U  features that a query is compared with     A  features of the attentional vector
"""

from __future__ import annotations

import numpy as np
import torch

from throughtime.export.graph import Graph, State, Value, write_layer, write_layer_step
from throughtime.export.models.language_model import inputs_of_state, outputs_of_state, write_embedding, write_logits
from throughtime.layers.attention import Attention
from throughtime.models import EncoderDecoder
from throughtime.models.encoder_decoder import Bridge


def write_encoder(graph: Graph, model: EncoderDecoder) -> None:
    """What a decoder needs of whole sources.

    ``source [batch, time]`` (ids) and ``lengths [batch]`` give the decoder's first states by their names, ``values
    [batch, time, M]``, what is attended to, and ``keys [batch, time, U]``, what queries are compared with.
    """
    source = graph.input("source", ["batch", "time"], np.int64)
    lengths = graph.input("lengths", ["batch"], np.int64)
    embedded = graph.embedding(source, "source_embedding", model.source_embedding.weight)
    outputs, final = write_layer(graph, model.encoder, embedded, lengths=lengths, prefix="encoder.")
    widths = model.decoder.cell.widths()
    for name, state in _bridged(graph, model.bridge, final).items():
        graph.output(state, name, [model.decoder.num_layers, "batch", widths[name]])
    graph.output(outputs, "values", ["batch", "time", model.encoder.output_size])
    keys = outputs
    if model.attention.name != "dot":
        keys = graph.linear(outputs, "attention.of_memory", model.attention.of_memory.weight)
    graph.output(keys, "keys", ["batch", "time", _keys(model)])


def _bridged(graph: Graph, bridge: Bridge, final: State) -> State:
    """The decoder's first states of the encoder's last ones; both ways of a layer side by side."""
    first = {}
    for name, maps in bridge.maps.items():
        assert isinstance(maps, torch.nn.ModuleList)
        cells = graph.split(final[name], [1] * (len(maps) * bridge.directions), axis=0)
        layers = []
        for depth, map_ in enumerate(maps):
            assert isinstance(map_, torch.nn.Linear)
            ways = cells[depth * bridge.directions : (depth + 1) * bridge.directions]
            both = graph.concat(ways)
            layers.append(graph.add("Tanh", graph.linear(both, f"bridge.{name}.{depth}", map_.weight, map_.bias)))
        first[name] = graph.concat(layers, axis=0)
    return first


def write_decoder(graph: Graph, model: EncoderDecoder) -> None:
    """One step of the decoder, with its attention.

    ``inputs [batch]`` (the tokens read, -1 before the first), ``lengths``, ``values`` and ``keys`` of the encoder, and
    the states give ``log_probs [batch, V]`` of the next token in nats, ``attention [batch, time]``, and the next
    states. With coverage ``covered [batch, time]`` is a state, the attention so far; with input feeding ``fed [batch,
    A]``, the attentional vector of the step before; both are zeros at first.
    """
    attention = model.attention
    inputs, lengths = graph.input("inputs", ["batch"], np.int64), graph.input("lengths", ["batch"], np.int64)
    values = graph.input("values", ["batch", "time", model.encoder.output_size])
    keys = graph.input("keys", ["batch", "time", _keys(model)])
    state, read = inputs_of_state(graph, model.decoder), write_embedding(graph, model, inputs)
    covered = graph.input("covered", ["batch", "time"]) if attention.coverage else None
    fed = graph.input("fed", ["batch", model.attended]) if model.config.input_feeding else None
    if fed is not None:
        read = graph.concat([read, fed])
    outputs, final = write_layer_step(graph, model.decoder, read, state, prefix="decoder.")
    real = graph.transpose(graph.real_steps(lengths, graph.size(values, 1)), 1, 0)
    shares = _attention(graph, attention, outputs, keys, covered, real)
    context = graph.squeeze(graph.add("MatMul", graph.unsqueeze(shares, 1), values), 1)
    joined = graph.linear(graph.concat([context, outputs]), "join", model.join.weight, model.join.bias)
    vectors = graph.add("Tanh", joined)
    log_probs = graph.add("LogSoftmax", write_logits(graph, model, vectors), axis=-1)
    graph.output(log_probs, "log_probs", ["batch", model.config.target])
    graph.output(shares, "attention", ["batch", "time"])
    outputs_of_state(graph, model.decoder, final)
    if covered is not None:
        graph.output(graph.add("Add", covered, shares), "next_covered", ["batch", "time"])
    if fed is not None:
        graph.output(vectors, "next_fed", ["batch", model.attended])


def _keys(model: EncoderDecoder) -> int:
    """Features that a query is compared with."""
    return model.encoder.output_size if model.attention.name == "dot" else len(model.attention.of_memory.weight)


def _attention(
    graph: Graph, attention: Attention, query: Value, keys: Value, covered: Value | None, real: Value
) -> Value:
    """The shares of the source's steps, ``[batch, time]``; zeros of no steps. ``real [batch, time]``."""
    if attention.name == "additive":
        asked = graph.linear(query, "attention.of_query", attention.of_query.weight, attention.of_query.bias)
        if covered is not None:
            seen = graph.linear(graph.unsqueeze(covered, 2), "attention.of_coverage", attention.of_coverage.weight)
            keys = graph.add("Add", keys, seen)
        met = graph.add("Tanh", graph.add("Add", graph.unsqueeze(asked, 1), keys))
        scores = graph.squeeze(graph.linear(met, "attention.score", attention.score.weight), 2)
    else:
        across = graph.add("MatMul", graph.unsqueeze(query, 1), graph.transpose(keys, 0, 2, 1))
        scores = graph.squeeze(across, 1)
    least = float(torch.finfo(torch.float64 if graph.dtype == "float64" else torch.float32).min)
    shares = graph.add("Softmax", graph.add("Where", real, scores, least), axis=-1)
    return graph.add("Where", real, shares, 0.0)
