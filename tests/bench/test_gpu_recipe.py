"""The report on a GPU runs with torch, numpy and safetensors alone, here on the CPU; a part that fails is told."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import throughtime

RECIPES = Path(__file__).resolve().parents[2] / "benchmarks" / "recipes"
SOURCE = Path(throughtime.__file__).parents[1]

ALONE = """
import importlib.machinery, sys

# torch's own needs: typing_extensions, sympy (mpmath), networkx, jinja2 (markupsafe), filelock, fsspec
THERE = {"torch", "torchgen", "functorch", "numpy", "safetensors", "typing_extensions", "sympy", "mpmath", "networkx",
         "jinja2", "markupsafe", "filelock", "fsspec", "throughtime", "gpu", *sys.stdlib_module_names}

class Bare(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        there = name[0] == "_" or name.partition(".")[0] in THERE  # Python's own names that no list has
        return super().find_spec(name, path, target) if there else None

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Bare
import gpu
given = ["--device", "cpu", "--quick", "--out", sys.argv[1]]
status = gpu.main(given)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"pydantic", "rich", "click", "regex", "llvmlite"}))
sys.exit(status)
"""


def test_it_needs_torch_numpy_and_safetensors_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{SOURCE}:{RECIPES}", "PATH": ""},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.endswith("[]\n")
    report = json.loads((tmp_path / "cpu.json").read_text())
    parts = {part["part"]: part for part in report["parts"]}
    assert {name for name, part in parts.items() if part["status"] == "FAILED"} == set()
    assert {"agreement", "layers", "accelerating", "ragged", "training", "times"} <= {
        name for name, part in parts.items() if part["status"] == "holds"
    }
    assert parts["graphs"]["status"] == "skipped"
    assert "CUDA graphs run on a GPU, and the call's tensors are on cpu" in parts["graphs"]["lines"][0]
    assert any("llvmlite is not installed" in line for line in parts["agreement"]["lines"])
    assert "resumed half-way: the same bits" in parts["training"]["lines"]
    assert report["card"] == "cpu"
    assert report["machine"]["target"] is None


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(RECIPES))
    yield importlib.import_module("gpu")
    sys.modules.pop("gpu")


def test_a_part_that_fails_is_told_and_the_rest_goes_on(
    gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(given: Any) -> Iterator[str]:
        yield "as far as here"
        raise ValueError("no such luck")

    def stands(given: Any) -> Iterator[str]:
        yield "well"

    monkeypatch.setattr(gpu, "PARTS", {"breaks": breaks, "stands": stands})
    assert gpu.main(["--device", "cpu", "--out", str(tmp_path)]) == 1
    first, second = json.loads((tmp_path / "cpu.json").read_text())["parts"]
    assert (first["status"], first["lines"][0]) == ("FAILED", "as far as here")
    assert "ValueError: no such luck" in first["lines"][-1]
    assert (second["status"], second["lines"]) == ("holds", ["well"])
    assert "breaks: FAILED" in capsys.readouterr().out


def test_values_that_differ_fail(gpu: Any) -> None:
    torch = gpu.torch
    one = {"outputs": torch.ones(2, dtype=torch.float64)}
    gpu.compare(one, {"outputs": torch.ones(2, dtype=torch.float64) + 1e-12}, "here")
    with pytest.raises(AssertionError, match="here: outputs"):
        gpu.compare(one, {"outputs": torch.ones(2, dtype=torch.float64) + 1e-6}, "here")


def test_without_a_gpu_a_line_says_so(gpu: Any, capsys: pytest.CaptureFixture[str]) -> None:
    if gpu.torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert gpu.main([]) == 2
    assert "pass --device cpu" in capsys.readouterr().out
