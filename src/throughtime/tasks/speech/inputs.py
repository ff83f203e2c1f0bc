"""The recordings that manifests hold for a trained recogniser, without what is said in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from throughtime.applications.reading.inputs import Asked, Column, Input, Inputs, table_inputs
from throughtime.data.speech.audio import AudioInfo, Stretch, audio_info
from throughtime.data.speech.kaldi import is_kaldi, read_utterances
from throughtime.data.speech.recordings import begins_with_recording, most_audio, place_of
from throughtime.data.speech.spoken import Recording, stretch_of, times
from throughtime.data.tables.rows import TABLES
from throughtime.data.tables.sheets import Record, Sheet
from throughtime.plain import resolved


@dataclass(frozen=True)
class Utterance:
    """A recording, or a stretch of one.

    Attributes:
        file: The recording.
        stretch: What is read of it; None: all of it.
        name: What it is called.
    """

    file: Path
    stretch: Stretch | None
    name: str

    @classmethod
    def of(cls, found: Recording, info: AudioInfo) -> Utterance:
        """The stretch of a recording that a manifest tells.

        Raises:
            UserError: If it is not within the recording.
        """
        stretch, _ = stretch_of(found, info)
        at = "" if stretch is None else f" at {stretch.begin:g} s"
        return cls(found.audio, stretch, f"{found.audio}{at}")


def sound_inputs(path: Path, column: Column, asked: Asked) -> Inputs | None:
    """The recordings of a manifest or of a folder of Kaldi's; None of anything else.

    Raises:
        UserError: If a recording is not there, or a line is broken.
    """
    if path.is_dir() and is_kaldi(path):
        return _of_kaldi(path)
    if path.suffix.lower() not in TABLES:
        return None
    if asked.header is None and begins_with_recording(path):
        asked = replace(asked, header=False)

    info = lru_cache(maxsize=1)(audio_info)  # the stretches of a recording mostly stand together

    def utterance(record: Record, name: str, where: str) -> Utterance:
        values = record.values or {}
        file = place_of(path, values[name].strip(), where)
        begin, seconds = times({other: text for other, text in values.items() if other != name}, where)
        found = Recording(resolved(file), "", where, begin, seconds)
        return Utterance.of(found, info(found.audio))

    return table_inputs(path, replace(column, guess=most_audio(path)), asked, utterance)


def _of_kaldi(folder: Path) -> Inputs:
    names = ["utterance", "audio"]
    records, items = [], []
    info = lru_cache(maxsize=1)(audio_info)
    for number, (name, found) in enumerate(read_utterances(folder)):
        records.append(Record(number + 1, dict(zip(names, (name, str(found.audio)), strict=True))))
        items.append(Input(Utterance.of(found, info(found.audio)), found.where, [number]))
    return Inputs(Sheet(folder, names, records, heading=names), items)
