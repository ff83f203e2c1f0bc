"""Each cell's step against its equations, written a gate at a time in NumPy from slices of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cell_equations import UNFAMILIAR
from throughtime.cells import CELLS, Cell, Matrix
from throughtime.engine import bind, unroll

Array = np.ndarray
Arrays = dict[str, Array]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def gate(p: Arrays, j: int, n: int) -> Callable[[Array, Array], Array]:
    """Gate j before its nonlinearity, as the course has it: one matrix on the joined ``[h, x]``, and a bias."""
    block = slice(j * n, (j + 1) * n)
    joined = np.concatenate([p["W_h"][block], p["W_x"][block]], axis=1)
    return lambda h, x: np.concatenate([h, x], axis=1) @ joined.T + p["b"][block]


def normalised(z: Array) -> Array:
    mean = z.mean(axis=1, keepdims=True)
    variance = ((z - mean) ** 2).mean(axis=1, keepdims=True)
    return (z - mean) / np.sqrt(variance + 1e-5)


def rnn(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    return {"h": np.tanh(gate(p, 0, n)(s["h"], x))}


def rnn_relu(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    return {"h": np.maximum(0.0, gate(p, 0, n)(s["h"], x))}


def gru_simplified(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    u = sigmoid(gate(p, 0, n)(s["h"], x))
    c = np.tanh(gate(p, 1, n)(s["h"], x))
    return {"h": u * c + (1 - u) * s["h"], "u": u, "c": c}


def gru_full(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    p = {**p, "W_h": np.concatenate([p["W_h"], p["W_hc"]])}
    u = sigmoid(gate(p, 0, n)(s["h"], x))
    r = sigmoid(gate(p, 1, n)(s["h"], x))
    c = np.tanh(gate(p, 2, n)(r * s["h"], x))  # the reset before the product
    return {"h": u * c + (1 - u) * s["h"], "u": u, "r": r, "c": c}


def gru(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    r = sigmoid(gate(p, 0, n)(s["h"], x))
    z = sigmoid(gate(p, 1, n)(s["h"], x))
    past = s["h"] @ p["W_h"][2 * n :].T + p["b_hc"]
    c = np.tanh(x @ p["W_x"][2 * n :].T + p["b"][2 * n :] + r * past)  # the reset after the product
    return {"h": (1 - z) * c + z * s["h"], "r": r, "z": z, "c": c}


def lstm(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    i = sigmoid(gate(p, 0, n)(s["h"], x))
    f = sigmoid(gate(p, 1, n)(s["h"], x))
    g = np.tanh(gate(p, 2, n)(s["h"], x))
    o = sigmoid(gate(p, 3, n)(s["h"], x))
    c = f * s["c"] + i * g
    return {"h": o * np.tanh(c), "c": c, "i": i, "f": f, "g": g, "o": o}


def lstm_peephole(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    i = sigmoid(gate(p, 0, n)(s["h"], x) + p["p_i"] * s["c"])
    f = sigmoid(gate(p, 1, n)(s["h"], x) + p["p_f"] * s["c"])
    g = np.tanh(gate(p, 2, n)(s["h"], x))
    c = f * s["c"] + i * g
    o = sigmoid(gate(p, 3, n)(s["h"], x) + p["p_o"] * c)  # the new memory
    return {"h": o * np.tanh(c), "c": c, "i": i, "f": f, "g": g, "o": o}


def lstm_coupled(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    f = sigmoid(gate(p, 0, n)(s["h"], x))
    g = np.tanh(gate(p, 1, n)(s["h"], x))
    o = sigmoid(gate(p, 2, n)(s["h"], x))
    c = f * s["c"] + (1 - f) * g
    return {"h": o * np.tanh(c), "c": c, "f": f, "g": g, "o": o}


def lstm_projected(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    wide = lstm(p, x, s, n)
    return {**wide, "h": wide["h"] @ p["W_p"].T}


def lstm_layernorm(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    from_input = normalised(x @ p["W_x"].T) * p["gain_x"]
    from_past = normalised(s["h"] @ p["W_h"].T) * p["gain_h"]
    total = from_input + from_past + p["b"]
    i, f, g, o = (total[:, j * n : (j + 1) * n] for j in range(4))
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * s["c"] + i * g
    return {"h": o * np.tanh(normalised(c) * p["gain_c"] + p["b_c"]), "c": c, "i": i, "f": f, "g": g, "o": o}


def gru_layernorm(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    from_input = normalised(x @ p["W_x"].T) * p["gain_x"] + p["b"]
    from_past = normalised(s["h"] @ p["W_h"].T) * p["gain_h"]
    (xr, xz, xc), (hr, hz, hc) = (np.split(part, 3, axis=1) for part in (from_input, from_past))
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    c = np.tanh(xc + r * (hc + p["b_hc"]))
    return {"h": (1 - z) * c + z * s["h"], "r": r, "z": z, "c": c}


EQUATIONS: dict[str, Callable[[Arrays, Array, Arrays, int], Arrays]] = {
    "rnn": rnn,
    "rnn-relu": rnn_relu,
    "gru-simplified": gru_simplified,
    "gru-full": gru_full,
    "gru": gru,
    "gru-layernorm": gru_layernorm,
    "lstm": lstm,
    "lstm-peephole": lstm_peephole,
    "lstm-coupled": lstm_coupled,
    "lstm-projected": lstm_projected,
    "lstm-layernorm": lstm_layernorm,
    **UNFAMILIAR,
}


def random_parameters(cell: Cell, seed: int) -> dict[str, torch.Tensor]:
    """No parameter is zero or one, so that none can be left out of an equation unseen."""
    draw = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(parameter.shape, generator=draw, dtype=torch.float64) * 0.7
        for name, parameter in cell.parameters().items()
    }


def random_state(cell: Cell, batch: int, seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {n: torch.randn(batch, w, generator=draw, dtype=torch.float64) for n, w in cell.widths().items()}


def arrays(tensors: Mapping[str, torch.Tensor]) -> Arrays:
    return {name: value.numpy() for name, value in tensors.items()}


def test_every_built_in_cell_has_its_equations_here() -> None:
    assert EQUATIONS.keys() == CELLS.keys()


@pytest.mark.parametrize(("inputs", "units"), [(4, 5), (3, 3), (6, 2)])
@pytest.mark.parametrize("name", EQUATIONS)
def test_one_step_equals_the_equations(name: str, inputs: int, units: int) -> None:
    cell = CELLS[name](inputs, units)
    parameters, state = random_parameters(cell, seed=units), random_state(cell, 3, seed=inputs)
    x = torch.randn(3, inputs, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    got = cell.step(x, SimpleNamespace(**state), bind(cell, parameters))
    expected = EQUATIONS[name](arrays(parameters), x.numpy(), arrays(state), units)
    assert got.keys() == expected.keys()
    assert set(cell.state) <= got.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(got[key].numpy(), value, rtol=1e-12, atol=1e-12, err_msg=f"{name}: {key}")


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", EQUATIONS)
def test_a_ragged_batch_equals_the_equations_row_by_row(name: str, reverse: bool) -> None:
    cell = CELLS[name](3, 4)
    parameters, state = random_parameters(cell, seed=1), random_state(cell, 4, seed=2)
    x = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    lengths = [2, 5, 0, 4]
    outputs, final = unroll(cell, parameters, x, state=state, lengths=torch.tensor(lengths), reverse=reverse)
    expected = np.zeros((4, 5, cell.output_size))
    for row, length in enumerate(lengths):
        now = {key: value[row : row + 1] for key, value in arrays(state).items()}
        for t in reversed(range(length)) if reverse else range(length):
            now = EQUATIONS[name](arrays(parameters), x.numpy()[row : row + 1, t], now, 4)
            expected[row, t] = now[cell.state[0]][0]
        for key in cell.state:
            np.testing.assert_allclose(final[key][row].numpy(), now[key][0], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(outputs.numpy(), expected, rtol=1e-11, atol=1e-11)


def test_a_lstm_step_worked_by_hand() -> None:
    cell = CELLS["lstm"](1, 1)
    parameters = {
        "W_x": torch.tensor([[0.0], [0.0], [1.0], [0.0]]),
        "W_h": torch.tensor([[0.0], [0.0], [2.0], [0.0]]),
        "b": torch.tensor([0.0, 0.0, -1.0, 0.0]),
    }
    state = SimpleNamespace(h=torch.tensor([[0.5]]), c=torch.tensor([[2.0]]))
    got = cell.step(torch.tensor([[0.0]]), state, bind(cell, parameters))
    # Every gate is σ(0) = 1/2 and the candidate tanh(0 + 2 · 0.5 - 1) = 0: half of the memory stays.
    assert got["c"].item() == 1.0
    assert got["h"].item() == pytest.approx(0.5 * np.tanh(1.0))


def test_a_matrix_lays_its_mask_over_what_it_multiplies() -> None:
    matrix = Matrix(torch.tensor([[1.0, 10.0], [2.0, 20.0]]), mask=torch.tensor([[0.0, 2.0]]))
    assert (matrix @ torch.tensor([[5.0, 3.0]])).tolist() == [[60.0, 120.0]]
