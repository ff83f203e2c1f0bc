"""The loss over many classes: its values and every gradient are PyTorch's, and it never holds all scores."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from throughtime.data import NOTHING, TokenBatch
from throughtime.data.text.pairs import PairBatch
from throughtime.data.text.words import WordBatch
from throughtime.layers import Recurrent
from throughtime.models import (
    ClassBatch,
    Classifier,
    EncoderDecoder,
    EncoderDecoderConfig,
    LanguageModel,
    LanguageModelConfig,
    Model,
    TagBatch,
    Tagger,
    TaggerConfig,
    WordInputConfig,
    cross_entropy,
)
from throughtime.models.cross_entropy import each_nats, mean_nats

TIGHT = {"rtol": 1e-9, "atol": 1e-11}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of every pass over blocks."""
    found: list[int] = []
    real = cross_entropy._pass

    def counting(rows: Tensor, *others: Any) -> Any:
        found.append(len(rows))
        return real(rows, *others)

    monkeypatch.setattr(cross_entropy, "_pass", counting)
    return found


def small(patch: pytest.MonkeyPatch, rows: int = 3) -> None:
    """Small sizes go in blocks of so many rows, too."""
    for name, value in {"CLASSES": 1, "SCORES": 1, "BLOCK": 1, "ROWS": rows}.items():
        patch.setattr(cross_entropy, name, value)
    patch.setattr("throughtime.models.tagger.CLASSES", 1)


@pytest.fixture
def passes(counted: list[int], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of every pass, where small sizes go in blocks of three rows."""
    small(monkeypatch)
    return counted


def drawn(rows: int, classes: int, features: int, spread: float = 1.0, bias: bool = True, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    shapes = [(rows, features), (classes, features), *([(classes,)] if bias else [])]
    values = [(torch.randn(*shape).double() * spread).requires_grad_() for shape in shapes]
    return (*values, *([] if bias else [None])), torch.randint(classes, (rows,))


def plain(given: Any, targets: Tensor, shares: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    scores, options = F.linear(*given), {"label_smoothing": smoothing, "ignore_index": NOTHING}
    if shares is None:
        return F.cross_entropy(scores, targets, **options)
    return (F.cross_entropy(scores, targets, reduction="none", **options) * shares).sum()


def same(one: Tensor, other: Tensor, values: Any) -> None:
    leaves = [value for value in values if value is not None]
    torch.testing.assert_close(one, other, **TIGHT)
    for found, expected in zip(torch.autograd.grad(one, leaves), torch.autograd.grad(other, leaves), strict=True):
        torch.testing.assert_close(found, expected, **TIGHT)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 14),
    classes=st.integers(1, 9),
    features=st.integers(1, 5),
    block=st.integers(1, 15),
    spread=st.sampled_from([0.0, 1.0, 30.0, 1e4]),
    bias=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    shared=st.booleans(),
    left=st.sets(st.integers(0, 13), max_size=6),
    times=st.sampled_from([1.0, -3.0]),
)
def test_values_and_gradients_are_those_of_pytorch(
    rows: int,
    classes: int,
    features: int,
    block: int,
    spread: float,
    bias: bool,
    smoothing: float,
    shared: bool,
    left: set[int],
    times: float,
) -> None:
    values, targets = drawn(rows, classes, features, spread, bias)
    targets[[i for i in left if i < rows][: rows - 1]] = NOTHING
    shares = torch.rand(rows).double() if shared else None
    with pytest.MonkeyPatch.context() as patch:
        small(patch, block)
        loss = mean_nats(*values, targets, smoothing=smoothing, shares=shares)
        assert type(loss.grad_fn).__name__ == "_MeanBackward"
        same(loss * times, plain(values, targets, shares, smoothing) * times, values)
        with torch.no_grad():
            each = F.cross_entropy(F.linear(*values), targets, reduction="none", ignore_index=NOTHING)
            torch.testing.assert_close(each_nats(*values, targets), each, **TIGHT)
            torch.testing.assert_close(mean_nats(*values, targets, smoothing=smoothing, shares=shares), loss, **TIGHT)


def test_where_no_row_counts_there_is_no_mean(passes: list[int]) -> None:
    values, targets = drawn(4, 5, 3)
    targets[:] = NOTHING
    assert mean_nats(*values, targets).isnan()
    assert each_nats(*values, targets).tolist() == [0.0] * 4
    assert mean_nats(*values, targets, shares=torch.ones(4)).item() == 0.0
    assert not passes


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2), (1, 2)])
def test_gradients_that_are_not_wanted_are_not_made(wanted: tuple[int, ...], passes: list[int]) -> None:
    values, targets = drawn(7, 5, 3)
    for i, value in enumerate(values):
        value.requires_grad_(i in wanted)
    same(mean_nats(*values, targets), plain(values, targets), [values[i] for i in wanted])
    assert passes == [7]


def test_one_tensor_may_be_rows_and_matrix(passes: list[int]) -> None:
    square, targets = torch.randn(5, 5).double().requires_grad_(), torch.arange(5)
    same(mean_nats(square, square, square[0], targets), plain((square, square, square[0]), targets), [square])
    assert passes == [5]


def test_matrices_that_do_not_lie_row_by_row(passes: list[int]) -> None:
    (rows, weight, bias), targets = drawn(7, 5, 3)
    turned = [value.detach().t().contiguous().t().requires_grad_() for value in (rows, weight)]
    same(mean_nats(*turned, bias, targets), plain((*turned, bias), targets), [*turned, bias])
    assert passes == [7]


def test_backward_twice(passes: list[int]) -> None:
    values, targets = drawn(7, 5, 3)
    loss = mean_nats(*values, targets)
    first = torch.autograd.grad(loss, values, retain_graph=True)
    for value in first:
        value.add_(1.0)  # whoever gets a gradient may write into it
    expected = torch.autograd.grad(plain(values, targets), values)
    for one, other in zip(torch.autograd.grad(loss, values), expected, strict=True):
        torch.testing.assert_close(one, other, **TIGHT)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, values)


def test_a_matrix_changed_on_the_way_back_is_found_out(passes: list[int]) -> None:
    values, targets = drawn(7, 5, 3)
    loss = mean_nats(*values, targets)
    with torch.no_grad():
        values[1].add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_second_derivatives_and_many_gradients_at_once(passes: list[int]) -> None:
    values, targets = drawn(4, 5, 2)

    def loss(*given: Tensor) -> Tensor:
        return mean_nats(*given, targets, smoothing=0.1)

    assert torch.autograd.gradgradcheck(loss, values, fast_mode=True)
    seeds = torch.tensor([1.0, -2.0]).double()
    many = torch.autograd.grad(loss(*values), values, seeds, is_grads_batched=True)
    for found, once in zip(many, torch.autograd.grad(plain(values, targets, None, 0.1), values), strict=True):
        torch.testing.assert_close(found, torch.stack([once, -2.0 * once]), **TIGHT)
    assert passes


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch scripts its own decompositions
def test_what_transforms_operations_sees_those_of_pytorch(passes: list[int]) -> None:
    (rows, weight, bias), targets = drawn(6, 5, 3)
    with torch.no_grad():
        one = torch.func.grad(mean_nats)(rows, weight, bias, targets)
        two = torch.func.vmap(lambda row, target: mean_nats(row[None], weight, bias, target[None]))(rows, targets)
        _, three = torch.func.jvp(lambda w: mean_nats(rows, w, bias, targets), (weight,), (weight,))
    expected = torch.autograd.grad(plain((rows, weight, bias), targets), [rows, weight])
    torch.testing.assert_close(one, expected[0], **TIGHT)
    torch.testing.assert_close(two, F.cross_entropy(F.linear(rows, weight, bias), targets, reduction="none"), **TIGHT)
    torch.testing.assert_close(three, (expected[1] * weight).sum(), **TIGHT)
    with torch.autocast("cpu", torch.bfloat16):
        rough = mean_nats(rows.float(), weight.float(), bias.float(), targets)
    torch.testing.assert_close(rough.double(), plain((rows, weight, bias), targets), rtol=0.05, atol=0.05)
    assert not passes


def words(count: int) -> WordBatch:
    return WordBatch(torch.arange(count).view(2, -1) % 7, torch.tensor([count // 2, count // 2 - 2]))


def text_batch() -> TokenBatch:
    return TokenBatch.of([[3, 5, 2, 8, 4], [1], [7, 7, 1]])


def pair_batch() -> PairBatch:
    return PairBatch.of([[5, 6, 3], [7]], [[4, 8, 8], [2]], eos=1)


def classifier() -> Classifier:
    return Classifier(lambda steps: F.one_hot(steps.words, 7).double(), Recurrent("gru", 7, 6), 9)


MODELS: dict[str, tuple[Any, Any]] = {
    "language model": (lambda: LanguageModel(LanguageModelConfig(vocabulary=9, hidden=6, embedding=6)), text_batch),
    "language model, tied": (
        lambda: LanguageModel(LanguageModelConfig(vocabulary=9, hidden=6, embedding=6, tied=True)),
        text_batch,
    ),
    "language model, bridged": (
        lambda: LanguageModel(LanguageModelConfig(vocabulary=9, hidden=6, embedding=4, tied=True)),
        text_batch,
    ),
    "encoder–decoder": (
        lambda: EncoderDecoder(EncoderDecoderConfig(source=9, target=9, hidden=4, decoder_hidden=6, embedding=5)),
        pair_batch,
    ),
    "encoder–decoder, tied, smoothed, with coverage": (
        lambda: EncoderDecoder(
            EncoderDecoderConfig(
                source=9,
                target=9,
                hidden=4,
                decoder_hidden=6,
                tied=True,
                label_smoothing=0.1,
                attention="additive",
                coverage=1.0,
            )
        ),
        pair_batch,
    ),
    "tagger": (
        lambda: Tagger(TaggerConfig(labels=9, inputs=WordInputConfig(words=7, embedding=4), hidden=5, crf=False)),
        lambda: TagBatch(words(14), torch.arange(14).view(2, 7) % 9),
    ),
    "classifier": (classifier, lambda: ClassBatch(words(14), torch.tensor([3, 8]))),
}
"""Every model that has a softmax over any number of classes and asks for its loss by targets."""


@pytest.mark.parametrize("name", MODELS)
def test_every_model_goes_in_blocks_and_has_the_same_loss(
    name: str, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    model, batch = MODELS[name][0]().double(), MODELS[name][1]()
    before = results(model, batch)
    assert not counted
    small(monkeypatch)
    for one, other in zip(results(model, batch), before, strict=True):
        torch.testing.assert_close(one, other, **TIGHT)
    real = {"language": 9, "encoder–decoder": 6, "tagger": 12, "classifier": 2}
    assert counted == [real[name.split(",")[0].split(" ")[0]]] * 2  # the loss, and each step's; none past a length


def results(model: Model, batch: Any) -> list[Tensor]:
    """The loss, each step's without gradients, and every gradient."""
    loss = model.loss(batch, None)[0]
    with torch.no_grad():
        each = model.losses(batch)
    return [loss, each, *torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True, allow_unused=True)]


def test_a_tagger_of_many_labels_asks_nothing_of_each_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    tagger, batch = MODELS["tagger"][0]().double().eval(), MODELS["tagger"][1]()
    scores = tagger.scores(batch.words)
    before = tagger.decode(batch.words), tagger.loss_of(scores, batch)
    small(monkeypatch)
    monkeypatch.setattr(tagger.crf, "_parts", None)
    assert tagger.decode(batch.words) == before[0]
    torch.testing.assert_close(tagger.loss_of(scores, batch), before[1], **TIGHT)


def test_many_classes_alone_go_in_blocks(counted: list[int]) -> None:
    for rows, classes in ((600, 1_999), (100, 2_000), (600, 2_000)):
        values, targets = drawn(rows, classes, 1)
        mean_nats(*values, targets)
    assert counted == [600]


def test_all_scores_are_never_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "BLOCK", 2**20)
    rows, weight = torch.randn(4_000, 1, requires_grad=True), torch.randn(2_000, 1, requires_grad=True)
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        mean_nats(rows, weight, None, torch.zeros(4_000, dtype=torch.long)).backward()
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert 2**19 < largest <= 2**20 + 2**16  # of 32 MB of scores
