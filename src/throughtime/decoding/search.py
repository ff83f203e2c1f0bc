"""Searching for the likeliest sequences, and the probability of given ones, over any :class:`Decoder`.

Shapes::

    B  sequences that are sought        K  hypotheses that are kept of each        V  tokens of the vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from throughtime.decoding.decoder import Decoder, StateT
from throughtime.runtime.search import Beam, BeamSearch, Hypothesis


@torch.no_grad()
def beam_search(
    decoder: Decoder[StateT],
    beam: Beam,
    *,
    eos: int,
    never: Sequence[int] = (),
    length: int | Sequence[int] = 300,
) -> list[list[Hypothesis]]:
    """The best hypotheses of every sequence, the best first, at most as many as the beam is wide.

    See :class:`throughtime.runtime.search.BeamSearch`.

    Args:
        decoder: Gives the next tokens' probabilities.
        beam: How to search.
        eos: The token that ends a sequence.
        never: Tokens that no hypothesis has.
        length: Most tokens of each sequence, EOS counted.
    """
    log_probs, state = decoder.begin()
    search = BeamSearch(beam, len(log_probs), eos=eos, length=length)
    while True:
        totals = torch.from_numpy(search.totals).to(log_probs.device)
        best = (found.cpu().numpy() for found in _continue(log_probs, totals, never, beam.width))
        if (going := search.take(*best)) is None:
            return search.best()
        rows, tokens = map(torch.from_numpy, going)
        log_probs, state = decoder.step(tokens, decoder.reorder(state, rows))


def _continue(log_probs: Tensor, totals: Tensor, never: Sequence[int], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The 2 K best continuations: their log-probabilities, the hypotheses they continue, their tokens, ``[B, 2 K]``.

    As :func:`throughtime.runtime.search.continuations`, where the model computes.
    """
    scores = log_probs.double().view(*totals.shape, -1)
    scores = scores + totals.unsqueeze(2)
    scores[:, :, list(never)] = -torch.inf
    vocabulary = scores.shape[2]
    flat = scores.flatten(1)
    if flat.shape[1] < 2 * width:
        flat = torch.nn.functional.pad(flat, (0, 2 * width - flat.shape[1]), value=-torch.inf)
    best, places = flat.topk(2 * width)
    places = places.where(best > -torch.inf, 0)  # what fills the beam stands nowhere
    return best, places // vocabulary, places % vocabulary


@torch.no_grad()
def forced_log_probs(decoder: Decoder[StateT], sequences: Sequence[Sequence[int]]) -> list[list[float]]:
    """The log-probability of every token of given sequences, in nats.

    Args:
        decoder: Gives the next tokens' probabilities.
        sequences: One for each that the decoder seeks, with EOS where it is to count.

    Raises:
        ValueError: If there are not as many sequences as the decoder seeks.
    """
    log_probs, state = decoder.begin()
    if len(sequences) != len(log_probs):
        raise ValueError(f"expected {len(log_probs)} sequences, one for each that is decoded, got {len(sequences)}")
    scores: list[list[float]] = [[] for _ in sequences]
    rows = list(range(len(sequences)))  # the sequence that each row of the decoder reads
    for step in range(max(map(len, sequences), default=0)):
        if step:
            going = [row for row, i in enumerate(rows) if len(sequences[i]) > step]
            rows = [rows[row] for row in going]
            state = decoder.reorder(state, torch.tensor(going))
            log_probs, state = decoder.step(torch.tensor([sequences[i][step - 1] for i in rows]), state)
        for row, i in enumerate(rows):
            scores[i] += [float(log_probs[row, token]) for token in sequences[i][step : step + 1]]
    return scores
