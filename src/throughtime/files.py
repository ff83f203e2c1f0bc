"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, write: Callable[[Path], object], mode: int = 0o644) -> None:
    """Calls ``write`` on a neighbouring name and puts the result in place in one move.

    Whoever reads ``path``, also after a crash or a power cut, sees the old file or the new one, never a part.
    """
    partial = path.with_name(f".{path.name}.partial")
    write(partial)
    partial.chmod(mode)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Any) -> None:
    """Writes plain data as indented JSON, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
