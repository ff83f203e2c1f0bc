"""The model folder: what training writes and everything else reads. Plain data; reading it runs no code."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from throughtime._version import __version__
from throughtime.errors import UserError
from throughtime.files import errors_of, make_folder, sync_folder, write_json
from throughtime.plain import read_json
from throughtime.tasks.settings import EXTENDABLE, SettingsT, check_settings

FORMAT = 1


@dataclass(frozen=True)
class Run:
    """A model folder: its path and its ``config.json``.

    Attributes:
        folder: The folder.
        task: Name of the task that made it.
        settings: The task's settings.
        model: What the model is built from.
        data: What the task remembers of its data.
    """

    folder: Path
    task: str
    settings: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, task: str | None = None) -> Run:
        """Reads a model folder.

        Raises:
            UserError: If it is no model folder, one of another task, or one of a later version.
        """
        if not folder.is_dir():
            raise UserError(
                f"{folder}: expected a model folder, which does not exist; make one with: throughtime train"
            )
        config = folder / "config.json"
        if not config.exists():
            raise UserError(f"{folder}: expected a model folder, found no config.json in it")
        value = read_json(config)
        written = value.get("format")
        if written != FORMAT:
            remedy = "update throughtime" if isinstance(written, int) and written > FORMAT else "the file is damaged"
            raise UserError(f"{config}: expected format {FORMAT}, got {written!r}; {remedy}")
        for name, kind in {"task": str, "settings": dict, "model": dict, "data": dict}.items():
            if not isinstance(value.get(name), kind):
                raise UserError(
                    f"{config}: expected {name!r} to be a {kind.__name__}, got {value.get(name)!r}; the file is damaged"
                )
        run = cls(folder, value["task"], value["settings"], value["model"], value["data"])
        if task is not None and run.task != task:
            raise UserError(f"{folder}: expected a model of task {task!r}, got one of task {run.task!r}")
        return run

    def save(self) -> None:
        """Writes ``config.json``."""
        value = {
            "format": FORMAT,
            "throughtime": __version__,
            "task": self.task,
            "settings": self.settings,
            "model": self.model,
            "data": self.data,
        }
        write_json(self.folder / "config.json", value)

    def allow_cell(self, cell: str | None) -> None:
        """Refuses a model whose cell is a user's code, unless the user names that code.

        Raises:
            UserError: If the folder's cell is ``module:Class`` and ``cell`` is not the same.
        """
        stored = str(self.model.get("cell"))
        if cell is not None and cell != stored:
            raise UserError(f"{self.folder}: expected --cell {stored}, which this model was trained with, got {cell}")
        if ":" in stored and cell is None:
            raise UserError(
                f"{self.folder}: its cell {stored} is code outside of the folder, which is not run unasked; "
                f"pass --cell {stored} if you trust it"
            )


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder that becomes ``out`` when the block ends well, and is gone when it does not.

    Raises:
        UserError: If ``out`` exists and is not an empty folder, or its parent cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        remedy = "pass --resume to go on with it, or another --out" if out.is_dir() else "pass another --out"
        raise UserError(f"{out}: already exists; {remedy}")
    made = [parent for parent in out.parents if not os.path.exists(parent)]
    folder = out.parent / f".{out.name[:40]}.{secrets.token_hex(8)}"
    try:  # from here on: a signal may come at any time
        try:
            make_folder(out.parent)
            folder.mkdir(0o700)
        except OSError as error:
            raise UserError(f"{out}: cannot be made: {error.strerror}") from error
        yield folder
        _put(folder, out)
        for parent in (out.parent, *(parent.parent for parent in made)):
            sync_folder(parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # another run may stand in them already
            for parent in made:
                parent.rmdir()
        raise


def _put(folder: Path, out: Path) -> None:
    """Gives a whole folder its name, all that is in it being on the disk."""
    with errors_of(out, folder):
        folder.chmod(0o755)
        sync_folder(folder)
    try:
        os.replace(folder, out)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise UserError(f"{out}: cannot be made: {error.strerror}") from error
        raise UserError(
            f"{out}: another training has made it meanwhile; pass --resume to go on with that, or another --out"
        ) from error


def stored(run: Run, kind: type[SettingsT]) -> SettingsT:
    """The settings that a model folder was made with.

    Raises:
        UserError: If the folder's file is damaged.
    """
    try:
        return check_settings(kind, run.settings)
    except UserError as error:
        raise UserError(f"{run.folder / 'config.json'}: {error}") from error


def extend(run: Run, kind: type[SettingsT], options: dict[str, Any]) -> Run:
    """A run with the settings that may change when it goes on.

    Raises:
        UserError: If an option would change what was trained.
    """
    run.allow_cell(options.get("cell"))
    settings = check_settings(kind, {**run.settings, **options})
    kept = stored(run, kind)
    for name in options:
        if name not in EXTENDABLE and getattr(settings, name) != getattr(kept, name):
            raise UserError(
                f"--{name.replace('_', '-')}: a resumed run keeps {getattr(kept, name)!r}, got {options[name]!r}; "
                "leave the option out, or train into another --out"
            )
    for bound in ("steps", "minutes"):
        if "epochs" in options and getattr(settings, bound) is not None:
            raise UserError(f"--epochs: this run ends by --{bound} {getattr(settings, bound):g}; pass --{bound}")
    return replace(run, settings=settings.model_dump(mode="json"))


def choose_device(name: str) -> torch.device:
    """The device of that name; ``"auto"`` takes a GPU where there is one.

    Raises:
        UserError: If it is not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine, or this build of PyTorch, has no CUDA device; pass --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
