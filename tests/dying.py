"""Work of an archive's process that ends over some inputs: it stands where processes can import it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from throughtime.api.archive.answering import Answer, Answering, Reply, reply
from throughtime.applications.pieces import Piece
from throughtime.applications.prediction import Prediction
from throughtime.errors import UserError


@dataclass(frozen=True)
class Dying(Answering):
    """Answers a piece by its name; ``once`` and ``always`` in it end the process, a file remembers whom it killed.

    Attributes:
        folder: Where that is remembered.
    """

    folder: Path = Path()

    def begin(self) -> None:
        if (self.folder / "refused").exists():
            raise UserError("no model here")
        if (self.folder / "never").exists():
            os._exit(7)

    def __call__(self, piece: Piece) -> Reply:
        died = self.folder / f"died-{piece.file}"
        if "always" in piece.file or ("once" in piece.file and not died.exists()):
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return reply([Answer(name, Prediction(Text(name), {"pid": os.getpid()})) for name in piece.names], self.written)
