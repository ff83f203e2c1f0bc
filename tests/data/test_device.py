"""What a batch holds goes to a GPU by pinned memory, in every model; where there is none, a stand-in notes copies."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import throughtime
from sources import parsed
from throughtime.data.device import onto

ROOT = Path(throughtime.__file__).parent
CPU, GPU = torch.device("cpu"), torch.device("cuda:1")


@pytest.mark.parametrize(
    ("origin", "device", "expected"),
    [("cpu", GPU, ["pinned", (GPU, True)]), ("cpu", CPU, [(CPU, False)]), ("meta", GPU, [(GPU, False)])],
)
def test_a_copy_to_a_gpu_does_not_wait(
    origin: str, device: torch.device, expected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []

    def pin_memory(values: Tensor) -> Tensor:
        done.append("pinned")
        return values

    def to(values: Tensor, where: torch.device, non_blocking: bool = False) -> Tensor:
        done.append((where, non_blocking))
        return values

    values = torch.ones(2, device=origin)
    monkeypatch.setattr(Tensor, "pin_memory", pin_memory)
    monkeypatch.setattr(Tensor, "to", to)
    assert onto(values, device) is values
    assert done == expected


def test_no_model_copies_otherwise() -> None:
    others = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for file in [*(ROOT / "models").rglob("*.py"), ROOT / "data" / "batches.py"]
        for node in ast.walk(parsed(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "to"
        if any(ast.unparse(given).endswith("device") for given in node.args)
    ]
    assert others == []
