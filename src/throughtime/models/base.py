"""What every model has."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

State = dict[str, Tensor]
"""A recurrent state by name."""


class Model(nn.Module):
    """A model that can be trained: it says what its loss is."""

    aligned: ClassVar[str] = ""
    """The recurrent layer whose steps are those of :meth:`losses`; none where a loss is a whole sequence's."""

    @property
    def reads_last(self) -> bool:
        """Whether a whole sequence's loss reads a layer's last steps alone."""
        return False

    def loss(self, batch: Any, carried: State | None) -> tuple[Tensor, State | None]:
        """The mean loss of a batch, and the state to carry to the next one, cut off from its past.

        Args:
            batch: A batch of the kind that the model reads.
            carried: What the batch before handed on; None at the start, and where nothing is carried.
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss: define loss(self, batch, carried)")

    def check_carried(self, carried: State, batch: Any) -> None:
        """Refuses a state of a file that cannot be carried to a batch.

        Raises:
            ValueError: If names or shapes are none of the model's.
        """

    def losses(self, batch: Any) -> Tensor:
        """The loss of every step by itself in nats, ``[B, S]``, zero past a length; ``[B, 1]`` of whole sequences."""
        raise NotImplementedError(f"{type(self).__name__} has no loss of a step: define losses(self, batch)")
