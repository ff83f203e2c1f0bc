"""Prefix beam search of a model's probabilities: :class:`throughtime.runtime.ctc.CTCSearch` over tensors."""

from __future__ import annotations

from torch import Tensor

from throughtime.decoding.ctc.lattice import as_floats
from throughtime.runtime.ctc import CTCBeam, CTCHypothesis, CTCSearch, Fusion


class CTCStream(CTCSearch):
    """The search over a model's probabilities as they come.

    Example:
        >>> import torch
        >>> stream = CTCStream(CTCBeam())
        >>> stream.push(torch.tensor([[0.2, 0.8], [0.6, 0.4]]).log())
        >>> stream.push(torch.tensor([[0.7, 0.3]]).log())
        >>> [(h.symbols, round(h.acoustic, 3)) for h in stream.best()]
        [((1,), -0.259), ((1, 1), -1.938), ((), -2.477)]
    """

    def push(self, log_probs: Tensor) -> None:
        """Reads further frames, ``[t, V]``."""
        self.read(as_floats(log_probs))


def ctc_beam_search(log_probs: Tensor, beam: CTCBeam, lm: Fusion | None = None, blank: int = 0) -> list[CTCHypothesis]:
    """The best labellings of frames ``[T, V]``, the best first, at most as many as the beam is wide.

    Args:
        log_probs: Of every frame.
        beam: How to search.
        lm: A language model.
        blank: The symbol that stands for none.
    """
    stream = CTCStream(beam, lm, blank)
    stream.push(log_probs)
    return stream.best()
