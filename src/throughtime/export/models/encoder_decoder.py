"""An encoder–decoder as two graphs: the encoder over whole sources, and one step of the decoder with its attention.

Shapes::

    B  pairs        T  steps of the source        V  tokens of the target's vocabulary        M  features of a memory
    U  features that a query is compared with     A  features of the attentional vector
"""

from __future__ import annotations

import torch

from throughtime.export.graph import Graph, State, Value, numbers, write_layer, write_layer_step
from throughtime.layers.attention import Attention
from throughtime.models import EncoderDecoder
from throughtime.models.encoder_decoder import Bridge


def write_encoder_decoder(model: EncoderDecoder) -> dict[str, Graph]:
    """The graphs ``encoder`` and ``decoder``, as the model is in use: no dropout, zoneout's mean.

    ===========  ======================================================================
    ``encoder``
    ===========  ======================================================================
    source       ids of tokens, int64 ``[batch, time]``
    lengths      real steps, int64 ``[batch]``
    a state      the decoder's first, by its name, ``[layers, batch, width]``
    values       what is attended to, ``[batch, time, M]``
    keys         what queries are compared with, ``[batch, time, U]``
    ===========  ======================================================================

    ===========  ======================================================================
    ``decoder``
    ===========  ======================================================================
    tokens       read last, int64 ``[batch]``; -1 before the first
    lengths      of the sources
    values       of the encoder
    keys         of the encoder
    a state      by its name, of the encoder or of the step before
    covered      with coverage: the attention so far, ``[batch, time]``, zeros at first
    fed          with input feeding: the step before, ``[batch, A]``, zeros at first
    log_probs    of the next token, in nats, ``[batch, V]``
    attention    of the step, ``[batch, time]``
    next …       the states, and what was covered and fed, for the step that follows
    ===========  ======================================================================
    """
    dtype = numbers(model.embedding.weight.dtype)
    return {"encoder": _encoder(model, dtype), "decoder": _decoder(model, dtype)}


def _encoder(model: EncoderDecoder, dtype: object) -> Graph:
    graph = Graph("encoder", dtype)
    source = graph.input("source", ["batch", "time"], "int64")
    lengths = graph.input("lengths", ["batch"], "int64")
    embedded = graph.embedding(source, "source_embedding", model.source_embedding.weight)
    outputs, final = write_layer(graph, model.encoder, embedded, lengths=lengths, prefix="encoder.")
    widths = model.decoder.cell.widths()
    for name, state in _bridged(graph, model.bridge, final).items():
        graph.output(state, name, [model.decoder.num_layers, "batch", widths[name]])
    graph.output(outputs, "values", ["batch", "time", model.encoder.output_size])
    attention = model.attention
    if attention.name == "dot":
        keys, width = outputs, model.encoder.output_size
    else:
        weight = attention.of_memory.weight
        keys, width = graph.linear(outputs, "attention.of_memory", weight), len(weight)
    graph.output(keys, "keys", ["batch", "time", width])
    return graph


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


def _decoder(model: EncoderDecoder, dtype: object) -> Graph:
    graph = Graph("decoder", dtype)
    attention, layers = model.attention, model.decoder.num_layers
    tokens = graph.input("tokens", ["batch"], "int64")
    lengths = graph.input("lengths", ["batch"], "int64")
    values = graph.input("values", ["batch", "time", model.encoder.output_size])
    width = model.decoder.output_size if attention.name != "additive" else len(attention.of_memory.weight)
    keys = graph.input("keys", ["batch", "time", width])
    widths = model.decoder.cell.widths()
    state = {name: graph.input(name, [layers, "batch", width]) for name, width in widths.items()}
    covered = graph.input("covered", ["batch", "time"]) if attention.coverage else None
    fed = graph.input("fed", ["batch", model.attended]) if model.config.input_feeding else None

    weight, bias = model.softmax_weights
    read = _embedded(graph, model, tokens)
    if fed is not None:
        read = graph.concat([read, fed])
    outputs, final = write_layer_step(graph, model.decoder, read, state, prefix="decoder.")
    shares = _attention(graph, attention, outputs, keys, covered, graph.transpose(_real(graph, lengths, values), 1, 0))
    context = graph.squeeze(graph.add("MatMul", graph.unsqueeze(shares, 1), values), 1)
    joined = graph.linear(graph.concat([context, outputs]), "join", model.join.weight, model.join.bias)
    vectors = graph.add("Tanh", joined)
    logits = graph.linear(vectors, "softmax", weight, bias)
    graph.output(graph.add("LogSoftmax", logits, axis=-1), "log_probs", ["batch", len(weight)])
    graph.output(shares, "attention", ["batch", "time"])
    for name, value in final.items():
        graph.output(value, f"next_{name}", [layers, "batch", widths[name]])
    if covered is not None:
        graph.output(graph.add("Add", covered, shares), "next_covered", ["batch", "time"])
    if fed is not None:
        graph.output(vectors, "next_fed", ["batch", model.attended])
    return graph


def _embedded(graph: Graph, model: EncoderDecoder, tokens: Value) -> Value:
    """Embeddings ``[batch, E]``, zeros for -1. Tied, the softmax's matrix is the one that is stored."""
    ids = graph.add("Max", tokens, graph.constant(0))
    if model.tied:
        columns = graph.add("Gather", graph.weight("softmax.weight", model.embedding.weight.t()), ids, axis=1)
        rows = graph.add("Mul", graph.transpose(columns, 1, 0), model.scale)
    else:
        rows = graph.embedding(ids, "embedding", model.embedding.weight)
    something = graph.unsqueeze(graph.add("GreaterOrEqual", tokens, graph.constant(0)), 1)
    return graph.add("Where", something, rows, 0.0)


def _real(graph: Graph, lengths: Value, values: Value) -> Value:
    return graph.real_steps(lengths, graph.size(values, 1))


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
