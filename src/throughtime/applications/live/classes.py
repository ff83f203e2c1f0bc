"""Classifiers of streams: the class of all that came so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.applications.live.parts import Output, Takes, checked_options
from throughtime.errors import UserError
from throughtime.models import Classifier
from throughtime.models.streams import HeadedStream, SideBySide, pooled_head


class Feed(Protocol):
    """What makes features of pieces; however these are cut, the features are the same."""

    def push(self, piece: Any) -> Sequence[Output]:
        """The features, ``[F]`` each, of the steps that are complete with this piece.

        Raises:
            UserError: If it is none that the model reads.
        """
        ...

    def end(self) -> Sequence[Output]:
        """Those of the steps that waited for more."""
        ...

    def dump(self) -> dict[str, Any]:
        """All that it holds, as plain data and NumPy arrays."""
        ...

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        ...


class LiveClasses:
    """How a one-way classifier reads streams.

    Args:
        model: The classifier.
        labels: Of its classes.
        feed: Begins to make features of pieces.
        takes: What pieces are.
        piece: A line of text, and where it stands, as a piece.
        warn: What whoever reads the result of so many steps should know.
        least: Steps that a result needs.
        facts: What a client should know beside the labels.
    """

    def __init__(
        self,
        model: Classifier,
        labels: Sequence[str],
        feed: Callable[[], Feed],
        takes: Takes,
        piece: Callable[[str, str], Any],
        *,
        warn: Callable[[int], list[str]] = lambda steps: [],
        least: int = 0,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.labels, self.feed, self.takes, self.piece = model, labels, feed, takes, piece
        self.warn, self.least = warn, least
        self.facts: Mapping[str, Any] = {"labels": list(labels), **(facts or {}), "options": []}

    def side_by_side(self) -> SideBySide:
        """The model, over any number of streams."""
        return SideBySide(HeadedStream(self.model.stack, pooled_head(self.model.pool, self.model.softmax)))

    def open(self, said: Mapping[str, Any]) -> ClassReader:
        """Begins a stream.

        Raises:
            UserError: If anything is said: there is nothing to ask for.
        """
        checked_options(said, ())
        return ClassReader(self, self.feed())

    def load(self, dumped: Mapping[str, Any]) -> ClassReader:
        """A stream that goes on where it was dumped."""
        reader = ClassReader(self, self.feed())
        reader.read_dumped(dumped)
        return reader

    def shown(self, event: Mapping[str, Any]) -> str:
        """The probabilities, the likeliest first."""
        return "  ".join(f"{name} {100 * chance:.1f} %" for name, chance in event["probabilities"].items())

    def nothing(self) -> Tensor:
        """The log-probabilities ``[K]`` of an input without a step."""
        return F.log_softmax(self.model.softmax.bias.detach(), 0).cpu()

    def chances(self, log_probs: Tensor) -> dict[str, float]:
        """The probability of every class at the model's temperature, the likeliest first."""
        told = self.model.told(log_probs.unsqueeze(0))[0].double()
        order = told.argsort(descending=True, stable=True).tolist()
        return {self.labels[number]: math.exp(float(told[number])) for number in order}


class ClassReader:
    """One stream of a classifier.

    Args:
        live: Of which model.
        feed: Makes features of its pieces.
    """

    def __init__(self, live: LiveClasses, feed: Feed) -> None:
        self.live, self.feed = live, feed
        self.output: Output | None = None
        self.steps, self.told = 0, 0

    def push(self, piece: Any) -> Sequence[Output]:
        """The inputs of the steps that are complete with this piece."""
        return self.feed.push(piece)

    def end(self) -> Sequence[Output]:
        """The inputs of the steps that waited for more."""
        return self.feed.end()

    def take(self, output: Output) -> Sequence[Output]:
        """Keeps the log-probabilities of all steps so far."""
        self.output, self.steps = output, self.steps + 1
        return ()

    def partial(self) -> dict[str, Any] | None:
        """The class so far, where there were further steps."""
        if self.told == self.steps:
            return None
        self.told = self.steps
        return self._found()

    def final(self) -> dict[str, Any]:
        """The class; ``warnings`` where there is something to know of the input.

        Raises:
            UserError: If there was too little of it.
        """
        if self.steps < self.live.least:
            raise UserError(f"expected at least {self.live.least} step before the end, got {self.steps}")
        warnings = self.live.warn(self.steps)
        return self._found() | ({"warnings": warnings} if warnings else {})

    def _found(self) -> dict[str, Any]:
        log_probs = self.live.nothing() if self.output is None else torch.from_numpy(self.output)
        chances = self.live.chances(log_probs)
        return {"label": next(iter(chances)), "probabilities": chances, "steps": self.steps}

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        return {"feed": self.feed.dump(), "output": self.output, "steps": self.steps, "told": self.told}

    def read_dumped(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.feed.load(dumped["feed"])
        self.output, self.steps, self.told = dumped["output"], dumped["steps"], dumped["told"]
