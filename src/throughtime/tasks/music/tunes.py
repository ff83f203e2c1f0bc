"""What the models of music are trained from: settings, tunes, and the files that they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from throughtime.applications.folder.learnt import Count, Different
from throughtime.applications.options import Drawing
from throughtime.applications.reading.account import Guess
from throughtime.applications.settings import ExampleSettings, option, steps_at_least
from throughtime.applications.task import Report
from throughtime.data.music.abc import abc_field, abc_tunes
from throughtime.data.music.midi import ABC, MIDI, midi_tunes, read_abc
from throughtime.data.music.rolls import SUFFIXES as ROLLS
from throughtime.data.music.rolls import read_rolls
from throughtime.data.parts import PARTS, below, check_there, part_of
from throughtime.decoding import Sampling
from throughtime.errors import UserError, listed
from throughtime.models import Model
from throughtime.runtime.music.events import Likely
from throughtime.runtime.music.tunes import Note, Tune
from throughtime.runtime.reading.notes import leave_out
from throughtime.visible import tell

KNOWN = (*MIDI, *ABC, *ROLLS)
"""Suffixes of files that tunes are read from."""

FEWEST = 5
"""Tunes of the training data that make a genre."""

Kind = Literal["keys", "events"]

GRIDS: dict[Kind, int] = {"keys": 4, "events": 12}
"""Steps of a beat: sixteenths; for events triplets, too."""


class MusicSettings(ExampleSettings):
    """What a model of music is trained from."""

    model: Kind | None = option(
        None, "keys: frames of 88 keys; events: notes as tokens. Default: keys for piano rolls, else events.", "Model"
    )
    steps_per_beat: int | None = option(
        None,
        "Grid of the notes, or frames of a piano roll, in a beat. Default: keys 4, events 12.",
        "Data",
        ge=1,
        le=96,
    )
    embedding: int = option(128, "Features of an event's embedding.", "Model", ge=1, le=2**24)
    transpose: int = option(
        0, "Semitones, up or down, that training moves tunes by at random.", "Training", ge=0, le=12
    )
    batch: int = option(8, "Tunes of a batch.", "Training", ge=1, le=2**20)
    dropout: float = option(0.1, "Between layers and before the output.", "Model", ge=0, lt=1)
    lr: float = option(1e-2, "Peak learning rate.", "Training", gt=0)
    epochs: float = option(40.0, "Passes over the data.", "Training", gt=0)
    least_steps: int = steps_at_least(300)

    def grid(self, kind: Kind) -> int:
        """Steps of a beat."""
        return self.steps_per_beat or GRIDS[kind]


Keys = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=88, max_length=88)]


class KeyTunes(TypedDict):
    """Of music, frame by frame."""

    model: Literal["keys"]
    sounds: Keys
    sounds_after_silence: Keys
    sounds_on: Keys


class EventTunes(TypedDict):
    """Of music, note by note."""

    model: Literal["events"]
    genres: Different
    seen: list[Count]


Learnt = Annotated[KeyTunes | EventTunes, Field(discriminator="model")]
"""What is learnt of the training data, before training."""


@dataclass(frozen=True)
class TuneExample:
    """A tune.

    Attributes:
        notes: As in :class:`throughtime.runtime.music.tunes.Tune`.
        steps: Its length.
        genre: Of its folder, file name or ``R:`` field; empty where nothing tells.
        rolled: Read from a piano roll, where a repeated note cannot be told from a held one.
        where: File, and number or line in it.
    """

    notes: list[Note]
    steps: int
    genre: str
    rolled: bool
    where: str

    @property
    def tune(self) -> Tune:
        """The tune itself."""
        return Tune(tuple((start, length, pitch) for start, length, pitch in self.notes), self.steps)


class MusicKind(Protocol):
    """How a model reads and writes tunes: as keys, or as events."""

    @property
    def step(self) -> str:
        """What is predicted at a time."""
        ...

    @property
    def unit(self) -> str:
        """What :meth:`size` counts."""
        ...

    @property
    def time(self) -> str:
        """What the time of a tune is counted in, where it is drawn."""
        ...

    @property
    def drawing(self) -> type[Drawing]:
        """What may be asked of a new tune."""
        ...

    @property
    def genres(self) -> Sequence[str]:
        """That it can begin with."""
        ...

    def build(self) -> Model:
        """The model."""
        ...

    def initialise(self, model: Any) -> None:
        """Sets weights that do not start at random."""
        ...

    def size(self, example: TuneExample) -> int:
        """Steps of a tune, near enough."""
        ...

    def batch(self, examples: Sequence[TuneExample], moved: bool) -> Any:
        """What the model's loss takes; ``moved``: varied at random, as training does."""
        ...

    def first(self, example: TuneExample, most: int) -> str:
        """The first steps of a tune as a person reads them."""
        ...

    def guess(self, examples: Sequence[TuneExample]) -> Guess:
        """What guessing comes to in nats a step."""
        ...

    def nats(self, model: Any, batch: Any) -> list[Tensor]:
        """Of every step of every tune of a batch."""
        ...

    def report(self, model: Any, examples: Sequence[TuneExample], batches: Any) -> Report:
        """How good the model is."""
        ...

    def next(self, model: Any, tune: Tune, most: int) -> list[Likely]:
        """What is likeliest after a tune."""
        ...

    def surprise(self, tune: Tune, nats: Tensor) -> list[tuple[float, float]]:
        """Places of a tune on the grid, and the nats there."""
        ...

    def prompt(self, genre: str, tune: Tune) -> Any:
        """What to go on from."""
        ...

    def draw(self, model: Any, prompt: Any, sampling: Sampling) -> Iterator[tuple[str, Any]]:
        """Piece by piece, those of the prompt first: a word, and what stands for it."""
        ...

    def drawn(self, pieces: Sequence[Any]) -> Tune:
        """The tune of what was drawn."""
        ...


def find_tunes(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of each part: those of folders, however deep, that are named after it; parts inside of a piano roll.

    The part of a piano roll is a path below the file's, ``Nottingham.mat/test``, which :func:`read_tunes` takes. A
    file that should hold piano rolls and does not is told and left out where it is one of a folder's.

    Raises:
        UserError: If a path is missing, or there is nothing to train on.
    """
    found: dict[str, list[Path]] = {part: [] for part in PARTS}
    for path in paths:
        check_there(path)
        for file in _inside(path) if path.is_dir() else [path]:
            if file.suffix.lower() in ROLLS:
                for part in _parts_of(file, found_in_folder=path.is_dir()):
                    found[part].append(file / part)
            else:
                folders = file.relative_to(path).parts[:-1] if path.is_dir() else ()
                found[next((part for part in map(part_of, folders) if part), "train")].append(file)
    if not found["train"]:
        raise UserError(f"expected tunes to train on in {listed(paths)} ({listed(KNOWN)}), found none")
    return {part: files for part, files in found.items() if files}


def _parts_of(file: Path, found_in_folder: bool) -> list[str]:
    try:
        return list(read_rolls(file))
    except UserError as error:
        if not found_in_folder:
            raise
        _tell_left_out(error)
        return []


def _inside(folder: Path) -> list[Path]:
    return [file for file in below(folder) if file.suffix.lower() in KNOWN]


def read_tunes(paths: Sequence[Path], settings: MusicSettings) -> Iterator[TuneExample]:
    """The tunes of files, folders and parts of piano rolls; of a whole piano roll the test part, where it has one.

    Raises:
        UserError: If nothing can be read.
    """
    files = [file for path in paths for file in (_inside(path) if path.is_dir() else [path])]
    return readable(files, settings.grid(settings.model or "events"))


def readable(files: Sequence[Path], grid: int) -> Iterator[TuneExample]:
    """The tunes of files; a broken one among others is told and left out.

    Raises:
        UserError: What is wrong with the first, if none can be read.
    """
    errors: list[UserError] = []
    read = False
    for found in (found for file in files for found in _read_file(file, grid)):
        if isinstance(found, UserError):
            errors.append(found)
        else:
            read = True
            yield found
    if errors and not read:
        raise errors[0]
    for error in errors:
        _tell_left_out(error)


def _tell_left_out(error: UserError) -> None:
    where, _, why = str(error).partition(": ")
    if not leave_out(where, why):  # nobody collects who would tell it
        tell(f"{error}; left out")


def _read_file(path: Path, grid: int) -> Iterator[TuneExample | UserError]:
    """The tunes of a file, or of a part of a piano roll, and what is wrong with broken ones."""
    try:
        if path.parent.suffix.lower() in ROLLS and path.name in PARTS:
            yield from _read_part(path.parent, path.name)
        elif path.suffix.lower() in ROLLS:
            parts = read_rolls(path)
            yield from _read_part(path, "test" if "test" in parts else next(iter(parts)))
        elif path.suffix.lower() in ABC:
            for line, text in abc_tunes(path):
                yield _read_abc(path, line, text, grid)
        elif path.suffix.lower() in MIDI:
            tunes = midi_tunes(path, grid)
            for number, tune in enumerate(tunes, 1):
                yield _example(tune, genre_of(path), str(path) if len(tunes) == 1 else f"{path}: tune {number}")
        else:
            raise UserError(f"{path}: expected a file that ends in {listed(KNOWN)}")
    except UserError as error:
        yield error


def _read_abc(path: Path, line: int, text: str, grid: int) -> TuneExample | UserError:
    where = f"{path}:{line}"
    try:
        return _example(read_abc(where, text, grid), abc_field(text, "R") or genre_of(path), where)
    except UserError as error:
        return error


def _read_part(path: Path, part: str) -> Iterator[TuneExample]:
    for number, tune in enumerate(read_rolls(path)[part], 1):
        yield _example(tune, "", f"{path}: {part} {number}", rolled=True)


def _example(tune: Tune, genre: str, where: str, rolled: bool = False) -> TuneExample:
    return TuneExample(list(tune.notes), tune.steps, genre.lower(), rolled, where)


def genre_of(path: Path) -> str:
    """The genre that a file's name tells: what stands before its number, else its folder, if no part's.

    Example:
        >>> genre_of(Path("MIDI/jigs12.mid")), genre_of(Path("test/Waltz/The Swan.mid")), genre_of(Path("jigs.abc"))
        ('jigs', 'Waltz', 'jigs')
    """
    if path.suffix.lower() in ABC:
        return path.stem
    numbered = re.fullmatch(r"(.*?[^\W\d])[\s_-]*\d+", path.stem)
    if numbered:
        return numbered.group(1)
    return "" if part_of(path.parent.name) else path.parent.name
