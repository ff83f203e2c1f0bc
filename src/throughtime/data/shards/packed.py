"""Packed files as streams: none is unpacked whole, what is cut off is told, what unpacks to too much is refused."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from throughtime.extras import extra

RATIO = 250
"""Times its own size that a file may unpack to: text comes to ten at most, logs to a hundred."""

FREE = 1 << 26
"""Bytes that any file may unpack to."""

WINDOW = 1 << 27
"""Bytes that zstd looks back over at most: what its own program takes unless it is told otherwise."""

FEED = {"gzip": 1 << 14, "zstd": 1 << 12}
"""Bytes that are unpacked at once. Four bytes of zstd may stand for 128 KiB, so that these come to 128 MiB at worst."""

TOGETHER = 1 << 18
"""Bytes that are read ahead of whoever reads."""


class PackedError(ValueError):
    """A packed file is damaged, cut off, or unpacks to too much."""


class Unpacked(io.RawIOBase):
    """What a packed file holds; several parts, one packed after the other, are one.

    Args:
        file: The packed one.
        packing: ``"gzip"`` or ``"zstd"``.
    """

    def __init__(self, file: BinaryIO, packing: str) -> None:
        super().__init__()
        self._file, self._packing = file, packing
        self._begin = _beginning(packing)
        self._errors: tuple[type[Exception], ...] = (zlib.error,)
        if packing == "zstd":
            self._errors = (extra("zstandard", "shards", "reading zstd").ZstdError,)
        self._part: Any = None
        self._ready = memoryview(b"")
        self._read, self._unpacked = 0, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Reads on.

        Raises:
            PackedError: If the file is damaged, cut off, or unpacks to too much.
        """
        while not self._ready:
            data = self._file.read(FEED[self._packing])
            if not data:
                if self._part is not None or not self._read:
                    raise PackedError(f"the {self._packing} data end in the middle: the file is cut off")
                return 0
            self._read += len(data)
            self._ready = memoryview(self._unpack(data))
            self._unpacked += len(self._ready)
            if self._unpacked > max(FREE, RATIO * self._read):
                raise PackedError(f"it unpacks to more than {RATIO} times its size, which no text does")
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _unpack(self, data: bytes) -> bytes:
        found: list[bytes] = []
        while data:
            if self._part is None:
                if self._unpacked or found:
                    data = data.lstrip(b"\0")  # what fills a tape up
                    if not data:
                        break
                self._part = self._begin()
            try:
                found.append(self._part.decompress(data))
            except self._errors as error:
                raise PackedError(f"the {self._packing} data are damaged, or none ({error})") from error
            data = b""
            if self._part.eof:
                data, self._part = self._part.unused_data, None
        return b"".join(found)


def unpacked(file: BinaryIO, packing: str | None) -> BinaryIO:
    """What stands in a file that may be packed."""
    if packing is None:
        return file
    return cast(BinaryIO, io.BufferedReader(Unpacked(file, packing), TOGETHER))


def _beginning(packing: str) -> Callable[[], Any]:
    if packing == "gzip":
        return lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)
    return cast(
        Callable[[], Any],
        extra("zstandard", "shards", "reading zstd").ZstdDecompressor(max_window_size=WINDOW).decompressobj,
    )
