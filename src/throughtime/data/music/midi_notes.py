"""The notes of a MIDI file's tracks, as "Standard MIDI Files 1.0" (MIDI Association, RP-001) has them.

The library that writes our files lays the tracks of format 2 on top of each other, and lets a note that never ends fall
away without a word; so files are read here.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass

DRUMS = 9
"""The channel whose keys are drums, counted from 0."""

Struck = tuple[int, int, int]
"""The tick that a note begins at, the one that it ends at, and its pitch."""


class BrokenError(ValueError):
    """The file is not as it says; told without its name."""


@dataclass(frozen=True)
class MidiFile:
    """What a file holds.

    Attributes:
        format: 0, one track; 1, tracks that sound together; 2, tracks that are tunes of their own.
        beat: Ticks of a quarter note.
        told: Tracks that its head tells of.
        tracks: Of each that is there the notes, drums left out.
        endless: Notes that nothing ends; they last to the end of their track.
    """

    format: int
    beat: int
    told: int
    tracks: list[list[Struck]]
    endless: int


def parse_midi(content: bytes) -> MidiFile:
    """A MIDI file's notes.

    The end of a key ends the earliest of its notes that still sound, in its track and channel; so a key that is struck
    again before its end begins a second note, and two ends end both, the first one first. A note that no end is left
    for lasts to the end of its track.

    Raises:
        BrokenError: If it is none, or damaged, or counts time otherwise than in parts of a beat.
    """
    if content[:4] != b"MThd" or len(content) < 14 or _number(content, 4, 4) < 6:
        raise BrokenError("its head is missing")
    kind, told, beat = (_number(content, at, 2) for at in (8, 10, 12))
    if kind > 2:
        raise BrokenError(f"there is no format {kind}")
    if beat & 0x8000:
        raise BrokenError("it counts time in frames of film (SMPTE), not in beats; write it in ticks of a beat")
    if beat == 0:
        raise BrokenError("a beat of no ticks")
    found = [_Track(chunk) for chunk in _tracks(content)]
    return MidiFile(kind, beat, told, [track.notes for track in found], sum(track.endless for track in found))


def _number(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size], "big")


def _tracks(content: bytes) -> Iterator[bytes]:
    at = 8 + _number(content, 4, 4)
    while at + 8 <= len(content):
        name, begin = content[at : at + 4], at + 8
        at = begin + _number(content, at + 4, 4)
        if name == b"MTrk":
            if at > len(content):
                raise BrokenError("it is cut off")
            yield content[begin:at]  # what has another name is for others


class _Track:
    """The notes of a track.

    Args:
        content: Its events.
    """

    def __init__(self, content: bytes) -> None:
        self.notes: list[Struck] = []
        self.sounding: dict[tuple[int, int], deque[int]] = defaultdict(deque)
        self.endless = now = 0
        try:
            for now, status, pitch, force in _events(content):
                if status and status & 0x0F != DRUMS:
                    self._key(now, status, pitch, force)
        except IndexError as error:
            raise BrokenError("a track is cut off") from error
        for (_, pitch), begun in self.sounding.items():
            self.notes += [(begin, now, pitch) for begin in begun]
            self.endless += len(begun)

    def _key(self, now: int, status: int, pitch: int, force: int) -> None:
        """A key is struck, or let go, which no force means, too."""
        sounding = self.sounding[status & 0x0F, pitch]
        if status >= 0x90 and force:
            sounding.append(now)
        elif sounding:
            self.notes.append((sounding.popleft(), now, pitch))


_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
"""Of a message, after its status."""
_EXCLUSIVE, _ESCAPE, _META, _END = 0xF0, 0xF7, 0xFF, 0x2F


def _events(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Where keys are struck or let go: the tick, the status, the pitch, the force; at last the end, whose status is 0.

    Raises:
        IndexError: Where the track ends within an event.
    """
    at = now = running = 0
    while at < len(content):
        delta, at = _varying(content, at)
        now += delta
        status = content[at]
        if status in (_EXCLUSIVE, _ESCAPE, _META):
            at += 2 if status == _META else 1
            if status == _META and content[at - 1] == _END:
                break
            size, at = _varying(content, at)
            at += size
            if at > len(content):
                raise BrokenError("a track is cut off")
            continue
        if status & 0x80:
            running, at = status, at + 1
        size = _BYTES.get(running & 0xF0, 0)
        if not size:
            raise BrokenError(f"an event begins with the byte {status}")
        if running < 0xA0:
            pitch, force = content[at], content[at + 1]
            if pitch > 127:
                raise BrokenError(f"a key has the number {pitch}")
            yield now, running, pitch, force
        at += size
    yield now, 0, 0, 0


def _varying(content: bytes, at: int) -> tuple[int, int]:
    """A number of one to four bytes, each but the last marked by its highest bit, and the place after it."""
    value = 0
    for place in range(at, at + 4):
        value = value << 7 | content[place] & 0x7F
        if content[place] < 0x80:
            return value, place + 1
    raise BrokenError("a number is longer than four bytes")
