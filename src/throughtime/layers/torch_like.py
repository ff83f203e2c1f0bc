"""``RNN``, ``GRU`` and ``LSTM`` with the arguments that users of ``torch.nn`` know."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.nn.utils.rnn import PackedSequence

from throughtime.cells import Cell, GRUCell, LSTMCell, ProjectedLSTMCell, RNNCell
from throughtime.engine import Lengths, check_inputs, from_torch, out_of_graph, to_torch
from throughtime.errors import listed
from throughtime.layers.packed import PackedSteps, run_packed
from throughtime.layers.recurrent import Recurrent, mapped
from throughtime.layers.repeated import check_flags
from throughtime.layers.stream import check_one_way


class _TorchLike(Recurrent):
    """What the three have in common: the order of the arguments, ``batch_first``, conversion."""

    torch_class: type[nn.RNNBase]
    torch_cell: type[nn.RNNCellBase]
    make_cell: Callable[..., Cell]
    proj_size = 0

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(
            type(self).make_cell,
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            dropout=dropout,
            bidirectional=bidirectional,
            **others,
        )
        self.batch_first = batch_first
        if dropout and num_layers == 1:
            warnings.warn(
                f"dropout={dropout} acts between layers, and there is one: it drops nothing; see input_dropout",
                stacklevel=2,
            )

    def _stops(self, input: Any, hx: Any = None, lengths: Lengths | None = None, **more: Any) -> str:
        if not isinstance(input, Tensor):
            return "its steps are packed"
        return self._stops_graph(input, self._named(hx), lengths, **more)

    @out_of_graph(_stops)
    def forward(
        self,
        input: Any,
        hx: Any = None,
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
            input: ``[T, B, input_size]``, or with ``batch_first=True`` ``[B, T, input_size]``, where there may be more
                batch dimensions than B; one sequence ``[T, input_size]``; or a PackedSequence.
            hx: The initial state as in ``torch.nn``: ``h [num_layers * directions, B, width]``, for the LSTM a pair
                ``(h, c)``; without B for one sequence.
            lengths: Real steps of every row, ``[B]``; None where all are T.
            resets: Where a row begins anew, as in :meth:`throughtime.Recurrent.forward`: a truth value for every row
                and step, the dimensions in the order of the input's; not with a PackedSequence.
            resets_to: What it begins anew with, where ``hx`` is passed, too: ``"zero"`` or ``"initial"``, as in
                :meth:`throughtime.Recurrent.forward`.
            mask: Which steps are not left out, laid out as the resets.
            return_layers: As in :class:`~throughtime.layers.Recurrent`; each shaped as the input.
            return_states: As in :class:`~throughtime.layers.Recurrent`; each shaped as the input.

        Returns:
            Outputs, as the input with ``output_size`` features, and the final state as in ``torch.nn``.

        Raises:
            ValueError: If shapes do not fit; says what was expected.
        """
        state = self._named(hx)
        flags = {name: value for name, value in (("resets", resets), ("mask", mask)) if value is not None}
        if flags:
            check_flags(flags, input)
        shows = {"return_layers": return_layers, "return_states": return_states}
        more: dict[str, Any] = {**flags, "resets_to": resets_to, **shows}
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError("expected no lengths beside a PackedSequence, which has its own; leave them out")
            outputs, final, *shown = self._packed(input, state, more)
        elif isinstance(input, Tensor) and input.dim() == 2:
            if lengths is not None:
                raise ValueError("expected no lengths beside one sequence [T, input_size]; leave them out")
            state = None if state is None else {name: value.unsqueeze(1) for name, value in state.items()}
            more |= {name: value.unsqueeze(0) for name, value in flags.items()}
            outputs, final, *shown = super().forward(input.unsqueeze(0), state, **more)
            outputs, *shown = mapped([outputs, *shown], lambda value: value.squeeze(0))
            final = {name: value.squeeze(1) for name, value in final.items()}
        elif self.batch_first and isinstance(input, Tensor) and input.dim() > 3:
            outputs, final, *shown = super().forward(input, state, lengths, **more)
        else:
            self._check_rows(input, lengths)
            if not isinstance(input, Tensor) or input.dim() != 3 or input.shape[2] != self.input_size:
                check_inputs(input, self.input_size, order="batch, time" if self.batch_first else "time, batch")
            time_first = isinstance(input, Tensor) and input.dim() == 3 and not self.batch_first
            if time_first:
                more |= {name: value.transpose(0, 1) for name, value in flags.items()}
            batch = input.transpose(0, 1) if time_first else input
            outputs, final, *shown = super().forward(batch, state, lengths, **more)
            if time_first:
                outputs, *shown = mapped([outputs, *shown], lambda value: value.transpose(0, 1))
        return (outputs, self._unnamed(final), *shown)

    def step(self, input: Tensor, hx: Any = None, *, resets: Tensor | None = None) -> tuple[Tensor, Any]:
        """One step of a stream: ``input [B, input_size]`` gives ``[B, output_size]`` and the new state; rows where
        ``resets [B]`` is true begin anew from zeros.
        """
        check_one_way(self.directed)
        time = -2 if self.batch_first else 0
        flags = {} if resets is None else {"resets": resets.unsqueeze(-1 if self.batch_first else 0)}
        outputs, state = self(input.unsqueeze(time), hx, **flags, resets_to="zero")
        return outputs.squeeze(time), state

    @property
    def mode(self) -> str:
        """The kind, as ``torch.nn`` calls it: ``"LSTM"``, ``"GRU"``, ``"RNN_TANH"`` or ``"RNN_RELU"``."""
        plain = f"RNN_{self.cell.nonlinearity.upper()}" if isinstance(self.cell, RNNCell) else None
        return plain or self.torch_class.__name__

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of every layer and direction, in the order of :attr:`directed`."""
        return [list(directed.parameters()) for directed in self.directed]

    def flatten_parameters(self) -> None:
        """Does nothing: the engines read weights where they are."""

    def _check_rows(self, input: Any, lengths: Lengths | None) -> None:
        shape = tuple(getattr(input, "shape", ()))
        if len(shape) > 3 and shape[-1] == self.input_size:
            raise ValueError(
                f"expected inputs of shape [time, batch, {self.input_size}], got {list(shape)}; "
                "for more batch dimensions build the layer with batch_first=True"
            )
        if lengths is not None and not self.batch_first and len(shape) == 3 and len(lengths) == shape[0] != shape[1]:
            raise ValueError(
                f"expected lengths of {shape[1]} rows of inputs [time, batch, features], got {len(lengths)}; "
                "for inputs [batch, time, features] build the layer with batch_first=True"
            )

    def _named(self, hx: Any) -> dict[str, Tensor] | None:
        if hx is None or isinstance(hx, Mapping):
            return hx if hx is None else dict(hx)
        given = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        names = self.cell.state
        if len(given) != len(names):
            raise ValueError(f"expected an initial state of ({listed(names)}), got {len(given)} tensor(s)")
        return dict(zip(names, given, strict=True))

    def _unnamed(self, state: Mapping[str, Tensor]) -> Any:
        values = tuple(state.values())
        return values[0] if len(values) == 1 else values

    def _packed(self, packed: PackedSequence, state: Mapping[str, Tensor] | None, more: Mapping[str, Any]) -> list[Any]:
        names = list(self.cell.state)
        seen: list[Any] = []

        def run(inputs: Tensor, states: list[Tensor], steps: PackedSteps) -> tuple[Tensor, list[Tensor]]:
            initial = dict(zip(names, states, strict=True)) if states else None
            outputs, final, *shown = Recurrent.forward(self, inputs.transpose(0, 1), initial, steps.lengths, **more)
            if any(more.values()):
                seen.extend(mapped([outputs, *shown], lambda value: steps.like(packed, value.transpose(0, 1))))
            last = outputs[-1] if more["return_layers"] else outputs
            return last.transpose(0, 1), [final[name] for name in names]

        states = [] if state is None else [state[name] for name in names]
        outputs, finals = run_packed(packed, states, run)
        return [seen[0] if seen else outputs, dict(zip(names, finals, strict=True)), *seen[1:]]

    @classmethod
    def from_torch(cls, module: nn.RNNBase | nn.RNNCellBase, **others: Any) -> Self:
        """A layer with the weights of a ``torch.nn`` module of the same kind; both give the same outputs.

        Args:
            module: The module; or a single step's, such as ``torch.nn.LSTMCell``, whose loop the layer takes over.
            others: What ``torch.nn`` does not have: zoneout, weight_drop, engine, ….

        Raises:
            TypeError: If the module is of another kind.
        """
        if type_before_parametrizations(module) not in (cls.torch_class, cls.torch_cell):
            raise TypeError(f"expected a torch.nn.{cls.torch_class.__name__}, got {type(module).__name__}")
        shared = ("num_layers", "batch_first", "dropout", "bidirectional", "nonlinearity", "proj_size")
        options = {name: getattr(module, name) for name in shared if hasattr(module, name)}
        if cls.torch_class is not nn.RNN:
            options.pop("nonlinearity", None)
        if cls.torch_class is not nn.LSTM:
            options.pop("proj_size", None)
        layer = cls(module.input_size, module.hidden_size, bias=module.bias, **options, **others)
        single = [["weight_ih", "weight_hh", "bias_ih", "bias_hh"][: 4 if module.bias else 2]]
        all_names = single if isinstance(module, nn.RNNCellBase) else module._all_weights
        first = cast(Tensor, getattr(module, all_names[0][1]))
        layer.to(first)
        with torch.no_grad():
            for directed, names in zip(layer.directed, all_names, strict=True):
                weights = {name.split("_l")[0]: getattr(module, name) for name in names}
                zero = torch.zeros_like(first[:, 0])
                order = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
                given = [weights.get(name, zero if "bias" in name else None) for name in order]
                for name, value in from_torch(directed.cell, [w for w in given if w is not None]).items():
                    getattr(directed, name).copy_(value)
        return layer.train(module.training)

    def to_torch(self) -> nn.RNNBase:
        """A ``torch.nn`` module with this layer's weights; both give the same outputs.

        Raises:
            ValueError: If the layer does something that ``torch.nn`` cannot.
        """
        dropped = [name for name in ("recurrent_dropout", "zoneout", "weight_drop") if getattr(self.directed[0], name)]
        more = [name for name in ("input_dropout", "residual") if getattr(self, name)]
        more += [f"merge={self.merge!r}"] if self.merge != "concat" else []
        more += ["heads"] if self.cell.options()["heads"] > 1 else []
        if dropped or more:
            raise ValueError(
                f"torch.nn has no {' and no '.join(dropped + more)}; build the layer without, then convert"
            )
        arguments: dict[str, Any] = {}
        if isinstance(self.cell, RNNCell):
            arguments["nonlinearity"] = self.cell.nonlinearity
        if isinstance(self.cell, ProjectedLSTMCell):
            arguments["proj_size"] = self.cell.m
        module = self.torch_class(
            input_size=self.input_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            bias=self.bias,
            batch_first=self.batch_first,
            dropout=self.dropout,
            bidirectional=self.bidirectional,
            **arguments,
        ).to(self.directed[0].values()["W_x"])
        with torch.no_grad():
            for directed, names in zip(self.directed, module._all_weights, strict=True):
                weight_ih, weight_hh, bias_ih, bias_hh, *rest = to_torch(directed.cell, directed.values())
                given = [weight_ih, weight_hh, *([bias_ih, bias_hh] if self.bias else []), *rest]
                for name, value in zip(names, given, strict=True):
                    getattr(module, name).copy_(value)
        return module.train(self.training)


class RNN(_TorchLike):
    """A plain RNN with the arguments of ``torch.nn.RNN``.

    Takes and gives what ``torch.nn.RNN`` does, ``[T, B, features]`` without ``batch_first``, too. It differs from it in
    two ways: ragged batches may come with ``lengths`` instead of a PackedSequence, and start values are those of
    :class:`throughtime.cells.RNNCell`.

    Args:
        input_size: Features of the input.
        hidden_size: Units.
        num_layers: Depth.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: Train biases.
        batch_first: Inputs and outputs are ``[B, T, features]``, else ``[T, B, features]`` as in ``torch.nn``.
        dropout: Between layers.
        bidirectional: Run in both directions.
        others: What :class:`~throughtime.layers.Recurrent` takes beside: zoneout, weight_drop, engine, ….

    Example:
        >>> outputs, h = RNN(3, 5, num_layers=2, nonlinearity="relu", batch_first=True)(torch.randn(2, 4, 3))
        >>> outputs.shape, h.shape
        (torch.Size([2, 4, 5]), torch.Size([2, 2, 5]))
    """

    torch_class = nn.RNN
    torch_cell = nn.RNNCell
    make_cell = RNNCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **others: Any,
    ) -> None:
        shared = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(*shared, nonlinearity=nonlinearity, **others)
        self.nonlinearity = nonlinearity


class GRU(_TorchLike):
    """A GRU (reset after the product) with the arguments of ``torch.nn.GRU``.

    Differs from it as :class:`RNN` does from ``torch.nn.RNN``.

    Args:
        input_size: Features of the input.
        hidden_size: Units.
        num_layers: Depth.
        bias: Train biases.
        batch_first: Inputs and outputs are ``[B, T, features]``, else ``[T, B, features]`` as in ``torch.nn``.
        dropout: Between layers.
        bidirectional: Run in both directions.
        others: What :class:`~throughtime.layers.Recurrent` takes beside: zoneout, weight_drop, engine, ….

    Example:
        >>> outputs, h = GRU(3, 5, bidirectional=True)(torch.randn(4, 2, 3), lengths=[4, 0])
        >>> outputs.shape, h.shape, float(outputs[:, 1].abs().max().detach())
        (torch.Size([4, 2, 10]), torch.Size([2, 2, 5]), 0.0)
    """

    torch_class = nn.GRU
    torch_cell = nn.GRUCell
    make_cell = GRUCell


def _lstm_cell(
    input_size: int, hidden_size: int, *, proj_size: int, memory: float | None = None, heads: int = 1
) -> Cell:
    if proj_size:
        return ProjectedLSTMCell(input_size, hidden_size, proj_size=proj_size, memory=memory, heads=heads)
    return LSTMCell(input_size, hidden_size, memory=memory, heads=heads)


class LSTM(_TorchLike):
    """An LSTM with the arguments of ``torch.nn.LSTM``; with ``proj_size`` the projected LSTM.

    Differs from it as :class:`RNN` does from ``torch.nn.RNN``.

    Args:
        input_size: Features of the input.
        hidden_size: Units.
        num_layers: Depth.
        bias: Train biases.
        batch_first: Inputs and outputs are ``[B, T, features]``, else ``[T, B, features]`` as in ``torch.nn``.
        dropout: Between layers.
        bidirectional: Run in both directions.
        proj_size: Features of the output, if not 0.
        others: What :class:`~throughtime.layers.Recurrent` takes beside: zoneout, weight_drop, engine, ….

    Example:
        >>> outputs, (h, c) = LSTM(3, 5)(torch.randn(4, 2, 3))
        >>> outputs.shape, h.shape, c.shape
        (torch.Size([4, 2, 5]), torch.Size([1, 2, 5]), torch.Size([1, 2, 5]))
    """

    torch_class = nn.LSTM
    torch_cell = nn.LSTMCell
    make_cell = staticmethod(_lstm_cell)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        **others: Any,
    ) -> None:
        shared = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(*shared, proj_size=proj_size, **others)
        self.proj_size = proj_size
