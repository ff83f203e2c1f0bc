"""What every search asks of a model, and what it finds.

Shapes::

    B  sequences that are sought        N  rows that are decoded side by side        V  tokens of the vocabulary
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from throughtime.data import NOTHING

StateT = TypeVar("StateT")


class Decoder(Protocol[StateT]):
    """A model that gives the next token's probabilities for rows of unfinished sequences."""

    def begin(self) -> tuple[Tensor, StateT]:
        """The first tokens' log-probabilities ``[B, V]``, and the state after whatever stands before."""
        ...

    def step(self, tokens: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """Reads a token a row, ``[N]``; gives the next ones' log-probabilities ``[N, V]`` and the state."""
        ...

    def reorder(self, state: StateT, rows: Tensor) -> StateT:
        """The state of some rows, ``rows [N]``, in that order; one may come more than once."""
        ...


class NextTokenModel(Protocol):
    """A language model."""

    def next_log_probs(self, tokens: Tensor, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Any]:
        """Reads ``[B, T]`` tokens; gives the next one's log-probabilities ``[B, V]`` and the state."""
        ...


class TokenStream(Protocol):
    """A language model that goes on token by token, with the weights and from the state that it was opened with."""

    state: Any
    """``[layers, N, width]`` by name; a copy. Set to one of other rows, the stream goes on with these."""

    def step(self, tokens: Tensor) -> Tensor:
        """Reads a token a row, ``[N]``; gives the next ones' log-probabilities ``[N, V]``."""
        ...

    def advance(self, tokens: Sequence[int]) -> Tensor:
        """As :meth:`step`, for who has done with what it gives before the second next step."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A language model that has a quicker way to go on token by token."""

    def next_log_probs(self, tokens: Tensor, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Any]:
        """See :class:`NextTokenModel`."""
        ...

    def stream(self, state: Any, *, weights: str = "float32") -> TokenStream:
        """What goes on from a state of any number of rows, with matrices kept in ``weights``."""
        ...


class Steps(Protocol):
    """What reads a token a row, and goes on from there."""

    def __call__(self, tokens: Sequence[int]) -> Tensor:
        """The next tokens' log-probabilities ``[N, V]``, which the second next step may write over."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Goes on with some rows, in that order."""
        ...


def stepping(model: NextTokenModel, state: Any, weights: str = "float32") -> Steps:
    """What goes on from a state, over a stream where the model has one.

    Raises:
        ValueError: If matrices are to be kept in fewer bits, and the model has no stream.
    """
    if isinstance(model, Streaming):
        return _StreamSteps(model.stream(state, weights=weights))
    if weights != "float32":
        raise ValueError(f"weights={weights!r}: expected a model with a stream, got a {type(model).__name__}")
    return _CallSteps(model, state)


class _StreamSteps:
    """Over a stream."""

    def __init__(self, stream: TokenStream) -> None:
        self.stream, self.advance = stream, stream.advance

    def __call__(self, tokens: Sequence[int]) -> Tensor:
        return self.advance(tokens)

    def keep(self, rows: Tensor) -> None:
        self.stream.state = of_rows(self.stream.state, rows)


class _CallSteps:
    """A call of the model each."""

    def __init__(self, model: NextTokenModel, state: Any) -> None:
        self.model, self.state = model, state

    @torch.no_grad()
    def __call__(self, tokens: Sequence[int]) -> Tensor:
        log_probs, self.state = self.model.next_log_probs(torch.tensor(tokens).unsqueeze(1), self.state)
        return log_probs

    def keep(self, rows: Tensor) -> None:
        self.state = of_rows(self.state, rows)


def of_rows(state: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """The state of some rows, in that order; one may come more than once."""
    return {name: value[:, rows.to(value.device)] for name, value in state.items()}


class TextDecoder:
    """A language model as a :class:`Decoder`; over a stream where the model has one.

    Args:
        model: In evaluation mode.
        prompt: Token ids to read first.
        rows: Sequences that are sought, B.
    """

    def __init__(self, model: NextTokenModel, prompt: Sequence[int] = (), rows: int = 1) -> None:
        self.model, self.prompt, self.rows = model, prompt, rows
        self.stream: TokenStream | None = None
        self.latest: Any = None  # the state that the stream holds

    def begin(self) -> tuple[Tensor, Any]:
        """Reads the prompt, as if nothing stood before it."""
        self.stream = None  # what steps from here on has the weights of this moment, too
        return self.model.next_log_probs(torch.tensor([[NOTHING, *self.prompt]] * self.rows), None)

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """See :class:`Decoder`."""
        if not isinstance(self.model, Streaming):
            return self.model.next_log_probs(tokens.unsqueeze(1), state)
        if self.stream is None:
            self.stream = self.model.stream(state)
        elif state is not self.latest:
            self.stream.state = state
        log_probs = self.stream.step(tokens)
        self.latest = self.stream.state
        return log_probs, self.latest

    def reorder(self, state: Mapping[str, Tensor], rows: Tensor) -> Any:
        """See :class:`Decoder`."""
        return of_rows(state, rows)

    def join(self, states: Sequence[Mapping[str, Tensor]]) -> Any:
        """The rows of several states as those of one."""
        return {name: torch.cat([state[name] for state in states], 1) for name in states[0]}
