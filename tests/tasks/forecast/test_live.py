"""A forecast that follows its series is that of the whole history, whatever the pieces it comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from throughtime.applications.live.one import OneStream
from throughtime.errors import UserError
from throughtime.models.series.forecaster import Forecaster
from throughtime.tasks.forecast.examples import SeriesExample, pack
from throughtime.tasks.forecast.histories import Asked, forecasts
from throughtime.tasks.forecast.live import numbers_of
from throughtime.tasks.forecast.settings import ForecastSettings
from throughtime.tasks.forecast.task import Forecasting

START = "2024-01-01T00:00:00"


def made(values: npt.NDArray[np.float64], **said: Any) -> tuple[Forecasting, Forecaster]:
    settings = ForecastSettings(**{"hidden": 8, "width": 8, "dropout": 0.0, "horizon": 6, **said})
    given = [SeriesExample("a", "a", START, "h", pack(values))]
    bound = Forecasting(settings, Forecasting.learn(given, settings))
    torch.manual_seed(0)
    model = bound.build()
    assert isinstance(model, Forecaster)
    with torch.no_grad():
        model.said.weight.normal_(0, 0.3)
    return bound, model.eval()


def values_of(count: int, seed: int = 0) -> npt.NDArray[np.float64]:
    random = np.random.default_rng(seed)
    values = 10 + np.sin(np.arange(count) * 2 * np.pi / 24) + random.normal(size=count)
    values[random.random(count) < 0.1] = np.nan
    return values


@pytest.mark.parametrize("options", [{}, {"cell": "gru", "layers": 2}, {"head": "student-t", "scale": "robust"}])
def test_every_forecast_of_a_stream_is_that_of_the_history_so_far(options: dict[str, Any]) -> None:
    values = values_of(120)
    bound, model = made(values, **options)
    series = SeriesExample("a", "a", START, "h", pack(values)).series
    ends = np.arange(7, 120, 8)
    (whole,) = forecasts(model, bound.windows, [Asked(series, ends)], bound.levels)
    stream = OneStream(bound.live(model), {"start": START})
    for at, end in enumerate(ends.tolist()):
        begin = end - 7
        stream.push(values[begin : begin + 3])
        (event,) = stream.push([None if np.isnan(value) else value for value in values[begin + 3 : end + 1]])
        assert event["steps"] == end + 1
        told = np.array(list(event["quantiles"].values())).T
        np.testing.assert_allclose(told, whole[at], rtol=1e-5)
    assert stream.end() == event


def test_a_stream_goes_on_where_it_was_dumped() -> None:
    values = values_of(80)
    bound, model = made(values)
    live = bound.live(model)
    rows = live.side_by_side()
    reader, row = live.open({"start": START}), rows.open()

    def feed(to: Any, piece: npt.NDArray[np.float64]) -> Any:
        for features in to.push(piece):
            to.take(rows.step([row], [features])[0].detach().numpy().copy())
        return to.partial()

    feed(reader, values[:50])
    other = live.load(reader.dump())
    row = rows.open(rows.close(row))
    kept = feed(other, values[50:])
    alone = OneStream(live, {"start": START})
    assert kept == alone.push(values)[0]


def test_what_is_no_number_is_refused() -> None:
    bound, model = made(values_of(120))
    live = bound.live(model)
    assert np.isnan(live.piece(" \n", "in:1")).all()
    with pytest.raises(UserError, match="in:3: expected a number a line, got 'abc'"):
        live.piece("abc\n", "in:3")
    with pytest.raises(UserError, match="got an infinite one"):
        numbers_of([1.0, float("inf")])
    with pytest.raises(UserError, match="array of 2 × 2"):
        numbers_of([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(UserError, match="expected at least one number before the end"):
        OneStream(live, {"start": START}).end()
    with pytest.raises(UserError, match="start: expected a time such as 2024-01-01T00:00, got 'soon'"):
        live.open({"start": "soon"})


def test_a_model_of_covariates_reads_no_stream() -> None:
    settings = ForecastSettings(hidden=4, horizon=3)
    given = [SeriesExample("a", "a", START, "h", pack(values_of(60)), past={"heat": pack(np.ones(60))})]
    bound = Forecasting(settings, Forecasting.learn(given, settings))
    with pytest.raises(UserError, match="expected a model of numbers alone"):
        bound.live(bound.build())  # type: ignore[arg-type]
