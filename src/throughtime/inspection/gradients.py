"""Gradients through time: ``∂L<t>/∂a<s>`` for every layer and direction, and how fast they vanish or explode.

Bengio, Simard and Frasconi (1994) and Pascanu, Mikolov and Bengio (2013): along a path of t - s steps the gradient is
a product of as many Jacobians, so that its norm falls or grows about exponentially with the distance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from throughtime.data.progress import counted
from throughtime.engine import real_steps
from throughtime.inspection.recording import Recording, Watched

TARGETS = 32
"""Losses of a sequence that gradients are taken of, spread evenly, where it has more."""

LEAST = 1e-30
"""A norm below this is lost in rounding, and no part of a fit."""

STEADY, NEARLY = 1.15, 1.7
"""Half-lives of a curve's two halves differ by less than these factors where one number tells it well, or roughly."""

BEYOND = 5
"""A half-life of more than so many times the distances that were looked at is no measurement."""


@dataclass(frozen=True)
class Flow:
    """The norms of one cell's gradients.

    Attributes:
        cell: The cell.
        targets: The losses t that were asked about, ``[S]``.
        norms: ``|∂L<t>/∂s<s>|`` for every state by name, ``[S, B, T]``; under ``""`` that of all states together.
        aligned: Loss t is that of step t; else of the whole sequence.
        tells_distance: Whether a gradient's distance is the number of steps that it went through; an encoder's that a
            decoder attends to is not.
    """

    cell: Watched
    targets: Tensor
    norms: dict[str, Tensor]
    aligned: bool
    tells_distance: bool = True
    _curves: dict[str, Curve] = field(default_factory=dict, init=False, repr=False, compare=False)

    def by_distance(self, state: str = "") -> Curve:
        """The mean norm at every distance.

        Computed once. The distance is t - s, against the direction s - t; where a loss is of the whole sequence, the
        steps from s to the end of the cell's run.
        """
        if state not in self._curves:
            self._curves[state] = self._by_distance(self.norms[state])
        return self._curves[state]

    def _by_distance(self, norms: Tensor) -> Curve:
        steps = torch.arange(norms.shape[2])
        lengths = self.cell.lengths
        real = real_steps(lengths, norms.shape[2])  # [B, T]
        backward = self.cell.directed.reverse
        if self.aligned:
            distance = (self.targets.unsqueeze(1) - steps) * (-1 if backward else 1)  # [S, T]
            distance = distance.unsqueeze(1).expand(norms.shape)
            inside = real[:, self.targets].T.unsqueeze(2)
        else:
            distance = (steps if backward else lengths.unsqueeze(1) - 1 - steps).expand(norms.shape)
            inside = torch.ones(1, 1, 1, dtype=torch.bool)
        told = (distance >= 0) & real & inside
        counts = torch.bincount(distance[told], minlength=1)
        sums = torch.bincount(distance[told], weights=norms[told].double(), minlength=1)
        return Curve(sums / counts.clamp(min=1), counts)


@dataclass(frozen=True)
class Curve:
    """A mean norm at every distance.

    Attributes:
        norms: At distances 0, 1, …, ``[D]``.
        counts: Pairs that each is the mean of, ``[D]``.
    """

    norms: Tensor
    counts: Tensor

    def decay(self) -> Decay:
        """The line that fits the logarithm of the norms best, by least squares weighted with the pairs.

        Example:
            >>> curve = Curve(0.5 ** torch.arange(10).double(), torch.ones(10))
            >>> round(curve.decay().factor, 6), round(curve.decay().half_life, 6)
            (0.5, 1.0)
        """
        return self._fit(self.there)

    @property
    def there(self) -> Tensor:
        """Distances that have a norm, ``[D]``."""
        return (self.counts > 0) & (self.norms > LEAST) & torch.isfinite(self.norms)

    def half_life_told(self) -> str:
        """The half-life in steps, as exact as the curve: a range where it bends, none where it turns.

        Example:
            >>> steps, ones = torch.arange(40).double(), torch.ones(40)
            >>> [Curve(norms, ones).half_life_told() for norms in (0.8**steps, 0.999**steps, 1.1**steps)]
            ['3.1', 'over 200', 'does not halve']
            >>> bent = torch.cat([0.8 ** steps[:20], 0.8**19 * 0.95 ** steps[:20]])
            >>> Curve(bent, ones).half_life_told(), Curve((steps - 20).abs() + 1, ones).half_life_told()
            ('3.1 – 14', 'none: it turns')
        """
        at = self.there.nonzero().squeeze(1)
        whole = self.decay()
        if not math.isfinite(whole.slope):
            return "–"
        middle = (at[0] + at[-1]) / 2
        steps = torch.arange(len(self.norms))
        halves = [self._fit(self.there & (steps <= middle)), self._fit(self.there & (steps >= middle))]
        looked = int(at[-1] - at[0])
        if whole.half_life > BEYOND * looked or all(half.slope >= 0 for half in halves):
            turns = float(self.norms[self.there].log().max() - self.norms[self.there].log().min()) > math.log(4)
            if turns and min(half.slope for half in halves) < 0:
                return "none: it turns"
            return "does not halve" if whole.slope >= 0 else f"over {_short(BEYOND * looked)}"
        if len(at) < 6:
            return f"about {_short(whole.half_life)}"
        if any(half.slope >= 0 for half in halves):
            return "none: it turns"
        low, high = sorted(min(half.half_life, BEYOND * looked) for half in halves)
        if high > NEARLY * low:
            return f"{_short(low)} – {_short(high)}"
        return f"{'about ' if high > STEADY * low else ''}{_short(whole.half_life)}"

    def half_life_in_words(self) -> str:
        """The same as a figure's legend says it.

        Example:
            >>> steps, ones = torch.arange(40).double(), torch.ones(40)
            >>> [Curve(norms, ones).half_life_in_words() for norms in (0.8**steps, 1.1**steps, (steps - 20).abs() + 1)]
            ['half-life 3.1 steps', 'does not halve', 'no half-life: it turns']
        """
        told = self.half_life_told()
        if told.startswith("none"):
            return f"no half-life{told.removeprefix('none')}"
        return f"half-life {told} steps" if any(map(str.isdigit, told)) else told.replace("–", "no half-life")

    def _fit(self, there: Tensor) -> Decay:
        at = there.nonzero().squeeze(1).double()
        if len(at) < 2:
            return Decay(math.nan, math.nan)
        weights, logs = self.counts[there].double(), self.norms[there].double().log()
        weights = weights / weights.sum()
        middle, mean = (weights * at).sum(), (weights * logs).sum()
        slope = (weights * (at - middle) * (logs - mean)).sum() / (weights * (at - middle) ** 2).sum()
        return Decay(float(slope), float(mean - slope * middle))


@dataclass(frozen=True)
class Decay:
    """An exponential: ``log norm(d) = intercept + slope d``.

    Attributes:
        slope: A step, in nats; negative where gradients vanish.
        intercept: The logarithm at distance 0.
    """

    slope: float
    intercept: float

    @property
    def factor(self) -> float:
        """What a norm is multiplied by a step."""
        return math.exp(min(self.slope, 700.0))

    @property
    def half_life(self) -> float:
        """Steps in which a norm halves; infinite where it does not fall."""
        return math.log(2) / -self.slope if self.slope < 0 else math.inf if self.slope >= 0 else math.nan


def gradients_through_time(recording: Recording, targets: int = TARGETS) -> list[Flow]:
    """The norm of ``∂L<t>/∂s<s>`` for every cell, state, sequence, loss t and step s.

    A state is taken as it leaves its step: its gradient is that of all that follows, in the layers above and through
    time, with the cell's other states held fixed.

    Args:
        recording: Of :func:`throughtime.inspection.record`.
        targets: Most losses of a sequence; they are spread evenly, the last among them.
    """
    losses = recording.losses
    asked = _spread(losses.shape[1], targets)
    nodes = [(cell, look, name) for cell in recording.cells for look in cell.looks for name in cell.states]
    tensors = [values[name] for _, look, name in nodes for values in look.steps]
    found: dict[tuple[int, str], list[Tensor]] = {}
    for t in counted(asked, "losses followed back"):
        # Rows know nothing of one another: one sum gives the gradients of all.
        gradients = iter(torch.autograd.grad(losses[:, t].sum(), tensors, retain_graph=True, allow_unused=True))
        pieces: dict[tuple[int, str], list[Tensor]] = {}
        for cell, look, name in nodes:
            norms = [_norm(next(gradients), values[name]) for values in look.steps]
            pieces.setdefault((id(cell), name), []).append(look.in_order(norms).squeeze(2))
        for key, parts in pieces.items():
            found.setdefault(key, []).append(torch.cat(parts, 1))
    flows = []
    for cell in recording.cells:
        each = {name: torch.stack(found[id(cell), name]).cpu() for name in cell.states}
        together = torch.stack(list(each.values())).norm(dim=0)
        aligned = cell.owner == recording.aligned
        tells_distance = aligned or not recording.aligned
        flows.append(Flow(cell, torch.tensor(asked), {"": together, **each}, aligned, tells_distance))
    return flows


def _spread(count: int, most: int) -> list[int]:
    """Numbers below ``count``, evenly spread, the last among them.

    Example:
        >>> _spread(3, 5), _spread(10, 4)
        ([0, 1, 2], [0, 3, 6, 9])
    """
    if count <= most:
        return list(range(count))
    return sorted({round(number * (count - 1) / (most - 1)) for number in range(most)}) if most > 1 else [count - 1]


def _norm(gradient: Tensor | None, like: Tensor) -> Tensor:
    """``[active, 1]``; zeros where nothing follows."""
    return like.new_zeros(len(like), 1) if gradient is None else gradient.norm(dim=1, keepdim=True)


def _short(steps: float) -> str:
    """Two digits that mean something.

    Example:
        >>> _short(0.537), _short(4.512), _short(54.2), _short(1234.5)
        ('0.54', '4.5', '54', '1,200')
    """
    return f"{float(f'{steps:.2g}'):,.10g}"


def half_lives(flows: Sequence[Flow]) -> dict[str, float]:
    """Every cell's half-life in steps, by its name."""
    return {flow.cell.name: flow.by_distance().decay().half_life for flow in flows}
