"""What a task tells about a trained model that leaves Throughtime: see ``docs/export.md``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Exported:
    """What a runner needs to know beside the graphs.

    Attributes:
        runner: Its kind, one of :data:`throughtime.runtime.kinds.KINDS`.
        facts: Plain data that it reads from ``model.json``, such as labels; they stand in the graphs' metadata, too.
        files: Further files of the folder, such as ``tokenizer.json``, by name.
    """

    runner: str
    facts: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)
