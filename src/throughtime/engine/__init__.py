"""Runs a cell through time. One entry, :func:`unroll`, and the engines behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from throughtime.cells import Cell
from throughtime.engine.call import SILENT, Call, Engine, EngineError, Noise, Result, Zeros, traced, watched
from throughtime.engine.compiled import CompiledEngine
from throughtime.engine.graphs import GraphsEngine
from throughtime.engine.in_graph import compiling, out_of_graph, run_in_graph, stops_graph
from throughtime.engine.look import Look, Record
from throughtime.engine.marks import check_mask, check_resets
from throughtime.engine.ragged import Lengths, as_lengths, real_steps, within
from throughtime.engine.reference import ReferenceEngine, bind, check_step
from throughtime.engine.stream import CellStream, NumberedStream, Numbers, ReferenceStream
from throughtime.engine.torch_kernels import TorchEngine, from_torch, to_torch
from throughtime.engine.weights import WEIGHTS, WeightsName, check_weights
from throughtime.errors import listed, nearest, spelled

ENGINES: tuple[Engine, ...] = (CompiledEngine(), TorchEngine(), ReferenceEngine())
"""Every engine, fastest first: the order in which ``engine="auto"`` asks. The last one serves every call."""

BY_NAME: tuple[Engine, ...] = (GraphsEngine(),)
"""Engines that serve only who asks for them: what they gain depends on calls to come."""

__all__ = [
    "BY_NAME",
    "ENGINES",
    "WEIGHTS",
    "Call",
    "CellStream",
    "Engine",
    "EngineError",
    "Lengths",
    "Look",
    "Noise",
    "NumberedStream",
    "Numbers",
    "Record",
    "WeightsName",
    "as_lengths",
    "bind",
    "check_engine",
    "check_inputs",
    "check_state",
    "check_step",
    "check_weights",
    "from_torch",
    "open_stream",
    "out_of_graph",
    "real_steps",
    "stops_graph",
    "to_torch",
    "unroll",
    "watched",
    "zero_state",
]


def _stops(
    cell: Cell,
    parameters: Mapping[str, Tensor],
    inputs: Tensor,
    *,
    state: Mapping[str, Tensor] | None = None,
    noise: Noise | None = None,
    look: Look | None = None,
    engine: str = "auto",
    **_: Any,
) -> str:
    if look is not None:
        return "the states of its steps are looked at"
    noise = noise or SILENT
    noisy = [value for value in (*noise.products.values(), *noise.keep.values()) if isinstance(value, Tensor)]
    tensors = [inputs, *parameters.values(), *(state or {}).values(), *noisy]
    return stops_graph(cell, tensors, engine, list(noise.products))


@out_of_graph(_stops)
@spelled
def unroll(
    cell: Cell,
    parameters: Mapping[str, Tensor],
    inputs: Tensor,
    *,
    state: Mapping[str, Tensor] | None = None,
    lengths: Lengths | None = None,
    reverse: bool = False,
    noise: Noise | None = None,
    recompute: bool = False,
    look: Look | None = None,
    resets: Tensor | None = None,
    resets_to: str | None = None,
    mask: Tensor | None = None,
    engine: str = "auto",
) -> Result:
    """Runs a cell over a batch of sequences, in one direction.

    Every engine gives the reference's outputs, final states and gradients. Padding is never read: outputs
    past a row's length are zero and receive no gradient. Empty rows are legal and end in their initial state;
    where no row has a step, the outputs depend on nothing and require no gradient.

    Args:
        cell: The equations.
        parameters: The cell's parameters by name.
        inputs: ``[B, T, k]``.
        state: The initial state by name, ``[B, width]`` each; zeros where None.
        lengths: Real steps of every row, ``[B]``, integers from 0 to T; None where all are T.
        reverse: Run each row from its last real step to its first; outputs stay in the order of the inputs.
        noise: Regularisers inside the loop.
        recompute: For sequences too long for memory: the compiled engine keeps what the gradient needs for about √T
            steps at a time and computes the rest again, a third more work. The others keep everything.
        look: Is shown the states and gates of every step: a :class:`Look` one step after the other, which the reference
            engine alone can do, a :class:`Record` all steps together. They are differentiable as the outputs are.
        resets: ``[B, T]``, true where a row begins anew: what stands before the step and what follows do not see each
            other, whichever way the row runs. Each part gives what it gives alone; no gradient passes.
        resets_to: What a row begins anew with: ``"zero"``, for a state that is carried from call to call; or
            ``"initial"``, the initial state that was passed, whose gradient is that of every such step. To be said
            where both a state and resets are passed; without a state it is zeros.
        mask: ``[B, T]``, false where a step is left out: the state stays, and the output is that of the step before
            in the direction of running, since the last reset; zero where there is none. The input is not read.
        engine: ``"auto"`` takes the fastest engine that serves the call, a name takes that one.

    Returns:
        Outputs ``[B, T, width]`` and the final state by name, ``[B, width]`` each.

    Raises:
        ValueError: If shapes do not fit; says what was expected.
        EngineError: If the engine asked for by name cannot serve the call.

    Example:
        >>> from throughtime.cells import RNNCell
        >>> cell = RNNCell(1, 1)
        >>> parameters = {"W_x": torch.ones(1, 1), "W_h": torch.ones(1, 1), "b": torch.zeros(1)}
        >>> outputs, state = unroll(cell, parameters, torch.ones(1, 2, 1))
        >>> outputs.flatten().round(decimals=4)  # tanh(1), tanh(1 + tanh(1))
        tensor([0.7616, 0.9427])
    """
    check_inputs(inputs, cell.input_size, next(iter(parameters.values()), None))
    batch, time = inputs.shape[:2]
    if state is None:
        begins: Mapping[str, Tensor] = zero_state(cell, inputs) if compiling() else Zeros(cell, inputs)
    else:
        begins = _checked_state(cell, state, inputs)
    call = Call(
        cell,
        parameters,
        inputs,
        begins,
        None if lengths is None else check_lengths(lengths, batch, time),
        reverse,
        noise or SILENT,
        recompute,
        look,
        *check_resets(resets, resets_to, inputs, beside_state=state is not None),
        check_mask(mask, inputs),
    )
    if compiling():
        return run_in_graph(call)
    served = _choose(engine, call)
    _check_traced(call, served)
    steps = time if call.lengths is None else int(call.lengths.max())
    # without a step nothing is left of an engine but which flags its results carry
    return (served if steps else ENGINES[-1]).run(call)


def open_stream(
    cell: Cell,
    parameters: Mapping[str, Tensor],
    batch: int,
    keep: Mapping[str, float],
    engine: str = "auto",
    weights: str = "float32",
    numbers: Numbers | None = None,
) -> CellStream:
    """One cell over a stream, for inference: packed and compiled where the compiled engine serves it.

    Args:
        cell: The equations.
        parameters: The cell's parameters by name, as they are now: later changes are not seen.
        batch: Streams side by side.
        keep: Zoneout: the share of each state that stays.
        engine: As in :func:`unroll`.
        weights: What matrices are kept in, of :data:`throughtime.engine.weights.WEIGHTS`.
        numbers: Inputs known by number: compiled, a cell that does nothing with them but multiply them multiplies each
            once, when it first comes; it is then a :class:`NumberedStream`.

    Raises:
        EngineError: If the engine asked for by name cannot serve the cell.
        ValueError: If the weights cannot be kept so.
    """
    like = next(iter(parameters.values()))
    check_weights(weights, like.dtype)
    inputs = like.new_zeros(batch, 1, cell.input_size)
    call = Call(cell, {n: v.detach() for n, v in parameters.items()}, inputs, zero_state(cell, inputs))
    if _choose(engine, call).name == "compiled":
        from throughtime.engine.compiled.stream import CompiledStream, NumberStream

        if numbers is not None and NumberStream.serves(cell, like.dtype, keep, weights, numbers):
            return NumberStream(cell, parameters, batch, keep, weights, numbers=numbers)
        return CompiledStream(cell, parameters, batch, keep, weights)
    return ReferenceStream(cell, parameters, batch, keep, weights)


def zero_state(cell: Cell, inputs: Tensor) -> dict[str, Tensor]:
    """A state of zeros for a batch ``[B, …]``, with its device and dtype."""
    return {name: inputs.new_zeros(inputs.shape[0], width) for name, width in cell.widths().items()}


def check_engine(name: str) -> None:
    """Refuses a name that no engine has.

    Raises:
        EngineError: With the nearest name.
    """
    if name == "auto":
        return
    known = ["auto", *(engine.name for engine in (*ENGINES, *BY_NAME))]
    if name not in known:
        raise EngineError(f"unknown engine {name!r}{nearest(name, known)}; engines: {listed(known)}")


def check_inputs(inputs: Any, features: int, weights: Tensor | None = None, order: str = "batch, time") -> None:
    """Refuses what is no batch of sequences.

    Args:
        inputs: To be ``[B, T, features]``.
        features: Of the input.
        weights: Whose type of numbers the inputs are to have.
        order: Of the first two dimensions, as the caller's user has them.

    Raises:
        TypeError: If they are no tensor.
        ValueError: If their shape or their type of numbers does not fit.
    """
    if not isinstance(inputs, Tensor):
        remedy = "the padded batch and lengths=" if isinstance(inputs, PackedSequence) else "torch.as_tensor of it"
        shape = f"[{order}, {features}]"
        raise TypeError(f"expected a tensor of inputs {shape}, got a {type(inputs).__name__}; pass {remedy}")
    if inputs.dim() != 3 or inputs.shape[2] != features:
        raise ValueError(f"expected inputs of shape [{order}, {features}], got {list(inputs.shape)}")
    if not inputs.is_floating_point():
        raise ValueError(f"expected inputs of type float, got {inputs.dtype}; embed them, or convert them: .float()")
    if weights is not None and inputs.dtype != weights.dtype and not torch.is_autocast_enabled(inputs.device.type):
        raise ValueError(f"expected inputs of {weights.dtype} as the weights are, got {inputs.dtype}; convert one")


def check_lengths(lengths: Lengths, batch: int, time: int) -> Tensor | None:
    """Lengths on the CPU; None where every row is whole.

    Raises:
        ValueError: If they are no integers, not one a row, or not within 0 and ``time``.
    """
    if traced():
        raise EngineError(
            "expected no lengths under torch.jit.trace or torch.export, which do not see how they steer the loop, got "
            "some; leave them out, or trace the layer's to_torch() on a PackedSequence"
        )
    lengths = as_lengths(lengths)
    if lengths.shape != (batch,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"expected lengths of shape [{batch}] with integers, got {list(lengths.shape)} of {lengths.dtype}"
        )
    lengths = lengths.to("cpu", torch.int64)
    return lengths if compiling() else within(lengths, time)


def check_state(state: Mapping[str, Tensor], shapes: Mapping[str, list[int]], inputs: Tensor) -> None:
    """Refuses an initial state of other names, shapes or numbers.

    Args:
        state: Values by name.
        shapes: What they are to be.
        inputs: Whose type of numbers the state is to have.

    Raises:
        ValueError: Says what was expected.
    """
    got = {name: list(value.shape) for name, value in state.items()}
    if shapes != got:
        raise ValueError(f"expected an initial state of {shapes}, got {got}")
    others = {value.dtype for value in state.values()} - {inputs.dtype}
    if others and not torch.is_autocast_enabled(inputs.device.type):
        got_types = listed(sorted(map(str, others)))
        raise ValueError(f"expected an initial state of {inputs.dtype} as the inputs are, got {got_types}; convert it")


def _checked_state(cell: Cell, state: Mapping[str, Tensor], inputs: Tensor) -> dict[str, Tensor]:
    check_state(state, {name: [len(inputs), width] for name, width in cell.widths().items()}, inputs)
    return dict(state)


def _check_traced(call: Call, engine: Engine) -> None:
    """Refuses a trace that would hold for the number of steps alone that it was made with, and not say so."""
    if torch._C._is_tracing() and engine is ENGINES[-1]:
        raise EngineError(
            f"expected a cell with a kernel of PyTorch's under torch.jit.trace, got {type(call.cell).__name__}, whose "
            "trace would hold for this number of steps alone and not say so; use torch.export.export, which does"
        )


def _choose(name: str, call: Call) -> Engine:
    check_engine(name)
    for engine in (*ENGINES, *BY_NAME) if name != "auto" else ENGINES:
        if name in ("auto", engine.name):
            reason = engine.refuses(call)
            if reason is None:
                return engine
            if name != "auto":
                raise EngineError(f'engine {name!r} cannot serve this call: {reason}; pass engine="auto"')
    raise AssertionError("the reference engine serves every call")
