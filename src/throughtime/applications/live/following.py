"""Streams of which a model says what comes next: they are read, and go on by themselves where that is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import torch

from throughtime.applications.live.parts import Output
from throughtime.errors import UserError, shown

ItemT = TypeVar("ItemT")

_DUMPED = ("begun", "news", "scores", "drawing", "stopped", "ended")


class Following(Generic[ItemT]):
    """One stream, item by item; what follows the last one is known as soon as the model has answered.

    Args:
        nothing: What the model reads before the first item.
    """

    def __init__(self, nothing: ItemT) -> None:
        self.nothing, self.begun, self.news = nothing, False, False
        self.reading: deque[ItemT] = deque()  # what the model has been given, and has not answered yet
        self.scores: Output | None = None  # of the next item, given all that was answered
        self.drawing = False  # it goes on by itself
        self.stopped = False  # it did, and nobody was told yet that it does no more
        self.ended = False  # as an end was drawn

    def account(self, item: ItemT, scores: Output) -> None:
        """Takes down what the model thought of an item before it came."""
        raise NotImplementedError(f"{type(self).__name__}: define account(self, item, scores)")

    def draw(self, scores: Output) -> ItemT | None:
        """The next item, where :attr:`drawing`; None at the end."""
        raise NotImplementedError(f"{type(self).__name__}: define draw(self, scores)")

    def read(self, items: Sequence[ItemT]) -> list[ItemT]:
        """The inputs that items are."""
        if items and self.scores is not None and not self.reading:
            self.account(items[0], self.scores)
        inputs = [*([] if self.begun else [self.nothing]), *items]
        self.begun = True
        self.reading.extend(inputs)
        return inputs

    def take(self, output: Output) -> Sequence[ItemT]:
        """Takes what the model says of the next item; gives that, where it is drawn."""
        self.reading.popleft()
        self.scores, self.news = output, True
        if self.reading:
            self.account(self.reading[0], output)
        return self.go_on()

    def go_on(self) -> list[ItemT]:
        """The next item, where it is drawn and nothing else waits."""
        if not self.drawing or self.scores is None or self.reading:
            return []
        item = self.draw(self.scores)
        self.drawing = item is not None
        if item is None:
            self.stopped = self.news = True
            return []
        return self.read([item])

    def told_drawing(self) -> dict[str, bool]:
        """Whether it goes on by itself: where it does, and, once, where it does no more; and if that is its end."""
        stopped, ended, self.stopped, self.ended = self.stopped, self.ended, False, False
        told = {"drawing": self.drawing} if self.drawing or stopped else {}
        return told | ({"ended": True} if ended else {})

    def dump_following(self) -> dict[str, Any]:
        """All that it holds, for :meth:`load_following`."""
        return {name: getattr(self, name) for name in _DUMPED}

    def load_following(self, dumped: Mapping[str, Any], reading: Sequence[ItemT]) -> None:
        """Takes over what :meth:`dump_following` gave."""
        for name in _DUMPED:
            setattr(self, name, dumped[name])
        self.reading = deque(reading)


def asked_to_draw(piece: Any) -> Mapping[str, Any] | None:
    """The options of drawing, where a piece asks for it.

    Raises:
        UserError: If it asks in another form.

    Example:
        >>> asked_to_draw({"draw": {"length": 3}}), asked_to_draw("a text")
        ({'length': 3}, None)
    """
    if not isinstance(piece, Mapping) or "draw" not in piece:
        return None
    if set(piece) != {"draw"} or not isinstance(piece["draw"], Mapping):
        raise UserError(f'expected {{"draw": {{…}}}} with options of drawing, got {shown(piece)}')
    found: Mapping[str, Any] = piece["draw"]
    return found


def seeded(seed: int | None) -> torch.Generator:
    """Random numbers of a seed; without one, others each time."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
