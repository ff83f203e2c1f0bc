"""A run that was stopped or killed at any step, and resumed, ends in the same bits as one that never was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from throughtime.data import Streams, TokenBatch, WholeTexts
from throughtime.decoding import stream_log_prob
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.training import Evaluation, Observer, Plan, StepReport, Trainer
from throughtime.training.restore import flatten_optimiser

EOS = 1
IDS = np.random.default_rng(8).integers(1, 9, 120)
HELD_OUT = np.random.default_rng(4).integers(1, 9, 40)


@dataclass(frozen=True)
class Case:
    """A kind of training, small enough to be run dozens of times: 8 batches an epoch, an epoch and a half."""

    plan: Plan
    whole_texts: bool = False
    cell: str = "lstm"
    worsens: bool = False


COMMON = Plan(epochs=1.5, evaluate_every=3, checkpoint_seconds=0.0, log_every=1, clip_norm=0.25)

CASES = {
    "adam, streams": Case(replace(COMMON, schedule="cosine", warmup=4)),
    "adamw, whole texts": Case(replace(COMMON, optimiser="adamw", weight_decay=0.1), whole_texts=True, cell="gru-full"),
    # From the second evaluation on weights are averaged and the rate falls.
    "asgd, averaging": Case(
        replace(COMMON, optimiser="asgd", lr=0.5, momentum=0.5, schedule="plateau", clip_value=0.05),
        cell="rnn",
        worsens=True,
    ),
}


class KilledError(Exception):
    """Stands for a power cut."""


class At(Observer):
    """Does something after a step's metrics are written and before its checkpoint is."""

    def __init__(self, step: int, act: Callable[[], object]) -> None:
        self.at, self.act = step, act

    def step(self, report: StepReport) -> None:
        if report.step == self.at:
            self.act()


def make(case: Case, folder: Path, seed: int) -> Trainer[TokenBatch]:
    torch.manual_seed(seed)
    config = LanguageModelConfig(
        vocabulary=9, cell=case.cell, hidden=6, layers=2, embedding=5, dropout=0.3, recurrent_dropout=0.2, zoneout=0.1
    )
    model = LanguageModel(config)
    source = WholeTexts(IDS, 2, EOS, seed=5) if case.whole_texts else Streams(IDS, 3, 5, EOS)
    trainer: Trainer[TokenBatch]

    def evaluate() -> Evaluation:
        nats = -sum(score for score, _ in stream_log_prob(model, Streams(HELD_OUT, 2, 7, EOS))) / len(HELD_OUT)
        return Evaluation(nats + (trainer.progress.step if case.worsens else 0.0), {"nats_per_token": nats})

    trainer = Trainer(model, source, case.plan, folder, evaluate)
    return trainer


def metrics(folder: Path) -> list[dict[str, Any]]:
    """What the run logged, less what the clock says."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in ("seconds", "tokens_per_s")} for record in records]


def bits(trainer: Trainer[TokenBatch]) -> dict[str, Any]:
    """All that a run is."""
    tensors, groups = flatten_optimiser(trainer.optimiser)
    return {
        "weights": trainer.model.state_dict(),
        "optimiser": tensors,
        "groups": groups,
        "average": (trainer.averager.count, trainer.averager.means),
        "carried": trainer.carried,
        "random": torch.get_rng_state(),
        "progress": {k: v for k, v in asdict(trainer.progress).items() if k != "seconds"},
        "clipped": (trainer.clipper.steps, trainer.clipper.clipped),
        "metrics": metrics(trainer.folder),
        "best": (trainer.folder / "model.safetensors").read_bytes(),
    }


def same(got: Any, expected: Any, where: str = "") -> None:
    """Equal in every bit."""
    if isinstance(expected, torch.Tensor):
        assert torch.equal(got, expected), where
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys(), where
        for key, value in expected.items():
            same(got[key], value, f"{where}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(got) == len(expected), where
        for number, (one, other) in enumerate(zip(got, expected, strict=True)):
            same(one, other, f"{where}[{number}]")
    else:
        assert got == expected, where


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    @cache
    def run(name: str) -> dict[str, Any]:
        trainer = make(CASES[name], tmp_path_factory.mktemp("whole"), seed=1)
        trainer.run()
        return bits(trainer)

    return run


def test_the_cases_have_what_a_resumed_run_could_lose(uninterrupted: Callable[[str], dict[str, Any]]) -> None:
    for name, case in CASES.items():
        end = uninterrupted(name)
        assert end["progress"]["step"] == 12
        assert end["progress"]["epoch"] == 1
        assert end["clipped"][1] > 0
        assert end["optimiser"]
        if not case.whole_texts:
            assert end["carried"]["h"].ne(0).any()
        assert len({record["loss"] for record in end["metrics"] if record["event"] == "step"}) == 12
    assert uninterrupted("asgd, averaging")["average"][0] == 1 + 6
    assert uninterrupted("asgd, averaging")["progress"]["drops"] == 3


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("step", [1, 3, 7, 8, 9, 11])
@pytest.mark.parametrize("name", CASES)
def test_an_interrupted_run_ends_in_the_same_bits(
    name: str, step: int, killed: bool, tmp_path: Path, uninterrupted: Callable[[str], dict[str, Any]]
) -> None:
    case, expected = CASES[name], uninterrupted(name)
    first = make(case, tmp_path, seed=1)

    def kill() -> None:
        raise KilledError

    first.observers = [At(step, kill if killed else first.stop)]
    if killed:
        with pytest.raises(KilledError):
            first.run()
    else:
        first.run()
        assert first.progress.step == step
        assert not first.progress.finished
    # Another process: other weights and another random state, until the checkpoint is read.
    second = make(case, tmp_path, seed=99)
    second.resume()
    assert second.progress.step == (step - 1 if killed else step)
    second.run()
    same(bits(second), expected)


@pytest.mark.parametrize("name", CASES)
def test_a_run_interrupted_at_every_step(
    name: str, tmp_path: Path, uninterrupted: Callable[[str], dict[str, Any]]
) -> None:
    trainer = make(CASES[name], tmp_path, seed=1)
    interruptions = 0
    while not trainer.progress.finished:
        trainer.stop()
        trainer.run()
        interruptions += 1
        trainer = make(CASES[name], tmp_path, seed=interruptions + 50)
        trainer.resume()
    same(bits(trainer), uninterrupted(name))
    assert interruptions == trainer.progress.step


def test_a_checkpoint_far_back_repeats_what_came_after_it(
    tmp_path: Path, uninterrupted: Callable[[str], dict[str, Any]]
) -> None:
    name = "asgd, averaging"
    case = CASES[name]
    lazy = replace(case, plan=replace(case.plan, checkpoint_seconds=1e9))
    first = make(lazy, tmp_path, seed=1)

    def kill() -> None:
        raise KilledError

    first.observers = [At(5, first.stop)]
    first.run()
    second = make(lazy, tmp_path, seed=60)
    second.resume()
    second.observers = [At(11, kill)]
    with pytest.raises(KilledError):
        second.run()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"event": "step", "st')  # a line that the power cut cut
    third = make(case, tmp_path, seed=61)
    third.resume()
    assert third.progress.step == 5
    assert metrics(tmp_path)[-1]["step"] == 5
    third.run()
    same(bits(third), uninterrupted(name))


def test_a_run_killed_before_its_first_minute_goes_on_from_its_start(
    tmp_path: Path, uninterrupted: Callable[[str], dict[str, Any]]
) -> None:
    name = "adam, streams"
    first = make(replace(CASES[name], plan=replace(COMMON, warmup=4, checkpoint_seconds=1e9)), tmp_path, seed=1)

    def kill() -> None:
        raise KilledError

    first.observers = [At(7, kill)]
    with pytest.raises(KilledError):
        first.run()
    second = make(CASES[name], tmp_path, seed=70)
    second.resume()
    assert second.progress.step == 0
    second.run()
    same(bits(second), uninterrupted(name))


def test_stopping_always_leaves_a_checkpoint(
    tmp_path: Path, uninterrupted: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The signal may come at the very end of a step, when it was already decided not to save.
    name = "adam, streams"
    lazy = replace(CASES[name], plan=replace(CASES[name].plan, checkpoint_seconds=1e9))
    first = make(lazy, tmp_path, seed=1)
    step = first._step

    def step_then_signal(batch: TokenBatch) -> None:
        step(batch)
        if first.progress.step == 4:
            first.stop()

    monkeypatch.setattr(first, "_step", step_then_signal)
    first.run()
    second = make(CASES[name], tmp_path, seed=71)
    second.resume()
    assert second.progress.step == 4
    second.run()
    same(bits(second), uninterrupted(name))


def test_more_epochs_go_on_from_the_end(tmp_path: Path) -> None:
    plan = replace(COMMON, schedule="constant", evaluate_every=4)
    (tmp_path / "long").mkdir()
    long = make(Case(replace(plan, epochs=2.0)), tmp_path / "long", seed=1)
    long.run()
    expected = bits(long)
    short = make(Case(replace(plan, epochs=1.0)), tmp_path, seed=1)
    short.run()
    assert short.progress.finished
    extended = make(Case(replace(plan, epochs=2.0)), tmp_path, seed=80)
    extended.resume()
    assert not extended.progress.finished
    extended.run()
    same(bits(extended), expected)
    assert extended.progress.step == 16


def test_a_finished_run_has_nothing_to_resume(tmp_path: Path) -> None:
    trainer = make(CASES["adam, streams"], tmp_path, seed=1)
    trainer.run()
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = make(CASES["adam, streams"], tmp_path, seed=81)
    again.resume()
    again.run()
    assert again.progress.step == 12
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
