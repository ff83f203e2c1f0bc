"""Forecasts as tables, as JSON and as pictures: the numbers that were given, at the times that follow."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from throughtime.data.series.reading import Reading, read_series
from throughtime.errors import UserError
from throughtime.tasks.forecast import pictures
from throughtime.tasks.forecast.fans import Fan, as_data, write_forecasts
from throughtime.tasks.forecast.pictures import draw_fan, draw_forecasts

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)


def fan(name: str = "a", start: str = "2024-01-30T00:00:00", frequency: str = "B", known: bool = True) -> Fan:
    history = np.array([1.0, np.nan, 3.0, np.nan, 5.0, 4.0])
    quantiles = np.arange(1, 5)[:, None] * np.arange(1.0, 8.0)
    actual = np.array([2.0, np.nan, 9.0, 16.0]) if known else None
    return Fan(name, start, frequency, history, LEVELS, quantiles, actual)


def test_bands_are_pairs_of_levels() -> None:
    found = fan().bands()
    assert [share for share, _, _ in found] == [0.95, 0.8, 0.5]
    assert [(low[0], high[0]) for _, low, high in found] == [(1, 7), (2, 6), (3, 5)]
    assert fan().median.tolist() == [4, 8, 12, 16]


def test_a_table_reads_back_as_series(tmp_path: Path) -> None:
    write_forecasts(tmp_path / "out.csv", [fan("a, b"), fan('"c"')])
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "id,time,0.025,0.1,0.25,0.5,0.75,0.9,0.975,actual"
    assert lines[1] == '"a, b",2024-02-07,1,2,3,4,5,6,7,2'
    assert [line.split(",")[-9] for line in lines[1:5]] == ["2024-02-07", "2024-02-08", "2024-02-09", "2024-02-12"]
    medians = list(read_series([tmp_path / "out.csv"], Reading(value="0.5", frequency="B")))
    assert [one.name for one in medians] == ["a, b", '"c"']
    assert medians[0].values.tolist() == [4, 8, 12, 16]
    came = list(read_series([tmp_path / "out.csv"], Reading(value="actual", frequency="B")))
    assert_allclose(came[1].values, [2, np.nan, 9, 16])


def test_json_has_every_quantile(tmp_path: Path) -> None:
    write_forecasts(tmp_path / "out.json", [fan(), fan("b", "", "h", known=False)])
    write_forecasts(tmp_path / "out.jsonl", [fan(), fan("b", "", "h", known=False)])
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert [first, second] == [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert first["time"] == ["2024-02-07", "2024-02-08", "2024-02-09", "2024-02-12"]
    assert first["quantiles"]["0.975"] == [7, 14, 21, 28]
    assert first["actual"] == [2, None, 9, 16]
    assert second["step"] == [1, 2, 3, 4]
    assert "time" not in second
    assert "actual" not in second


def test_times_are_as_fine_as_they_need_be() -> None:
    assert as_data(fan(frequency="15min"))["time"][0] == "2024-01-30T01:30:00"
    assert as_data(fan(frequency="ms"))["time"][0] == "2024-01-30T00:00:00.006000"


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--out: expected a file that ends in \.csv, \.json, \.jsonl, got .*out\.txt"):
        write_forecasts(tmp_path / "out.txt", [fan()])


def test_a_fan_shows_the_numbers_and_joins_the_history() -> None:
    axes = Figure().subplots()
    draw_fan(axes, fan())
    bands = axes.collections
    assert [band.get_label() for band in bands] == ["95 % band", "80 % band", "50 % band"]
    heights = [sorted({float(y) for _, y in band.get_paths()[0].vertices}) for band in bands]
    assert [(found[0], found[-1]) for found in heights] == [(1, 28), (2, 24), (3, 20)]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert_allclose(lines["median"], [4, 4, 8, 12, 16])  # from the last value of the history on
    assert_allclose(lines["what came"], [2, np.nan, 9, 16])
    assert_allclose(lines["history"], [1, np.nan, 3, np.nan, 5, 4])
    alone = next(line for line in axes.lines if line.get_marker() == ".")
    assert alone.get_ydata().tolist() == [1, 3]


def test_shades_are_told_apart_in_grey() -> None:
    greys = [
        sum(weight * int(colour[at : at + 2], 16) for weight, at in ((0.299, 1), (0.587, 3), (0.114, 5)))
        for colour in pictures.SHADES.values()
    ]
    assert all(light - dark > 30 for light, dark in pairwise(greys))


@pytest.mark.parametrize("start", ["2024-01-30T00:00:00", ""])
def test_a_picture_is_written(tmp_path: Path, start: str) -> None:
    draw_forecasts(tmp_path / "fan.png", [fan(str(number), start) for number in range(8)], "eight")
    assert (tmp_path / "fan.png").read_bytes().startswith(b"\x89PNG")
