"""Data folders of Kaldi: ``wav.scp``, ``text`` and, where recordings are divided, ``segments``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from throughtime.data.parts import is_file
from throughtime.data.speech.spoken import Recording, spoken, times
from throughtime.errors import UserError, shown
from throughtime.plain import resolved
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import note

RECORDINGS, TEXTS, SEGMENTS = "wav.scp", "text", "segments"
"""Names of its files: of recordings, what is said, and the stretches of recordings in which it is."""


def is_kaldi(folder: Path) -> bool:
    """Whether a folder is one of Kaldi's."""
    return is_file(folder / RECORDINGS)


def read_kaldi(folder: Path) -> Iterator[Recording]:
    """The utterances of a folder, in the order of ``text``.

    Raises:
        UserError: If a recording is a command (none is run), or not there; if an utterance has no recording or no
            text, or stands there twice; names the line.
    """
    recordings = _table(folder / RECORDINGS)
    stretches = _table(folder / SEGMENTS) if is_file(folder / SEGMENTS) else {}
    said = _table(folder / TEXTS)
    if stretches:
        note(f"{folder}: the stretches of recordings that {SEGMENTS} tells are read")
    for name, (_, where) in (stretches or recordings).items():
        if name not in said:
            raise UserError(f"{where}: expected what is said in {shown(name)} in {folder / TEXTS}, found nothing there")
    for name, (text, where) in said.items():
        begin, seconds, recording = None, None, name
        if stretches:
            if name not in stretches:
                raise UserError(f"{where}: expected {shown(name)} in {folder / SEGMENTS}, too, found nothing there")
            recording, begin, seconds = _stretch(*stretches[name])
        if recording not in recordings:
            raise UserError(
                f"{where}: expected recording {shown(recording)} in {folder / RECORDINGS}, found none there"
            )
        audio = _audio(folder, *recordings[recording])
        yield Recording(resolved(audio), spoken(text, where), where, begin, seconds)


def read_utterances(folder: Path) -> Iterator[tuple[str, Recording]]:
    """The utterances of a folder by name, and their recordings, whether it tells what is said in them or not.

    Raises:
        UserError: If a recording is a command, or not there; names the line.
    """
    recordings = _table(folder / RECORDINGS)
    stretches = _table(folder / SEGMENTS) if is_file(folder / SEGMENTS) else {}
    for name, (entry, where) in (stretches or recordings).items():
        recording, begin, seconds = _stretch(entry, where) if stretches else (name, None, None)
        if recording not in recordings:
            raise UserError(
                f"{where}: expected recording {shown(recording)} in {folder / RECORDINGS}, found none there"
            )
        audio = _audio(folder, *recordings[recording])
        yield name, Recording(resolved(audio), "", where, begin, seconds)


def _table(path: Path) -> dict[str, tuple[str, str]]:
    """What stands behind the first word of every line, by that word, and the line."""
    found: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(file_lines(path), 1):
        name, _, rest = line.strip().replace("\t", " ").partition(" ")
        if not name:
            continue
        where = f"{path}:{number}"
        if name in found:
            raise UserError(f"{where}: expected {shown(name)} once, got it as in {found[name][1]}; mend one of them")
        found[name] = rest.strip(), where
    return found


def _stretch(text: str, where: str) -> tuple[str, float | None, float | None]:
    """The recording of a segment, its beginning and its length; an end of -1 is the recording's."""
    cells = text.split()
    if len(cells) < 3:
        raise UserError(f"{where}: expected utterance, recording, start and end, got {shown(text)}; mend the line")
    recording, begin, end = cells[:3]
    columns = {"start": begin} if end in ("-1", "-1.0") else {"start": begin, "end": end}
    return recording, *times(columns, where)


def _audio(folder: Path, entry: str, where: str) -> Path:
    """The file of a recording: as seen from the folder, or as Kaldi does it, from where the program was started."""
    if "|" in (entry[-1:], entry[:1]):
        raise UserError(
            f"{where}: expected the path of a recording, got a command, and none is run: {shown(entry)}; run it, and "
            "name the file that it gives"
        )
    for file in (folder / entry, Path(entry)):
        if entry and is_file(file):
            return file
    raise UserError(f"{where}: expected the recording {shown(str(folder / entry))}, which is not there")
