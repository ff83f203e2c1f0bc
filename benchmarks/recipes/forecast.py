"""Forecasts with one set of defaults: hourly series of M4, and the transformers of ETTh1.

    python benchmarks/recipes/forecast.py [m4] [etth1]

Settings are the task's defaults; they were chosen on the validation windows alone, which stand at the end of what is
trained on. M4's test is the 48 hours behind its training data; that of ETTh1 the last 20 windows of 48 hours, as
GIFT-Eval has them. What stands beside the model is computed here over the same windows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from record import ROOT, commit, curve, data, machine, record

PUBLISHED = {
    "m4": {"seasonal naive": 1.193, "M4's own RNN": 3.048, "DeepAR": 3.53, "ES-RNN, the winner": 0.893},
    "etth1": {"seasonal naive": 0.977, "DeepAR": 1.06, "PatchTST": 0.893, "TiRex": 0.817},
}
"""MASE, as M4 and GIFT-Eval report it."""


def paths(name: str) -> list[str]:
    """What training is given."""
    if name == "etth1":
        return [str(data("ett/ETTh1.csv"))]
    return [str(data("m4/Hourly-train.csv")), "--test", str(data("m4/Hourly-test.csv"))]


def call(*arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "throughtime", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def run(name: str, folder: Path, options: list[str]) -> dict[str, Any]:
    """Trains, and judges by the test."""
    before, begun = machine(), time.monotonic()
    trained_at = commit(ROOT)
    if not (folder / "model.safetensors").exists():
        call("train", "forecast", *paths(name), *options, "--out", str(folder))
    report = json.loads(call("evaluate", str(folder), "--json"))
    points = curve(folder)
    return {
        "command": " ".join(["throughtime train forecast", *(Path(p).name for p in paths(name)), *options]),
        "trained_at": trained_at,
        "machine": before,
        "threads": 1,
        "training_seconds": round(points[-1]["seconds"]),
        "seconds": round(time.monotonic() - begun),
        "validation": points,
        "test": {name: value for name, value in report.items() if name != "tables"},
        "tables": report.get("tables", {}),
        "published_mase": PUBLISHED[name],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(PUBLISHED))
    parser.add_argument("--run", type=Path, default=ROOT / "runs")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[])
    given = parser.parse_args()
    for name in given.names:
        result = run(name, given.run / f"forecast-{name}", given.options)
        result["tables"].pop("hardest", None)
        print(json.dumps(result["test"]))
        print(f"recorded in {record(f'forecast-{name}', result)}")


if __name__ == "__main__":
    main()
