"""What can only be measured in a process of its own: ``python -m throughtime.bench.measures.probe REQUEST``.

A request is JSON: ``kind`` (``memory`` or ``start``), ``cell``, ``engine``, ``peer``, sizes, ``seed``. The answer is
a number in the last line of standard output.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch

from throughtime.bench.measures.training import make_step
from throughtime.bench.peers import make_layer, make_peer

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def memory(request: dict[str, Any]) -> float:
    """Megabytes (10⁶) that a training step takes at its height beyond weights, inputs and a step of tiny size."""
    layer = _module(request)
    batch, steps, k = request["batch"], request["time"], request["input"]
    x = torch.randn(batch, steps, k, requires_grad=True)
    gradient = torch.randn(batch, steps, request["hidden"])
    tiny = make_step(layer, torch.randn(1, 2, k, requires_grad=True), torch.randn(1, 2, request["hidden"]))
    tiny()
    tiny.reset()
    step = make_step(layer, x, gradient)
    before = reset_mark()
    step()
    return (mark() - before) / 1e6


def start(request: dict[str, Any]) -> float:
    """Seconds that the first training step of this process takes beyond the second."""
    # PyTorch's own first time is not the cell's: given a gradient, its backward imports half a second of modules.
    torch.autograd.backward(torch.nn.Linear(2, 2)(torch.ones(1, 2)), torch.ones(1, 2))
    layer = _module(request)
    x = torch.randn(request["batch"], request["time"], request["input"], requires_grad=True)
    step = make_step(layer, x, torch.randn(request["batch"], request["time"], request["hidden"]))
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
        step.reset()
    return max(0.0, seconds[0] - seconds[1])


def _module(request: dict[str, Any]) -> torch.nn.Module:
    torch.manual_seed(request["seed"])
    torch.set_num_threads(request["threads"])
    layer = make_layer(request["cell"], request["input"], request["hidden"], request["engine"])
    return make_peer(layer) if request["peer"] else layer


def reset_mark() -> int:
    """Lowers the high-water mark of the resident memory to what is resident now; where it stands, in bytes."""
    try:
        CLEAR.write_text("5")
    except OSError:  # not Linux, or not allowed: the mark stays where the start of the process left it
        return mark()
    return mark()


def mark() -> int:
    """The most memory that was resident since the mark was lowered, in bytes."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Answers one request."""
    request = json.loads(sys.argv[1])
    print({"memory": memory, "start": start}[request["kind"]](request))


if __name__ == "__main__":
    main()
