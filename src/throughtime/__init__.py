"""Throughtime: recurrent sequence models in PyTorch.

A cell is written once, as the textbook writes it; everything else is derived from it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from throughtime._version import __version__

if TYPE_CHECKING:
    from throughtime.applications.text_model import TextModel
    from throughtime.cells import CELLS, Cell, find_cell
    from throughtime.engine import EngineError, unroll
    from throughtime.errors import UserError
    from throughtime.layers import GRU, LSTM, RNN, Recurrent, accelerate, decelerate
    from throughtime.models import LanguageModel, LanguageModelConfig

_HOMES = {
    "CELLS": "cells",
    "Cell": "cells",
    "EngineError": "engine",
    "GRU": "layers",
    "LSTM": "layers",
    "LanguageModel": "models",
    "LanguageModelConfig": "models",
    "RNN": "layers",
    "Recurrent": "layers",
    "TextModel": "applications.text_model",
    "UserError": "errors",
    "accelerate": "layers",
    "decelerate": "layers",
    "find_cell": "cells",
    "unroll": "engine",
}

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "EngineError",
    "LanguageModel",
    "LanguageModelConfig",
    "Recurrent",
    "TextModel",
    "UserError",
    "__version__",
    "accelerate",
    "decelerate",
    "find_cell",
    "unroll",
]


def __getattr__(name: str) -> Any:
    # Public names load on first use: the command line answers --help and --version without importing torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'throughtime' has no attribute {name!r}")
    return getattr(importlib.import_module(f"throughtime.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
