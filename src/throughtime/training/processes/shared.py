"""The gradient of a batch of which each process has a share, or that one process goes through in parts.

The loss of a batch is ``sum(divisor * loss) / sum(divisor)`` over its shares, see
:meth:`throughtime.models.Model.divisor`, and so is its gradient. What is drawn for a share, such as dropout, is drawn
from a seed that the run's seed, the step and the share decide, whichever process has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from throughtime.data.shares import Shares, shares
from throughtime.errors import UserError
from throughtime.models import Model, State
from throughtime.training.plan import Plan
from throughtime.training.processes.ranks import Ranks

Says = Callable[[], Sequence[float]]

LEAST = 1e-9
"""What a batch of which nothing counts is divided by."""


@dataclass(frozen=True)
class Found:
    """What a step found, the same in all processes; the gradients are the parameters' own.

    Attributes:
        loss: Of the whole batch.
        tokens: Of the whole batch.
        said: The sum over processes of what each of them said.
    """

    loss: float
    tokens: int
    said: Sequence[float]


class Shared:
    """Makes the gradient of a batch from those of its shares.

    Args:
        model: What is trained.
        plan: Says in how many shares, and whether they are added in a fixed order.
        ranks: The processes; each has shares that stand beside each other.

    Raises:
        UserError: If there are more processes than shares in a fixed order.
    """

    def __init__(self, model: Model, plan: Plan, ranks: Ranks) -> None:
        self.model, self.plan, self.ranks = model, plan, ranks
        self.count = plan.shards if plan.deterministic else ranks.count * plan.accumulate
        if self.count < ranks.count:
            raise UserError(
                f"--shards {self.count}: expected at least as many as there are processes, got {ranks.count} of them; "
                f"begin the run with --shards {ranks.count}, or without --deterministic"
            )
        self.parameters = list(model.parameters())
        self.carried: dict[int, State | None] = {}
        self.begun: State | None = None
        self.loss: nn.Module = _Loss(model, touching=not (plan.deterministic or ranks.alone))

    def begin(self) -> None:
        """All processes take the first one's weights.

        Raises:
            UserError: If another process has ended.
        """
        self.ranks.alike([*self.parameters, *self.model.buffers()])
        if not (self.plan.deterministic or self.ranks.alone):
            with self.ranks.hearing():
                self.loss = DistributedDataParallel(self.loss, process_group=self.ranks.group)

    def __call__(self, batch: Shares[Any], step: int, says: Says) -> Found:
        """Sets the parameters' gradients to those of a batch's loss.

        Args:
            batch: Makes its shares.
            step: Number of the step, which decides what is drawn.
            says: Gives numbers, once the share of this process is done, that are summed over all of them.

        Raises:
            UserError: If another process has ended.
        """
        dealt = shares(len(batch), self.ranks.count)
        mine = dealt[self.ranks.number] if self.ranks.number < len(dealt) else range(0)
        way = self._in_order if self.plan.deterministic else self._overlapped
        return way(batch, mine, step, says)

    def carry_on(self, state: State | None) -> None:
        """Goes on with the state of all streams, ``[layers, streams, width]`` each."""
        self.begun, self.carried = state, {}

    def carried_on(self) -> State | None:
        """The state of all streams, wherever each of them is read.

        Raises:
            UserError: If another process has ended.
        """
        mine = {
            share: {name: value.cpu() for name, value in state.items()}
            for share, state in self.carried.items()
            if state is not None
        }
        found = {share: state for one in self.ranks.gathered(mine) for share, state in one.items()}
        if not found:
            return self.begun
        ordered = [found[share] for share in sorted(found)]
        return {name: torch.cat([state[name] for state in ordered], 1) for name in ordered[0]}

    def _in_order(self, batch: Shares[Any], mine: range, step: int, says: Says) -> Found:
        """Each share's gradient by itself; then all of them are added, one after the other."""
        terms: list[Tensor] = []
        figures, used = np.zeros((len(batch), 3)), np.zeros(len(self.parameters))
        for share in mine:
            members = self._made(batch, share, step)
            divisor = self.model.divisor(members)
            self._forget()
            loss = self._backward(members, share, len(batch), step, divisor)
            figures[share] = loss, divisor, members.tokens
            used += [parameter.grad is not None for parameter in self.parameters]
            term = torch.cat([_gradient(parameter).flatten() for parameter in self.parameters])
            if terms and self.ranks.first:  # what comes before is there: nothing need be kept
                terms[0] += term
            else:
                terms.append(term)
        summed = np.array(self.ranks.summed([*figures.flatten(), *used, *says()]))
        figures, used, rest = np.split(summed, [figures.size, figures.size + len(used)])
        loss, divisor, tokens = figures.reshape(-1, 3).sum(0).tolist()
        whole = self.ranks.added_up(terms, terms[0] if self.ranks.first else self._room())
        self._set(whole.div_(max(divisor, LEAST)), used.tolist())
        return Found(loss / max(divisor, LEAST), int(tokens), rest.tolist())

    def _overlapped(self, batch: Shares[Any], mine: range, step: int, says: Says) -> Found:
        """Each process's own gradient; PyTorch averages what is there while the rest is made."""
        made = {share: self._made(batch, share, step) for share in mine or [0]}  # who has none takes part all the same
        divisors = {share: self.model.divisor(members) if mine else 0.0 for share, members in made.items()}
        tokens = sum(members.tokens for members in made.values()) if mine else 0
        divisor, tokens = self.ranks.summed([sum(divisors.values()), tokens])
        factor = 1.0 / max(divisor, LEAST)
        loss = 0.0
        self._forget()
        for share, members in made.items():
            waits = isinstance(self.loss, DistributedDataParallel) and share != max(made)
            with self.loss.no_sync() if waits else nullcontext(), self.ranks.hearing():  # type: ignore[operator]
                weight = divisors[share] * factor * self.ranks.count  # of a mean over processes
                loss += self._backward(members, share if mine else None, len(batch), step, weight)
        loss, *rest = self.ranks.summed([loss / self.ranks.count, *says()])
        return Found(loss, int(tokens), rest)

    def _made(self, batch: Shares[Any], share: int, step: int) -> Any:
        """A share of a batch."""
        self._seed(step, share, 0)
        return batch[share]()

    def _backward(self, members: Any, share: int | None, count: int, step: int, weight: float) -> float:
        """Adds the gradient of a share's loss times a weight; carries its streams on. ``share`` None: it has none."""
        self._seed(step, share or 0, 1)
        loss, state = self.loss(members, None if share is None else self._begins(share, count), weight)
        loss.backward()
        if share is not None:
            self.carried[share] = state
        return float(loss.detach())

    def _begins(self, share: int, count: int) -> State | None:
        """The state that a share's streams begin with."""
        if share in self.carried or self.begun is None:
            return self.carried.get(share)
        streams = next(iter(self.begun.values())).shape[1]
        mine = shares(streams, count)[share]
        return {name: value[:, mine.start : mine.stop] for name, value in self.begun.items()}

    def _seed(self, step: int, share: int, use: int) -> None:
        words = np.random.SeedSequence([self.plan.seed, step, share, use]).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0]))

    def _forget(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def _room(self) -> Tensor:
        return self.parameters[0].new_empty(sum(parameter.numel() for parameter in self.parameters))

    def _set(self, whole: Tensor, used: Sequence[float]) -> None:
        """Gives every parameter its part of a gradient; none where no share has one, which optimisers tell apart."""
        parts = torch.split(whole, [parameter.numel() for parameter in self.parameters])
        for parameter, part, times in zip(self.parameters, parts, used, strict=True):
            parameter.grad = part.view_as(parameter) if times else None


class _Loss(nn.Module):
    """A model's loss times a weight as a module's output, as PyTorch's averaging takes it.

    Args:
        model: The model.
        touching: Whether every parameter gets a gradient, if of zeros: averaging waits for all of them.
    """

    def __init__(self, model: Model, touching: bool) -> None:
        super().__init__()
        self.model, self.touching = model, touching

    def forward(self, batch: Any, carried: State | None, weight: float) -> tuple[Tensor, State | None]:
        """A scalar, and the state to carry on."""
        loss, state = self.model.loss(batch, carried)
        if weight and not self.touching:
            return loss * weight, state
        nothing = 0.0 * torch.stack([parameter.sum() for parameter in self.model.parameters()]).sum()
        return (loss * weight + nothing if weight else nothing), state  # the mean of nothing is no number


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
