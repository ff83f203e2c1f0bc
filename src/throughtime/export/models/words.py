"""What models read of words, as nodes: embeddings, spellings, shapes."""

from __future__ import annotations

import numpy as np
from torch import nn

from throughtime.export.graph import Graph, Value, write_layer
from throughtime.layers import Recurrent
from throughtime.models import WordInput


def write_words(graph: Graph, inputs: WordInput) -> tuple[Value, Value]:
    """Features ``[batch, time, F]`` of words, and the lengths ``[batch]``.

    The inputs are those of :func:`throughtime.runtime.text.words.read_words`, ``words``, ``lengths``, and what the
    model reads of ``shapes``, ``spelled``, ``spellings``, ``letters``.
    """
    features = _read(graph, inputs, "batch", "time")
    return features, _input(graph, "lengths", "batch")


def write_word(graph: Graph, inputs: WordInput) -> Value:
    """Features ``[batch, F]`` of a word a row; the inputs are those of :func:`write_words` without time and lengths."""
    return _read(graph, inputs, "batch")


def _read(graph: Graph, inputs: WordInput, *shape: str) -> Value:
    read = [graph.embedding(_input(graph, "words", *shape), "inputs.embedding", inputs.embedding.weight)]
    if inputs.config.shapes:
        read.append(graph.embedding(_input(graph, "shapes", *shape), "inputs.shapes", inputs.shapes.weight))
    if inputs.config.spelling != "none":
        spelled = _input(graph, "spelled", *shape)
        read.append(graph.add("Gather", _spell(graph, inputs), spelled, axis=0))
    return graph.concat(read)


def _input(graph: Graph, name: str, *shape: str) -> Value:
    return graph.input(name, list(shape), np.int64)


def _spell(graph: Graph, inputs: WordInput) -> Value:
    """Features of every different word's letters, ``[S, spelled]``."""
    spellings, count = _input(graph, "spellings", "spellings", "longest"), _input(graph, "letters", "spellings")
    letters, reader = graph.embedding(spellings, "inputs.letters", inputs.letters.weight), inputs.reader
    if isinstance(reader, Recurrent):
        _, final = write_layer(graph, reader, letters, lengths=count, prefix="inputs.reader.")
        ways = graph.split(final[reader.cell.state[0]], [1, 1], axis=0)
        return graph.concat([graph.squeeze(way, 0) for way in ways])
    assert isinstance(reader, nn.Conv1d)
    assert reader.bias is not None
    weight, bias = graph.weight("inputs.reader.weight", reader.weight), graph.weight("inputs.reader.bias", reader.bias)
    folded = graph.add("Conv", graph.transpose(letters, 0, 2, 1), weight, bias, kernel_shape=[3], pads=[1, 1])
    real = graph.unsqueeze(graph.transpose(graph.real_steps(count, graph.size(spellings, 1)), 1, 0), 1)
    return graph.add("ReduceMax", graph.add("Where", real, graph.add("Relu", folded), 0.0), axes=[2], keepdims=0)
