"""Ragged batches as engines like them: longest row first, forward in time, so that active rows are a prefix.

A batch then costs what its real steps cost: at step t only the first ``active[t]`` rows are computed, and
padding is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.engine.call import Call, Noise, Result


@dataclass(frozen=True)
class Arranged:
    """A call with its rows sorted by falling length and its time running forward.

    Attributes:
        inputs: ``[B, S, k]`` where S is the longest real length.
        state: Initial state by name, ``[B, width]``.
        noise: The call's noise in the same order.
        active: Rows still running at each of the S steps, never rising.
        order: Where each sorted row stood, ``[B]``; None where rows were not moved.
        turn: For each sorted row and step the step it came from, ``[B, S]``; None where time was not turned.
        resets: Where a row begins anew before a step, ``[B, S]``; None where none does.
        mask: Which steps are not left out, ``[B, S]``; None where none is.
        time: Steps of the call, T.
    """

    inputs: Tensor
    state: Mapping[str, Tensor]
    noise: Noise
    active: list[int]
    order: Tensor | None
    turn: Tensor | None
    time: int
    resets: Tensor | None = None
    mask: Tensor | None = None


def arrange(call: Call) -> Arranged:
    """Sorts and turns a call."""
    batch, time = call.inputs.shape[:2]
    device = call.inputs.device
    if call.lengths is None:
        steps, active, order = time, [batch] * time, None
    else:
        lengths, order, running = by_length(call.lengths)
        steps, active = len(running), running.tolist()
        if torch.equal(order, torch.arange(batch, device="cpu")):
            order = None
    turn = None
    if call.reverse:
        step = torch.arange(steps, device="cpu").expand(batch, steps)
        last = torch.full((batch, 1), steps) if call.lengths is None else lengths.unsqueeze(1)
        turn = torch.where(step < last, last - 1 - step, step).to(device)
    order = None if order is None else order.to(device)

    def rows(value: Tensor) -> Tensor:
        return value if order is None else value.index_select(0, order)

    def in_time(value: Tensor) -> Tensor:
        value = rows(value[:, :steps])
        return value if turn is None else _take_steps(value, turn)

    noise = Noise(
        products={name: rows(mask) for name, mask in call.noise.products.items()},
        keep={n: in_time(keep) if isinstance(keep, Tensor) else keep for n, keep in call.noise.keep.items()},
    )
    state = {name: rows(value) for name, value in call.state.items()}
    mask = None if call.mask is None else _flags(in_time, call.mask)
    resets = None if call.resets is None else _flags(in_time, call.resets)
    if resets is not None and turn is not None:  # a border before a step is, run backward, one before the step before
        resets = F.pad(resets[:, :-1], (1, 0))
    # what is left out may be anything, NaN too
    inputs = call.inputs if call.mask is None else call.inputs.masked_fill(~call.mask.unsqueeze(-1), 0.0)
    return Arranged(in_time(inputs), state, noise, active, order, turn, time, resets, mask)


Lengths = Tensor | Sequence[int]
"""Real steps of every row, whole numbers ``[B]``."""


def as_lengths(lengths: Lengths, device: torch.device | str | None = None) -> Tensor:
    """Lengths as a tensor, on another device where one is named.

    Raises:
        ValueError: If they are no list of whole numbers.

    Example:
        >>> as_lengths([5, 2])
        tensor([5, 2])
    """
    if isinstance(lengths, Tensor):
        return lengths if device is None else lengths.to(device)
    try:
        return torch.as_tensor(lengths, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"expected lengths, a whole number for every row, got {lengths!r:.80}") from error


def within(lengths: Tensor, time: int) -> Tensor | None:
    """Lengths that are in a batch's time; None where every row is whole.

    Raises:
        ValueError: If one is not.
    """
    if len(lengths) and not 0 <= int(lengths.min()) <= int(lengths.max()) <= time:
        raise ValueError(f"expected lengths from 0 to {time}, got {int(lengths.min())} to {int(lengths.max())}")
    return None if bool((lengths == time).all()) else lengths


def real_steps(lengths: Tensor, steps: int) -> Tensor:
    """Which of a batch's steps are real and not filling: ``[B, steps]``, on the device of the lengths ``[B]``.

    Example:
        >>> real_steps(torch.tensor([2, 0]), 3).tolist()
        [[True, True, False], [False, False, False]]
    """
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def by_length(lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lengths falling, where each stood, both ``[B]``, and the rows still running at each step that runs."""
    given = lengths.numpy()  # NumPy, for these are many short operations
    order = (-given).argsort(kind="stable")
    falling = given[order]
    steps = int(falling[0]) if len(falling) else 0
    active = len(falling) - np.bincount(given, minlength=steps + 1)[:steps].cumsum()
    return torch.from_numpy(falling), torch.from_numpy(order), torch.from_numpy(active)


def restore(arranged: Arranged, outputs: Tensor, finals: Mapping[str, Tensor]) -> Result:
    """Undoes :func:`arrange`: outputs ``[B, S, width]`` of sorted rows become ``[B, T, width]`` of the call's."""
    if arranged.turn is not None:
        outputs = _take_steps(outputs, arranged.turn)
    if arranged.time > outputs.shape[1]:
        outputs = F.pad(outputs, (0, 0, 0, arranged.time - outputs.shape[1]))
    if arranged.order is None:
        return outputs, dict(finals)
    back = torch.empty_like(arranged.order)
    back[arranged.order] = torch.arange(len(back), device=back.device)
    return outputs.index_select(0, back), {name: value.index_select(0, back) for name, value in finals.items()}


def _flags(in_time: Callable[[Tensor], Tensor], flags: Tensor) -> Tensor:
    return in_time(flags.unsqueeze(-1)).squeeze(-1)


def _take_steps(value: Tensor, turn: Tensor) -> Tensor:
    """Row b, step t of the result is row b, step ``turn[b, t]``; turning twice gives the value back."""
    return value.gather(1, turn.unsqueeze(-1).expand_as(value))
