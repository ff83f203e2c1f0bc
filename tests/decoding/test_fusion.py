"""What a language model says beside a search is what it says of the whole text, however the text is spelt."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.data import NOTHING, TokenBatch
from throughtime.data.text.tokenizer import Tokenizer
from throughtime.decoding import TextDecoder, sequence_log_probs
from throughtime.decoding.ctc import CTCBeam, ctc_beam_search, ctc_log_prob
from throughtime.decoding.fusion import Aloud, ByWord, TokenFusion, read_whole
from throughtime.errors import UserError
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.runtime.ctc import Reading

EOS = 1


def language_model(vocabulary: int, cell: str = "lstm", layers: int = 1) -> LanguageModel:
    torch.manual_seed(0)
    config = LanguageModelConfig(vocabulary=vocabulary, cell=cell, layers=layers, hidden=12, embedding=6)
    model = LanguageModel(config).eval()
    with torch.no_grad():
        model.softmax.weight.mul_(6)
    return model


class Counting(TextDecoder):
    """Remembers how many rows each step had."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(model)
        self.rows_of_steps: list[int] = []

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        self.rows_of_steps.append(len(tokens))
        return super().step(tokens, state)


def spelt(text: str) -> list[int]:
    """Letters a to d are tokens 2 to 5; e, written as two of them, and an f that is none."""
    return [number for sign in text for number in {"e": [2, 3], "f": []}.get(sign, [ord(sign) - 95])]


texts = st.lists(st.lists(st.integers(1, 6), max_size=6), min_size=1, max_size=5)


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 1), ("gru", 2), ("lstm-peephole", 1)])
@pytest.mark.parametrize("eos", [EOS, None])
def test_whole_texts_have_their_probability(cell: str, layers: int, eos: int | None) -> None:
    model = language_model(6, cell, layers)
    fusion = TokenFusion(TextDecoder(model), Aloud(["", *"abcdef"], spelt, eos=eos))

    @given(texts)
    @settings(derandomize=True, deadline=None, max_examples=15)
    def check(labellings: list[list[int]]) -> None:
        found = read_whole(fusion, labellings)
        written = ["".join(" abcdef"[symbol] for symbol in symbols) for symbols in labellings]
        ids = [spelt(text) + ([] if eos is None else [eos]) for text in written]
        assert [each.log_prob for each in found] == pytest.approx(sequence_log_probs(model, ids), abs=1e-5)
        assert [each.units for each in found] == list(map(len, labellings))

    check()


def test_what_stands_between_is_read_too() -> None:
    """Words that a model of characters reads, the first without a space before it."""
    tokenizer = Tokenizer.train(["one two three"], "characters")
    model = language_model(len(tokenizer))
    fusion = TokenFusion(TextDecoder(model), Aloud(["", "one", "two", "tree"], tokenizer.encode, " ", EOS))
    labellings = [[1, 2, 3], [3], [], [2, 2]]
    written = ["one two tree", "tree", "", "two two"]
    expected = sequence_log_probs(model, [[*tokenizer.encode(text), EOS] for text in written])
    assert [each.log_prob for each in read_whole(fusion, labellings)] == pytest.approx(expected, abs=1e-5)


WORDS = Tokenizer.train(["the cat is the cat's friend a b ab aa ba bb"], "words")


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("the cat", 2),
        (" the  cat ", 2),
        ("the cat's friend", 3),
        ("thecat is", 2),  # the first is unknown
        ("", 0),
        ("   ", 0),
    ],
)
def test_characters_are_read_word_by_word(text: str, units: int) -> None:
    letters = ["", *sorted(set("the cat's friend"))]
    model = language_model(len(WORDS))
    fusion = TokenFusion(TextDecoder(model), ByWord(letters, WORDS.encode, EOS))
    (found,) = read_whole(fusion, [[letters.index(sign) for sign in text]])
    ids = WORDS.encode(text)
    assert found.log_prob == pytest.approx(sequence_log_probs(model, [[*ids, EOS]])[0], abs=1e-5)
    assert found.units == units
    assert WORDS.unk in ids or "thecat" not in text


def test_a_word_counts_when_it_is_whole() -> None:
    letters = ["", *" ab"]
    fusion = TokenFusion(TextDecoder(language_model(len(WORDS))), ByWord(letters, WORDS.encode, EOS))
    read = Reading(0.0, 0, fusion.start())
    steps = []
    for sign in "ab b":
        (step,) = fusion.extend([read.state], [letters.index(sign)])
        read = read.then(step)
        steps.append((step.log_prob < 0, step.units))
    assert steps == [(False, 0), (False, 0), (True, 1), (False, 0)]
    (end,) = fusion.finish([read.state])
    assert (end.log_prob < 0, end.units) == (True, 1)


def test_without_sentences_the_end_adds_nothing() -> None:
    fusion = TokenFusion(TextDecoder(language_model(6)), Aloud(["", *"abcd"], spelt))
    (step,) = fusion.extend([fusion.start()], [1])
    assert fusion.finish([step.state])[0][:2] == (0.0, 0)


def test_the_unknown_has_the_probability_of_unk() -> None:
    model = language_model(len(WORDS))
    fusion = TokenFusion(TextDecoder(model), Aloud(["", "cat", "zebra"], WORDS.encode, " "))
    (step,) = fusion.extend([fusion.start()], [2])
    log_probs, _ = model.next_log_probs(torch.tensor([[NOTHING]]))
    assert step.log_prob == pytest.approx(log_probs[0, WORDS.unk].item())


def test_a_state_is_not_changed_and_may_come_twice() -> None:
    fusion = TokenFusion(TextDecoder(language_model(6)), Aloud(["", *"abcd"], spelt, eos=EOS))
    (a,) = fusion.extend([fusion.start()], [1])
    twice = fusion.extend([a.state, fusion.start(), a.state], [2, 3, 2])
    assert twice[0].log_prob == twice[2].log_prob != twice[1].log_prob
    (again,) = fusion.extend([a.state], [2])
    assert again.log_prob == twice[0].log_prob
    together = fusion.finish([each.state for each in twice])
    alone = [fusion.finish([each.state])[0] for each in twice]
    assert [end.log_prob for end in together] == pytest.approx([end.log_prob for end in alone], abs=1e-6)


def test_all_prefixes_of_a_call_are_computed_together_and_once() -> None:
    decoder = Counting(language_model(6))
    fusion = TokenFusion(decoder, Aloud(["", *"abcd"], spelt, eos=EOS))
    start = fusion.start()
    first = fusion.extend([start] * 4, [1, 2, 3, 4])
    assert decoder.rows_of_steps == []  # what follows nothing is known from the start
    for _ in range(3):
        fusion.extend([step.state for step in first for _ in range(4)], [1, 2, 3, 4] * 4)
    assert decoder.rows_of_steps == [4]
    fusion.extend([start] * 3, [1, 2, 1])
    assert decoder.rows_of_steps == [4]


def test_words_that_begin_alike_share_what_they_begin_with() -> None:
    decoder = Counting(language_model(6))
    fusion = TokenFusion(decoder, Aloud(["", "ab", "acd", "b"], spelt, " "))
    fusion.extend([fusion.start()] * 3, [1, 2, 3])
    assert decoder.rows_of_steps == [1, 1]  # a; then c, since nothing is asked of what follows b


def every_labelling(symbols: Sequence[int], longest: int) -> list[tuple[int, ...]]:
    return [each for length in range(longest + 1) for each in product(symbols, repeat=length)]


@pytest.mark.parametrize("unit", ["characters", "words"])
@given(st.integers(0, 1000), st.floats(0, 1.5), st.floats(-1, 3))
@settings(derandomize=True, deadline=None, max_examples=8)
def test_shallow_fusion_by_brute_force(unit: str, seed: int, alpha: float, beta: float) -> None:
    """Letters and spaces, read as they come or word by word: every labelling is scored by definition."""
    generator = torch.Generator().manual_seed(seed)
    log_probs = (2 * torch.randn(5, 4, generator=generator, dtype=torch.float64)).log_softmax(1)
    letters = ["", *"ab "]
    tokenizer = WORDS if unit == "words" else Tokenizer.train(["a b ab aab"], "characters")
    model = language_model(len(tokenizer))
    spelling = partial(ByWord if unit == "words" else Aloud, letters, tokenizer.encode, eos=EOS)
    beam = CTCBeam(5000, alpha, beta, prune=torch.inf, drop=torch.inf)
    found = ctc_beam_search(log_probs, beam, TokenFusion(TextDecoder(model), spelling()))
    acoustic = {labelling: ctc_log_prob(log_probs, labelling) for labelling in every_labelling([1, 2, 3], 5)}
    possible = [labelling for labelling, heard in acoustic.items() if heard > -torch.inf]
    written = ["".join(letters[symbol] for symbol in labelling) for labelling in possible]
    language = sequence_log_probs(model, [[*tokenizer.encode(text), EOS] for text in written])
    truth = {
        labelling: acoustic[labelling] + alpha * said + beta * (len(text.split()) if unit == "words" else len(text))
        for labelling, said, text in zip(possible, language, written, strict=True)
    }
    assert len(found) == len(truth)
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(truth[hypothesis.symbols], abs=1e-4)
    assert truth[found[0].symbols] == pytest.approx(max(truth.values()), abs=1e-4)


def test_a_language_model_tells_what_sounds_alike() -> None:
    """Both words sound the same; what was said before decides."""
    texts_ = ["", "red", "read", "the", "book", "is", "i"]
    said = ["i", "read", "the", "book"], ["the", "book", "is", "red"]
    tokenizer = Tokenizer.train([" ".join(words) for words in said], "words")
    model = LanguageModel(LanguageModelConfig(vocabulary=len(tokenizer), hidden=24, embedding=12))
    ids = [[*tokenizer.encode(" ".join(words)), EOS] for words in said]
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        model.loss(TokenBatch.of(ids), None)[0].backward()
        optimiser.step()
    fusion = TokenFusion(TextDecoder(model.eval()), Aloud(texts_, tokenizer.encode, " ", EOS))
    for words in said:
        heard = torch.full((2 * len(words), len(texts_)), 0.01)
        for at, word in enumerate(words):
            heard[2 * at, texts_.index(word)] = 1.0
            heard[2 * at + 1, 0] = 1.0
            if word in ("red", "read"):
                heard[2 * at, 1:3] = torch.tensor([0.51, 0.49] if word == "read" else [0.49, 0.51])
        log_probs = heard.log().log_softmax(1)
        right = [texts_.index(word) for word in words]
        assert list(ctc_beam_search(log_probs, CTCBeam())[0].symbols) != right
        assert list(ctc_beam_search(log_probs, CTCBeam(alpha=0.5), fusion)[0].symbols) == right


def test_searches_of_several_threads_share_a_language_model() -> None:
    fusion = TokenFusion(TextDecoder(language_model(6)), Aloud(["", *"abcd"], spelt, eos=EOS))
    log_probs = (2 * torch.randn(12, 5, generator=torch.Generator().manual_seed(0))).log_softmax(1)
    alone = ctc_beam_search(log_probs, CTCBeam(4), fusion)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: ctc_beam_search(log_probs, CTCBeam(4), fusion), range(24)):
            assert found == alone


def test_states_are_taken_up_by_the_same_language_model_alone() -> None:
    spelling = Aloud(["", *"abcd"], spelt, eos=EOS)
    fusion, other = (TokenFusion(TextDecoder(language_model(6)), spelling, mark) for mark in ("one", "other"))
    dumped = fusion.dump([fusion.start()])
    assert fusion.finish(fusion.load(dumped))[0].log_prob == fusion.finish([fusion.start()])[0].log_prob
    with pytest.raises(UserError, match="another by now"):
        other.load(dumped)
