"""The models that a server has, by name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from throughtime.api import Run
from throughtime.applications.options import Options
from throughtime.applications.task import Use
from throughtime.errors import UserError, listed, nearest
from throughtime.serving.refusal import RefusedError


class Hosted:
    """A model that is served.

    Args:
        name: What requests call it.
        run: The run.

    Attributes:
        options: What may be asked for, of each use that has options.
        lock: Held by whoever runs the model: one request at a time.
        created: When it was opened, in seconds since 1970.
    """

    def __init__(self, name: str, run: Run) -> None:
        self.name, self.run = name, run.ready()
        run.progress = False  # a request's notes are its answer's
        uses: Sequence[Use] = [use for use in ("predict", "sample") if use in run.trained.uses]
        self.options: dict[str, type[Options]] = {use: run.options(use) for use in uses}
        self.lock = threading.Lock()
        self.created = int(time.time())

    @property
    def task(self) -> str:
        """The task's name."""
        return self.run.task.name


class House:
    """All models that are served.

    Args:
        folders: Model folders, each by its own name or as ``NAME=FOLDER``.
        open_run: Opens one.

    Raises:
        UserError: If two have the same name, there is none, or one cannot be opened.
    """

    def __init__(self, folders: Sequence[str], open_run: Callable[[Path], Run]) -> None:
        if not folders:
            raise UserError("expected model folders to serve, got none; train one with: throughtime train text FILE")
        self.open_run = open_run
        self.folders: dict[str, Path] = {}
        for given in folders:
            name, folder = _named(given)
            if name in self.folders:
                raise UserError(
                    f"expected models of different names, got two called {name!r}; give one another: NAME={folder}"
                )
            self.folders[name] = folder
        self.models = {name: Hosted(name, open_run(folder)) for name, folder in self.folders.items()}

    def __getitem__(self, name: str) -> Hosted:
        """The model of a name.

        Raises:
            RefusedError: If there is none; names the nearest.
        """
        if name not in self.models:
            known = f"{nearest(name, self.models)}; models: {listed(self.models)}"
            raise RefusedError(404, f"expected a model that is served, got {name[:80]!r}{known}")
        return self.models[name]

    def reload(self) -> list[str]:
        """Opens every folder anew; streams that are open go on with the model that they began with.

        Returns:
            What could not be opened, a line each; those models stay what they were.
        """
        failed = []
        for name, folder in self.folders.items():
            try:
                self.models[name] = Hosted(name, self.open_run(folder))
            except (UserError, OSError) as error:
                failed.append(f"{name}: {error}")
        return failed


def _named(given: str) -> tuple[str, Path]:
    """Name and folder.

    Example:
        >>> _named("runs/book"), _named("old=runs/book")
        (('book', PosixPath('runs/book')), ('old', PosixPath('runs/book')))
    """
    name, sign, folder = given.partition("=")
    path = Path(folder if sign and "/" not in name else given)
    name = name if sign and "/" not in name else path.absolute().name
    if not name or any(letter in name for letter in "/?#% \\") or not name.isprintable():
        raise UserError(f"expected a name that can stand in an address, got {name!r}; give another: NAME={path}")
    return name, path
