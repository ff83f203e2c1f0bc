"""Matrices in int8 with a scale a channel: a graph a quarter as large that computes with 32 bits as before.

A matrix stands in the file as whole numbers and scales; two nodes before all others, ``Cast`` and ``Mul``, make it of
them once, when a runtime opens the graph. So the arithmetic, and its speed, are those of a graph whose matrices were
rounded, and every operator may take such a matrix: ``GRU`` and the body of a ``Scan``, too.

``DequantizeLinear`` says the same, but ONNX Runtime keeps it for kernels of its own, which made steps up to six times
as slow; products of int8 with inputs rounded as they come (``MatMulInteger``) took 0.5 to 0.7 of the time, with thirty
times the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.conv import _ConvNd

from throughtime.extras import extra
from throughtime.layers import Directed

Array = NDArray[Any]

LEVELS = 127
"""The largest whole number; its negative is the smallest, so that the scale is the same of both signs."""

FEWEST = 8
"""Numbers of a channel from which on a scale pays."""

ROUNDED = (nn.Linear, nn.Embedding, _ConvNd, Directed)
"""Whose matrices are rounded: what multiplies, and tables of embeddings; not a CRF's transitions, which are added."""

EQUAL = 4e-7
"""Of the largest number of a channel: two that differ by less are the same, up to the last bit."""


def narrow(module: nn.Module, write: Callable[[Mapping[str, Any]], Any], *, int8: bool) -> Any:
    """A module's graph, with matrices of int8 where that is asked for.

    Args:
        module: Its matrices are rounded while it is written.
        write: Gives the ``onnx.ModelProto``, with what it is passed among the metadata.
        int8: Whether.
    """
    if not int8:
        return write({})
    with rounded(module):
        return narrowed(write({"matrices": "int8"}))


@contextmanager
def rounded(model: nn.Module) -> Iterator[None]:
    """Within the block, a model's matrices are those that int8 keeps, by channel of the output."""
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    with torch.no_grad():
        parameter: torch.Tensor
        for parameter in _matrices(model):
            kept.append((parameter, parameter.clone()))
            scales = parameter.abs().flatten(1).amax(1).view(-1, *[1] * (parameter.dim() - 1)) / LEVELS
            scales[scales == 0] = 1.0
            parameter.copy_((parameter / scales).round() * scales)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, before in kept:
                parameter.copy_(before)


def narrowed(model: Any) -> Any:
    """An ``onnx.ModelProto`` of a :func:`rounded` model, its matrices as int8 and scales: the same to the last bit.

    What is no whole number of steps of a scale, by any axis, stays as it is.
    """
    onnx = extra("onnx", "export", "writing ONNX")
    helper, arrays = onnx.helper, onnx.numpy_helper
    found = onnx.ModelProto()
    found.CopyFrom(model)
    graph, first = found.graph, []
    for tensor in list(graph.initializer):
        values = arrays.to_array(tensor)
        pair = as_whole(values) if values.dtype.kind == "f" and values.ndim > 1 else None
        if pair is None:
            continue
        name = tensor.name
        graph.initializer.remove(tensor)
        graph.initializer.append(arrays.from_array(pair[0], f"{name}.int8"))
        graph.initializer.append(arrays.from_array(pair[1], f"{name}.scale"))
        first.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.cast"], f"{name}.cast", to=tensor.data_type))
        first.append(helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [name], name))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*first, *nodes])
    onnx.checker.check_model(found, full_check=True)
    return found


def as_whole(values: Array) -> tuple[Array, Array] | None:
    """Whole numbers and scales whose products are an array; None where there are none.

    Example:
        >>> whole, scales = as_whole(np.arange(-127, 127, 10.0) * [[-0.5], [0.125]])
        >>> whole[:, :3].tolist(), scales.tolist()
        ([[127, 117, 107], [-127, -117, -107]], [[0.5], [0.125]])
        >>> as_whole(np.linspace(0, 1, 24).reshape(2, 12) ** 0.5) is None
        True
    """
    for axes in [(values.ndim - 2,), (values.ndim - 1,), tuple(range(1, values.ndim))]:
        count = int(np.prod([values.shape[axis] for axis in axes]))
        if count < FEWEST:
            continue
        channels = np.moveaxis(values, axes, range(-len(axes), 0))
        shape = channels.shape[: -len(axes)]
        flat = channels.reshape(-1, count)
        scales = _scales(flat)
        if scales is not None:
            scales = np.expand_dims(scales.reshape(shape), tuple(range(len(shape), values.ndim)))
            scales = np.moveaxis(scales, range(-len(axes), 0), axes).astype(values.dtype)
            return np.round(values / scales).astype(np.int8), scales
    return None


def _matrices(model: nn.Module) -> list[nn.Parameter]:
    found = {
        id(parameter): parameter
        for module in model.modules()
        if isinstance(module, ROUNDED)
        for parameter in module.parameters(recurse=False)
        if parameter.dim() > 1 and parameter[0].numel() >= FEWEST
    }
    return list(found.values())


def _scales(channels: Array) -> Array | None:
    """The scale of every channel ``[channels, numbers]``: its largest number is 127 of them, or fewer in a part."""
    largest = np.abs(channels).max(1).astype(np.float64)
    scales = np.where(largest > 0, largest, 1.0) / LEVELS
    left = np.flatnonzero(~_is_whole(channels, scales, largest))
    if len(left) > 0.9 * len(channels):
        return None
    for level in range(LEVELS - 1, 0, -1):
        if not len(left):
            break
        tried = largest[left] / level
        fits = _is_whole(channels[left], tried, largest[left])
        scales[left[fits]] = tried[fits]
        left = left[~fits]
    return None if len(left) else scales


def _is_whole(channels: Array, scales: Array, largest: Array) -> NDArray[np.bool_]:
    apart = np.abs(np.round(channels / scales[:, None]) * scales[:, None] - channels).max(1)
    return cast(NDArray[np.bool_], apart <= EQUAL * largest)
