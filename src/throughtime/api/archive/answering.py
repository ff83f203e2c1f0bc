"""What a process of an archive's makes of a piece: predictions, or why there is none, as they are or as JSON lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from throughtime.api.archive.opening import Opening, on_threads
from throughtime.applications.options import Options
from throughtime.applications.pieces import Piece
from throughtime.applications.prediction import Prediction
from throughtime.applications.settings import check_settings
from throughtime.applications.task import Trained
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import Notes, noting
from throughtime.visible import as_json


class Answer(NamedTuple):
    """What was found for an input.

    Attributes:
        input: What the input is called.
        prediction: What was found; None: nothing.
        error: Why not.
        part: Which of several predictions for it, from 1; 0: it has none.
        parts: How many there are.
        notes: What readers noted of a file.
    """

    input: str
    prediction: Prediction | None = None
    error: str | None = None
    part: int = 1
    parts: int = 1
    notes: Sequence[str] = ()

    @property
    def line(self) -> str:
        r"""As a line of JSON.

        Example:
            >>> Answer("a.wav", error="a.wav: holds no sound").line
            '{"input": "a.wav", "error": "a.wav: holds no sound"}\n'
        """
        told: dict[str, Any] = {"input": self.input}
        if self.parts != 1:
            told |= {"part": self.part, "parts": self.parts}
        if self.prediction is not None:
            told |= {name: value for name, value in self.prediction.data.items() if name not in told}
            told |= {"warnings": list(self.prediction.warnings)} if self.prediction.warnings else {}
        told |= {"notes": list(self.notes)} if self.notes else {}
        return as_json(told if self.error is None else told | {"error": self.error}) + "\n"


@dataclass(frozen=True)
class Reply:
    """What a process found for a piece.

    Attributes:
        answers: To its inputs, in order; none where they are written.
        lines: The same, written.
        failed: Of each input, whether it has no answer.
        notes: Of readers, where answers are not written.
    """

    answers: Sequence[Answer] = ()
    lines: Sequence[str] = ()
    failed: Sequence[bool] = ()
    notes: Notes = field(default_factory=Notes)


@dataclass(frozen=True)
class Answering:
    """Answers pieces in a process of its own.

    Attributes:
        opening: Of the run.
        options: Of the task.
        written: Whether answers are wanted as lines.
    """

    opening: Opening
    options: Mapping[str, Any]
    written: bool

    def begin(self) -> None:
        """Opens the run.

        Raises:
            UserError: If it cannot be opened.
        """
        self.opening.run()

    def __call__(self, piece: Piece) -> Reply:
        """What is found for a piece; an input that cannot be read has no part in the others."""
        run = self.opening.run()
        chosen = check_settings(run.options("predict"), self.options)
        with on_threads(1), noting() as notes:
            answers = answers_to(run.trained, piece, chosen)
        if not self.written:
            return replace(reply(answers, False), notes=notes)
        return reply([answers[0]._replace(notes=notes.lines()), *answers[1:]], True)


def reply(answers: Sequence[Answer], written: bool) -> Reply:
    """Answers as they are wanted."""
    failed = [answer.error is not None for answer in answers if answer.part == answer.parts]
    return Reply((), [answer.line for answer in answers], failed) if written else Reply(answers, (), failed)


def answers_to(trained: Trained, piece: Piece, options: Options) -> list[Answer]:
    """The answers to a piece: one at least to each of its inputs."""
    try:
        found = trained.answered(piece, options)
    except (UserError, OSError) as error:
        if len(piece.inputs) < 2:
            return [failure(name, error) for name in piece.names]
        alone = (replace(piece, inputs=[one]) for one in piece.inputs)
        return [answer for one in alone for answer in answers_to(trained, one, options)]
    if piece.inputs:
        return [Answer(name, prediction) for name, prediction in zip(piece.names, found, strict=True)]
    if not found:
        return [Answer(piece.file, part=0, parts=0)]
    return [Answer(piece.file, one, None, number, len(found)) for number, one in enumerate(found, 1)]


def failure(name: str, error: UserError | OSError) -> Answer:
    """That an input has no answer, and why."""
    said = f"{error.filename or name}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
    return Answer(name, error=said)
