"""The recurrent language model: P(y<1>, …, y<T>) as the product of P(y<t> | y<1>, …, y<t-1>).

Shapes::

    B  sequences        T  steps        V  tokens of the vocabulary        E  features of an embedding
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.cells import Cell
from throughtime.data import NOTHING, TokenBatch
from throughtime.data.device import onto
from throughtime.engine import Numbers, open_stream
from throughtime.errors import spelled
from throughtime.models.base import State
from throughtime.models.cross_entropy import each_nats, mean_nats, real_targets
from throughtime.models.stack import StackConfig
from throughtime.models.tokens import SoftmaxCell, TokenModel


@spelled
@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(StackConfig):
    """What a language model is built from, as plain data: the fields of :class:`StackConfig`, and its own.

    Attributes:
        vocabulary: Tokens, V.
        embedding: Features of an embedding, E.
        tied: The softmax uses the embedding's weights (Press and Wolf 2017; Inan et al. 2017); where the stack's
            output has another size than E, a matrix without bias leads there.
        adaptive: Ids at which an adaptive softmax begins a new, narrower cluster (Grave et al. 2017); ids must be
            ordered by falling frequency. Empty: one full softmax.
    """

    vocabulary: int
    embedding: int = 128
    tied: bool = False
    adaptive: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LanguageModelConfig:
        """The inverse of :meth:`to_json`."""
        return cls(**{**value, "adaptive": tuple(value.get("adaptive", ()))})


class LanguageModel(TokenModel):
    """Embedding, deep recurrent stack, softmax.

    The input of a text's first step is a vector of zeros, as if nothing stood before it
    (:data:`throughtime.data.NOTHING`).

    Args:
        config: Sizes and options.
        cell: The cell itself, where it is not a built-in one; by default the one that the config names.
        engine: As in :class:`throughtime.Recurrent`.

    Raises:
        ValueError: If options exclude each other.

    Example:
        >>> import torch
        >>> model = LanguageModel(LanguageModelConfig(vocabulary=10, hidden=8, embedding=4))
        >>> log_probs, state = model.next_log_probs(torch.tensor([[3, 4]]))
        >>> log_probs.shape, log_probs.exp().sum().round(decimals=4)
        (torch.Size([1, 10]), tensor(1., grad_fn=<RoundBackward1>))
    """

    aligned = "stack"

    @spelled
    def __init__(
        self, config: LanguageModelConfig, *, cell: Callable[..., Cell] | None = None, engine: str = "auto"
    ) -> None:
        super().__init__()
        if config.tied and config.adaptive:
            raise ValueError("tied weights need the full softmax; pass tied or adaptive, not both")
        if config.bidirectional:
            raise ValueError("a language model reads in one direction: the words to come are what it predicts")
        self.config = config
        self.add_embedding(config.vocabulary, config.embedding, tied=config.tied)
        self.stack = config.build(config.embedding, cell=cell, engine=engine)
        width = self.stack.output_size
        self.bridge: nn.Module = nn.Identity()
        if config.tied and width != config.embedding:
            self.bridge = nn.Linear(width, config.embedding, bias=False)
        if config.adaptive:
            # Each cluster sees a quarter of the features of the one before.
            clusters, least = len(config.adaptive), 4 ** len(config.adaptive)
            if width < least:
                raise ValueError(
                    f"an adaptive softmax with {clusters} clusters beside its head needs an output of at least {least} "
                    f"features, got {width}; take more hidden units, or the full softmax"
                )
            self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(width, config.vocabulary, list(config.adaptive))
        else:
            self.add_softmax(width)

    def hidden(
        self, inputs: Tensor, state: Mapping[str, Tensor] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """The stack's outputs ``[B, T, width]`` for input ids ``[B, T]``, and the final state."""
        outputs, final = self.stack(self.embed(inputs), state, lengths)
        return F.dropout(outputs, self.config.dropout, self.training), final

    def log_softmax(self, hidden: Tensor) -> Tensor:
        """Log-probabilities of every token, ``[N, width]`` to ``[N, V]``."""
        if self.config.adaptive:
            return self.adaptive.log_prob(hidden)
        return F.log_softmax(self.logits(self.bridge(hidden)), -1)

    def log_probs(self, batch: TokenBatch, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, State]:
        """The log-probability of every target in nats, ``[R, S]``, zero past a row's length; and the final state."""
        hidden, final = self.hidden(batch.inputs, state, batch.lengths)
        rows, targets = hidden.flatten(0, 1), real_targets(batch.targets, batch.lengths)
        if self.config.adaptive:
            # The softmax is the costly part: it runs over real steps alone.
            at = (targets != NOTHING).nonzero().squeeze(1)
            targets, at = onto(targets.index_select(0, at), rows.device), onto(at, rows.device)
            scores = self.adaptive(rows.index_select(0, at), targets).output
            scores = rows.new_zeros(len(rows)).index_copy(0, at, scores)
        else:
            scores = -each_nats(self.bridge(rows), *self.softmax_weights, targets)
        return scores.view(batch.targets.shape), final

    def loss(self, batch: TokenBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """Cross-entropy in nats, averaged over the batch's tokens, and the state that its streams carry on."""
        if self.config.adaptive:
            log_probs, final = self.log_probs(batch, batch.begin(carried))
            return -log_probs.sum() / batch.tokens, batch.carry(final)
        hidden, final = self.hidden(batch.inputs, batch.begin(carried), batch.lengths)
        targets = real_targets(batch.targets, batch.lengths)
        return mean_nats(self.bridge(hidden.flatten(0, 1)), *self.softmax_weights, targets), batch.carry(final)

    def divisor(self, batch: TokenBatch) -> float:
        """Its tokens."""
        return batch.tokens

    def check_carried(self, carried: State, batch: TokenBatch) -> None:
        """Refuses what is no state of the batch's streams."""
        streams = None if batch.last is None else len(batch.last)
        layers = len(self.stack.directed)
        shapes = {name: [layers, streams, width] for name, width in self.stack.cell.widths().items()}
        got = {name: list(value.shape) for name, value in carried.items()}
        kinds = {value.dtype for value in carried.values()}
        if got != shapes or kinds != {self.embedding.weight.dtype}:
            raise ValueError(f"expected a carried state of {shapes}, got {got}")

    def losses(self, batch: TokenBatch) -> Tensor:
        """Every token's cross-entropy in nats, ``[R, S]``."""
        return -self.log_probs(batch)[0]

    def next_log_probs(self, tokens: Tensor, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, State]:
        """Reads ``tokens [B, T]``, T ≥ 1; gives the next token's log-probabilities ``[B, V]`` and the state."""
        hidden, final = self.hidden(tokens, state)
        return self.log_softmax(hidden[:, -1]), final

    def stream(self, state: Mapping[str, Tensor] | None = None, *, weights: str = "float32") -> LanguageModelStream:
        """The model with its weights as they are now, to go on token by token: the quickest way to do so.

        Args:
            state: Where it begins, as :meth:`next_log_probs` gives it; None: one row that has read nothing.
            weights: What matrices are kept in, as :class:`throughtime.Stream` has it: the stack's, and a full
                softmax's; the embedding stays what it is.

        Raises:
            ValueError: If the weights cannot be kept so.
        """
        return LanguageModelStream(self, state, weights)


class LanguageModelStream:
    """Reads a token a row and says what comes next, without gradients; see :meth:`LanguageModel.stream`.

    Args:
        model: In evaluation mode.
        state: Where it begins.
        weights: As there.

    Example:
        >>> import torch
        >>> model = LanguageModel(LanguageModelConfig(vocabulary=10, hidden=8, embedding=4)).eval()
        >>> whole, _ = model.next_log_probs(torch.tensor([[3, 4, 5]]))
        >>> stream = model.stream(model.next_log_probs(torch.tensor([[3]]))[1])
        >>> steps = [stream.step(torch.tensor([token])) for token in (4, 5)]
        >>> torch.allclose(steps[-1], whole, atol=1e-6)
        True
    """

    def __init__(
        self, model: LanguageModel, state: Mapping[str, Tensor] | None = None, weights: str = "float32"
    ) -> None:
        self.model = model
        self.layers = model.stack.stream(weights=weights, numbers=Numbers(self._embed, model.config.vocabulary))
        self.bridge = model.bridge.weight.detach() if isinstance(model.bridge, nn.Linear) else None
        self.softmax = None
        if not model.config.adaptive:
            matrix, bias = (value.detach() for value in model.softmax_weights)
            cell = SoftmaxCell(matrix.shape[1], matrix.shape[0])
            # An engine of some cells alone, asked for by name, has no softmax
            engine = "reference" if model.stack.engine == "reference" else "auto"
            self.softmax = open_stream(cell, {"W": matrix, "b": bias}, 1, {}, engine, weights)
        if state is not None:
            self.state = state

    def _embed(self, tokens: Tensor) -> Tensor:
        with torch.no_grad():
            if len(tokens) > 1 or int(tokens) < 0:
                return self.model.embed(tokens)
            return self.model.embedding.weight[int(tokens)].unsqueeze(0) * self.model.scale

    def advance(self, tokens: Sequence[int]) -> Tensor:
        """Reads a token a row; gives the next ones' log-probabilities in nats, ``[N, V]``, which the second next step
        writes over.
        """
        hidden = self.layers.step_of(tokens)
        if self.softmax is None:
            with torch.no_grad():
                return self.model.log_softmax(hidden)
        return self.softmax.step(hidden if self.bridge is None else F.linear(hidden, self.bridge))

    def step(self, tokens: Tensor) -> Tensor:
        """As :meth:`advance`, of ``[N]``; what it gives stays.

        Raises:
            ValueError: If there are more or fewer tokens than rows.
        """
        if tokens.shape != self.layers.shape[:1]:
            raise ValueError(f"expected a token for each of {self.layers.shape[0]} rows, got {list(tokens.shape)}")
        return self.advance(tokens.tolist()).clone()

    @property
    def state(self) -> State:
        """``[layers, N, width]`` by name; a copy. Set to one of other rows, the stream goes on with these."""
        return self.layers.state

    @state.setter
    def state(self, state: Mapping[str, Tensor]) -> None:
        """Sets it."""
        self.layers.state = state
        if self.softmax is not None:
            some = next(iter(self.softmax.read().values()))
            self.softmax.go_on({"h": some.new_zeros(self.layers.shape[0], some.shape[1])})
