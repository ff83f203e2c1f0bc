"""ONNX Runtime as a peer: a graph of one step, with the state in and out.

The graph holds a single LSTM, GRU or RNN node of ONNX, which ONNX Runtime runs with a kernel of its own, and the
weights as initialisers.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from itertools import cycle
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.engine import to_torch
from throughtime.layers import GRU, LSTM, RNN, Recurrent

MISSING = "ONNX Runtime is not installed; to measure against it, run: pip install 'throughtime[bench]'"
OPSET, IR_VERSION = 17, 8
"""Of 2022, so that every ONNX Runtime in use reads the graph."""


def installed() -> bool:
    """Whether the packages are there."""
    return all(find_spec(name) for name in ("onnx", "onnxruntime"))


def has_node(layer: Recurrent) -> bool:
    """Whether ONNX has a node for the cell."""
    return isinstance(layer, (LSTM, GRU, RNN))


def make_graph(layer: Recurrent) -> bytes:
    """An ONNX model of one step: ``x [T, B, k]`` and the state ``[1, B, n]`` in; the new state out.

    Gate orders: ONNX has i, o, f, g where PyTorch has i, f, g, o, and z, r, h where PyTorch has r, z, n.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    n, k = layer.hidden_size, layer.input_size
    directed = layer.directed[0]
    W, R, first, second = to_torch(directed.cell, directed.values())[:4]
    kind, order, extra = _node(layer)

    def array(weight: Tensor) -> Any:
        blocks = weight.detach().chunk(len(order))
        return torch.cat([blocks[place] for place in order]).unsqueeze(0).numpy()

    weights = {
        "W": array(W),
        "R": array(R),
        "B": np.concatenate([array(first), array(second)], axis=1),
    }
    state = ["h", "c"] if kind == "LSTM" else ["h"]
    node = helper.make_node(
        kind,
        ["x", "W", "R", "B", "", *state],
        ["", *(f"new_{name}" for name in state)],
        hidden_size=n,
        **extra,
    )
    batch = "B"

    def value(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [node],
        "step",
        [value("x", "T", batch, k), *(value(name, 1, batch, n) for name in state)],
        [value(f"new_{name}", 1, batch, n) for name in state],
        [numpy_helper.from_array(weight, name) for name, weight in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def open_onnx_stream(layer: Recurrent, threads: int = 1, graph: bytes | None = None) -> Callable[[Any], Any]:
    """A stream of batch 1: takes ``x [1, 1, k]`` as a NumPy array, gives ``h [1, 1, n]``, keeps the state.
    ``graph`` stands for what :func:`make_graph` gives, such as one with other weights.

    Inputs, outputs and state are bound to the session once, two states in turn: ONNX Runtime's fastest way.
    What a step returns is overwritten by the second step after it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph or make_graph(layer), options, providers=["CPUExecutionProvider"])
    names = ["h", "c"] if isinstance(layer, LSTM) else ["h"]

    def value(width: int) -> Any:
        return onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((1, 1, width), np.float32))

    x_value = value(layer.input_size)
    states = [{name: value(layer.hidden_size) for name in names} for _ in range(2)]
    bindings = []
    for old, new in (states, states[::-1]):
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", x_value)
        for name in names:
            binding.bind_ortvalue_input(name, old[name])
            binding.bind_ortvalue_output(f"new_{name}", new[name])
        bindings.append((binding, new["h"]))
    turns = cycle(bindings)

    def step(x: Any) -> Any:
        x_value.update_inplace(x)
        binding, h = next(turns)
        session.run_with_iobinding(binding)
        return h.numpy()

    return step


def _node(layer: Recurrent) -> tuple[str, list[int], dict[str, Any]]:
    """The node, PyTorch's gates in its order, and its attributes."""
    if isinstance(layer, LSTM):
        return "LSTM", [0, 3, 1, 2], {}
    if isinstance(layer, GRU):
        return "GRU", [1, 0, 2], {"linear_before_reset": 1}
    return "RNN", [0], {"activations": ["Tanh"]}
