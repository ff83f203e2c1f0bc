"""A training step of a language model of words, whose softmax is most of it: all counted, from ids to new weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.bench.measures.drawing import KERNELS
from throughtime.bench.peers import LOOP, OURS, TORCH
from throughtime.bench.plan import Case, Plan
from throughtime.bench.rows import Row, make_row
from throughtime.bench.timing import interleave, timed
from throughtime.data import TokenBatch
from throughtime.engine import to_torch
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.training.clipping import Clipper

WORDS = 10_000
"""Of the vocabulary where nothing else is asked for; the Penn treebank's."""

RATE = 1e-3
"""Of learning."""

Step = Callable[[], float]
"""Trains by one step; the loss in nats."""


class PlainWords(nn.Module):
    """The same tied model as somebody writes it who has PyTorch alone.

    Args:
        model: Whose weights it has; one layer.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        config = model.config
        self.embedding = nn.Embedding(config.vocabulary, config.embedding)
        self.embedding.load_state_dict(model.embedding.state_dict())
        self.recurrent = KERNELS[config.cell](config.embedding, config.hidden, batch_first=True)
        self.bias, self.scale = nn.Parameter(model.bias.detach().clone()), model.scale
        (directed,) = model.stack.directed
        with torch.no_grad():
            values = to_torch(directed.cell, directed.values())
            for name, value in zip(self.recurrent._all_weights[0], values, strict=True):
                getattr(self.recurrent, name).copy_(value)

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy in nats."""
        hidden, _ = self.recurrent(self.embedding(inputs) * self.scale)
        scores = F.linear(hidden, self.embedding.weight, self.bias)
        return F.cross_entropy(scores.flatten(0, 1), targets.flatten())


def make_model(cell: str, words: int, hidden: int, engine: str = "auto") -> LanguageModel:
    """One layer, tied."""
    config = LanguageModelConfig(vocabulary=words, cell=cell, hidden=hidden, embedding=hidden, tied=True)
    return LanguageModel(config, engine=engine).train()


def make_batch(words: int, rows: int, steps: int) -> TokenBatch:
    """Words drawn at random."""
    ids = torch.randint(words, (rows, steps + 1))
    return TokenBatch(ids[:, :-1], ids[:, 1:], torch.full((rows,), steps))


def layer_loss(model: LanguageModel, batch: TokenBatch) -> Tensor:
    """The model's loss with all scores at once, as PyTorch makes it."""
    hidden, _ = model.hidden(batch.inputs, lengths=batch.lengths)
    return F.cross_entropy(model.logits(hidden).flatten(0, 1), batch.targets.flatten())


def our_step(model: LanguageModel, batch: TokenBatch) -> Step:
    """A step as :class:`throughtime.training.trainer.Trainer` takes it."""
    return _step(model, lambda: model.loss(batch, None)[0], Clipper(1.0))


def layer_step(model: LanguageModel, batch: TokenBatch) -> Step:
    """The same but for the loss, which is a plain loop's."""
    return _step(model, lambda: layer_loss(model, batch), Clipper(1.0))


def plain_step(model: PlainWords, batch: TokenBatch) -> Step:
    """A step as a plain loop takes it."""
    clip = functools.partial(nn.utils.clip_grad_norm_, max_norm=1.0)
    return _step(model, lambda: model.loss(batch.inputs, batch.targets), clip)


def _step(model: nn.Module, loss_of: Callable[[], Tensor], clip: Callable[[Iterator[nn.Parameter]], object]) -> Step:
    optimiser = torch.optim.Adam(model.parameters(), RATE, fused=True)

    def step() -> float:
        loss = loss_of()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        clip(model.parameters())
        optimiser.step()
        return float(loss.detach())

    return step


def peer_step(model: LanguageModel, batch: TokenBatch) -> Step:
    """A plain loop's, with the model's weights; where ``torch.nn`` has not the cell, over its equations."""
    if model.config.cell in KERNELS:
        return plain_step(PlainWords(model), batch)
    loop = LanguageModel(model.config, engine="reference")
    loop.load_state_dict(model.state_dict())
    return layer_step(loop, batch)


def measure_words(case: Case, plan: Plan) -> Row:
    """A training step of a model of :data:`WORDS` words."""
    shape, peer = case.shape, TORCH if case.cell in KERNELS else LOOP
    model, batch = make_model(case.cell, WORDS, shape.hidden, plan.engine), make_batch(WORDS, shape.batch, shape.time)
    runs = {OURS: our_step(model, batch), peer: peer_step(model, batch)}
    return make_row(case, interleave({who: timed(step) for who, step in runs.items()}, plan.seconds), "ms")
