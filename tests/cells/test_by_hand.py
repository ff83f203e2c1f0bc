"""One step of each unfamiliar cell of one unit, whose numbers are worked out on paper."""

from __future__ import annotations

from math import atanh, exp, log, sqrt, tanh
from types import SimpleNamespace

import pytest
import torch

from familiar import FAMILIAR
from throughtime.cells import CELLS
from throughtime.engine import bind

L = log(3)  # σ(L) = 3/4, σ(-L) = 1/4
HALF = atanh(0.5)  # tanh(HALF) = 1/2

# Input, state and what of the parameters is not 0, in the order of the gates; then what comes out.
CASES: dict[str, tuple[float, dict[str, float], dict[str, list[float]], dict[str, float]]] = {
    # one unit is its own mean: what comes in and what was there go
    "rnn-layernorm": (1, {"h": 4}, {"W_x": [2], "W_h": [3], "gain": [5], "b": [HALF]}, {"h": 0.5}),
    # relu(2·1 + 0.5·3 - 1), and a negative sum gives 0
    "indrnn": (1, {"h": 3}, {"W_x": [2], "u": [0.5], "b": [-1]}, {"h": 2.5}),
    # z = 3/4: a quarter of 4 and three quarters of the candidate 2·1 + 6
    "mingru": (1, {"h": 4}, {"W_x": [L, 2], "b": [0, 6]}, {"h": 7, "z": 0.75, "c": 8}),
    # f = 3/4 and i = 1/4 are shares already
    "minlstm": (1, {"h": 4}, {"W_x": [L, -L, 8]}, {"h": 5, "f": 0.75}),
    # |λ| = e^-ln 2 = 1/2, turned by a quarter turn: 1/2 i (4 + 2i) = -1 + 2i, plus 3 (1 + 2i)
    "lru": (
        1,
        {"h": 9, "re": 4, "im": 2},
        {
            "nu": [log(log(2))],
            "theta": [log(torch.pi / 2)],
            "gamma": [log(3)],
            "B_re": [1],
            "B_im": [2],
            "C_re": [1],
            "C_im": [0.5],
            "D": [10],
        },
        {"h": 2 - 0.5 * 8 + 10, "re": 2, "im": 8},
    ),
    # σ(Λ) = 1/4^(1/4), so that a = σ(Λ)^(8/2) = 1/4 where r = 1/2
    "rg-lru": (
        1,
        {"h": 8},
        {"W_x": [0, L, 2], "decay": [log(0.25**0.25 / (1 - 0.25**0.25))]},
        {"h": 2 + sqrt(15 / 16) * 0.75 * 2, "a": 0.25, "r": 0.5, "i": 0.75},
    ),
    # both gates see 2 of the memory: f = σ(2 · L/2), r = 1/4; √3 on the way past
    "sru": (
        1,
        {"h": 9, "c": 2},
        {"W_x": [0, 0, 10], "v_f": [L / 2], "v_r": [-L / 2]},
        {"c": 4, "h": 1 + 0.75 * sqrt(3), "f": 0.75, "r": 0.25},
    ),
    # a = 1 + 1/2, of which 1.5 h = atanh(1/2)
    "brc": (
        0,
        {"h": HALF / 1.5},
        {"b": [0, 0, 0], "w_a": [1.5], "w_z": [0]},
        {"a": 1.5, "z": 0.5, "c": 0.5, "h": HALF / 3 + 0.25},
    ),
    # a step of 0.2 / 2: z = 1 - 0.1 (1/2 + 2), h = 2 + 0.1 z
    "unicornn": (1, {"h": 2, "z": 1}, {"W_x": [HALF], "w": [0], "c": [0]}, {"z": 0.75, "h": 2.075}),
    "fastrnn": (1, {"h": 4}, {"W_x": [HALF], "alpha": [-L], "beta": [L]}, {"h": 3.125, "c": 0.5}),
    # (3/4 · 1/2 + 1/4) · 1/2 + 1/2 · 4
    "fastgrnn": (1, {"h": 4}, {"W_x": [HALF], "b": [-HALF, 0], "zeta": [L], "nu": [-L]}, {"h": 2.3125, "z": 0.5}),
    # of one unit W - Wᵀ is 0: tanh(HALF + 0.01 · 2 - 0.01 · 2)
    "antisymmetric": (1, {"h": 2}, {"W_x": [HALF + 0.02], "W_h": [7]}, {"h": 2.05}),
    "cornn": (
        1,
        {"h": 1, "z": 2},
        {"W_x": [HALF + 1], "W_h": [1], "W_z": [-1]},
        {"z": 2 + 0.042 * (0.5 - 2.7 - 9.4), "h": 1 + 0.042 * (2 + 0.042 * (0.5 - 2.7 - 9.4))},
    ),
    # d = 3/4, e = 1/4: z = 1/4 · 4 + 3/4 · 1/2, and h sees the new z
    "lem": (
        1,
        {"h": 2, "z": 4},
        {"W_x": [L, -L, HALF, 0], "W_z": [1]},
        {"z": 1.375, "h": 1.5 + 0.25 * tanh(1.375), "d": 0.75, "e": 0.25},
    ),
    # f = 1/2 of the state 4 h = 2 goes into the candidate
    "mgu": (1, {"h": 4}, {"W_x": [0, HALF - 2], "W_hc": [1]}, {"h": 2.25, "f": 0.5, "c": 0.5}),
    "ugrnn": (1, {"h": 4}, {"W_x": [L, HALF]}, {"h": 3.125, "g": 0.75, "c": 0.5}),
    "ligru": (1, {"h": 4}, {"W_x": [L, 8]}, {"h": 5, "z": 0.75, "c": 8}),
    # s = 0: half is kept, and 1 - σ(-1) = σ(1) is let in
    "janet": (1, {"h": 4}, {"W_x": [0, HALF]}, {"h": 2 + 0.5 / (1 + exp(-1)), "f": 0.5}),
    # tanh(1/4 · 2 + 3/4 · 1/2)
    "star": (1, {"h": 2}, {"W_x": [L, HALF]}, {"h": tanh(0.875), "k": 0.75, "z": 0.5}),
    "cfn": (1, {"h": HALF}, {"W_x": [L, -L, HALF]}, {"h": 0.5, "f": 0.75, "i": 0.25}),
    "nbrc": (
        0,
        {"h": HALF / 1.5},
        {"W_h": [1.5, 0]},
        {"a": 1.5, "z": 0.5, "c": 0.5, "h": HALF / 3 + 0.25},
    ),
    # r = 1/2 of 4: tanh(tanh(HALF) + 2 U_c) with U_c = (HALF - 1/2) / 2
    "mut1": (1, {"h": 4}, {"W_x": [L, 0, HALF], "W_hc": [HALF / 2 - 0.25]}, {"h": 1.375, "z": 0.75, "c": 0.5}),
    # r sees the input itself: σ(L + 0)
    "mut2": (L, {"h": 4}, {"W_x": [1, 0], "W_hc": [HALF / 3]}, {"h": 1.375, "z": 0.75, "r": 0.75, "c": 0.5}),
    # z sees tanh(HALF) = 1/2 of the state
    "mut3": (
        1,
        {"h": HALF},
        {"W_x": [0, 0, HALF], "W_hz": [2 * L]},
        {"h": 0.375 + HALF / 4, "z": 0.75, "r": 0.5, "c": 0.5},
    ),
    # three layers with gates of 1/2: the first lets the input in, the others halve
    "rhn": (1, {"h": 4}, {"W_x": [HALF, 0]}, {"h": (2 + 0.25) / 4}),
    # m = 2 · 3, and only the candidate sees it
    "lstm-multiplicative": (
        1,
        {"h": 3, "c": 4},
        {"W_x": [0, 0, 0, L, 2], "W_m": [1], "W_h": [0, 0, HALF / 6, 0]},
        {"c": 2.25, "h": 0.75 * tanh(2.25), "m": 6},
    ),
    "ran": (1, {"h": 0, "c": 4}, {"W_x": [-L, L, 8]}, {"c": 5, "h": tanh(5)}),
    # f~ = 0 halves: ln σ(0) + m = 0 where m = ln 2, and i~ = ln 3 is more: 4/3 + 1/2, 2/3 + 1
    "slstm": (
        1,
        {"h": 0, "c": 4, "n": 2, "m": log(2)},
        {"W_x": [L, 0, HALF, L]},
        {"m": L, "c": 4 / 3 + 0.5, "n": 5 / 3, "h": 0.75 * 1.1},
    ),
}


def test_every_unfamiliar_cell_is_worked_out() -> None:
    assert CASES.keys() == set(CELLS) - set(FAMILIAR)


@pytest.mark.parametrize("name", CASES)
def test_one_unit_by_hand(name: str) -> None:
    x, state, given, expected = CASES[name]
    cell = CELLS[name](1, 1)
    parameters = {n: torch.zeros(p.shape, dtype=torch.float64) for n, p in cell.parameters().items()}
    for key, values in given.items():
        parameters[key].view(-1).copy_(torch.tensor(values, dtype=torch.float64))
    before = {n: torch.tensor([[value]], dtype=torch.float64) for n, value in state.items()}
    got = cell.step(torch.tensor([[x]], dtype=torch.float64), SimpleNamespace(**before), bind(cell, parameters))
    assert {n: got[n].item() for n in expected} == pytest.approx(expected, rel=1e-12)


def test_a_normalised_sum_has_the_scale_of_its_gain() -> None:
    cell = CELLS["rnn-layernorm"](1, 2)
    parameters = {"W_x": [[2.0], [-2.0]], "W_h": [[1.0, 0.0], [0.0, 1.0]], "gain": [HALF, 2 * HALF], "b": [0.0, HALF]}
    given = {name: torch.tensor(values, dtype=torch.float64) for name, values in parameters.items()}
    x, before = torch.tensor([[1.0]], dtype=torch.float64), torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    # sums 3 and 1: 1 from their mean of 2, and so is their deviation, but for the root's 1e-5
    one = 1 / sqrt(1 + 1e-5)
    got = cell.step(x, SimpleNamespace(h=before), bind(cell, given))["h"]
    assert got.tolist()[0] == pytest.approx([tanh(HALF * one), tanh(HALF - 2 * HALF * one)], rel=1e-12)


def test_an_antisymmetric_matrix_turns_its_state() -> None:
    """(W - Wᵀ) (1, 0) = (0, 3 - 1) for W = (5 1 / 3 5)."""
    cell = CELLS["antisymmetric"](1, 2, epsilon=1.0, gamma=0.0)
    parameters = {n: torch.zeros(p.shape) for n, p in cell.parameters().items()}
    parameters["W_h"] = torch.tensor([[5.0, 1.0], [3.0, 5.0]])
    got = cell.step(torch.zeros(1, 1), SimpleNamespace(h=torch.tensor([[1.0, 0.0]])), bind(cell, parameters))
    assert got["h"].tolist()[0] == pytest.approx([1.0, tanh(2)])


def test_an_indrnn_and_a_light_gru_stop_at_zero() -> None:
    for name, w in (("indrnn", [-1.0]), ("ligru", [-1e9, -1.0])):
        cell = CELLS[name](1, 1)
        parameters = {n: torch.zeros(p.shape) for n, p in cell.parameters().items()}
        parameters["W_x"].view(-1).copy_(torch.tensor(w))
        got = cell.step(torch.ones(1, 1), SimpleNamespace(h=torch.ones(1, 1)), bind(cell, parameters))
        assert got["h"].item() == 0


def test_positive_candidates_are_the_papers_g() -> None:
    """g(v) = v + 0.5 from 0 on, σ(v) below: 1/4 for -ln 3."""
    cell = CELLS["mingru"](1, 1, candidate="positive")
    parameters = {"W_x": torch.tensor([[0.0], [1.0]]), "b": torch.zeros(2)}
    for v, expected in ((2.0, 2.5), (0.0, 0.5), (-L, 0.25)):
        got = cell.step(torch.tensor([[v]]), SimpleNamespace(h=torch.zeros(1, 1)), bind(cell, parameters))
        assert got["c"].item() == pytest.approx(expected)


def test_the_stabiliser_changes_nothing_but_the_scale_of_the_memory() -> None:
    """The sLSTM's own equations 8–10, without it, over steps whose exponentials stay within double precision."""
    torch.manual_seed(0)
    cell = CELLS["slstm"](3, 4)
    parameters = {n: torch.randn(p.shape, dtype=torch.float64) for n, p in cell.parameters().items()}
    state = {n: torch.zeros(2, 4, dtype=torch.float64) for n in cell.state}
    h = c = n = torch.zeros(2, 4, dtype=torch.float64)
    for x in torch.randn(12, 2, 3, dtype=torch.float64):
        i, f, z, o = (x @ parameters["W_x"].T + h @ parameters["W_h"].T + parameters["b"]).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.exp(i) * torch.tanh(z)
        n = torch.sigmoid(f) * n + torch.exp(i)
        h = torch.sigmoid(o) * c / n
        state = dict(cell.step(x, SimpleNamespace(**state), bind(cell, parameters)))
        torch.testing.assert_close(state["h"], h)
        torch.testing.assert_close(state["n"] * torch.exp(state["m"]), n)


def test_gates_that_would_overflow_do_not() -> None:
    """σ(-800) is 0 in every precision, and e^800 is none's."""
    for name, parts in (("slstm", 4), ("minlstm", 3)):
        cell = CELLS[name](1, 1)
        for values in ([800.0] * parts, [-800.0] * parts, [-800.0, 800.0, 1.0, 1.0][:parts]):
            parameters = {n: torch.zeros(p.shape) for n, p in cell.parameters().items()}
            parameters["W_x"].view(-1).copy_(torch.tensor(values))
            state = {n: torch.zeros(1, 1) for n in cell.state}
            for _ in range(3):
                state = dict(cell.step(torch.ones(1, 1), SimpleNamespace(**state), bind(cell, parameters)))
                assert all(value.isfinite().all() for value in state.values()), (name, values)
