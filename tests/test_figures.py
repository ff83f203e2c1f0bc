"""Every figure that the program draws: named axes with units, labels that do not touch, nothing past the edge."""

from __future__ import annotations

import ast
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from rich.text import Text

import throughtime
from sources import parsed
from throughtime import pictures
from throughtime.applications.judging.curves import draw_learning
from throughtime.bench.plot import draw as draw_ratios
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.inspection.figures import (
    draw_gates,
    draw_gradients,
    draw_history,
    draw_memory,
    draw_singular_values,
)
from throughtime.inspection.gradients import Flow
from throughtime.inspection.history import History
from throughtime.inspection.memory import Memory
from throughtime.pictures import new_figure, save_figure, tick_boxes
from throughtime.runtime.dna.coding import Course
from throughtime.runtime.dna.fasta import Record
from throughtime.runtime.dna.regions import Region
from throughtime.runtime.music.tunes import Tune
from throughtime.runtime.video.windows import Window
from throughtime.tasks.dna.picture import draw_genome
from throughtime.tasks.forecast.fans import Fan
from throughtime.tasks.forecast.pictures import draw_forecasts
from throughtime.tasks.memory.agreement import AgreementTask
from throughtime.tasks.music.files import draw_tune
from throughtime.tasks.pairs.base import draw_attention
from throughtime.tasks.series.pictures import draw_series, draw_surprise
from throughtime.tasks.series.predictions import SeriesPrediction
from throughtime.tasks.speech.pictures import Said
from throughtime.tasks.speech.pictures import draw as draw_speech
from throughtime.tasks.video.pictures import Samples, draw_points, draw_windows

ROOT = Path(throughtime.__file__).parent
HOSTILE = "$x^$ " + "long" * 60
TITLE = ("runs/first (text: lstm, 2 × 256 units)", HOSTILE)
SETTINGS = SimpleNamespace(model_dump=lambda: {"cell": "gru", "layers": 2, "hidden": 64})
RANDOM = np.random.default_rng(0)


def flow(norms: torch.Tensor, name: str) -> Flow:
    cell = SimpleNamespace(
        name=name, owner="stack", directed=SimpleNamespace(reverse=False), lengths=torch.tensor([len(norms)])
    )
    return Flow(cell, torch.tensor([0]), {"": norms.double().flip(0).view(1, 1, -1)}, aligned=False)  # type: ignore[arg-type]


def gradients(path: Path, steps: int, factor: float) -> None:
    at = torch.arange(float(steps))
    save_figure(draw_gradients([flow(factor**at, "layer 1"), flow(0.9**at, HOSTILE)], *TITLE), path)


def singular(path: Path, cells: int) -> None:
    at = torch.arange(1, 25)
    values = torch.rand(24, 3).sort(1, descending=True).values * torch.tensor([2.0, 0.3, 1e-5])
    save_figure(draw_singular_values([(f"layer {n}", at, values) for n in range(cells)], *TITLE), path)


def gates(path: Path, length: int, units: int, word: str) -> None:
    cell = SimpleNamespace(
        names=["c", "f"],
        lengths=torch.tensor([length]),
        values=lambda name: 3 * torch.randn(1, length, units) if name == "c" else torch.rand(1, length, units),
    )
    save_figure(draw_gates(cell, 0, [word] * length, *TITLE), path)  # type: ignore[arg-type]


def memory(path: Path, far: int, moved: float) -> None:
    distances = torch.arange(far)
    save_figure(draw_memory({"encoder": Memory(distances, moved ** distances.double())}, *TITLE), path)


def history(path: Path, spread: float, diverged: int | None) -> None:
    steps = list(range(20, 1000, 20))
    norms = [1 + spread * number for number in range(len(steps))]
    found = History(steps, norms, norms, [0.1] * len(steps), {"layer 1": norms, "layer 2": norms[1:]}, diverged)
    save_figure(draw_history(found, *TITLE), path)


def run_folder(folder: Path, figure: str, values: list[float]) -> Path:
    folder.mkdir()
    settings = {"cell": folder.name, "layers": 1, "hidden": 24}
    (folder / "config.json").write_text(json.dumps({"task": "adding", "settings": settings}))
    rows = [
        {"event": "evaluation", "step": 30 * n, "seconds": 1.0, "best": True, figure: value, "loss": 1.0}
        for n, value in enumerate(values, 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def learning(path: Path, figure: str, values: list[float], chance: float | None) -> None:
    runs = {cell: run_folder(path.with_name(cell), figure, values) for cell in ("rnn", "gru")}
    draw_learning(runs, path, chance)


def agreement(path: Path) -> None:
    at = torch.arange(52.0)
    found = SimpleNamespace(
        run=run_folder(path.with_name("rnn"), "accuracy", [50.0]),
        model=None,
        test=[SimpleNamespace(gap=gap, met=gap % 2 == 0) for gap in (0, 10, 50) for _ in range(4)],
        application=AgreementTask.__new__(AgreementTask),
    )
    vars(found.application).update(
        _odds=lambda model, test: 1.0 - torch.arange(len(test)) % 2, flow=lambda model, test: flow(0.9**at, "layer 1")
    )
    AgreementTask.compare({"rnn": found}, path)  # type: ignore[dict-item]


def genome(path: Path, length: int) -> None:
    chances = RANDOM.random(length).astype(np.float16)
    regions = [Region(begin, begin + 90, 1 - begin % 2 * 2) for begin in range(0, length - 90, 301)]
    record = Record(HOSTILE, "", np.zeros(length, np.uint8), "a.gb:1", regions[:3])
    draw_genome(path, record, Course(np.zeros(length, np.uint8), chances, chances), regions, *TITLE)


def speech(path: Path, seconds: float) -> None:
    frames, steps = int(100 * seconds), int(30 * seconds)
    names = ["", *"abcdefghijklmnop", "猫"]
    chances = torch.from_numpy(RANDOM.random((steps, len(names)))).log_softmax(1)
    heard = SimpleNamespace(frames=[RANDOM.random((frames, 40))], log_probs=[chances])
    said = [Said(names[1 + n % 17], 0.3 * n, 0.3 * n + 0.1, 0.9) for n in range(int(seconds / 0.3))]
    draw_speech(path, heard, said, 0.01, 1 / 30, names, HOSTILE, SETTINGS)  # type: ignore[arg-type]


def windows(path: Path, count: int) -> None:
    samples = Samples()
    samples.add(0, RANDOM.integers(0, 255, (20, 1, 16, 16)).astype(np.uint8))
    found = [Window(n, n + 1, {HOSTILE: 0.7, "b": 0.3}, [0.5, 0.3, 0.2]) for n in range(count)]
    draw_windows(path, found, samples, 20 / count, *TITLE)


def points(path: Path, steps: int, dims: int, scale: float) -> None:
    walk = (scale * RANDOM.standard_normal((steps, 2 * dims)).cumsum(0)).tolist()
    draw_points(path, walk, dims, Window(0, steps, {HOSTILE: 1.0}, [1 / steps] * steps), *TITLE)


def tune(path: Path, beats: int, surprise: bool) -> None:
    made = Tune.of([(12 * n, 12, 60 + n % 7) for n in range(beats)])
    draw_tune(path, made, 12, [(12.0 * n, 3.0) for n in range(beats)] if surprise else [], *TITLE)


def attention(path: Path, source: int, target: int) -> None:
    weights = torch.rand(target, source).softmax(1)
    draw_attention(
        path, ["Katze", "", HOSTILE[:12]] * source, ["cat", " ", "$x^$"] * target, weights.repeat(3, 3), *TITLE
    )


def fans(path: Path, count: int, history: int = 200) -> None:
    levels = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
    quantiles = np.sort(RANDOM.normal(1e6, 1e5, (48, len(levels))), 1)
    came = RANDOM.normal(1e6, 1e5, history)
    fan = Fan(HOSTILE, "2024-01-01T00:00:00", "h", came, levels, quantiles, quantiles[:, 3] + 1)
    draw_forecasts(path, [fan] * count, *TITLE)


def channels(path: Path, count: int, steps: int) -> None:
    values = RANDOM.normal(0, 1e5, (count, steps)).tolist()
    said = dict.fromkeys([HOSTILE, "other"], 0.5)
    told = SeriesPrediction(
        Text(HOSTILE),
        {},
        where=HOSTILE,
        name=HOSTILE,
        label=HOSTILE,
        probabilities=said,
        steps=steps,
        attention=[1 / steps] * steps,
    )
    draw_series(path, LabelledSeries(values, HOSTILE, [], HOSTILE, HOSTILE), told)


def surprise(path: Path, count: int, steps: int) -> None:
    values = RANDOM.normal(0, 1, (count, steps)).tolist()
    draw_surprise(path, LabelledSeries(values, "", [], HOSTILE, HOSTILE), RANDOM.exponential(1, steps), 4.0)


def ratios(path: Path, rows: int) -> None:
    ratio = {"median": 2.1, "q1": 1.9, "q3": 2.4}
    shapes = [{"batch": 2**n, "time": 100, "input": 64, "hidden": 64, "threads": 1} for n in range(rows)]
    result = {
        "rows": [
            {"what": what, "cell": cell, **shape, "peers": {"torch": {"ratio": ratio}}}
            for what in ("training", "memory")
            for cell in ("lstm", "gru")
            for shape in shapes
        ],
        "machine": {"processor": "a processor " * 5, "cores": 2, "torch": "2.0"},
        "date": "2026-01-01",
        "commit": "abc",
    }
    draw_ratios(result, path)


CASES: dict[str, Callable[[Path], None]] = {
    "gradients explode": lambda path: gradients(path, 60, 1.4),
    "gradients flat": lambda path: gradients(path, 4, 0.999),
    "singular values": lambda path: singular(path, 2),
    "gates of letters": lambda path: gates(path, 100, 16, " "),
    "gates of a long sequence": lambda path: gates(path, 1000, 80, "\x1b猫"),
    "memory": lambda path: memory(path, 30, 0.99),
    "history": lambda path: history(path, 1e-4, 990),
    "adding": lambda path: learning(path, "squared_error", [0.171, 0.169, 0.168], 1 / 6),
    "copy": lambda path: learning(path, "accuracy", [12.0, 12.6, 13.0], 12.5),
    "agreement": agreement,
    "genome": lambda path: genome(path, 20_000),
    "speech": lambda path: speech(path, 1.5),
    "long video": lambda path: windows(path, 3),
    "gesture path": lambda path: points(path, 16, 2, 0.01),
    "one number a step": lambda path: points(path, 80, 1, 1e5),
    "tune": lambda path: tune(path, 8, True),
    "attention": lambda path: attention(path, 12, 9),
    "bench": lambda path: ratios(path, 2),
    "forecasts": lambda path: fans(path, 3),
    "a forecast of a short history": lambda path: fans(path, 1, history=2),
    "series": lambda path: channels(path, 9, 40),
    "surprise": lambda path: surprise(path, 2, 500),
}


class Drawn:
    """Figures as they are saved, and the functions that made them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.figures: list[Figure] = []
        self.makers: set[str] = set()
        made, saved = Figure.__init__, Figure.savefig

        def init(figure: Figure, *arguments: Any, **options: Any) -> None:
            frame = sys._getframe(1)
            if frame.f_code.co_name == "new_figure" and frame.f_back is not None:
                caller = frame.f_back
                self.makers.add(f"{caller.f_globals['__name__']}.{caller.f_code.co_name}")
            made(figure, *arguments, **options)

        def save(figure: Figure, *arguments: Any, **options: Any) -> None:
            self.figures.append(figure)
            saved(figure, *arguments, **options, dpi=25)  # it is laid out by now: what is drawn then is not looked at

        patch.setattr(Figure, "__init__", init)
        patch.setattr(Figure, "savefig", save)


def makers() -> set[str]:
    """Every function of the program that begins a figure."""
    found = set()
    for file in ROOT.rglob("*.py"):
        name = ".".join(["throughtime", *file.relative_to(ROOT).with_suffix("").parts])
        text = file.read_text(encoding="utf-8")
        tree = parsed(text if "new_figure(" in text else "")
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
            if any(isinstance(call.func, ast.Name) and call.func.id == "new_figure" for call in calls):
                found.add(f"{name}.{function.name}")
    return found


UNIT = re.compile(r"\(.+\)", re.DOTALL)


def faults(figure: Figure) -> list[str]:
    """What is wrong with a figure as it was drawn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that no font has
        return list(_faults(figure))


def _faults(figure: Figure) -> Iterator[str]:
    title = figure.get_suptitle()
    if not title.strip():
        yield "no title"
    bars = {bar.ax for axes in figure.axes for image in (*axes.images, *axes.collections) if (bar := image.colorbar)}
    for number, axes in enumerate(figure.axes):
        where = f"axes {number}"
        for axis in (axes.xaxis, axes.yaxis):
            boxes = tick_boxes(axis)
            if any(one.overlaps(other) for one, other in pairwise(boxes)):
                yield f"{where}: labels of {axis.axis_name} touch"
            if (
                axis.get_scale() == "log"
                and len(boxes) < 2
                and axes not in bars
                and axis.get_tick_params()["labelleft" if axis.axis_name == "y" else "labelbottom"]
            ):
                yield f"{where}: {axis.axis_name} is logarithmic and has {len(boxes)} labels"
        if axes in bars:
            continue
        # The lowest of a column names what all of them stand over.
        below = [one for one in figure.axes if abs(one.get_position().x0 - axes.get_position().x0) < 1e-3]
        if not any(UNIT.search(one.get_xlabel()) for one in below):
            yield f"{where}: no unit across in {axes.get_xlabel()!r}"
        if not UNIT.search(axes.get_ylabel()):
            yield f"{where}: no unit up in {axes.get_ylabel()!r}"
    for text in figure.findobj(lambda artist: hasattr(artist, "get_text") and artist.get_visible()):
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text.get_text()):
            yield f"control characters in {text.get_text()!r}"
    found, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    if found.x0 < -0.02 or found.y0 < -0.02 or found.x1 > width + 0.02 or found.y1 > height + 0.02:
        yield f"something stands outside of {width:.2f} × {height:.2f} inches: {found}"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    monkeypatch.setattr(pictures, "DPI", 100)  # that which a figure is measured at: letters are as wide as drawn
    return Drawn(monkeypatch)


SEEN: dict[str, set[str]] = {}
"""By case, the functions that made its figures in this process."""
NOT_ZOOMED = {"adding": (0, 1.05 * 0.171, "guessing: 0.167"), "copy": (0, 102, "guessing: 12.5")}


@pytest.mark.parametrize("name", CASES)
def test_a_figure_is_read_without_its_text(
    name: str, drawn: Drawn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CASES[name](tmp_path / "picture.png")
    SEEN[name] = drawn.makers
    assert faults(drawn.figures[-1]) == []
    assert capfd.readouterr().err == ""
    axes = drawn.figures[-1].axes[0]
    if name in NOT_ZOOMED:  # all runs lie within a hundredth of one another
        low, high, chance = NOT_ZOOMED[name]
        assert axes.get_ylim() == pytest.approx((low, high))
        assert chance in [text.get_text() for text in axes.texts]


def test_every_function_that_draws_was_looked_at() -> None:
    if SEEN.keys() != CASES.keys():
        pytest.skip("not all figures were drawn in this process")
    assert makers() <= set().union(*SEEN.values())


def test_faults_are_found(drawn: Drawn, tmp_path: Path) -> None:
    figure = new_figure(8, 4)
    left, right = figure.subplots(1, 2)
    left.plot([1, 2])
    right.plot([2.1, 2.2])
    right.set_yscale("log")
    right.set_ylabel("speed (m/s)")
    figure.text(1.1, 0.5, "far out")
    save_figure(figure, tmp_path / "bad.png")
    found = " ".join(faults(figure))
    for fault in ("no title", "axes 0: no unit across", "axes 0: no unit up", "axes 1: no unit across", "outside"):
        assert fault in found
    left.set_xticks([0, 0.01], ["a long label", "another label"])
    figure.draw_without_rendering()
    assert "axes 0: labels of x touch" in faults(figure)


def test_letters_that_no_font_has_are_named_once(drawn: Drawn, tmp_path: Path) -> None:
    figure = new_figure(4, 3, "\U0001dead \U0001dead")
    figure.subplots().set_xlabel("\U0001deae")
    save_figure(figure, tmp_path / "a.png")
    assert figure.get_supxlabel() == (
        "□ stands for letters that no font here has: U+1DEAE U+1DEAD; Noto Sans CJK has many"
    )
