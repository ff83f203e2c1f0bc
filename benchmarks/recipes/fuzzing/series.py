"""Files of series in every layout, read by the one function that all of them go through."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fuzzing.case import Case
from throughtime.data.series.frequency import features
from throughtime.data.series.reading import Reading, read_series

HOW = {"covariates.csv": Reading(static=("store",), known=("holiday",), past=("wind",), zone="Europe/Berlin")}
"""What the user says of a file."""


def series_cases() -> list[Case]:
    """A reader a layout."""

    def read(root: Path, draw: Random, target: str) -> None:
        for series in read_series([root / target], HOW.get(target)):
            features(series.start, series.frequency, 2, len(series))

    files = all_files()
    return [Case(f"layout: {name}", {name: content}, [name], read) for name, content in files.items()]


def all_files() -> Mapping[str, bytes]:
    """A small whole file a layout."""
    days = [f"2024-0{1 + at // 28}-{1 + at % 28:02}" for at in range(40)]
    values = [str(round(10 + at % 7 + 0.25 * at, 2)) for at in range(40)]
    pairs = list(zip(days, values, strict=True))
    covariates = [f"a;{day}T05:30;{value};7;{'no' if at % 7 else 'yes'};{at}" for at, (day, value) in enumerate(pairs)]
    rows = [{"id": name, "date": day, "value": float(value)} for name in "ab" for day, value in pairs]
    lists = [{"item_id": name, "start": days[0], "freq": "D", "target": [*map(float, values)]} for name in "ab"]
    tsf = [
        "@relation x",
        "@attribute series_name string",
        "@attribute start_timestamp date",
        "@frequency daily",
        "@data",
    ]
    tsf += [f"T{at}:2024-01-01 00-00-00:{','.join(values)}" for at in range(3)]
    table = {"id": ["a"] * 40, "time": np.array(days, "datetime64[us]"), "value": [*map(float, values)]}
    parquet, arrays = io.BytesIO(), io.BytesIO()
    pq.write_table(pa.table(table), parquet)
    np.savez(arrays, allow_pickle=False, **{name: np.array(column) for name, column in table.items()})
    text = {
        "long.csv": ["unique_id,ds,y", *(f"{name},{day},{value}" for name in "ab" for day, value in pairs)],
        "wide.csv": ["date;x;y", *(f"{day[8:]}.{day[5:7]}.2024;{v.replace('.', ',')};1" for day, v in pairs)],
        "covariates.csv": ["id;date;y;store;holiday;wind", *covariates],
        "m4.csv": ['"V1","V2","V3","V4"', *(f'"H{at}","{",".join(values)}"'.replace(",", '","') for at in (1, 2))],
        "stamps.tsv": ["timestamp\tvalue", *(f"{1_700_000_000 + 60 * at}\t{v}" for at, v in enumerate(values))],
        "rows.jsonl": [json.dumps(row) for row in rows],
        "lists.jsonl": [json.dumps(row) for row in lists],
        "monash.tsf": tsf,
    }
    found = {name: "".join(f"{line}\n" for line in content).encode() for name, content in text.items()}
    return {**found, "table.parquet": parquet.getvalue(), "arrays.npz": arrays.getvalue()}
