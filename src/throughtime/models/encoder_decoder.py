"""The encoder–decoder: P(y<1>, …, y<T_y> | x<1>, …, x<T_x>) as the product of P(y<t> | y<1>, …, y<t-1>, x).

Shapes::

    B  pairs        T  steps of the source        S  steps of the target        V  tokens of the target's vocabulary
    A  features of the attentional vector         N  rows that are decoded side by side
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.cells import Cell
from throughtime.data import NOTHING
from throughtime.data.device import onto
from throughtime.data.text.pairs import PairBatch
from throughtime.layers import Recurrent, Stream
from throughtime.layers.attention import Attention, AttentionName, Memory, coverage_loss
from throughtime.models.base import State
from throughtime.models.cross_entropy import each_nats, mean_nats, real_targets
from throughtime.models.stack import StackConfig
from throughtime.models.tokens import TokenModel


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig(StackConfig):
    """What an encoder–decoder is built from, as plain data: the fields of :class:`StackConfig`, and its own.

    The stack's fields are those of the encoder; the decoder has as many layers, in one direction.

    Attributes:
        bidirectional: Of the encoder.
        source: Tokens of the source's vocabulary.
        target: Tokens of the target's vocabulary, V.
        embedding: Features of an embedding, either side.
        decoder_hidden: Units of a layer of the decoder.
        attention: How a step of the source is scored; see :class:`throughtime.layers.attention.Attention`.
        input_feeding: The attentional vector of a step is a part of the next step's input (Luong et al. 2015). The
            decoder then runs step by step, also in training; without, it runs over a whole target at once.
        coverage: Weight of the coverage loss (See et al. 2017); 0: the attention does not see its past.
        label_smoothing: Share of every target's probability that is spread over all tokens (Szegedy et al. 2016).
        scheduled_sampling: Share of the training's inputs that are drawn from the model instead of the target (Bengio
            et al. 2015). The decoder then trains step by step.
        tied: The softmax uses the weights of the target's embedding (Press and Wolf 2017).
    """

    bidirectional: bool = True
    source: int
    target: int
    embedding: int = 128
    decoder_hidden: int = 256
    attention: AttentionName = "general"
    input_feeding: bool = False
    coverage: float = 0.0
    label_smoothing: float = 0.0
    scheduled_sampling: float = 0.0
    tied: bool = False


class Bridge(nn.Module):
    """From an encoder's final states to a decoder's first: ``tanh(W [s→; s←] + b)`` for every state and layer.

    Args:
        encoder: Where the states come from.
        decoder: Where they go: as many layers of the same kind of cell.
    """

    def __init__(self, encoder: Recurrent, decoder: Recurrent) -> None:
        super().__init__()
        self.directions = len(encoder.directed) // encoder.num_layers
        self.maps = nn.ModuleDict()
        for name in decoder.cell.state:
            wide = [self.directions * directed.cell.widths()[name] for directed in encoder.directed]
            narrow = [directed.cell.widths()[name] for directed in decoder.directed]
            pairs = zip(wide[:: self.directions], narrow, strict=True)
            self.maps[name] = nn.ModuleList([nn.Linear(*pair) for pair in pairs])

    def forward(self, final: State) -> State:
        """States ``[layers * directions, B, n]`` to ``[layers, B, m]``, by name."""
        first = {}
        for name, maps in self.maps.items():
            assert isinstance(maps, nn.ModuleList)
            state = final[name]
            layers = state.view(len(maps), self.directions, *state.shape[1:]).transpose(1, 2).flatten(2)
            first[name] = torch.stack([torch.tanh(map_(layer)) for map_, layer in zip(maps, layers, strict=True)])
        return first


@dataclass(frozen=True)
class DecoderState:
    """Where the decoding of some rows stands.

    Attributes:
        recurrent: The decoder's states, ``[layers, N, m]`` each.
        memory: What each row attends to.
        sources: The row of the source that each row decodes, ``[N]``.
        covered: The attention so far, ``[N, T]``; None without coverage.
        fed: The attentional vector of the step before, ``[N, A]``; None without input feeding.
    """

    recurrent: State
    memory: Memory
    sources: Tensor
    covered: Tensor | None
    fed: Tensor | None

    def take(self, rows: Tensor) -> DecoderState:
        """Some of the rows, in the order of ``rows``; one may come more than once."""
        sources = self.sources[rows]
        return DecoderState(
            {name: value[:, rows] for name, value in self.recurrent.items()},
            # A search mostly changes places among the hypotheses of one source.
            self.memory if torch.equal(sources, self.sources) else self.memory.take(rows),
            sources,
            None if self.covered is None else self.covered[rows],
            None if self.fed is None else self.fed[rows],
        )


class EncoderDecoder(TokenModel):
    """Embedding, deep encoder, bridge, deep decoder with attention, softmax.

    The attentional vector of a step is ``tanh(W [context; output of the decoder])`` (Luong et al. 2015); the softmax
    stands upon it. The input of the first step is a vector of zeros, as if nothing stood before it.

    Args:
        config: Sizes and options.
        cell: The cell itself, where it is not a built-in one; by default the one that the config names.
        engine: As in :class:`throughtime.Recurrent`.

    Raises:
        ValueError: If options exclude each other.

    Example:
        >>> model = EncoderDecoder(EncoderDecoderConfig(source=9, target=7, hidden=6, decoder_hidden=8, layers=2))
        >>> batch = PairBatch.of([[5, 6, 3], [7]], [[4], [2, 3]], eos=1)
        >>> model.log_probs(batch)[0].shape
        torch.Size([2, 3])
    """

    aligned = "decoder"

    def __init__(
        self, config: EncoderDecoderConfig, *, cell: Callable[..., Cell] | None = None, engine: str = "auto"
    ) -> None:
        super().__init__()
        self.config = config
        self.source_embedding = nn.Embedding(config.source, config.embedding)
        self.add_embedding(config.target, config.embedding, tied=config.tied)
        self.encoder = config.build(config.embedding, cell=cell, engine=engine)
        self.attended = config.embedding if config.tied else config.decoder_hidden
        fed = self.attended if config.input_feeding else 0
        one_way = replace(config, bidirectional=False, hidden=config.decoder_hidden)
        self.decoder = one_way.build(config.embedding + fed, cell=cell, engine=engine)
        self.bridge = Bridge(self.encoder, self.decoder)
        query, memory = self.decoder.output_size, self.encoder.output_size
        self.attention = Attention(config.attention, query, memory, coverage=config.coverage > 0)
        self.join = nn.Linear(query + memory, self.attended)
        self.add_softmax(self.attended)

    def encode(self, source: Tensor, lengths: Tensor) -> DecoderState:
        """Reads sources ``[B, T]``; gives the state before the first step of their targets."""
        source = onto(source, self.embedding.weight.device)
        embedded = F.dropout(self.source_embedding(source), self.config.dropout, self.training)
        outputs, final = self.encoder(embedded, lengths=lengths)
        outputs = F.dropout(outputs, self.config.dropout, self.training)
        rows = len(source)
        return DecoderState(
            self.bridge(final),
            self.attention.memory(outputs, lengths),
            torch.arange(rows, device=source.device),
            outputs.new_zeros(source.shape) if self.attention.coverage else None,
            outputs.new_zeros(rows, self.attended) if self.config.input_feeding else None,
        )

    def decode(self, inputs: Tensor, state: DecoderState) -> tuple[Tensor, Tensor, DecoderState]:
        """Reads ids ``[N, S]``.

        Returns:
            Attentional vectors ``[N, S, A]``, the attention's weights ``[N, S, T]``, and the state after.
        """
        inputs = onto(inputs, self.embedding.weight.device)
        sampling = self.training and self.config.scheduled_sampling > 0
        if not (self.config.input_feeding or sampling):
            return self._advance(inputs, state)
        vectors: list[Tensor] = []
        weights: list[Tensor] = []
        for tokens in torch.split(inputs, 1, 1):
            if sampling and vectors:
                tokens = self._mix(tokens, vectors[-1])
            vector, weight, state = self._advance(tokens, state)
            vectors.append(vector)
            weights.append(weight)
        return torch.cat(vectors, 1), torch.cat(weights, 1), state

    def log_softmax(self, vectors: Tensor) -> Tensor:
        """Log-probabilities of every token, ``[…, A]`` to ``[…, V]``."""
        return F.log_softmax(self.logits(vectors), -1)

    def log_probs(self, batch: PairBatch) -> tuple[Tensor, Tensor]:
        """The log-probability of every target in nats, ``[B, S]``, zero past the length; attention ``[B, S, T]``."""
        vectors, weights, _ = self.decode(batch.inputs, self.encode(batch.source, batch.source_lengths))
        rows, targets = vectors.flatten(0, 1), real_targets(batch.targets, batch.target_lengths)
        nats = each_nats(rows, *self.softmax_weights, targets)
        return -nats.view(batch.targets.shape), weights

    def loss(self, batch: PairBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """Cross-entropy in nats, smoothed, averaged over the targets' tokens; coverage loss beside it."""
        vectors, weights, _ = self.decode(batch.inputs, self.encode(batch.source, batch.source_lengths))
        rows, targets = vectors.flatten(0, 1), real_targets(batch.targets, batch.target_lengths)
        loss = mean_nats(rows, *self.softmax_weights, targets, smoothing=self.config.label_smoothing)
        if self.config.coverage:
            repeated = coverage_loss(weights) * onto(batch.real, weights.device)
            loss = loss + self.config.coverage * repeated.sum() / batch.tokens
        return loss, None

    def divisor(self, batch: PairBatch) -> float:
        """Its targets' tokens."""
        return batch.tokens

    def losses(self, batch: PairBatch) -> Tensor:
        """The cross-entropy of every token of the targets in nats, ``[B, S]``."""
        return -self.log_probs(batch)[0]

    def decoding(self, source: Tensor, lengths: Tensor) -> SourceDecoder:
        """What searches for targets of sources ``[B, T]``; see :class:`throughtime.decoding.Decoder`."""
        return SourceDecoder(self, source, lengths)

    def _advance(self, inputs: Tensor, state: DecoderState) -> tuple[Tensor, Tensor, DecoderState]:
        """As :meth:`decode`, in one go; with input feeding S is 1."""
        outputs, recurrent = self.decoder(self._read(inputs, state), state.recurrent)
        return self._attend(outputs, recurrent, state)

    def _read(self, inputs: Tensor, state: DecoderState) -> Tensor:
        """What the decoder reads for ids ``[N, S]``."""
        embedded = F.dropout(self.embed(inputs), self.config.dropout, self.training)
        return embedded if state.fed is None else torch.cat([embedded, state.fed.unsqueeze(1)], -1)

    def _attend(self, outputs: Tensor, recurrent: State, state: DecoderState) -> tuple[Tensor, Tensor, DecoderState]:
        """As :meth:`decode`, of the decoder's outputs ``[N, S, m]`` and its state after them."""
        contexts, weights = self.attention(outputs, state.memory, state.covered)
        vectors = torch.tanh(self.join(torch.cat([contexts, outputs], -1)))
        vectors = F.dropout(vectors, self.config.dropout, self.training)
        covered = None if state.covered is None else state.covered + weights.sum(1)
        fed = None if state.fed is None else vectors[:, -1]
        return vectors, weights, replace(state, recurrent=recurrent, covered=covered, fed=fed)

    def stream_step(self, stream: Stream, inputs: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """As :meth:`decode` for ids ``[N]`` without weights, over a stream of the decoder that holds the state's rows;
        vectors ``[N, A]``.
        """
        outputs = stream.step(self._read(onto(inputs, self.embedding.weight.device).unsqueeze(1), state).squeeze(1))
        vectors, _, state = self._attend(outputs.unsqueeze(1), stream.state, state)
        return vectors.squeeze(1), state

    def _mix(self, tokens: Tensor, vectors: Tensor) -> Tensor:
        """Tokens ``[N, 1]``, some of them drawn from what the step before said, ``[N, 1, A]``."""
        with torch.no_grad():
            drawn = self.log_softmax(vectors[:, -1]).exp().multinomial(1)
        chosen = torch.rand(tokens.shape, device=tokens.device) < self.config.scheduled_sampling
        return torch.where(chosen, drawn, tokens)


class SourceDecoder:
    """Targets of some sources, step by step, over a stream of the decoder.

    Args:
        model: In evaluation mode.
        source: Ids, ``[B, T]``.
        lengths: ``[B]``.
    """

    def __init__(self, model: EncoderDecoder, source: Tensor, lengths: Tensor) -> None:
        self.model, self.source, self.lengths = model, source, lengths
        self.stream = model.decoder.stream()
        self.held: State = {}  # the state that the stream holds

    def begin(self) -> tuple[Tensor, DecoderState]:
        """The first tokens' log-probabilities ``[B, V]`` and the state."""
        state = self.model.encode(self.source, self.lengths)
        return self.step(torch.full((len(self.source),), NOTHING), state)

    @torch.no_grad()
    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Reads a token a row, ``[N]``; gives the next ones' log-probabilities ``[N, V]`` and the state."""
        if state.recurrent is not self.held:
            self.stream.state = state.recurrent
        vectors, state = self.model.stream_step(self.stream, tokens, state)
        self.held = state.recurrent
        return self.model.log_softmax(vectors), state

    def reorder(self, state: DecoderState, rows: Tensor) -> DecoderState:
        """The state of ``rows [N]`` of the rows."""
        return state.take(onto(rows, state.sources.device))
