"""Letters of DNA as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from throughtime.applications.live import Output
from throughtime.applications.live.parts import text_piece
from throughtime.data.dna.bases import Codes, encode
from throughtime.models import LetterInput


class LetterFeed:
    """Letters with their neighbours: the last ones wait for those after them.

    Args:
        inputs: Of the model.
    """

    def __init__(self, inputs: LetterInput) -> None:
        self.inputs = inputs
        self.beside = inputs.convolution.kernel_size[0] // 2
        self.codes: Codes = np.zeros(self.beside, np.uint8)
        """The last letters, which further ones are neighbours of; nothing stands before the first."""
        self.at = 0
        """Letters whose features were given."""

    def push(self, piece: Any) -> Sequence[Output]:
        """The features of the letters whose neighbours have come.

        Raises:
            UserError: If the piece is no text of letters of DNA.
        """
        return self._read(encode(text_piece(piece), "a stream"))

    def end(self) -> Sequence[Output]:
        """Those of the last letters, after which nothing stands."""
        return self._read(np.zeros(self.beside, np.uint8))

    @torch.no_grad()
    def _read(self, codes: Codes) -> list[Output]:
        seen, width = np.concatenate([self.codes, codes]), 2 * self.beside + 1
        found = []
        for begin in range(len(seen) - width + 1):
            # By itself, so that no bit depends on how letters come.
            found.append(self.inputs.letter(seen[begin : begin + width], self.at).numpy(force=True))
            self.at += 1
        self.codes = seen[max(0, len(seen) - width + 1) :]
        return found

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        return {"codes": self.codes, "at": self.at}

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.codes, self.at = dumped["codes"], dumped["at"]
