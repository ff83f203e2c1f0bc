"""A model of frames and symbols (CTC) as graphs: over whole recordings, and one step of a stream.

Shapes::

    B  sequences    T  frames of the longest    F  features of a frame    S  steps, T / frames rounded up
    V  symbols, blank the first of them
"""

from __future__ import annotations

from throughtime.export.graph import Graph, Value, numbers, write_layer, write_layer_step
from throughtime.models import CTCModel


def write_ctc(model: CTCModel) -> dict[str, Graph]:
    """The graph ``sequence``, and ``step`` of a model of one direction, as it is in use: no masks, no dropout.

    ==============  ===============================================================
    ``sequence``
    ==============  ===============================================================
    features        ``[batch, time, F]``, zeros past a length
    lengths         frames, int64 ``[batch]``
    log_probs       of the symbols at every step, in nats, ``[batch, steps, V]``
    steps           real steps, int64 ``[batch]``
    ==============  ===============================================================

    ==============  ===============================================================
    ``step``
    ==============  ===============================================================
    features        of the frames of one step, joined, ``[batch, frames · F]``
    a state         by its name, ``[layers, batch, width]``, zeros at first
    log_probs       ``[batch, V]``
    next …          every state after the step
    ==============  ===============================================================
    """
    graphs = {"sequence": _sequence(model)}
    if not model.stack.bidirectional:
        graphs["step"] = _step(model)
    return graphs


def _sequence(model: CTCModel) -> Graph:
    graph, config = Graph("sequence", _numbers(model)), model.config
    features = graph.input("features", ["batch", "time", config.features])
    lengths = graph.input("lengths", ["batch"], "int64")
    steps = _rounded_up(graph, lengths, config.frames)
    outputs, _ = write_layer(
        graph, model.stack, _joined(graph, features, config.frames), lengths=steps, prefix="stack."
    )
    graph.output(_symbols(graph, model, outputs), "log_probs", ["batch", "joined", config.symbols])
    graph.output(steps, "steps", ["batch"], "int64")
    return graph


def _step(model: CTCModel) -> Graph:
    graph, config = Graph("step", _numbers(model)), model.config
    features = graph.input("features", ["batch", config.frames * config.features])
    widths, layers = model.stack.cell.widths(), model.stack.num_layers
    state = {name: graph.input(name, [layers, "batch", width]) for name, width in widths.items()}
    outputs, final = write_layer_step(graph, model.stack, features, state, prefix="stack.")
    graph.output(_symbols(graph, model, outputs), "log_probs", ["batch", config.symbols])
    for name, value in final.items():
        graph.output(value, f"next_{name}", [layers, "batch", widths[name]])
    return graph


def _numbers(model: CTCModel) -> object:
    return numbers(model.softmax.weight.dtype)


def _symbols(graph: Graph, model: CTCModel, outputs: Value) -> Value:
    logits = graph.linear(outputs, "softmax", model.softmax.weight, model.softmax.bias)
    return graph.add("LogSoftmax", logits, axis=-1)


def _rounded_up(graph: Graph, count: Value, frames: int) -> Value:
    """Steps of so many frames, as whole numbers."""
    return graph.add("Div", graph.add("Add", count, graph.constant(frames - 1)), graph.constant(frames))


def _joined(graph: Graph, features: Value, frames: int) -> Value:
    """Every ``frames`` frames as one step, ``[B, S, frames · F]``; zeros complete the last one."""
    if frames == 1:
        return features
    time, none = graph.size(features, 1), graph.constant([0])
    steps = _rounded_up(graph, time, frames)
    more = graph.add("Sub", graph.add("Mul", steps, graph.constant(frames)), time)
    padded = graph.add("Pad", features, graph.add("Concat", none, none, none, none, more, none, axis=0))
    width = graph.add("Mul", graph.size(features, 2), graph.constant(frames))
    return graph.add("Reshape", padded, graph.shape(graph.size(features, 0), steps, width), allowzero=1)
