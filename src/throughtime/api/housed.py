"""What lives in a folder, which may be a temporary one until it is saved."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from throughtime.applications.folder.model_folder import staged
from throughtime.errors import spelled
from throughtime.training.lock import NAME as LOCK


@spelled
class Housed:
    """A run, or several, in a folder.

    Attributes:
        folder: Where it lives.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._home: weakref.finalize[Any, Any] | None = None

    def save(self, path: str | Path) -> Self:
        """Copies the folder to a path, where it lives from then on.

        Raises:
            UserError: If there is something already.
        """
        path = Path(path)
        with staged(path) as folder:
            shutil.copytree(self.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(LOCK))
        self.folder = path
        self._forget()
        if self._home is not None:
            self._home()
            self._home = None
        return self

    def live_in(self, home: TemporaryDirectory[str]) -> None:
        """The folder is temporary: it goes with this."""
        self._home = weakref.finalize(self, home.cleanup)

    def _forget(self) -> None:
        """Lets go of what was read from the folder."""
        raise NotImplementedError
