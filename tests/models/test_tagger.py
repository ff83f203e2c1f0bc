"""The tagger: its loss is that of its parts, and a sentence does not know its neighbours."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime.data.text.words import WordBatch, WordReader
from throughtime.data.vocabulary import Vocabulary
from throughtime.models.inputs.words import WordInputConfig
from throughtime.models.tagger import TagBatch, Tagger, TaggerConfig
from throughtime.runtime.text.tags import allowed_transitions, scheme_tags

READER = WordReader(Vocabulary(["<unk>", *"abcd"]), Vocabulary(["<unk>", *"abcdexy"]), lowercase=True)
SENTENCES = [["A", "xbc", "d"], [], ["dye"], ["b", "unknown", "a", "d", "c"]]
TAGS = scheme_tags(["x"], "iob2")


def build(**options: Any) -> Tagger:
    torch.manual_seed(3)
    spelling = options.pop("spelling", "rnn")
    config = {
        "words": 5,
        "embedding": 4,
        "characters": 8,
        "letter": 3,
        "spelled": 4,
        "cell": options.get("cell", "lstm"),
    }
    inputs = WordInputConfig(**config, spelling=spelling)
    values = {"labels": 3, "inputs": inputs, "cell": "lstm", "hidden": 5, "layers": 2, "bidirectional": True, **options}
    tagger = Tagger(
        TaggerConfig(**values), torch.tensor(allowed_transitions(TAGS, "iob2")) if values.get("crf", True) else None
    )
    for parameter in tagger.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    if spelling != "none":
        torch.nn.init.zeros_(tagger.inputs.letters.weight[0])  # what stands past a word's end is no letter
    return tagger.eval()


def batch(tags: list[list[int]] | None = None) -> TagBatch:
    words = READER.batch(SENTENCES)
    rows = tags or [[(i + j) % 2 for j in range(len(s))] for i, s in enumerate(SENTENCES)]
    padded = torch.tensor([[*row, *[2] * (words.words.shape[1] - len(row))] for row in rows])
    return TagBatch(words, padded)


def by_enumeration(scores: Tensor, transitions: Tensor, allowed: Tensor, tags: list[int]) -> Tensor:
    """log P of labels, from every labelling there is."""
    end = len(transitions) - 1

    def score(path: tuple[int, ...]) -> Tensor:
        steps = list(itertools.pairwise([end, *path, end]))
        if not all(allowed[a, b] for a, b in steps):
            return torch.tensor(-torch.inf)
        return sum((transitions[a, b] for a, b in steps), scores[range(len(path)), path].sum())

    every = itertools.product(range(end), repeat=len(tags))
    return score(tuple(tags)) - torch.logsumexp(torch.stack([score(path) for path in every]), 0)


@pytest.mark.parametrize("spelling", ["rnn", "cnn", "none"])
def test_the_loss_is_that_of_the_sentences_one_by_one(spelling: str) -> None:
    model, both = build(spelling=spelling), batch()
    loss, carried = model.loss(both, None)
    assert carried is None
    total = torch.zeros(())
    for row, sentence in enumerate(SENTENCES):
        if sentence:
            scores = model.scores(READER.batch([sentence]))[0]
            tags = both.tags[row, : len(sentence)].tolist()
            assert model.crf.allowed is not None
            total = total - by_enumeration(scores, model.crf.transitions, model.crf.allowed, tags)
    torch.testing.assert_close(loss, total / 9)
    parameters = list(model.parameters())
    mine = torch.autograd.grad(loss, parameters)
    for a, b in zip(mine, torch.autograd.grad(total / 9, parameters), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_without_a_crf_the_loss_is_cross_entropy() -> None:
    model, both = build(crf=False), batch()
    flat = torch.cat([model.scores(READER.batch([s]))[0, : len(s)] for s in SENTENCES if s])
    tags = torch.cat([row[: len(s)] for row, s in zip(both.tags, SENTENCES, strict=True)])
    torch.testing.assert_close(model.loss(both, None)[0], torch.nn.functional.cross_entropy(flat, tags))
    words = both.words
    assert [x for row in model.decode(words) for x in row] == flat.argmax(-1).tolist()


@pytest.mark.parametrize("crf", [True, False])
@torch.no_grad()
def test_a_sentence_does_not_know_its_neighbours(crf: bool) -> None:
    model = build(crf=crf)
    words = READER.batch(SENTENCES)
    paths, best, sure = model.decode(words), model.nbest(words, 3), model.marginals(words)
    for row, sentence in enumerate(SENTENCES):
        alone = READER.batch([sentence])
        assert model.decode(alone) == [paths[row]]
        (own,) = model.nbest(alone, 3)
        assert [x.labels for x in own] == [x.labels for x in best[row]]
        assert [x.log_prob for x in own] == pytest.approx([x.log_prob for x in best[row]], abs=1e-5)
        size = len(sentence)
        torch.testing.assert_close(model.marginals(alone)[0, :size], sure[row, :size])
        assert sure[row, size:].abs().sum() == 0
        torch.testing.assert_close(sure[row, :size].sum(-1), torch.ones(size))
    assert paths[1] == []


def test_labels_keep_to_the_grammar() -> None:
    model = build()
    for seed in range(20):
        torch.manual_seed(seed)
        torch.nn.init.normal_(model.linear.weight, std=3.0)
        for labels in model.decode(READER.batch(SENTENCES)):
            assert all(b != 2 or a in (1, 2) for a, b in itertools.pairwise([0, *labels]))


@pytest.mark.parametrize("cell", FAMILIAR)
def test_any_cell_reads_words_and_letters(cell: str) -> None:
    model = build(cell=cell)
    loss, _ = model.loss(batch(), None)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_word_known_by_its_letters_alone_is_told_from_another() -> None:
    """Both are unknown words: only their spelling tells them apart, and capitals count there."""
    model = build()
    one, other, capital = (model.scores(READER.batch([[word]])) for word in ("xx", "yy", "A"))
    assert not torch.allclose(one, other)
    assert not torch.allclose(capital, model.scores(READER.batch([["a"]])))
    blind = build(spelling="none")
    torch.testing.assert_close(blind.scores(READER.batch([["xx"]])), blind.scores(READER.batch([["yy"]])))


def test_it_learns_tags_that_hang_on_the_word_before() -> None:
    model = build(layers=1, hidden=8)
    both = batch([[0, 1, 2], [], [1], [1, 2, 0, 0, 1]])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    model.train()
    for _ in range(60):
        optimiser.zero_grad()
        model.loss(both, None)[0].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert model.eval().decode(both.words) == [[0, 1, 2], [], [1], [1, 2, 0, 0, 1]]


def test_empty_batches_have_a_loss() -> None:
    loss, _ = build().loss(TagBatch(READER.batch([[]]), torch.zeros(1, 1, dtype=torch.long)), None)
    assert loss.item() == 0.0


def test_vectors_are_set_by_id() -> None:
    model = build()
    before = model.inputs.embedding.weight.detach().clone()
    model.inputs.start_from({2: torch.arange(4.0)})
    before[2] = torch.arange(4.0)
    torch.testing.assert_close(model.inputs.embedding.weight.detach(), before)


def test_words_past_a_length_do_not_matter() -> None:
    model = build()
    words = READER.batch(SENTENCES)
    noise = WordBatch(words.words.clone(), words.lengths, words.spellings, words.spelled, words.letters)
    noise.words[0, 3:] = 4
    assert model.decode(noise) == model.decode(words)


def test_a_lift_raises_all_but_the_outside_where_labels_are_sought_and_nowhere_else() -> None:
    tagger, given = build(outside=TAGS.index("O")), batch()
    plain, loss = tagger.decode(given.words), tagger.loss(given, None)[0]
    tagger.lift.fill_(100.0)
    scores = tagger.scores(given.words)
    raised = scores + 100.0
    raised[:, :, TAGS.index("O")] -= 100.0
    assert tagger.decode(given.words) == tagger.crf.viterbi(raised, given.words.lengths) != plain
    assert all(TAGS[label] != "O" for row in tagger.decode(given.words) for label in row)
    torch.testing.assert_close(tagger.marginals(given.words), tagger.crf.marginals(raised, given.words.lengths))
    torch.testing.assert_close(tagger.loss(given, None)[0], loss)
    assert "lift" in tagger.state_dict()  # it is kept with the weights
