"""What TensorBoard shows is what the run reported; a resumed run replaces the events after its checkpoint."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from throughtime.errors import UserError
from throughtime.training import Evaluation, StepReport
from throughtime.training.tensorboard import TensorBoardObserver


def report(step: int, loss: float) -> StepReport:
    return StepReport(
        *(step, 9, step / 9, 0, loss),
        lr=0.5,
        grad_norm=3.0,
        clipped_share=0.25,
        tokens_per_second=80.0,
        seconds_left=1.0,
        layers={"layer 1": 0.125 * step},
    )


def shown(folder: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_figures_are_shown_by_step_and_again_after_a_resume(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    first = TensorBoardObserver(tmp_path)
    for step, loss in ((1, 4.0), (2, 2.0), (3, 1.5)):
        first.step(report(step, loss))
    first.evaluation(2, Evaluation(0.5, {"perplexity": 8.0}), best=True)
    first.close()
    assert shown(tmp_path, "train/loss") == [(1, 4.0), (2, 2.0), (3, 1.5)]
    for name, value in (("lr", 0.5), ("grad_norm", 3.0), ("clipped_share", 0.25), ("tokens_per_second", 80.0)):
        assert shown(tmp_path, f"train/{name}") == [(1, value), (2, value), (3, value)]
    assert shown(tmp_path, "grad_norm/layer 1") == [(1, 0.125), (2, 0.25), (3, 0.375)]
    assert shown(tmp_path, "validation/perplexity") == [(2, 8.0)]

    second = TensorBoardObserver(tmp_path, from_step=2)  # the third step was lost with the process
    second.step(report(3, 1.0))
    second.close()
    assert shown(tmp_path, "train/loss") == [(1, 4.0), (2, 2.0), (3, 1.0)]


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UserError, match=r"pip install 'throughtime\[track\]'"):
        TensorBoardObserver(tmp_path)
