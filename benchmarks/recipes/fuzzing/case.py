"""A reader, and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Case:
    """Files, and what reads them.

    Attributes:
        name: Of the reader.
        files: By path below a folder; whole ones.
        targets: Those that are damaged, one at a time.
        read: Reads them in a folder; draws what else is random.
        weight: How often, beside others.
        folder: They are a model folder, whose config.json may lead nowhere else.
    """

    name: str
    files: Mapping[str, bytes]
    targets: Sequence[str]
    read: Callable[[Path, Random, str], object]
    weight: float = 1.0
    folder: bool = False
