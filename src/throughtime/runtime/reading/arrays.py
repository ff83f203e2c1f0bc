"""Arrays that NumPy wrote."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError
from throughtime.plain import open_regular

ONE = ".npy"
"""The suffix of a file of one array."""

ARRAYS = (ONE, ".npz")
"""Suffixes of files of arrays."""


def array_of(item: Any) -> Any:
    """An input as it is; of the path of a ``.npy`` file the array in it.

    Raises:
        UserError: If there is no array in the file.

    Example:
        >>> array_of([1, 2])
        [1, 2]
    """
    if not isinstance(item, str | Path) or Path(item).suffix.lower() != ONE:
        return item
    return next(iter(read_arrays(Path(item)).values()))


BROKEN = (
    ValueError,
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zlib.error,
    zipfile.BadZipFile,
)
"""What NumPy raises of files that are damaged; it reads headings as Python does."""


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a ``.npy`` or ``.npz`` file by their names; that of a ``.npy`` file is called ``arr_0``, too.

    Raises:
        UserError: If it holds none.
    """
    with open_regular(path) as file:
        try:
            read = np.load(file, allow_pickle=False)
            return dict(read) if isinstance(read, Mapping) else {"arr_0": read}
        except BROKEN as error:
            raise UserError(f"{path}: expected arrays that NumPy wrote, got a file that is none ({error})") from error
