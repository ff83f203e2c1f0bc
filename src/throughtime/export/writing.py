"""A layer as an ONNX model, from Python."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations

from throughtime._version import __version__
from throughtime.applications.task import Trained
from throughtime.errors import UserError, listed, nearest, spelled
from throughtime.export.folder import onnx_of
from throughtime.export.graph import OPERATORS, Graph, numbers, write_layer, write_layer_step
from throughtime.export.graph.int8 import narrow
from throughtime.export.models import forms_of, write_model
from throughtime.files import write_chunks
from throughtime.layers import GRU, LSTM, RNN, Recurrent
from throughtime.models import Model

FORMS = ("sequence", "step")
"""A graph of whole sequences, or of one step of a stream."""

THEIRS: dict[type[nn.Module], type[RNN | GRU | LSTM]] = {nn.RNN: RNN, nn.GRU: GRU, nn.LSTM: LSTM}


@spelled
def onnx(
    module: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    form: str = "sequence",
    lengths: bool = True,
    states: bool = True,
    resets: bool = False,
    operators: Collection[str] = OPERATORS,
    int8: bool = False,
) -> Any:
    """A recurrent layer, or a trained model, as an ONNX model, as it is in use: no dropout, zoneout's mean.

    Of a run, or of a model of :mod:`throughtime.models`, ``form`` is one that ``throughtime export RUN`` lists;
    the other arguments but ``int8`` are of layers.

    A cell that ONNX has becomes its operator: ``RNN``, ``GRU`` with either reset, ``LSTM``, with peepholes or coupled
    gates. Every other cell, one of your own too, becomes a ``Scan`` of its equations, and so does each with heads,
    zoneout, resets over a sequence, or numbers of 64 bits, for which ONNX Runtime's operators have no kernel.

    ========  ============================================  ======================================
    value     ``form="sequence"``                           ``form="step"``
    ========  ============================================  ======================================
    inputs    ``[batch, time, k]``, as the layer takes it   ``[batch, k]``
    lengths   real steps, int64 ``[batch]``
    resets    bool ``[batch, time]``: rows that begin       bool ``[batch]``
              anew before a step, from zeros
    a state   ``[cells, batch, width]`` by its name         the same
    outputs   as the inputs, zero past a row's length       ``[batch, output_size]``
    next …    every state after the last step               every state after the step
    ========  ============================================  ======================================

    Args:
        module: A layer of this library, or ``torch.nn.RNN``, ``GRU`` or ``LSTM``; a :class:`throughtime.Run`; a model.
        path: Is written, whole or not at all; None: the model is only returned.
        form: ``"sequence"`` or ``"step"``; of models of two sequences ``"encoder"`` or ``"decoder"``.
        lengths: A sequence's rows have lengths; without them all steps are real.
        states: A sequence begins with states that are passed; without them with zeros. Both forms hand them out.
        resets: Rows may begin anew.
        operators: Those of ``"RNN"``, ``"GRU"`` and ``"LSTM"`` that cells may become; ``()``: all become their
            equations.
        int8: Matrices are whole numbers of 8 bits with a scale a channel: a quarter of the size at the same speed.

    Returns:
        The checked ``onnx.ModelProto``; sizes, cell and version stand in its metadata.

    Raises:
        UserError: If the layer has no such form, or ``onnx`` is not installed; says why.

    Example:
        >>> model = onnx(GRU(3, 5), form="step")
        >>> [value.name for value in model.graph.input], [value.name for value in model.graph.output]
        (['inputs', 'h'], ['outputs', 'next_h'])
    """
    if (whole := _whole(module, form, int8)) is not None:
        return _written(whole, path)
    if form not in FORMS:
        raise UserError(f"expected form to be {listed(map(repr, FORMS))}, got {form!r}{nearest(str(form), FORMS)}")
    for name in operators:
        if name not in OPERATORS:
            known = listed(map(repr, OPERATORS))
            raise UserError(f"expected operators among {known}, got {name!r}{nearest(str(name), OPERATORS)}")
    layer = _layer(module)

    def write(more: Mapping[str, Any]) -> Any:
        graph = Graph(f"{type(layer.cell).__name__}-{form}", _numbers(layer))
        if form == "step":
            _step(graph, layer, resets, operators)
        else:
            _sequence(graph, layer, lengths, states, resets, operators)
        return graph.model({**metadata(layer, form), **more})

    return _written(narrow(layer, write, int8=int8), path)


def _whole(module: Any, form: str, int8: bool) -> Any:
    """A form of a run or of a whole model; None of a layer."""
    trained = None if isinstance(module, nn.Module) else getattr(module, "trained", module)
    if isinstance(trained, Trained):
        return onnx_of(trained, form, int8=int8)
    if not isinstance(module, Model):
        return None
    known = forms_of(module)
    if form not in known:
        raise UserError(
            f"a {type(module).__name__} has no form {form!r}{nearest(str(form), known)}; it has {listed(known)}"
        )
    told = {"model_type": f"throughtime-{type(module).__name__}-{form}", "version": __version__}
    return narrow(module, lambda more: write_model(module, form, {**told, **more}), int8=int8)


def _written(model: Any, path: str | os.PathLike[str] | None) -> Any:
    if path is not None:
        write_chunks(Path(path), [model.SerializeToString()])
    return model


def metadata(layer: Recurrent, form: str) -> dict[str, Any]:
    """What a program that opens a layer's model should know."""
    return {
        "model_type": f"throughtime-layer-{form}",
        "version": __version__,
        "cell": type(layer.cell).__name__,
        "input_size": layer.input_size,
        "hidden_size": layer.hidden_size,
        "output_size": layer.output_size,
        "num_layers": layer.num_layers,
        "bidirectional": layer.bidirectional,
        "states": list(layer.cell.state),
        "state_sizes": list(layer.cell.widths().values()),
    }


def _layer(module: nn.Module) -> Recurrent:
    if isinstance(module, Recurrent):
        return module
    ours = THEIRS.get(type_before_parametrizations(module)) if isinstance(module, nn.Module) else None
    if ours is None:
        raise UserError(
            f"expected a layer of Throughtime, or torch.nn.{listed(t.__name__ for t in THEIRS)}, "
            f"got {type(module).__name__}"
        )
    return ours.from_torch(cast(nn.RNNBase, module))


def _numbers(layer: Recurrent) -> Any:
    dtype = next((value.dtype for value in layer.directed[0].stored()), torch.float32)
    if dtype not in (torch.float32, torch.float64):
        raise UserError(f"expected weights of 32 or 64 bits, got {dtype}; convert the layer: layer.float()")
    return numbers(dtype)


def _inputs_of_state(graph: Graph, layer: Recurrent) -> dict[str, str]:
    cells = len(layer.directed)
    return {name: graph.input(name, [cells, "batch", width]) for name, width in layer.cell.widths().items()}


def _outputs_of_state(graph: Graph, layer: Recurrent, state: dict[str, str]) -> None:
    for name, width in layer.cell.widths().items():
        graph.output(state[name], f"next_{name}", [len(layer.directed), "batch", width])


def _sequence(
    graph: Graph, layer: Recurrent, lengths: bool, states: bool, resets: bool, operators: Collection[str]
) -> None:
    time_first = not getattr(layer, "batch_first", True)
    steps = ["time", "batch"] if time_first else ["batch", "time"]
    outputs, final = write_layer(
        graph,
        layer,
        graph.input("inputs", [*steps, layer.input_size]),
        lengths=graph.input("lengths", ["batch"], "int64") if lengths else None,
        state=_inputs_of_state(graph, layer) if states else None,
        resets=graph.input("resets", steps, bool) if resets else None,
        time_first=time_first,
        operators=operators,
    )
    graph.output(outputs, "outputs", [*steps, layer.output_size])
    _outputs_of_state(graph, layer, final)


def _step(graph: Graph, layer: Recurrent, resets: bool, operators: Collection[str]) -> None:
    if layer.bidirectional:
        raise UserError(
            "expected a layer of one direction to run step by step, got a bidirectional one, whose outputs need the "
            'steps to come; pass form="sequence"'
        )
    outputs, final = write_layer_step(
        graph,
        layer,
        graph.input("inputs", ["batch", layer.input_size]),
        _inputs_of_state(graph, layer),
        resets=graph.input("resets", ["batch"], bool) if resets else None,
        operators=operators,
    )
    graph.output(outputs, "outputs", ["batch", layer.output_size])
    _outputs_of_state(graph, layer, final)
