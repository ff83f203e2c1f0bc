"""One step of a stream at batch 1: its median, and the 99th percentile that a listener notices; beside it the same with
matrices in fewer bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from throughtime.bench.onnx_peer import has_node, installed, open_onnx_stream
from throughtime.bench.peers import LOOP, ONNX, OURS, TORCH, make_layer, make_peer
from throughtime.bench.plan import Case, Plan
from throughtime.bench.rows import Row, make_row
from throughtime.bench.timing import interleave, quantile, rounded, summarise
from throughtime.engine import WEIGHTS
from throughtime.layers import Recurrent

BLOCK = 100
"""Steps of one stream in a row; turns of single steps would have every stream find its weights out of the cache."""
LEAST = 1000
"""Steps of every stream."""

Stream = Callable[[Tensor], Tensor]


SMALL = {f"{OURS}, {weights}": weights for weights in WEIGHTS if weights != "float32"}
"""Ours with matrices in fewer bits, by name: a ratio below one says how much shorter a step is."""


def open_stream(layer: Recurrent, weights: str = "float32") -> Stream:
    """A stream of batch 1: takes ``x [1, k]``, gives ``h [1, n]``, keeps the state; to be called in inference mode."""
    return layer.stream(weights=weights).step


def open_torch_stream(module: nn.Module) -> Stream:
    """The same of a ``torch.nn`` module with ``batch_first``; takes ``x [1, 1, k]``, gives ``h [1, 1, n]``."""
    state: Any = None

    def step(x: Tensor) -> Tensor:
        nonlocal state
        output, state = module(x, state)
        return output  # type: ignore[no-any-return]

    return step


class Blocks:
    """A measurement that takes a block of steps at a time and keeps the seconds of every step."""

    def __init__(self, step: Callable[[Any], object], frames: Sequence[Any]) -> None:
        self.step = step
        self.frames = frames
        self.blocks: list[list[float]] = []

    def __call__(self) -> float:
        """The median seconds of a block."""
        block = []
        with torch.inference_mode():
            for frame in self.frames:
                began = time.perf_counter()
                self.step(frame)
                block.append(time.perf_counter() - began)
        self.blocks.append(block)
        return quantile(block, 0.5)


def measure_streaming(case: Case, plan: Plan) -> Row:
    """A step of ours, of the peer and, where it is installed and has the cell, of ONNX Runtime."""
    shape = case.shape
    layer = make_layer(case.cell, shape.input, shape.hidden, plan.engine).eval()
    frames = list(torch.randn(BLOCK, 1, shape.input))
    peer = make_peer(layer).eval()
    streams = {OURS: Blocks(open_stream(layer), frames)}
    if isinstance(peer, Recurrent):
        streams[LOOP] = Blocks(open_stream(peer), frames)
    else:
        streams[TORCH] = Blocks(open_torch_stream(peer), [frame.unsqueeze(0) for frame in frames])
    if installed() and has_node(layer):
        onnx = open_onnx_stream(layer, shape.threads)
        streams[ONNX] = Blocks(onnx, [frame.unsqueeze(0).numpy() for frame in frames])
    for name, weights in SMALL.items():
        streams[name] = Blocks(open_stream(layer, weights), frames)
    figures = interleave(streams, plan.seconds, at_least=LEAST // BLOCK, slow=math.inf)
    row = make_row(case, figures, "µs")
    for name, stream in streams.items():
        # The last blocks: those before them were the warm-up.
        steps = [seconds for block in stream.blocks[-len(figures[name]) :] for seconds in block]
        into = row["ours"] if name == OURS else row["peers"][name]
        into |= {**summarise(steps, 1e6), "p99": rounded(1e6 * quantile(steps, 0.99))}
    return row
