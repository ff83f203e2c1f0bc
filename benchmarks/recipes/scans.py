"""Training a cell whose steps do not wait for products: tokens a second against the number of steps.

    python benchmarks/recipes/scans.py                # hidden 512, one thread
    python benchmarks/recipes/scans.py --steps 100 1000 --seconds 10
    python benchmarks/recipes/scans.py --bound --threads 2   # ours and what bounds it alone

In turns, each a training step (forward and backward, gradients for inputs and weights) on the same batch: our minGRU
and our GRU on the compiled engine; the minGRU as a loop over time in PyTorch's operations, its products taken
beforehand; the same by a scan in log space, as the paper's appendix has it. The three products that such a step is
bound by are timed alone beside them. ``differs_at_most_by`` tells what a scan in log space loses: its sums grow with
the number of steps. Writes ``benchmarks/results/scans.json``; with ``--bound``, which leaves PyTorch's loops out,
adds to the rows of ``benchmarks/results/scans-bound.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import torch
from record import ROOT, machine, record
from torch import Tensor
from torch.nn import functional as F

from throughtime import Recurrent
from throughtime.bench.measures.training import Step
from throughtime.bench.timing import interleave, ratios, summarise, timed
from throughtime.engine.threads import threads

STEPS = (100, 1_000, 10_000, 100_000)
SLOW = 20.0
"""Seconds of one step from which on it is measured once."""


def parts(layer: Recurrent, x: Tensor) -> tuple[Tensor, Tensor]:
    """The gate before its sigmoid, and the candidate before the paper's g, of all steps."""
    weights = dict(layer.named_parameters())
    gate, candidate = F.linear(x, weights["cells.0.W_x"], weights["cells.0.b"]).chunk(2, -1)
    return gate, candidate


def looped(layer: Recurrent, x: Tensor) -> Tensor:
    """The minGRU as a loop over time in PyTorch's operations."""
    gate, candidate = parts(layer, x)
    take = torch.sigmoid(gate)
    new = take * torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))
    hidden, found = x.new_zeros(len(x), new.shape[2]), []
    for kept, taken in zip((1 - take).unbind(1), new.unbind(1), strict=True):
        hidden = kept * hidden + taken
        found.append(hidden)
    return torch.stack(found, 1)


def scanned(layer: Recurrent, x: Tensor) -> Tensor:
    """The minGRU by a scan in log space (Feng et al. 2024, appendix B; Heinsen 2023, arXiv:2311.06281)."""
    gate, candidate = parts(layer, x)
    candidate = torch.where(candidate >= 0, (F.relu(candidate) + 0.5).log(), -F.softplus(-candidate))
    kept = (-F.softplus(gate)).cumsum(1)
    return (kept + (candidate - F.softplus(-gate) - kept).logcumsumexp(1)).exp()


def products(layer: Recurrent, x: Tensor) -> Callable[[], None]:
    """The products of a training step alone: the parts, and the gradients of inputs and weights."""
    weight = dict(layer.named_parameters())["cells.0.W_x"].detach()
    rows = x.detach().flatten(0, 1)
    gradient = torch.randn(len(rows), len(weight))

    def multiply() -> None:
        torch.mm(rows, weight.t())
        torch.mm(gradient, weight)
        torch.mm(gradient.t(), rows)

    return multiply


def measure(steps: int, hidden: int, seconds: float, bound: bool) -> dict[str, Any]:
    """A row of the table; with ``bound`` of our cells alone."""
    batch = max(1, min(8, 80_000 // steps))
    torch.manual_seed(0)
    ours = Recurrent("mingru", hidden, hidden, candidate="positive", engine="compiled")
    gru = Recurrent("gru", hidden, hidden, engine="compiled")
    x = torch.randn(batch, steps, hidden, requires_grad=True)
    forwards: dict[str, tuple[Recurrent, Callable[[], Tensor]]] = {
        "minGRU": (ours, lambda: ours(x)[0]),
        "GRU": (gru, lambda: gru(x)[0]),
    }
    others: dict[str, Callable[[], Tensor]] = {
        "minGRU, a loop in PyTorch": lambda: looped(ours, x),
        "minGRU, a scan in log space": lambda: scanned(ours, x),
    }
    differs = {}
    if not bound:
        forwards |= {name: (ours, forward) for name, forward in others.items()}
        with torch.no_grad():
            expected = forwards["minGRU"][1]()
            differs = {name: float((forward() - expected).abs().max()) for name, forward in others.items()}
        assert differs["minGRU, a loop in PyTorch"] < 1e-3, differs
    gradient = torch.randn(batch, steps, hidden)
    runs = {
        name: Step(forward, [x, *layer.parameters()], gradient).measured()
        for name, (layer, forward) in forwards.items()
    }
    runs["its products alone"] = timed(products(ours, x))
    found = interleave(runs, seconds, slow=SLOW)
    own = found["minGRU"]
    return {
        "steps": steps,
        "batch": batch,
        "hidden": hidden,
        "threads": torch.get_num_threads(),
        "differs_at_most_by": differs,
        "tokens_per_s": {
            name: summarise([steps * batch / value for value in values]) for name, values in found.items()
        },
        "times_as_fast_as": {
            name: summarise(ratios(own, values)) for name, values in found.items() if name != "minGRU"
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Cells whose steps do not wait for products.")
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0, help="For a row.")
    parser.add_argument("--bound", action="store_true", help="Our cells and their products alone.")
    given = parser.parse_args()
    name = "scans-bound" if given.bound else "scans"
    path, before, rows = ROOT / "benchmarks" / "results" / f"{name}.json", machine(), []
    if given.bound and path.exists():
        measured = [(given.threads, steps) for steps in given.steps]
        known = json.loads(path.read_text(encoding="utf-8"))["rows"]
        rows = [row for row in known if (row["threads"], row["steps"]) not in measured]
    with threads(given.threads):
        for steps in given.steps:
            rows.append(measure(steps, given.hidden, given.seconds, given.bound))
            print(rows[-1], flush=True)
    command = f"python benchmarks/recipes/scans.py --hidden {given.hidden} --threads {given.threads}"
    command += " --bound" if given.bound else ""
    result = {"command": f"{command} --seconds {given.seconds:g}", "machine": before, "rows": rows}
    print(f"recorded in {record(name, result)}")


if __name__ == "__main__":
    main()
