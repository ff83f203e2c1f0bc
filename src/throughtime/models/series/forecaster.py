"""Forecasts: one network for many series, which says at any step of a history what the steps ahead may be.

A recurrent stack reads each step, in scales of its own history. At an origin a small network looks, for every step
ahead, at what the stack remembers and at the same place of earlier cycles, and weighs those: as a smoothing does, by
weights that it has learnt and that depend on the history, not on the series' name. To their mean it adds what it learnt
that they lack, and around that lies a density::

    e_k = silu(W_h h<t> + W_v v_k + W_x x<t+k> + p_k)          v_k the candidates, p_k learnt for each k
    a_k, r_k, o_k = W silu(W_e e_k)                            a_k = softmax over the candidates that there are
    m_k = Σ_j a_kj (v_kj + σ(r_k) d_kj)                        d_kj how far the level moved since then
    y<t+k> ~ density(o_k around m_k)

Shapes::

    B  series      T  steps      F  numbers of a step     A  features of the stack      N  origins
    H  steps ahead C  candidates E  numbers known of a step ahead
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.data.ragged import RaggedBatch
from throughtime.layers import Recurrent
from throughtime.models.base import Model, State
from throughtime.models.series.densities import Density, DensityKind

BOUND = 30.0
"""Most loss of a step ahead that is learnt from: some series have steps that no history could tell of."""

FARTHER = -4.0
"""What the weights of the last value and the level begin with: as a rule the cycles tell more."""

OWN = 2
"""Candidates that are of no cycle."""


@dataclass(frozen=True)
class Origins:
    """Where forecasts begin, and what is known there.

    Attributes:
        rows: Of which series of the batch, ``[N]``.
        places: At which of its steps, ``[N]``: the last that is known.
        candidates: ``[N, H, C]``, scales away from the level.
        drifts: How far the level moved since each, ``[N, H, C]``.
        there: Which there are, ``[N, H, C]``.
        ahead: What is known of the steps ahead, ``[N, H, E]``.
        levels: ``[N]``, double.
        scales: ``[N]``, double.
        targets: What came, ``[N, H]``, double; NaN where it is missing or has no scale.
    """

    rows: Tensor
    places: Tensor
    candidates: Tensor
    drifts: Tensor
    there: Tensor
    ahead: Tensor
    levels: Tensor
    scales: Tensor
    targets: Tensor


@dataclass(frozen=True)
class ForecastBatch:
    """Histories with origins in them.

    Attributes:
        before: Steps before those that are learnt of: they give a state, and no gradient goes back to them.
        steps: ``[B, T, F]``.
        origins: In them.
    """

    before: RaggedBatch
    steps: RaggedBatch
    origins: Origins

    @property
    def tokens(self) -> int:
        """Steps that are learnt of."""
        return self.steps.tokens


class Forecaster(Model):
    """A stack that reads histories, and what is said of the steps ahead.

    Args:
        stack: Reads F numbers a step, forwards only.
        horizon: H.
        candidates: C.
        ahead: E.
        kind: The density of each step ahead.
        width: Units of the network that looks at a step ahead.
        dropout: Of what the stack says and of those units.

    Raises:
        ValueError: If the stack reads backwards, too.
    """

    def __init__(
        self,
        stack: Recurrent,
        horizon: int,
        candidates: int,
        ahead: int,
        kind: DensityKind,
        *,
        width: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if stack.bidirectional:
            raise ValueError("expected a stack that reads forwards, got a bidirectional one: it would see what comes")
        self.stack, self.kind, self.horizon = stack, kind, horizon
        self.remembered = nn.Linear(stack.output_size, width)
        self.looked = nn.Linear(2 * candidates + ahead, width, bias=False)
        self.place = nn.Parameter(torch.randn(horizon, width) / 10)
        self.between = nn.Linear(width, width)
        self.said = nn.Linear(width, candidates + 1 + kind.size)
        self.weights = nn.Parameter(torch.zeros(candidates))
        self.drop = nn.Dropout(dropout)
        nn.init.zeros_(self.said.weight)
        nn.init.zeros_(self.said.bias)
        with torch.no_grad():
            self.weights[-OWN:] = FARTHER

    def read(self, steps: Tensor, lengths: Tensor | None, state: State | None) -> tuple[Tensor, State]:
        """What the stack makes of ``[B, T, F]``: ``[B, T, A]``, and its state behind them."""
        outputs, after = self.stack(onto(steps, self.weights.device), state, lengths=lengths)
        return outputs, after

    def density(self, remembered: Tensor, origins: Origins) -> Density:
        """Of the steps ahead ``[N, H]``: in scales around the level; of counts as they are.

        Args:
            remembered: What the stack said at the origins, ``[N, A]``.
            origins: Theirs.
        """
        device = self.weights.device
        candidates, drifts, there = (onto(each, device) for each in (origins.candidates, origins.drifts, origins.there))
        looked = torch.cat([_squashed(candidates), _squashed(drifts), onto(origins.ahead, device)], -1)
        mixed = self.remembered(self.drop(remembered)).unsqueeze(1) + self.looked(looked) + self.place
        said = self.said(self.drop(F.silu(self.between(F.silu(mixed)))))
        count = candidates.shape[-1]
        shares = (said[..., :count] + self.weights).masked_fill(~there, -torch.inf).softmax(-1)
        moved = torch.sigmoid(said[..., count : count + 1])
        middle = (shares * (candidates + moved * drifts)).sum(-1)
        if self.kind.counts:
            levels, scales = (
                onto(each, device).to(middle.dtype).unsqueeze(-1) for each in (origins.levels, origins.scales)
            )
            middle = levels + middle * scales
        return self.kind(said[..., count + 1 :], middle)

    def targets(self, origins: Origins) -> Tensor:
        """What came, in the density's unit, ``[N, H]``."""
        found = origins.targets
        if not self.kind.counts:
            found = (found - origins.levels.unsqueeze(-1)) / origins.scales.unsqueeze(-1)
            found = torch.where(found.isfinite(), found, torch.nan)
        return onto(found, self.weights.device).to(self.weights.dtype)

    def loss(self, batch: ForecastBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """The mean over all steps ahead that came."""
        lost, known = self._lost(batch)
        return lost.sum() / known.sum().clamp(min=1), None

    def losses(self, batch: ForecastBatch) -> Tensor:
        """The mean over the origins of every series, ``[B, 1]``."""
        lost, known = self._lost(batch)
        rows = onto(batch.origins.rows, lost.device)
        sums = lost.new_zeros(len(batch.steps.lengths)).index_add(0, rows, lost.sum(-1))
        counts = lost.new_zeros(len(batch.steps.lengths)).index_add(0, rows, known.sum(-1).to(lost.dtype))
        return (sums / counts.clamp(min=1)).unsqueeze(1)

    def divisor(self, batch: ForecastBatch) -> float:
        """Its steps ahead that came."""
        return float(max(1, int((~self.targets(batch.origins).isnan()).sum())))

    def medians(self, batch: ForecastBatch) -> npt.NDArray[np.float64]:
        """What is said of the steps ahead of a batch's origins, in the unit of the series, ``[N, H]``."""
        origins, found = batch.origins, self._densities(batch).median().double().cpu()
        if not self.kind.counts:
            found = origins.levels.unsqueeze(-1) + origins.scales.unsqueeze(-1) * found
        return found.numpy()

    def _lost(self, batch: ForecastBatch) -> tuple[Tensor, Tensor]:
        """The loss of every step ahead, and which came."""
        targets = self.targets(batch.origins)
        losses = self._densities(batch).losses(targets)
        return losses.clamp(max=BOUND), ~targets.isnan()

    def _densities(self, batch: ForecastBatch) -> Density:
        """Of the steps ahead of all origins."""
        state: State | None = None
        if batch.before.values.shape[1]:
            with torch.no_grad():
                _, state = self.read(batch.before.values, batch.before.lengths, None)
        outputs, _ = self.read(batch.steps.values, batch.steps.lengths, state)
        origins = batch.origins
        remembered = outputs[onto(origins.rows, outputs.device), onto(origins.places, outputs.device)]
        return self.density(remembered, origins)


def _squashed(values: Tensor) -> Tensor:
    """Near 0 as it is, far from it its logarithm."""
    return values.sign() * values.abs().log1p()
