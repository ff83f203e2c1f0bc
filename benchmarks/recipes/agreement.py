"""Agreement across a gap, with every cell and several seeds: accuracy against the gap, and how far gradients reach.

    python benchmarks/recipes/agreement.py

Each seed trains the five cells alike into ``runs/agreement/<seed>``, half a minute to three minutes a cell; the picture
of each seed is there, too. A folder that is trained already is only judged.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

from record import ROOT, commit, machine, record

OPTIONS = "--gap 50"


def compare(seed: int, out: Path) -> dict[str, Any]:
    """Trains what is not trained yet, and gives the tables of the comparison."""
    again = ["--resume"] if out.exists() else []
    command = ["train", "agreement", *OPTIONS.split(), "--seed", str(seed), "--out", str(out), "--json", *again]
    done = subprocess.run(
        [sys.executable, "-m", "throughtime", *command], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["tables"]
    return found


def measured(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table as figures: people read the half-life as a text, whose exactness depends on the curve."""
    factor = row["factor a step"]
    half_life = math.log(2) / -math.log(factor) if factor < 1 else None
    return {**row, "half-life": half_life, "half-life told": row["half-life"]}


def means(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Of every figure over the seeds; none where a seed has none."""
    found: dict[str, float | None] = {}
    for key in (key for key, value in rows[0].items() if not isinstance(value, str)):
        values = [row[key] for row in rows]
        found[key] = None if None in values else mean(values)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "agreement")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    before = machine()
    given.out.mkdir(parents=True, exist_ok=True)
    tables = {seed: compare(seed, given.out / str(seed)) for seed in given.seeds}
    cells: dict[str, list[dict[str, Any]]] = {}
    for found in tables.values():
        for row in found["by cell"]:
            cells.setdefault(row["cell"], []).append({k: v for k, v in measured(row).items() if k != "cell"})
    result = {
        "command": f"throughtime train agreement {OPTIONS} --seed N",
        "trained_at": commit(ROOT),
        "machine": before,
        "seeds": given.seeds,
        "by_cell": cells,
        "mean": {cell: means(rows) for cell, rows in cells.items()},
        "by_gap": {str(seed): found["by gap"] for seed, found in tables.items()},
    }
    print(json.dumps(result["mean"], indent=1))
    print(f"recorded in {record('agreement', result)}")


if __name__ == "__main__":
    main()
