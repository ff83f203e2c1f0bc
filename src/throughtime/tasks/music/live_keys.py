"""Frames of keys that are read, and drawn, as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from throughtime.applications.live import Output, Takes
from throughtime.applications.live.following import Following, asked_to_draw, seeded
from throughtime.applications.live.parts import checked_options, inside
from throughtime.applications.options import Ranked
from throughtime.applications.settings import check_settings
from throughtime.errors import UserError, shown
from throughtime.models import KeyModel
from throughtime.models.streams import HeadedStream, SideBySide, score_head
from throughtime.runtime.music.events import Likely
from throughtime.runtime.music.items import checked_roll, is_roll
from throughtime.runtime.music.tunes import KEYS, LOWEST, Roll, name_of, pitch_of
from throughtime.tasks.music.keys import KeyDrawing, draw_keys

ASKED = tuple(name for name in KeyDrawing.model_fields if name not in ("prompt", "weights"))
"""Of drawing: the stream itself is the prompt."""


class LiveKeys:
    """How a model of keys reads streams: a chord a frame.

    Args:
        model: Of keys.
        grid: Frames of a beat.
    """

    takes: Takes = "notes"

    def __init__(self, model: KeyModel, grid: int) -> None:
        self.model = model
        self.facts: Mapping[str, Any] = {"step": "frame", "grid": grid, "options": ["nbest"]}

    def side_by_side(self) -> SideBySide:
        """The model, over any number of streams."""
        return SideBySide(HeadedStream(self.model.stack, score_head(self.model.keys)))

    def open(self, said: Mapping[str, Any]) -> KeyReader:
        """Begins a stream.

        Args:
            said: ``nbest``, how many of the likeliest next keys are told.

        Raises:
            UserError: If something else is said.
        """
        return KeyReader(check_settings(Ranked, checked_options(said, ["nbest"])).nbest)

    def load(self, dumped: Mapping[str, Any]) -> KeyReader:
        """A stream that goes on where it was dumped."""
        reader = KeyReader(dumped["nbest"])
        reader.read_dumped(dumped)
        return reader

    def piece(self, line: str, where: str) -> Any:
        """The keys of a frame, by their MIDI numbers or names, with spaces or ``+`` between them; none: silence.

        Raises:
            UserError: If a word is no key.
        """
        return [[key_of(word, where) for word in line.replace("+", " ").split()]]

    def shown(self, event: Mapping[str, Any]) -> str:
        """The keys of every frame and its nats; then what is likeliest next."""
        if "nats_per_frame" in event:
            return f"{event['frames']:,} frames, {event['nats_per_frame']:.3f} nats per frame{_next(event)}"
        told = (f"{'+'.join(map(name_of, each['keys'])) or '-'} {each['nats']:.3f}" for each in event["frames"])
        return "  ".join(told) + _next(event)


def key_of(word: str, where: str) -> int:
    """A key by its MIDI number, or its name.

    Raises:
        UserError: If it is neither.

    Example:
        >>> key_of("60", "tune.txt:1"), key_of("C4", "tune.txt:1")
        (60, 60)
    """
    found = int(word) if word.isdecimal() and len(word) < 4 else pitch_of(word)
    if found is None:
        raise UserError(f"{where}: expected keys such as 60 or C4, got {shown(word)}")
    return found


def _next(event: Mapping[str, Any]) -> str:
    likely = ", ".join(f"{each['name']} ({100 * each['probability']:.0f} %)" for each in event.get("next", ()))
    return f"  next: {likely}" if likely else ""


class KeyReader(Following[Roll]):
    """One tune, of which every frame is told with its surprise in nats, given those before.

    A piece is a chord, the MIDI numbers of all keys that sound in a frame; several; a piano roll ``[T, 88]``; or
    ``{"draw": {…}}`` with options of drawing: the tune then goes on by itself.

    Args:
        nbest: How many of the likeliest next keys are told.
    """

    def __init__(self, nbest: int) -> None:
        super().__init__(np.zeros(KEYS, np.uint8))
        self.nbest = nbest
        self.options, self.left, self.generator = KeyDrawing(), 0, torch.Generator()
        self.frames: list[tuple[list[int], float]] = []
        self.count, self.total = 0, 0.0

    def push(self, piece: Any) -> Sequence[Roll]:
        """The frames of a piece; one that is drawn, where drawing is asked for.

        Raises:
            UserError: If it has no chords, and is no request to draw.
        """
        asked = asked_to_draw(piece)
        if asked is None:
            frames, self.drawing = frames_of(inside(piece, "notes")), False
            return self.read(frames)
        self.options = check_settings(KeyDrawing, checked_options(asked, ASKED))
        self.left, self.generator = self.options.length, seeded(self.options.seed)
        inputs = self.read([])
        self.drawing = True
        return [*inputs, *self.go_on()]

    def end(self) -> Sequence[Roll]:
        """None waits."""
        return self.read([])

    def account(self, item: Roll, scores: Output) -> None:
        """The frame's binary cross-entropy, summed over the keys."""
        logits = scores.astype(np.float64)
        nats = float((np.logaddexp(0.0, logits) - logits * item).sum())
        self.frames.append(((np.flatnonzero(item) + LOWEST).tolist(), nats))
        self.count, self.total, self.news = self.count + 1, self.total + nats, True

    def draw(self, scores: Output) -> Roll | None:
        """The next frame, each key by its own probability."""
        if not self.left:
            return None
        self.left -= 1
        found: Roll = draw_keys(torch.from_numpy(scores), self.options.temperature, self.generator).numpy()
        return found

    def partial(self) -> dict[str, Any] | None:
        """The frames that were read since it was asked, and the likeliest keys of the next one."""
        if not self.news:
            return None
        self.news = False
        frames, self.frames = self.frames, []
        told: dict[str, Any] = {"frames": [{"keys": keys, "nats": nats} for keys, nats in frames], "next": self._next()}
        return told | self.told_drawing()

    def _next(self) -> list[dict[str, Any]]:
        if self.scores is None:
            return []
        chances, keys = torch.from_numpy(self.scores).sigmoid().topk(min(self.nbest, KEYS))
        found = zip(keys.tolist(), chances.tolist(), strict=True)
        return [asdict(Likely(name_of(key + LOWEST), chance)) for key, chance in found]

    def final(self) -> dict[str, Any]:
        """The surprise of the whole tune, and the likeliest keys after it.

        Raises:
            UserError: If there was no frame.
        """
        if not self.count:
            raise UserError("expected at least one frame before the end, got none")
        return {"nats_per_frame": self.total / self.count, "frames": self.count, "next": self._next()}

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        return self.dump_following() | {
            "nbest": self.nbest,
            "reading": np.stack([self.nothing, *self.reading]),
            "options": self.options.model_dump(exclude_defaults=True),
            "left": self.left,
            "generator": self.generator.get_state().numpy(),
            "frames": [list(frame) for frame in self.frames],
            "count": self.count,
            "total": self.total,
        }

    def read_dumped(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.load_following(dumped, list(dumped["reading"][1:]))
        self.options, self.left = check_settings(KeyDrawing, dumped["options"]), dumped["left"]
        self.generator.set_state(torch.from_numpy(dumped["generator"].copy()))
        self.frames = [(keys, nats) for keys, nats in dumped["frames"]]
        self.count, self.total = dumped["count"], dumped["total"]


def frames_of(chords: Any) -> list[Roll]:
    """The frames ``[88]`` of a chord, of several, or of a piano roll.

    Raises:
        UserError: If it is none.

    Example:
        >>> [int(frame.sum()) for frame in frames_of([[60, 64], []])], len(frames_of([60, 64]))
        ([2, 0], 1)
    """
    if is_roll(chords):
        return list(checked_roll(chords, "a stream"))
    if not isinstance(chords, list | tuple):
        raise UserError(f"expected chords, lists of MIDI numbers, got {shown(chords)}")
    several = bool(chords) and all(isinstance(chord, list | tuple) for chord in chords)
    found = []
    for chord in chords if several else [chords]:
        frame = np.zeros(KEYS, np.uint8)
        for key in chord:
            if isinstance(key, bool) or not isinstance(key, int) or not LOWEST <= key < LOWEST + KEYS:
                raise UserError(
                    f"expected MIDI numbers of a piano's keys, {LOWEST} to {LOWEST + KEYS - 1}, got {shown(key)}"
                )
            frame[key - LOWEST] = 1
        found.append(frame)
    return found
