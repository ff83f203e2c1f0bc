"""Which column of a table holds what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from throughtime.data.tables.heading import is_number, is_time
from throughtime.errors import UserError, listed, nearest
from throughtime.runtime.reading.notes import note, note_column

Columns = Sequence[dict[str, str]]
"""The first rows of a table, their cells by the name of the column."""


@dataclass(frozen=True)
class Guess:
    """Finds a column by what the rows hold.

    Attributes:
        by: What it goes by, as a message says it.
        choose: Those of some columns that it may be: one where the rows tell, several where they do not.
    """

    by: str
    choose: Callable[[Sequence[str], Columns], list[str]]


def column_names(rows: Columns) -> list[str]:
    """The columns that any of the rows has, in the order in which they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def find_column(
    path: Path,
    rows: Columns,
    asked: str | None,
    usual: Sequence[str],
    option: str,
    guess: Guess,
    taken: str | None = None,
) -> str:
    """The name of the column that holds something, such as the texts or the labels; tells how it was found.

    Args:
        path: The file, for messages.
        rows: Its first rows.
        asked: The name, or number from 1, that the user gave; None: looked for.
        usual: Names that are looked for, in lower case, in this order; then names of several words, one of them such.
        option: That names the column, ``--text-column``.
        guess: Chooses one of some columns by what the rows hold.
        taken: The column that holds something else.

    Raises:
        UserError: If there is no such column, only one, or several that it may be; names the option that settles it.
    """
    names = column_names(rows)
    if asked is not None:
        return _told(path, option, _asked(path, names, asked, option), f"{option} names it")
    others = [name for name in names if name != taken]
    if not others:
        raise UserError(f"{path}: expected two columns, got one, {taken!r}; mend the file, or pass {option}")
    by_name = {name.lower(): name for name in reversed(others)}
    for name in usual:
        if name in by_name:
            return _told(path, option, by_name[name], "its name")
        if doubled := _doubled(others, name):
            raise _several(path, doubled, option)
    worded = [name for name in others if set(_words(name)) & set(usual) and not set(_words(name)) & BESIDE]
    if len(worded) == 1 and len(others) > 1:
        return _told(path, option, worded[0], "its name")
    able = [name for name in others if not is_index(name, rows)] or others
    found = guess.choose(able, rows)
    if len(found) > 1:
        raise _several(path, found, option)
    if not found:
        raise UserError(f"{path}: expected a column of texts or classes, got numbers or times alone; pass {option}")
    return _told(path, option, found[0], guess.by if len(others) > 1 else "there is no other")


BESIDE = frozenset({"confidence", "gold", "score", "id", "count", "length", "reason", "weight", "url", "date"})
"""Words in names of columns that tell of a label or a text something else."""


def _asked(path: Path, names: Sequence[str], asked: str, option: str) -> str:
    if asked in names:
        return asked
    if doubled := _doubled(names, asked):
        raise _several(path, doubled, option)
    if asked.isdecimal() and 1 <= int(asked) <= len(names):
        return names[int(asked) - 1]
    raise UserError(f"{option}: {path} has no column {asked!r}{nearest(asked, names)}; columns: {listed(names)}")


def _doubled(names: Iterable[str], name: str) -> list[str]:
    """The columns of a name that stands above several."""
    return [found for found in names if re.fullmatch(re.escape(name) + r" \[\d+\]", found, re.IGNORECASE)]


def _several(path: Path, found: Sequence[str], option: str) -> UserError:
    names = listed([repr(name) for name in found])
    remedy = f"name it by {option}, or by its number" if option else "leave the others out"
    return UserError(f"{path}: expected one column that may be meant, got {len(found)}: {names}; {remedy}")


def _told(path: Path, option: str, name: str, how: str) -> str:
    if option:
        what = option.removeprefix("--").removesuffix("-column")
        note(f"{path}: the {what} is column {name!r} ({how})")
        note_column(what, name)
    return name


def _words(name: str) -> list[str]:
    """The words of a heading, in lower case.

    Example:
        >>> _words("airline_sentiment"), _words("reviewText"), _words("Text [2]")
        (['airline', 'sentiment'], ['review', 'text'], ['text', '2'])
    """
    return re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def values_of(name: str, rows: Columns) -> list[str]:
    """What stands in a column, without what is blank."""
    return [value for row in rows if (value := row.get(name, "").strip())]


def is_index(name: str, rows: Columns) -> bool:
    """Whether a column only counts the rows: by the name that pandas gives it, or as every value is one more.

    Example:
        >>> rows = [{"a": "7", "b": "1"}, {"a": "8", "b": "1"}, {"a": "9", "b": "2"}]
        >>> is_index("a", rows), is_index("b", rows), is_index("Unnamed: 0", rows)
        (True, False, True)
    """
    values = values_of(name, rows)
    if re.fullmatch(r"Unnamed: \d+|index|row|(?:\w+[ _])?id|no\.?|#", name, re.IGNORECASE):
        return True
    counted = len(values) > 2 and all(re.fullmatch(r"[0-9]{1,15}", value) for value in values)
    return counted and all(int(after) - int(before) == 1 for before, after in pairwise(values))


def _longest(names: Sequence[str], rows: Columns) -> list[str]:
    held = {name: values_of(name, rows) for name in names}
    values = {name: held[name] for name in names if held[name]} or held
    texts = [name for name, v in values.items() if not v or not (all(map(is_number, v)) or all(map(is_time, v)))]
    open_ones = [name for name in texts if not _recur(held[name])]
    sizes = {name: sum(map(len, held[name])) for name in open_ones or texts}
    return [name for name, size in sizes.items() if 2 * size >= max(sizes.values())]


def _fewest(names: Sequence[str], rows: Columns) -> list[str]:
    held = {name: values_of(name, rows) for name in names}
    labels = {name: values for name, values in held.items() if not (values and all(map(is_time, values)))}
    able = {name: values for name, values in labels.items() if len(set(values)) > 1} or labels
    recurring = [name for name, values in able.items() if _recur(values)]
    if recurring:
        return recurring
    least = min((len(set(values)) for values in able.values()), default=0)
    return [name for name, values in able.items() if len(set(values)) == least]


def _recur(values: Sequence[str]) -> bool:
    """Whether values stand there twice or more on average."""
    return 2 * len(set(values)) <= len(values)


longest = Guess("the longest values", _longest)
"""The column with the longest values: the texts."""

fewest = Guess("the fewest different values", _fewest)
"""The column with the fewest different values, more than one: the labels."""
