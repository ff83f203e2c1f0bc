"""The model of a folder: drawn at random, or around the weights that lie in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from throughtime.applications.folder.model_folder import ModelFolder
from throughtime.errors import UserError
from throughtime.models import Model
from throughtime.training import load_model

ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True)
class Weights:
    """Where a model's weights lie.

    Attributes:
        file: Of the best ones.
        checkpoint: Of a training, whose weights are taken where there is no such file; None: they are not.
    """

    file: Path
    checkpoint: Path | None = None

    @classmethod
    def trained(cls, folder: Path, latest: bool = False) -> Weights:
        """The best weights of a model folder; with ``latest`` also those that no validation has seen yet."""
        return cls(folder / "model.safetensors", folder / "checkpoint.safetensors" if latest else None)

    @classmethod
    def going_on(cls, folder: Path) -> Weights | None:
        """Those that a training goes on with; None where it has not begun."""
        checkpoint = folder / "checkpoint.safetensors"
        return cls(checkpoint, checkpoint) if checkpoint.exists() else None


@contextmanager
def drawing_aside(model: torch.nn.Module) -> Iterator[None]:
    """What is drawn at random inside, as by dropout, leaves what is drawn after it as it would be."""
    device = next(model.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def build_model(build: Callable[[], ModelT], weights: Weights | None, device: torch.device, run: ModelFolder) -> ModelT:
    """A model with its weights on a device; where there are none they are drawn.

    Raises:
        UserError: If it cannot be built, or the weights are none of this model's.
    """
    try:
        model = build() if weights is None else load_model(weights.file, build, weights.checkpoint)
        return model.to(device)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: more memory than there is
        reason = str(error).partition("\n")[0]
        where = "" if run.said is None else f"{run.folder / 'config.json'}: "  # else the options say it
        raise UserError(f"{where}the model cannot be built: {reason}") from error
