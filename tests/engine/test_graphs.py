"""The engine of CUDA graphs: on a GPU as it is; elsewhere with a recorder that has one memory for all its calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import hessian

from familiar import FAMILIAR
from throughtime.cells import CELLS, Cell, RNNCell
from throughtime.engine import BY_NAME, EngineError, Look, Noise, unroll
from throughtime.engine.graphs import GraphsEngine

ON_GPU = torch.cuda.is_available()
TIGHT = {"rtol": 1e-9, "atol": 1e-11}


class Recorder:
    """Stands in for ``torch.cuda.make_graphed_callables``: inputs, results, tape and gradients have one place each."""

    def __init__(self) -> None:
        self.recorded = 0
        self.walks = 0

    def __call__(self, function: Callable[..., Any], sample_args: tuple[Tensor, ...], allow_unused_input: bool) -> Any:
        assert allow_unused_input
        self.recorded += 1
        own, tape = sample_args, []
        places = [value.detach().clone() for value in function(*own)]
        trained = [value for value in own if value.requires_grad]
        gradients = [torch.zeros_like(value) for value in trained]
        recorder = self

        class Graphed(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
                for place, value in zip(own, inputs, strict=True):
                    place.data.copy_(value)
                recorder.walks += 1
                with torch.set_grad_enabled(bool(trained)):
                    tape[:] = [function(*own)]
                for place, value in zip(places, tape[0], strict=True):
                    place.copy_(value.detach())
                return tuple(place.detach() for place in places)

            @staticmethod
            def backward(ctx: Any, *incoming: Tensor) -> tuple[Tensor | None, ...]:
                results = tape.pop()  # a tape that was read is gone
                pairs = [(r, g) for r, g in zip(results, incoming, strict=True) if r.requires_grad]
                ends, begun = zip(*pairs, strict=True)
                found = torch.autograd.grad(ends, trained, begun, allow_unused=True)
                for place, value in zip(gradients, found, strict=True):
                    place.copy_(torch.zeros_like(place) if value is None else value)
                left = iter(zip(gradients, found, strict=True))
                made = [next(left) if value.requires_grad else (None, None) for value in own]
                return tuple(None if value is None else place.detach() for place, value in made)

        return Graphed.apply


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """The engine of the tests, by its name: this machine's CPU stands in for a GPU."""
    recorder = Recorder()
    engine = GraphsEngine()
    engine.device, engine.record = "cpu", recorder  # type: ignore[method-assign]
    monkeypatch.setattr("throughtime.engine.BY_NAME", (engine,))
    return recorder


def noise_for(cell: Cell, batch: int, time: int) -> Noise:
    source = torch.Generator().manual_seed(3)
    shapes = {n: p.shape[1] for n, p in cell.parameters().items() if p.role == "recurrent"}
    masks = {n: torch.rand(batch, k, generator=source, dtype=torch.float64).round() * 1.5 for n, k in shapes.items()}
    first, *others = cell.widths().items()
    drawn = torch.rand(batch, time, first[1], generator=source, dtype=torch.float64).round()
    return Noise(masks, {first[0]: drawn, **{name: 0.25 for name, _ in others}})


@pytest.mark.parametrize("noisy", [False, True], ids=["plain", "noisy"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", FAMILIAR)
def test_a_replay_gives_the_references_results(
    name: str,
    reverse: bool,
    noisy: bool,
    recorder: Recorder,
    draw: Callable[..., Any],
    run: Callable[..., Any],
    same: Callable[..., None],
) -> None:
    cell = CELLS[name](2, 3)
    options = {"reverse": reverse, "noise": noise_for(cell, 4, 5) if noisy else None}
    for seed in range(2):
        values = draw(cell, 4, 5, seed=seed)
        same(run(cell, values, "graphs", **options), run(cell, values, "reference", **options))
    assert recorder.recorded == 1


def test_every_shape_type_and_use_is_recorded_once(recorder: Recorder, draw: Callable[..., Any]) -> None:
    def go(batch: int, time: int, dtype: torch.dtype, cell: Cell) -> Tensor:
        values = draw(cell, batch, time, dtype)
        parameters = {n: values[n] for n in cell.parameters()}
        return unroll(cell, parameters, values["inputs"], engine="graphs")[0]

    cases = [(2, 3, torch.float32, 4), (3, 3, torch.float32, 4), (2, 4, torch.float32, 4), (2, 3, torch.float64, 4)]
    for count, (batch, time, dtype, units) in enumerate(cases, 1):
        first, second = (go(batch, time, dtype, RNNCell(2, units)) for _ in range(2))
        assert torch.equal(first, second)
        assert not first.requires_grad
        assert recorder.recorded == count
    go(2, 3, torch.float32, RNNCell(2, 4, nonlinearity="relu"))
    assert recorder.recorded == len(cases) + 1


def test_calls_between_a_forward_and_its_backward_pass(recorder: Recorder, draw: Callable[..., Any]) -> None:
    """Two layers of one shape share a graph, and backward runs twice: what was written over is computed again."""
    cell = CELLS["lstm"](3, 3)
    first, second = ({n: v.requires_grad_() for n, v in draw(cell, 4, 5, seed=seed).items()} for seed in (0, 1))
    leaves = [*first.values(), *second.values()]

    def gradients(engine: str) -> list[list[Tensor]]:
        outputs = first["inputs"]
        for values in (first, second):
            outputs, _ = unroll(
                cell,
                {n: values[n] for n in cell.parameters()},
                outputs,
                state={"h": values["initial h"], "c": values["initial c"]},
                engine=engine,
            )
        loss = outputs.square().sum()
        kept = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True, materialize_grads=True)
        again = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        return [list(kept), list(again)]

    torch.testing.assert_close(gradients("graphs"), gradients("reference"), rtol=0, atol=0)
    assert recorder.recorded == 1
    assert recorder.walks == 2 + 1 + 2  # once a layer; the first layer's again; both again


def test_outputs_outlive_the_next_call(recorder: Recorder, draw: Callable[..., Any]) -> None:
    cell = RNNCell(2, 3)
    values = draw(cell, 2, 3)
    parameters = {n: values[n] for n in cell.parameters()}
    outputs, final = unroll(cell, parameters, values["inputs"], engine="graphs")
    before = outputs.clone(), final["h"].clone()
    unroll(cell, parameters, values["inputs"] + 1, engine="graphs")
    assert torch.equal(outputs, before[0])
    assert torch.equal(final["h"], before[1])


def test_gradients_of_gradients_and_many_at_once(recorder: Recorder, draw: Callable[..., Any]) -> None:
    cell = RNNCell(2, 2)
    values = draw(cell, 1, 3)
    parameters = {n: values[n] for n in cell.parameters()}

    def second(engine: str, vectorize: bool) -> Any:
        def loss(x: Tensor) -> Tensor:
            return unroll(cell, parameters, x, engine=engine)[0].square().sum()

        return hessian(loss, values["inputs"], vectorize=vectorize)

    for vectorize in (False, True):
        torch.testing.assert_close(second("graphs", vectorize), second("reference", vectorize), **TIGHT)


def test_what_depends_on_nothing_has_no_gradient(
    recorder: Recorder, make: Callable[..., Cell], draw: Callable[..., Any], run: Callable[..., Any], same: Any
) -> None:
    cell = make(RNNCell(2, 3).parameters(), lambda x, s, p: {"h": torch.zeros_like(s.h)}, {"h": 3})
    values = draw(cell, 2, 3)
    same(run(cell, values, "graphs"), run(cell, values, "reference"))


def test_batches_without_rows_or_steps(recorder: Recorder, draw: Callable[..., Any], run: Any, same: Any) -> None:
    cell = RNNCell(2, 3)
    for batch, time in ((0, 3), (2, 0)):
        values = draw(cell, batch, time)
        same(run(cell, values, "graphs"), run(cell, values, "reference"))
    assert recorder.recorded == 0


def test_what_cannot_be_recorded_is_told(monkeypatch: pytest.MonkeyPatch, draw: Callable[..., Any]) -> None:
    def record(*args: Any, **options: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    engine = GraphsEngine()
    engine.device, engine.record = "cpu", record  # type: ignore[method-assign]
    monkeypatch.setattr("throughtime.engine.BY_NAME", (engine,))
    cell = RNNCell(2, 3)
    values = draw(cell, 2, 3)
    line = "engine 'graphs' cannot record RNNCell: operation not permitted when stream is capturing; pass engine"
    with pytest.raises(EngineError, match=re.escape(line)):
        unroll(cell, {n: values[n] for n in cell.parameters()}, values["inputs"], engine="graphs")


def refusal(**options: Any) -> str:
    cell = RNNCell(2, 3)
    parameters = {n: torch.zeros(p.shape) for n, p in cell.parameters().items()}
    with pytest.raises(EngineError) as refused:
        unroll(cell, parameters, torch.zeros(2, 3, 2), engine="graphs", **options)
    return str(refused.value)


def test_the_cpu_is_refused_in_a_line() -> None:
    assert refusal() == (
        "engine 'graphs' cannot serve this call: CUDA graphs run on a GPU, and the call's tensors are on cpu; "
        'pass engine="auto"'
    )


def test_what_a_graph_cannot_hold_is_refused(recorder: Recorder) -> None:
    assert "does not show its steps" in refusal(look=Look())
    assert "the rows end at different steps" in refusal(lengths=[3, 1])
    with torch.autocast("cpu"):
        assert "one type of numbers, and autocast is on" in refusal()


def test_auto_never_takes_it(recorder: Recorder, draw: Callable[..., Any], run: Callable[..., Any]) -> None:
    for cell in (RNNCell(2, 3), CELLS["lstm-layernorm"](2, 3)):
        run(cell, draw(cell, 2, 3), "auto")
    assert recorder.recorded == 0


@pytest.mark.skipif(not ON_GPU, reason="needs a GPU: torch.cuda.is_available() is false")
@pytest.mark.parametrize("name", FAMILIAR)
def test_a_gpu_gives_the_references_results(name: str, draw: Callable[..., Any], run: Any, same: Any) -> None:
    cell = CELLS[name](7, 12)
    assert [engine.name for engine in BY_NAME] == ["graphs"]
    for seed in range(3):
        values = {n: value.cuda() for n, value in draw(cell, 4, 6, seed=seed).items()}
        same(run(cell, values, "graphs"), run(cell, values, "reference"), **TIGHT)
