"""The machine: what it is, what runs on it, and how fast it multiplies."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import throughtime.bench.timing as timing
from throughtime._version import __version__
from throughtime.engine.compiled.llvm.build import available
from throughtime.engine.compiled.llvm.build import processor as compiled_for
from throughtime.engine.threads import threads


def machine() -> dict[str, Any]:
    """The machine and what runs on it; a package that is not there is None."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "llvmlite": installed("llvmlite"),
        "target": None if available() else compiled_for().name,
        "onnxruntime": installed("onnxruntime"),
        "throughtime": __version__,
    }


def processor() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def installed(package: str) -> str | None:
    """The package's version; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def commit(folder: Path | None = None) -> str | None:
    """The commit of the checkout that this package or ``folder`` is in, marked where ``src`` differs from it.

    Returns:
        None where there is no checkout, as in an installed package.
    """
    root = folder or Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        status = [*git, "status", "--porcelain", "src"]
        changed = subprocess.run(status, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head.stdout.strip()}{' with changes' if changed.stdout else ''}"


def peak_gflops(
    number_of_threads: int, seconds: float = 1.0, sizes: tuple[int, ...] = (512, 1024, 1536, 2048)
) -> float:
    """The largest rate of a float32 matrix product seen, in 10⁹ operations a second.

    Args:
        number_of_threads: Threads that PyTorch computes with.
        seconds: Time for all sizes together; every size is run three times at least.
        sizes: Rows and columns of the square matrices.
    """
    best = 0.0
    with threads(number_of_threads), timing.no_collector(), torch.inference_mode():
        for size in sizes:
            a, b = torch.rand(size, size), torch.rand(size, size)
            out = torch.empty(size, size)
            torch.mm(a, b, out=out)
            began, runs = time.perf_counter(), 0
            while runs < 3 or time.perf_counter() - began < seconds / len(sizes):
                start = time.perf_counter()
                torch.mm(a, b, out=out)
                best = max(best, 2 * size**3 / (time.perf_counter() - start) / 1e9)
                runs += 1
    return timing.rounded(best)
