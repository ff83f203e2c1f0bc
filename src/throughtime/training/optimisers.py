"""Optimisers by name, and the averaging of weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

OptimiserName = Literal["adam", "adamw", "sgd", "asgd"]


def make_optimiser(
    name: OptimiserName, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0, momentum: float = 0.0
) -> torch.optim.Optimizer:
    """An optimiser by name; ``"asgd"`` is SGD whose weights :class:`Averager` averages.

    Raises:
        ValueError: If there is none of that name.
    """
    parameters = list(parameters)
    if name == "adam":
        return torch.optim.Adam(parameters, lr, weight_decay=weight_decay, fused=True)
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr, weight_decay=weight_decay, fused=True)
    if name in ("sgd", "asgd"):
        return torch.optim.SGD(parameters, lr, momentum=momentum, weight_decay=weight_decay, fused=True)
    raise ValueError(f"unknown optimiser {name!r}")


class Averager:
    """The mean of the weights since it was started (Polyak and Juditsky 1992).

    Training starts it when validation has stopped improving, as in NT-ASGD (Merity, Keskar and Socher 2017).
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.count = 0
        self.means: dict[str, Tensor] = {}

    @property
    def started(self) -> bool:
        """Whether weights are being averaged."""
        return bool(self.means)

    @torch.no_grad()
    def start(self) -> None:
        """Begins with the weights of now."""
        self.count = 1
        self.means = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes the weights of now into the mean, if started."""
        if self.started:
            self.count += 1
            for name, parameter in self.model.named_parameters():
                self.means[name].lerp_(parameter, 1.0 / self.count)

    def load(self, count: int, means: Mapping[str, Tensor]) -> None:
        """Goes on from saved means."""
        self.count, self.means = count, dict(means)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model carries the mean weights inside this block, its own again after it."""
        if not self.started:
            yield
            return
        own = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}
        self._set(self.means)
        try:
            yield
        finally:
            self._set(own)

    @torch.no_grad()
    def _set(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.copy_(values[name])
