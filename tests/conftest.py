"""What holds for every test."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

# Sizes here are small: more threads only wait for each other, all the more beside a second worker.
torch.set_num_threads(1)

# What is remembered of a user must not meet what tests do.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="throughtime-tests-")

RECIPES = Path(__file__).resolve().parents[1] / "benchmarks" / "recipes"


@pytest.fixture(scope="session")
def stick_figures() -> Any:
    """The recipe that draws and encodes videos."""
    pytest.importorskip("av")
    spec = importlib.util.spec_from_file_location("stick_figures", RECIPES / "stick_figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["stick_figures"] = module  # a dataclass looks its own module up
    spec.loader.exec_module(module)
    return module
