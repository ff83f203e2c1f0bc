"""Threads, processes and workers: the same bits wherever the compiled engine runs, and no hang."""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from forked import Forked, execute
from throughtime.cells import CELLS
from throughtime.engine import unroll
from throughtime.engine.compiled import team

SETUP = """
import hashlib, os, torch
from throughtime.cells import CELLS
from throughtime.engine import unroll
from throughtime.engine.compiled import frame
cell = CELLS["gru-full"](5, 70)

def answer(threads, learns=True):
    torch.set_num_threads(threads)
    frame.SERIAL = frame.MEETING = 0
    source = torch.Generator().manual_seed(0)
    parameters = {n: torch.randn(p.shape, generator=source) / 9 for n, p in cell.parameters().items()}
    parameters["b"].requires_grad_()
    x = torch.randn(31, 9, 5, generator=source).requires_grad_()
    outputs, final = unroll(cell, parameters, x, engine="compiled")
    whole = torch.cat([outputs.flatten(), final["h"].flatten()])
    if learns:
        outputs.sum().backward()
        whole = torch.cat([whole, parameters["b"].grad])
    return hashlib.sha256(whole.detach().numpy().tobytes()).hexdigest()
"""

FORK = """
# after a fork PyTorch's own products hang on two threads, not only here: the child's backward runs on one
serial, before, used = answer(1), answer(2), answer(2, False)
reader, writer = os.pipe()
child = os.fork()
if not child:
    os.write(writer, (answer(2, False) + answer(1)).encode())
    os._exit(0)
_, status = os.waitpid(child, 0)
forked = os.read(reader, 1000).decode()
print(status, serial == before == answer(2), forked == used + serial, serial)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_forked_and_spawned_processes_give_the_same_bits(
    forked: Callable[..., Forked], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = forked(execute, SETUP + FORK).end()
    assert (ended.status, ended.err) == (0, "")
    *held, serial = ended.out.split()
    assert held == ["0", "True", "True"]
    (tmp_path / "spawned_answer.py").write_text(SETUP)
    monkeypatch.syspath_prepend(tmp_path)
    answer = importlib.import_module("spawned_answer").answer
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map_async(answer, [1, 2]).get(100) == [serial, serial]


class Answers(Dataset[torch.Tensor]):
    """Runs a cell for each item."""

    def __init__(self) -> None:
        self.cell = CELLS["lstm"](3, 40)
        source = torch.Generator().manual_seed(0)
        self.parameters = {n: torch.randn(p.shape, generator=source) / 6 for n, p in self.cell.parameters().items()}

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> torch.Tensor:
        x = torch.full((20, 4, 3), float(index))
        return unroll(self.cell, self.parameters, x, engine="compiled")[0]


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_data_loaders_worker(two_threads: None) -> None:
    data = Answers()
    expected = [data[i] for i in range(3)]  # the parent has used its threads by then
    loader = DataLoader(data, batch_size=None, num_workers=1, multiprocessing_context="fork", timeout=30)
    assert all(torch.equal(got, value) for got, value in zip(loader, expected, strict=True))


@pytest.mark.parametrize("openmp", [True, False], ids=["openmp", "team"])
@pytest.mark.parametrize("threads", [1, 2])
def test_four_threads_at_once(
    threads: int, openmp: bool, draw: Any, run: Any, same: Any, request: pytest.FixtureRequest
) -> None:
    if threads == 2:
        request.getfixturevalue("two_threads")
    if not openmp:
        request.getfixturevalue("monkeypatch").setattr(team, "_openmp", lambda: None)
    cell = CELLS["gru-full"](5, 70)
    batches = [draw(cell, 20 + i, 5, torch.float32, seed=i) for i in range(4)]
    serial = [run(cell, values, "compiled") for values in batches]
    start = threading.Barrier(4)

    def many(i: int) -> list[dict[str, torch.Tensor]]:
        start.wait(20)
        # new threads of PyTorch begin with its own default
        torch.set_num_threads(threads)
        return [run(cell, batches[i], "compiled") for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        results = [future.result(40) for future in [pool.submit(many, i) for i in range(4)]]
    for expected, repeated in zip(serial, results, strict=True):
        for got in repeated:
            for key in ("outputs", "final h", "gradient of b"):
                assert torch.equal(got[key], expected[key]), key
            same(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["gru-full", "lstm-peephole"])
def test_the_team_of_python_threads_gives_the_same_bits(
    name: str, draw: Any, run: Any, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = CELLS[name](5, 70)
    values = draw(cell, 40, 6, torch.float32)
    lengths = torch.arange(40) % 7
    expected = run(cell, values, "compiled", lengths=lengths)
    served: list[int] = []
    by_team = team._by_team
    monkeypatch.setattr(team, "_openmp", lambda: None)
    monkeypatch.setattr(team, "_by_team", lambda work: (served.append(work.parties), by_team(work)))
    for _ in range(3):
        got = run(cell, values, "compiled", lengths=lengths)
        assert all(torch.equal(got[key], value) for key, value in expected.items())
    assert served == [2] * 6
    with team._team.lock:  # found busy: the caller works alone
        got = run(cell, values, "compiled", lengths=lengths)
    assert all(torch.equal(got[key], value) for key, value in expected.items())
