"""What training read: files, examples, labels, lengths, what was left out; kept in a run's ``data.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from throughtime.applications.task import Table
from throughtime.console import cut
from throughtime.errors import UserError
from throughtime.figures import figure
from throughtime.files import write_json
from throughtime.plain import parse_object, read_text
from throughtime.schema import checked_json
from throughtime.visible import in_line

FILE = "data.json"
"""Of a run's folder."""

LABELS = 10
"""Labels, notes and reasons that are told on a terminal; ``data.json`` has all of them."""
NOTES = 5
WIDTH = 100
"""Characters of a line of an example on a terminal."""

PERFECT = 100.0
"""Of a figure that is better the higher it is, in percent."""

Row = list[str | int | float]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Lengths:
    """How long examples are.

    Attributes:
        unit: What is counted.
        median: Of all.
        longest: Of all.
        total: Together.
    """

    unit: str
    median: Annotated[float, Field(allow_inf_nan=False)]
    longest: Count
    total: Count

    @property
    def middle(self) -> str:
        """The median as people write it: most are whole."""
        return f"{self.median:,.6g}"


@dataclass(frozen=True)
class Part:
    """What a part of the data holds.

    Attributes:
        files: That were named or found; none where it was held out of another part, or comes from memory.
        source: Where its examples come from, in a word.
        examples: How many.
        labels: How often each label stands in it, the commonest first.
        lengths: Of its examples.
        kind: What its examples are called.
    """

    files: list[str]
    source: str
    examples: Count
    labels: dict[str, Count]
    lengths: Lengths
    kind: str = "examples"


@dataclass(frozen=True)
class LeftOut:
    """What was left out for one reason.

    Attributes:
        why: The reason.
        times: How often.
        where: The first places.
    """

    why: str
    times: Count
    where: list[str]


@dataclass(frozen=True)
class Guess:
    """What guessing comes to, beside which a model is judged.

    Attributes:
        figure: Name of the validation's figure.
        value: Its value by guessing.
        how: What is guessed.
        higher: Whether more is better.
    """

    figure: str
    value: Annotated[float, Field(allow_inf_nan=False)]
    how: str
    higher: bool

    def beaten(self, value: float) -> bool:
        """Whether a model's figure is better than guessing, or as good as can be, where guessing is that, too."""
        return value > self.value or value >= PERFECT if self.higher else value < self.value or value <= 0


PartName = Annotated[str, Field(pattern="^(train|valid|test)$")]


@dataclass(frozen=True)
class DataRead:
    """What a run read.

    Attributes:
        parts: By name: ``train``, ``valid``, ``test``.
        taken: How files were taken: which column is what and how it was found, say.
        left_out: What was left out, by reason.
        shown: Some examples as the model sees them.
        guess: What guessing comes to on the validation data; None where that is not known.
        columns: The names of columns that were taken for something, such as ``text``, by what that is.
    """

    parts: dict[PartName, Part]
    taken: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    guess: Guess | None = None
    columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self)

    def save(self, folder: Path) -> None:
        """Writes ``data.json``."""
        write_json(folder / FILE, self.data)

    def brief(self) -> list[str]:
        """A dozen lines for a terminal, each of which stays short."""
        lines = [_of_part(name, part) for name, part in self.parts.items()]
        lines += _some([*self.taken, *map(_of_reason, self.left_out)], NOTES)
        if told := self.parts["train"].labels:
            some = [f"{label} {count:,}" for label, count in list(told.items())[:LABELS]]
            more = [f"and {len(told) - LABELS:,} more"] if len(told) > LABELS else []
            lines.append(f"labels of train: {', '.join([*some, *more])}")
        return [*(_cut(line, 2 * WIDTH) for line in lines), *(_cut(f"read as: {line}") for line in self.shown)]

    def tables(self) -> list[Table]:
        """Parts, labels, what was left out."""
        parts: list[Row] = [
            [name, part.source, part.examples, part.kind, size.middle, size.longest, size.total, size.unit]
            for name, part, size in ((name, part, part.lengths) for name, part in self.parts.items())
        ]
        names = list(dict.fromkeys(label for part in self.parts.values() for label in part.labels))
        labels: list[Row] = [[label, *(part.labels.get(label, 0) for part in self.parts.values())] for label in names]
        left: list[Row] = [[found.why, found.times, ", ".join(found.where)] for found in self.left_out]
        columns = ["part", "from", "count", "of", "median", "longest", "in all", "unit"]
        found = [
            Table("", columns, parts, ["median"]),
            Table("labels", ["label", *self.parts], labels),
            Table("left out", ["why", "times", "where"], left),
        ]
        return [table for table in found if table.rows]

    def lines(self) -> list[tuple[str, Sequence[str]]]:
        """What stands in no table: how files were taken, examples, what guessing comes to; each under its title."""
        guess = [] if self.guess is None else [of_guess(self.guess)]
        titled = {"how the files were taken": self.taken, "as the model reads them": self.shown, "guessing": guess}
        return [(title, lines) for title, lines in titled.items() if lines]

    def __str__(self) -> str:
        blocks = [*map(str, self.tables()), *("\n".join([title, *map(in_line, told)]) for title, told in self.lines())]
        return "\n\n".join(blocks)

    def _repr_html_(self) -> str:
        """For a notebook."""
        tables = "".join(table._repr_html_() for table in self.tables())
        return tables + "".join(
            f"<p>{escape(title)}</p><ul>{''.join(f'<li>{escape(in_line(line))}</li>' for line in told)}</ul>"
            for title, told in self.lines()
        )


_SCHEMA = TypeAdapter(DataRead)


def read_account(folder: Path) -> DataRead | None:
    """What a run read; None where its folder does not tell, as it was trained before folders did.

    Raises:
        UserError: If the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    text = read_text(path)
    parse_object(text, str(path))
    found = checked_json(_SCHEMA, text, str(path))
    if "train" not in found.parts:
        raise UserError(f"{path}: expected part 'train'; the file is damaged")
    return found


def of_guess(guess: Guess) -> str:
    """What guessing comes to, in a line.

    Example:
        >>> of_guess(Guess("accuracy", 62.5, "always saying 'good'", higher=True))
        "accuracy 62.5 % by always saying 'good', on the validation data"
    """
    return (
        f"{guess.figure.replace('_', ' ')} {figure(guess.figure, guess.value)} by {guess.how}, on the validation data"
    )


def _of_part(name: str, part: Part) -> str:
    lengths = part.lengths
    told = f"{lengths.unit}: median {lengths.middle}, longest {lengths.longest:,}, in all {lengths.total:,}"
    kind = part.kind.removesuffix("s") if part.examples == 1 else part.kind
    return f"{name}: {part.examples:,} {kind}, {told}; {part.source}"


def _of_reason(found: LeftOut) -> str:
    times = f", {found.times:,} times" if found.times > 1 else ""
    return f"left out{times}: {found.why} ({', '.join(found.where[:3])}{', …' if found.times > 3 else ''})"


def _some(lines: Sequence[str], most: int) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - most
    return [*lines[:most], *([f"and {more:,} more; see: throughtime inspect RUN --data"] if more > 0 else [])]


def _cut(line: str, width: int = WIDTH) -> str:
    return cut(in_line(line), width)
