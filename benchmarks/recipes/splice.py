"""Splice junctions by ten-fold cross-validation, equal sequences in the same fold.

    python benchmarks/recipes/splice.py

Every fold is judged once, by a model trained on nine tenths of the rest and chosen on the last tenth of it. Folds go to
``runs/splice/<fold>``; one that is trained already is only judged, so that ``--folds 0 1 2`` may train some of them
beside others. The result is recorded when all ten are there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from record import ROOT, commit, curve, data, machine, record

from throughtime.data.dna.bases import decode
from throughtime.data.dna.sequences import LabelledSequence, read_sequences
from throughtime.data.parts import split

FOLDS = 10
OPTIONS = (
    "--hidden 64 --layers 1 --dropout 0.4 --unread 0.05 --batch 32 --lr 0.002 --weight-decay 0.05 --epochs 12 --seed 0"
)
PUBLISHED = {"N": 5.3, "EI": 5.7, "IE": 10.8}
"""Error of a back-propagation network, in percent (Noordewier et al. 1991, as the data's own description has it)."""


def folds(path: Path) -> list[list[LabelledSequence]]:
    """The data in ten parts of about one size, equal sequences together."""
    return split(read_sequences(path), [1 / FOLDS] * (FOLDS - 1), 0, lambda sequence: decode(sequence.codes))


def write(path: Path, sequences: list[LabelledSequence]) -> None:
    """Rows ``class, name, letters``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (f"{sequence.label},{sequence.name},{decode(sequence.codes)}\n" for sequence in sequences)
    path.write_text("".join(rows), encoding="utf-8")


def train(parts: list[list[LabelledSequence]], fold: int, out: Path) -> None:
    """Trains on all parts but one."""
    beside = out.parent / f"{out.name}-data"
    write(beside / "train.data", [sequence for n, part in enumerate(parts) if n != fold for sequence in part])
    write(beside / "test.data", parts[fold])
    command = ["train", "dna", "--data", str(beside), *OPTIONS.split(), "--out", str(out)]
    subprocess.run([sys.executable, "-m", "throughtime", *command], check=True)


def judge(out: Path) -> dict[str, Any]:
    """The report on the fold that was left out."""
    command = [sys.executable, "-m", "throughtime", "evaluate", str(out), "--json"]
    report: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return report


def errors(reports: list[dict[str, Any]]) -> dict[str, float]:
    """Error in percent, of all sequences and of each class, over all folds."""
    wrong: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for report in reports:
        rows = next(rows for title, rows in report["tables"].items() if title.startswith("confusions"))
        for row in rows:
            label = row[""]
            said = {name: count for name, count in row.items() if name}
            for key in (label, "all"):
                seen[key] += sum(said.values())
                wrong[key] += sum(said.values()) - said[label]
    return {key: round(100 * wrong[key] / seen[key], 2) for key in sorted(seen)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, nargs="*", default=list(range(FOLDS)))
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "splice")
    parser.add_argument("--trained-at", help="The commit, where the models were not trained with this one.")
    given = parser.parse_args()
    before = machine()
    parts = folds(data("dna_splice/splice.data"))
    for fold in given.folds:
        if not (given.run / str(fold)).exists():
            train(parts, fold, given.run / str(fold))
    if not all((given.run / str(fold) / "model.safetensors").exists() for fold in range(FOLDS)):
        return
    reports = [judge(given.run / str(fold)) for fold in range(FOLDS)]
    points = [curve(given.run / str(fold))[-1] for fold in range(FOLDS)]
    result = {
        "command": f"throughtime train dna --data FOLD {OPTIONS}, ten folds of dna_splice",
        "trained_at": given.trained_at or commit(ROOT),
        "machine": before,
        "training_seconds": round(sum(point["seconds"] for point in points)),
        "sequences": sum(map(len, parts)),
        "different_sequences": len({decode(sequence.codes) for part in parts for sequence in part}),
        "error_by_fold": [round(100 - report["accuracy"], 2) for report in reports],
        "error": errors(reports),
        "published_back_propagation": PUBLISHED,
    }
    print(json.dumps(result["error"]))
    print(f"recorded in {record('dna-splice', result)}")


if __name__ == "__main__":
    main()
