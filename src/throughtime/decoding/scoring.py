"""The probability of whole sequences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from throughtime.data import BatchSource, TokenBatch
from throughtime.data.progress import report
from throughtime.decoding.decoder import NextTokenModel, Streaming, TextDecoder, stepping


class TokenScorer(Protocol):
    """What scoring needs of a model."""

    def log_probs(self, batch: TokenBatch, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Any]:
        """The log-probability of every target ``[R, S]`` in nats, and the final state."""
        ...


def sequence_log_probs(model: TokenScorer, sequences: Sequence[Sequence[int]], rows: int = 64) -> list[float]:
    """The log-probability of each sequence in nats, each begun from nothing; arguments as of :func:`token_log_probs`.

    An empty sequence has probability one.
    """
    return [float(found.sum(dtype=torch.float64)) for found in token_log_probs(model, sequences, rows)]


@torch.no_grad()
def token_log_probs(
    model: TokenScorer, sequences: Sequence[Sequence[int]], rows: int = 64, weights: str = "float32"
) -> list[Tensor]:
    """The log-probability in nats of each token of each sequence, after the tokens before it.

    Args:
        model: In evaluation mode.
        sequences: Token ids, each begun from nothing.
        rows: Sequences computed together, those of similar length.
        weights: What matrices are kept in; in fewer bits the model's stream reads the sequences step by step.

    Raises:
        ValueError: If they are to be kept in fewer bits, and the model has no stream.
    """
    scores = [torch.zeros(0)] * len(sequences)
    order = sorted((i for i in range(len(sequences)) if sequences[i]), key=lambda i: len(sequences[i]))
    for begin in range(0, len(order), rows):
        chosen = order[begin : begin + rows]
        batch = TokenBatch.of([sequences[i] for i in chosen])
        log_probs = model.log_probs(batch)[0] if weights == "float32" else _by_steps(model, batch, weights)
        for i, found in zip(chosen, log_probs.cpu(), strict=True):
            scores[i] = found[: len(sequences[i])]
        report(begin + len(chosen), len(order), "texts")
    return scores


@torch.no_grad()
def read_log_probs(model: NextTokenModel, tokens: Sequence[int]) -> Iterator[Tensor]:
    """What a model expects before each token of a sequence that is begun from nothing: log-probabilities ``[V]``, which
    the second next ones may write over.

    Args:
        model: In evaluation mode.
        tokens: Of the sequence.
    """
    log_probs, state = TextDecoder(model).begin()
    steps = stepping(model, state)
    for number, token in enumerate(tokens):
        yield log_probs[0]
        if number + 1 < len(tokens):
            log_probs = steps([token])


def _by_steps(model: TokenScorer, batch: TokenBatch, weights: str) -> Tensor:
    """The log-probability of every target ``[R, S]`` by the model's stream."""
    if not isinstance(model, Streaming):
        raise ValueError(f"weights={weights!r}: expected a model with a stream, got a {type(model).__name__}")
    _, state = model.next_log_probs(batch.inputs[:, :1])
    stream = model.stream({name: torch.zeros_like(value) for name, value in state.items()}, weights=weights)
    steps = zip(batch.inputs.unbind(1), batch.targets.unbind(1), strict=True)
    found = [
        stream.advance(read.tolist()).cpu().gather(1, said.clamp(min=0).unsqueeze(1)).squeeze(1) for read, said in steps
    ]
    return torch.stack(found, 1)


@torch.no_grad()
def stream_log_prob(model: TokenScorer, source: BatchSource) -> Iterator[tuple[float, int]]:
    """The log-probability of a source's tokens, in nats, with their number: a pair for each batch.

    The state is carried from batch to batch where the source carries it.
    """
    carried = None
    for batch in source.batches(0):
        log_probs, final = model.log_probs(batch, batch.begin(carried))
        carried = batch.carry(final)
        yield float(log_probs.sum(dtype=torch.float64)), batch.tokens
