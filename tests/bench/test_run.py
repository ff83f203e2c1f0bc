"""Plans, rows and what they say together; the measurements at sizes that take no time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from throughtime.bench import PARTS, Axes, Case, Plan, Shape, add_share_of_peak, heading, measure, summary, tables
from throughtime.bench import run as run_module
from throughtime.bench.machine import commit, installed, machine, peak_gflops
from throughtime.bench.measures.probe import mark, memory, reset_mark
from throughtime.bench.measures.processes import ask
from throughtime.bench.measures.streaming import SMALL
from throughtime.bench.plot import draw
from throughtime.bench.rows import make_row, shape_label
from throughtime.errors import UserError

TINY = Plan(
    what=("training", "ragged", "streaming"),
    cells=("lstm", "mgu"),
    batch=(2,),
    time=(3,),
    hidden=(4,),
    threads=(1,),
    seconds=0.005,
)
SHAPE = Shape(batch=2, time=10, input=3, hidden=5, threads=1)


@pytest.fixture(scope="module")
def result() -> Any:
    """A run at tiny sizes, read back from JSON."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "peak_gflops", lambda number, *shortly: 50.0 * number)
        told: list[str] = []
        measured = measure(TINY, "throughtime bench", told.append)
    assert told == [str(case) for case in TINY.cases()]
    return json.loads(json.dumps(measured))


# Plans ---------------------------------------------------------------------------------------------------------------


def test_a_plan_goes_through_cells_and_shapes() -> None:
    plan = Plan(what=("training",), cells=("gru",), batch=(1, 2), time=(3, 4), hidden=(5,), threads=(1,))
    assert [str(case) for case in plan.cases()] == [
        "training gru B1 T3 5→5 1 thread",
        "training gru B1 T4 5→5 1 thread",
        "training gru B2 T3 5→5 1 thread",
        "training gru B2 T4 5→5 1 thread",
    ]
    wide = replace(plan, input=7, threads=(1, 2), batch=(1,), time=(3,))
    assert [case.shape for case in wide.cases()] == [Shape(1, 3, 7, 5, 1), Shape(1, 3, 7, 5, 2)]


def test_a_stream_has_one_row_and_one_step_and_a_first_call_is_tiny() -> None:
    plan = Plan(what=("streaming", "start"), cells=("gru",), batch=(9,), time=(9,), hidden=(64,), threads=(1,))
    assert [case.shape for case in plan.cases()] == [Shape(1, 1, 128, 64, 1), Shape(2, 3, 4, 8, 1)]


def test_every_part_has_its_own_defaults() -> None:
    assert set(PARTS) == set(run_module.MEASURES)
    cases = list(Plan(what=tuple(PARTS)).cases())
    assert {case.what for case in cases} == set(PARTS)
    assert {case.shape.threads for case in cases if case.what == "training"} == {torch.get_num_threads()}
    assert [case.shape.hidden for case in cases if case.what == "streaming" and case.cell == "gru"] == [128, 256, 512]
    assert all(isinstance(axes, Axes) for axes in PARTS.values())
    Plan(what=tuple(PARTS)).check()


def test_shapes_beyond_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.bench.plan.memory_bytes", lambda: 2 * 10**9)
    replace(TINY, hidden=(1024,)).check()
    with pytest.raises(UserError, match=r"memory of 2 GB, got B2 T3 20000→20000 1 thread, which needs about 51 GB"):
        replace(TINY, hidden=(1024, 20_000)).check()


# Rows ----------------------------------------------------------------------------------------------------------------


def test_a_row_by_hand() -> None:
    figures = {"throughtime": [0.001, 0.002, 0.003], "torch.nn": [0.002, 0.008, 0.003]}
    row = make_row(Case("training", "gru", SHAPE), figures, "ms", {"gflops": 20.0})
    assert row == {
        "what": "training",
        "cell": "gru",
        "batch": 2,
        "time": 10,
        "input": 3,
        "hidden": 5,
        "threads": 1,
        "unit": "ms",
        "ours": {"median": 2.0, "q1": 1.5, "q3": 2.5, "min": 1.0, "max": 3.0, "runs": 3},
        "peers": {
            "torch.nn": {
                "median": 3.0,
                "q1": 2.5,
                "q3": 5.5,
                "min": 2.0,
                "max": 8.0,
                "runs": 3,
                "ratio": {"median": 2.0, "q1": 1.5, "q3": 3.0},  # of 2, 4 and 1: round by round
            }
        },
        "gflops": 20.0,
    }
    add_share_of_peak([row], {"1": 80.0})
    assert row["share_of_peak"] == 0.25


def test_a_summary_by_hand() -> None:
    rows = []
    for time, ratio, cost in ((10, 2.0, 1.1), (20, 8.0, 1.5)):
        case = Case("training", "mgu", replace(SHAPE, time=time))
        figures = {"throughtime": [1.0], "eager loop": [ratio]}
        rows.append(make_row(case, figures, "ms", {"per_multiply_add_vs_lstm": cost}))
    loop, cost = summary(rows)
    assert loop == {
        "what": "training",
        "cell": "mgu",
        "threads": 1,
        "against": "eager loop",
        "rows": 2,
        "geometric_mean": 4.0,
        "worst": 2.0,
        "worst_at": "B2 T10 3→5, 1 thread",
    }
    assert (cost["against"], cost["worst"], cost["worst_at"]) == (
        "our lstm, per multiply-add",
        1.5,
        "B2 T20 3→5, 1 thread",
    )
    assert cost["geometric_mean"] == pytest.approx((1.1 * 1.5) ** 0.5, rel=1e-4)


# A run ---------------------------------------------------------------------------------------------------------------


def test_a_run_says_where_and_from_what_it_came(result: Any) -> None:
    assert set(result) == {
        *("date", "commit", "command", "seed", "machine", "peak_gflops"),
        *("seconds", "notes", "rows", "summary"),
    }
    assert result["peak_gflops"] == {"1": 50.0}
    assert {"processor", "cores", "load_before", "torch", "llvmlite", "onnxruntime"} <= set(result["machine"])
    assert result["machine"]["torch"] == torch.__version__


def test_a_run_has_a_row_a_case(result: Any) -> None:
    assert [(row["what"], row["cell"]) for row in result["rows"]] == [
        (what, cell) for what in ("training", "ragged", "streaming") for cell in ("lstm", "mgu")
    ]
    for row in result["rows"]:
        for figures in (row["ours"], *row["peers"].values()):
            assert 0 < figures["min"] <= figures["q1"] <= figures["median"] <= figures["q3"] <= figures["max"]
            assert figures["runs"] >= 1
        assert all(peer["ratio"]["median"] > 0 for peer in row["peers"].values())
        assert next(iter(row["peers"])) == ("torch.nn" if row["cell"] == "lstm" else "eager loop")


def test_work_and_rates_by_hand(result: Any) -> None:
    lstm, mgu, ragged = result["rows"][:3]
    assert lstm["multiply_adds"] == 3 * 2 * 3 * 4 * (4 * 4 + 4 * 4)
    assert mgu["multiply_adds"] == 3 * 2 * 3 * 2 * (4 * 4 + 4 * 4)
    assert ragged["real_share"] in {round(steps / 6, 5) for steps in (4, 5, 6)}
    assert ragged["multiply_adds"] == round(3 * ragged["real_share"] * 6 * 4 * (4 * 128 + 4 * 4))
    for row in (lstm, mgu, ragged):
        assert row["gflops"] == pytest.approx(2 * row["multiply_adds"] / row["ours"]["median"] / 1e6, rel=1e-3)
        assert row["share_of_peak"] == pytest.approx(row["gflops"] / 50, rel=1e-3)
    assert mgu["per_multiply_add_vs_lstm"] > 0
    assert "per_multiply_add_vs_lstm" not in lstm


def test_a_stream_has_a_thousand_steps_and_their_99th_percentile(result: Any) -> None:
    for row in result["rows"][4:]:
        for figures in (row["ours"], *row["peers"].values()):
            assert figures["runs"] >= 1000
            assert figures["q3"] <= figures["p99"] <= figures["max"]


def test_tables_show_every_row(result: Any) -> None:
    training, ragged, streaming, over_all = tables(result)
    assert training.columns[:6] == ["cell", "batch", "time", "input", "hidden", "threads"]
    assert training.columns[6:] == [
        *("ours ms", "torch.nn ms", "ratio", "eager loop ms", "ratio"),
        *("per multiply-add, lstm = 1", "of peak"),
    ]
    assert [row[0] for row in training.rows] == [row[0] for row in ragged.rows] == ["lstm", "mgu"]
    assert "–" in training.rows[0]  # nn.LSTM needs no loop beside it
    assert "p99" in streaming.columns
    assert len(over_all.rows) == len(result["summary"])
    for table in (training, ragged, streaming, over_all):
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert result["machine"]["processor"] in heading(result)


def test_without_onnx_runtime_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.bench.onnx_peer.find_spec", lambda name: None)
    monkeypatch.setattr("throughtime.bench.measures.streaming.LEAST", 100)
    streams = measure(replace(TINY, what=("streaming",), seconds=0.001), "throughtime bench")
    assert [list(row["peers"]) for row in streams["rows"]] == [["torch.nn", *SMALL], ["eager loop", *SMALL]]
    assert "pip install 'throughtime[bench]'" in streams["notes"][0]
    assert streams["peak_gflops"] == {}


def test_the_same_seed_draws_the_same_lengths(result: Any) -> None:
    case = list(TINY.cases())[2]
    assert run_module.measure_case(case, TINY)["real_share"] == result["rows"][2]["real_share"]


# Machine and processes -----------------------------------------------------------------------------------------------


def test_the_peak_is_a_rate_that_a_product_reached() -> None:
    assert 0.1 < peak_gflops(1, 0.01, (64, 128)) < 10_000


def test_the_peak_is_the_largest_rate_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a look before every training step, the first one longer."""
    rates, looks = iter([30.0, 80.0, 20.0]), []

    def look(number: int, *shortly: Any) -> float:
        looks.append((number, bool(shortly)))
        return next(rates)

    monkeypatch.setattr(run_module, "peak_gflops", look)
    monkeypatch.setitem(run_module.MEASURES, "training", lambda case, plan: case.key())
    peaks = {"1": 50.0}
    plan = replace(TINY, what=("training", "start"), batch=(1, 2, 3), cells=("gru",), threads=(2,))
    monkeypatch.setitem(run_module.MEASURES, "start", lambda case, plan: case.key())
    assert len(list(run_module.measure_cases(plan.cases(), plan, peaks))) == 4
    assert peaks == {"1": 50.0, "2": 80.0}
    assert looks == [(2, False), (2, True), (2, True)]


def test_a_checkout_has_a_commit_and_a_folder_has_none(tmp_path: Path) -> None:
    assert commit(tmp_path) is None
    assert machine()["cores"] >= 1
    assert installed("no-such-package") is None


def test_the_mark_of_memory_stays_at_its_height() -> None:
    before = reset_mark()
    block = torch.ones(10_000_000)
    del block
    assert mark() - before == pytest.approx(40e6, rel=0.05)
    assert reset_mark() - before < 5e6


def test_a_training_step_takes_at_least_its_outputs() -> None:
    request = {"cell": "lstm", "engine": "auto", "peer": False, "seed": 0, "threads": 1}
    taken = memory({**request, "batch": 64, "time": 200, "input": 64, "hidden": 64})
    assert 3.2 < taken < 100  # the outputs alone: 64 · 200 · 64 · 4 bytes


def test_a_process_of_its_own_answers_or_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("start", "mgu", Shape(1, 2, 2, 3, 1))
    assert 0 <= ask("start", case, TINY) < 60
    ended = subprocess.CompletedProcess([], -9, "", "warming up\nKilled\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **settings: ended)
    with pytest.raises(UserError, match=r"start mgu B1 .*: the process that measures it ended with -9: Killed"):
        ask("start", case, TINY)


# The picture ---------------------------------------------------------------------------------------------------------


def test_the_picture_opens(result: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    draw(result, tmp_path / "ratios.png")
    height, width, _ = imread(tmp_path / "ratios.png").shape
    assert width > 800
    assert height > 400
    assert [file.name for file in tmp_path.iterdir()] == ["ratios.png"]
    draw({**result, "rows": []}, tmp_path / "none.png")


def test_no_picture_without_matplotlib(result: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"--plot needs matplotlib; run: pip install 'throughtime\[plots\]'"):
        draw(result, tmp_path / "ratios.png")


def test_labels_name_what_varies() -> None:
    row = {"what": "memory", "batch": 2, "time": 3, "input": 4, "hidden": 5, "threads": 2}
    assert shape_label(row) == "B2 T3 4→5, 2 threads"
    assert shape_label({**row, "what": "streaming"}) == "4→5, 2 threads"
    assert shape_label({**row, "what": "start"}) == "tiny"
