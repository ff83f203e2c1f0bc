"""What a checkpoint must hold: everything is checked before anything is taken over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from throughtime.training.checkpoint import Form
from throughtime.training.plan import Progress

LARGEST = 2**62
"""Of a count."""

STATE = {
    torch.optim.Adam: ("step", "exp_avg", "exp_avg_sq"),
    torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"),
    torch.optim.SGD: ("momentum_buffer",),
}
"""What each optimiser remembers of a parameter."""


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


def fill_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], groups: Any) -> None:
    """The inverse of :func:`flatten_optimiser`.

    Raises:
        ValueError: If it is not the state of such an optimiser of such parameters.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    names = STATE[type(optimiser)]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        if not (index.isdecimal() and len(index) < 9 and int(index) < len(parameters) and name in names):
            raise ValueError(f"the optimiser remembers nothing of the name {key!r}")
        parameter = parameters[int(index)]
        form = Form((), torch.float32) if name == "step" else Form.of(parameter)
        if Form.of(value) != form:
            raise ValueError(f"optimiser.{key}: expected {form}, got {Form.of(value)}")
        if value.isnan().any() or (name == "step" and not 0 <= float(value) < LARGEST):
            raise ValueError(f"optimiser.{key}: expected numbers, got NaN, or a step that is no count")
        state.setdefault(int(index), {})[name] = value
    for number, values in state.items():
        if len(values) < len(names):
            raise ValueError(f"the optimiser's state of parameter {number} lacks {set(names) - values.keys()}")
    own = optimiser.state_dict()["param_groups"]
    if not isinstance(groups, list) or len(groups) != len(own):
        raise ValueError(f"expected {len(own)} groups of parameters")
    kept = [_group(mine, group) for mine, group in zip(own, groups, strict=True)]
    optimiser.load_state_dict({"state": state, "param_groups": kept})


def _group(own: Mapping[str, Any], group: Any) -> dict[str, Any]:
    """A group's numbers, of the kinds that the optimiser's own have; what it does not know is left out."""
    if not isinstance(group, dict):
        raise ValueError(f"expected a group of parameters, got {group!r}")
    kept = {}
    for name, mine in own.items():
        value = group.get(name, mine)
        if name == "params" or mine is None or isinstance(mine, bool):
            right = type(value) is type(mine) and value == mine
        elif isinstance(mine, tuple | list):
            right = isinstance(value, tuple | list) and len(value) == len(mine)
            right = right and all(_number(member) and 0 <= member < 1 for member in value)
        else:
            right = _number(value)
        if not right:
            raise ValueError(f"groups: {name}: expected {mine!r} or another of its kind, got {value!r}")
        kept[name] = value
    return kept


def read_progress(data: Any) -> Progress:
    """Where a run stands.

    Raises:
        ValueError: If a member is of another type, or out of range.
        TypeError: If there is one that is not known.
    """
    if not isinstance(data, dict):
        raise ValueError(f"expected where the run stands, got {data!r}")
    progress = Progress(**data)
    for field in fields(Progress):
        value = getattr(progress, field.name)
        if field.type == "int":
            right = is_count(value)
        elif field.name == "best":  # infinite until there is one
            right = _number(value) or value == math.inf
        elif field.type == "float":
            right = _number(value) and value >= 0
        elif field.type == "str":
            right = isinstance(value, str)
        else:
            right = isinstance(value, dict) and all(type(member) in (int, float) for member in value.values())
        if not right:
            raise ValueError(f"progress: {field.name}: got {value!r}")
    return progress


def is_count(value: Any) -> bool:
    """Whether something is a whole number from zero on."""
    return type(value) is int and 0 <= value < LARGEST


def read_clipper(data: Any) -> tuple[int, int]:
    """Steps, and how many of them were clipped.

    Raises:
        ValueError: If it is not two such counts.
    """
    if not (isinstance(data, list) and len(data) == 2 and all(map(is_count, data)) and data[1] <= data[0]):
        raise ValueError(f"clipper: expected steps and how many of them were clipped, got {data!r}")
    return data[0], data[1]


def check_means(count: Any, means: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> None:
    """Refuses averages of other weights.

    Raises:
        ValueError: If there are some.
    """
    if not is_count(count) or bool(means) != (count > 0):
        raise ValueError(f"averaged: expected how many weights the averages are of, got {count!r}")
    forms = [{name: Form.of(value) for name, value in tensors.items()} for tensors in (means, parameters)]
    if means and forms[0] != forms[1]:
        raise ValueError("the averages are of other weights than the model's")


def check_random(state: Tensor, own: Tensor) -> None:
    """Refuses what is no state of PyTorch's generator.

    Raises:
        ValueError: If it is none.
    """
    if Form.of(state) != Form.of(own):
        raise ValueError(f"random: expected {Form.of(own)}, got {Form.of(state)}")


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
