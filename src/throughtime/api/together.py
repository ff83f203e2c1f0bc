"""A training by one process or by several: the first one makes and writes the folder, the others open what it made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from throughtime.applications.folder.model_folder import LAUNCH
from throughtime.errors import UserError
from throughtime.plain import read_json
from throughtime.training import Trainer
from throughtime.training.processes import ranks
from throughtime.training.processes.launch import attempt, launcher


@contextmanager
def together(
    leading: AbstractContextManager[Trainer[Any]], follow: Callable[[], Trainer[Any]]
) -> Iterator[Trainer[Any]]:
    """What trains, in each of the processes.

    Args:
        leading: Makes the first one's, and holds the lock on the folder.
        follow: Makes the others', of the folder that is there then.

    Raises:
        UserError: If another process ended before.
    """
    some = ranks()
    if some.first:
        with ExitStack() as stack:
            with some.leading():
                trainer = stack.enter_context(leading)
            yield trainer
    else:
        some.follow()
        yield follow()


def refuse_several(what: str, remedy: str) -> None:
    """Refuses what one process does.

    Raises:
        UserError: If there are several.
    """
    if not (some := ranks()).alone:
        raise UserError(f"{what}: expected one process, got {some.count}; {remedy}")


def goes_on(out: Path) -> bool:
    """Whether this ``torchrun`` began the run itself, and begins its processes again after one ended."""
    if attempt() and (out / LAUNCH).exists():
        with suppress(UserError):
            return read_json(out / LAUNCH).get("torchrun") == launcher()
    return False
