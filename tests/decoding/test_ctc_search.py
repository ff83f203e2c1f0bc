"""Prefix beam search finds what enumeration of every path finds, with a language model and without, however cut."""

from __future__ import annotations

import gc
import math
import weakref
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby, product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.decoding.ctc import (
    CTCBeam,
    CTCHypothesis,
    CTCStream,
    ctc_beam_search,
    ctc_greedy,
    ctc_log_prob,
    rescore,
)
from throughtime.runtime.ctc import Reading
from throughtime.runtime.ctc.search import SLACK, _Prefix
from throughtime.serving.live.seal import pack, unpack

Labelling = tuple[int, ...]

ALL = CTCBeam(5000, prune=math.inf, drop=math.inf)
"""Keeps everything."""


def random_log_probs(frames: int, symbols: int, seed: int, spread: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(frames, symbols, generator=generator, dtype=torch.float64)).log_softmax(1)


def exhaustive(log_probs: Tensor, blank: int = 0) -> dict[Labelling, float]:
    """Every labelling with the sum of its paths' probabilities."""
    found: dict[Labelling, float] = defaultdict(float)
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        labelling = tuple(symbol for symbol, _ in groupby(path) if symbol != blank)
        found[labelling] += math.exp(sum(float(log_probs[t, symbol]) for t, symbol in enumerate(path)))
    return found


class TableModel:
    """A language model whose probabilities are drawn at random for every beginning; the state is the beginning.

    Every second symbol is a unit; the end is drawn as well.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.asked: list[tuple[Labelling, int]] = []

    def log_prob(self, read: Labelling, symbol: int) -> float:
        generator = torch.Generator().manual_seed(hash((self.seed, read, symbol)) % 2**31)
        return -4 * float(torch.rand(1, generator=generator))

    def start(self) -> Labelling:
        return ()

    def extend(self, states: Sequence[Labelling], symbols: Sequence[int]) -> list[Reading]:
        assert len(states) == len(symbols)
        self.asked += zip(states, symbols, strict=True)
        return [
            Reading(self.log_prob(read, symbol), len(read) % 2, (*read, symbol))
            for read, symbol in zip(states, symbols, strict=True)
        ]

    def finish(self, states: Sequence[Labelling]) -> list[Reading]:
        return [Reading(self.log_prob(read, -1), 1, None) for read in states]

    def dump(self, states: Sequence[Labelling]) -> dict[str, Any]:
        return {"states": [list(read) for read in states]}

    def load(self, dumped: Mapping[str, Any]) -> list[Labelling]:
        return [tuple(read) for read in dumped["states"]]

    def whole(self, labelling: Labelling) -> tuple[float, int]:
        """Log-probability and units, by definition."""
        total = sum(self.log_prob(labelling[:at], symbol) for at, symbol in enumerate(labelling))
        return total + self.log_prob(labelling, -1), len(labelling) // 2 + 1


cases = st.tuples(st.integers(0, 5), st.integers(2, 4), st.integers(0, 1000))


@given(cases)
@settings(derandomize=True, deadline=None, max_examples=50)
def test_a_wide_beam_finds_every_labelling(case: tuple[int, int, int]) -> None:
    log_probs = random_log_probs(*case)
    found = ctc_beam_search(log_probs, ALL)
    truth = exhaustive(log_probs)
    assert {h.symbols for h in found} == set(truth)
    for hypothesis in found:
        assert math.exp(hypothesis.acoustic) == pytest.approx(truth[hypothesis.symbols], rel=1e-9)
        assert hypothesis.acoustic == pytest.approx(ctc_log_prob(log_probs, hypothesis.symbols))
        assert (hypothesis.language, hypothesis.units) == (0, len(hypothesis.symbols))
        assert hypothesis.score == hypothesis.acoustic
    scores = [hypothesis.score for hypothesis in found]
    assert scores == sorted(scores, reverse=True)


@given(cases, st.floats(0, 2), st.floats(-2, 2))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_fusion_finds_the_best_of_all_labellings(case: tuple[int, int, int], alpha: float, beta: float) -> None:
    log_probs, lm = random_log_probs(*case), TableModel(case[2])
    found = ctc_beam_search(log_probs, replace(ALL, alpha=alpha, beta=beta), lm)
    assert {h.symbols for h in found} == set(exhaustive(log_probs))
    for hypothesis in found:
        language, units = lm.whole(hypothesis.symbols)
        assert (hypothesis.language, hypothesis.units) == (pytest.approx(language), units)
        assert hypothesis.score == pytest.approx(hypothesis.acoustic + alpha * language + beta * units)
        assert hypothesis.acoustic == pytest.approx(ctc_log_prob(log_probs, hypothesis.symbols))
    assert found[0].score == max(h.score for h in found)


def test_no_question_is_asked_twice() -> None:
    lm = TableModel(0)
    ctc_beam_search(random_log_probs(5, 4, 1), ALL, lm)
    assert len(lm.asked) == len(set(lm.asked)) > 100


@given(st.integers(1, 30), st.integers(2, 6), st.integers(0, 1000), st.integers(1, 5), st.data())
@settings(derandomize=True, deadline=None, max_examples=50)
def test_a_stream_is_the_whole_however_it_is_cut(frames: int, size: int, seed: int, width: int, data: Any) -> None:
    log_probs = random_log_probs(frames, size, seed)
    cuts = sorted(data.draw(st.lists(st.integers(0, frames), max_size=6)))
    beam, lm = CTCBeam(width, 0.7, 0.3), TableModel(seed)
    stream, moved = CTCStream(beam, lm), CTCStream(beam, lm)
    for begin, end in zip([0, *cuts], [*cuts, frames], strict=True):
        stream.push(log_probs[begin:end])
        assert stream.best() == ctc_beam_search(log_probs[:end], beam, lm)
        moved.push(log_probs[begin:end])
        dumped, moved = unpack(pack(moved.dump())), CTCStream(beam, lm)
        moved.load(dumped)
        assert moved.best() == stream.best()
        assert moved.latest(frames) == stream.latest(frames)


@given(st.integers(1, 12), st.integers(2, 6), st.integers(0, 1000), st.integers(1, 4))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_a_narrow_beam_keeps_paths_that_are_there(frames: int, size: int, seed: int, width: int) -> None:
    log_probs = random_log_probs(frames, size, seed)
    found = ctc_beam_search(log_probs, CTCBeam(width, prune=math.inf))
    assert 1 <= len(found) <= width
    assert len({h.symbols for h in found}) == len(found)
    for hypothesis in found:
        assert hypothesis.acoustic <= ctc_log_prob(log_probs, hypothesis.symbols) + 1e-9


def textbook(log_probs: Tensor, beam: CTCBeam, lm: TableModel) -> list[CTCHypothesis]:
    """Prefix beam search as it is printed (Hannun et al. 2014), over whole prefixes and plain probabilities."""
    kept: dict[Labelling, tuple[float, float]] = {(): (1.0, 0.0)}

    def score(prefix: Labelling, acoustic: float, ended: bool = False) -> float:
        language, units = lm.whole(prefix)
        if not ended:
            language, units = language - lm.log_prob(prefix, -1), units - 1
        return beam.score(math.log(acoustic) if acoustic else -math.inf, language, units)

    for frame in log_probs.exp().tolist():
        after: dict[Labelling, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for prefix, (blank, symbol) in kept.items():
            after[prefix][0] += (blank + symbol) * frame[0]
            if prefix:
                after[prefix][1] += symbol * frame[prefix[-1]]
            for new, chance in list(enumerate(frame))[1:]:
                after[*prefix, new][1] += chance * (blank if prefix[-1:] == (new,) else blank + symbol)
        best = sorted(after, key=lambda prefix: -score(prefix, sum(after[prefix])))[: beam.width]
        kept = {prefix: (after[prefix][0], after[prefix][1]) for prefix in best if sum(after[prefix])}
    found = [
        CTCHypothesis(prefix, score(prefix, sum(masses), True), math.log(sum(masses)), *lm.whole(prefix))
        for prefix, masses in kept.items()
    ]
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


@given(st.integers(1, 12), st.integers(2, 4), st.integers(0, 1000), st.integers(1, 6))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_a_narrow_beam_keeps_what_the_textbook_keeps(frames: int, size: int, seed: int, width: int) -> None:
    log_probs, lm, beam = (
        random_log_probs(frames, size, seed),
        TableModel(seed),
        replace(ALL, width=width, alpha=0.8, beta=0.5),
    )
    ours, theirs = ctc_beam_search(log_probs, beam, lm), textbook(log_probs, beam, lm)
    assert [h.symbols for h in ours] == [h.symbols for h in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert (one.score, one.acoustic) == (pytest.approx(other.score), pytest.approx(other.acoustic))


@given(st.integers(1, 40), st.integers(2, 8), st.integers(0, 1000))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_pruning_keeps_the_best_where_the_model_is_sure(frames: int, size: int, seed: int) -> None:
    """Symbols of a chance below e-3 are left out; each frame has one that is surely there."""
    peaks = torch.randint(size, (frames, 1), generator=torch.Generator().manual_seed(seed))
    log_probs = random_log_probs(frames, size, seed, 0.5).scatter(1, peaks, 12.0).log_softmax(1)
    pruned = ctc_beam_search(log_probs, CTCBeam(8, prune=3.0))
    whole = ctc_beam_search(log_probs, CTCBeam(8, prune=math.inf))
    assert list(pruned[0].symbols) == list(whole[0].symbols) == ctc_greedy(log_probs[None], torch.tensor([frames]))[0]
    assert pruned[0].acoustic == pytest.approx(whole[0].acoustic, abs=1e-2)


def test_pruning_leaves_out_what_is_far_below_the_best() -> None:
    log_probs = torch.tensor([[0.5, 0.4, 0.1]]).log()
    assert [h.symbols for h in ctc_beam_search(log_probs, CTCBeam(prune=math.log(5.1)))] == [(), (1,), (2,)]
    assert [h.symbols for h in ctc_beam_search(log_probs, CTCBeam(prune=math.log(4.9)))] == [(), (1,)]


def test_a_prefix_far_below_the_best_is_dropped() -> None:
    log_probs = torch.tensor([[0.6, 0.3, 0.1], [0.8, 0.2, 1e-9]]).log()  # (): 0.48, (1,): 0.42, (2,): 0.08
    assert [h.symbols for h in ctc_beam_search(log_probs, CTCBeam(drop=math.log(6.1)))] == [(), (1,), (2,)]
    assert [h.symbols for h in ctc_beam_search(log_probs, CTCBeam(drop=math.log(5.9)))] == [(), (1,)]


def test_the_likeliest_labelling_need_not_be_that_of_the_likeliest_path() -> None:
    """The example of Graves (2012): both frames say blank, yet a symbol in one of them is likelier than none."""
    log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    assert ctc_greedy(log_probs[None], torch.tensor([2])) == [[]]
    best = ctc_beam_search(log_probs, CTCBeam(4))
    assert [h.symbols for h in best] == [(1,), ()]
    assert math.exp(best[0].acoustic) == pytest.approx(0.64)


def test_another_symbol_can_be_blank() -> None:
    log_probs = random_log_probs(6, 4, 3)
    swapped = log_probs[:, [3, 1, 2, 0]]
    names = {0: 3, 1: 1, 2: 2, 3: 0}
    theirs = ctc_beam_search(swapped, CTCBeam(), blank=3)
    assert [tuple(names[s] for s in h.symbols) for h in theirs] == [
        h.symbols for h in ctc_beam_search(log_probs, CTCBeam())
    ]


def speech(seed: int, sure: float = 1.5) -> Tensor:
    """A thousand frames: now and then a symbol, blanks between."""
    frames = random_log_probs(1000, 5, seed, 0.5)
    generator = torch.Generator().manual_seed(seed)
    peaks = torch.randint(5, (1000,), generator=generator)
    peaks[torch.rand(1000, generator=generator) < 0.8] = 0
    frames[torch.arange(1000), peaks] += torch.where(torch.arange(1000) % 50 == 0, 6.0, sure)
    return frames.log_softmax(1)


def test_memory_grows_with_the_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made: weakref.WeakSet[_Prefix] = weakref.WeakSet()
    begin = _Prefix.__init__

    def noted(self: _Prefix, before: _Prefix | None, symbol: int) -> None:
        begin(self, before, symbol)
        made.add(self)

    def alive() -> int:
        gc.collect()
        return len(made)

    monkeypatch.setattr(_Prefix, "__init__", noted)
    stream = CTCStream(CTCBeam(8, drop=4.0))
    for _ in range(2):
        stream.push(speech(0, sure=8.0))
        assert 0 < alive() <= 2 * SLACK
    assert len(stream._stem) > 200
    dumped, stream = stream.dump(), CTCStream(CTCBeam(8, drop=4.0))
    stream.load(dumped)
    stream.push(speech(0))
    unsure = alive()
    silence = torch.tensor([[0.97, 0.01, 0.01, 0.005, 0.005]]).log().expand(500, 5)
    for _ in range(2):
        stream.push(silence)
        assert alive() <= unsure


def test_a_stem_is_taken_off_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log_probs = speech(1)
    stream, untouched = CTCStream(CTCBeam(8)), CTCStream(CTCBeam(8))
    monkeypatch.setattr(untouched, "_take_stem", lambda: None)
    for begin in range(0, 1000, 10):
        stream.push(log_probs[begin : begin + 10])
        untouched.push(log_probs[begin : begin + 10])
        assert stream.best() == untouched.best()
        leads = list(untouched.best()[0].symbols)
        for count in (0, 1, 5, 1000):
            assert stream.latest(count) == leads[max(0, len(leads) - count) :]
    assert len(stream.best()[0].symbols) > 100
    assert len(stream._stem) > 50
    assert len(untouched._stem) == 0


def test_no_frames_say_nothing() -> None:
    assert ctc_beam_search(torch.zeros(0, 4), CTCBeam()) == [CTCHypothesis((), 0.0, 0.0, 0.0, 0)]


def test_frames_on_which_no_labelling_is_possible_are_refused() -> None:
    with pytest.raises(ValueError, match="no labelling is possible"):
        ctc_beam_search(torch.full((2, 3), -math.inf), CTCBeam())


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"width": 0}, "beam of at least 1"),
        ({"alpha": -1.0}, "alpha of at least 0"),
        ({"beta": math.inf}, "finite bonus"),
        ({"prune": -1.0}, "at least 0 nats"),
        ({"drop": math.nan}, "expected drop to be a distance of at least 0 nats"),
    ],
)
def test_a_beam_that_cannot_be_is_refused(settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CTCBeam(**settings_)


@given(cases, st.floats(0, 2), st.floats(-2, 2))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_rescoring_a_wide_beam_is_fusion(case: tuple[int, int, int], alpha: float, beta: float) -> None:
    log_probs, lm = random_log_probs(*case), TableModel(case[2])
    fused = ctc_beam_search(log_probs, replace(ALL, alpha=alpha, beta=beta), lm)
    plain = ctc_beam_search(log_probs, ALL)
    again = {hypothesis.symbols: hypothesis for hypothesis in rescore(plain, alpha, beta, lm)}
    assert len(again) == len(fused)
    for hypothesis in fused:
        other = again[hypothesis.symbols]
        assert other.score == pytest.approx(hypothesis.score)
        assert (other.language, other.units) == (pytest.approx(hypothesis.language), hypothesis.units)


def test_rescoring_orders_by_the_new_weights() -> None:
    given_ = [CTCHypothesis((1,), -1.0, -1.0, -5.0, 1), CTCHypothesis((2, 3), -2.0, -2.0, -1.0, 2)]
    assert rescore(given_, 0.1, 0.0) == [
        CTCHypothesis((1,), -1.5, -1.0, -5.0, 1),
        CTCHypothesis((2, 3), -2.1, -2.0, -1.0, 2),
    ]
    assert [h.symbols for h in rescore(given_, 1.0, 0.0)] == [(2, 3), (1,)]
    assert [(h.symbols, h.score) for h in rescore(given_, 0.0, 1.5)] == [((2, 3), 1.0), ((1,), 0.5)]
