"""``torch.nn``'s recurrent modules with another forward: the engines run what they can, PyTorch all the rest.

All else about such a module is inherited: parameters, state_dict, hooks. Shapes used here::

    B  rows       k  features of the input     R  runs: layers × directions
    T  steps      n  units, m features out
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations
from torch.nn.utils.rnn import PackedSequence

from throughtime.cells import Cell, GRUCell, LSTMCell, ProjectedLSTMCell, RNNCell
from throughtime.engine import ENGINES, Call, Engine, from_torch, out_of_graph, unroll, watched, zero_state
from throughtime.engine.reference import ReferenceEngine
from throughtime.engine.torch_kernels import TorchEngine
from throughtime.layers.packed import PackedSteps, dropped, run_packed

FEWEST_STEPS = 2
"""A call of fewer steps gains nothing over PyTorch's own kernel. With 1, single cells are swapped too."""

MOST_PADDING = 16
"""A PackedSequence that would take more than so many times its memory when padded is left to PyTorch."""


def pays(steps: int) -> bool:
    """Whether an engine is worth its call over so many steps: the one place that decides "never slower"."""
    return steps >= FEWEST_STEPS


class _Equal(type):
    """Of a class that counts as the class of ``torch.nn`` that it stands for, in comparisons and as a key.

    Code that asks for a module's very class, as dynamic quantisation and many a function of start values do, so finds
    what it looks for.
    """

    def __eq__(cls, other: object) -> bool:
        return _original(cls) is _original(other)

    def __hash__(cls) -> int:
        return type.__hash__(_original(cls))


def _original(cls: Any) -> Any:
    """The class of ``torch.nn`` that a class stands for; the class itself where it stands for none."""
    return cls.__dict__["stands_for"] if isinstance(cls, _Equal) and "stands_for" in cls.__dict__ else cls


class _Accelerated(nn.Module, metaclass=_Equal):
    def forward(self, input: Any, hx: Any = None) -> Any:
        """Arguments, results and errors of the class of ``torch.nn`` that this one stands for."""
        if isinstance(input, fx.Proxy):
            # One node of a symbolic trace, which is what a module of torch.nn is.
            tracer: Any = input.tracer
            return tracer.create_proxy("call_module", tracer.path_of_module(self), (input, hx), {})
        return self._served(input, hx)

    @out_of_graph(lambda *_: "whether an engine serves an accelerated module hangs on its weights")
    def _served(self, input: Any, hx: Any) -> Any:
        given = None if _ruled() else self._given(input, hx)
        return super().forward(input, hx) if given is None else self._run(given)

    def _given(self, inputs: Any, hx: Any) -> _Given | None:
        raise NotImplementedError

    def _run(self, given: _Given) -> Any:
        raise NotImplementedError

    def __prepare_scriptable__(self) -> nn.Module:
        # TorchScript compiles the source of forward and cannot read this one.
        return give_back(self)


class _Layer(_Accelerated):
    def _given(self, inputs: Any, hx: Any) -> _Given | None:
        return _layer_call(self, inputs, hx)

    def _run(self, given: _Given) -> Any:
        return _run_layer(self, given)


class _Single(_Accelerated):
    def _given(self, inputs: Any, hx: Any) -> _Given | None:
        return _single_call(self, inputs, hx)

    def _run(self, given: _Given) -> Any:
        return _run_single(self, given)


class AcceleratedRNN(_Layer, nn.RNN):
    """What :func:`throughtime.accelerate` makes of a ``torch.nn.RNN``."""

    stands_for = nn.RNN


class AcceleratedGRU(_Layer, nn.GRU):
    """What :func:`throughtime.accelerate` makes of a ``torch.nn.GRU``."""

    stands_for = nn.GRU


class AcceleratedLSTM(_Layer, nn.LSTM):
    """What :func:`throughtime.accelerate` makes of a ``torch.nn.LSTM``."""

    stands_for = nn.LSTM


class AcceleratedRNNCell(_Single, nn.RNNCell):
    """What :func:`throughtime.accelerate` makes of a ``torch.nn.RNNCell``, where a single step pays."""

    stands_for = nn.RNNCell


class AcceleratedGRUCell(_Single, nn.GRUCell):
    """What :func:`throughtime.accelerate` makes of a ``torch.nn.GRUCell``, where a single step pays."""

    stands_for = nn.GRUCell


class AcceleratedLSTMCell(_Single, nn.LSTMCell):
    """What :func:`throughtime.accelerate` makes of a ``torch.nn.LSTMCell``, where a single step pays."""

    stands_for = nn.LSTMCell


SWAPS: dict[type[nn.Module], type[nn.Module]] = {
    nn.RNN: AcceleratedRNN,
    nn.GRU: AcceleratedGRU,
    nn.LSTM: AcceleratedLSTM,
    nn.RNNCell: AcceleratedRNNCell,
    nn.GRUCell: AcceleratedGRUCell,
    nn.LSTMCell: AcceleratedLSTMCell,
}
"""What takes the place of what."""


def is_swapped(module: nn.Module) -> bool:
    """Whether a module is one of ours."""
    return isinstance(module, _Accelerated)


def swap(module: nn.Module) -> nn.Module:
    """The same module, of our class: another ``forward``."""
    return _reclassed(module, SWAPS[type_before_parametrizations(module)])


def give_back(module: nn.Module) -> nn.Module:
    """The same module, of PyTorch's class again."""
    return _reclassed(module, _original(type_before_parametrizations(module)))


def _reclassed(module: nn.Module, base: type[nn.Module]) -> nn.Module:
    if is_parametrized(module):
        # A class of the module's own, whose properties compute the weights; its copies share it, so it stays as it is.
        own = {name: value for name, value in vars(type(module)).items() if name not in ("__dict__", "__weakref__")}
        base = type(f"Parametrized{base.__name__}", (base,), own)
    module.__class__ = base
    return module


def _ruled() -> bool:
    """Whether PyTorch's own operations must be seen, or rules apply that only they know."""
    return watched() or torch.is_autocast_enabled("cpu") or torch.are_deterministic_algorithms_enabled()


def _plain(tensors: Sequence[Any]) -> bool:
    """Whether all are ordinary tensors on the CPU of one dtype, float32 or float64."""
    dtype = getattr(tensors[0], "dtype", None)
    return dtype in (torch.float32, torch.float64) and all(
        type(t) in (Tensor, nn.Parameter)
        and t.dtype is dtype
        and t.is_cpu
        and t.layout is torch.strided
        and not t.is_nested
        and not t.is_neg()
        for t in tensors
    )


@dataclass(frozen=True)
class _Plan:
    """What follows from a module's sizes alone.

    Attributes:
        cells: The equations, one a layer.
        shapes: Of all weights, in PyTorch's order.
        widths: Of the states, in PyTorch's order.
    """

    cells: tuple[Cell, ...]
    shapes: list[tuple[int, ...]]
    widths: tuple[int, ...]


# Beside the modules, not in them: copies, pickles and state_dicts see nothing of it.
@lru_cache(maxsize=1024)
def _plan(mode: str, k: int, n: int, m: int, layers: int, directions: int, bias: bool) -> _Plan:
    cells: list[Cell] = []
    shapes: list[tuple[int, ...]] = []
    for layer in range(layers):
        size = cells[0].output_size * directions if layer else k
        if mode == "LSTM":
            cells.append(ProjectedLSTMCell(size, n, proj_size=m) if m else LSTMCell(size, n))
        elif mode == "GRU":
            cells.append(GRUCell(size, n))
        else:
            cells.append(RNNCell(size, n, nonlinearity="relu" if mode == "RNN_RELU" else "tanh"))
        shape = {name: parameter.shape for name, parameter in cells[-1].parameters().items()}
        biases = [shape["W_x"][:1]] * 2 if bias else []
        projection = [shape["W_p"]] if m else []
        shapes += [shape["W_x"], shape["W_h"], *biases, *projection] * directions
    return _Plan(tuple(cells), shapes, tuple(cells[0].widths().values()))


@dataclass(frozen=True)
class _Given:
    """A call that an engine can serve.

    Attributes:
        inputs: As they came: ``[B, T, k]``, ``[T, B, k]``, ``[T, k]`` or packed; a cell's ``[B, k]`` or ``[k]``.
        states: The initial states as they came; empty where none were given.
        weights: In PyTorch's order.
        plan: What the module's sizes say.
    """

    inputs: Any
    states: list[Tensor]
    weights: list[Tensor]
    plan: _Plan


def _states(module: nn.Module, hx: Any) -> list[Any]:
    if hx is None:
        return []
    pair = isinstance(module, (nn.LSTM, nn.LSTMCell)) and isinstance(hx, (tuple, list))
    return list(hx) if pair else [hx]


def _layer_call(module: Any, inputs: Any, hx: Any) -> _Given | None:
    """The call if an engine can serve it and gains by it; None where PyTorch is to run it, or to refuse it."""
    packed = isinstance(inputs, PackedSequence)
    data = inputs.data if packed else inputs
    states = _states(module, hx)
    if not _plain([data, *states]) or data.dim() not in ((2,) if packed else (2, 3)):
        return None
    if data.shape[-1] != module.input_size or not data.numel():
        return None
    if packed:
        if not _well_packed(inputs):
            return None
        rows, steps = [int(inputs.batch_sizes[0])], len(inputs.batch_sizes)
    elif data.dim() == 2:
        rows, steps = [], len(data)
    else:
        rows, steps = [data.shape[1 - module.batch_first]], data.shape[module.batch_first]
    if not pays(steps):
        return None
    directions = 2 if module.bidirectional else 1
    sizes = (module.input_size, module.hidden_size, module.proj_size, module.num_layers)
    plan = _plan(module.mode, *sizes, directions, module.bias)
    if not _gains(plan.cells[0], data.dtype, packed):
        return None
    module._update_flat_weights()  # functional_call puts other weights in place
    weights = module._flat_weights
    shapes = [(module.num_layers * directions, *rows, width) for width in plan.widths]
    return _Given(inputs, states, weights, plan) if _fit(plan, shapes, states, weights, data) else None


def _single_call(module: Any, inputs: Any, hx: Any) -> _Given | None:
    """As :func:`_layer_call` for one step of a cell."""
    states = _states(module, hx)
    if not pays(1) or not _plain([inputs, *states]) or inputs.dim() not in (1, 2):
        return None
    if inputs.shape[-1] != module.input_size or not inputs.numel():
        return None
    mode = "LSTM" if isinstance(module, nn.LSTMCell) else "GRU"
    if isinstance(module, nn.RNNCell):
        mode = f"RNN_{module.nonlinearity.upper()}"
    plan = _plan(mode, module.input_size, module.hidden_size, 0, 1, 1, module.bias)
    if not _gains(plan.cells[0], inputs.dtype, packed=False):
        return None
    weights = [module.weight_ih, module.weight_hh, *([module.bias_ih, module.bias_hh] if module.bias else [])]
    shapes = [(*inputs.shape[:-1], width) for width in plan.widths]
    return _Given(inputs, states, weights, plan) if _fit(plan, shapes, states, weights, inputs) else None


def _fit(plan: _Plan, shapes: list[Any], states: list[Any], weights: list[Any], data: Tensor) -> bool:
    return (
        _plain([data, *weights])
        and [w.shape for w in weights] == plan.shapes
        and (not states or [s.shape for s in states] == shapes)
    )


def _well_packed(inputs: PackedSequence) -> bool:
    """Whether the sizes of the steps make sense and padding is affordable."""
    sizes, real = inputs.batch_sizes, len(inputs.data)
    return (
        len(sizes) > 0
        and int(sizes[-1]) > 0
        and int(sizes.sum()) == real
        and bool((sizes[1:] <= sizes[:-1]).all())
        and int(sizes[0]) * len(sizes) <= MOST_PADDING * real
    )


@lru_cache(maxsize=1024)
def _server(cell: Cell, dtype: torch.dtype, engines: tuple[Engine, ...]) -> Engine:
    """The engine that ``engine="auto"`` takes for a cell of ``torch.nn``, judged by a small call."""
    x = torch.zeros(2, 2, cell.input_size, dtype=dtype, device="cpu")
    parameters = {name: x.new_zeros(parameter.shape) for name, parameter in cell.parameters().items()}
    call = Call(cell, parameters, x, zero_state(cell, x))
    return next(engine for engine in engines if engine.refuses(call) is None)


def _gains(cell: Cell, dtype: torch.dtype, packed: bool) -> bool:
    """Whether the engine that serves the cell is faster than PyTorch's own forward."""
    engine = _server(cell, dtype, ENGINES)
    if isinstance(engine, TorchEngine):
        # The same kernels: what they gain is the quadratic backward pass of a PackedSequence.
        return packed and torch.is_grad_enabled()
    return not isinstance(engine, ReferenceEngine)


def _parameters(cell: Cell, weights: list[Tensor], bias: bool) -> dict[str, Tensor]:
    if not bias:
        zero = weights[0].new_zeros(len(weights[0]))
        weights = [*weights[:2], zero, zero, *weights[2:]]
    return from_torch(cell, weights)


def _run_layer(module: Any, given: _Given) -> Any:
    inputs, states = given.inputs, given.states
    if isinstance(inputs, PackedSequence):
        result: Any
        result, finals = run_packed(inputs, states, partial(_run_stack, module, given))
    elif inputs.dim() == 2:
        outputs, finals = _run_stack(module, given, inputs.unsqueeze(1), [state.unsqueeze(1) for state in states], None)
        result, finals = outputs.squeeze(1), [final.squeeze(1) for final in finals]
    else:
        outputs, finals = _run_stack(
            module, given, inputs.transpose(0, 1) if module.batch_first else inputs, states, None
        )
        result = outputs.transpose(0, 1) if module.batch_first else outputs
    return result, tuple(finals) if isinstance(module, nn.LSTM) else finals[0]


def _run_stack(
    module: Any, given: _Given, inputs: Tensor, states: list[Tensor], steps: PackedSteps | None
) -> tuple[Tensor, list[Tensor]]:
    """``inputs [T, B, k]`` and ``states [R, B, width]`` to ``[T, B, m × directions]``, contiguous, and final states."""
    names = given.plan.cells[0].state
    initial = list(zip(*(state.unbind(0) for state in states), strict=True))
    directions = 2 if module.bidirectional else 1
    each = len(given.weights) // (len(given.plan.cells) * directions)
    outputs, finals = inputs, list[dict[str, Tensor]]()
    for cell in given.plan.cells:
        if finals and module.dropout and module.training:
            outputs = outputs * dropped(outputs, module.dropout, steps)
        parts = []
        for reverse in range(directions):
            run = len(finals)
            part, final = unroll(
                cell,
                _parameters(cell, given.weights[run * each : (run + 1) * each], module.bias),
                outputs.transpose(0, 1),
                state=dict(zip(names, initial[run], strict=True)) if initial else None,
                lengths=None if steps is None else steps.lengths,
                reverse=bool(reverse),
            )
            parts.append(part.transpose(0, 1))
            finals.append(final)
        outputs = torch.cat(parts, -1) if directions == 2 else parts[0]
    # PyTorch's outputs lie step by step whatever batch_first says, and code that calls view relies on it. They may be
    # changed in place, which an engine that keeps its outputs for the gradient could not allow.
    outputs = outputs.clone() if outputs.requires_grad and directions == 1 else outputs.contiguous()
    return outputs, [torch.stack([final[name] for final in finals]) for name in names]


def _run_single(module: Any, given: _Given) -> Any:
    cell = given.plan.cells[0]
    rows, batched = given.inputs.reshape(-1, 1, cell.input_size), given.inputs.dim() == 2
    state = {name: value.reshape(len(rows), -1) for name, value in zip(cell.state, given.states, strict=False)}
    _, final = unroll(cell, _parameters(cell, given.weights, module.bias), rows, state=state or None)
    values = tuple(final[name] if batched else final[name].squeeze(0) for name in cell.state)
    return values if isinstance(module, nn.LSTMCell) else values[0]
