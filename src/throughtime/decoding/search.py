"""Searching for the likeliest sequences, and the probability of given ones, over any :class:`Decoder`.

Shapes::

    B  sequences that are sought        K  hypotheses that are kept of each        V  tokens of the vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from throughtime.decoding.decoder import Decoder, Hypothesis, StateT, limits
from throughtime.errors import listed, nearest

Penalty = Literal["none", "average", "gnmt"]

LARGEST_ALPHA = 10.0
"""Of ``"gnmt"``: far beyond what is used, and a power that no length makes larger than numbers are."""


@dataclass(frozen=True)
class Beam:
    """How to search.

    Attributes:
        width: Hypotheses that are kept at every step, K.
        penalty: What the log-probability is divided by, so that long sequences are not worse for their length alone:
            nothing; the length, EOS counted (``"average"``); or ``((5 + length) / 6) ** alpha`` (Wu et al. 2016,
            ``"gnmt"``).
        alpha: Of ``"gnmt"``.

    Raises:
        ValueError: If a setting is out of range.
    """

    width: int = 5
    penalty: Penalty = "gnmt"
    alpha: float = 0.6

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"expected a beam of at least 1, got {self.width}")
        if not 0 <= self.alpha <= LARGEST_ALPHA:
            raise ValueError(f"expected an alpha from 0 to {LARGEST_ALPHA:g}, got {self.alpha}")
        known = get_args(Penalty)
        if self.penalty not in known:
            raise ValueError(
                f"unknown penalty {self.penalty!r}{nearest(self.penalty, known)}; expected {listed(known)}"
            )

    def score(self, log_prob: float, length: int) -> float:
        """What hypotheses are ordered by.

        Example:
            >>> Beam(penalty="average").score(-6.0, 3), Beam(alpha=1.0).score(-6.0, 7)
            (-2.0, -3.0)
        """
        if self.penalty == "average":
            return log_prob / length
        return log_prob / ((5 + length) / 6) ** self.alpha if self.penalty == "gnmt" else log_prob


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

    A hypothesis whose end is among the K best continuations is found; the search for a sequence is over when K are
    found, or at its limit, where those that have not ended count as they are.

    Args:
        decoder: Gives the next tokens' probabilities.
        beam: How to search.
        eos: The token that ends a sequence.
        never: Tokens that no hypothesis has.
        length: Most tokens of each sequence, EOS counted.
    """
    log_probs, state = decoder.begin()
    width, device = beam.width, log_probs.device
    rows = len(log_probs)
    most = limits(length, rows)
    found: list[list[Hypothesis]] = [[] for _ in range(rows)]
    alive = list(range(rows))
    tokens = torch.zeros(rows, 1, 0, dtype=torch.long, device=device)  # [B, K, steps]
    totals = torch.zeros(rows, 1, dtype=torch.float64, device=device)  # [B, K]; minus infinity where there is none
    steps = 0
    while True:
        steps += 1
        best, before, after = _continue(log_probs, totals, never, width)
        kept, going = _end(found, alive, tokens, (best, before, after), (eos, steps, beam, most))
        if not going:
            return [sorted(each, key=lambda h: -h.score)[:width] for each in found]
        at = torch.tensor(going, device=device)
        kept = kept[at]
        totals = best.masked_fill(after == eos, -torch.inf)[at].gather(1, kept)
        before, after = before[at].gather(1, kept), after[at].gather(1, kept)
        came = at.unsqueeze(1) * tokens.shape[1] + before
        tokens = torch.cat([tokens.flatten(0, 1)[came], after.unsqueeze(2)], 2)
        alive = [alive[row] for row in going]
        state = decoder.reorder(state, came.flatten())
        log_probs, state = decoder.step(after.flatten(), state)


def _continue(log_probs: Tensor, totals: Tensor, never: Sequence[int], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The 2 K best continuations: their log-probabilities, the hypotheses they continue, their tokens, ``[B, 2 K]``.

    Of these at most K are ends, one of each hypothesis, so that K go on.
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


def _end(
    found: list[list[Hypothesis]],
    alive: Sequence[int],
    tokens: Tensor,
    continuations: tuple[Tensor, Tensor, Tensor],
    rules: tuple[int, int, Beam, Sequence[int]],
) -> tuple[Tensor, list[int]]:
    """Adds what has ended to ``found``; gives the continuations that go on ``[B, K]`` and the rows not yet done."""
    eos, steps, beam, most = rules
    best, before, after = continuations
    ends = after == eos
    # The first K that are no ends, in order.
    kept = ends.to(torch.int8).argsort(stable=True, dim=1)[:, : beam.width]
    going = []
    listed = [value.tolist() for value in (best, before, after, kept)]
    for row, (i, scores, origins, symbols, stay) in enumerate(zip(alive, *listed, strict=True)):
        full = steps == most[i]
        for place in range(beam.width):
            if symbols[place] == eos and scores[place] > -torch.inf:
                found[i].append(_hypothesis(tokens[row, origins[place]], None, scores[place], steps, beam))
        if full:
            for place in stay:
                if scores[place] > -torch.inf and symbols[place] != eos:
                    read = tokens[row, origins[place]]
                    found[i].append(_hypothesis(read, symbols[place], scores[place], steps, beam))
        there = any(scores[place] > -torch.inf and symbols[place] != eos for place in stay)
        if not full and there and len(found[i]) < beam.width:
            going.append(row)
    return kept, going


def _hypothesis(read: Tensor, last: int | None, log_prob: float, steps: int, beam: Beam) -> Hypothesis:
    tokens = (*read.tolist(), *(() if last is None else (last,)))
    return Hypothesis(tokens, log_prob, beam.score(log_prob, steps), ended=last is None)


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
