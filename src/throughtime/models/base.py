"""What every model has."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

State = dict[str, Tensor]
"""A recurrent state by name."""


class Model(nn.Module):
    """A model that can be trained: it says what its loss is."""

    aligned: ClassVar[str] = ""
    """The recurrent layer whose steps are those of :meth:`losses`; none where a loss is a whole sequence's."""

    temperature: float = 1.0
    """What classes' scores are divided by where their probabilities are told; fitted to validation data, and kept with
    the weights. Training and its loss know nothing of it."""

    @property
    def reads_last(self) -> bool:
        """Whether a whole sequence's loss reads a layer's last steps alone."""
        return False

    def fingerprint(self, *more: str) -> str:
        """What tells its weights, and what else is said of them, from others: SHA-256 in hexadecimal digits."""
        found = hashlib.sha256(" ".join(more).encode())
        for name, value in sorted(self.state_dict().items()):
            found.update(f"{name} {value.dtype} {list(value.shape)}".encode())
            found.update(value.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def loss(self, batch: Any, carried: State | None) -> tuple[Tensor, State | None]:
        """The mean loss of a batch, and the state to carry to the next one, cut off from its past.

        Args:
            batch: A batch of the kind that the model reads.
            carried: What the batch before handed on; None at the start, and where nothing is carried.
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss: define loss(self, batch, carried)")

    def divisor(self, batch: Any) -> float:
        """What the loss of a batch is a sum divided by: its tokens, its rows, or whatever the mean is over.

        So the loss of a batch is known by those of its parts: their sum, each times its divisor, through the sum of
        the divisors. Training in parts, or by several processes, asks for it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not tell what its loss is a mean over, so that no batch can be trained on in "
            "parts: define divisor(self, batch)"
        )

    def check_carried(self, carried: State, batch: Any) -> None:
        """Refuses a state of a file that cannot be carried to a batch.

        Raises:
            ValueError: If names or shapes are none of the model's.
        """

    def losses(self, batch: Any) -> Tensor:
        """The loss of every step by itself in nats, ``[B, S]``, zero past a length; ``[B, 1]`` of whole sequences."""
        raise NotImplementedError(f"{type(self).__name__} has no loss of a step: define losses(self, batch)")

    def told(self, log_probs: Tensor) -> Tensor:
        """Log-probabilities ``[…, K]`` at the model's temperature: as they are at 1, else in double precision."""
        return log_probs if self.temperature == 1.0 else tempered(log_probs, self.temperature)


def tempered(log_probs: Tensor, temperature: float) -> Tensor:
    """The log-probabilities, in double precision, of scores divided by a temperature (Guo et al. 2017).

    Which of two is the likelier does not change: above 1 all come nearer to each other, below 1 they part.

    Args:
        log_probs: Of the scores as they are, ``[…, K]``.
        temperature: Above 0.

    Example:
        >>> import torch
        >>> tempered(torch.tensor([0.8, 0.2]).log(), 2.0).exp()
        tensor([0.6667, 0.3333], dtype=torch.float64)
    """
    return F.log_softmax(log_probs.double() / temperature, -1)
