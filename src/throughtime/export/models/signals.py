"""What models read that is no words, as nodes: letters of DNA, key points, frames."""

from __future__ import annotations

import numpy as np
from torch import nn

from throughtime.export.graph import Graph, Value
from throughtime.models import FrameInput, LetterInput, PointInput
from throughtime.models.inputs.clips import DARK


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


def write_frames(graph: Graph, inputs: FrameInput) -> tuple[Value, Value]:
    """Features ``[batch, time, F]`` of frames of bytes, ``frames [batch, time, C, S, S]``, and the ``lengths``."""
    channels, side = inputs.channels, inputs.size
    frames = graph.input("frames", ["batch", "time", channels, side, side], np.uint8)
    lengths = graph.input("lengths", ["batch"], np.int64)
    rows, time = graph.size(frames, 0), graph.size(frames, 1)
    real = graph.transpose(graph.real_steps(lengths, time), 1, 0)
    light = _even(graph, graph.add("Div", graph.cast(frames), 255.0), real, lengths)
    moved = graph.add("Sub", graph.cut(light, 1, 1), graph.cut(light, 1, 0, -1))
    moved = graph.concat([graph.zeros(rows, 1, channels, side, side), moved], axis=1)
    seen = graph.add("Reshape", graph.concat([light, moved], axis=2), graph.shape(-1, 2 * channels, side, side))
    for number, layer in enumerate(inputs.convolutions):
        name = f"inputs.convolutions.{number}"
        if isinstance(layer, nn.Conv2d):
            seen, side = _convolved(graph, layer, name, seen), -(-side // 2)
        elif isinstance(layer, nn.GroupNorm):
            seen = _normalised(graph, layer, name, seen, side)
        else:
            seen = graph.add("Relu", seen)
    flat = graph.add("Reshape", seen, graph.shape(-1, inputs.project.in_features))
    found = graph.add("Relu", graph.linear(flat, "inputs.project", inputs.project.weight, inputs.project.bias))
    features = graph.add("Reshape", found, graph.shape(rows, time, inputs.output_size))
    return graph.add("Where", graph.unsqueeze(real, 2), features, 0.0), lengths


def _even(graph: Graph, light: Value, real: Value, lengths: Value) -> Value:
    """Frames less the mean of their clip's real ones, by their deviation."""
    count = graph.cast(graph.add("Max", lengths, graph.constant(1)))

    def mean(values: Value) -> Value:
        each = graph.add("ReduceMean", values, axes=[2, 3, 4], keepdims=0)
        total = graph.add("ReduceSum", graph.add("Where", real, each, 0.0), graph.constant([1]), keepdims=0)
        return graph.add("Reshape", graph.add("Div", total, count), graph.shape(-1, 1, 1, 1, 1))

    centred = graph.add("Sub", light, mean(light))
    deviation = graph.add("Sqrt", mean(graph.add("Mul", centred, centred)))
    return graph.add("Div", centred, graph.add("Add", deviation, DARK))


def _convolved(graph: Graph, layer: nn.Conv2d, name: str, pictures: Value) -> Value:
    assert layer.bias is not None
    weight, bias = graph.weight(f"{name}.weight", layer.weight), graph.weight(f"{name}.bias", layer.bias)
    return graph.add("Conv", pictures, weight, bias, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])


def _normalised(graph: Graph, layer: nn.GroupNorm, name: str, pictures: Value, side: int) -> Value:
    """Groups of channels to mean 0 and deviation 1: each is one channel to the operator."""
    groups, channels = layer.num_groups, layer.num_channels
    ones, zeros = np.ones(groups, graph.dtype), np.zeros(groups, graph.dtype)
    apart = graph.add("Reshape", pictures, graph.shape(-1, groups, channels // groups * side * side))
    even = graph.add(
        "InstanceNormalization", apart, graph.constant(ones), graph.constant(zeros), epsilon=float(layer.eps)
    )
    even = graph.add("Reshape", even, graph.shape(-1, channels, side, side))
    weight, bias = (
        graph.unsqueeze(graph.unsqueeze(graph.weight(f"{name}.{part}", value), 1), 1)
        for part, value in (("weight", layer.weight), ("bias", layer.bias))
    )
    return graph.add("Add", graph.add("Mul", even, weight), bias)
