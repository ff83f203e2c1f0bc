"""What is said of figures that are known, and what a run's log tells."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from throughtime.inspection.figures import draw_gradients
from throughtime.inspection.gates import Saturation
from throughtime.inspection.gradients import Flow
from throughtime.inspection.history import History, read_history
from throughtime.inspection.memory import Memory
from throughtime.inspection.page import _table
from throughtime.inspection.verdict import judge, reach


def flow(factor: float, steps: int = 41, name: str = "layer 1") -> Flow:
    """Gradients that are multiplied by a factor a step, of one sequence with one loss at its end."""
    norms = (factor ** torch.arange(steps - 1, -1, -1).double()).view(1, 1, steps)
    directed = SimpleNamespace(reverse=False)
    cell = SimpleNamespace(name=name, owner="stack", directed=directed, lengths=torch.tensor([steps]))
    return Flow(cell, torch.tensor([0]), {"": norms}, aligned=False)  # type: ignore[arg-type]


def verdict(factor: float, kind: str = "rnn", gates: tuple[Saturation, ...] = (), **history: object) -> list[str]:
    memory = {"stack": Memory(torch.arange(3), torch.tensor([1.0, 0.5, 0.01]))}
    found = judge([flow(factor)], [gates], memory, History(**history), kind)  # type: ignore[arg-type]
    return [finding.kind for finding in found]


def curve(norms: torch.Tensor) -> Flow:
    """One cell's gradients, of one sequence with one loss at its end, the nearest first."""
    found = flow(1.0, len(norms))
    return replace(found, norms={"": norms.double().flip(0).view(1, 1, -1)})


def test_a_reach_is_where_a_hundredth_is_left() -> None:
    assert reach(flow(0.5)) == 7  # 0.5 to the power of 7 is the first below a hundredth
    assert reach(flow(0.95)) == math.inf  # more than that is left at the longest distance
    assert reach(flow(1.01)) == math.inf
    valley = torch.tensor([1.0, 0.5, 1e-3, 0.5, 0.5, 1e-3, 1e-4])
    assert reach(curve(valley)) == 5  # it comes back once


STEPS = torch.arange(41.0)
BENT = torch.cat([0.5 ** STEPS[:10], 0.5**9 * 0.97 ** STEPS[:31]])


@pytest.mark.parametrize(
    ("norms", "told"),
    [
        (0.5**STEPS, "1"),
        (0.8937**STEPS, "6.2"),
        (0.5 ** STEPS[:4], "about 1"),  # four points may lie on a line by chance
        (BENT, "2.2 – 23"),
        (torch.cosh((STEPS - 20) / 3), "none: it turns"),
        (1.0**STEPS, "does not halve"),
        (1.05**STEPS, "does not halve"),
        (0.999**STEPS, "over 200"),
        (STEPS[:1] + 1, "–"),
    ],
)
def test_a_half_life_is_as_exact_as_its_curve_in_a_figure_and_a_page(norms: torch.Tensor, told: str) -> None:
    found = curve(norms)
    assert found.by_distance().half_life_told() == told
    label = draw_gradients([found]).axes[0].get_legend().get_texts()[0].get_text()
    words = {"none: it turns": "no half-life: it turns", "does not halve": "does not halve", "–": "no half-life"}
    assert label == f"layer 1: {words.get(told, f'half-life {told} steps')}"
    assert f"<td>{told}</td>" in _table([{"half-life": found.by_distance().half_life_told()}])


@pytest.mark.parametrize("factor", [0.5, 0.8, 0.89, 0.9, 0.97, 1.0, 1.05, 1.12, 1.13, 1.2])
@pytest.mark.parametrize("steps", [8, 41, 100])
def test_a_verdict_agrees_with_the_lines_of_its_figure(factor: float, steps: int) -> None:
    """What falls below the line of 1 % before the middle vanishes; what rises above that of 100 times explodes."""
    found = flow(factor, steps)
    axes = draw_gradients([found]).axes[0]
    shares = axes.lines[0].get_ydata() * factor ** max(0.0, math.copysign(1, factor - 1))
    below = [at for at, share in enumerate(shares) if share <= 0.01]
    (said,) = judge([found], [()], {}, History(), "gru")
    if below and below[0] < (steps - 1) / 2:
        assert (said.kind, f"after {below[0]} steps" in said.text) == ("vanishes", True)
    elif max(axes.lines[0].get_ydata()) > 100:
        assert said.kind == "explodes"
        assert "100 times: explodes above" in [" ".join(text.get_text().split()) for text in axes.texts]
    else:
        assert said.kind == "healthy"
        far = f"{below[0]} of {steps - 1}" if below else f"all {steps - 1}"
        assert f"layer 1: {far} steps" in said.text
        assert ("sequences this short" in said.text) == (steps < 20)


def test_gates_that_keep_a_memory_are_not_stuck() -> None:
    """Chrono initialisation opens an LSTM's forget gate on purpose: what lasts is no fault."""
    shut = Saturation("f", low=0.0, high=0.96, mean=0.97, bounded=True)
    whole = Memory(torch.tensor([0, 40]), torch.tensor([1.0, 0.5]))
    short = Memory(torch.tensor([0, 40]), torch.tensor([1.0, 0.0]))
    cases = ((0.97, whole, ["healthy"]), (0.97, short, ["stuck"]), (0.5, whole, ["vanishes", "stuck"]))
    for factor, memory, kinds in cases:
        found = judge([flow(factor)], [(shut,)], {"stack": memory}, History(), "lstm")
        assert [finding.kind for finding in found] == kinds


def test_verdicts() -> None:
    assert verdict(0.5) == ["vanishes"]
    assert verdict(0.97) == ["healthy"]
    assert verdict(1.2) == ["explodes"]
    assert verdict(1.01) == ["healthy"]  # it grows, but by half over the sequence
    assert verdict(0.97, diverged=17) == ["explodes"]
    assert verdict(0.97, steps=[1], loss=[1.0], norms=[3.0], clipped=[0.8]) == ["clipped"]
    shut = Saturation("f", low=0.95, high=0.0, mean=0.02, bounded=True)
    assert verdict(0.97, gates=(shut,)) == ["stuck"]
    assert verdict(0.97, gates=(Saturation("c", 0.95, 0.0, 0.0, bounded=False),)) == ["healthy"]
    assert verdict(0.5, gates=(shut,), diverged=3) == ["explodes", "vanishes", "stuck"]


ADVICE = {
    "rnn": "take a gated cell",
    "lstm": "raise the forget gate's bias at the start (--cell-option memory=41)",
    "gru": "let the gates keep more at the start (--cell-option memory=41)",
}


@pytest.mark.parametrize(("kind", "advice"), ADVICE.items())
def test_advice_fits_the_cell(kind: str, advice: str) -> None:
    (found,) = judge([flow(0.5)], [()], {}, History(), kind)
    assert advice in found.advice
    assert "after about 7 steps" in found.text


def test_how_far_memory_reaches() -> None:
    found = Memory(torch.tensor([0, 1, 2, 5]), torch.tensor([1.0, 0.3, 0.06, 0.01]))
    assert (found.length, found.whole) == (2, False)
    assert Memory(torch.tensor([0, 3]), torch.tensor([1.0, 0.9])).whole


def test_the_log_of_a_run_that_broke_off_and_went_on(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    assert read_history(log) == History()

    def step(number: int, **more: object) -> str:
        return json.dumps(
            {"event": "step", "step": number, "loss": 2.0, "grad_norm": 4.0, "clipped_share": 0.5, **more}
        )

    events = [step(20), step(40, layers={"layer 1": 0.25}), json.dumps({"event": "diverged", "step": 41})]
    log.write_text("\n".join([*events, '{"event": "st']), encoding="utf-8")
    found = read_history(log)
    assert (found.steps, found.norms, found.clipped_share, found.diverged) == ([20, 40], [4.0, 4.0], 0.5, 41)
    assert math.isnan(found.layers["layer 1"][0])
    assert found.layers["layer 1"][1] == 0.25
    log.write_text("\n".join([*events, step(60)]), encoding="utf-8")
    assert read_history(log).diverged is None
