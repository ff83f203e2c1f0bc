"""Computing again instead of keeping: the same bits, in memory that does not grow with the sequence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from forked import Forked, execute
from throughtime.cells import CELLS, Cell, LSTMCell
from throughtime.engine import Noise, unroll

COMPILED = FAMILIAR


def gradients(cell: Cell, ragged: bool, reverse: bool, noisy: bool, recompute: bool) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(7)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    leaves = {n: random(*p.shape) / cell.hidden_size**0.5 for n, p in cell.parameters().items()}
    leaves |= {f"initial {n}": random(5, width) for n, width in cell.widths().items()}
    leaves = {n: v.requires_grad_() for n, v in (leaves | {"x": random(5, 53, 4)}).items()}
    keep = {n: (torch.rand(5, 53, w, generator=draw) < 0.3).double() for n, w in cell.widths().items()}
    outputs, final = unroll(
        cell,
        {n: leaves[n] for n in cell.parameters()},
        leaves["x"],
        state={n: leaves[f"initial {n}"] for n in cell.widths()},
        lengths=torch.tensor([53, 0, 17, 40, 1]) if ragged else None,
        reverse=reverse,
        noise=Noise(keep=keep) if noisy else None,
        recompute=recompute,
        engine="compiled",
    )
    loss = (outputs * random(*outputs.shape)).sum()
    for value in final.values():
        loss = loss + (value * random(*value.shape)).sum()
    loss.backward()
    found = {f"gradient {n}": v.grad for n, v in leaves.items() if v.grad is not None}
    return {"outputs": outputs.detach(), **{n: v.detach() for n, v in final.items()}, **found}


@pytest.mark.parametrize("noisy", [False, True], ids=["plain", "noisy"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("name", COMPILED)
def test_windows_change_nothing(name: str, ragged: bool, reverse: bool, noisy: bool) -> None:
    cell = CELLS[name](4, 6)
    expected = gradients(cell, ragged, reverse, noisy, recompute=False)
    got = gradients(cell, ragged, reverse, noisy, recompute=True)
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        # sums over windows are added in another order
        torch.testing.assert_close(got[key], value, rtol=1e-12, atol=1e-12, msg=lambda m, key=key: f"{key}: {m}")


MEMORY = """
import torch
from pathlib import Path
from throughtime.cells import LSTMCell
from throughtime.engine import unroll

torch.set_num_threads(1)
cell = LSTMCell(4, 32)
parameters = {n: (torch.randn(p.shape) * 0.1).requires_grad_() for n, p in cell.parameters().items()}

def train(time, recompute):
    outputs, _ = unroll(cell, parameters, torch.randn(1, time, 4), recompute=recompute, engine="compiled")
    outputs.sum().backward()

def highest():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024

def grown(recompute):
    train(100, recompute)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest so far
    before = highest()
    train(100_000, recompute)
    print(highest() - before)

"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads the highest memory as Linux counts it")
def test_a_hundred_thousand_steps_take_the_memory_of_their_outputs(forked: Callable[..., Forked]) -> None:
    begun = {choice: forked(execute, f"{MEMORY}grown({choice})") for choice in (True, False)}
    grown = {choice: float(process.end().out) for choice, process in begun.items()}
    outputs = 100_000 * 32 * 4 / 2**20
    # the outputs, their gradient, the inputs; the tape alone is four times the outputs
    assert grown[True] < 4.5 * outputs < 6.5 * outputs < grown[False]


def test_layers_hand_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from throughtime import LSTM
    from throughtime.engine.compiled import loop

    windows: list[int] = []
    made = loop.Job.__init__

    def spy(self: loop.Job, *arguments: object) -> None:
        made(self, *arguments)  # type: ignore[arg-type]
        windows.append(len(self.windows))

    monkeypatch.setattr(loop.Job, "__init__", spy)
    LSTM(2, 3, num_layers=2, recompute=True)(torch.randn(400, 1, 2))
    LSTM(2, 3)(torch.randn(400, 1, 2))
    assert windows == [20, 20, 1]
    assert LSTMCell(2, 3).state == ("h", "c")
