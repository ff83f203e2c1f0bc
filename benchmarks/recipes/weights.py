"""Streams with matrices in 8 and 16 bits: what that costs trained models, and how long a step takes.

    python benchmarks/recipes/weights.py models speed

``models`` trains a character model, a recogniser of spoken digits that hears in one direction and a one-way tagger
of entities into ``runs/weights``, where they are not trained yet, and judges each with the matrices of its recurrent
layers, and of a language model's softmax, rounded as a stream holds them: what a stream gives with them, tests say, but
for the order of sums. ``speed``
times one step at batch 1 on one thread, ours in turns with ONNX Runtime's float and its dynamic int8. What is not asked
for stays as it is recorded.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
from record import ROOT, data, machine, record
from speech import prepare

import throughtime
from throughtime.bench import onnx_peer
from throughtime.bench.measures.streaming import Blocks
from throughtime.engine import WEIGHTS
from throughtime.engine.weights import shrink, widened
from throughtime.layers import GRU, LSTM, Recurrent
from throughtime.models import LanguageModel

MODELS = {
    "text": ("builtin:python-manual", "--hidden 256 --steps 1500 --seed 0", "nats_per_token"),
    "speech": (
        "DATA of speech.py one-way",
        "--unit words --epochs 12 --no-bidirectional --hidden 192 --seed 0",
        "nats",
    ),
    "entities": ("wnut17", "--no-bidirectional --epochs 8 --seed 0", "nats"),
}
"""Data, options of training, and the loss that is compared."""

FOLDERS = {"text": "text", "speech": "digits", "entities": "entities"}

CASES = [(layer, size) for size in (512, 128) for layer in (LSTM, GRU)]


def trained(task: str, runs: Path) -> throughtime.Run:
    """A model, trained where it is not yet."""
    run, (source, options, _) = runs / FOLDERS[task], MODELS[task]
    if not (run / "model.safetensors").exists():
        paths = {"speech": lambda: prepare("one-way", runs / "digits-data"), "entities": lambda: data("wnut17")}
        given = str(paths[task]() if task in paths else source)
        command = ["train", task, given, *options.split(), "--out", str(run)]
        subprocess.run([sys.executable, "-m", "throughtime", *command], check=True)
    return throughtime.load(run)


def judged(task: str, runs: Path) -> dict[str, Any]:
    """Every figure of the test data, or of the validation data, with matrices kept in each way."""
    run, (source, options, loss) = trained(task, runs), MODELS[task]
    layers = [layer for layer in run.model.modules() if isinstance(layer, Recurrent) and not layer.bidirectional]
    held = [copy.deepcopy(layer.state_dict()) for layer in layers]
    softmax = run.model.softmax_weights[0] if isinstance(run.model, LanguageModel) else torch.zeros(1, 1)
    wide_softmax = softmax.detach().clone()
    found: dict[str, Any] = {}
    for weights in WEIGHTS:
        for layer, state in zip(layers, held, strict=True):
            layer.load_state_dict(state)
            with torch.no_grad():
                for directed in layer.directed:
                    for name, value in widened(directed.cell, directed.values(), weights).items():
                        getattr(directed, name).copy_(value)
        with torch.no_grad():
            softmax.copy_(wide_softmax if weights == "float32" else shrink("W", wide_softmax, weights).widened)
        figures = run.evaluate().figures
        found[weights] = {name: value for name, value in figures.items() if isinstance(value, int | float)}
    wide = found["float32"].get(loss)
    relative = {w: round(found[w][loss] / wide - 1, 6) for w in WEIGHTS} if wide else {}
    return {"command": f"throughtime train {task} {source} {options}", "relative": relative, "figures": found}


def quantised(layer: Recurrent) -> bytes:
    """ONNX Runtime's graph of a layer's step with dynamic int8."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        quantize_dynamic(onnx.load_from_string(onnx_peer.make_graph(layer)), path, weight_type=QuantType.QInt8)
        return path.read_bytes()


def timed(kind: type[LSTM | GRU], size: int, blocks: int) -> dict[str, Any]:
    """Median microseconds of a step, and medians and worst of the ratios of blocks taken in turns."""
    layer = kind(size, size).eval()
    frames = list(torch.randn(50, 1, size))
    theirs = [frame.unsqueeze(0).numpy() for frame in frames]
    streams = {weights: Blocks(layer.stream(weights=weights).step, frames) for weights in WEIGHTS}
    streams["onnxruntime"] = Blocks(onnx_peer.open_onnx_stream(layer), theirs)
    if kind is LSTM:
        streams["onnxruntime int8"] = Blocks(onnx_peer.open_onnx_stream(layer, graph=quantised(layer)), theirs)
    for stream in [*streams.values()] * 3:
        stream()
    took: dict[str, list[float]] = {name: [] for name in streams}
    for _ in range(blocks):
        for name, stream in streams.items():
            took[name].append(stream())
    micro = {name: round(1e6 * median(values), 1) for name, values in took.items()}
    ratios: dict[str, Any] = {}
    for small in ("bfloat16", "int8"):
        for other in [name for name in streams if name not in ("bfloat16", "int8")]:
            each = [a / b for a, b in zip(took[other], took[small], strict=True)]
            ratios[f"{other} / {small}"] = {"median": round(median(each), 3), "worst": round(min(each), 3)}
    return {"layer": kind.__name__, "size": size, "microseconds": micro, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=["models", "speed"])
    parser.add_argument("--tasks", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "weights", help="Folder of the models.")
    parser.add_argument("--blocks", type=int, default=400, help="Blocks of 50 steps of each stream.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    path = ROOT / "benchmarks" / "results" / "weights.json"
    result: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    result["command"] = "python benchmarks/recipes/weights.py models speed"
    if "models" in given.parts:
        result["models"] = result.get("models", {}) | {task: judged(task, given.runs) for task in given.tasks}
    if "speed" in given.parts:
        speed = [timed(kind, size, given.blocks) for kind, size in CASES]
        result["speed"] = {"machine": machine(), "blocks": given.blocks, "rows": speed}
    result = {name: value for name, value in result.items() if name not in ("date", "commit")}
    record("weights", result)


if __name__ == "__main__":
    main()
