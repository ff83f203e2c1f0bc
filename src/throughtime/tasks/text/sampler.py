"""New texts: what may be asked of them, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from throughtime.applications.options import TokenDrawing
from throughtime.applications.settings import option
from throughtime.applications.text_model import TextModel
from throughtime.files import write_text
from throughtime.runtime.remarks import of_prompt


class TextSample:
    """A text that is drawn while it is read.

    Args:
        pieces: As they come.
    """

    picture = ""

    def __init__(self, pieces: Iterator[str]) -> None:
        self.pieces, self.drawn = pieces, list[str]()

    def __iter__(self) -> Iterator[str]:
        for piece in self.pieces:
            self.drawn.append(piece)
            yield piece

    @property
    def text(self) -> str:
        """What was drawn so far, the prompt first."""
        return "".join(self.drawn)

    @property
    def data(self) -> dict[str, Any]:
        """The text."""
        return {"text": self.text}

    def save(self, path: Path) -> None:
        """Writes the text."""
        write_text(path, self.text + "\n")


class TextDrawing(TokenDrawing):
    """Of a new text: what may be asked of it."""

    prompt: str = option("", "Text to go on from.", "Drawing")


class TextSampler:
    """A language model as a :class:`throughtime.applications.task.Sampler`.

    Args:
        model: The trained model.
    """

    suffixes = (".txt",)

    def __init__(self, model: TextModel) -> None:
        self.model = model

    def warnings(self, prompt: str) -> Sequence[str]:
        """How many of the prompt's tokens are not known."""
        read = self.model.tokenizer.encode(prompt)
        unknown = read.count(self.model.tokenizer.unk)
        return of_prompt(unknown, len(read))

    def sample(self, options: TextDrawing, number: int = 0) -> TextSample:
        """Draws a text that begins with the prompt."""
        return TextSample(self.model.sample(options.prompt, options.sampling(number)))

    def samples(self, options: TextDrawing, count: int) -> list[TextSample]:
        """The first of many, drawn side by side."""
        settings = [options.sampling(number) for number in range(count)]
        return [TextSample(pieces) for pieces in self.model.sample_beside(options.prompt, settings)]
