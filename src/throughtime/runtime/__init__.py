r"""Runs what ``throughtime export`` wrote, with ONNX Runtime and NumPy alone: PyTorch need not be installed.

Opened, an exported folder predicts, scores, draws and streams as the model does that it was made of::

    import throughtime.runtime

    model = throughtime.runtime.open("exported/book")
    model.score(["The expression is evaluated once."])
    model.sample("The ", seed=3)

What should be known of an input, such as words that the model has never seen, is noted for whoever listens::

    with throughtime.runtime.noting() as notes:
        model.sample("Thé ", seed=3)
    print(*notes.lines(), sep="\n")
"""

from __future__ import annotations

from pathlib import Path

from throughtime.runtime.folder import Folder
from throughtime.runtime.kinds import find_runner
from throughtime.runtime.reading.notes import noting
from throughtime.runtime.runner import Runner

__all__ = ["Runner", "noting", "open"]


def open(folder: str | Path) -> Runner:
    """Opens an exported folder.

    Args:
        folder: What ``throughtime export RUN --out FOLDER`` wrote.

    Raises:
        UserError: If it is none, is damaged, or was written by a later version.
    """
    return find_runner(Folder.open(Path(folder)))
