"""Large tapes are used again: memory fresh from the system costs more, page by page, than what a loop does with it."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from throughtime.engine.compiled.layout import padded

LEAST = 2**25
"""Bytes from which on the C library asks the system each time (glibc's ``DEFAULT_MMAP_THRESHOLD_MAX``)."""

MOST = 2**28
"""Bytes that are kept in all."""

_LOCK = threading.Lock()
_KEPT: list[torch.UntypedStorage] = []
"""Those given back, the latest last."""


def take(like: Tensor, rows: int, width: int) -> Tensor:
    """Room for rows ``[rows, width]``, not filled."""
    stride = padded(like, width)
    size = rows * stride * like.element_size()
    with _LOCK:
        fitting = [i for i, kept in enumerate(_KEPT) if size <= kept.nbytes() <= 2 * size]
        storage = _KEPT.pop(fitting[-1]) if fitting else None
    if storage is None:
        return like.new_empty(rows, stride)[:, :width]
    return like.new_empty(0).set_(storage, 0, (rows, width), (stride, 1))


def give(rows: Tensor) -> None:
    """Takes room back that nobody reads any more."""
    storage = rows.untyped_storage()
    if storage.nbytes() < LEAST:
        return
    with _LOCK:
        _KEPT.append(storage)
        while sum(kept.nbytes() for kept in _KEPT) > MOST:
            _KEPT.pop(0)
