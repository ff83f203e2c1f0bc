"""What is said of figures that are known, and what a run's log tells."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from throughtime.inspection.figures import draw_gradients
from throughtime.inspection.gates import Saturation
from throughtime.inspection.gradients import Flow
from throughtime.inspection.history import History, read_history
from throughtime.inspection.memory import Memory
from throughtime.inspection.numbers import show_number
from throughtime.inspection.page import _table
from throughtime.inspection.verdict import judge, reach


def flow(factor: float, steps: int = 41, name: str = "layer 1") -> Flow:
    """Gradients that are multiplied by a factor a step, of one sequence with one loss at its end."""
    norms = (factor ** torch.arange(steps - 1, -1, -1).double()).view(1, 1, steps)
    directed = SimpleNamespace(reverse=False)
    cell = SimpleNamespace(name=name, directed=directed, lengths=torch.tensor([steps]))
    return Flow(cell, torch.tensor([0]), {"": norms}, aligned=False)  # type: ignore[arg-type]


def verdict(factor: float, kind: str = "rnn", gates: tuple[Saturation, ...] = (), **history: object) -> list[str]:
    memory = {"stack": Memory(torch.arange(3), torch.tensor([1.0, 0.5, 0.01]))}
    found = judge([flow(factor)], [gates], memory, History(**history), kind)  # type: ignore[arg-type]
    return [finding.kind for finding in found]


def test_a_reach_is_where_a_hundredth_is_left() -> None:
    assert reach(flow(0.5)) == 7  # 0.5 to the power of 7 is the first below a hundredth
    assert reach(flow(0.95)) == pytest.approx(math.log(0.01) / math.log(0.95))  # beyond the sequence, by the line
    assert reach(flow(1.01)) == math.inf


@pytest.mark.parametrize(("factor", "steps", "shown"), [(0.5, 41, "1.0"), (1.0, 41, "∞"), (0.5, 1, "–")])
def test_a_figure_a_page_and_a_table_show_half_lives_alike(factor: float, steps: int, shown: str) -> None:
    found = flow(factor, steps)
    label = draw_gradients([found]).axes[0].get_legend().get_texts()[0].get_text()
    assert label == f"layer 1: half-life {shown} steps"
    half_life = found.by_distance().decay().half_life
    assert show_number(half_life, ".1f") == shown
    assert f"<td>{show_number(half_life)}</td>" in _table([{"half_life": half_life}])


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
