"""Room for many rows. Memory fresh from the system costs more, page by page, than what a loop does with it: tapes are
used again, and what is handed out lies in large pages, where the system has them.
"""

from __future__ import annotations

import threading

import numpy as np
import torch
from torch import Tensor

SETS = 4096
"""Bytes after which addresses fall into the same set of a first-level cache."""

LINE = 64
"""Bytes of a cache line."""

LEAST = 2**25
"""Bytes from which on the C library asks the system each time (glibc's ``DEFAULT_MMAP_THRESHOLD_MAX``)."""

MOST = 2**28
"""Bytes that are kept in all."""

_LOCK = threading.Lock()
_KEPT: list[torch.UntypedStorage] = []
"""Those given back, the latest last."""


def padded(like: Tensor, width: int) -> int:
    """Numbers from row to row, so that no few neighbours push each other out of the cache."""
    size = like.element_size()
    return width + (LINE // size if width * size % (SETS // 2) == 0 else 0)


def apart(like: Tensor, rows: int, width: int) -> Tensor:
    """Room for rows ``[rows, width]``, :func:`padded`."""
    stride = padded(like, width)
    if not _is_large(like, rows * stride):
        return like.new_empty_strided((rows, width), (stride, 1))
    return _room(like, rows, stride)[:, :width]


def flat(value: Tensor) -> Tensor:
    """``[T, B, width]`` as rows ``[T * B, width]``; a copy only where it must be one."""
    rows, width = value.shape[0] * value.shape[1], value.shape[2]
    if not _is_large(value, rows * width):
        return value.reshape(rows, width)
    if value.stride(0) == value.shape[1] * value.stride(1) or value.shape[0] == 1 or value.shape[1] == 1:
        return value.reshape(rows, width)
    room = _room(value, rows, width)
    room.view(value.shape).copy_(value)
    return room


def multiplied(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right``."""
    rows, width = left.shape[0], right.shape[1]
    if not _is_large(left, rows * width):
        return torch.mm(left, right)
    return torch.mm(left, right, out=_room(left, rows, width))


def _is_large(like: Tensor, numbers: int) -> bool:
    return numbers * like.element_size() >= LEAST and like.device.type == "cpu"


def _room(like: Tensor, rows: int, stride: int) -> Tensor:
    """Room ``[rows, stride]``, not filled. NumPy asks for large pages, which PyTorch does not."""
    if not _is_large(like, rows * stride):
        return like.new_empty(rows, stride)
    return _laid(like, torch.from_numpy(np.empty(rows * stride * like.element_size() + LINE, np.uint8)), rows, stride)


def _laid(like: Tensor, whole: Tensor, rows: int, stride: int) -> Tensor:
    """Rows from the first cache line on."""
    first = -whole.data_ptr() % LINE
    return whole[first : first + rows * stride * like.element_size()].view(like.dtype).view(rows, stride)


def take(like: Tensor, rows: int, width: int) -> Tensor:
    """Room for rows ``[rows, width]``, not filled."""
    stride = padded(like, width)
    size = rows * stride * like.element_size() + LINE
    if 2 * size < LEAST:
        return like.new_empty_strided((rows, width), (stride, 1))
    with _LOCK:
        fitting = [i for i, kept in enumerate(_KEPT) if size <= kept.nbytes() <= 2 * size]
        storage = _KEPT.pop(fitting[-1]) if fitting else None
    if storage is None:
        return _room(like, rows, stride)[:, :width]
    whole = torch.empty(0, dtype=torch.uint8).set_(storage)
    return _laid(like, whole, rows, stride)[:, :width]


def give(rows: Tensor) -> None:
    """Takes room back that nobody reads any more."""
    if 2 * rows.shape[0] * rows.stride(0) * rows.element_size() < LEAST:
        return
    storage = rows.untyped_storage()
    if storage.nbytes() < LEAST:
        return
    with _LOCK:
        _KEPT.append(storage)
        while sum(kept.nbytes() for kept in _KEPT) > MOST:
            _KEPT.pop(0)
