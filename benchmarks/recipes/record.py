"""What every recorded result carries: command, commit, machine, time."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import throughtime

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


def machine() -> dict[str, Any]:
    """The machine and what runs on it."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "throughtime": throughtime.__version__,
    }


def commit() -> str:
    """The commit; marked where the tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "src"], capture_output=True, text=True, check=True).stdout
    return f"{head}{' with changes' if changed else ''}"


def record(name: str, result: dict[str, Any]) -> Path:
    """Writes ``benchmarks/results/<name>.json``."""
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    stamp = {"date": datetime.now(UTC).date().isoformat(), "commit": commit()}
    path.write_text(json.dumps({**stamp, **result}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def curve(run: Path) -> list[dict[str, Any]]:
    """The evaluations in a run's metrics.jsonl."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == "evaluation"]
