"""Cells of matrices from MATLAB files up to version 7.2, read within the bounds of the file.

The format is MathWorks' "MAT-File Level 5". What it can say beyond cells of real matrices is refused: nothing here
trusts a count before the bytes are there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError
from throughtime.plain import read_bytes

Matrix = npt.NDArray[np.generic]

LARGEST, INFLATED = 256 << 20, 512 << 20
"""Bytes of a file, and of all that is compressed in it."""

HEAD = 128
"""Bytes before the first element."""

_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""NumPy's names of the types of elements."""

_CELL, _NUMBERS = 1, range(6, 16)
"""Classes of arrays."""
_COMPLEX = 0x800


class _BrokenError(ValueError):
    """The file is not as it says; told without its name."""


def read_cells(path: Path, names: Collection[str]) -> dict[str, list[Matrix]]:
    """The cells of those names, each as its matrices in the order of the file.

    Raises:
        UserError: If the file is none of MATLAB's, or broken; names it.
    """
    content = read_bytes(path, LARGEST)
    try:
        return dict(_variables(memoryview(content), names))
    except _BrokenError as error:
        raise UserError(f"{path}: expected a MATLAB file up to version 7.2, which this is not ({error})") from error


def _variables(content: memoryview, names: Collection[str]) -> Iterator[tuple[str, list[Matrix]]]:
    order = {b"IM": "<", b"MI": ">"}.get(bytes(content[126:HEAD]))
    if order is None:
        _refuse("its head is missing")
    if struct.unpack(order + "H", content[124:126])[0] != 0x0100:
        _refuse("it is of another version")
    room = INFLATED
    for kind, data in _Elements(order, content[HEAD:], padded=False):
        if kind == _COMPRESSED:
            data = memoryview(_inflate(data, room))
            room -= len(data)
            kind, data = next(iter(_Elements(order, data)), (0, data))
        if kind != _MATRIX:
            _refuse("something other than a matrix stands where one should")
        found = _Array(order, data)
        if found.name in names:
            yield found.name, found.cells()


def _inflate(data: memoryview, room: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(data, room + 1)
    except zlib.error as error:
        raise _BrokenError(f"what is compressed in it is damaged: {error}") from error
    if len(found) > room:
        _refuse(f"more than {INFLATED:,} bytes are compressed in it")
    if not inflater.eof:
        _refuse("what is compressed in it is cut off")
    return found


class _Elements:
    """The elements, a type and bytes each, that stand one after another.

    Args:
        order: Of bytes, ``<`` or ``>``.
        data: The bytes.
        padded: Every element begins at a multiple of eight.
    """

    def __init__(self, order: str, data: memoryview, padded: bool = True) -> None:
        self.order, self.data, self.padded = order, data, padded

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        at = 0
        while at < len(self.data):
            if at + 8 > len(self.data):
                _refuse("it is cut off")
            kind, size = struct.unpack_from(self.order + "2I", self.data, at)
            begin = at + 8
            if kind >> 16:  # a small element: its size and bytes stand in the same eight
                kind, size, begin = kind & 0xFFFF, kind >> 16, at + 4
                if size > 4:
                    _refuse("an element is longer than its place")
            if begin + size > len(self.data):
                _refuse("it is cut off")
            yield kind, self.data[begin : begin + size]
            at = max(at + 8, begin + size)
            if self.padded:
                at = -(-at // 8) * 8


class _Array:
    """An array of any class: its flags, sizes and name; what it holds is read when asked for."""

    def __init__(self, order: str, data: memoryview) -> None:
        self.order = order
        self.rest = iter(_Elements(order, data))
        flags = self._numbers("flags")
        if len(flags) < 1:
            _refuse("a matrix has no flags")
        self.kind, self.is_complex = int(flags[0]) & 0xFF, bool(int(flags[0]) & _COMPLEX)
        self.shape = [int(size) for size in self._numbers("sizes")]
        self.name = str(self._take("a name")[1], "latin-1")

    def cells(self) -> list[Matrix]:
        """The matrices that a cell holds, or the one that this is."""
        if self.kind != _CELL:
            return [self.values()]
        cells = [self._inner(kind, data) for kind, data in self.rest]
        if len(cells) != self._count():
            _refuse(f"a cell of {self._count():,} holds {len(cells):,}")
        return cells

    def values(self) -> Matrix:
        """The numbers."""
        if self.kind not in _NUMBERS or self.is_complex:
            _refuse("a cell holds something other than real matrices")
        found = self._numbers("numbers")
        if len(found) != self._count():
            _refuse(f"a matrix of {self._count():,} numbers holds {len(found):,}")
        return found.reshape(self.shape, order="F")

    def _inner(self, kind: int, data: memoryview) -> Matrix:
        if kind != _MATRIX:
            _refuse("a cell holds something other than matrices")
        # An empty matrix may be written as nothing at all.
        return _Array(self.order, data).values() if data else np.zeros((0, 0))

    def _count(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        if len(self.shape) < 2 or min(self.shape) < 0:
            _refuse("a matrix has no sizes")
        return count

    def _numbers(self, what: str) -> Matrix:
        kind, data = self._take(what)
        if kind not in _TYPES:
            _refuse(f"{what} are of the unknown type {kind}")
        form = np.dtype(self.order + _TYPES[kind])
        if len(data) % form.itemsize:
            _refuse(f"{what} are cut off")
        return np.frombuffer(data, form)

    def _take(self, what: str) -> tuple[int, memoryview]:
        found = next(self.rest, None)
        if found is None:
            _refuse(f"{what} are missing")
        return found


def _refuse(what: str) -> NoReturn:
    raise _BrokenError(what)
