"""Recordings with what is said in them: manifests, archives, a text beside every recording, Kaldi's folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from throughtime.data.parts import below, inside, is_file, part_of
from throughtime.data.shards.tars import SUFFIX, is_archive, samples
from throughtime.data.speech.audio import SUFFIXES
from throughtime.data.speech.kaldi import is_kaldi, read_kaldi
from throughtime.data.speech.spoken import Recording, spoken, times
from throughtime.data.tables.columns import Columns, Guess, find_column, longest
from throughtime.data.tables.rows import JSON, TABLES, Row, first_rows, is_missing, read_rows
from throughtime.errors import UserError, listed
from throughtime.plain import resolved
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import note

AUDIO_NAMES = (
    "path",
    "audio",
    "file",
    "filename",
    "audio_filepath",
    "audio_path",
    "file_name",
    "wav",
    "clip",
    "audio_file",
)
TRANSCRIPT_NAMES = ("transcript", "text", "sentence", "transcription", "words", "normalized_text", "label")
"""Names of columns that are looked for, in this order."""

PLACES = ("clips", "wavs", "wav", "audio")
"""Folders beside a manifest in which its recordings may lie: Common Voice's and LJSpeech's, and others'."""

ASIDE = (
    "validated",
    "invalidated",
    "other",
    "reported",
    "clip_durations",
    "validated_sentences",
    "unvalidated_sentences",
)
"""Common Voice's lists beside its parts: of all that they hold, of what was refused, and of other things."""

SEEN = 20
"""Rows by which names of recordings without suffixes are told apart."""


def is_recordings(path: Path) -> bool:
    """Whether a path is a manifest, or a folder of recordings: of Kaldi's kind, or with a text beside each."""
    if path.is_file():
        return is_archive(path) or (path.suffix.lower() in TABLES and not _is_aside(path))
    if is_kaldi(path):
        return True
    found = inside(path) if path.is_dir() else []
    told_apart = (*TABLES, SUFFIX)
    if any((file.is_dir() and part_of(file.name)) or file.suffix.lower() in told_apart for file in found):
        return False
    return any(audio.with_suffix(".txt").exists() for audio in _audio_in(path))


def read_recordings(
    paths: Iterable[Path], audio: str | None = None, transcript: str | None = None, header: bool | None = None
) -> list[Recording]:
    """The recordings of manifests and folders; one that stands there twice is given once.

    Args:
        paths: Manifests, whose paths are relative to their folder, or to one of :data:`PLACES` in it; folders.
        audio: Name, or number from 1, of a manifest's column with the recordings; None: found by its name, or by
            what it holds.
        transcript: The same of the transcripts.
        header: Whether a manifest's first row names its columns; None: judged by the whole.

    Raises:
        UserError: If a recording is missing, has no transcript, or two that differ; names the lines.
    """
    found: dict[tuple[Path, float | None, float | None], Recording] = {}
    for path in paths:
        for recording in _read(path, audio, transcript, header):
            before = found.setdefault((recording.audio, recording.begin, recording.seconds), recording)
            if before.transcript != recording.transcript:
                raise UserError(
                    f"{recording.where}: expected {recording.audio.name} to say {before.transcript!r}, as in "
                    f"{before.where}, got {recording.transcript!r}; mend one of them"
                )
    return list(found.values())


def _read(path: Path, audio: str | None, transcript: str | None, header: bool | None) -> Iterator[Recording]:
    if path.is_dir():
        return _read_folder(path)
    return _read_archive(path) if is_archive(path) else _read_manifest(path, audio, transcript, header)


def _read_archive(path: Path) -> Iterator[Recording]:
    """The samples of an archive: what is said stands in a ``.txt``, or in a ``.json``, of the recording's key."""
    for found in samples(path, SUFFIXES, ("txt", "json")):
        said = found.text("txt")
        if said is None:
            said = found.field("json", TRANSCRIPT_NAMES)
        if said is None:
            raise UserError(f"{found.where}: expected its transcript in {found.key}.txt or .json beside it, found none")
        yield Recording(found.media.path, spoken(said, found.where), found.where)


def _is_aside(path: Path) -> bool:
    """Whether a table is one of Common Voice's that are no part; all of them are told, once."""
    aside = path.stem in ASIDE and is_file(path.with_name("train.tsv")) and path.with_name(PLACES[0]).is_dir()
    if aside:
        note(f"{path}: left out: beside train.tsv it is no part of Common Voice; name the file itself to read it")
    return aside


def _audio_in(folder: Path) -> Iterator[Path]:
    return (file for file in below(folder) if file.suffix.lower() in SUFFIXES)


def _read_folder(folder: Path) -> Iterator[Recording]:
    if is_kaldi(folder):
        yield from read_kaldi(folder)
        return
    texts = {file for file in below(folder) if file.suffix == ".txt"}
    for audio in _audio_in(folder):
        text = audio.with_suffix(".txt")
        if text not in texts:
            raise UserError(f"{audio}: expected its transcript in {text.name} beside it, found none")
        texts.discard(text)
        yield Recording(resolved(audio), spoken("".join(file_lines(text)), str(text)), str(text))
    if texts:
        raise UserError(f"{min(texts)}: expected a recording of that name beside it, found none; move the file away")


def _read_manifest(path: Path, audio: str | None, transcript: str | None, header: bool | None) -> Iterator[Recording]:
    if path.suffix.lower() not in TABLES:
        raise UserError(f"{path}: expected a manifest ({listed(TABLES)}), or a folder of recordings with texts")
    asked = {name.lower() for name in (audio, transcript) if name is not None and not name.isdecimal()}
    if header is None and begins_with_recording(path):
        header = False
    rows = read_rows(path, {*AUDIO_NAMES, *TRANSCRIPT_NAMES, *asked}, header)
    columns, rows = first_rows(rows)
    if not columns:
        return
    audio = find_column(path, columns, audio, AUDIO_NAMES, "--audio-column", most_audio(path))
    transcript = find_column(path, columns, transcript, TRANSCRIPT_NAMES, "--transcript-column", LONGEST, taken=audio)
    for row in rows:
        yield _recording(path, row, audio, transcript)


def _recording(path: Path, row: Row, audio: str, transcript: str) -> Recording:
    number, columns = row
    where = f"{path}:{number}"
    for name in (audio, transcript):
        if is_missing(columns.get(name)):
            raise UserError(f"{where}: expected a value in column {name!r}, got none; a recording needs its transcript")
    file = place_of(path, columns[audio].strip(), where)
    begin, seconds = times({name: text for name, text in columns.items() if name not in (audio, transcript)}, where)
    return Recording(resolved(file), spoken(columns[transcript], where), where, begin, seconds)


def place_of(path: Path, name: str, where: str) -> Path:
    """Where the recording of a manifest lies.

    Raises:
        UserError: If it is not there, or several may be meant.
    """
    files = _places(path, name)
    if not files:
        missing = " ".join(str(path.parent / name).split())[:200]
        raise UserError(f"{where}: expected the recording {missing}, which is not there")
    if len(files) > 1:
        several = " and ".join(str(file.relative_to(path.parent)) for file in files[:2])
        raise UserError(f"{where}: expected one recording {name[:200]!r}, found {several}; write which one is meant")
    if files[0].parent != (path.parent / name).parent:
        note(f"{path}: the recordings lie in {files[0].parent}")
    return files[0]


def most_audio(path: Path) -> Guess:
    """Finds a manifest's column of recordings."""
    return Guess("the most names of recordings", partial(_most_audio, path))


def _places(path: Path, name: str) -> list[Path]:
    """Where a manifest's recording may lie: beside it, or in the usual folders, with its suffix or without."""
    if not name:
        return []
    folders = [path.parent, *(path.parent / place for place in PLACES)]
    for folder in folders:
        if is_file(folder / name):
            return [folder / name]
    if name.lower().endswith(SUFFIXES):
        return []
    found = (folder / f"{name}{suffix}" for folder in folders for suffix in SUFFIXES)
    return [file for file in found if is_file(file)]


def begins_with_recording(path: Path) -> bool:
    """Whether a cell of a table's first row names a recording that is there, and so no column."""
    _, cells = next(read_rows(path, frozenset(), False), (0, {}))
    return path.suffix.lower() not in JSON and any(_places(path, cell.strip()) for cell in cells.values())


def _most_audio(path: Path, names: Sequence[str], rows: Columns) -> list[str]:
    """The column with the most names of audio files; where they have no suffixes, of files that are there."""

    def count(name: str) -> tuple[int, int]:
        values = [row.get(name, "").strip() for row in rows]
        named = sum(value.lower().endswith(SUFFIXES) for value in values)
        return named, 0 if named else sum(bool(_places(path, value)) for value in values[:SEEN])

    return [max(names, key=count)]


def _longest(names: Sequence[str], rows: Columns) -> list[str]:
    found = longest.choose(names, rows)
    one, *others = ([row.get(name, "").strip() for row in rows] for name in found)
    alike = all(2 * sum(a == b for a, b in zip(one, other, strict=True)) >= len(one) for other in others)
    return found[-1:] if alike else found


LONGEST = Guess("the longest values; of columns that mostly say the same, the last: numbers are words there", _longest)
