"""Any PyTorch model on the engines: ``torch.nn``'s recurrent modules swapped for ours, in place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations

from throughtime.errors import spelled
from throughtime.layers.accelerated import SWAPS, give_back, is_swapped, pays, swap

_KINDS = {theirs.__name__ for theirs in SWAPS}


@dataclass(frozen=True)
class Acceleration:
    """What :func:`accelerate` did to a model; ``print`` shows it as a table.

    Attributes:
        swapped: Qualified name and kind of each module that now runs on the engines; the model itself is ``""``.
        left: Qualified name, kind and reason of each recurrent module that stays as it was.
    """

    swapped: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        if not self.swapped and not self.left:
            return "no recurrent modules of torch.nn here"
        rows = [*self.swapped, *self.left]
        names = max(len(row[0] or "(model)") for row in rows)
        kinds = max(len(row[1]) for row in rows)
        lines = [f"swapped {len(self.swapped)} of {len(rows)} recurrent modules"]
        lines += [f"  {name or '(model)':{names}}  {kind}" for name, kind in self.swapped]
        if self.left:
            lines.append("left as they are")
            lines += [f"  {name or '(model)':{names}}  {kind:{kinds}}  {reason}" for name, kind, reason in self.left]
        return "\n".join(lines)


@spelled
def accelerate(model: nn.Module) -> Acceleration:
    """Lets every ``torch.nn.RNN``, ``GRU`` and ``LSTM`` in a model run on our engines, in place.

    Outputs, arguments, errors, ``state_dict``, parameters, hooks and optimisers stay what they were: only the
    class of each module changes, to a subclass with another ``forward``. What the engines do not serve runs in
    PyTorch as before: other devices and dtypes, autocast, exports, traces, ``torch.func``, forward-mode
    derivatives, deterministic algorithms, a single step. :func:`decelerate` undoes it.

    Args:
        model: Any model; it may be a recurrent module itself. Inputs are those of ``torch.nn``: ``[T, B, k]``,
            ``[B, T, k]`` with ``batch_first``, ``[T, k]``, or a PackedSequence.

    Returns:
        What was swapped, and what was left and why.

    Raises:
        TypeError: If it is no ``torch.nn.Module``.

    Example:
        >>> model = nn.Sequential(nn.Embedding(9, 4), nn.LSTM(4, 5, batch_first=True))
        >>> print(accelerate(model))
        swapped 1 of 1 recurrent modules
          1  LSTM
        >>> model
        Sequential(
          (0): Embedding(9, 4)
          (1): AcceleratedLSTM(4, 5, batch_first=True)
        )
    """
    _check(model)
    swapped: list[tuple[str, str]] = []
    left: list[tuple[str, str, str]] = []
    for name, module in model.named_modules():
        kind = _kind(module)
        if kind is None:
            continue
        reason = _reason(module)
        if reason is None:
            swap(module)
            swapped.append((name, kind))
        else:
            left.append((name, kind, reason))
    return Acceleration(tuple(swapped), tuple(left))


@spelled
def decelerate(model: nn.Module) -> tuple[str, ...]:
    """Gives back to PyTorch what :func:`accelerate` swapped, in place.

    Wanted where a model is to be PyTorch's alone again, pickled for a machine that lacks this library, for instance.

    Args:
        model: Any model.

    Returns:
        The qualified names of what was given back.

    Raises:
        TypeError: If it is no ``torch.nn.Module``.

    Example:
        >>> model = nn.Sequential(nn.GRU(4, 5))
        >>> _ = accelerate(model)
        >>> decelerate(model)
        ('0',)
    """
    _check(model)
    swapped = [(name, module) for name, module in model.named_modules() if is_swapped(module)]
    for _, module in swapped:
        give_back(module)
    return tuple(name for name, _ in swapped)


def _check(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")


def _kind(module: nn.Module) -> str | None:
    """The name of the module's kind in ``torch.nn``, subclasses, compiled and quantised ones included."""
    for theirs in SWAPS:
        if isinstance(module, theirs):
            return theirs.__name__
    name = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule):
        name = str(getattr(module, "original_name", name)).removeprefix("Accelerated")
    elif not type(module).__module__.startswith("torch.ao."):
        return None
    return name if name in _KINDS else None


def _reason(module: nn.Module) -> str | None:
    """Why a recurrent module is left as it is; None where it is not."""
    if is_swapped(module):
        return "accelerated before"
    if isinstance(module, torch.jit.ScriptModule):
        return "compiled by TorchScript"
    if type(module).__module__.startswith("torch.ao."):
        return "quantised: other arithmetic"
    written = type_before_parametrizations(module)
    if written not in SWAPS:
        return f"of a class of its own, {written.__name__}, which may compute something else"
    if "forward" in vars(module):
        return "its forward was replaced"
    if isinstance(module, nn.RNNCellBase) and not pays(1):
        return _alone(module)
    return None


def _alone(cell: nn.RNNCellBase) -> str:
    """What is as fast as it gets, and what would be faster."""
    layer = f"throughtime.{type(cell).__name__.removesuffix('Cell')}.from_torch(cell)"
    return f"one step a call; faster over all steps in one: {layer}, or in use, step by step: its .stream()"
