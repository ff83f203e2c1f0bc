"""A recording and what is said in it, and the stretch of it in which that is said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from throughtime.data.speech.audio import AudioInfo, Stretch
from throughtime.errors import UserError, shown

BEGINS = ("offset", "start", "begin", "start_time", "begin_time")
ENDS = ("end", "stop", "end_time")
LENGTHS = ("duration",)
"""Names of columns that tell when something is said, as NeMo's manifests and others do."""

UNITS = {"": 1.0, "_s": 1.0, "_sec": 1.0, "_seconds": 1.0, "_ms": 0.001}
"""Seconds, by what may follow such a name."""

SAMPLES = ("frame_offset", "start_frame", "start_sample")
"""Names of columns that tell it in samples, of which the manifest does not say how many make a second."""

NEAR = 0.1
"""Seconds by which a manifest may round the length of a recording."""


@dataclass(frozen=True)
class Recording:
    """A recording and what is said in it.

    Attributes:
        audio: The file.
        transcript: What is said; words stand one space apart.
        where: Manifest and line, or the file of the transcript.
        begin: Seconds before it is said, where that is told.
        seconds: How long it lasts, where that is told; without ``begin`` from the recording's beginning.
    """

    audio: Path
    transcript: str
    where: str
    begin: float | None = None
    seconds: float | None = None


def spoken(text: str, where: str) -> str:
    """A transcript, with its words one space apart.

    Raises:
        UserError: If it is blank.

    Example:
        >>> spoken(" to  be ", "a.txt")
        'to be'
    """
    words = text.split()
    if not words:
        raise UserError(
            f"{where}: expected what is said in the recording, got nothing; write it there, or leave it out"
        )
    return " ".join(words)


def times(columns: Mapping[str, str], where: str) -> tuple[float | None, float | None]:
    """When something is said, and how long, as the columns of a manifest tell it, in seconds.

    Raises:
        UserError: If a value is no time, or they do not go together.

    Example:
        >>> times({"audio_filepath": "a.wav", "offset": "0.5", "duration": "2"}, "a.jsonl:1")
        (0.5, 2.0)
        >>> times({"path": "a.wav", "start_ms": "500", "end_ms": "750"}, "a.csv:2")
        (0.5, 0.25)
    """
    given = {name.strip().lower(): text for name, text in columns.items() if text.strip()}
    for name in SAMPLES:
        if name in given:
            raise UserError(f"{where}: expected times in seconds, got {name!r} in samples; write offset and duration")
    begin, end, length = (_time(given, names, where) for names in (BEGINS, ENDS, LENGTHS))
    if end is None:
        return begin, length
    if begin is None:
        raise UserError(f"{where}: expected a column 'start' beside the one that tells the end, got none; add it")
    if end <= begin:
        raise UserError(f"{where}: expected an end after the start at {begin:g} s, got {end:g} s; mend the line")
    if length is not None and abs(begin + length - end) > NEAR:
        raise UserError(
            f"{where}: expected {end - begin:g} s from start to end, got a duration of {length:g} s; mend it"
        )
    return begin, end - begin


def stretch_of(found: Recording, info: AudioInfo) -> tuple[Stretch | None, str]:
    """The part of a recording in which its transcript is said, None for all of it, and what is odd about it.

    Raises:
        UserError: If it is not within the recording.
    """
    begin = found.begin or 0.0
    end = info.seconds if found.seconds is None else begin + found.seconds
    if begin >= info.seconds or (found.begin is not None and end > info.seconds + NEAR):
        raise UserError(
            f"{found.where}: expected a stretch of the {info.seconds:.2f} s of {found.audio.name}, got {begin:g} to "
            f"{end:g} s; mend the line: times are in seconds"
        )
    if end > info.seconds + NEAR:
        return None, f"expected {end:.1f} s of sound as {found.where} says, {info.seconds:.1f} s are there"
    if not begin and end >= info.seconds - NEAR:
        return None, ""
    return Stretch(begin, min(end, info.seconds)), ""


def _time(given: Mapping[str, str], names: tuple[str, ...], where: str) -> float | None:
    for name in names:
        for unit, seconds in UNITS.items():
            text = given.get(name + unit)
            if text is not None:
                return _seconds(text, name + unit, where, least=0.0 if names is BEGINS else None) * seconds
    return None


def _seconds(text: str, name: str, where: str, least: float | None) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (least is None and value == 0):
        raise UserError(
            f"{where}: expected a time as a number in column {name!r}, got {shown(text)}; mend the line, or take the "
            "column away"
        )
    return value
