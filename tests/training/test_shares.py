"""A batch in parts: each model's loss and gradient are those of its shares, and what is drawn goes by the share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import throughtime.models
from made_data import MAKERS, Made, settings_of
from throughtime.data import Streams, TokenBatch, WholeTexts
from throughtime.data.examples import Examples
from throughtime.data.shares import shares
from throughtime.errors import UserError
from throughtime.models import (
    LanguageModel,
    LanguageModelConfig,
    Letters,
    Model,
    State,
    StrandBatch,
    StrandTagger,
    StrandTaggerConfig,
)
from throughtime.tasks import find_task
from throughtime.training import Plan, Trainer
from throughtime.training.processes import Ranks, Shared, acting_as

EOS = 1
IDS = np.random.default_rng(8).integers(1, 9, 97)


def labelled_steps(folder: Path, planted: str) -> Made:
    """Two series with a label of every step."""
    rows = [f"{n},{t},{np.sin(t + n):.3f},{'ab'[t % 2]}" for n in range(9) for t in range(5 + n)]
    (folder / "steps.csv").write_text("\n".join(["series,time,x,label", *rows]) + "\n")
    return Made([folder / "steps.csv"], ["--features", "4", "--hidden", "8", "--steps", "4"], [])


MODELS = {name: {"task": name} for name in MAKERS} | {
    "music, keys": {"task": "music", "model": "keys"},
    "text, adaptive": {"task": "text", "adaptive": True},
    "entities, softmax": {"task": "entities", "tags": "softmax"},
    "forecast": {"task": "forecast", "origins": 2**20},  # all that there are, so that none is drawn
    "series, steps": {"task": "series", "made": labelled_steps},
    "series, novelty": {"task": "series", "novelty": True},
    "translation, coverage": {"task": "translation", "coverage": 0.5, "attention": "additive", "label_smoothing": 0.1},
}


@given(st.integers(1, 40), st.integers(1, 15))
@settings(max_examples=60, deadline=None)
def test_shares_are_whole_in_order_and_even(members: int, count: int) -> None:
    dealt = shares(members, count)
    assert [i for share in dealt for i in share] == list(range(members))
    assert len(dealt) == min(members, count)
    sizes = [len(share) for share in dealt]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


def gradients(model: Model) -> dict[str, Tensor]:
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


def agrees(model: Model, whole: Any, parts: Sequence[Callable[[], Any]], carried: State | None = None) -> None:
    """The loss of a batch and its gradient, whole and by shares."""
    model.eval()
    loss, state = model.loss(whole, carried)
    model.zero_grad()
    loss.backward()
    expected = gradients(model)
    for plan in (Plan(deterministic=True, shards=len(parts)), Plan(accumulate=len(parts))):
        shared = Shared(model, plan, Ranks())
        shared.carry_on(carried)
        found = shared(parts, 0, lambda: ())
        assert found.loss == pytest.approx(float(loss.detach()), rel=2e-5, abs=1e-6)
        assert found.tokens == whole.tokens
        got = gradients(model)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(got[name], value, rtol=1e-3, atol=2e-6, msg=name)
        if state is not None:
            on = shared.carried_on()
            assert on is not None
            for name, value in state.items():
                torch.testing.assert_close(on[name], value)


@pytest.fixture(scope="module")
def seen() -> set[type]:
    return {StrandTagger}


@pytest.fixture(scope="module")
def met() -> set[str]:
    """Names of those that were run in this process."""
    return set()


@pytest.mark.parametrize("name", MODELS)
def test_loss_and_gradient_are_those_of_the_shares(name: str, seen: set[type], met: set[str], tmp_path: Path) -> None:
    given = dict(MODELS[name])
    task = given.pop("task")
    made = given.pop("made", MAKERS[task])(tmp_path, "x")
    options = {**settings_of(made), **given, "batch": 7}
    trainer = find_task(task).start([str(path) for path in made.data], tmp_path / "run", options)
    if isinstance(trainer.source, Examples) and task != "forecast":
        trainer.source.batch = trainer.source.batch.__self__.batch  # without noise
    agrees(trainer.model, next(trainer.source.batches(0, 0)), next(trainer.source.shares(0, 0, 3)))
    seen.add(type(trainer.model))
    met.add(name)


def test_loss_of_strands() -> None:
    torch.manual_seed(0)
    config = StrandTaggerConfig(hidden=4, layers=1, bidirectional=True, swapped=(0, 4, 5, 6, 1, 2, 3), codon=5)
    lengths = torch.tensor([9, 4, 1, 7])
    real = torch.arange(9) < lengths.unsqueeze(1)
    codes, labels = torch.randint(1, 16, (4, 9)) * real, torch.randint(7, (4, 9)).masked_fill(~real, -1)

    def some(rows: slice) -> StrandBatch:
        most = int(lengths[rows].max())
        return StrandBatch(Letters(codes[rows, :most], lengths[rows]), labels[rows, :most])

    parts = [partial(some, slice(begin, begin + 2)) for begin in (0, 2)]
    agrees(StrandTagger(config), some(slice(0, 4)), parts)


def test_every_model_was_seen(seen: set[type], met: set[str]) -> None:
    known = {found for found in vars(throughtime.models).values() if isinstance(found, type)}
    ours = {found for found in known if issubclass(found, Model) and found.loss is not Model.loss}
    if met == MODELS.keys():  # not where some are run by themselves, or by another process
        assert seen == ours
    assert all(found.divisor is not Model.divisor for found in ours)


def test_a_model_that_does_not_tell_is_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"define divisor\(self, batch\)"):
        Model().divisor(None)


def language_model(**more: Any) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(LanguageModelConfig(vocabulary=9, hidden=5, layers=2, embedding=4, **more))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_streams_keep_their_state_in_whichever_share(count: int) -> None:
    model, streams = language_model(), Streams(IDS, 5, 4, EOS)
    carried = None
    for whole, parts in zip(streams.batches(0), streams.shares(0, 0, count), strict=True):
        agrees(model, whole, parts, carried)
        carried = model.loss(whole, carried)[1]
    assert [len(list(source.shares(0, 2, 3))) for source in (streams, WholeTexts(IDS, 3, EOS))] == [
        len(streams) - 2,
        len(WholeTexts(IDS, 3, EOS)) - 2,
    ]


def weights(folder: Path, plan: Plan, source: Any = None, **more: Any) -> list[Tensor]:
    folder.mkdir()
    model = language_model(**more)
    Trainer(model, source or Streams(IDS, 4, 4, EOS), plan, folder).run()
    return [value.detach() for value in model.parameters()]


PLAN = Plan(steps=6, evaluate_every=100, log_every=1)


def test_accumulated_parts_are_the_batch(tmp_path: Path) -> None:
    whole = weights(tmp_path / "1", PLAN)
    for value, other in zip(whole, weights(tmp_path / "2", replace(PLAN, accumulate=3)), strict=True):
        torch.testing.assert_close(other, value, rtol=1e-3, atol=1e-5)


def test_accumulated_parts_in_a_fixed_order_change_no_bit(tmp_path: Path) -> None:
    plan = replace(PLAN, deterministic=True)
    whole = weights(tmp_path / "1", plan, dropout=0.3)
    assert all(map(torch.equal, whole, weights(tmp_path / "2", replace(plan, accumulate=3), dropout=0.3)))
    other = weights(tmp_path / "3", replace(plan, seed=1), dropout=0.3)
    assert not all(map(torch.equal, whole, other))  # the seed decides what is dropped


@dataclass(frozen=True)
class Rows:
    """Numbers of which some do not count."""

    values: Tensor
    tokens: int = 1


class Mean(Model):
    """The mean of weight · values over those above zero, which may be none."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))
        self.unused = nn.Parameter(torch.tensor(1.0))

    def loss(self, batch: Rows, carried: State | None) -> tuple[Tensor, State | None]:
        return (self.weight * batch.values[batch.values > 0]).mean(), None

    def divisor(self, batch: Rows) -> float:
        return int((batch.values > 0).sum())


@pytest.mark.parametrize("plan", [Plan(deterministic=True), Plan(accumulate=2)], ids=["in order", "accumulated"])
def test_a_share_of_which_nothing_counts_adds_nothing(plan: Plan) -> None:
    model = Mean()
    parts = [lambda: Rows(torch.tensor([1.0, 2.0, 6.0])), lambda: Rows(torch.tensor([0.0]))]
    found = Shared(model, plan, Ranks())(parts, 0, lambda: ())
    assert found.loss == pytest.approx(6.0)
    assert float(model.weight.grad) == pytest.approx(3.0)
    assert model.unused.grad is None or float(model.unused.grad) == 0.0


def test_more_processes_than_shares_are_refused() -> None:
    many = Ranks()
    many.count = 13
    with pytest.raises(UserError, match="--shards 12: expected at least as many as there are processes, got 13"):
        Shared(Mean(), Plan(deterministic=True), many)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_one_thread_while_it_trains(threads: None, tmp_path: Path) -> None:
    seen: list[int] = []

    class Watched(LanguageModel):
        def loss(self, batch: TokenBatch, carried: State | None) -> tuple[Tensor, State | None]:
            seen.append(torch.get_num_threads())
            return super().loss(batch, carried)

    model = Watched(LanguageModelConfig(vocabulary=9, hidden=4, embedding=4))
    Trainer(model, Streams(IDS, 2, 4, EOS), replace(PLAN, steps=1, deterministic=True), tmp_path).run()
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2
    with acting_as(Ranks()):
        Trainer(model, Streams(IDS, 2, 4, EOS), replace(PLAN, steps=1), tmp_path).run()
    assert seen[-1] == 2
