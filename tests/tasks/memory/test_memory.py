"""Tasks that make their data: what they make, and figures of cases by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.applications.options import Options
from throughtime.tasks.memory.adding import CHANCE, Adding, AddingSettings, draw
from throughtime.tasks.memory.agreement import FORMS, AgreementSettings, AgreementTask
from throughtime.tasks.memory.copying import BLANK, GO, Copied, Copying, CopySettings
from throughtime.tasks.memory.grammar import NOUNS, VERBS, filling, met, sentence

NUMBER_OF = {form: number for pair in NOUNS for number, form in enumerate(pair)}
NOUN_OF = {form: noun for noun, pair in enumerate(NOUNS) for form in pair}


@settings(derandomize=True, deadline=None, max_examples=60)
@given(gap=st.integers(0, 100), seen=st.booleans(), seed=st.integers(0, 10_000))
def test_a_verb_agrees_with_its_noun_across_the_gap(gap: int, seen: bool, seed: int) -> None:
    made = sentence(np.random.default_rng(seed), gap, seen, "train:1")
    assert made.words[0] == "the"
    assert len(made.words) == 2 + gap
    number = NUMBER_OF[made.words[1]]
    (verb,) = [n for n, pair in enumerate(VERBS) if made.verb == pair[number]]
    assert made.other == VERBS[verb][1 - number]
    assert met(NOUN_OF[made.words[1]], verb) is seen


def test_every_noun_and_verb_is_met_but_not_every_pair() -> None:
    pairs = {(n, v) for n in range(len(NOUNS)) for v in range(len(VERBS)) if met(n, v)}
    assert len(pairs) == len(NOUNS) * len(VERBS) * 4 // 5
    assert {n for n, _ in pairs} == set(range(len(NOUNS)))
    assert {v for _, v in pairs} == set(range(len(VERBS)))
    assert len(set(FORMS)) == len(FORMS)


def test_nouns_in_the_gap_tell_nothing_of_the_verb() -> None:
    """The last noun before the verb has its number about as often as not."""
    random = np.random.default_rng(0)
    same = []
    for _ in range(800):
        made = sentence(random, 30, True, "")
        inside = [NUMBER_OF[word] for word in made.words[2:] if word in NUMBER_OF]
        same += [inside[-1] == NUMBER_OF[made.words[1]]] if inside else []
    assert 0.45 < np.mean(same) < 0.55
    assert filling(random, 0) == []


def test_parts_differ_and_cells_share_them() -> None:
    one = AgreementSettings(gap=9, shortest=5, examples=50, held_out=44)
    made = {part: list(AgreementTask.make(part, one)) for part in ("train", "valid", "test")}
    assert made["train"] == list(AgreementTask.make("train", AgreementSettings(**{**dict(one), "cell": "gru"})))
    assert made["train"] != list(AgreementTask.make("train", AgreementSettings(**{**dict(one), "seed": 1})))
    assert made["train"][:44] != made["valid"]
    assert {example.gap for example in made["train"]} == {5, 6, 7, 8, 9}
    assert all(example.met for example in made["train"] + made["valid"])
    assert sorted({example.gap for example in made["test"]}) == list(range(10))
    assert sum(example.met for example in made["test"]) == 22


class Says:
    """A model whose log-probabilities are given."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def log_probs(self, steps: Any) -> Tensor:
        return self.table[: len(steps.lengths)]


def test_a_verb_is_right_where_its_form_is_likelier_than_the_other() -> None:
    task = AgreementTask(AgreementSettings(gap=4), {"words": ["<unk>", "the"]})
    random = np.random.default_rng(1)
    examples = [sentence(random, gap, gap != 4, f"test:{gap}") for gap in (0, 4, 4)]
    table = torch.zeros(3, len(FORMS))
    for row, (example, right) in enumerate(zip(examples, (True, True, False), strict=True)):
        table[row, FORMS.index(example.verb)] = 1.0 if right else -1.0
        # What other verbs are given does not matter.
        table[row, FORMS.index(next(f for f in FORMS if f not in (example.verb, example.other)))] = 9.0
    report = task.evaluate(Says(table), examples, Options())  # type: ignore[arg-type]
    assert report.figures["accuracy"] == pytest.approx(200 / 3)
    assert report.figures["accuracy_longest_gap"] == 50.0
    assert report.figures["accuracy_never_met"] == 50.0
    # Of its two forms alone each verb's likelier one has the odds e : 1, and two of three are right.
    assert report.figures["nats"] == pytest.approx((2 * math.log(1 + 1 / math.e) + math.log(1 + math.e)) / 3)
    sure = math.e / (1 + math.e)
    assert report.figures["calibration_error"] == pytest.approx(100 * abs(2 / 3 - sure), abs=1e-4)
    assert [list(row) for row in report.tables[0].rows] == [[0, 100.0, 100.0, 0.0, 1], [4, 50.0, 0.0, 50.0, 2]]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(length=st.integers(2, 200), seed=st.integers(0, 2**53))
def test_two_numbers_are_marked_one_in_each_half(length: int, seed: int) -> None:
    steps = draw(seed, length)
    assert steps.shape == (length, 2)
    marked = steps[:, 1].nonzero()[0]
    assert len(marked) == 2
    assert marked[0] < length // 2 <= marked[1]
    assert 0 <= steps[:, 0].min() <= steps[:, 0].max() <= 1


def test_sums_and_their_errors() -> None:
    task = Adding(AddingSettings(length=12, held_out=2000), {})
    examples = list(task.make("test", task.settings))
    batch = task.batch(examples)
    row = batch.features[3]
    assert float(batch.targets[3]) == pytest.approx(float(row[row[:, 1] == 1][:, 0].sum()))
    # Always saying 1 is what chance means.
    assert float((batch.targets - 1).square().mean()) == pytest.approx(CHANCE, rel=0.05)
    report = task.evaluate(lambda features, lengths: torch.ones(len(features), 1), examples, Options())  # type: ignore[arg-type]
    assert report.figures["squared_error"] == pytest.approx(float((batch.targets - 1).square().mean()), rel=1e-5)
    near = float(((batch.targets - 1).abs() < 0.04).double().mean())
    assert report.figures["solved"] == pytest.approx(100 * near)


def test_what_is_read_and_said_in_the_copy_task() -> None:
    task = Copying(CopySettings(length=3, symbols=2), {})
    batch = task.batch([Copied([5, 7], "test:1"), Copied([0, 0], "test:2")])
    assert batch.words.words.tolist() == [
        [5, 7, BLANK, BLANK, GO, BLANK, BLANK],
        [0, 0, BLANK, BLANK, GO, BLANK, BLANK],
    ]
    assert batch.tags.tolist() == [[BLANK] * 5 + [5, 7], [BLANK] * 5 + [0, 0]]
    assert task.size(Copied([5, 7], "")) == 7
    assert task.steps(Copied([5, 7], ""))["stack"] == ["5", "7", "_", "_", ">", "_", "_"]


def test_a_network_without_memory_has_the_loss_that_is_told() -> None:
    task = Copying(CopySettings(length=3, symbols=2, hidden=4, cell="rnn"), {})
    model = task.build()
    with torch.no_grad():  # blanks for sure, but where symbols are due: there all are as likely
        for value in model.parameters():
            value.zero_()
    examples = list(task.make("valid", CopySettings(length=3, symbols=2, held_out=40)))
    scores = torch.full((1, 7, 9), -30.0)
    scores[:, :5, BLANK] = 30.0
    scores[:, 5:, :8] = 0.0
    model.scores = lambda words: scores.expand(len(words.lengths), -1, -1)  # type: ignore[method-assign,assignment,misc]
    report = task.evaluate(model, examples, Options())  # type: ignore[arg-type]
    assert report.figures["nats_per_step"] == pytest.approx(report.figures["memoryless_nats"], rel=1e-5)
    assert report.figures["memoryless_nats"] == pytest.approx(2 * math.log(8) / 7)
