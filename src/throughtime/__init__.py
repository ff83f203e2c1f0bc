"""Throughtime: recurrent sequence models in PyTorch.

Train a model of a task, judge it, use it::

    run = throughtime.train("sentiment", "reviews.csv", out="runs/reviews", minutes=2)
    print(run.evaluate("held-out.csv"))
    throughtime.load("runs/reviews").predict(["a fine film", "a waste"])

- ``train`` and ``load`` give a ``Run``: ``predict``, ``evaluate``, ``sample``, ``score``, ``stream``, ``inspect``,
  ``resume``, ``save``, ``model``, ``settings``, ``history``. What it finds is a ``Prediction`` or a ``Report``.
- ``train(…, folds=10)`` gives a ``CrossValidation``: a run for every fold, their figures' mean and spread.
- ``Predictor`` is a trained model that other processes and machines call on batches: it pickles small.
- ``UserError`` says in a line what to mend; ``TrainingDivergedError`` that a training broke off.
- ``RNN``, ``GRU``, ``LSTM`` stand in for those of ``torch.nn``; ``Recurrent`` is a stack of any cell; ``accelerate``
  replaces the layers of a model of yours, ``decelerate`` puts them back.
- ``Cell`` is what a cell of your own is written on, as the textbook writes it; everything else is derived from it.
  ``CELLS`` and ``find_cell`` give those that there are, ``unroll`` runs one over a sequence.
- ``LanguageModel`` is a model of tokens, ``TextModel`` a trained one with its tokenizer.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from throughtime._version import __version__

if TYPE_CHECKING:
    from throughtime.api import CrossValidation, Predictor, Run, load, train
    from throughtime.applications.prediction import Prediction
    from throughtime.applications.task import Report
    from throughtime.applications.text_model import TextModel
    from throughtime.cells import CELLS, Cell, find_cell
    from throughtime.engine import EngineError, unroll
    from throughtime.errors import UserError
    from throughtime.layers import GRU, LSTM, RNN, Recurrent, accelerate, decelerate
    from throughtime.models import LanguageModel, LanguageModelConfig
    from throughtime.training import TrainingDivergedError

_HOMES = {
    "CELLS": "cells",
    "Cell": "cells",
    "CrossValidation": "api",
    "EngineError": "engine",
    "GRU": "layers",
    "LSTM": "layers",
    "LanguageModel": "models",
    "LanguageModelConfig": "models",
    "Prediction": "applications.prediction",
    "Predictor": "api",
    "RNN": "layers",
    "Recurrent": "layers",
    "Report": "applications.task",
    "Run": "api",
    "TextModel": "applications.text_model",
    "TrainingDivergedError": "training",
    "UserError": "errors",
    "accelerate": "layers",
    "decelerate": "layers",
    "find_cell": "cells",
    "load": "api",
    "train": "api",
    "unroll": "engine",
}

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "CrossValidation",
    "EngineError",
    "LanguageModel",
    "LanguageModelConfig",
    "Prediction",
    "Predictor",
    "Recurrent",
    "Report",
    "Run",
    "TextModel",
    "TrainingDivergedError",
    "UserError",
    "__version__",
    "accelerate",
    "decelerate",
    "find_cell",
    "load",
    "train",
    "unroll",
]


def __getattr__(name: str) -> Any:
    # Names and rooms load on first use: the command line answers --help and --version without importing torch.
    if name in _rooms():
        return _imported(name, name)
    if name not in _HOMES:
        from throughtime.errors import nearest

        raise AttributeError(f"module 'throughtime' has no attribute {name!r}{nearest(name, [*_HOMES, *_rooms()])}")
    return getattr(_imported(_HOMES[name], name), name)


def _imported(module: str, name: str) -> Any:
    """A module of ours; without the libraries of training the error says in a line how to get them."""
    try:
        return importlib.import_module(f"throughtime.{module}")
    except ModuleNotFoundError as error:
        from throughtime.extras import training_lacks

        lacks = training_lacks(f"throughtime.{name}")
        if lacks is None or error.name is None or error.name.startswith("throughtime"):
            raise
        raise ModuleNotFoundError(lacks, name=error.name) from None


@functools.cache
def _rooms() -> list[str]:
    return [found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_")]


def __dir__() -> list[str]:
    return sorted(__all__)
