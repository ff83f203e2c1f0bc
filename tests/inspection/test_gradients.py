"""Gradients through time against brute force: a loop written out by hand, and every derivative taken by itself."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime.data import TokenBatch
from throughtime.engine import bind
from throughtime.inspection import (
    Curve,
    effective_memory,
    gradients_through_time,
    half_lives,
    jacobian,
    record,
    saturation,
    singular_values,
)
from throughtime.inspection.figures import draw_gradients
from throughtime.inspection.history import History
from throughtime.inspection.verdict import judge
from throughtime.layers import Directed, Recurrent
from throughtime.models import ClassBatch, Classifier, LanguageModel, LanguageModelConfig, Model

TEXTS = [[3, 1, 4, 1, 5], [2, 6], [5]]
BATCH = TokenBatch.of(TEXTS)


def language_model(cell: str, layers: int = 2, **options: Any) -> LanguageModel:
    torch.manual_seed(1)
    config = LanguageModelConfig(vocabulary=7, embedding=3, hidden=4, layers=layers, cell=cell, **options)
    return LanguageModel(config).double()


def walk(directed: Directed, inputs: Tensor, cut: int, moved: dict[str, Tensor]) -> list[Tensor]:
    """The outputs of one sequence ``[T, k]``, where the states after step ``cut`` are taken for what is given."""
    cell = directed.cell
    parameters = bind(cell, directed.values())
    state = {name: inputs.new_zeros(1, width) for name, width in cell.widths().items()}
    outputs = []
    order = reversed(range(len(inputs))) if directed.reverse else range(len(inputs))
    for t in order:
        state = dict(cell.step(inputs[t : t + 1], SimpleNamespace(**state), parameters))
        state = {name: state[name] for name in cell.state}
        if t == cut:
            state = dict(moved)
        outputs.append(state[cell.state[0]][0])
    return outputs[::-1] if directed.reverse else outputs


def states_after(directed: Directed, inputs: Tensor, step: int) -> dict[str, Tensor]:
    """The states after a step, as leaves."""
    cell = directed.cell
    state = {name: inputs.new_zeros(1, width) for name, width in cell.widths().items()}
    order = reversed(range(step, len(inputs))) if directed.reverse else range(step + 1)
    for t in order:
        state = dict(cell.step(inputs[t : t + 1], SimpleNamespace(**state), bind(cell, directed.values())))
    return {name: state[name].detach().requires_grad_() for name in cell.state}


@pytest.mark.parametrize("cell", FAMILIAR)
def test_gradients_equal_brute_force(cell: str) -> None:
    """Of both layers, every sequence, every loss t and every step s."""
    model = language_model(cell)
    recording = record(model, BATCH)
    flows = gradients_through_time(recording)
    assert [flow.cell.name for flow in flows] == ["layer 1", "layer 2"]
    torch.testing.assert_close(recording.losses, -model.eval().log_probs(BATCH)[0])
    first, second = model.stack.directed
    for row, text in enumerate(TEXTS):
        inputs = recording.cells[0].inputs[row, : len(text)]
        for s in range(len(text)):
            for depth, directed in enumerate((first, second)):
                below = inputs if depth == 0 else torch.stack(walk(first, inputs, -1, {}))
                moved = states_after(directed, below, s)
                outputs = walk(directed, below, s, moved)
                if depth == 0:
                    outputs = walk(second, torch.stack(outputs), -1, {})
                for t in range(len(text)):
                    loss = -model.log_softmax(outputs[t].unsqueeze(0))[0, text[t]]
                    found = torch.autograd.grad(loss, list(moved.values()), retain_graph=True, allow_unused=True)
                    norms = [0.0 if g is None else float(g.norm()) for g in found]
                    for name, norm in zip(moved, norms, strict=True):
                        assert float(flows[depth].norms[name][t, row, s]) == pytest.approx(norm, rel=1e-5, abs=1e-12)
                    together = math.hypot(*norms)
                    assert float(flows[depth].norms[""][t, row, s]) == pytest.approx(together, rel=1e-5, abs=1e-12)


def test_gradients_of_a_class_in_both_directions() -> None:
    torch.manual_seed(2)
    stack = Recurrent("lstm", 3, 4, bidirectional=True).double()
    features = torch.randn(2, 5, 3, dtype=torch.double)
    lengths = torch.tensor([5, 3])
    model = Classifier(lambda steps: features, stack, 3, pooling="last").double()
    batch = ClassBatch(SimpleNamespace(lengths=lengths, tokens=8), torch.tensor([2, 0]))  # type: ignore[arg-type]
    forward, backward = gradients_through_time(record(model, batch))
    assert (forward.cell.name, backward.cell.name) == ("layer 1, forward", "layer 1, backward")
    for row, length in enumerate((5, 3)):
        inputs = features[row, :length]
        for flow, other in ((forward, backward), (backward, forward)):
            directed, reverse = flow.cell.directed, flow.cell.directed.reverse
            for s in range(length):
                moved = states_after(directed, inputs, s)
                ends = [walk(directed, inputs, s, moved), walk(other.cell.directed, inputs, -1, {})]
                mine, its = (ends[0][0], ends[1][-1]) if reverse else (ends[0][-1], ends[1][0])
                pooled = torch.cat([its, mine] if reverse else [mine, its])
                loss = -model.softmax(pooled).log_softmax(0)[batch.classes[row]]
                found = torch.autograd.grad(loss, list(moved.values()), allow_unused=True)
                norm = math.hypot(*(0.0 if g is None else float(g.norm()) for g in found))
                assert float(flow.norms[""][0, row, s]) == pytest.approx(norm, rel=1e-5)
    # The distance is counted from where a direction ends; the mean is over the rows that are as long.
    norms = forward.norms[""][0]
    expected = [float(norms[0, 4] + norms[1, 2]) / 2, float(norms[0, 3] + norms[1, 1]) / 2]
    assert forward.by_distance().norms[:2].tolist() == pytest.approx(expected)
    assert forward.by_distance().counts.tolist() == [2, 2, 2, 1, 1]
    norms = backward.norms[""][0]
    assert backward.by_distance().norms[4].item() == pytest.approx(float(norms[0, 4]))


def test_distances_of_aligned_losses() -> None:
    flow = gradients_through_time(record(language_model("gru"), BATCH))[0]
    curve = flow.by_distance()
    assert curve.counts.tolist() == [5 + 2 + 1, 4 + 1, 3, 2, 1]
    by_hand = [flow.norms[""][t, row, t - 1] for row, t in ((0, 1), (0, 2), (0, 3), (0, 4), (1, 1))]
    assert curve.norms[1].item() == pytest.approx(float(torch.stack(by_hand).mean()))


def test_a_curve_is_computed_once_for_all_who_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = gradients_through_time(record(language_model("lstm"), BATCH))[0]
    counted: list[int] = []
    bincount = torch.bincount
    monkeypatch.setattr(torch, "bincount", lambda *args, **named: counted.append(1) or bincount(*args, **named))
    judge([flow], [[]], {}, History(), "lstm")
    draw_gradients([flow])
    assert len(counted) == 2  # numbers of pairs, and sums
    assert flow.by_distance() is flow.by_distance()
    assert flow.by_distance("c") is not flow.by_distance()
    assert not torch.equal(flow.by_distance("c").norms, flow.by_distance("h").norms)


def test_few_losses_of_many() -> None:
    recording = record(language_model("gru"), BATCH)
    whole, few = gradients_through_time(recording), gradients_through_time(recording, targets=2)
    assert few[0].targets.tolist() == [0, 4]
    torch.testing.assert_close(few[1].norms[""], whole[1].norms[""][[0, 4]])


def test_a_linear_network_decays_as_its_matrix_says() -> None:
    """relu that is never below zero, recurrent weights 0.5 I: the gradient halves at every step."""
    model = language_model("rnn", layers=1, options={"nonlinearity": "relu"})
    directed = model.stack.directed[0]
    with torch.no_grad():
        directed.W_h.copy_(0.5 * torch.eye(4))
        directed.b.fill_(100.0)
    recording = record(model, TokenBatch.of([[1] * 12]))
    (half_life,) = half_lives(gradients_through_time(recording)).values()
    assert half_life == pytest.approx(1.0, rel=1e-2)
    at, values = singular_values(recording.cells[0])
    torch.testing.assert_close(values, torch.full((len(at), 3), 0.5, dtype=torch.double))


def test_a_curve_that_rises_has_no_half_life() -> None:
    curve = Curve(2.0 ** torch.arange(6).double(), torch.ones(6))
    assert curve.decay().factor == pytest.approx(2.0)
    assert curve.decay().half_life == math.inf
    assert math.isnan(Curve(torch.ones(1), torch.ones(1)).decay().half_life)
    # What rounding has eaten is no part of the line.
    curve = Curve(torch.tensor([1.0, 0.1, 0.01, 0.0, 0.0]), torch.ones(5))
    assert curve.decay().factor == pytest.approx(0.1)


@pytest.mark.parametrize("cell", FAMILIAR)
@pytest.mark.parametrize("reverse", [False, True])
def test_the_jacobian_equals_differences(cell: str, reverse: bool) -> None:
    torch.manual_seed(3)
    stack = Recurrent(cell, 3, 4, bidirectional=True, zoneout=0.3).double()
    features, lengths = torch.randn(2, 6, 3, dtype=torch.double), torch.tensor([6, 5])
    model = Classifier(lambda steps: features, stack, 2).double()
    batch = ClassBatch(SimpleNamespace(lengths=lengths, tokens=11), torch.tensor([0, 1]))  # type: ignore[arg-type]
    watched = record(model, batch).cells[int(reverse)]
    found = jacobian(watched, row=1, t=2)
    before, x = (3, 2) if reverse else (1, 2)
    old = torch.cat([watched.values(name)[1, before] for name in watched.states])

    def step(joined: Tensor) -> Tensor:
        one = watched.directed
        sizes = list(one.cell.widths().values())
        state = {n: part.view(1, -1) for n, part in zip(one.cell.state, joined.split(sizes), strict=True)}
        new = one.cell.step(features[1, x : x + 1], SimpleNamespace(**state), bind(one.cell, one.values()))
        return torch.cat([(0.3 * state[n] + 0.7 * new[n])[0] for n in one.cell.state]).detach()

    for column in range(len(old)):
        e = torch.zeros_like(old)
        e[column] = 1e-6
        torch.testing.assert_close(found[:, column], (step(old + e) - step(old - e)) / 2e-6, atol=1e-7, rtol=1e-5)


def test_looking_changes_nothing() -> None:
    model = language_model("lstm")
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    record(model, BATCH)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(directed._forward_pre_hooks for directed in model.stack.directed)
    with pytest.raises(ValueError, match="expected a model with a recurrent layer"):
        record(Model(), BATCH)


def test_gates_are_those_of_the_equations() -> None:
    model = language_model("lstm", layers=1)
    watched = record(model, BATCH).cells[0]
    assert watched.names == ["h", "c", "i", "f", "g", "o"]
    directed = model.stack.directed[0]
    state = {name: torch.zeros(1, 4, dtype=torch.double) for name in ("h", "c")}
    for t in range(5):
        state = dict(
            directed.cell.step(watched.inputs[:1, t], SimpleNamespace(**state), bind(directed.cell, directed.values()))
        )
        for name in watched.names:
            torch.testing.assert_close(watched.values(name)[0, t], state[name][0].detach())
    assert not watched.values("f")[1, 2:].any()
    with torch.no_grad():
        directed.b[4:8] = 50.0  # the forget gate never shuts
        directed.b[:4] = -50.0
    found = {s.name: s for s in saturation(record(model, BATCH).cells[0])}
    assert (found["f"].high, found["f"].low, found["i"].low) == (1.0, 0.0, 1.0)
    assert found["f"].mean == pytest.approx(1.0)


def test_memory_reaches_as_far_as_the_network_does() -> None:
    """A delay line of three steps: the output is the input of three steps ago, and nothing else."""
    layer = Recurrent("rnn", 1, 4, nonlinearity="relu").double().eval()
    directed = layer.directed[0]
    with torch.no_grad():
        directed.W_x.copy_(torch.tensor([[1.0], [0], [0], [0]]))
        directed.W_h.copy_(torch.diag(torch.ones(3), -1))
    inputs = torch.rand(5, 20, 1, dtype=torch.double)
    memory = effective_memory(layer, inputs, torch.tensor([20, 18, 20, 15, 20]))
    assert memory.distances.tolist() == list(range(15))
    assert (memory.moved[:4] > 0.2).all()
    assert not memory.moved[4:].any()
    assert (memory.length, memory.whole) == (3, False)
    with pytest.raises(ValueError, match="at least one step"):
        effective_memory(layer, inputs, torch.tensor([20, 0, 20, 15, 20]))


def test_where_a_loss_reads_all_steps_the_last_layers_outputs_stand_for_it() -> None:
    torch.manual_seed(4)
    stack = Recurrent("gru", 3, 4, num_layers=2, bidirectional=True).double()
    features, lengths = torch.randn(2, 5, 3, dtype=torch.double), torch.tensor([5, 3])
    model = Classifier(lambda steps: features, stack, 3, pooling="max").double()
    batch = ClassBatch(SimpleNamespace(lengths=lengths, tokens=8), torch.tensor([2, 0]))  # type: ignore[arg-type]
    recording = record(model, batch)
    assert recording.of_outputs
    assert recording.aligned == "stack"
    outputs = stack(features, lengths=lengths)[0].detach()
    losses = recording.losses.detach()
    direction = torch.linalg.lstsq(outputs.flatten(0, 1), losses.flatten().unsqueeze(1)).solution[:, 0]
    assert float(direction.norm()) == pytest.approx(1.0)  # one direction explains every step of every sequence
    torch.testing.assert_close(outputs @ direction, losses)
    flows = gradients_through_time(recording)
    assert [flow.aligned for flow in flows] == [True] * 4
    # The last layer's forward states at step s move the outputs from there on, its backward ones those before.
    assert not flows[2].norms[""][:2, :, 2:].any()
    assert not flows[3].norms[""][3:, :, :3].any()
    last = Classifier(lambda steps: features, stack, 3, pooling="last").double()
    assert not record(last, batch).of_outputs
