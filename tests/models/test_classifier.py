"""Words as features, and a class for a sentence."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from throughtime.data.text.words import WordReader
from throughtime.data.vocabulary import Vocabulary
from throughtime.models import ClassBatch, Classifier, StackConfig, WordInput, WordInputConfig

SENTENCES = [["so", "very", "good"], ["bad"], [], ["good", "bad", "so", "so", "very"]]
WORDS = Vocabulary.learn(word for sentence in SENTENCES for word in sentence)
LETTERS = Vocabulary.learn("sovergdba")
SHAPES = Vocabulary(["<unk>", "x"])
READER = WordReader(WORDS, LETTERS, shapes=SHAPES)


def words(spelling: str, **options: float) -> WordInput:
    torch.manual_seed(1)
    config = WordInputConfig(
        words=len(WORDS),
        embedding=4,
        characters=len(LETTERS),
        spelling=spelling,
        letter=3,
        spelled=6,
        **options,  # type: ignore[arg-type]
    )
    return WordInput(config).double()


@pytest.mark.parametrize("spelling", ["none", "rnn", "cnn"])
def test_a_word_reads_the_same_whatever_stands_beside_it(spelling: str) -> None:
    model = words(spelling)
    together = model(READER.batch(SENTENCES))
    assert together.shape == (4, 5, model.output_size)
    for row, sentence in enumerate(SENTENCES):
        for at, word in enumerate(sentence):
            torch.testing.assert_close(together[row, at], model(READER.batch([[word]]))[0, 0])


def test_a_word_reads_its_shape_between_its_embedding_and_its_spelling() -> None:
    model = words("rnn", shapes=2, shape=3)
    plain, capitals = (model(READER.batch([[word]]))[0, 0] for word in ("so", "SO"))
    torch.testing.assert_close(plain[:4], model.embedding.weight[WORDS.ids(["so"])[0]])
    torch.testing.assert_close(torch.stack([plain[4:7], capitals[4:7]]), model.shapes.weight[[1, 0]])
    assert plain.shape == (4 + 3 + 6,)


def test_a_spelling_is_the_final_state_of_either_direction() -> None:
    model = words("rnn")
    letters = model.letters(1 + torch.tensor([LETTERS.ids("very")]))
    outputs, _ = model.reader(letters)
    expected = torch.cat([outputs[0, -1, :3], outputs[0, 0, 3:]])
    torch.testing.assert_close(model(READER.batch([["very"]]))[0, 0, 4:], expected)


def test_a_convolution_sees_three_letters_and_nothing_past_the_end() -> None:
    model = words("cnn")
    letters = model.letters(1 + torch.tensor([LETTERS.ids("so")]))[0]
    padded = F.pad(letters, (0, 0, 1, 1))
    windows = torch.stack([padded[i : i + 3].T for i in range(2)])
    values = torch.relu((model.reader.weight * windows.unsqueeze(1)).sum((2, 3)) + model.reader.bias)
    torch.testing.assert_close(model(READER.batch([["so"], ["very"]]))[0, 0, 4:], values.amax(0))


def test_dropped_words_are_read_as_unknown_and_only_in_training() -> None:
    model = words("none", word_dropout=0.5)
    batch = READER.batch([["good"] * 2000])
    torch.manual_seed(0)
    unknown = (model(batch)[0] == model.embedding.weight[0]).all(1)
    assert 0.45 < unknown.double().mean() < 0.55
    assert (model.eval()(batch)[0] == model.embedding.weight[WORDS.ids(["good"])[0]]).all()


def test_letters_are_needed_to_spell() -> None:
    with pytest.raises(ValueError, match="needs characters"):
        WordInput(WordInputConfig(words=3, spelling="cnn"))
    with pytest.raises(ValueError, match="even number of spelled features"):
        WordInput(WordInputConfig(words=3, characters=3, spelling="rnn", spelled=5))


@pytest.mark.parametrize("cell", ["lstm", "gru-full", "rnn"])
@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_a_batch_equals_its_sentences_with_loss_and_gradients(cell: str, pooling: str) -> None:
    inputs = words("rnn")
    stack = StackConfig(cell=cell, hidden=5, layers=2, bidirectional=True).build(inputs.output_size)
    model = Classifier(inputs, stack, 3, pooling=pooling).double()  # type: ignore[arg-type]
    classes = torch.tensor([2, 0, 1, 2])
    loss, carried = model.loss(ClassBatch(READER.batch(SENTENCES), classes), None)
    assert carried is None
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    single = sum(
        -model.log_probs(READER.batch([sentence]))[0, number] / 4
        for sentence, number in zip(SENTENCES, classes.tolist(), strict=True)
    )
    assert isinstance(single, torch.Tensor)
    torch.testing.assert_close(loss, single)
    for one, other in zip(
        gradients, torch.autograd.grad(single, list(model.parameters()), allow_unused=True), strict=True
    ):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            torch.testing.assert_close(one, other)


def test_probabilities_sum_to_one_for_an_empty_batch_of_words_too() -> None:
    inputs = words("cnn")
    model = Classifier(inputs, StackConfig(hidden=4).build(inputs.output_size), 3).double()
    torch.testing.assert_close(model.log_probs(READER.batch([[], []])).exp().sum(1), torch.ones(2, dtype=torch.float64))
