"""Cells that nobody wrote: drawn expressions, run forward and backward on the compiled engine and the reference."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

import throughtime
from throughtime.cells import Cell, Parameter, bias, input_matrix, recurrent_matrix, vector
from throughtime.engine import Noise, Record
from throughtime.engine.compiled import CompiledEngine, operator
from throughtime.export import onnx

EXAMPLES = settings(deadline=None, derandomize=True, max_examples=14)

Formula = Callable[[Any, Any, Any], Any]
"""A value of a step: a function of the input, the states and the parameters."""

UNARY: list[Callable[[Any], Any]] = [
    torch.tanh,
    torch.sigmoid,
    torch.sin,
    torch.cos,
    torch.erf,
    torch.abs,
    torch.relu,
    torch.square,
    torch.neg,
    F.silu,
    F.gelu,
    F.elu,
    F.softplus,
    F.leaky_relu,
    F.hardtanh,
    lambda v: F.hardtanh(v + 3.0, 0.0, 6.0) / 6,  # the gradient of F.hardsigmoid has a sixth in single precision
    lambda v: F.gelu(v, approximate="tanh"),
    lambda v: torch.exp(torch.tanh(v)),
    lambda v: torch.expm1(-v.abs()),
    lambda v: torch.log1p(v * v),
    lambda v: torch.log(1.5 + torch.cos(v)),
    lambda v: torch.sqrt(v * v + 0.5),
    lambda v: torch.rsqrt(v * v + 0.5),
    lambda v: torch.reciprocal(v * v + 0.5),
    lambda v: torch.tanh(v) ** 3,
    lambda v: v.clamp(-0.3, 0.6),
    lambda v: torch.sign(v) * 0.5,
    lambda v: torch.zeros_like(v) + 0.25,
    lambda v: torch.ones_like(v) - v,
    lambda v: 2.0 - v / 3,
]
ROWS: list[Callable[[Any], Any]] = [
    lambda v: v - v.mean(-1, keepdim=True),
    lambda v: v * torch.tanh(v.sum(1, keepdim=True)),
    lambda v: v / (v.var(-1, unbiased=False, keepdim=True) + 1.0),
    lambda v: v - v.amax(-1, keepdim=True),
    lambda v: v * torch.sigmoid(v.max(-1).values.unsqueeze(-1)),
    lambda v: torch.softmax(v, -1),
    lambda v: v * torch.tanh(torch.logsumexp(v, -1, keepdim=True)),
    lambda v: (v - v.mean(-1, keepdim=True)) * torch.rsqrt(v.var(-1, unbiased=False, keepdim=True) + 0.5),
    lambda v: v / torch.sqrt(v.square().mean(-1, keepdim=True) + 0.5),
]
"""What makes every feature depend on all of its row."""

BINARY: list[Callable[[Any, Any], Any]] = [
    torch.add,
    torch.sub,
    torch.mul,
    torch.maximum,
    torch.minimum,
    lambda a, b: a / (b * b + 1.0),
    lambda a, b: torch.where(a > b, a * b, b - a),
    lambda a, b: torch.lerp(a, b, torch.sigmoid(a)),
    lambda a, b: torch.addcmul(a, b, b),
    lambda a, b: (a <= b) * a,
    lambda a, b: torch.add(a, b, alpha=0.5),
]


TURNED: list[Callable[[Any, Any], Any]] = [
    lambda matrix, v: matrix @ v,
    lambda matrix, v: matrix.T @ v,
    lambda matrix, v: matrix @ v - matrix.T @ v,
]
"""What a square matrix does to a state."""


class Author:
    """Draws a cell: its parameters grow as its equations do."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.declared: dict[str, Parameter] = {}
        self.k = draw(st.integers(1, 3))
        sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
        self.widths = dict(zip("hcm", sizes, strict=False))

    def pick(self, options: list[Any]) -> Any:
        return options[self.draw(st.integers(0, len(options) - 1))]

    def declare(self, parameter: Parameter) -> str:
        name = f"p{len(self.declared)}"
        self.declared[name] = parameter
        return name

    def scalar(self) -> str:
        if "scalar" not in self.declared:
            self.declared["scalar"] = vector(1)
        return "scalar"

    def leaf(self, width: int) -> Formula:
        leaves: list[Formula] = [lambda x, s, p, n=n: getattr(s, n) for n, w in self.widths.items() if w == width]
        if width == self.k:
            leaves.append(lambda x, s, p: x)
        chosen = self.draw(st.integers(0, len(leaves) + 1))
        if chosen < len(leaves):
            return leaves[chosen]
        name = self.declare(vector(width)) if chosen == len(leaves) else self.scalar()
        state = self.product(width, 0)
        return lambda x, s, p: getattr(p, name) * state(x, s, p)

    def heads(self, rows: int, columns: int) -> int:
        """Blocks that a matrix on the past may be divided into."""
        return int(self.pick([n for n in range(1, 6) if rows % n == 0 and columns % n == 0]))

    def product(self, width: int, depth: int, gates: int = 1) -> Formula:
        kind = self.pick(["input", "state", "joined", "computed"] if depth else ["input", "state", "joined"])
        if kind == "input":
            name = self.declare(input_matrix(width, self.k))
            return lambda x, s, p: getattr(p, name) @ x
        state = self.pick(list(self.widths))
        if kind == "joined":
            name = self.declare(recurrent_matrix(width, self.k + self.widths[state]))
            if self.draw(st.booleans()):
                return lambda x, s, p: getattr(p, name) @ torch.cat([x, getattr(s, state)], -1)
            return lambda x, s, p: getattr(p, name) @ torch.cat([getattr(s, state), x], -1)
        columns = self.widths[state]
        matrix = recurrent_matrix(width // gates, columns, gates, self.heads(width // gates, columns))
        name = self.declare(matrix)
        operand = self.formula(self.widths[state], depth - 1) if kind == "computed" else None
        if operand is None:
            apply = self.pick(TURNED if matrix.shape == (columns, columns) and matrix.heads == 1 else TURNED[:1])
            return lambda x, s, p: apply(getattr(p, name), getattr(s, state))
        return lambda x, s, p: getattr(p, name) @ operand(x, s, p)

    def parts(self, width: int, depth: int) -> Formula:
        whole, cut = self.product(2 * width, depth, 2), self.draw(st.integers(0, 3))
        added = self.declare(bias(2 * width))
        joint = self.pick([lambda a, b: torch.sigmoid(a) * torch.tanh(b), torch.add, torch.maximum])
        more = self.product(width, 0)
        row = self.pick([lambda v: v, *ROWS[:2], ROWS[-2]])

        def both(x: Any, s: Any, p: Any) -> Any:
            rows = row(whole(x, s, p) + getattr(p, added))
            if cut == 0:
                a, b = rows.chunk(2, -1)
            elif cut == 1:
                a, b = torch.split(rows, [width, width], dim=-1)
            elif cut == 2:
                a, b = rows[..., :width], rows[:, width:]
            else:
                a, b = rows.narrow(-1, 0, width), rows.split(width, dim=-1)[1]
            return joint(a + more(x, s, p), b)

        return both

    def formula(self, width: int, depth: int) -> Formula:
        kind = self.pick(
            ["leaf", "product"] if depth <= 0 else ["product", "unary", "binary", "binary", "parts", "row"]
        )
        if kind == "leaf":
            return self.leaf(width)
        if kind == "product":
            return self.product(width, depth)
        if kind == "parts":
            return self.parts(width, depth - 1)
        first = self.formula(width, depth - 1)
        if kind == "row":
            row = self.pick(ROWS)
            return lambda x, s, p: row(first(x, s, p))
        if kind == "unary":
            unary = self.pick(UNARY)
            return lambda x, s, p: unary(first(x, s, p))
        binary, second = self.pick(BINARY), self.formula(width, depth - 1)
        return lambda x, s, p: binary(first(x, s, p), second(x, s, p))

    def steps(self) -> dict[str, Formula]:
        made: dict[str, Formula] = {}
        for name, width in self.widths.items():
            new = self.formula(width, 2)
            kind = self.draw(st.integers(0, 2))
            if kind == 0:
                made[name] = new
            elif kind == 1:
                gate = self.product(width, 0)
                made[name] = lambda x, s, p, n=name, g=gate, f=new: torch.lerp(
                    getattr(s, n), torch.tanh(f(x, s, p)), torch.sigmoid(g(x, s, p))
                )
            else:
                made[name] = lambda x, s, p, f=new: torch.tanh(f(x, s, p))
        return made


@st.composite
def drawn(
    draw: st.DrawFn, make: Callable[..., Cell], noisy: bool, shown: int = 0
) -> tuple[Cell, int, int, dict[str, Any]]:
    author = Author(draw)
    steps = author.steps()
    for number in range(shown):  # some of them depend on what the states do not
        steps[f"seen{number}"] = author.formula(draw(st.integers(1, 4)), number)
    if not author.declared:
        author.declare(bias(1))
    cell = make(
        author.declared,
        lambda x, s, p: {name: formula(x, s, p) for name, formula in steps.items()},
        author.widths,
        author.k,
    )
    batch, time = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    options: dict[str, Any] = {"reverse": draw(st.booleans())}
    if draw(st.booleans()):
        options["lengths"] = torch.tensor(draw(st.lists(st.integers(0, time), min_size=batch, max_size=batch)))
    marks = draw(st.sampled_from([(), (), ("resets",), ("mask",), ("resets", "mask")]))
    for name in marks:
        flags = draw(st.lists(st.booleans(), min_size=batch * time, max_size=batch * time))
        options[name] = torch.tensor(flags).view(batch, time)
    if "resets" in marks:
        options["resets_to"] = draw(st.sampled_from(["initial", "zero"]))
    if noisy:
        source = torch.Generator().manual_seed(draw(st.integers(0, 99)))

        def zeros_and_ones(*shape: int) -> Tensor:
            return (torch.rand(*shape, generator=source, dtype=torch.float64) < 0.6).double()

        keep: dict[str, Any] = {}
        for name, width in author.widths.items():
            kind = draw(st.integers(0, 2))
            if kind:
                keep[name] = zeros_and_ones(batch, time, width) if kind == 1 else 0.3
        options["noise"] = Noise(
            # a mask lies over a whole operand: joined ones are refused
            {
                name: zeros_and_ones(batch, p.features) * 2
                for name, p in author.declared.items()
                if p.role == "recurrent" and p.features in author.widths.values() and draw(st.booleans())
            },
            keep,
        )
    return cell, batch, time, options


@pytest.mark.parametrize("noisy", [False, True], ids=["plain", "noisy"])
def test_any_cell_agrees_with_the_reference(
    make: Callable[..., Cell],
    draw: Callable[..., Any],
    call: Callable[..., Any],
    agree: Callable[..., None],
    noisy: bool,
) -> None:
    served: list[bool] = []

    @EXAMPLES
    @given(drawn(make, noisy))
    def check(case: tuple[Cell, int, int, dict[str, Any]]) -> None:
        cell, batch, time, options = case
        values = draw(cell, batch, time)
        try:
            agree(cell, values, **options)
        except ValueError as refusal:
            assert "side by side" in str(refusal)  # noqa: PT017 – a mask over a joined operand
            served.append(False)
        else:
            served.append(True)

    check()
    assert sum(served) >= 0.7 * len(served)


def test_any_cell_agrees_in_single_precision(
    make: Callable[..., Cell], draw: Callable[..., Any], agree: Callable[..., None]
) -> None:
    @settings(EXAMPLES, max_examples=6)
    @given(drawn(make, False))
    def check(case: tuple[Cell, int, int, dict[str, Any]]) -> None:
        cell, batch, time, options = case
        agree(cell, draw(cell, batch, time, torch.float32), **options)

    check()


def test_any_cell_is_a_node_of_a_graph_with_the_engine_s_bits(
    make: Callable[..., Cell], draw: Callable[..., Any], run: Callable[..., Any], same: Callable[..., None]
) -> None:
    @settings(EXAMPLES, max_examples=6)
    @given(drawn(make, True))
    def check(case: tuple[Cell, int, int, dict[str, Any]]) -> None:
        cell, batch, time, options = case
        values = draw(cell, batch, time)
        masks = list(options["noise"].products)
        reason = operator.stops(cell, list(values.values()), masks)
        if reason:
            with pytest.raises(ValueError, match="side by side"):
                run(cell, values, "compiled", **options)
            return
        expected = run(cell, values, "compiled", **options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CompiledEngine, "run", lambda _, call: operator.run(call))
            same(run(cell, values, "compiled", **options), expected)

    check()


def test_any_cell_records_its_states_and_gates(
    make: Callable[..., Cell], draw: Callable[..., Any], run: Callable[..., Any], same: Callable[..., None]
) -> None:
    served: list[bool] = []

    @settings(EXAMPLES, max_examples=6)
    @given(drawn(make, True, shown=3))
    def check(case: tuple[Cell, int, int, dict[str, Any]]) -> None:
        cell, batch, time, options = case
        options.pop("mask", None)  # states of what a mask leaves out are the reference's alone
        values = draw(cell, batch, time)
        expected = run(cell, values, "reference", look=Record(), **options)
        try:
            got = run(cell, values, "compiled", look=Record(), **options)
        except ValueError as refusal:
            assert re.search("side by side|no single value", str(refusal))  # noqa: PT017 – a state itself is shown
            served.append(False)
        else:
            same({**expected, **got}, expected, rtol=1e-8, atol=1e-10)
            served.append(got.keys() == expected.keys())

    check()
    assert sum(served) >= 0.4 * len(served)


def test_any_cell_is_a_graph_of_onnx(make: Callable[..., Cell], draw: Callable[..., Any]) -> None:
    runtime = pytest.importorskip("onnxruntime")

    @settings(EXAMPLES, max_examples=6)
    @given(drawn(make, False))
    def check(case: tuple[Cell, int, int, dict[str, Any]]) -> None:
        cell, batch, time, options = case
        resets, lengths = options.get("resets"), options.get("lengths")
        layer = throughtime.Recurrent(lambda k, n: cell, cell.input_size, cell.hidden_size, dtype=torch.float64)
        layer.directed[0].reverse = options["reverse"]
        values = draw(cell, batch, time)
        layer.directed[0].load_state_dict({name: values[name] for name in cell.parameters()})
        given = {"inputs": values["inputs"], **{n: values[f"initial {n}"].unsqueeze(0) for n in cell.state}}
        given |= {name: options[name] for name in ("lengths", "resets") if name in options}
        with torch.no_grad():
            marks = {} if resets is None else {"resets": resets, "resets_to": "zero"}
            state = {name: given[name] for name in cell.state}
            outputs, final = layer.directed[0](
                given["inputs"], {name: value[0] for name, value in state.items()}, lengths, "reference", **marks
            )
        model = onnx(layer, lengths=lengths is not None, resets=resets is not None).SerializeToString()
        session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
        found = session.run(None, {name: value.numpy() for name, value in given.items()})
        for got, right in zip(found, [outputs, *(final[name].unsqueeze(0) for name in cell.state)], strict=True):
            # erf is computed in 32 bits there
            torch.testing.assert_close(torch.from_numpy(got), right, rtol=1e-5, atol=1e-5)

    check()
