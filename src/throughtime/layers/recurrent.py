"""Many cells: deep, in one or both directions, over ragged batches, regularised."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.cells import Cell, find_cell
from throughtime.engine import (
    Lengths,
    Numbers,
    Record,
    as_lengths,
    check_engine,
    check_inputs,
    check_state,
    out_of_graph,
    real_steps,
    stops_graph,
)
from throughtime.errors import listed, nearest
from throughtime.layers.directed import Directed, share
from throughtime.layers.repeated import check_flags, repeated
from throughtime.layers.stream import Stream, check_one_way

MERGES: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "concat": lambda outputs: torch.cat(outputs, -1),
    "sum": lambda outputs: outputs[0] + outputs[1],
    "mean": lambda outputs: (outputs[0] + outputs[1]) / 2,
    "product": lambda outputs: outputs[0] * outputs[1],
}
"""How the outputs of both directions become one."""


class Recurrent(nn.Module):
    """A deep recurrent layer of any cell.

    ``a[l]<t> = cell(a[l]<t-1>, a[l-1]<t>)`` for layer l; with ``bidirectional`` the outputs of both directions
    are put side by side, or merged as ``merge`` says. A final state of the backward direction is that of each row's
    first step.

    Args:
        cell: The name of a built-in cell (:data:`throughtime.cells.CELLS`), ``"module:Class"``, or a cell class.
        input_size: Features of the input.
        hidden_size: Units of a cell.
        num_layers: Depth.
        bidirectional: Run each layer in both directions.
        merge: How the outputs of both directions become one: ``"concat"``, which has the features of both, ``"sum"``,
            ``"mean"`` or ``"product"``, feature by feature.
        bias: Without it, biases stay zero and are not trained.
        dropout: Between layers: share of the features of every layer's output but the last one's.
        input_dropout: Variational: share of the features of every layer's input, one mask a sequence, the same
            at every step (Gal and Ghahramani 2016).
        recurrent_dropout: Variational, on what the recurrent matrices multiply (Gal and Ghahramani 2016).
        zoneout: Share of the state's units that keep their old value at a step (Krueger et al. 2017); or shares by
            state, ``{"h": 0.1, "c": 0.5}``, none of a state that is not named.
        weight_drop: Share of the recurrent matrices' weights dropped (Merity et al. 2017).
        residual: Add a layer's input to its output wherever the two have as many features.
        recompute: For sequences too long for memory: see :func:`throughtime.unroll`.
        engine: ``"auto"``, or the name of an engine (:data:`throughtime.engine.ENGINES`).
        device, dtype: Of the parameters.
        options: The cell's own options, such as ``nonlinearity`` or ``proj_size``.

    Raises:
        ValueError: If an argument is out of range.
        UserError: If there is no cell of that name.

    Example:
        >>> layer = Recurrent("lstm-peephole", 3, 8, num_layers=2)
        >>> outputs, state = layer(torch.randn(4, 10, 3))
        >>> outputs.shape, sorted(state), state["c"].shape
        (torch.Size([4, 10, 8]), ['c', 'h'], torch.Size([2, 4, 8]))
        >>> half, carried = layer(torch.randn(4, 5, 3), state)  # goes on where the first call ended
    """

    def __init__(
        self,
        cell: str | Callable[..., Cell],
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        merge: str = "concat",
        bias: bool = True,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float | Mapping[str, float] = 0.0,
        weight_drop: float = 0.0,
        residual: bool = False,
        recompute: bool = False,
        engine: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        check_engine(engine)
        if num_layers < 1:
            raise ValueError(f"expected num_layers to be at least 1, got {num_layers}")
        factory = find_cell(cell) if isinstance(cell, str) else cell
        check_options(type(self), factory, options)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.merge = check_merge(merge, bidirectional)
        self.bias = bias
        self.dropout = share("dropout", dropout)
        self.input_dropout = share("input_dropout", input_dropout)
        self.residual = residual
        self.recompute = recompute
        self.engine = engine
        self.cells = nn.ModuleList()
        width = input_size
        for _ in range(num_layers):
            layer = [
                Directed(
                    factory(width, hidden_size, **options),
                    reverse=reverse,
                    bias=bias,
                    recurrent_dropout=recurrent_dropout,
                    zoneout=zoneout,
                    weight_drop=weight_drop,
                )
                for reverse in ((False, True) if bidirectional else (False,))
            ]
            self.cells.extend(layer)
            width = sum(directed.cell.output_size for directed in (layer if merge == "concat" else layer[:1]))
        self.output_size = width
        self.to(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draws new start values."""
        for directed in self.directed:
            directed.reset_parameters()

    @property
    def directed(self) -> list[Directed]:
        """Every cell with its parameters: layer by layer, forward before backward."""
        return cast(list[Directed], list(self.cells))

    @property
    def cell(self) -> Cell:
        """The first layer's cell; those above differ at most in their ``input_size``."""
        return cast(Directed, next(iter(self.cells))).cell

    def _stops_graph(
        self,
        inputs: Any,
        state: Mapping[str, Tensor] | None = None,
        lengths: Lengths | None = None,
        *,
        return_states: bool = False,
        **_: Any,
    ) -> str:
        if return_states:
            return "states of every step are asked for"
        given = [inputs, *(state or {}).values()]
        reasons = [stops_graph(d.cell, [*given, *d.stored()], self.engine, d.masked) for d in self.directed]
        return next((reason for reason in reasons if reason), "")

    @out_of_graph(_stops_graph)
    def forward(
        self,
        inputs: Tensor,
        state: Mapping[str, Tensor] | None = None,
        lengths: Lengths | None = None,
        *,
        resets: Tensor | None = None,
        resets_to: str | None = None,
        mask: Tensor | None = None,
        return_layers: bool = False,
        return_states: bool = False,
    ) -> tuple[Any, ...]:
        """Runs the layer over a batch.

        Args:
            inputs: ``[B, T, input_size]``; there may be more batch dimensions than B, here and in all that follows.
            state: The initial state by name, ``[num_layers * directions, B, width]`` each, ordered as
                :attr:`directed`; zeros where None.
            lengths: Real steps of every row, ``[B]``; None where all are T. Empty rows are legal.
            resets: ``[B, T]``, true where a row begins anew: every cell of every depth, in both directions, keeps
                what stands before that step apart from what follows. Each part gives what it gives alone.
            resets_to: What it begins anew with: ``"zero"``, for a state that is carried from call to call, or
                ``"initial"``, the state that was passed. To be said where both are passed; without a state it is zeros.
            mask: ``[B, T]``, false where a step is left out: states stay, and the output is that of the step before
                (of the one after, in the backward direction) since the last reset, zero where there is none.
            return_layers: Give the outputs of every layer, a list of them, of which the last are the outputs. Those of
                the others are what they hand on to the next one, but before ``dropout``, which lies between layers.
            return_states: Give a third result: for each of :attr:`directed` its states and gates of every step by name,
                as the cell calls them, ``[B, T, width]`` each, zero past a row's length; differentiable as the outputs
                are. All of them are kept, with ``recompute`` too.

        Returns:
            Outputs ``[B, T, output_size]``, zero past a row's length, and the final state, shaped as the initial.

        Raises:
            ValueError: If shapes do not fit; says what was expected.
            EngineError: If the engine asked for by name cannot serve the call.
        """
        marks: dict[str, Any] = {"resets": resets, "resets_to": resets_to, "mask": mask}
        if isinstance(inputs, Tensor) and inputs.dim() > 3 and inputs.shape[-1] == self.input_size:
            shows = {"return_layers": return_layers, "return_states": return_states}
            return self._flattened(inputs, state, lengths, **marks, **shows)
        cells = self.directed
        self._check(inputs, state)
        lengths = None if lengths is None else as_lengths(lengths)
        finals: list[dict[str, Tensor]] = []
        layers: list[Tensor] = []
        shown: list[dict[str, Tensor]] = []
        directions = 2 if self.bidirectional else 1
        for depth in range(self.num_layers):
            above = self._drop_inputs(inputs)
            outputs = []
            for directed in cells[depth * directions : (depth + 1) * directions]:
                initial = None if state is None else {n: value[len(finals)] for n, value in state.items()}
                record = Record() if return_states else None
                output, final = directed(above, initial, lengths, self.engine, self.recompute, record, **marks)
                if record is not None:
                    shown.append(directed.shown(record, above))
                outputs.append(output)
                finals.append(final)
            joined = MERGES[self.merge](outputs) if len(outputs) > 1 else outputs[0]
            below = self._below(above, lengths, resets, mask) if self.residual and joined.shape == above.shape else None
            drops = self.dropout and self.training and depth < self.num_layers - 1
            inputs = _added(F.dropout(joined, self.dropout) if drops else joined, below)
            if return_layers:
                layers.append(_added(joined, below) if drops else inputs)
        final = {name: torch.stack([final[name] for final in finals]) for name in cells[0].cell.state}
        return (layers if return_layers else inputs, final, *([shown] if return_states else []))

    def _flattened(
        self, inputs: Tensor, state: Mapping[str, Tensor] | None, lengths: Lengths | None, **more: Any
    ) -> tuple[Any, ...]:
        """Runs ``[..., T, input_size]``, rows ``[...]``, as one batch."""
        rows = inputs.shape[:-2]
        if state is not None:
            widths = self.cell.widths().items()
            check_state(state, {name: [len(self.directed), *rows, width] for name, width in widths}, inputs)
            state = {name: value.flatten(1, -2) for name, value in state.items()}
        if lengths is not None:
            lengths = as_lengths(lengths)
            if lengths.shape != rows:
                raise ValueError(f"expected lengths of shape {list(rows)} with integers, got {list(lengths.shape)}")
            lengths = lengths.flatten()
        flags = {name: more[name] for name in ("resets", "mask") if more[name] is not None}
        check_flags(flags, inputs)
        more |= {name: value.flatten(0, -2) for name, value in flags.items()}
        outputs, final, *shown = Recurrent.forward(self, inputs.flatten(0, -3), state, lengths, **more)
        outputs, *shown = mapped([outputs, *shown], lambda value: torch.unflatten(value, 0, rows))
        return (outputs, mapped(final, lambda value: torch.unflatten(value, 1, rows)), *shown)

    def step(
        self, inputs: Tensor, state: Mapping[str, Tensor] | None = None, *, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """One step of a stream: ``inputs [B, input_size]`` gives the output ``[B, output_size]`` and the new state.
        Rows where ``resets [B]`` is true begin anew from zeros.

        Raises:
            ValueError: If the layer is bidirectional: its outputs need the steps to come.
        """
        check_one_way(self.directed)
        marks = {} if resets is None else {"resets": resets.unsqueeze(-1), "resets_to": "zero"}
        outputs, state = self(inputs.unsqueeze(-2), state, **marks)
        return outputs.squeeze(-2), state

    def stream(self, batch_size: int = 1, *, weights: str = "float32", numbers: Numbers | None = None) -> Stream:
        """The layer with its weights as they are now, to be run step by step: the fastest way to do so.

        Args:
            batch_size: Streams side by side.
            weights: What matrices are kept in: ``"float32"``; or ``"bfloat16"`` or ``"int8"``, of which a large layer's
                step reads half or a quarter of the bytes; see :class:`throughtime.Stream`.
            numbers: Inputs that are known by number, for :meth:`Stream.step_of`.

        Raises:
            ValueError: If the layer is bidirectional, or its weights cannot be kept so.
        """
        residual, engine = self.residual, self.engine
        return Stream(self.directed, batch_size, residual=residual, engine=engine, weights=weights, numbers=numbers)

    def _below(self, inputs: Tensor, lengths: Tensor | None, resets: Tensor | None, mask: Tensor | None) -> Tensor:
        """What a residual layer adds: its inputs, repeated as its outputs are."""
        if mask is not None:
            inputs = repeated(inputs, mask, lengths, resets, both=self.bidirectional and self.merge == "concat")
        return _real(inputs, lengths)

    def _drop_inputs(self, inputs: Tensor) -> Tensor:
        if not (self.input_dropout and self.training):
            return inputs
        return inputs * F.dropout(inputs.new_ones(len(inputs), 1, inputs.shape[2]), self.input_dropout)

    def _check(self, inputs: Tensor, state: Mapping[str, Tensor] | None) -> None:
        check_inputs(inputs, self.input_size)
        if state is not None:
            widths = self.cell.widths().items()
            check_state(state, {n: [len(self.directed), len(inputs), width] for n, width in widths}, inputs)

    def extra_repr(self) -> str:
        """Sizes and what the cells do not show."""
        flags = [n for n in ("bidirectional", "residual") if getattr(self, n)]
        flags += [f"merge={self.merge!r}"] if self.merge != "concat" else []
        shares = [f"{n}={getattr(self, n)}" for n in ("dropout", "input_dropout") if getattr(self, n)]
        return ", ".join([f"{self.input_size} -> {self.output_size}", *flags, *shares])


def check_merge(merge: str, bidirectional: bool) -> str:
    """Refuses a way to merge that is unknown, or that has nothing to merge.

    Raises:
        ValueError: Names the nearest one.
    """
    if merge not in MERGES:
        raise ValueError(f"expected merge to be one of {listed(MERGES)}, got {merge!r}{nearest(str(merge), MERGES)}")
    if merge != "concat" and not bidirectional:
        raise ValueError(f"merge={merge!r} merges two directions, and the layer has one; pass bidirectional=True")
    return merge


def check_options(layer: type[nn.Module], factory: Callable[..., Cell], options: Mapping[str, Any]) -> None:
    """Refuses an option that neither the layer nor its cell has.

    Raises:
        TypeError: Names the nearest one.
    """
    known = inspect.signature(factory).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    named = [*inspect.signature(layer).parameters, *inspect.signature(Recurrent).parameters, *known]
    for name in options.keys() - known.keys():
        raise TypeError(f"{layer.__name__} has no argument {name!r}{nearest(name, named)}")


def mapped(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """Every tensor of lists and dictionaries changed.

    Example:
        >>> mapped([{"h": torch.ones(2)}], lambda value: value.shape)
        [{'h': torch.Size([2])}]
    """
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: mapped(part, change) for name, part in value.items()}
    return [mapped(part, change) for part in value]


def _added(outputs: Tensor, below: Tensor | None) -> Tensor:
    return outputs if below is None else outputs + below


def _real(inputs: Tensor, lengths: Tensor | None) -> Tensor:
    """The inputs with zeros past each row's length, whatever stood there."""
    if lengths is None:
        return inputs
    real = real_steps(lengths.to(inputs.device), inputs.shape[1])
    return inputs.masked_fill(~real.unsqueeze(-1), 0.0)
