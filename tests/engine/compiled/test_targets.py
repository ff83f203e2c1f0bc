"""Code for lesser processors than this one: it gives the reference's results, and the bits of this one's code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from throughtime.bench.machine import machine
from throughtime.cells import CELLS
from throughtime.engine import Noise
from throughtime.engine.compiled import cellcode
from throughtime.engine.compiled.llvm import build
from throughtime.engine.compiled.llvm.targets import LEVELS, VARIABLE, Processor, choose, runnable
from throughtime.engine.compiled.show import generated_code
from throughtime.errors import UserError

LEAST = Processor("least", "x86_64-linux", {})
FULL = Processor("full", "x86_64-linux", dict.fromkeys(LEVELS["x86-64-v4"], True))
RUNS = [] if build.available() else runnable(build.host())


def forget() -> None:
    """What a process keeps of the processor it compiles for."""
    for kept in (build.processor, build.target, build.build, build.shared, cellcode.compile_cell):
        kept.cache_clear()


@pytest.fixture
def compile_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """``compile_for(level)``: from here on as in a process whose environment names it."""

    def choose_it(level: str) -> None:
        monkeypatch.setenv(VARIABLE, level)
        forget()

    yield choose_it
    forget()


CASES = {
    "gru-full": torch.float32,
    "lstm-peephole": torch.float64,
    "gru-layernorm": torch.float32,
    "lstm-layernorm": torch.float64,
}


@pytest.mark.parametrize(("name", "dtype"), CASES.items(), ids=list(CASES))
@pytest.mark.parametrize("units", [11, 83])
def test_every_target_gives_the_same_bits(
    units: int,
    name: str,
    dtype: torch.dtype,
    draw: Callable[..., Any],
    run: Callable[..., Any],
    same: Callable[..., None],
    compile_for: Callable[[str], None],
) -> None:
    """Ragged rows, reversed, under dropout and zoneout; units end within a vector, whatever its width."""
    cell = CELLS[name](3, units)
    values = draw(cell, 5, 4, dtype)
    mask = torch.tensor([1.25, 0.0, 1.25, 1.25, 1.25], dtype=dtype).repeat(20)[:units].expand(5, units).contiguous()
    options = {
        "lengths": torch.tensor([4, 0, 3, 1, 4]),
        "reverse": True,
        "noise": Noise({"W_h": mask} if cell.parameters()["W_h"].shape[1] == units else {}, {"h": 0.2}),
    }
    expected = run(cell, values, "reference", **options)
    first = run(cell, values, "compiled", **options)
    tight = dtype == torch.float64
    for level in RUNS:
        compile_for(level)
        got = run(cell, values, "compiled", **options)
        assert build.target("float").lanes == {"x86-64-v2": 4, "x86-64-v3": 8, "x86-64-v4": 16}[level]
        same(got, expected, **({"rtol": 1e-9, "atol": 1e-11} if tight else {"rtol": 2e-4, "atol": 2e-5}))
        same(got, first)


@pytest.mark.skipif("x86-64-v2" not in RUNS, reason="needs a processor of x86-64-v2")
def test_code_and_bench_tell_the_target(compile_for: Callable[[str], None]) -> None:
    compile_for("x86-64-v2")
    text = generated_code(CELLS["rnn"](2, 3), form="llvm")
    assert text.startswith("; RNNCell, forward, for x86-64-v2, 4 numbers a vector\n")
    assert "<4 x float>" in text
    assert "<8 x float>" not in text
    assert machine()["target"] == "x86-64-v2"


@pytest.mark.skipif(build.available() is not None, reason="needs llvmlite")
def test_the_key_covers_the_target(compile_for: Callable[[str], None]) -> None:
    keys = [build._key("a")]
    for level in RUNS:
        compile_for(level)
        keys.append(build._key("a"))
    assert len(set(keys)) == len(keys)


@pytest.mark.skipif(build.available() is not None, reason="needs llvmlite")
@pytest.mark.parametrize("engine", ["auto", "compiled"])
def test_a_name_without_a_processor_is_refused(
    engine: str, draw: Callable[..., Any], run: Callable[..., Any], compile_for: Callable[[str], None]
) -> None:
    compile_for("x86-64-v9")
    cell = CELLS["rnn"](2, 3)
    line = "THROUGHTIME_TARGET: expected x86-64-v2, x86-64-v3, x86-64-v4, got 'x86-64-v9' (did you mean 'x86-64-v"
    with pytest.raises(UserError, match=re.escape(line)):
        run(cell, draw(cell, 2, 3), engine)


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_run_by_a_machine_that_has_all_of_it(level: str) -> None:
    assert choose(FULL, level).name == level
    assert choose(FULL, level).features == dict.fromkeys(LEVELS[level], True)
    for missing in LEVELS[level]:
        host = Processor("some", "x86_64-linux", {**FULL.features, missing: False})
        with pytest.raises(UserError, match=re.escape(f"cannot run {level}, it has no {missing};")):
            choose(host, level)
    with pytest.raises(UserError, match=r"it has no cx16, popcnt.*; unset it"):
        choose(LEAST, level)
    with pytest.raises(UserError, match="; unset it"):
        choose(Processor("other", "aarch64-linux", {}), level)


def test_without_a_name_it_is_this_machine() -> None:
    assert choose(FULL, None) is FULL
    assert choose(LEAST, "") is LEAST
