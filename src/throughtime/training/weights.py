"""A model's weights on disk: a model of a file takes no more memory than the file."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from throughtime.errors import UserError
from throughtime.models import Model
from throughtime.training.calibration import read_temperature
from throughtime.training.checkpoint import Form, check_forms, check_numbers, forms_of, open_tensors

ModelT = TypeVar("ModelT", bound=nn.Module)

WEIGHTS = "weights that config.json describes"
"""What an error calls a model's tensors."""

PREFIX = "model."
"""Of a model's tensors among those of a checkpoint."""

SLACK = 2
"""How often a parameter may be made: a module may replace one."""


def load_model(path: str | Path, build: Callable[[], ModelT], checkpoint: str | Path | None = None) -> ModelT:
    """Builds a model around the weights of a file.

    The model is built without memory for its weights first, and compared with the file's header. Start values are not
    drawn, and PyTorch's own generator stays where it is.

    Args:
        path: A file of :func:`save_weights`.
        build: Makes the model.
        checkpoint: A training's checkpoint, whose weights are taken where there is no such file yet.

    Raises:
        UserError: If the file is missing or damaged, or holds another model's weights.
    """
    path, checkpoint = Path(path), None if checkpoint is None else Path(checkpoint)
    if checkpoint is not None and not path.exists() and checkpoint.exists():
        path = checkpoint
    with open_tensors(path) as file, torch.random.fork_rng(devices=[]):
        prefix = PREFIX if path == checkpoint else ""
        forms = {name.removeprefix(prefix): form for name, form in file.forms.items() if name.startswith(prefix)}
        model = _sketch(path, build, forms)
        temperature = 1.0 if prefix else read_temperature(path, file.data)
        tensors = file.load()
    tensors = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    check_numbers(path, tensors)
    model.load_state_dict(tensors, assign=any(value.is_meta for value in model.parameters()))
    if isinstance(model, Model):
        model.temperature = temperature
    return model


def load_weights(path: str | Path, model: nn.Module) -> None:
    """Reads weights into a model.

    Raises:
        UserError: If the file is missing or damaged, or holds another model's weights.
    """
    path = Path(path)
    with open_tensors(path) as file:
        check_forms(path, forms_of(model.state_dict()), file.forms, WEIGHTS)
        temperature = read_temperature(path, file.data)
        tensors = file.load()
    check_numbers(path, tensors)
    model.load_state_dict(tensors)
    if isinstance(model, Model):
        model.temperature = temperature


def _sketch(path: Path, build: Callable[[], ModelT], forms: Mapping[str, Form]) -> ModelT:
    """A model whose weights have the forms of a file's, but no memory; with start values where it needs them."""
    try:
        with torch.device("meta"), _bounded(path, forms):
            model = build()
    except RuntimeError:  # code of the user's own that looks at values; whatever else is wrong comes again
        with _bounded(path, forms):
            model = build()
    check_forms(path, forms_of(model.state_dict()), forms, WEIGHTS)
    return build() if _needs_values(model) else model


def _needs_values(model: nn.Module) -> bool:
    """Whether a model on the meta device holds buffers that no file does."""
    stored = model.state_dict()
    return any(value.is_meta and name not in stored for name, value in model.named_buffers())


@contextmanager
def _bounded(path: Path, forms: Mapping[str, Form]) -> Iterator[None]:
    """Ends the building of a model once it has more weights than a file."""
    most = SLACK * len(forms), SLACK * sum(math.prod(form.shape) for form in forms.values())
    here, made = threading.get_ident(), [0, 0]

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is None or threading.get_ident() != here:
            return
        made[0] += 1
        made[1] += parameter.numel()
        if made[0] > most[0] or made[1] > most[1]:
            raise UserError(
                f"{path}: expected the {WEIGHTS}, which are more than the {len(forms)} tensors of this file; the "
                "folder mixes two models"
            )

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
