"""Files that come with a request: written under names of ours, told by those of the client's, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.datastructures import FormData, UploadFile

from throughtime.data.speech.audio import SUFFIXES, audio_info
from throughtime.errors import listed
from throughtime.files import write_chunks
from throughtime.runtime.reading.notes import noting
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings
from throughtime.tasks.music.tunes import readable
from throughtime.visible import in_line

NAMED = 80
"""Letters of a client's name for a file that are told."""

MUSIC = "music"
"""A task whose files hold tunes."""

GRID = 4
"""Steps of a beat that these are measured on; a frame of a piano roll counts as one."""

FILE = "file"
"""The field of a form in which files stand."""


@dataclass(frozen=True)
class Upload:
    """A file of a client's.

    Attributes:
        name: What the client calls it; no path is ever made of it.
        suffix: One of those that the model reads.
        content: Its bytes.
    """

    name: str
    suffix: str
    content: bytes


async def uploads_of(form: FormData, suffixes: Sequence[str]) -> list[Upload]:
    """The files of a form.

    Args:
        form: With them in the field :data:`FILE`.
        suffixes: Of files that the model reads.

    Raises:
        RefusedError: If there is none, or one has another suffix.
    """
    found = []
    for given in form.getlist(FILE):
        if not isinstance(given, UploadFile):
            raise RefusedError(400, f"{FILE}: expected a file with its name, got a text")
        name = in_line(PurePosixPath((given.filename or "").replace("\\", "/")).name)[-NAMED:]
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in suffixes:
            raise RefusedError(
                415, f"{FILE}: expected a file that ends in {listed(suffixes, 30)}, got {name or 'one without a name'}"
            )
        found.append(Upload(name, suffix, await given.read()))
    if not found:
        raise RefusedError(400, f"expected a file in the field {FILE!r}, got none")
    return found


@contextmanager
def written(uploads: Sequence[Upload]) -> Iterator[Places]:
    """The files on the disk inside the block."""
    with tempfile.TemporaryDirectory(prefix="throughtime-") as folder:
        places = Places(Path(folder).resolve(), {})
        for number, upload in enumerate(uploads, 1):
            path = places.folder / f"{number}{upload.suffix}"
            write_chunks(path, [upload.content], mode=0o600)
            places.names[str(path)] = upload.name
        yield places


def check_length(path: Path, name: str, task: str, limits: ServeSettings) -> None:
    """Refuses a recording, or a tune, that is too long: a small file may tell of a long one.

    Raises:
        RefusedError: If it is.
        UserError: If it is none.
    """
    if task == MUSIC:
        with noting():  # what cannot be read is told by who reads it
            check_beats(max((tune.steps for tune in readable([path], GRID)), default=0) / GRID, name, limits)
    elif path.suffix in SUFFIXES and not (seconds := audio_info(path).seconds) <= limits.audio:
        raise RefusedError(413, f"{name}: expected at most {limits.audio:g} s of sound, got {seconds:,.1f} s")


def check_beats(beats: float, name: str, limits: ServeSettings) -> None:
    """Refuses a tune that is too long.

    Raises:
        RefusedError: If it is.
    """
    if beats > limits.beats:
        raise RefusedError(413, f"{name}: expected a tune of at most {limits.beats:,g} beats, got {beats:,.0f}")


@dataclass(frozen=True)
class Places:
    """Where files of a client's stand.

    Attributes:
        folder: That holds them alone.
        names: What the client calls each, by its path.
    """

    folder: Path
    names: dict[str, str]

    def named(self, value: Any) -> Any:
        """Plain data in which files are called as the client calls them."""
        if isinstance(value, str):
            for path, name in self.names.items():
                value = value.replace(path, name)
            return value.replace(f"{self.folder}/", "")
        if isinstance(value, dict):
            return {name: self.named(inner) for name, inner in value.items()}
        return [self.named(inner) for inner in value] if isinstance(value, list) else value
