"""What the heads of wav and Ogg files say of their length, which libsndfile takes as it stands."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from throughtime.plain import open_regular

SIZE = 4
"""Bytes of the size of a chunk."""

CHUNKS = 10_000
"""Of a wav file that are looked at before its sound."""

PAGE = 1 << 16
"""Bytes that an Ogg page has at most, nearly."""


@dataclass(frozen=True)
class WavData:
    """Where the sound of a wav file lies.

    Attributes:
        at: Where its size stands, in bytes from the beginning.
        said: That size.
        there: Bytes from the sound's beginning to the file's end.
        stray: Bytes behind the sound that belong to nothing: no further chunk begins there.
    """

    at: int
    said: int
    there: int
    stray: int

    @property
    def unclosed(self) -> bool:
        """Whether it says that there is no sound, though there is: a recorder that never closed the file leaves that.

        Example:
            >>> WavData(at=40, said=0, there=32_000, stray=32_000).unclosed
            True
        """
        return self.said == 0 and self.stray > 0


def wav_data(path: Path) -> WavData | None:
    """Where the sound of a wav file lies; None where the file is no wav file, or has none."""
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        for name, at, said in _chunks(file, size):
            if name == b"data":
                begin = at + SIZE
                rest = size - begin - said
                behind = _padded(begin + said)
                stray = rest if rest > 1 and not _is_chunk(file, behind, size) else 0
                return WavData(at, said, size - begin, stray)
    return None


def is_cut_ogg(path: Path) -> bool:
    """Whether a file is Ogg, and its last page is cut off or not marked as the last (RFC 3533, section 6)."""
    with open_regular(path) as file:
        if file.read(4) != b"OggS":
            return False
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2 * PAGE))
        end = file.read()
    page = end[max(0, end.rfind(b"OggS\0")) :]
    if len(page) < 27 or not page[5] & 4:
        return True
    body = 27 + page[26]  # behind the lengths of its segments
    return len(page) < body + sum(page[27:body])


class Endless(io.RawIOBase):
    """A wav file whose sound is said to go on to its end, whatever its own head says.

    Args:
        path: The file.
        data: Where its sound lies.
    """

    def __init__(self, path: Path, data: WavData) -> None:
        super().__init__()
        self._open = ExitStack()
        self._file = self._open.enter_context(open_regular(path))
        self._at = data.at

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of every file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of every file."""
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Reads on, with the size that stands for an unknown one in place of the file's."""
        begin = self._file.tell()
        found = bytearray(self._file.read(len(buffer)))
        for place in range(max(0, self._at - begin), min(len(found), self._at + SIZE - begin)):
            found[place] = 0xFF  # the size that stands for one that is not known
        buffer[: len(found)] = bytes(found)
        return len(found)

    def close(self) -> None:
        """Closes the file."""
        self._open.close()
        super().close()


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Names of chunks, where their sizes stand, and those."""
    at = 12
    for _ in range(CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        said = int.from_bytes(head[4:], "little")
        yield head[:4], at + 4, said
        at = _padded(at + 8 + said)
        if at > size:
            return


def _padded(at: int) -> int:
    return at + at % 2


def _is_chunk(file: BinaryIO, at: int, size: int) -> bool:
    """Whether a chunk stands there: a name of four letters, and a size that the file has room for."""
    file.seek(at)
    head = file.read(8)
    if len(head) < 8:
        return not head.strip(b"\0")  # nothing, or what fills a file up
    return all(32 <= letter < 127 for letter in head[:4]) and int.from_bytes(head[4:], "little") <= size - at - 8
