"""What models read that is no words, as nodes: letters of DNA, key points."""

from __future__ import annotations

import numpy as np

from throughtime.export.graph import Graph, Value
from throughtime.models import LetterInput, PointInput


def write_letters(graph: Graph, inputs: LetterInput) -> tuple[Value, Value]:
    """Features ``[batch, time, F]`` of letters as numbers, ``codes [batch, time]``, and the ``lengths [batch]``."""
    codes, lengths = graph.input("codes", ["batch", "time"], np.int64), graph.input("lengths", ["batch"], np.int64)
    shares = graph.add("Gather", graph.weight("inputs.shares", inputs.shares), codes, axis=0)
    layer, name = inputs.convolution, "inputs.convolution"
    assert layer.bias is not None
    weight, bias = graph.weight(f"{name}.weight", layer.weight), graph.weight(f"{name}.bias", layer.bias)
    (width,) = layer.kernel_size
    seen = graph.add(
        "Conv", graph.transpose(shares, 0, 2, 1), weight, bias, kernel_shape=[width], pads=[width // 2, width // 2]
    )
    features = graph.transpose(seen, 0, 2, 1)
    if inputs.places is not None:
        steps = graph.add("Range", graph.constant(0), graph.squeeze(graph.size(codes, 1), 0), graph.constant(1))
        steps = graph.add("Min", steps, graph.constant(inputs.places.num_embeddings - 1))
        features = graph.add("Add", features, graph.embedding(steps, "inputs.places", inputs.places.weight))
    return graph.add("Relu", features), lengths


def write_points(graph: Graph, inputs: PointInput) -> tuple[Value, Value]:
    """Features ``[batch, time, 2 D]`` of key points, ``points [batch, time, D]``, and the ``lengths [batch]``."""
    numbers = inputs.output_size // 2
    points, lengths = graph.input("points", ["batch", "time", numbers]), graph.input("lengths", ["batch"], np.int64)
    rows, time = graph.size(points, 0), graph.size(points, 1)
    apart = graph.add("Reshape", points, graph.shape(rows, time, numbers // inputs.axes, inputs.axes))
    middle = graph.add("ReduceMean", graph.cut(apart, 1, 0, 1), axes=[2], keepdims=1)
    places = graph.add("Reshape", graph.add("Sub", apart, middle), graph.shape(rows, time, numbers))
    moves = graph.add("Sub", graph.cut(points, 1, 1), graph.cut(points, 1, 0, -1))
    moves = graph.concat([graph.zeros(rows, 1, numbers), moves], axis=1)
    places, moves = (
        graph.add("Div", value, float(scale)) for value, scale in zip((places, moves), inputs.scales, strict=True)
    )
    real = graph.unsqueeze(graph.transpose(graph.real_steps(lengths, time), 1, 0), 2)
    return graph.add("Where", real, graph.concat([places, moves]), 0.0), lengths
