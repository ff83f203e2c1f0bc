"""What every recorded result carries: command, commit, machine, time."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from throughtime.applications.judging.curves import evaluations
from throughtime.bench import commit, machine
from throughtime.files import write_text

__all__ = ["ROOT", "commit", "curve", "data", "machine", "record"]

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("THROUGHTIME_DATA", ROOT.parent / "shared" / "data"))


def data(path: str) -> Path:
    """A file of the data folder, which THROUGHTIME_DATA names.

    Raises:
        SystemExit: If it is not there.
    """
    found = DATA / path
    if not found.exists():
        raise SystemExit(f"expected {path} in {DATA}; set THROUGHTIME_DATA to the folder that holds it")
    return found


def record(name: str, result: dict[str, Any], path: Path | None = None) -> Path:
    """Writes ``benchmarks/results/<name>.json``, or another file, whole or not at all."""
    path = path or ROOT / "benchmarks" / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    stamp = {"date": datetime.now(UTC).date().isoformat(), "commit": commit(ROOT)}
    text = json.dumps({**stamp, **result}, indent=1, ensure_ascii=False) + "\n"
    write_text(path, text)
    return path


def curve(run: Path) -> list[dict[str, Any]]:
    """The evaluations in a run's metrics.jsonl."""
    return evaluations(run)
