"""How large exported graphs are, and how fast beside PyTorch and our engine: cells by form, and whole models.

    python benchmarks/recipes/export_speed.py cells --cells rnn gru
    python benchmarks/recipes/export_speed.py models --models entities

``cells``: layers of 256 units over 256 inputs, batch 1 and 32: a sequence of 100 steps with lengths and states, and one
step with its state kept. Each graph in ONNX Runtime (its operator where ONNX has the cell, and the equations; float32
and int8), ``torch.nn`` with the same weights or, of a cell that it lacks, a loop of PyTorch's operations, and our
engine take turns in one process, on one thread each.

``models``: models of the usual sizes, trained for a few steps, since speed does not depend on what they know; the run
and the runner of its exported folder are asked in turns, all inputs in one call and one by one. Those whose answers are
the same, numbers to 1e-4, are counted.

What is not asked for stays as it is recorded in ``benchmarks/results/export.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
import torch
from record import ROOT, data, machine, record
from speech import strings
from torch import nn

import throughtime
import throughtime.runtime
from tasks import sst_sentences
from throughtime.bench.peers import LOOP, OURS, TORCH, make_layer, make_peer
from throughtime.bench.timing import interleave, ratios, timed
from throughtime.export import onnx
from throughtime.export.graph.int8 import narrowed, rounded
from throughtime.layers import Recurrent
from throughtime.runtime.reading.files import file_lines

CELLS = ("rnn", "gru", "lstm", "lstm-peephole", "gru-simplified", "mingru", "lstm-layernorm", "cornn")
SIZE, TIME, BATCHES, BLOCK = 256, 100, (1, 32), 50
"""Units and inputs, steps of a sequence, rows, and steps that are timed in a row."""

STEPS = 20
"""That a whole model is trained for."""

Figures = dict[str, Any]


def opened(graph: bytes | str) -> Any:
    """A graph in ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def graphs(layer: Recurrent, form: str) -> dict[str, bytes]:
    """A layer's graphs of a form: as an operator where ONNX has the cell, as equations, and both in int8."""
    found = {}
    for name, equations in (("operator", False), ("equations" if form == "step" else "Scan", True)):
        proto = written(layer, form, equations)
        if not equations and not {"RNN", "GRU", "LSTM"} & {node.op_type for node in proto.graph.node}:
            continue
        found[name] = proto.SerializeToString()
        with rounded(layer):
            found[f"{name}, int8"] = narrowed(written(layer, form, equations)).SerializeToString()
    return found


def written(layer: Recurrent, form: str, equations: bool) -> Any:
    """A layer's graph."""
    return onnx(layer, form=form, operators=()) if equations else onnx(layer, form=form)


def whole(session: Any, layer: Recurrent, x: torch.Tensor) -> Callable[[], object]:
    """A sequence through a graph."""
    state = {name: np.zeros((1, len(x), width), np.float32) for name, width in layer.cell.widths().items()}
    fed = {"inputs": x.numpy(), "lengths": np.full(len(x), x.shape[1]), **state}
    return lambda: session.run(None, fed)


def stepping(session: Any, layer: Recurrent, x: torch.Tensor) -> Callable[[], object]:
    """Steps of a graph; values are bound once, two sets of states in turn: ONNX Runtime's fastest way."""

    def value(width: int) -> Any:
        return onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((1, len(x), width), np.float32))

    read = onnxruntime.OrtValue.ortvalue_from_numpy(x[:, 0].contiguous().numpy())
    states = [{name: value(width) for name, width in layer.cell.widths().items()} for _ in range(2)]
    bindings = []
    for old, new in (states, states[::-1]):
        binding = session.io_binding()
        binding.bind_ortvalue_input("inputs", read)
        binding.bind_output("outputs")
        for name in old:
            binding.bind_ortvalue_input(name, old[name])
            binding.bind_ortvalue_output(f"next_{name}", new[name])
        bindings.append(binding)
    turns = cycle(bindings)
    return lambda: session.run_with_iobinding(next(turns))


def torch_step(module: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    """Steps of ``torch.nn``, the state kept."""
    state: Any = None

    def step() -> object:
        nonlocal state
        output, state = module(x, state)
        return output

    return step


def of_block(step: Callable[[], object]) -> Callable[[], float]:
    """The seconds of a step, in the mean of a block of them."""

    def block() -> None:
        for _ in range(BLOCK):
            step()

    run = timed(block)
    return lambda: run() / BLOCK


def case(cell: str, batch: int, form: str, seconds: float) -> Figures:
    """A layer's figures in one form."""
    torch.manual_seed(0)
    layer = make_layer(cell, SIZE, SIZE).eval()
    peer = make_peer(layer).eval()
    other = LOOP if isinstance(peer, Recurrent) else TORCH
    x = torch.randn(batch, TIME, SIZE)
    made = graphs(layer, form)
    sessions = {name: opened(graph) for name, graph in made.items()}
    runs: dict[str, Callable[[], float]] = {}
    if form == "sequence":
        calls = {OURS: lambda: layer(x), other: lambda: peer(x)}
        calls |= {name: whole(session, layer, x) for name, session in sessions.items()}
        runs = {name: timed(call) for name, call in calls.items()}
    else:
        first = x[:, 0].contiguous()
        stream = layer.stream(batch)
        steps: dict[str, Callable[[], object]] = {OURS: lambda: stream.step(first)}
        if isinstance(peer, Recurrent):
            loop = peer.stream(batch)
            steps[other] = lambda: loop.step(first)
        else:
            steps[other] = torch_step(peer, x[:, :1].contiguous())
        steps |= {name: stepping(session, layer, x) for name, session in sessions.items()}
        runs = {name: of_block(step) for name, step in steps.items()}
    with torch.inference_mode():
        found = interleave(runs, seconds)
    return {
        "bytes": {name: len(graph) for name, graph in made.items()},
        "microseconds": {name: round(1e6 * median(values), 1) for name, values in found.items()},
        "times_as_fast": {
            name: {f"as {who}": of_rounds(found[name], found[who]) for who in (other, OURS)} for name in made
        },
        "rounds": len(found[OURS]),
    }


def of_rounds(one: list[float], other: list[float]) -> Figures:
    """How many times as fast the one is as the other: the median of all rounds, and the worst."""
    each = ratios(one, other)
    return {"median": round(median(each), 3), "worst": round(min(each), 3)}


@dataclass(frozen=True)
class Asked:
    """A model, and what it is asked.

    Attributes:
        task: What it does.
        data: Makes it in a folder.
        settings: Of training, beside those that all have.
        inputs: What it is asked of.
        ask: A run's or a runner's answers to some of them.
    """

    task: str
    data: Callable[[Path], Any]
    settings: Mapping[str, Any]
    inputs: Callable[[Path], list[Any]]
    ask: Callable[[Any, list[Any]], list[Any]]


def predicted(model: Any, inputs: list[Any]) -> list[Any]:
    return [getattr(each, "data", each) for each in model.predict(inputs)]


def scored(model: Any, inputs: list[Any]) -> list[Any]:
    return [each.log_prob for each in model.score(inputs)]


def drawn(model: Any, inputs: list[Any]) -> list[Any]:
    """Texts of 200 characters that go on from the inputs."""
    found = [model.sample(each, seed=0, length=200, min_length=200) for each in inputs]
    return [getattr(each, "text", each) for each in found]


def heard(model: Any, inputs: list[Any]) -> list[Any]:
    """What a stream says last of each recording."""
    return [getattr(told, "data", told) for told in [[*model.stream(each)][-1] for each in inputs]]


def captions(path: str, count: int) -> list[str]:
    return [line.rstrip("\n") for _, line in zip(range(count), file_lines(data(f"multi30k/raw/{path}")), strict=False)]


def pairs(folder: Path) -> Any:
    return list(zip(captions("train.de", 2000), captions("train.en", 2000), strict=True))


def digits(folder: Path) -> Any:
    strings(folder, most=20)
    return folder


def recordings(folder: Path) -> list[Any]:
    return sorted((folder / "test").glob("*.wav"))


def sentences(folder: Path) -> list[Any]:
    text = data("wnut17/emerging.test.annotated").read_text("utf-8")
    blocks = [block.splitlines() for block in text.split("\n\n") if block.strip()][:40]
    return [" ".join(line.split("\t")[0] for line in block) for block in blocks]


def sounds(folder: Path) -> Any:
    lines = file_lines(data("cmudict/cmudict.dict"))
    (folder / "some.dict").write_text("".join(line for line, _ in zip(lines, range(3000), strict=False)), "utf-8")
    return folder / "some.dict"


MANUAL: tuple[str, Callable[[Path], Any], dict[str, Any]] = ("text", lambda _: "builtin:python-manual", {"hidden": 256})
DIGITS: tuple[str, Callable[[Path], Any], dict[str, Any]] = (
    "speech",
    digits,
    {"unit": "words", "bidirectional": False, "hidden": 192, "batch": 4},
)
ASKED = {
    "text, log-probabilities of captions": Asked(*MANUAL, lambda _: captions("test_2016_flickr.en", 40), scored),
    "text, 200 characters drawn": Asked(*MANUAL, lambda _: ["The ", "If the value", "An expression"], drawn),
    "speech, strings of digits": Asked(*DIGITS, recordings, predicted),
    "speech, the same as streams": Asked(*DIGITS, lambda folder: recordings(folder)[:5], heard),
    "entities": Asked("entities", lambda _: data("wnut17"), {}, sentences, predicted),
    "sentiment": Asked(
        "sentiment",
        lambda folder: sst_sentences(folder)[0],
        {},
        lambda _: captions("test_2016_flickr.en", 40),
        predicted,
    ),
    "translation": Asked(
        "translation", pairs, {"lowercase": True}, lambda _: captions("test_2016_flickr.de", 8), predicted
    ),
    "pronunciation": Asked(
        "pronunciation", sounds, {}, lambda _: ["through", "time", "recurrent", "of", "sequences"], predicted
    ),
}


def close(found: Any, expected: Any) -> bool:
    """Equal, numbers to 1e-4."""
    if isinstance(expected, Mapping):
        return set(found) == set(expected) and all(close(found[name], expected[name]) for name in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(close, found, expected))
    if isinstance(expected, float):
        return bool(abs(found - expected) <= 1e-4 * max(1.0, abs(expected)))
    return str(found) == str(expected)


def every(ask: Callable[[Any, list[Any]], list[Any]], model: Any, parts: list[list[Any]]) -> None:
    """A model's answers to part after part."""
    for part in parts:
        ask(model, part)


@contextlib.contextmanager
def exported(run: throughtime.Run) -> Iterator[tuple[dict[str, Any], Figures]]:
    """The runners of a model's folders, float32 and int8, on one thread; and their graphs' bytes."""
    with tempfile.TemporaryDirectory() as home:
        runners, sizes = {}, {}
        for name in ("float32", "int8"):
            written = run.export(f"{home}/{name}", int8=name == "int8")
            sizes[name] = {path.name: size for path, size in written.items() if path.suffix == ".onnx"}
            runners[name] = throughtime.runtime.open(f"{home}/{name}")
            for graph in runners[name].folder.graphs.values():
                graph._session = opened(str(graph.path))
        yield runners, sizes


def asked(name: str, seconds: float) -> Figures:
    """A model's figures: milliseconds an input of the run and of both runners, and how they compare."""
    how = ASKED[name]
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        settings = {"steps": STEPS, "seed": 0, **how.settings}
        run = throughtime.train(how.task, how.data(folder), out=folder / "run", progress=False, **settings)
        run.progress = False
        inputs = how.inputs(folder)
        result: Figures = {"task": how.task, "settings": settings, "inputs": len(inputs)}
        with exported(run) as (runners, sizes):
            same = sum(map(close, how.ask(runners["float32"], inputs), how.ask(run, inputs)))
            result |= {"same_answers": same, "bytes": sizes}
            models = {"run": run, **runners}
            for way in ("together", "one by one"):
                parts = [inputs] if way == "together" else [[each] for each in inputs]
                calls = {who: timed(partial(every, how.ask, model, parts)) for who, model in models.items()}
                found = interleave(calls, seconds)
                result[way] = {
                    "milliseconds_an_input": {who: round(1e3 * median(v) / len(inputs), 3) for who, v in found.items()},
                    "times_as_fast_as_the_run": {who: of_rounds(found[who], found["run"]) for who in runners},
                    "rounds": len(found["run"]),
                }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["cells", "models"])
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--models", nargs="+", choices=ASKED, default=list(ASKED))
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="For a cell at a batch in a form, or a model in a way."
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = ROOT / "benchmarks" / "results" / "export.json"
    result: Figures = json.loads(path.read_text("utf-8")) if path.exists() else {"cells": {}, "models": {}}
    wanted = [(cell, batch, form) for cell in given.cells for batch in BATCHES for form in ("sequence", "step")]
    for cell, batch, form in wanted if given.part == "cells" else []:
        found = case(cell, batch, form, given.seconds)
        result["cells"].setdefault(cell, {}).setdefault(f"batch {batch}", {})[form] = found
        print(cell, batch, form, json.dumps(found), flush=True)
    for name in given.models if given.part == "models" else []:
        result["models"][name] = asked(name, given.seconds)
        print(name, json.dumps(result["models"][name]), flush=True)
    result["cells"] = {cell: result["cells"][cell] for cell in CELLS if cell in result["cells"]}
    result["models"] = {name: result["models"][name] for name in ASKED if name in result["models"]}
    told = {"command": "python benchmarks/recipes/export_speed.py cells; … models", "machine": machine()}
    shape = {"units": SIZE, "inputs": SIZE, "steps": TIME, "threads": 1}
    record("export", {**told, "layers": shape, "cells": result["cells"], "models": result["models"]})


if __name__ == "__main__":
    main()
