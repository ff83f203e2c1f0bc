"""The recipe of the grid, whose cases and comparison the tests take."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RECIPE = Path(__file__).resolve().parents[2] / "benchmarks" / "recipes" / "onnx_grid.py"


@pytest.fixture(scope="session")
def grid() -> Iterator[Any]:
    """The recipe that holds exported layers against the reference."""
    pytest.importorskip("onnxruntime")
    spec = importlib.util.spec_from_file_location("onnx_grid", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["onnx_grid"] = module  # a dataclass looks its own module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["onnx_grid"]
