"""What a fresh cell starts from."""

from __future__ import annotations

import itertools
import math
import re

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime.cells import CELLS, Cell, Parameter, bias, input_matrix, recurrent_matrix, vector
from throughtime.layers import Directed

GATES = {
    "rnn": 1,
    "rnn-relu": 1,
    "gru-simplified": 2,
    "gru-full": 2,
    "gru": 3,
    "gru-layernorm": 3,
    "lstm": 4,
    "lstm-peephole": 4,
    "lstm-coupled": 3,
    "lstm-projected": 4,
    "lstm-layernorm": 4,
    "rnn-layernorm": 1,
    "fastrnn": 1,
    "fastgrnn": 1,
    "cornn": 1,
    "lem": 3,
    "mgu": 1,
    "ugrnn": 2,
    "ligru": 2,
    "janet": 2,
    "star": 1,
    "cfn": 2,
    "nbrc": 2,
    "mut1": 1,
    "mut2": 2,
    "mut3": 1,
    "lstm-multiplicative": 4,
    "ran": 2,
    "slstm": 4,
}
"""Blocks of ``W_h``."""

FORGET = {"lstm": 1, "lstm-peephole": 1, "lstm-coupled": 0, "lstm-projected": 1, "lstm-layernorm": 1}
"""Which block of ``b`` is the forget gate's."""


def fresh(name: str, inputs: int = 7, units: int = 5) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {key: value.detach() for key, value in Directed(CELLS[name](inputs, units)).values().items()}


def filled(parameter: Parameter) -> Tensor:
    with torch.no_grad():
        value = torch.full(parameter.shape, math.nan)
        parameter.fill(value)
    return value


def assert_orthogonal(block: Tensor) -> None:
    rows, columns = block.shape
    product = block.T @ block if rows >= columns else block @ block.T
    torch.testing.assert_close(product, torch.eye(min(rows, columns)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", GATES)
def test_recurrent_blocks_are_orthogonal_and_differ(name: str) -> None:
    values = fresh(name)
    blocks = values["W_h"].chunk(GATES[name])
    assert len(blocks) * 5 == len(values["W_h"])
    for block in blocks:
        assert_orthogonal(block)
    for key in {"W_hc", "W_hz", "W_m", "W_z"} & values.keys():
        assert_orthogonal(values[key])
    for first, second in itertools.pairwise(blocks):
        assert not torch.allclose(first, second)


def test_relu_starts_from_the_identity_and_tanh_does_not() -> None:
    assert torch.equal(fresh("rnn-relu")["W_h"], torch.eye(5))
    assert not torch.allclose(fresh("rnn")["W_h"], torch.eye(5))


@pytest.mark.parametrize("name", FAMILIAR)
def test_biases_are_zero_but_for_the_forget_gate(name: str) -> None:
    values = fresh(name)
    expected = torch.zeros(len(values["b"]))
    if name in FORGET:
        expected[FORGET[name] * 5 : (FORGET[name] + 1) * 5] = 1.0
    assert torch.equal(values["b"], expected)
    for key in {"b_hc", "b_c"} & values.keys():
        assert torch.equal(values[key], torch.zeros(5))


BIASES = {
    "minlstm": (1.0, 0.0, 0.0),
    "fastgrnn": (1.0, 0.0),
    "ugrnn": (1.0, 0.0),
    "janet": (1.0, 0.0),
    "cfn": (1.0, -1.0),
    "lstm-multiplicative": (0.0, 1.0, 0.0, 0.0),
    "ran": (0.0, 1.0),
    "slstm": (0.0, 1.0, 0.0, 0.0),
}
"""Biases of unfamiliar cells by gate, where one is not 0."""

DRAWN = {
    ("indrnn", "u"): (0.0, 1.0),
    ("sru", "v_f"): (-math.sqrt(1.5), math.sqrt(1.5)),
    ("sru", "v_r"): (-math.sqrt(1.5), math.sqrt(1.5)),
    ("brc", "w_a"): (-1.0, 1.0),
    ("brc", "w_z"): (-1.0, 1.0),
    ("unicornn", "w"): (0.0, 1.0),
    ("unicornn", "c"): (-0.1, 0.1),
}
"""Bounds that vectors are drawn from evenly."""


@pytest.mark.parametrize("name", [name for name in CELLS if name not in FAMILIAR])
def test_biases_of_the_unfamiliar_cells(name: str) -> None:
    values = {key: value for key, value in fresh(name).items() if re.fullmatch(r"b\d?", key)}
    expected = {key: torch.zeros(len(value)) for key, value in values.items()}
    if name in BIASES:
        expected["b"] = torch.tensor(BIASES[name]).repeat_interleave(5)
    if name == "rhn":
        expected = dict.fromkeys(("b1", "b2", "b3"), torch.tensor((0.0, -2.0)).repeat_interleave(5))
    torch.testing.assert_close(values, expected, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "key"), DRAWN)
def test_vectors_are_drawn_between_their_bounds(name: str, key: str) -> None:
    low, high = DRAWN[name, key]
    drawn = fresh(name, units=2000)[key]
    assert low <= float(drawn.min()) < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < float(drawn.max()) <= high
    assert float(drawn.mean()) == pytest.approx((low + high) / 2, abs=0.03 * (high - low))


def test_an_antisymmetric_network_starts_normal() -> None:
    weight = fresh("antisymmetric", units=200)["W_h"]
    assert float(weight.mean()) == pytest.approx(0, abs=1e-3)
    assert float(weight.std()) == pytest.approx(200**-0.5, rel=0.02)


def test_numbers_of_the_fast_cells() -> None:
    rnn, grnn = fresh("fastrnn"), fresh("fastgrnn")
    assert (rnn["alpha"].tolist(), rnn["beta"].tolist()) == ([-3.0], [3.0])
    assert (grnn["zeta"].tolist(), grnn["nu"].tolist()) == ([1.0], [-4.0])


def test_an_rg_lru_starts_with_decays_from_0_9_to_0_999() -> None:
    kept = torch.sigmoid(fresh("rg-lru", units=2000)["decay"]) ** 8
    assert 0.9 - 1e-5 <= float(kept.min()) < 0.901
    assert 0.998 < float(kept.max()) <= 0.999 + 1e-5
    assert float(kept.mean()) == pytest.approx(0.9495, abs=0.003)


def test_an_lru_starts_in_a_ring_with_states_of_one_variance() -> None:
    torch.manual_seed(0)
    values = filled_all(CELLS["lru"](3, 1000, fastest=0.6, slowest=0.9, phase=0.5))
    size = torch.exp(-torch.exp(values["nu"]))
    assert 0.6 < float(size.min()) < 0.601
    assert 0.899 < float(size.max()) < 0.9
    assert float(size.square().mean()) == pytest.approx((0.36 + 0.81) / 2, abs=1e-4)
    torch.testing.assert_close(torch.exp(values["gamma"]), torch.sqrt(1 - size.square()), rtol=1e-3, atol=1e-4)
    assert 0 < float(torch.exp(values["theta"]).min()) < 0.01
    assert 0.49 < float(torch.exp(values["theta"]).max()) <= 0.5


def filled_all(cell: Cell) -> dict[str, Tensor]:
    return {name: filled(parameter) for name, parameter in cell.parameters().items()}


def test_peepholes_start_at_zero_and_gains_at_one() -> None:
    peephole, norm = fresh("lstm-peephole"), fresh("lstm-layernorm")
    assert all(torch.equal(peephole[key], torch.zeros(5)) for key in ("p_i", "p_f", "p_o"))
    assert torch.equal(norm["gain_x"], torch.ones(20))
    assert torch.equal(norm["gain_h"], torch.ones(20))
    assert torch.equal(norm["gain_c"], torch.ones(5))
    assert all(torch.equal(fresh("gru-layernorm")[key], torch.ones(15)) for key in ("gain_x", "gain_h"))
    assert torch.equal(fresh("rnn-layernorm")["gain"], torch.ones(5))


@pytest.mark.parametrize("name", CELLS)
def test_input_matrices_are_glorot_uniform_by_gate(name: str) -> None:
    values = fresh(name, inputs=60, units=40)
    weight = values["W_x"] if "W_x" in values else torch.cat([values["B_re"], values["B_im"], values["D"]])
    bound = math.sqrt(6 / (60 + 40))
    for block in weight.split(40):
        assert block.abs().max() <= bound
        assert block.abs().max() > 0.99 * bound
        assert block.mean().abs() < 0.02
        assert block.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize("name", CELLS)
def test_a_seed_gives_the_same_start_values(name: str) -> None:
    first, second = fresh(name), fresh(name)
    assert all(torch.equal(first[key], second[key]) for key in first)
    torch.manual_seed(1)
    third = Directed(CELLS[name](7, 5)).values()
    assert any(not torch.equal(first[key], third[key]) for key in first)


def test_reset_parameters_draws_the_start_values_again() -> None:
    torch.manual_seed(0)
    directed = Directed(CELLS["lstm"](7, 5))
    with torch.no_grad():
        for parameter in directed.parameters():
            parameter.fill_(9.0)
    torch.manual_seed(0)
    directed.reset_parameters()
    assert all(torch.equal(value, fresh("lstm")[key]) for key, value in directed.values().items())


def test_helpers_of_a_cell_of_ones_own() -> None:
    assert filled(bias(2)).tolist() == [0.0, 0.0]
    assert filled(bias(2, 0.0, 1.0)).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert filled(vector(2, 3.0)).tolist() == [3.0, 3.0]
    assert [p.role for p in (bias(1), vector(1), input_matrix(1, 1), recurrent_matrix(1, 1))] == [
        "bias",
        "vector",
        "input",
        "recurrent",
    ]
    wide = filled(recurrent_matrix(2, 5, gates=3))
    assert wide.shape == (6, 5)
    for block in wide.chunk(3):
        assert_orthogonal(block)
    assert not filled(input_matrix(3, 4, gates=2)).isnan().any()


KEEPS = {"gru": 1, "gru-layernorm": 1, **FORGET}
KEEPS |= {"sru": 0, "brc": 1, "nbrc": 1, "fastgrnn": 0, "ugrnn": 0, "ligru": 0, "janet": 0}
KEEPS |= {"minlstm": 0, "cfn": 0, "lstm-multiplicative": 1, "ran": 1, "slstm": 1}
TAKES = {"gru-simplified": 0, "gru-full": 0, "lstm": 0, "lstm-peephole": 0, "lstm-projected": 0, "lstm-layernorm": 0}
TAKES |= {"mingru": 0, "mgu": 0, "star": 0, "mut1": 0, "mut2": 0, "mut3": 0, "minlstm": 1, "cfn": 1, "ran": 0}
TAKES |= {"lstm-multiplicative": 0, "slstm": 0}
"""Which block of ``b`` is that of a gate that keeps the memory, and of one that takes in what is new."""


@pytest.mark.parametrize("name", sorted(KEEPS.keys() | TAKES.keys()))
def test_gates_keep_their_memory_as_long_as_they_are_told(name: str) -> None:
    """A keep gate of σ(log u) = u / (u + 1), u from 1 to M - 1, halves its memory at the least and keeps it M steps."""
    torch.manual_seed(1)
    b, plain = (filled(CELLS[name](3, 2000, memory=m).parameters()["b"]).view(-1, 2000) for m in (50, None))
    kept = [torch.sigmoid(b[KEEPS[name]])] if name in KEEPS else []
    kept += [1 - torch.sigmoid(b[TAKES[name]])] if name in TAKES else []
    for share in kept:
        steps = 1 / (1 - share)
        assert 2 <= float(steps.min()) < 3
        assert 49 < float(steps.max()) <= 50.01
        assert float(steps.mean()) == pytest.approx(26, rel=0.05)
    others = [n for n in range(len(b)) if n not in (KEEPS.get(name), TAKES.get(name))]
    assert torch.equal(b[others], plain[others])


@pytest.mark.parametrize("memory", [2, -1, math.inf, math.nan])
def test_a_memory_of_no_steps_is_refused(memory: float) -> None:
    with pytest.raises(ValueError, match="expected memory to be more than 2 steps"):
        CELLS["lstm"](3, 4, memory=memory)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_gain_scales_the_start_of_the_recurrence(nonlinearity: str) -> None:
    torch.manual_seed(2)
    plain = Directed(CELLS["rnn"](3, 6, nonlinearity=nonlinearity)).W_h
    torch.manual_seed(2)
    scaled = Directed(CELLS["rnn"](3, 6, nonlinearity=nonlinearity, gain=1.5)).W_h
    torch.testing.assert_close(scaled, 1.5 * plain)
