"""What became of an input that was read."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from throughtime.errors import UserError

READ, REFUSED = "read", "refused"
FINE = (READ, REFUSED)
"""What may become of it: it is read, or refused in one line that names file or option."""

TOO_LITTLE = ("at least", "enough", "got none", "which does not exist")
"""Words of a refusal that is no one file's fault."""

PLACE = re.compile(r"\S\.\w+:\d+|^[^:]*[./]\S*: ")
"""A file and a line, as examples tell where they come from; or a path that begins the refusal."""

PACKAGE = f"{os.sep}throughtime{os.sep}"


@dataclass(frozen=True)
class Verdict:
    """What became of an input.

    Attributes:
        kind: :data:`READ`, :data:`REFUSED`, or a fault: ``"traceback"``, ``"nameless"``,
            ``"memory"``, ``"hang"``, ``"death"``, ``"outside"``, ``"child"``.
        detail: Where, and what was said.
        alike: The same for faults that are one and the same.
    """

    kind: str
    detail: str = ""
    alike: str = ""


def judge(read: Callable[[], object], names: tuple[str, ...]) -> Verdict:
    """Reads an input.

    Args:
        read: Reads it.
        names: One of which a refusal tells, unless it names an option.
    """
    try:
        read()
    except UserError as error:
        return _refused(error, names)
    except MemoryError:
        return Verdict("memory", traceback.format_exc(), f"memory {_place(sys.exc_info()[1])}")
    except BaseException as error:  # a panic of a library in Rust is no Exception
        return Verdict("traceback", traceback.format_exc(), f"{type(error).__name__} {_place(error)}")
    return Verdict(READ)


def _refused(error: UserError, names: tuple[str, ...]) -> Verdict:
    said, cause = str(error), error.__cause__
    bounded = type(cause).__module__.startswith("av.")  # FFmpeg has a bound of its own, and took nothing
    if (isinstance(cause, MemoryError) and not bounded) or (isinstance(cause, RuntimeError) and "memory" in str(cause)):
        return Verdict("memory", said, f"memory {_place(error)}")
    told = "--" in said or any(word in said for word in (*names, *TOO_LITTLE)) or PLACE.search(said)
    if not told:
        return Verdict("nameless", said, f"nameless {_place(error)}")
    return Verdict(REFUSED, said)


def _place(error: BaseException | None) -> str:
    """The deepest line of the package, and the line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    own = [frame for frame in frames if PACKAGE in frame.filename]
    chosen = [*own[-1:], *frames[-1:]]
    return " < ".join(dict.fromkeys(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(chosen)))
