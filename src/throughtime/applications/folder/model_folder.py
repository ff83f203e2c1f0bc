"""The model folder: what training writes and everything else reads. Plain data; reading it runs no code."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from throughtime._version import __version__
from throughtime.applications.settings import EXTENDABLE, SettingsT, check_settings
from throughtime.errors import UserError, listed, nearest
from throughtime.files import errors_of, make_folder, sync_folder, write_json
from throughtime.plain import read_json
from throughtime.training.processes import ranks
from throughtime.training.processes.launch import launcher, local_number

FORMAT = 1

LAUNCH = "launch.json"
"""Of a run that ``torchrun`` began: which one did."""

FOLDS = "folds.json"
"""What a cross-validation's folder has in the place of ``config.json``; each of its folds is a model folder."""


@dataclass(frozen=True)
class ModelFolder:
    """A model folder: its path and its ``config.json``.

    Attributes:
        folder: The folder.
        task: Name of the task that made it.
        settings: The task's settings.
        model: What the model is built from.
        data: What the task remembers of its data.
        said: The code that whoever opened it named; None: its settings are the user's own. A folder gives no leave.
    """

    folder: Path
    task: str
    settings: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    said: frozenset[str] | None = field(default=None, compare=False)

    @classmethod
    def open(cls, folder: Path, task: str, cell: str | None = None, said: Iterable[str] = ()) -> ModelFolder:
        """Reads a model folder; whoever reads one says here which code it may run.

        Args:
            folder: The folder.
            task: Name of the task that must have made it.
            cell: Allows the user's own cell that the model was trained with, ``module:Class``; where an own task asks
                for further classes, all of them, separated by commas.
            said: Further names that come from the user.

        Raises:
            UserError: If it is no model folder, one of another task, or one of a later version; if its cell is
                ``module:Class`` and ``cell`` does not name it.
        """
        value = _read_config(folder)
        run = cls(folder, value["task"], value["settings"], value["model"], value["data"])
        if run.task != task:
            raise UserError(f"{folder}: expected a model of task {task!r}, got one of task {run.task!r}")
        found = run.settings.get("cell")
        if not isinstance(found, str) or found != run.model.get("cell"):
            raise UserError(
                f"{folder / 'config.json'}: expected the same cell in 'settings' and 'model', got {found!r} and "
                f"{run.model.get('cell')!r}; the file is damaged"
            )
        named = frozenset(() if cell is None else cell.split(","))
        _ask(folder, "cell", found, named)
        return replace(run, said=named.union(said))

    def save(self) -> None:
        """Writes ``config.json``; in a new folder also which ``torchrun`` makes it, which no such folder ever lacks."""
        if launcher() is not None and not (self.folder / "config.json").exists():
            write_json(self.folder / LAUNCH, {"torchrun": launcher()})
        value = {
            "format": FORMAT,
            "throughtime": __version__,
            "task": self.task,
            "settings": self.settings,
            "model": self.model,
            "data": self.data,
        }
        write_json(self.folder / "config.json", value)


def task_of(folder: Path, own: str | None = None) -> str:
    """The name of the task that made a model folder.

    Args:
        folder: The folder.
        own: Allows a task of the user's own, ``module:Class``.

    Raises:
        UserError: If the folder is damaged, or its task is ``module:Class`` and ``own`` is not the same.
    """
    task: str = _read_config(folder)["task"]
    _ask(folder, "task", task, frozenset(() if own is None else (own,)))
    return task


def _ask(folder: Path, what: str, found: str, named: frozenset[str]) -> None:
    """Refuses code that a folder names and the user does not."""
    if named and found not in named:
        raise UserError(f"{folder}: expected --{what} {found}, which made this model, got {listed(sorted(named))}")
    if ":" in found and not named:
        raise UserError(
            f"{folder}: its {what} {found} is code outside of the folder, which is not run unasked; "
            f"pass --{what} {found} if you trust it"
        )


def check_links(folder: Path) -> None:
    """Refuses a folder from which a link leads elsewhere: nothing outside of it is read, or written over.

    Raises:
        UserError: If there is such a link; names it.
    """
    inside = Path(os.path.realpath(folder))
    for path in folder.iterdir():
        if path.is_symlink() and inside not in Path(os.path.realpath(path)).parents:
            raise UserError(
                f"{path}: a link that leads out of the model folder is not followed; put the file itself there"
            )


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a model folder, which does not exist; make one with: throughtime train")
    config = folder / "config.json"
    if not config.exists() and (folder / FOLDS).exists():
        raise UserError(
            f"{folder}: holds a cross-validation, a model for every fold; name one of them, as {folder / 'fold-1'}, or "
            f"see: throughtime evaluate {folder}"
        )
    if not config.exists():
        raise UserError(f"{folder}: expected a model folder, found no config.json in it")
    check_links(folder)
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
    return value


REMEDY = "pass --resume to go on with it, or another --out"
"""What to do where a folder is there already."""


def check_new(out: Path, remedy: str = REMEDY) -> None:
    """Refuses what is no name for a new folder.

    Raises:
        UserError: If something stands there, but an empty folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: already exists; {remedy if out.is_dir() else 'pass another --out'}")


@contextmanager
def staged(out: Path, remedy: str = REMEDY, place: Path | None = None) -> Iterator[Path]:
    """A folder that becomes ``out`` when the block ends well, and is gone when it does not.

    Args:
        out: The folder.
        remedy: What to do where there is one already.
        place: Where it is meanwhile, on the same disk; what a process that was killed left there is removed. None: a
            place beside ``out`` that no other has.

    Raises:
        UserError: If ``out`` exists and is not an empty folder, or its parent cannot be written.
    """
    check_new(out, remedy)
    made = [parent for parent in out.parents if not os.path.exists(parent)]
    folder = place or out.parent / f".{out.name[:40]}.{secrets.token_hex(8)}"
    if place is not None:
        shutil.rmtree(place, ignore_errors=True)
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


def stored(run: ModelFolder, kind: type[SettingsT]) -> SettingsT:
    """The settings that a model folder was made with.

    Raises:
        UserError: If the folder's file is damaged.
    """
    try:
        return check_settings(kind, run.settings)
    except UserError as error:
        raise UserError(f"{run.folder / 'config.json'}: {error}") from error


def resumed(folder: Path, task: str, kind: type[SettingsT], options: dict[str, Any]) -> ModelFolder:
    """A run that goes on, with the settings that may change then.

    Args:
        folder: The folder.
        task: Name of the task that must have made it.
        kind: Its settings.
        options: What the user says anew.

    Raises:
        UserError: If an option would change what was trained, or as :meth:`ModelFolder.open`.
    """
    run = ModelFolder.open(
        folder, task, options.get("cell"), [value for value in options.values() if isinstance(value, str)]
    )
    fewest = {"least_steps": 0} if "epochs" in options else {}  # as many passes as are asked for, however few
    settings = check_settings(kind, {**run.settings, **fewest, **options})
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


DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """The device of that name; ``"auto"`` takes a GPU where there is one, each of several processes one of its own.

    Raises:
        UserError: If there is none of that name, or it is not there.
    """
    if name not in DEVICES:
        raise UserError(f"--device: expected {listed(DEVICES)}, got {name!r}{nearest(str(name), DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine, or this build of PyTorch, has no CUDA device; pass --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device("cuda", local_number()) if name == "cuda" and not ranks().alone else torch.device(name)
