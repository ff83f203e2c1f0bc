"""The forecast task from files to figures: a division by time that leaks nothing, and histories read in any way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import throughtime
from throughtime.data.series.history import read
from throughtime.errors import UserError
from throughtime.models.series.forecaster import Forecaster
from throughtime.runtime.reading.notes import noting
from throughtime.tasks.forecast import histories
from throughtime.tasks.forecast.dividing import divide
from throughtime.tasks.forecast.examples import SeriesExample, pack, unpack
from throughtime.tasks.forecast.histories import Asked, forecasts
from throughtime.tasks.forecast.paths import path_forecasts
from throughtime.tasks.forecast.settings import ForecastSettings
from throughtime.tasks.forecast.task import Forecasting
from throughtime.tasks.forecast.windows import pieces

Floats = npt.NDArray[np.float64]
LEVELS = (0.1, 0.5, 0.9)


def example(name: str, values: Floats, **more: Any) -> SeriesExample:
    return SeriesExample(name, f"s.csv:{name}", "2024-01-01T00:00:00", "h", pack(values), **more)


def waves(count: int, length: int, seed: int = 0) -> list[Floats]:
    random = np.random.default_rng(seed)
    hours = np.arange(length)
    return [(5 + row) * (3 + np.sin(hours * 2 * np.pi / 24 + row)) + random.normal(size=length) for row in range(count)]


def bound_to(examples: list[SeriesExample], **said: Any) -> tuple[Forecasting, Forecaster]:
    settings = ForecastSettings(**{"hidden": 8, "width": 8, "dropout": 0.0, "horizon": 6, **said})
    bound = Forecasting(settings, Forecasting.learn(examples, settings))
    torch.manual_seed(0)
    model = bound.build()
    assert isinstance(model, Forecaster)
    with torch.no_grad():
        model.said.weight.normal_(0, 0.3)
    return bound, model.eval()


def said(bound: Forecasting, model: Forecaster, asked: list[Asked]) -> list[Floats]:
    return list(forecasts(model, bound.windows, asked, LEVELS))


def test_numbers_are_kept_to_the_bit() -> None:
    values = np.array([0.1, np.nan, -1e300, 5e-324])
    np.testing.assert_array_equal(unpack(pack(values)), values)
    with pytest.raises(ValueError, match="doubles"):
        unpack("AAAA")


def test_what_is_judged_is_in_no_example_that_is_learnt_from() -> None:
    found = {"train": [example("a", np.arange(100.0)), example("b", np.arange(70.0))]}
    parts, told = divide(found, ForecastSettings(horizon=10, windows=2))
    assert [len(one) for one in parts["train"]] == [60, 30]
    assert [(one.first, len(one)) for one in parts["valid"]] == [(60, 80), (30, 50)]
    assert [(one.first, len(one)) for one in parts["test"]] == [(80, 100), (50, 70)]
    assert told["test"] == "the last 2 windows of 10 steps of each series, behind those of valid"
    for part, before in (("valid", "train"), ("test", "valid")):
        for one, other in zip(parts[part], parts[before], strict=True):
            np.testing.assert_array_equal(one.series.values[: one.first], other.series.values)


def test_a_leak_that_is_planted_changes_nothing_that_is_learnt() -> None:
    """Numbers and covariates of the windows that are judged, wild: training sees the same bits without them."""
    clean, wild = waves(3, 200), waves(3, 200)
    for values in wild:
        values[160:] = 1e9
    found = []
    for rows in (clean, wild):
        heat = [np.where(np.arange(200) < 160, 1.0, row[-1]) for row in rows]
        given = [
            example(str(at), row, past={"heat": pack(heat[at])}, known={"day": ["x"] * 160 + [str(row[-1])] * 40})
            for at, row in enumerate(rows)
        ]
        settings = ForecastSettings(horizon=20, windows=1)
        parts, _ = divide({"train": given}, settings)
        learnt = Forecasting.learn(parts["train"], settings)
        bound = Forecasting(settings, learnt)
        torch.manual_seed(0)
        found.append((learnt, bound.training_batch(bound.pieces(parts["train"])), parts["train"]))
    (learnt, batch, train), (other_learnt, other, other_train) = found
    assert learnt == other_learnt
    assert train == other_train
    assert torch.equal(batch.steps.values, other.steps.values)
    assert torch.equal(batch.origins.targets.nan_to_num(-1), other.origins.targets.nan_to_num(-1))


def test_series_that_are_too_short_are_told() -> None:
    with noting() as notes:
        parts, _ = divide(
            {
                "train": [
                    example("a", np.arange(90.0)),
                    example("b", np.arange(15.0)),
                    example("c", np.ones(1)),
                    example("d", np.ones(9)),
                ]
            },
            ForecastSettings(horizon=10, windows=1),
        )
    assert [one.name for one in parts["train"]] == ["a", "b"]
    assert [one.name for one in parts["valid"]] == ["a"]
    assert any("shorter than two horizons of 10 steps" in line and "s.csv:b" in line for line in notes.lines())
    assert any("constant as far as it is learnt from" in line and "s.csv:d" in line for line in notes.lines())
    assert any("fewer than two numbers" in line and "s.csv:c" in line for line in notes.lines())
    with pytest.raises(
        UserError, match=r"s.csv:a: expected a series of at least 20 steps, 10 of them for test, got 15"
    ):
        divide({"train": [example("a", np.arange(15.0))]}, ForecastSettings(horizon=10))
    with pytest.raises(UserError, match="a name of its own"):
        divide({"train": [example("a", np.arange(90.0))] * 2}, ForecastSettings(horizon=10))


def test_a_test_goes_on_where_training_data_end() -> None:
    later = SeriesExample("a", "t.csv:2", "2024-01-02T03:00:00", "h", pack(np.full(10, 7.0)))
    parts, _ = divide(
        {"train": [example("a", np.arange(24.0))], "test": [later]}, ForecastSettings(horizon=4, windows=1)
    )
    (test,) = parts["test"]
    np.testing.assert_array_equal(test.series.values, [*range(24), np.nan, np.nan, np.nan, *[7.0] * 10])
    assert (test.first, len(parts["train"][0])) == (24, 20)
    sooner = SeriesExample("a", "t.csv:2", "2024-01-01T03:00:00", "h", pack(np.ones(10)))
    with pytest.raises(UserError, match=r"t.csv:2: expected a to go on behind s.csv:a, which has 24 steps"):
        divide({"train": [example("a", np.arange(24.0))], "test": [sooner]}, ForecastSettings(horizon=4))


@pytest.mark.parametrize("head", ["quantiles", "student-t", "negative-binomial"])
def test_ragged_rows_are_forecast_as_each_alone_and_in_chunks(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row[: 40 + 30 * at] for at, row in enumerate(waves(4, 200))]
    rows[1][5:20] = np.nan
    examples = [example(str(at), row) for at, row in enumerate(rows)]
    bound, model = bound_to(examples, head=head)
    asked = [Asked(one.series, np.array([20, len(one) - 1])) for one in examples]
    whole = said(bound, model, asked)
    for one, found in zip(asked, whole, strict=True):
        np.testing.assert_array_equal(said(bound, model, [one])[0], found)
        assert (np.diff(found, axis=-1) >= 0).all()
    monkeypatch.setattr(histories, "CHUNK", 17)
    for found, other in zip(said(bound, model, asked), whole, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-5, atol=1e-6)


def test_a_forecast_does_not_see_what_comes() -> None:
    values = waves(1, 150)[0]
    other = np.concatenate([values[:100], values[100:] + 50])
    bound, model = bound_to([example("a", values)])
    one, two = (
        said(bound, model, [Asked(example("a", row).series, np.array([60, 99, 120]))])[0] for row in (values, other)
    )
    np.testing.assert_array_equal(one[:2], two[:2])
    assert (one[2] != two[2]).any()


def test_a_training_batch_is_what_the_whole_history_says() -> None:
    """Pieces with the steps before them as a state: where those are all there are, the stack says the same."""
    given = example("a", waves(1, 100)[0])
    bound, model = bound_to([given], bptt=40, warm_up=100)
    batch = bound.training_batch(pieces([given], 40)[1:])
    found = read(bound.lookback, given.series.values, bound.lookback.begin())
    steps = torch.from_numpy(bound.windows.steps(given.series, found, 0, 100))
    whole, _ = model.read(steps[None], None, None)
    _, state = model.read(batch.before.values, batch.before.lengths, None)
    outputs, _ = model.read(batch.steps.values, batch.steps.lengths, state)
    begin, count = pieces([given], 40)[1].begin, int(batch.steps.lengths[0])
    torch.testing.assert_close(outputs[0, :count], whole[0, begin : begin + count], rtol=1e-5, atol=1e-6)
    places = batch.origins.places[batch.origins.rows == 0].numpy() + begin
    came = batch.origins.targets[batch.origins.rows == 0].numpy()
    np.testing.assert_array_equal(came[:, 0], given.series.values[places + 1])


def test_every_weight_has_a_gradient_and_a_constant_series_none() -> None:
    given = [example("a", waves(1, 100)[0]), example("b", np.full(100, 3.0))]
    bound, model = bound_to(given)
    model.loss(bound.batch(given[:1]), None)[0].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    model.zero_grad()
    batch = bound.batch(given[1:])
    loss, _ = model.loss(batch, None)
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(p.grad is None or (p.grad == 0).all() for p in model.parameters())
    constant = said(bound, model, [Asked(given[1].series, np.array([99]))])[0]
    np.testing.assert_array_equal(constant, np.full((1, 6, 3), 3.0))


def test_losses_are_those_of_each_series() -> None:
    given = [example(str(at), row) for at, row in enumerate(waves(3, 90))]
    bound, model = bound_to(given)
    batch = bound.batch(given)
    by_series = model.losses(batch)
    for row, one in enumerate(given):
        torch.testing.assert_close(by_series[row, 0], model.loss(bound.batch([one]), None)[0])
    assert model.divisor(batch) == 3 * 6


def table(path: Path, rows: list[Floats]) -> Path:
    heads = ["V1", *(f"V{at + 2}" for at in range(max(map(len, rows))))]
    lines = [",".join(heads), *(",".join([f"H{at}", *map(repr, map(float, row))]) for at, row in enumerate(rows))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_from_a_file_to_figures(tmp_path: Path) -> None:
    rows = waves(6, 240)
    train = table(tmp_path / "train.csv", [row[:-24] for row in rows])
    test = table(tmp_path / "test.csv", [row[-24:] for row in rows])
    run = throughtime.train(
        "forecast",
        str(train),
        test=str(test),
        out=tmp_path / "run",
        hidden=8,
        width=16,
        horizon=24,
        steps=30,
        lr=0.01,
        average=0.0,
        progress=False,
    )
    report = run.evaluate()
    assert report.figures["windows"] == 6
    assert report.figures["mase"] < report.figures["seasonal_naive_mase"] < 2
    assert 0 < report.figures["crps"] < 0.2
    found = run.predict(train)
    assert [one.data["id"] for one in found] == [f"H{at}" for at in range(6)]
    assert len(found[0].data["median"]) == 24
    again = run.evaluate(test, history=train).figures
    assert again["mase"] == pytest.approx(report.figures["mase"], rel=1e-6)


def test_what_is_no_series_of_numbers_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("V1,V2,V3\nH1,1.0,2.0\nH2,1.0,inf\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.csv:3: expected "):
        list(Forecasting.read([path], ForecastSettings()))


def test_lists_of_numbers_are_read_and_checked() -> None:
    with pytest.raises(ValueError, match=r"0\.5 among them"):
        ForecastSettings(levels="0.1,0.9")
    assert ForecastSettings(levels="0.1,0.5,0.9", lags="1,24").steps_back == (1, 24)


def test_paths_go_on_as_if_what_was_drawn_had_come() -> None:
    """Without chance each value is the median behind the series with the values before it."""
    values = waves(1, 90)[0]
    bound, model = bound_to([example("a", values)], head="normal", recursive=True, cell="gru")
    with torch.no_grad():
        model.said.weight[-1], model.said.bias[-1] = 0, -30  # a scale of almost nothing
    series = example("a", values).series
    origins = np.array([40, 89])
    (found,) = path_forecasts(
        model, bound.windows, [Asked(series, origins)], (0.1, 0.5, 0.9), horizon=4, samples=3, seed=0
    )
    for at, origin in enumerate(origins.tolist()):
        longer = values[: origin + 1]
        for step in range(4):
            (said,) = forecasts(
                model, bound.windows, [Asked(example("a", longer).series, np.array([origin + step]))], (0.5,)
            )
            assert found[at, step, 1] == pytest.approx(said[0, 0, 0], abs=2e-2)
            longer = np.append(longer, found[at, step, 1])


def test_paths_are_spread_as_the_density_of_a_step_is_and_drawn_alike_for_each_series() -> None:
    rows = waves(2, 80)
    bound, model = bound_to([example(str(at), row) for at, row in enumerate(rows)], recursive=True)
    asked = [Asked(example(str(at), row).series, np.array([70])) for at, row in enumerate(rows)]
    both = list(path_forecasts(model, bound.windows, asked, LEVELS, horizon=3, samples=3000, seed=1))
    (alone,) = path_forecasts(model, bound.windows, asked[1:], LEVELS, horizon=3, samples=3000, seed=1)
    np.testing.assert_array_equal(both[1], alone)
    exact = said(bound, model, asked)
    scale = np.diff(exact[0][0, 0])[[0, -1]].max()
    np.testing.assert_allclose(both[0][0, 0], exact[0][0, 0], atol=0.15 * scale)
    assert (np.diff(both[0], axis=-1) >= 0).all()


def test_covariates_known_ahead_are_read_ahead_and_missed_where_they_end() -> None:
    """The values follow a covariate that is known ahead: another future of it, another forecast."""
    sun = np.random.default_rng(0).normal(size=130)
    values = 3 * sun[:120]
    given = SeriesExample("a", "s.csv:2", "2024-01-01T00:00:00", "h", pack(values), known={"sun": pack(sun)})
    bound, model = bound_to([given])
    (one,) = said(bound, model, [Asked(given.series, np.array([119]))])
    changed = replace(given, known={"sun": pack(np.concatenate([sun[:125], -sun[125:]]))})
    (other,) = said(bound, model, [Asked(changed.series, np.array([119]))])
    np.testing.assert_array_equal(one[0, :5], other[0, :5])
    assert (one[0, 5] != other[0, 5]).all()
    ends = replace(given, known={"sun": pack(sun[:122])})
    with pytest.raises(UserError, match=r"s.csv:2: expected the covariate 'sun', known ahead, for 126 steps"):
        bound._asked(ends)
    with pytest.raises(UserError, match="expected the covariate 'sun', as training had it, got none"):
        bound._asked(replace(given, known={}))


def test_a_recursive_run_is_judged_and_streams_nothing(tmp_path: Path) -> None:
    train = table(tmp_path / "train.csv", waves(4, 150))
    run = throughtime.train(
        "forecast", str(train), out=tmp_path / "run", hidden=4, width=4, horizon=5, steps=2, recursive=True,
        samples=20, windows=1, progress=False,
    )  # fmt: skip
    assert run.evaluate().figures["windows"] == 4
    assert len(run.predict(train)[0].data["median"]) == 5
    with pytest.raises(UserError, match="one that draws paths step by step"):
        run.live()
