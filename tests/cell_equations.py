"""The equations of the cells that are not familiar, a gate at a time in NumPy, from slices of the parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Arrays = dict[str, Array]
Equations = Callable[[Arrays, Array, Arrays, int], Arrays]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def cut(p: Arrays, name: str, n: int, j: int) -> Array:
    """Gate j's part of a stacked parameter."""
    return p[name][j * n : (j + 1) * n]


def affine(p: Arrays, n: int, x: Array, j: int) -> Array:
    """Gate j's product with the input, and its bias."""
    return x @ cut(p, "W_x", n, j).T + cut(p, "b", n, j)


def past(p: Arrays, n: int, h: Array, j: int, name: str = "W_h") -> Array:
    return h @ cut(p, name, n, j).T


def indrnn(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    return {"h": np.maximum(0, affine(p, n, x, 0) + p["u"] * s["h"])}


def mingru(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    z, c = sigmoid(affine(p, n, x, 0)), affine(p, n, x, 1)
    return {"h": (1 - z) * s["h"] + z * c, "z": z, "c": c}


def minlstm(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    f, i, c = sigmoid(affine(p, n, x, 0)), sigmoid(affine(p, n, x, 1)), affine(p, n, x, 2)
    return {"h": f / (f + i) * s["h"] + i / (f + i) * c, "f": f / (f + i), "c": c}


def lru(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    eigenvalues = np.exp(-np.exp(p["nu"]) + 1j * np.exp(p["theta"]))  # complex here, in pairs of reals there
    from_input = x @ (p["B_re"] + 1j * p["B_im"]).T
    z = eigenvalues * (s["re"] + 1j * s["im"]) + np.exp(p["gamma"]) * from_input
    h = (z @ (p["C_re"] + 1j * p["C_im"]).T).real + x @ p["D"].T
    return {"h": h, "re": z.real, "im": z.imag}


def rg_lru(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    r, i, u = sigmoid(affine(p, n, x, 0)), sigmoid(affine(p, n, x, 1)), affine(p, n, x, 2)
    a = sigmoid(p["decay"]) ** (8 * r)
    return {"h": a * s["h"] + np.sqrt(1 - a**2) * (i * u), "r": r, "i": i, "a": a}


def sru(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    from_input = [x @ cut(p, "W_x", n, j).T for j in range(len(p["W_x"]) // n)]
    f = sigmoid(from_input[0] + p["v_f"] * s["c"] + cut(p, "b", n, 0))
    r = sigmoid(from_input[1] + p["v_r"] * s["c"] + cut(p, "b", n, 1))
    c = f * s["c"] + (1 - f) * from_input[2]
    past_it = from_input[3] if len(from_input) == 4 else x * 3**0.5
    return {"h": r * c + (1 - r) * past_it, "c": c, "f": f, "r": r}


def brc(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    a = 1 + np.tanh(affine(p, n, x, 0) + p["w_a"] * s["h"])
    z = sigmoid(affine(p, n, x, 1) + p["w_z"] * s["h"])
    c = np.tanh(affine(p, n, x, 2) + a * s["h"])
    return {"h": z * s["h"] + (1 - z) * c, "a": a, "z": z, "c": c}


def unicornn(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    d = 0.2 * sigmoid(p["c"])
    z = s["z"] - d * (np.tanh(p["w"] * s["h"] + affine(p, n, x, 0)) + s["h"])
    return {"h": s["h"] + d * z, "z": z}


def rnn_layernorm(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    total = x @ p["W_x"].T + s["h"] @ p["W_h"].T
    apart = total - total.mean(1, keepdims=True)
    scale = np.sqrt((apart**2).mean(1, keepdims=True) + 1e-5)
    return {"h": np.tanh(apart / scale * p["gain"] + p["b"])}


def fastrnn(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    c = np.tanh(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    return {"h": sigmoid(p["alpha"]) * c + sigmoid(p["beta"]) * s["h"], "c": c}


def fastgrnn(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    both = x @ p["W_x"].T + s["h"] @ p["W_h"].T
    z, c = sigmoid(both + cut(p, "b", n, 0)), np.tanh(both + cut(p, "b", n, 1))
    return {"h": (sigmoid(p["zeta"]) * (1 - z) + sigmoid(p["nu"])) * c + z * s["h"], "z": z, "c": c}


def antisymmetric(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    matrix = p["W_h"] - p["W_h"].T - 0.01 * np.eye(n)
    return {"h": s["h"] + 0.1 * np.tanh(s["h"] @ matrix.T + affine(p, n, x, 0))}


def cornn(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    force = np.tanh(affine(p, n, x, 0) + past(p, n, s["h"], 0) + past(p, n, s["z"], 0, "W_z"))
    z = s["z"] + 0.042 * (force - 2.7 * s["h"] - 4.7 * s["z"])
    return {"h": s["h"] + 0.042 * z, "z": z}


def lem(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    d = sigmoid(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    e = sigmoid(affine(p, n, x, 1) + past(p, n, s["h"], 1))
    z = (1 - d) * s["z"] + d * np.tanh(affine(p, n, x, 2) + past(p, n, s["h"], 2))
    h = (1 - e) * s["h"] + e * np.tanh(affine(p, n, x, 3) + z @ p["W_z"].T)  # the new z
    return {"h": h, "z": z, "d": d, "e": e}


def mgu(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    f = sigmoid(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    c = np.tanh(affine(p, n, x, 1) + (f * s["h"]) @ p["W_hc"].T)
    return {"h": (1 - f) * s["h"] + f * c, "f": f, "c": c}


def ugrnn(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    g = sigmoid(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    c = np.tanh(affine(p, n, x, 1) + past(p, n, s["h"], 1))
    return {"h": g * s["h"] + (1 - g) * c, "g": g, "c": c}


def ligru(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    z = sigmoid(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    c = np.maximum(0, affine(p, n, x, 1) + past(p, n, s["h"], 1))
    return {"h": z * s["h"] + (1 - z) * c, "z": z, "c": c}


def janet(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    before = affine(p, n, x, 0) + past(p, n, s["h"], 0)
    f, i = sigmoid(before), 1 - sigmoid(before - 1)
    c = np.tanh(affine(p, n, x, 1) + past(p, n, s["h"], 1))
    return {"h": f * s["h"] + i * c, "f": f, "i": i, "c": c}


def star(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    k = sigmoid(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    z = np.tanh(affine(p, n, x, 1))
    return {"h": np.tanh((1 - k) * s["h"] + k * z), "k": k, "z": z}


def cfn(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    f = sigmoid(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    i = sigmoid(affine(p, n, x, 1) + past(p, n, s["h"], 1))
    c = np.tanh(x @ cut(p, "W_x", n, 2).T)
    return {"h": f * np.tanh(s["h"]) + i * c, "f": f, "i": i, "c": c}


def nbrc(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    a = 1 + np.tanh(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    z = sigmoid(affine(p, n, x, 1) + past(p, n, s["h"], 1))
    c = np.tanh(affine(p, n, x, 2) + a * s["h"])
    return {"h": z * s["h"] + (1 - z) * c, "a": a, "z": z, "c": c}


def mutant(p: Arrays, n: int, s: Arrays, z: Array, r: Array, from_input: Array) -> Arrays:
    c = np.tanh(from_input + (r * s["h"]) @ p["W_hc"].T + cut(p, "b", n, 2))
    return {"h": z * c + (1 - z) * s["h"], "z": z, "r": r, "c": c}


def mut1(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    z = sigmoid(affine(p, n, x, 0))
    r = sigmoid(affine(p, n, x, 1) + past(p, n, s["h"], 0))
    return mutant(p, n, s, z, r, np.tanh(x @ cut(p, "W_x", n, 2).T))


def mut2(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    square = x.shape[1] == n
    z = sigmoid(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    from_input = x if square else x @ cut(p, "W_x", n, 1).T
    r = sigmoid(from_input + past(p, n, s["h"], 1) + cut(p, "b", n, 1))
    return mutant(p, n, s, z, r, x @ cut(p, "W_x", n, 1 if square else 2).T)


def mut3(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    z = sigmoid(affine(p, n, x, 0) + np.tanh(s["h"]) @ p["W_hz"].T)
    r = sigmoid(affine(p, n, x, 1) + past(p, n, s["h"], 0))
    return mutant(p, n, s, z, r, x @ cut(p, "W_x", n, 2).T)


def rhn(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    h = s["h"]
    for layer, seen in ((1, x), (2, np.zeros_like(x)), (3, np.zeros_like(x))):
        c, t = (
            seen @ cut(p, "W_x", n, j).T + past(p, n, h, j, f"W_h{layer}") + cut(p, f"b{layer}", n, j) for j in (0, 1)
        )
        h = sigmoid(t) * np.tanh(c) + (1 - sigmoid(t)) * h
    return {"h": h}


def lstm_multiplicative(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    m = (x @ cut(p, "W_x", n, 4).T) * (s["h"] @ p["W_m"].T)
    i, f, g, o = (affine(p, n, x, j) + past(p, n, m, j) for j in range(4))
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * s["c"] + i * g
    return {"h": o * np.tanh(c), "c": c, "m": m, "i": i, "f": f, "g": g, "o": o}


def ran(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    i = sigmoid(affine(p, n, x, 0) + past(p, n, s["h"], 0))
    f = sigmoid(affine(p, n, x, 1) + past(p, n, s["h"], 1))
    c = f * s["c"] + i * (x @ cut(p, "W_x", n, 2).T)
    return {"h": np.tanh(c), "c": c, "i": i, "f": f}


def slstm(p: Arrays, x: Array, s: Arrays, n: int) -> Arrays:
    i, f, z, o = (affine(p, n, x, j) + past(p, n, s["h"], j) for j in range(4))
    kept = np.log(sigmoid(f)) + s["m"]
    m = np.where(s["n"] == 0, i, np.maximum(kept, i))
    i, f, z, o = np.exp(i - m), np.minimum(1, np.exp(kept - m)), np.tanh(z), sigmoid(o)
    c = f * s["c"] + i * z
    norm = np.maximum(f * s["n"] + i, 1)
    return {"h": o * c / norm, "c": c, "n": norm, "m": m, "i": i, "f": f, "z": z, "o": o}


UNFAMILIAR: dict[str, Equations] = {
    "rnn-layernorm": rnn_layernorm,
    "indrnn": indrnn,
    "mingru": mingru,
    "minlstm": minlstm,
    "lru": lru,
    "rg-lru": rg_lru,
    "sru": sru,
    "brc": brc,
    "unicornn": unicornn,
    "fastrnn": fastrnn,
    "fastgrnn": fastgrnn,
    "antisymmetric": antisymmetric,
    "cornn": cornn,
    "lem": lem,
    "mgu": mgu,
    "ugrnn": ugrnn,
    "ligru": ligru,
    "janet": janet,
    "star": star,
    "cfn": cfn,
    "nbrc": nbrc,
    "mut1": mut1,
    "mut2": mut2,
    "mut3": mut3,
    "rhn": rhn,
    "lstm-multiplicative": lstm_multiplicative,
    "ran": ran,
    "slstm": slstm,
}
