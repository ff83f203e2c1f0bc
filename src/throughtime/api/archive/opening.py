"""What it takes to open a run in another process, which does it once and keeps the model."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from throughtime.api.loading import load
from throughtime.api.run import Run
from throughtime.applications.reading.account import FILE
from throughtime.engine.threads import threads
from throughtime.errors import UserError
from throughtime.plain import open_regular

FILES = ("config.json", "model.safetensors", "tokenizer.json", "vocabulary.json", FILE)
"""Of a model folder: what predictions depend on."""


@dataclass(frozen=True)
class Opening:
    """A run, as another process opens it.

    Attributes:
        folder: The model folder, an absolute path.
        cell: As of :func:`throughtime.load`.
        task: The same.
        device: The same.
        model: Digest of what stands in the folder.
    """

    folder: str
    cell: str | None
    task: str | None
    device: str
    model: str

    @classmethod
    def of(cls, folder: Path, cell: str | None = None, task: str | None = None, device: str = "auto") -> Opening:
        """What opens a folder as it is now."""
        whole = Path(os.path.abspath(folder))
        return cls(str(whole), cell, task, device, digest(whole))

    @classmethod
    def of_run(cls, run: Run) -> Opening:
        """What opens the same as a run."""
        return cls.of(run.folder, run.cell, run.task.name if ":" in run.task.name else None, run.device)

    def unopened(self) -> Run:
        """The run, before its model is loaded.

        Raises:
            UserError: As of :func:`throughtime.load`.
        """
        return load(self.folder, cell=self.cell, task=self.task, device=self.device)

    def run(self) -> Run:
        """The run, with its model: this process opens it once.

        Raises:
            UserError: As of :func:`throughtime.load`, or if the folder holds another model by now.
        """
        if self not in _OPENED:
            run = self.unopened()
            if digest(run.folder) != self.model:
                raise UserError(f"{run.folder}: holds another model than when this was begun; begin anew")
            run.progress = False
            _OPENED[self] = run.ready()
        return _OPENED[self]


_OPENED: dict[Opening, Run] = {}
_ALONE = threading.RLock()


def _renew() -> None:
    global _ALONE
    _ALONE = threading.RLock()


os.register_at_fork(after_in_child=_renew)  # a thread that held it is not there in the child


@contextmanager
def on_threads(number: int) -> Iterator[None]:
    """PyTorch computes on so many threads; calls of several threads come one after the other."""
    with _ALONE, threads(number):
        yield


def digest(folder: Path) -> str:
    """SHA-256 of the files of a model folder that predictions depend on."""
    found = hashlib.sha256()
    for name in FILES:
        if (folder / name).is_file():
            with open_regular(folder / name) as file:
                found.update(f"{name}\0{os.fstat(file.fileno()).st_size}\0".encode())
                for chunk in iter(partial(file.read, 1 << 20), b""):
                    found.update(chunk)
    return found.hexdigest()
