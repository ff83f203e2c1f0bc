"""Tunes as tokens: how far time moves on, a pitch, how long it lasts. Loudness is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError, listed, nearest
from throughtime.runtime.music.tunes import PITCHES, Note, Tune, in_words, name_of

LONGEST = 96
"""Steps of the longest note and of the longest move; a longer move takes several tokens."""


SILENCE = "silence"
"""What comes next where no note begins for longer than a model of events reads at once."""

Chances: TypeAlias = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Likely:
    """What may come next.

    Attributes:
        name: Of a note; ``"end"``; :data:`SILENCE`.
        probability: Of it, given the tune.
        beats: From where the tune's last notes begin to where it begins; None of an end, and of a model of keys, whose
            next frame it is.
    """

    name: str
    probability: float
    beats: float | None = None


class Events:
    """Tunes as tokens and back.

    A tune is ``[genre] ([move…] (pitch duration)+)* end``: a token for the genre, where it is told; for every step at
    which notes begin the moves that lead there, and each of the notes, from low to high, as its pitch and duration.

    Args:
        genres: Their names.

    Example:
        >>> events = Events(["jigs"])
        >>> ids = events.encode(Tune.of([(0, 4, 60), (2, 2, 64)]), "jigs")
        >>> [events.name(id, beat=4) for id in ids]
        ['jigs', 'C4', 'for 1 beat', 'after 1/2 beat', 'E4', 'for 1/2 beat', 'end']
        >>> events.decode(ids).notes
        ((0, 4, 60), (2, 2, 64))
    """

    END = 0
    PITCH = 1
    """The token of pitch 0."""
    FOR = PITCH + PITCHES - 1
    """The token of duration n is ``FOR + n``."""
    MOVE = FOR + LONGEST
    """The token of a move of n steps is ``MOVE + n``."""
    GENRE = MOVE + LONGEST + 1
    """The token of the first genre."""

    def __init__(self, genres: Sequence[str] = ()) -> None:
        self.genres = list(genres)

    def __len__(self) -> int:
        return self.GENRE + len(self.genres)

    def encode(self, tune: Tune, genre: str = "", end: bool = True) -> list[int]:
        """A tune's tokens; a note longer than :data:`LONGEST` is cut, a genre that is not known is not told."""
        ids = [self.GENRE + self.genres.index(genre)] if genre in self.genres else []
        now = 0
        for start, length, pitch in tune.notes:
            while start > now:
                by = min(start - now, LONGEST)
                ids.append(self.MOVE + by)
                now += by
            ids += [self.PITCH + pitch, self.FOR + min(length, LONGEST)]
        return ids + ([self.END] if end else [])

    def begin(self, genre: str, tune: Tune) -> list[int]:
        """The tokens that a new tune goes on from.

        Args:
            genre: Empty: none is told.
            tune: Its first notes.

        Raises:
            UserError: If there is no such genre.
        """
        if genre and genre not in self.genres:
            known = listed(self.genres) or "none"
            raise UserError(f"unknown genre {genre!r}{nearest(genre, self.genres)}; the training data has: {known}")
        return self.encode(tune, genre, end=False)

    def notes(self, ids: Iterable[int]) -> Iterator[list[Note]]:
        """The notes of tokens, those that begin together together, as soon as it is known that they are all."""
        now, pitch = 0, None
        chord: list[Note] = []
        for token in ids:
            if self.FOR < token <= self.MOVE:
                if pitch is not None:
                    chord.append((now, token - self.FOR, pitch))
                pitch = None
            elif self.PITCH <= token <= self.FOR:
                pitch = token - self.PITCH
            elif token == self.END:
                break
            elif token < self.GENRE:
                if chord:
                    yield chord
                now, chord = now + token - self.MOVE, []
        if chord:
            yield chord

    def pieces(self, ids: Iterator[int]) -> Iterator[tuple[str, list[Note]]]:
        """Chord by chord: the names of its notes, and the notes; before them the genre, where one is told."""
        first = next(ids)  # nothing ends before it begins
        if first >= self.GENRE:
            yield f"{self.genres[first - self.GENRE]}:", []
        for chord in self.notes(chain([first], ids)):
            yield "+".join(name_of(pitch) for *_, pitch in chord), chord

    def likely(self, now: Chances, later: Chances, most: int, grid: int) -> list[Likely]:
        """The likeliest notes, each where it begins; or the tune's end.

        Args:
            now: Probabilities of the next token, ``[V]``.
            later: Those of the token after a move of each length, ``[LONGEST, V]``.
            most: Of what is told.
            grid: Steps of a beat.
        """
        moves = slice(self.MOVE + 1, self.MOVE + 1 + LONGEST)
        pitches = slice(self.PITCH, self.FOR + 1)
        # A row for every step at which notes may begin; beside the pitches in the first one the end, in the last one
        # what begins later still.
        chances = np.zeros((LONGEST + 1, PITCHES + 1), now.dtype)
        chances[0, :PITCHES], chances[0, PITCHES] = now[pitches], now[self.END]
        chances[1:, :PITCHES] = now[moves, None] * later[:, pitches]
        chances[LONGEST, PITCHES] = now[moves] @ later[:, moves].sum(1)
        order = (-chances).ravel().argsort(kind="stable")[:most]
        found = zip(*np.divmod(order, PITCHES + 1), chances.ravel()[order].tolist(), strict=True)
        return [_likely(int(steps), int(pitch), chance, grid) for steps, pitch, chance in found if chance > 0]

    def decode(self, ids: Iterable[int]) -> Tune:
        """The tune of tokens; a pitch without a duration is none."""
        return Tune.of([note for chord in self.notes(ids) for note in chord])

    def steps(self, ids: Iterable[int]) -> list[int]:
        """The step at which every token stands; a move stands where it leads."""
        found, now = [], 0
        for token in ids:
            now += token - self.MOVE if self.MOVE < token < self.GENRE else 0
            found.append(now)
        return found

    def moved(self, ids: Sequence[int], by: int) -> list[int]:
        """Tokens with every pitch moved by some semitones.

        Example:
            >>> events = Events()
            >>> events.decode(events.moved(events.encode(Tune.of([(0, 1, 60)])), 2)).notes
            ((0, 1, 62),)
        """
        return [token + by if self.PITCH <= token <= self.FOR else token for token in ids]

    def name(self, token: int, beat: int) -> str:
        """A token for people; ``beat`` are the steps of one."""
        if token == self.END:
            return "end"
        if token <= self.FOR:
            return name_of(token - self.PITCH)
        if token <= self.MOVE:
            return f"for {in_words(token - self.FOR, beat)}"
        if token < self.GENRE:
            return f"after {in_words(token - self.MOVE, beat)}"
        return self.genres[token - self.GENRE]

    def follows(self) -> npt.NDArray[np.bool_]:
        """Which tokens may follow which, ``[V + 1, V]``: a tune that obeys is well formed. The last row begins one."""
        V = len(self)
        kinds = np.zeros((5, V), bool)
        end, pitch, lasts, move, genre = kinds
        end[self.END], pitch[self.PITCH : self.FOR + 1] = True, True
        lasts[self.FOR + 1 : self.MOVE + 1], move[self.MOVE + 1 : self.GENRE], genre[self.GENRE :] = True, True, True
        legal = np.zeros((V + 1, V), bool)
        legal[:V][pitch] = lasts
        legal[:V][lasts] = pitch | move | end
        legal[:V][move] = pitch | move
        legal[:V][genre] = pitch
        legal[:V][end] = end
        legal[V] = genre | pitch
        return legal


def _likely(steps: int, pitch: int, chance: float, grid: int) -> Likely:
    if pitch == PITCHES and not steps:
        return Likely("end", chance)
    return Likely(SILENCE if pitch == PITCHES else name_of(pitch), chance, steps / grid)
