"""The tagger of both strands, against a plain loop over codons and by its symmetry."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from throughtime.data.dna.bases import SHARES, decode, turn
from throughtime.models import LetterInput, Letters, StrandBatch, StrandTagger, StrandTaggerConfig
from throughtime.models.strands import NOTHING

SWAPPED = (0, 4, 5, 6, 1, 2, 3)


def tagger(bidirectional: bool = True, **given: object) -> StrandTagger:
    torch.manual_seed(0)
    config = StrandTaggerConfig(
        hidden=7,
        layers=2,
        bidirectional=bidirectional,
        swapped=SWAPPED,
        codon=5,
        **given,  # type: ignore[arg-type]
    )
    return StrandTagger(config).double().eval()


def letters(*lengths: int) -> Letters:
    torch.manual_seed(1)
    codes = torch.randint(1, 16, (len(lengths), max(lengths)))
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return Letters(codes * mask, torch.tensor(lengths))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 12, 31])
def test_the_other_strand_is_the_same_turned_round(length: int, bidirectional: bool) -> None:
    model, x = tagger(bidirectional), letters(length, max(1, length - 1), length // 2)
    with torch.no_grad():
        here, there = model.scores(x), model.scores(x.other_strand())
    turned = turn(there, x.lengths)[:, :, list(SWAPPED)]
    for row, end in enumerate(x.lengths.tolist()):
        assert torch.equal(here[row, :end], turned[row, :end])
    assert here[0].std() > 1e-3


def test_ambiguity_letters_and_the_other_strand() -> None:
    x = Letters(torch.tensor([[1, 5, 10, 15, 0]]), torch.tensor([4]))  # A R Y N
    assert decode(x.other_strand().codes[0].numpy().astype("uint8")) == "NRYT-"
    assert torch.equal(x.other_strand().other_strand().codes, x.codes)


def test_one_strand_by_a_plain_loop_over_codons() -> None:
    model, x = tagger(), letters(8)
    bases = SHARES[x.codes[0]].double()

    def embed(at: int) -> torch.Tensor:
        """The mean of the embeddings of the codons that the letters at a place may stand for."""
        total = torch.zeros(5, dtype=torch.float64)
        if at + 3 > 8:
            return total  # a codon that is not whole
        for number, (a, b, c) in enumerate(product(range(4), repeat=3)):
            total = total + bases[at, a] * bases[at + 1, b] * bases[at + 2, c] * model.codons.weight[:, number]
        return total

    with torch.no_grad():
        features = torch.stack([torch.cat([embed(3 * step + n) for n in range(3)]) for step in range(3)])
        outputs, _ = model.stack(features.unsqueeze(0))
        expected = model.linear(outputs).view(9, 7)[:8]
        assert torch.allclose(model._read(x)[0], expected, atol=1e-12)


def test_a_ragged_batch_is_what_its_rows_are_alone() -> None:
    model, x = tagger(), letters(20, 11, 3, 1)
    with torch.no_grad():
        together = model.log_probs(x)
        for row, end in enumerate(x.lengths.tolist()):
            alone = model.log_probs(Letters(x.codes[row : row + 1, :end], x.lengths[row : row + 1]))
            assert torch.allclose(together[row, :end], alone[0], atol=1e-12)


def test_the_loss_is_the_mean_over_bases_and_its_gradient_is_right() -> None:
    model, x = tagger(), letters(7, 4)
    labels = torch.randint(0, 7, (2, 7))
    labels[1, 4:] = NOTHING
    batch = StrandBatch(x, labels)
    logs = model.log_probs(x)
    by_hand = -(
        logs[0].gather(1, labels[0].unsqueeze(1)).sum() + logs[1, :4].gather(1, labels[1, :4].unsqueeze(1)).sum()
    )
    assert model.loss(batch, None)[0].item() == pytest.approx(by_hand.item() / 11)
    weight = model.codons.weight
    model.loss(batch, None)[0].backward()
    assert weight.grad is not None
    with torch.no_grad():
        step = 1e-6 * torch.randn_like(weight)
        weight += step
        above = model.loss(batch, None)[0]
        weight -= 2 * step
        below = model.loss(batch, None)[0]
    assert (above - below).item() == pytest.approx(2 * (weight.grad * step).sum().item(), rel=1e-5)


def test_letters_are_hidden_at_the_share_asked_for() -> None:
    torch.manual_seed(0)
    x = Letters(torch.full((20, 500), 4), torch.full((20,), 400))
    x.codes[:, 400:] = 0
    hidden = x.without(0.25)
    assert (hidden.codes[:, :400] == 15).double().mean().item() == pytest.approx(0.25, abs=0.02)
    assert not hidden.codes[:, 400:].any()


def test_letter_inputs_are_a_convolution_of_distributions_and_their_places() -> None:
    torch.manual_seed(0)
    inputs = LetterInput(6, width=3, places=4).double()
    x = letters(5, 2)
    shares = SHARES[x.codes].double()
    padded = F.pad(shares, (0, 0, 1, 1))
    for row, at in product(range(2), range(5)):
        around = padded[row, at : at + 3].T  # [4, 3]
        expected = (inputs.convolution.weight * around).sum((1, 2)) + inputs.convolution.bias
        assert inputs.places is not None
        expected = torch.relu(expected + inputs.places.weight[min(at, 3)])
        assert torch.allclose(inputs(x)[row, at], expected)
