"""A next-frame model as graphs: over whole tunes, and one step.

Shapes::

    B  tunes        T  frames        K  keys
"""

from __future__ import annotations

from throughtime.export.graph import Graph, Value, numbers, write_layer, write_layer_step
from throughtime.models import KeyModel


def write_keys(model: KeyModel) -> dict[str, Graph]:
    """The graphs ``sequence`` and ``step``, as the model is in use: no dropout, zoneout's mean.

    ============  ============================  ==========================
    value         ``sequence``                  ``step``
    ============  ============================  ==========================
    frames        ``[batch, time, K]``, zeros   ``[batch, K]``
                  before the first
    lengths       int64 ``[batch]``
    a state       ``[layers, batch, width]`` by its name, zeros at first
    logits        of the keys of the frame after each, as the frames
    next …        every state after the last frame
    ============  ============================  ==========================
    """
    return {"sequence": _sequence(model), "step": _step(model)}


def _sequence(model: KeyModel) -> Graph:
    graph, keys = _graph(model, "sequence"), model.stack.input_size
    frames = graph.input("frames", ["batch", "time", keys])
    lengths = graph.input("lengths", ["batch"], "int64")
    state = _states(graph, model)
    outputs, final = write_layer(graph, model.stack, frames, lengths=lengths, state=state, prefix="stack.")
    return _told(graph, model, outputs, ["batch", "time", keys], final)


def _step(model: KeyModel) -> Graph:
    graph, keys = _graph(model, "step"), model.stack.input_size
    frames = graph.input("frames", ["batch", keys])
    outputs, final = write_layer_step(graph, model.stack, frames, _states(graph, model), prefix="stack.")
    return _told(graph, model, outputs, ["batch", keys], final)


def _graph(model: KeyModel, name: str) -> Graph:
    return Graph(name, numbers(model.keys.weight.dtype))


def _states(graph: Graph, model: KeyModel) -> dict[str, Value]:
    layers, widths = model.stack.num_layers, model.stack.cell.widths()
    return {name: graph.input(name, [layers, "batch", width]) for name, width in widths.items()}


def _told(graph: Graph, model: KeyModel, outputs: Value, shape: list[int | str], final: dict[str, Value]) -> Graph:
    graph.output(graph.linear(outputs, "keys", model.keys.weight, model.keys.bias), "logits", shape)
    for name, width in model.stack.cell.widths().items():
        graph.output(final[name], f"next_{name}", [model.stack.num_layers, "batch", width])
    return graph
