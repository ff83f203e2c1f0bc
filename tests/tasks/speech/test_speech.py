"""What speech recognition is made of: errors counted, symbols in time, noise, what does not fit."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.applications.judging.word_errors import by_length, by_word, error_figures, hardest, word_error
from throughtime.data.vocabulary import Vocabulary
from throughtime.decoding.ctc import CTCStream, ctc_greedy, ctc_log_prob
from throughtime.errors import UserError
from throughtime.runtime.sound.transcripts import seconds_of
from throughtime.tasks.speech.examples import SpeechExample, SpeechSettings, add_noise, check_length
from throughtime.tasks.speech.pictures import Said, words_of
from throughtime.tasks.speech.recogniser import GreedySearch, Heard
from throughtime.tasks.speech.task import Speech


def distance(one: list[str], other: list[str]) -> int:
    """Levenshtein's, as the recursion says."""
    if not one or not other:
        return len(one) + len(other)
    change = distance(one[1:], other[1:]) + (one[0] != other[0])
    return min(change, distance(one[1:], other) + 1, distance(one, other[1:]) + 1)


WORDS = st.lists(st.sampled_from("abc"), max_size=4)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_word_errors_are_the_fewest_edits(pairs: list[tuple[list[str], list[str]]]) -> None:
    said, heard = ([" ".join(pair[side]) for pair in pairs] for side in (0, 1))
    count = sum(len(words) for words, _ in pairs)
    figures = error_figures(said, heard)
    edits = sum(itertools.starmap(distance, pairs))
    assert figures["substitutions"] + figures["deletions"] + figures["insertions"] == edits
    assert figures["words"] == count
    assert figures["exact"] == 100 * sum(one == other for one, other in pairs) / len(pairs)
    if count:
        assert figures["word_error"] == word_error(said, heard) == pytest.approx(100 * edits / count)


def test_errors_by_word_and_length_by_hand() -> None:
    said = ["one two", "two", "three one two", "six"]
    heard = ["one too", "two two", "one two", "six"]
    rows = {row[0]: row[1:] for row in by_word(said, heard).rows}
    assert rows["one"] == [2, 100, 0, 0, 0, ""]
    assert rows["two"] == [3, pytest.approx(200 / 3), 1, 0, 1, "too 1"]
    assert rows["three"] == [1, 0, 0, 1, 0, ""]
    assert by_length(said, heard).rows == [[1, 2, 50], [2, 1, 50], [3, 1, pytest.approx(100 / 3)]]
    assert [row[0] for row in hardest(said, heard, list("abcd")).rows] == [1, 1, 1]
    assert hardest(said, heard, list("abcd")).rows[0] == (1, "one two", "one too", "a")


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), cuts=st.lists(st.integers(0, 20), max_size=4))
def test_the_best_path_as_it_comes_is_that_of_the_whole(seed: int, cuts: list[int]) -> None:
    log_probs = (2 * torch.randn(20, 4, generator=torch.Generator().manual_seed(seed))).log_softmax(1)
    search = GreedySearch()
    for piece in torch.tensor_split(log_probs, sorted(cuts)):
        search.push(piece)
    (found,) = search.best()
    assert [list(found.symbols)] == ctc_greedy(log_probs[None], torch.tensor([20]))
    assert found.score == pytest.approx(float(log_probs.max(1).values.sum()), abs=1e-5)
    best = log_probs.argmax(1).tolist()
    for one in search.sounded:
        assert set(best[one.first : one.last + 1]) == {one.symbol}
        assert one.first == 0 or best[one.first - 1] != one.symbol
        assert one.last == 19 or best[one.last + 1] != one.symbol
        assert one.probability == pytest.approx(float(log_probs[one.first : one.last + 1, one.symbol].max().exp()))
    assert list(search.latest(2)) == list(found.symbols)[-2:]


def test_times_of_a_hypothesis_that_is_not_the_best_path() -> None:
    log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()  # the path says nothing; all paths together say 1
    search = CTCStream.__new__(CTCStream)
    heard = Heard(search, log_probs=[log_probs[:1], log_probs[1:]])
    assert ctc_log_prob(log_probs, [1]) > ctc_log_prob(log_probs, [])
    (one,) = heard.sounded([1], "a.wav")
    assert (one.symbol, one.probability) == (1, pytest.approx(0.4))
    with pytest.raises(UserError, match=r"a\.wav: too long"):
        Heard(search, log_probs=[log_probs.repeat(1 << 15, 1)]).sounded([1] * (1 << 14), "a.wav")


def test_characters_become_words_with_their_least_sure_letter() -> None:
    said = [Said(c, n / 10, n / 10 + 0.1, 1 - n / 100) for n, c in enumerate(" to  be")]
    assert words_of(said) == [Said("to", 0.1, pytest.approx(0.3), 0.98), Said("be", 0.5, pytest.approx(0.7), 0.94)]
    assert words_of([]) == []
    assert seconds_of(3, 4, 0.02, 10.0) == (0.06, 0.1)


def test_noise_has_the_loudness_that_is_asked_for() -> None:
    torch.manual_seed(0)
    sound = np.sin(np.arange(40_000) / 7).astype(np.float32)
    ratios = []
    for _ in range(40):
        noise = add_noise(sound, 10.0) - sound
        ratios.append(10 * np.log10(np.mean(sound**2) / np.mean(noise**2)))
    assert 9.8 < min(ratios) < 15
    assert 35 < max(ratios) < 40.2


def example(seconds: float, transcript: str) -> SpeechExample:
    return SpeechExample("a.wav", transcript, seconds, "", "train.tsv:7")


def test_transcripts_must_fit_into_their_sound() -> None:
    letters = Vocabulary(["a", "b"])
    check = SpeechSettings(frames=3, speed=0.0)
    check_length(example(0.3, "ababababab"), letters, check)
    with pytest.raises(UserError, match=r"train\.tsv:7: expected at most 10 characters in 0\.30 s of sound, got 11"):
        check_length(example(0.3, "abababababa"), letters, check)
    with pytest.raises(UserError, match="expected at most 10"):  # between two that are the same stands a blank
        check_length(example(0.3, "aabababaab"), letters, check)
    with pytest.raises(UserError, match="expected at most 8"):  # as fast as training makes it
        check_length(example(0.3, "ababababab"), letters, SpeechSettings(frames=3, speed=0.2))


@pytest.fixture
def bound(tmp_path: Path) -> tuple[Speech, list[SpeechExample]]:
    draw = random.Random(0)
    examples = []
    for number in range(6):
        sound = 0.1 * np.random.default_rng(number).standard_normal(draw.randint(4000, 9000))
        soundfile.write(tmp_path / f"{number}.wav", sound, 8000)
        info = soundfile.info(tmp_path / f"{number}.wav")
        examples.append(SpeechExample(str(tmp_path / f"{number}.wav"), "a b", info.duration, "", "here"))
    given_settings = SpeechSettings(unit="words", mels=12, noise=10.0)
    return Speech(given_settings, Speech.learn(examples, given_settings)), examples


def test_features_have_mean_0_and_deviation_1_over_the_training_data(bound: tuple[Speech, list[SpeechExample]]) -> None:
    speech, examples = bound
    batch = speech.batch(examples)
    frames = torch.cat([row[:length] for row, length in zip(batch.features, batch.lengths.tolist(), strict=True)])
    torch.testing.assert_close(frames.mean(0), torch.zeros(12), atol=1e-3, rtol=0)
    torch.testing.assert_close(frames.std(0), torch.ones(12), atol=1e-2, rtol=0)
    sizes = [speech.size(one) for one in examples]
    assert all(abs(size - length) <= 1 for size, length in zip(sizes, batch.lengths.tolist(), strict=True))


def test_training_changes_sound_as_the_seed_says(bound: tuple[Speech, list[SpeechExample]]) -> None:
    speech, examples = bound
    features = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        features.append(speech.training_batch(examples))
    assert torch.equal(features[0].features, features[1].features)
    assert not torch.equal(features[0].lengths, features[2].lengths)
    plain = speech.batch(examples)
    assert torch.equal(plain.features, speech.batch(examples).features)
    ratios = {round(float(r), 1) for r in features[0].lengths / plain.lengths}
    assert ratios <= {0.9, 1.0, 1.1}
    assert len(ratios) > 1


def test_symbols_that_training_did_not_see_are_left_out(bound: tuple[Speech, list[SpeechExample]]) -> None:
    speech, examples = bound
    batch = speech.batch([SpeechExample(examples[0].audio, "b z a", 1.0, "", "here")])
    assert batch.symbols.tolist() == [[2, 1]]
    assert speech.text([2, 1]) == "b a"


def test_louder_sound_is_that_much_more_in_every_band(bound: tuple[Speech, list[SpeechExample]]) -> None:
    """The draw on features is what louder samples would have given."""
    speech, examples = bound
    still = SpeechSettings(unit="words", mels=12, speed=0.0, volume=6.0)
    loud = Speech(still, speech.vocabulary)
    torch.manual_seed(3)
    gains = loud.training_batch(examples).features[0] - loud.batch(examples).features[0]
    decibels = gains[20] * torch.from_numpy(speech.deviation) * 10 / np.log(10)
    torch.testing.assert_close(decibels, decibels[:1].expand(12), atol=1e-3, rtol=0)
    assert 0.1 < abs(float(decibels[0])) <= 6
    sound, _ = soundfile.read(examples[0].audio, dtype="float32")
    frames = speech.bank.frames([sound * np.float32(10 ** (float(decibels[0]) / 20))])
    expected = speech.normalise(frames)
    torch.testing.assert_close((loud.batch(examples).features[0] + gains)[: len(expected)], expected, atol=1e-2, rtol=0)
