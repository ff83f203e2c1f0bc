"""Recordings with what is said in them: manifests, and a ``name.txt`` beside every ``name.wav``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from throughtime.data.parts import is_file, part_of
from throughtime.data.speech.audio import SUFFIXES
from throughtime.data.tables.columns import Guess, find_column, longest
from throughtime.data.tables.rows import TABLES, Row, first_rows, is_missing, read_rows
from throughtime.data.text.files import file_lines
from throughtime.errors import UserError

AUDIO_NAMES = ("path", "audio", "file", "filename", "audio_filepath", "audio_path", "file_name", "wav", "clip")
TRANSCRIPT_NAMES = ("transcript", "text", "sentence", "transcription", "words", "normalized_text", "label")
"""Names of columns that are looked for, in this order."""


@dataclass(frozen=True)
class Recording:
    """A recording and what is said in it.

    Attributes:
        audio: The file.
        transcript: What is said; words stand one space apart.
        where: Manifest and line, or the file of the transcript.
    """

    audio: Path
    transcript: str
    where: str


def is_recordings(path: Path) -> bool:
    """Whether a path is a manifest, or a folder of recordings with a text beside each."""
    if path.is_file():
        return path.suffix.lower() in TABLES
    inside = list(path.iterdir()) if path.is_dir() else []
    if any((file.is_dir() and part_of(file.name)) or file.suffix.lower() in TABLES for file in inside):
        return False
    return any(audio.with_suffix(".txt").exists() for audio in _audio_in(path))


def read_recordings(
    paths: Iterable[Path], audio: str | None = None, transcript: str | None = None, header: bool | None = None
) -> list[Recording]:
    """The recordings of manifests and folders; one that stands there twice is given once.

    Args:
        paths: Manifests, whose paths are relative to their folder; folders.
        audio: Name, or number from 1, of a manifest's column with the recordings; None: found by its name, or by
            what it holds.
        transcript: The same of the transcripts.
        header: Whether a manifest's first row names its columns; None: judged by the whole.

    Raises:
        UserError: If a recording is missing, has no transcript, or two that differ; names the lines.
    """
    found: dict[Path, Recording] = {}
    for path in paths:
        for recording in _read_folder(path) if path.is_dir() else _read_manifest(path, audio, transcript, header):
            before = found.setdefault(recording.audio, recording)
            if before.transcript != recording.transcript:
                raise UserError(
                    f"{recording.where}: expected {recording.audio.name} to say {before.transcript!r}, as in "
                    f"{before.where}, got {recording.transcript!r}; mend one of them"
                )
    return list(found.values())


def _audio_in(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES and file.is_file())


def _read_folder(folder: Path) -> Iterator[Recording]:
    texts = set(folder.rglob("*.txt"))
    for audio in _audio_in(folder):
        text = audio.with_suffix(".txt")
        if text not in texts:
            raise UserError(f"{audio}: expected its transcript in {text.name} beside it, found none")
        texts.discard(text)
        yield Recording(audio.resolve(), " ".join("".join(file_lines(text)).split()), str(text))
    if texts:
        raise UserError(f"{min(texts)}: expected a recording of that name beside it, found none; move the file away")


def _read_manifest(path: Path, audio: str | None, transcript: str | None, header: bool | None) -> Iterator[Recording]:
    if path.suffix.lower() not in TABLES:
        raise UserError(f"{path}: expected a manifest ({', '.join(TABLES)}), or a folder of recordings with texts")
    asked = {name.lower() for name in (audio, transcript) if name is not None and not name.isdecimal()}
    rows = read_rows(path, {*AUDIO_NAMES, *TRANSCRIPT_NAMES, *asked}, header)
    columns, rows = first_rows(rows)
    if not columns:
        return
    audio = find_column(path, columns, audio, AUDIO_NAMES, "--audio-column", MOST_AUDIO)
    transcript = find_column(path, columns, transcript, TRANSCRIPT_NAMES, "--transcript-column", longest, taken=audio)
    for row in rows:
        yield _recording(path, row, audio, transcript)


def _recording(path: Path, row: Row, audio: str, transcript: str) -> Recording:
    number, columns = row
    where = f"{path}:{number}"
    for name in (audio, transcript):
        if is_missing(columns.get(name)):
            raise UserError(f"{where}: expected a value in column {name!r}, got none; a recording needs its transcript")
    file = path.parent / columns[audio].strip()
    if not is_file(file):
        shown = " ".join(str(file).split())[:200]
        raise UserError(f"{where}: expected the recording {shown}, which is not there")
    return Recording(file.resolve(), " ".join(columns[transcript].split()), where)


def _most_audio(names: Sequence[str], rows: Sequence[dict[str, str]]) -> list[str]:
    return [max(names, key=lambda name: sum(row.get(name, "").strip().lower().endswith(SUFFIXES) for row in rows))]


MOST_AUDIO = Guess("the most names of recordings", _most_audio)
