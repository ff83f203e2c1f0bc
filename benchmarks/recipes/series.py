"""Series of the UCR and UEA archives: classes beside a 1-nearest-neighbour with dynamic time warping.

    python benchmarks/recipes/series.py [NAME ...]

Every model is trained with the settings that ``throughtime train series`` begins with, on the training file of the
archive, and judged once on its test file. Settings were chosen by cross-validation within the training files alone.
The neighbour (Sakoe and Chiba 1978) is computed here: squared differences of all channels, no window, channels in
units of the training data.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from record import data, machine, record

import throughtime
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.data.series.labelled.ts import read_ts

NAMES = ("JapaneseVowels", "ItalyPowerDemand", "GunPoint", "ArrowHead", "BasicMotions")

ANOMALY = "135_UCR_Anomaly_InternalBleeding16"
"""Blood pressure with a few steps of noise in one beat; labels are looked at for judging alone."""

Array = npt.NDArray[np.float64]


def warped(one: Array, others: list[Array]) -> Array:
    """The dynamic time warping distance of a series ``[T, C]`` and each of others, squared."""
    longest = max(map(len, others))
    padded = np.zeros((len(others), longest, one.shape[1]))
    for row, other in enumerate(others):
        padded[row, : len(other)] = other
    before = np.full((len(others), longest + 1), np.inf)
    before[:, 0] = 0.0
    for step in one:
        cost = np.square(padded - step).sum(2)
        now = np.full_like(before, np.inf)
        best = np.minimum(before[:, 1:], before[:, :-1])
        for at in range(longest):
            now[:, at + 1] = cost[:, at] + np.minimum(best[:, at], now[:, at])
        before = now
    return np.array([before[row, len(other)] for row, other in enumerate(others)])


def neighbour(train: list[LabelledSeries], test: list[LabelledSeries]) -> float:
    """The accuracy of the label of the nearest training series, in percent."""
    values = [np.array(one.channels, np.float64).T for one in train]
    mean, scale = np.concatenate(values).mean(0), np.concatenate(values).std(0)
    known = [(each - mean) / scale for each in values]
    hits = 0
    for one in test:
        distances = warped((np.array(one.channels, np.float64).T - mean) / scale, known)
        hits += train[int(distances.argmin())].label == one.label
    return 100 * hits / len(test)


def classify(name: str, seed: int) -> dict[str, Any]:
    """Trains, judges, and finds neighbours."""
    files = [data(f"ucr/{name}_{part}.ts") for part in ("TRAIN", "TEST")]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run = throughtime.train(
            "series", files[0], test=files[1], out=Path(folder, "run"), seed=seed, device="cpu", progress=False
        )
        seconds = time.perf_counter() - begun
        found = run.evaluate().figures
    train, test = (list(read_ts(file)) for file in files)
    return {
        "command": f"throughtime train series --data {name}_TRAIN.ts --test {name}_TEST.ts --seed {seed}",
        "training_seconds": round(seconds, 1),
        "train": len(train),
        "test": found,
        "neighbour_accuracy": neighbour(train, test),
    }


def watch(seed: int) -> dict[str, Any]:
    """Trains on what is usual, and looks where the alarms are."""
    files = [data(f"ucr/{ANOMALY}_{part}.csv") for part in ("TRAIN", "TEST")]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        given: dict[str, Any] = {"novelty": True, "batch": 4, "steps": 300, "seed": seed, "device": "cpu"}
        run = throughtime.train("series", files[0], test=files[1], out=Path(folder, "run"), progress=False, **given)
        seconds = time.perf_counter() - begun
        report = run.evaluate()
    (alarms,) = ([dict(zip(table.columns[1:], row[1:], strict=True)) for row in table.rows] for table in report.tables)
    return {
        "command": f"throughtime train series --novelty --data {ANOMALY}_TRAIN.csv --test {ANOMALY}_TEST.csv "
        f"--batch 4 --steps 300 --seed {seed}",
        "training_seconds": round(seconds, 1),
        "test": report.figures,
        "alarms": alarms,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*NAMES, ANOMALY], choices=[*NAMES, ANOMALY])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    before = machine()
    for name in given.names:
        if name == ANOMALY:
            found = watch(given.seed)
            print(f"{name}: strongest labelled: {found['test']['strongest_labelled']}, {found['alarms']}", flush=True)
            record("series-novelty", {"machine": before, **found})
        else:
            found = classify(name, given.seed)
            accuracy, other = found["test"]["accuracy"], found["neighbour_accuracy"]
            print(f"{name}: {accuracy:.1f} %, neighbour {other:.1f} %", flush=True)
            record(f"series-{name.lower()}", {"machine": before, **found})


if __name__ == "__main__":
    main()
