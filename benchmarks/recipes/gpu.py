"""What holds on a GPU, and how fast: one report with the card's name.

    make gpu                                     # any Python with torch, numpy and safetensors
    make gpu PYTHON=python3 OPTIONS="--quick"    # small sizes
    python benchmarks/recipes/gpu.py --device cpu --quick    # the same without a GPU, to see that it runs

Every engine beside the reference on the CPU in double precision, our layers beside ``torch.nn``, ``accelerate``,
resets, ragged batches, CUDA graphs, a minute of training that is broken off and resumed, and times. A part that fails
is told, the rest goes on, and the exit status is 1. The report is ``runs/gpu/<card>.json``.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import json
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import throughtime
from throughtime.bench import commit, machine
from throughtime.cells import CELLS, Cell
from throughtime.data import NOTHING, Streams
from throughtime.engine import BY_NAME, ENGINES, EngineError, Noise, unroll
from throughtime.files import write_text
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.training import Trainer
from throughtime.training.plan import Plan

LENGTHS = (7, 12, 0, 12, 1, 9)
TOLERANCE = {torch.float64: (1e-9, 1e-11), torch.float32: (1e-3, 1e-4)}
MODULES: dict[str, tuple[Any, Any]] = {
    "rnn": (throughtime.RNN, nn.RNN),
    "gru": (throughtime.GRU, nn.GRU),
    "lstm": (throughtime.LSTM, nn.LSTM),
}


class Skipped(Exception):  # noqa: N818
    """What a part needs is not here."""


@dataclass(frozen=True)
class Given:
    """What parts are run with.

    Attributes:
        device: Where.
        quick: Small sizes.
        minutes: Of training.
    """

    device: torch.device
    quick: bool
    minutes: float

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @property
    def engines(self) -> list[str]:
        """Every engine that a call may be served by."""
        return ["auto", *(engine.name for engine in (*ENGINES, *BY_NAME))]

    @property
    def cells(self) -> list[str]:
        """The cells that are compared."""
        return ["lstm"] if self.quick else list(CELLS)


Values = dict[str, Tensor]


def draw(cell: Cell, batch: int, steps: int, dtype: torch.dtype, seed: int = 0) -> Values:
    """Inputs, initial states and parameters by name, on the CPU."""
    source = torch.Generator().manual_seed(seed)
    shapes = {
        "inputs": (batch, steps, cell.input_size),
        **{f"initial {n}": (batch, w) for n, w in cell.widths().items()},
    }
    values = {name: torch.randn(shape, generator=source, dtype=torch.float64) for name, shape in shapes.items()}
    for name, parameter in cell.parameters().items():
        values[name] = torch.randn(parameter.shape, generator=source, dtype=torch.float64) / cell.hidden_size**0.5
    return {name: value.to(dtype) for name, value in values.items()}


def noise_of(cell: Cell, values: Values) -> Noise:
    """Recurrent dropout, and zoneout that is drawn."""
    source, inputs = torch.Generator().manual_seed(5), values["inputs"]
    batch, steps = inputs.shape[:2]
    shapes = {n: (batch, p.shape[1]) for n, p in cell.parameters().items() if p.role == "recurrent"}
    products = {n: (torch.rand(shape, generator=source) < 0.8).to(inputs) / 0.8 for n, shape in shapes.items()}
    widths = cell.widths().items()
    return Noise(products, {n: (torch.rand(batch, steps, w, generator=source) < 0.2).to(inputs) for n, w in widths})


def run(cell: Cell, values: Values, device: torch.device | str, engine: str, **options: Any) -> Values:
    """Outputs, final states, and the gradient of a weighted sum of them by every value; on the CPU."""
    leaves = {name: value.detach().to(device).requires_grad_() for name, value in values.items()}
    parameters = {name: leaves[name] for name in cell.parameters()}
    state = {name: leaves[f"initial {name}"] for name in cell.state}
    if "noise" in options:
        noise: Noise = options["noise"]
        moved = ({n: torch.as_tensor(v).to(device) for n, v in kind.items()} for kind in (noise.products, noise.keep))
        options["noise"] = Noise(*moved)
    outputs, final = unroll(cell, parameters, leaves["inputs"], state=state, engine=engine, **options)
    results = {"outputs": outputs, **{f"final {name}": final[name] for name in cell.state}}
    source = torch.Generator().manual_seed(6)
    weights = [torch.randn(v.shape, generator=source, dtype=torch.float64).to(v) for v in results.values()]
    loss = torch.stack([(value * w).sum() for value, w in zip(results.values(), weights, strict=True)]).sum()
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    gradients = {f"gradient of {name}": value for name, value in zip(leaves, found, strict=True)}
    return {name: value.detach().cpu() for name, value in (results | gradients).items()}


def compare(got: Values, expected: Values, where: str) -> None:
    """Refuses values that differ by more than their number type allows."""
    assert got.keys() == expected.keys(), where
    for name, value in expected.items():
        rtol, atol = TOLERANCE[got[name].dtype]
        told = f"{where}: {name}: {{}}".format
        torch.testing.assert_close(got[name].to(value), value, rtol=rtol, atol=atol, msg=told)


def agreement(given: Given) -> Iterator[str]:
    """Every engine on the device, outputs, states and all gradients, beside the reference on the CPU."""
    calls, refused = dict.fromkeys(given.engines, 0), dict.fromkeys(given.engines, "")
    either = (False, True)
    kinds = product(given.cells, TOLERANCE, product(either, either, either))
    for name, dtype, (reverse, ragged, noisy) in kinds:
        cell = CELLS[name](9, 16)
        values = draw(cell, 6, 12, torch.float64)
        options: dict[str, Any] = {"reverse": reverse, "lengths": torch.tensor(LENGTHS) if ragged else None}
        noise = {"noise": noise_of(cell, values)} if noisy else {}
        expected = run(cell, values, "cpu", "reference", **options, **noise)
        own = {n: value.to(dtype) for n, value in values.items()}
        noise = {"noise": noise_of(cell, own)} if noisy else {}
        for engine in given.engines:
            try:
                got = run(cell, own, given.device, engine, **options, **noise)
            except EngineError as reason:
                refused[engine] = str(reason).partition(": ")[2]
                continue
            compare(got, expected, f"{engine} {name} {dtype} reverse={reverse} ragged={ragged} noisy={noisy}")
            calls[engine] += 1
    for engine, count in calls.items():
        yield f"{engine}: {count} calls agree" + (
            f"; refused, the last time: {refused[engine]}" if refused[engine] else ""
        )


def layers(given: Given) -> Iterator[str]:
    """RNN, GRU and LSTM beside ``torch.nn`` on a ``PackedSequence``, deep and in both directions."""
    for name, (ours, theirs) in MODULES.items():
        torch.manual_seed(0)
        module = theirs(5, 8, num_layers=2, bidirectional=True, batch_first=True).double().to(given.device)
        layer = ours.from_torch(module)
        lengths = torch.tensor([6, 2, 4])
        found = []
        for packed in (False, True):
            x = torch.randn(3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(given.device)
            x.requires_grad_()
            if packed:
                sequence = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
                outputs = pad_packed_sequence(module(sequence)[0], batch_first=True)[0]
            else:
                outputs = layer(x, lengths=lengths)[0]
            torch.autograd.backward(outputs.square().sum())
            assert x.grad is not None
            found.append({"outputs": outputs.detach().cpu(), "gradient": x.grad.cpu()})
        compare(found[0], found[1], name)
    yield f"{', '.join(MODULES)} give what torch.nn gives"


def accelerating(given: Given) -> Iterator[str]:
    """A model before and after ``accelerate``: the same losses over five steps of an optimiser."""
    torch.manual_seed(0)
    first = nn.ModuleList([nn.LSTM(5, 8, 2, batch_first=True), nn.GRU(8, 8, bidirectional=True, batch_first=True)])
    second = copy.deepcopy(first)
    told = throughtime.accelerate(second)
    x = torch.randn(4, 7, 5).to(given.device)
    curves = []
    for model in (first.to(given.device), second.to(given.device)):
        optimiser, losses = torch.optim.SGD(model.parameters(), 0.1), []
        for _ in range(5):
            loss = model[1](model[0](x)[0])[0].square().mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            losses.append(float(loss.detach()))
        curves.append(losses)
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-4)
    yield f"five steps give the same losses; {str(told).splitlines()[0]}"


def resets(given: Given) -> Iterator[str]:
    """Rows that begin anew within a sequence, beside the reference on the CPU."""
    if "resets" not in inspect.signature(unroll).parameters:
        raise Skipped("unroll takes no resets")
    served = 0
    for name, engine in product(given.cells, given.engines):
        cell = CELLS[name](9, 16)
        values = draw(cell, 6, 12, torch.float64)
        flags = torch.rand(6, 12, generator=torch.Generator().manual_seed(2)) < 0.2
        expected = run(cell, values, "cpu", "reference", resets=flags, resets_to="initial")
        try:
            got = run(cell, values, given.device, engine, resets=flags.to(given.device), resets_to="initial")
        except EngineError:
            continue
        compare(got, expected, f"{engine} {name}")
        served += 1
    yield f"{served} calls agree"


def ragged(given: Given) -> Iterator[str]:
    """A row alone and in a batch, with NaN where there is padding."""
    for name in given.cells:
        layer = throughtime.Recurrent(name, 5, 16, 2, bidirectional=True).double().to(given.device)
        x = torch.randn(len(LENGTHS), 12, 5, dtype=torch.float64, device=given.device)
        for row, length in enumerate(LENGTHS):
            x[row, length:] = float("nan")
        outputs, _ = layer(x, lengths=torch.tensor(LENGTHS))
        assert bool(outputs.isfinite().all()), f"{name}: padding reaches the outputs"
        for row, length in enumerate(LENGTHS):
            assert not bool(outputs[row, length:].any()), f"{name}: padding is not zero"
            if length:
                alone, _ = layer(x[row : row + 1, :length])
                compare({"outputs": outputs[row : row + 1, :length].detach()}, {"outputs": alone.detach()}, name)
    yield f"{', '.join(given.cells)}: a row is the same alone and in a batch, padding is never read"


def graphs(given: Given) -> Iterator[str]:
    """CUDA graphs: two layers of one shape, trained for three steps, beside the reference on the same device."""
    losses: dict[str, list[float]] = {}
    for engine in ("reference", "graphs"):
        torch.manual_seed(0)
        layer = throughtime.Recurrent("lstm-peephole", 8, 8, 3, engine=engine).to(given.device)
        x = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(1)).to(given.device)
        optimiser = torch.optim.Adam(layer.parameters())
        losses[engine] = []
        for _ in range(3):
            try:
                loss = layer(x)[0].square().mean()
            except EngineError as reason:
                raise Skipped(str(reason)) from reason
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            losses[engine].append(float(loss.detach()))
    np.testing.assert_allclose(losses["graphs"], losses["reference"], rtol=1e-5)
    yield "three steps of three layers give the reference's losses"


def training(given: Given) -> Iterator[str]:
    """The text task's model on the bytes of this package, broken off half-way and resumed, beside a run in one go."""
    sources = sorted(Path(throughtime.__file__).parent.rglob("*.py"))
    text = np.frombuffer(b"".join(path.read_bytes() for path in sources), np.uint8)
    hidden, rows, cut = (16, 4, 8) if given.quick else (512, 64, 128)
    held = min(len(text) // 10, 20_000)

    def trainer(folder: Path, steps: int) -> Trainer[Any]:
        torch.manual_seed(0)
        config = LanguageModelConfig(vocabulary=256, embedding=32, hidden=hidden, dropout=0.1)
        plan = Plan(steps=steps, schedule="constant")
        source = Streams(text[held:].astype(np.int64), rows, cut, NOTHING)
        return Trainer(LanguageModel(config).to(given.device), source, plan, folder)

    with tempfile.TemporaryDirectory() as made:
        folders = [Path(made) / name for name in ("timed", "whole", "broken off")]
        for folder in folders:
            folder.mkdir()
        trainer(folders[0], 2).run()
        began = time.perf_counter()
        trainer(folders[0], 3).run()
        given.wait()
        a_step = (time.perf_counter() - began) / 3
        steps = max(4, int(30 * given.minutes / a_step))
        whole = trainer(folders[1], steps)
        whole.run()
        trainer(folders[2], steps // 2).run()
        resumed = trainer(folders[2], steps)
        torch.manual_seed(7)  # what a resumed run draws comes from its checkpoint
        resumed.resume()
        assert resumed.progress.step == steps // 2
        resumed.run()
        pairs = list(zip(whole.model.parameters(), resumed.model.parameters(), strict=True))
    same = all(torch.equal(a, b) for a, b in pairs)
    far = max(float((a - b).detach().abs().max()) for a, b in pairs)
    batch = next(Streams(text[:held].astype(np.int64), 4, min(held // 4, 256), NOTHING).batches(0))
    whole.model.eval()
    resumed.model.eval()
    with torch.no_grad():
        losses = [float(each.model.loss(batch, None)[0]) for each in (whole, resumed)]
    rate = rows * cut * steps / whole.progress.seconds
    yield f"{steps} steps at {rate:,.0f} characters/s: {losses[0]:.3f} nats a character on held-out text"
    yield "resumed half-way: " + ("the same bits" if same else f"weights differ by {far:.2g}, {losses[1]:.3f} nats")
    assert same or (given.device.type == "cuda" and abs(losses[0] - losses[1]) < 0.05), "resuming changes the run"


def times(given: Given) -> Iterator[str]:
    """A training step of our layers, of CUDA graphs and of ``torch.nn``, in turns; median milliseconds."""
    batch, steps, hidden, turns = (2, 5, 8, 3) if given.quick else (32, 100, 256, 30)
    for name in ["lstm", "gru", "lstm-peephole", "lstm-layernorm"]:
        runs: dict[str, Any] = {}
        x = torch.randn(batch, steps, hidden, device=given.device)
        for engine in ("auto", "graphs"):
            layer = throughtime.Recurrent(name, hidden, hidden, engine=engine).to(given.device)
            try:
                layer(x)
            except EngineError:
                continue
            runs[engine] = layer
        if name in MODULES:
            runs["torch.nn"] = MODULES[name][1](hidden, hidden, batch_first=True).to(given.device)
        taken: dict[str, list[float]] = {key: [] for key in runs}
        for turn in range(turns + 2):
            for key, layer in runs.items():
                given.wait()
                began = time.perf_counter()
                torch.autograd.backward(layer(x)[0].sum())
                given.wait()
                if turn > 1:
                    taken[key].append(1e3 * (time.perf_counter() - began))
        told = ", ".join(f"{key} {np.median(values):.2f} ms" for key, values in taken.items())
        yield f"{name} B{batch} T{steps} {hidden}→{hidden}: {told}"


PARTS: dict[str, Callable[[Given], Iterator[str]]] = {
    part.__name__: part for part in (agreement, layers, accelerating, resets, ragged, graphs, training, times)
}


def perform(part: Callable[[Given], Iterator[str]], given: Given) -> dict[str, Any]:
    """What a part found, or why it did not."""
    began, lines, status = time.perf_counter(), list[str](), "holds"
    try:
        lines.extend(part(given))
        given.wait()
    except Skipped as reason:
        status, lines = "skipped", [*lines, str(reason)]
    except Exception as error:
        status, lines = "FAILED", [*lines, *traceback.format_exception(error)[-3:]]
    return {"part": part.__name__, "status": status, "seconds": round(time.perf_counter() - began, 1), "lines": lines}


def main(arguments: list[str] | None = None) -> int:
    """Runs the parts and writes the report; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, … or cpu")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--minutes", type=float, default=1.0, help="of training (1)")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="this one alone; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="the report's folder (runs/gpu)")
    asked = parser.parse_args(arguments)
    device = torch.device(asked.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("expected a GPU, and torch.cuda.is_available() is false; pass --device cpu to try the parts without")
        return 2
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    if asked.quick:
        torch.set_num_threads(1)  # threads that share small sizes wait for each other
    given = Given(device, asked.quick, 0.0 if asked.quick else asked.minutes)
    report: dict[str, Any] = {
        "card": card,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "cuda": torch.version.cuda,
        "machine": machine(),
        "quick": asked.quick,
        "parts": [],
    }
    print(f"{card}, torch {torch.__version__}")
    for name in asked.part or PARTS:
        done = perform(PARTS[name], given)
        report["parts"].append(done)
        print(f"{name}: {done['status']} ({done['seconds']} s)")
        print("".join(f"  {line}\n" for line in done["lines"]), end="", flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / f"{re.sub(r'[^a-z0-9]+', '-', card.lower()).strip('-')}.json"
    write_text(path, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    print(f"report: {path}")
    return int(any(done["status"] == "FAILED" for done in report["parts"]))


if __name__ == "__main__":
    sys.exit(main())
