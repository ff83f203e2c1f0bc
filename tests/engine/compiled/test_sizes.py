"""Odd sizes, odd layouts, partial gradients: the compiled engine against the reference, and the same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime.cells import CELLS
from throughtime.engine import Noise, unroll
from throughtime.engine.call import Call
from throughtime.engine.compiled.loop import use_of
from throughtime.layers import Recurrent

NAMES = ("gru-full", "lstm-peephole", "lstm-projected")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("hidden", [1, 3, 17, 31, 33, 100])
@pytest.mark.parametrize("name", ["gru-full", "lstm-peephole"])
def test_any_number_of_units(name: str, hidden: int, dtype: torch.dtype, draw: Any, agree: Any) -> None:
    cell = CELLS[name](hidden % 5 + 1, hidden)
    agree(cell, draw(cell, 3, 3, dtype))
    agree(cell, draw(cell, 4, 3, dtype), lengths=torch.tensor([2, 0, 3, 1]), reverse=True)


@pytest.mark.parametrize("batch", [1, 2, 7, 9, 15, 29])
@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_rows(name: str, batch: int, draw: Any, agree: Any) -> None:
    cell = CELLS[name](3, 5)
    agree(cell, draw(cell, batch, 3))
    agree(cell, draw(cell, batch, 4), lengths=torch.arange(batch) % 5)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("time", [0, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_steps(name: str, time: int, reverse: bool, draw: Any, agree: Any) -> None:
    cell = CELLS[name](3, 5)
    agree(cell, draw(cell, 4, time), reverse=reverse)
    agree(cell, draw(cell, 4, time), lengths=torch.tensor([0, time, 0, max(time - 1, 0)]), reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_all_rows_empty(reverse: bool, draw: Any, agree: Any, run: Any) -> None:
    cell = CELLS["lstm"](3, 5)
    values = draw(cell, 3, 4)
    agree(cell, values, lengths=torch.zeros(3, dtype=torch.int64), reverse=reverse)
    got = run(cell, values, "compiled", lengths=torch.zeros(3, dtype=torch.int64), reverse=reverse)
    assert torch.equal(got["final c"], values["initial c"])
    assert not got["gradient of W_h"].any()


def test_a_batch_of_no_rows(draw: Any, agree: Any) -> None:
    cell = CELLS["gru-full"](3, 5)
    agree(cell, draw(cell, 0, 4))


def layouts(value: Tensor) -> dict[str, Tensor]:
    """The same numbers, laid out otherwise."""
    turned = value.transpose(0, -1).contiguous().transpose(0, -1)
    wide = torch.full((*value.shape[:-1], 2 * value.shape[-1] + 1), torch.nan, dtype=value.dtype)
    wide[..., 1::2] = value
    padded = torch.full((value.shape[0] + 2, *value.shape[1:]), torch.nan, dtype=value.dtype)
    padded[1:-1] = value
    return {"turned": turned, "strided": wide[..., 1::2], "inside": padded[1:-1]}


@pytest.mark.parametrize("lengths", [None, [3, 0, 4]], ids=["whole", "ragged"])
@pytest.mark.parametrize("layout", ["turned", "strided", "inside"])
@pytest.mark.parametrize("name", ["gru-full", "lstm-peephole"])
def test_any_memory_layout_gives_the_same_bits(
    name: str, layout: str, lengths: list[int] | None, draw: Any, call: Any, same: Any
) -> None:
    cell = CELLS[name](3, 5)
    values = draw(cell, 3, 4)
    given = None if lengths is None else torch.tensor(lengths)

    def results(own: dict[str, Tensor]) -> dict[str, Tensor]:
        leaves = {n: v.requires_grad_() for n, v in own.items()}
        outputs, final = call(cell, leaves, "compiled", lengths=given)
        loss = outputs.square().sum() + sum(v.sum() for v in final.values())
        grads = torch.autograd.grad(loss, list(leaves.values()))
        return {"outputs": outputs, **final, **{f"d {n}": g for n, g in zip(leaves, grads, strict=True)}}

    expected = results({n: v.clone() for n, v in values.items()})
    same(results({n: layouts(v)[layout] if v.dim() else v for n, v in values.items()}), expected)


def test_expanded_values(draw: Any, call: Any, same: Any) -> None:
    cell = CELLS["lstm-peephole"](3, 5)
    values = draw(cell, 4, 3)
    values["inputs"] = values["inputs"][:1].expand(4, 3, 3)
    values["initial h"] = values["initial h"][:, :1].expand(4, 5)
    values["initial c"] = torch.zeros(1, 1, dtype=torch.float64).expand(4, 5)
    values["b"] = values["b"][:1].expand_as(values["b"])
    values["W_h"] = values["W_h"][:, :1].expand_as(values["W_h"])
    expected, final = call(cell, values, "reference")
    got, own = call(cell, values, "compiled")
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(own, final)
    same({"outputs": call(cell, {n: v.clone() for n, v in values.items()}, "compiled")[0]}, {"outputs": got})


@pytest.mark.parametrize("wanted", [["inputs"], ["W_h"], ["b", "w_f"], ["initial c"], ["initial h", "W_x"]])
def test_only_some_gradients(wanted: list[str], draw: Any, call: Any, run: Any, same: Any) -> None:
    cell = CELLS["lstm-peephole"](3, 5)
    values = draw(cell, 4, 3)
    wanted = [n for n in wanted if n in values]
    leaves = {n: v.clone().requires_grad_(n in wanted) for n, v in values.items()}

    def slopes(engine: str) -> dict[str, Tensor]:
        outputs, final = call(cell, leaves, engine, lengths=torch.tensor([1, 0, 3, 2]))
        loss = outputs.square().sum() + final["c"].sum()
        return dict(zip(wanted, torch.autograd.grad(loss, [leaves[n] for n in wanted]), strict=True))

    same(slopes("compiled"), slopes("reference"), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("used", ["outputs", "final h", "final c", "one step", "one row"])
def test_a_loss_of_some_results(used: str, draw: Any, call: Any, same: Any) -> None:
    cell = CELLS["lstm-peephole"](3, 5)
    values = draw(cell, 4, 3)

    def slopes(engine: str) -> dict[str, Tensor]:
        leaves = {n: v.clone().requires_grad_() for n, v in values.items()}
        outputs, final = call(cell, leaves, engine)
        picked = {
            "outputs": outputs,
            "final h": final["h"],
            "final c": final["c"],
            "one step": outputs[:, 1],
            "one row": outputs[2],
        }[used]
        grads = torch.autograd.grad(picked.square().sum(), list(leaves.values()))
        return dict(zip(leaves, grads, strict=True))

    same(slopes("compiled"), slopes("reference"), rtol=1e-9, atol=1e-11)


def test_the_order_of_the_states_does_not_matter(draw: Any, call: Any, same: Any) -> None:
    cell = CELLS["lstm"](3, 5)
    values = draw(cell, 4, 3)
    parameters = {n: values[n] for n in cell.parameters()}
    turned_parameters = dict(reversed(parameters.items()))
    state = {"h": values["initial h"].requires_grad_(), "c": values["initial c"].requires_grad_()}
    results = []
    for own, given in ((state, parameters), (dict(reversed(state.items())), turned_parameters)):
        outputs, final = unroll(cell, given, values["inputs"], state=own, engine="compiled")
        assert list(final) == ["h", "c"]
        grads = torch.autograd.grad(outputs.sum() + final["c"].square().sum(), [state["h"], state["c"]])
        results.append({"outputs": outputs, **final, "d h": grads[0], "d c": grads[1]})
    same(results[1], results[0])


# The retained graph: the tape is written over by the first backward run, and made again for the second.


@pytest.mark.parametrize("lengths", [None, [2, 0, 3]], ids=["whole", "ragged"])
@pytest.mark.parametrize("name", ["rnn", "gru-full", "lstm-peephole", "lstm-coupled"])
def test_backward_twice(name: str, lengths: list[int] | None, draw: Any, call: Any) -> None:
    cell = CELLS[name](3, 5)
    leaves = {n: v.requires_grad_() for n, v in draw(cell, 3, 3).items()}
    noise = Noise({"W_h": (torch.rand(3, 5, dtype=torch.float64) < 0.5).double()}, {"h": 0.25})
    given = None if lengths is None else torch.tensor(lengths)
    outputs, final = call(cell, leaves, "compiled", lengths=given, noise=noise)
    loss = outputs.square().sum() + sum(v.sum() for v in final.values())
    loss.backward(retain_graph=True)
    once = {n: v.grad.clone() for n, v in leaves.items() if v.grad is not None}
    assert len(once) == len(leaves)
    loss.backward(retain_graph=True)
    assert all(torch.equal(leaves[n].grad, 2 * first) for n, first in once.items())
    # another loss of the same graph
    third = torch.autograd.grad(outputs.sum(), leaves["inputs"])[0]
    again, _ = call(cell, leaves, "compiled", lengths=given, noise=noise)
    assert torch.equal(third, torch.autograd.grad(again.sum(), leaves["inputs"])[0])


def test_a_graph_that_is_not_retained_says_so(draw: Any, call: Any) -> None:
    cell = CELLS["lstm"](3, 5)
    leaves = {n: v.requires_grad_() for n, v in draw(cell, 3, 3).items()}
    outputs, _ = call(cell, leaves, "compiled")
    outputs.sum().backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        outputs.sum().backward()


@pytest.mark.parametrize("name", ["W_h", "b", "inputs", "initial h"])
def test_a_value_changed_before_backward_is_noticed(name: str, draw: Any, call: Any) -> None:
    cell = CELLS["lstm"](3, 5)
    leaves = {n: v.requires_grad_() for n, v in draw(cell, 3, 3).items()}
    outputs, _ = call(cell, leaves, "compiled")
    with torch.no_grad():
        leaves[name].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs.sum().backward()


# Noise inside the loop, as a layer draws it.


@pytest.mark.parametrize("training", [True, False], ids=["training", "in use"])
@pytest.mark.parametrize("options", [{"recurrent_dropout": 0.4}, {"zoneout": 0.3}, {"weight_drop": 0.5}], ids=str)
@pytest.mark.parametrize("name", ["gru-full", "lstm", "lstm-projected"])
def test_a_layers_regularisers(name: str, options: dict[str, float], training: bool) -> None:
    results = []
    for engine in ("reference", "compiled"):
        torch.manual_seed(3)
        layer = Recurrent(name, 3, 5, 2, bidirectional=True, engine=engine, **options).double().train(training)
        x = torch.randn(4, 6, 3, dtype=torch.float64, requires_grad=True)
        outputs, state = layer(x, lengths=torch.tensor([6, 2, 0, 5]))
        (outputs.square().sum() + sum(v.sum() for v in state.values())).backward()
        results.append([outputs, *state.values(), x.grad, *(p.grad for p in layer.parameters())])
    for got, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


# The same bits, whoever else computes.


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_a_row_does_not_depend_on_its_neighbours(name: str, dtype: torch.dtype, draw: Any, call: Any) -> None:
    cell = CELLS[name](5, 37)
    values = draw(cell, 34, 5, dtype)
    per_row = {"inputs", *(f"initial {n}" for n in cell.state)}

    def some(rows: Tensor, steps: int = 5) -> dict[str, Tensor]:
        chosen = {n: v[rows] if n in per_row else v for n, v in values.items()}
        return {**chosen, "inputs": chosen["inputs"][:, :steps]}

    alone, state = call(cell, some(torch.tensor([0])), "compiled")
    for others in (1, 8, 15, 33):
        for place in (0, others):
            rows = torch.arange(1, others + 1).tolist()
            rows.insert(place, 0)
            outputs, final = call(cell, some(torch.tensor(rows)), "compiled")
            assert torch.equal(outputs[place], alone[0])
            assert all(torch.equal(final[n][place], state[n][0]) for n in cell.state)
            lengths = (torch.arange(others + 1) * 7) % 6
            lengths[place] = 5
            for reverse in (False, True):
                one, last = call(cell, some(torch.tensor([0])), "compiled", reverse=reverse)
                outputs, final = call(cell, some(torch.tensor(rows)), "compiled", lengths=lengths, reverse=reverse)
                assert torch.equal(outputs[place], one[0])
                assert all(torch.equal(final[n][place], last[n][0]) for n in cell.state)
    short, state = call(cell, some(torch.tensor([0]), 3), "compiled")
    outputs, final = call(cell, some(torch.arange(3)), "compiled", lengths=torch.tensor([3, 5, 1]))
    assert torch.equal(outputs[0, :3], short[0])
    assert all(torch.equal(final[n][0], state[n][0]) for n in cell.state)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_training_and_use_give_the_same_bits(name: str, dtype: torch.dtype, draw: Any, call: Any) -> None:
    cell = CELLS[name](5, 19)
    values = {n: v.requires_grad_() for n, v in draw(cell, 9, 5, dtype).items()}
    lengths = torch.tensor([5, 0, 1, 5, 3, 2, 2, 4, 5])
    trained, state = call(cell, values, "compiled", lengths=lengths)
    with torch.no_grad():
        used, final = call(cell, values, "compiled", lengths=lengths)
    with torch.inference_mode():
        inferred, last = call(cell, values, "compiled", lengths=lengths)
    assert trained.requires_grad
    assert not used.requires_grad
    assert inferred.is_inference()
    assert torch.equal(trained, used)
    assert torch.equal(trained, inferred)
    assert all(torch.equal(state[n], final[n]) and torch.equal(state[n], last[n]) for n in cell.state)


@pytest.mark.parametrize("name", NAMES)
def test_every_run_gives_the_same_bits(name: str, draw: Any, run: Any, same: Any) -> None:
    cell = CELLS[name](5, 37)
    values = draw(cell, 17, 6, torch.float32)
    same(run(cell, values, "compiled"), run(cell, values, "compiled"))


@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("batch", [1, 3, 40])
@pytest.mark.parametrize("name", NAMES)
def test_two_threads_give_the_same_bits(
    name: str, batch: int, lengths: bool, draw: Any, run: Any, same: Any, request: pytest.FixtureRequest
) -> None:
    cell = CELLS[name](5, 70)
    values = draw(cell, batch, 6, torch.float32)
    given = torch.arange(batch) * 5 % 7 if lengths else None
    one = run(cell, values, "compiled", lengths=given)
    request.getfixturevalue("two_threads")
    assert torch.get_num_threads() == 2
    shared: list[tuple[int, int]] = []
    watch(request.getfixturevalue("monkeypatch"), lambda groups, parts: shared.append((groups, parts)))
    two = run(cell, values, "compiled", lengths=given)
    # a single row with only one real step may still be shared by its units
    assert any(groups * parts == 2 for groups, parts in shared) or (given is not None and not given.any())
    for key, value in one.items():
        if key.startswith(("outputs", "final")):
            assert torch.equal(two[key], value), key
    # what PyTorch multiplies after the loop may be summed otherwise by two threads
    same(two, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["mingru", "indrnn", "sru", "unicornn"])
def test_two_threads_share_the_units_of_one_row_where_no_product_waits(
    name: str, draw: Any, run: Any, same: Any, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = CELLS[name](5, 70)
    values = draw(cell, 1, 6, torch.float32)
    shared: list[tuple[int, int]] = []
    watch(monkeypatch, lambda groups, parts: shared.append((groups, parts)))
    two = run(cell, values, "compiled")
    assert set(shared) == {(1, 2)}  # forward and backward
    torch.set_num_threads(1)
    one = run(cell, values, "compiled")
    assert all(torch.equal(two[key], one[key]) for key in one if key.startswith(("outputs", "final")))
    same(two, one, rtol=1e-4, atol=1e-4)


def watch(monkeypatch: pytest.MonkeyPatch, see: Callable[[int, int], None]) -> None:
    from throughtime.engine.compiled import frame

    shared = frame.Shared

    def watched(code: Any, fields: Any, blocks: int, groups: int, parts: int) -> Any:
        see(groups, parts)
        return shared(code, fields, blocks, groups, parts)

    monkeypatch.setattr(frame, "Shared", watched)


def test_one_thread_is_honoured(draw: Any, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from throughtime.engine.compiled import frame

    monkeypatch.setattr(frame, "SERIAL", 0)
    shared: list[tuple[int, int]] = []
    watch(monkeypatch, lambda groups, parts: shared.append((groups, parts)))
    assert torch.get_num_threads() == 1
    cell = CELLS["lstm"](5, 70)
    call(cell, draw(cell, 40, 3), "compiled")
    assert shared == [(1, 1)]


def test_use_of_a_call(draw: Any) -> None:
    cell = CELLS["lstm"](3, 5)
    values = draw(cell, 2, 3)
    state = {n: values[f"initial {n}"] for n in cell.state}
    plain = Call(cell, {n: values[n] for n in cell.parameters()}, values["inputs"], state)
    assert not use_of(plain).trains
    learning = replace(plain, inputs=values["inputs"].clone().requires_grad_())
    assert use_of(learning).trains
    with torch.no_grad():
        assert not use_of(learning).trains
    drawn = replace(plain, noise=Noise({"W_h": torch.ones(2, 5)}, {"h": 0.5, "c": torch.ones(2, 3, 5)}))
    assert use_of(drawn).masks == ("W_h",)
    assert dict(use_of(drawn).keep) == {"h": 0.5, "c": None}
