"""What runs an exported model: the methods that a task has, and a line about those that it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from throughtime.errors import UserError
from throughtime.runtime.folder import Folder
from throughtime.runtime.text.language import Score


class Runner:
    """An exported model of some task. A runner of a kind overrides what its task has.

    Args:
        folder: The exported folder.
    """

    instead: ClassVar[str | None] = "its lines on standard input, of a table those of the column that it reads"
    """What a shell gives instead of a file's name; None: files are read."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of task {self.folder.task} in {str(self.folder.path)!r}>"

    def predict(self, *inputs: Any, **options: Any) -> list[dict[str, Any]]:
        """What the model makes of inputs: for each what ``throughtime predict --json`` prints of it."""
        raise self._lacks("predicts nothing")

    def score(self, *lines: Any, **options: Any) -> list[Score]:
        """The probability of every line."""
        raise self._lacks("scores no lines")

    def sample(self, *prompt: Any, **options: Any) -> Any:
        """Something new that goes on from a prompt."""
        raise self._lacks("draws nothing")

    def stream(self, *source: Any, **options: Any) -> Iterator[Any]:
        """What the model makes of something as it comes."""
        raise self._lacks("does not stream")

    def _lacks(self, what: str) -> UserError:
        return UserError(f"{self.folder.path}: a model of task {self.folder.task!r} {what}")
