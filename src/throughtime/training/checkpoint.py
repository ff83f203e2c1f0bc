"""Weights and checkpoints: safetensors with plain data beside the tensors; loading one runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from throughtime.errors import UserError
from throughtime.files import write_atomically


def save_tensors(path: Path, tensors: Mapping[str, Tensor], data: Mapping[str, Any] | None = None) -> None:
    """Writes tensors and plain data as one file, atomically."""
    owned = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"throughtime": json.dumps(data)} if data is not None else {}
    write_atomically(path, lambda partial: partial.write_bytes(save(owned, metadata)))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what :func:`save_tensors` wrote.

    Raises:
        UserError: If the file is missing, truncated, cannot be read or is no safetensors file.
    """
    try:
        whole = path.read_bytes()  # one read: a running training may put another file in its place
        tensors = load(whole)
        header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
        return tensors, json.loads(header.get("__metadata__", {}).get("throughtime", "{}"))
    except FileNotFoundError as error:
        raise UserError(f"expected the file {path}, which does not exist") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: expected a whole safetensors file; this one is damaged or cut ({error})") from error


def save_weights(path: Path, model: nn.Module) -> None:
    """Writes a model's weights."""
    save_tensors(path, model.state_dict())


def load_weights(path: Path, model: nn.Module, checkpoint: Path | None = None) -> None:
    """Reads weights into a model.

    Args:
        path: A file of :func:`save_weights`.
        model: To fill.
        checkpoint: A training's checkpoint, whose weights are taken where there is no such file yet.

    Raises:
        UserError: If the file is missing or damaged, or holds another model's weights.
    """
    if checkpoint is not None and not path.exists() and checkpoint.exists():
        path = checkpoint
    tensors, _ = load_tensors(path)
    if path == checkpoint:
        tensors = {name.removeprefix("model."): v for name, v in tensors.items() if name.startswith("model.")}
    fill_model(path, model, tensors)


def fill_model(path: Path, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copies tensors into a model's state.

    Raises:
        UserError: If names or shapes are not the model's.
    """
    expected = {name: list(value.shape) for name, value in model.state_dict().items()}
    got = {name: list(value.shape) for name, value in tensors.items()}
    if expected != got:
        differs = sorted(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name))
        name = differs[0]
        raise UserError(
            f"{path}: expected the weights that config.json describes, but {len(differs)} differ, first {name}: "
            f"expected {expected.get(name, 'none')}, got {got.get(name, 'none')}; the folder mixes two models"
        )
    model.load_state_dict(dict(tensors))


def flatten_optimiser(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """An optimiser's state as named tensors and plain data."""
    state = optimiser.state_dict()
    tensors = {
        f"{index}.{name}": value
        for index, values in state["state"].items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }
    return tensors, state["param_groups"]


def fill_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    """The inverse of :func:`flatten_optimiser`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": groups})
