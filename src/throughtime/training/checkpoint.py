"""Weights and checkpoints: safetensors with plain data beside the tensors; loading one runs no code.

What a file says of itself is read, and compared with what is expected, before its tensors are.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from throughtime.errors import UserError
from throughtime.files import write_chunks
from throughtime.plain import open_regular, parse_object

LARGEST_HEADER = 16 * 2**20
"""Bytes of names, shapes and plain data: more than a hundred thousand tensors."""

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""What a file calls them."""


@dataclass(frozen=True)
class Form:
    """What is known of a tensor without its values.

    Attributes:
        shape: Its size.
        dtype: Of its numbers.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> Form:
        """A tensor's."""
        return cls(tuple(tensor.shape), tensor.dtype)

    def __str__(self) -> str:
        kind = "" if self.dtype is torch.float32 else f" of {str(self.dtype).removeprefix('torch.')}"
        return f"{list(self.shape)}{kind}"


class TensorFile:
    """An open file of :func:`save_tensors`, of which only the header is read yet.

    Attributes:
        path: Where it lies.
        forms: Of its tensors, by name.
        data: What stands beside them.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self._file = path, file
        size = int.from_bytes(file.read(8), "little")
        if size > LARGEST_HEADER:
            raise self._damaged(f"a header of {size:,} bytes")
        self._header = file.read(size)
        if len(self._header) < max(2, size):
            raise self._damaged("it ends within its header")
        where = f"{path}: expected a whole safetensors file; this one is damaged or cut: header"
        try:
            header = parse_object(self._header.decode("utf-8"), where)
        except UnicodeDecodeError as error:
            raise self._damaged("its header is no text") from error
        metadata = header.pop("__metadata__", {})
        text = metadata.get("throughtime", "{}") if isinstance(metadata, dict) else None
        if not isinstance(text, str):
            raise self._damaged("what stands beside its tensors is no text")
        self.data = parse_object(text, where, constants=True)
        self.forms = {name: self._form(name, value) for name, value in header.items()}
        said = sum(math.prod(form.shape) * form.dtype.itemsize for form in self.forms.values())
        there = os.fstat(file.fileno()).st_size - 8 - size
        if said != there:
            raise self._damaged(f"its tensors take {said:,} bytes, and {there:,} are there")

    def load(self) -> dict[str, Tensor]:
        """All of its tensors.

        Raises:
            UserError: If the file is cut, or its parts do not fit together.
        """
        whole = len(self._header).to_bytes(8, "little") + self._header + self._file.read()
        try:
            tensors = load(whole)
        except (SafetensorError, ValueError, KeyError) as error:  # of a dtype that PyTorch does not know
            raise self._damaged(str(error)) from error
        if {name: Form.of(tensor) for name, tensor in tensors.items()} != self.forms:
            raise self._damaged("its header names a tensor twice")
        return tensors

    def _form(self, name: str, value: Any) -> Form:
        shape, dtype = (value.get("shape"), value.get("dtype")) if isinstance(value, dict) else (None, None)
        if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
            raise self._damaged(f"tensor {name!r} has no shape")
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise self._damaged(f"tensor {name!r} is of unknown kind {dtype!r}")
        return Form(tuple(shape), DTYPES[dtype])

    def _damaged(self, why: str) -> UserError:
        return UserError(f"{self.path}: expected a whole safetensors file; this one is damaged or cut ({why})")


@contextmanager
def open_tensors(path: str | Path) -> Iterator[TensorFile]:
    """A file of :func:`save_tensors`; one and the same, also where a running training replaces it meanwhile.

    Raises:
        UserError: If it is missing, damaged, or no safetensors file.
    """
    path = Path(path)
    with open_regular(path) as file:
        yield TensorFile(path, file)


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what :func:`save_tensors` wrote.

    Raises:
        UserError: If the file is missing, truncated, cannot be read or is no safetensors file.
    """
    with open_tensors(path) as file:
        return file.load(), file.data


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], data: Mapping[str, Any] | None = None) -> None:
    """Writes tensors and plain data as one file, atomically."""
    path = Path(path)
    owned = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"throughtime": json.dumps(data)} if data is not None else {}
    write_chunks(path, [save(owned, metadata)])


def save_weights(path: str | Path, model: nn.Module, temperature: float = 1.0) -> None:
    """Writes a model's weights, and the temperature that goes with them; without one it is 1."""
    save_tensors(path, model.state_dict(), None if temperature == 1.0 else {"temperature": temperature})


def forms_of(tensors: Mapping[str, Tensor]) -> dict[str, Form]:
    """The form of each tensor."""
    return {name: Form.of(value) for name, value in tensors.items()}


def check_forms(path: Path, expected: Mapping[str, Form], got: Mapping[str, Form], what: str) -> None:
    """Compares what a file holds with what it must hold.

    Raises:
        UserError: If names, shapes or dtypes differ; names the first.
    """
    if differs := sorted(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name)):
        name = differs[0]
        raise UserError(
            f"{path}: expected the {what}, but {len(differs)} differ, first {name}: "
            f"expected {expected.get(name, 'none')}, got {got.get(name, 'none')}; the folder mixes two models"
        )


def check_numbers(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuses tensors with infinite numbers, or such as are none.

    Raises:
        UserError: If there are any; names the first tensor.
    """
    bad = [name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        value = tensors[bad[0]]
        count, others = value.numel() - int(value.isfinite().sum()), len(bad) - 1
        more = f", and some in {others} more" if others else ""
        raise UserError(
            f"{path}: expected finite numbers, got {count:,} of {value.numel():,} in {bad[0]} that are NaN or infinite"
            f"{more}; the file is damaged, or its training diverged"
        )
