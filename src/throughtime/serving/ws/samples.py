"""Sound in messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FORMATS: dict[str, np.dtype[Any]] = {"pcm16": np.dtype("<i2"), "float32": np.dtype("<f4")}
"""Of samples."""


def samples_of(message: bytes, form: np.dtype[Any]) -> npt.NDArray[np.float32]:
    r"""Samples in [-1, 1].

    Example:
        >>> samples_of(b"\0\x40", FORMATS["pcm16"]).tolist()
        [0.5]
    """
    samples = np.frombuffer(message, form).astype(np.float32)
    return samples / np.float32(32768) if form.kind == "i" else samples
