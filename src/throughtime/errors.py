"""What the user can mend: one line that says what was expected, what came, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import wraps
from types import FunctionType
from typing import Any, TypeVar, cast

T = TypeVar("T")
CallT = TypeVar("CallT", bound=Callable[..., Any])


class UserError(Exception):
    """A mistake in what the user passed. The command line prints it in one line and exits with 2."""

    def __str__(self) -> str:
        return " ".join(super().__str__().split())  # what it quotes may have line breaks


def nearest(name: str, known: Iterable[str]) -> str:
    """``" (did you mean 'lstm'?)"``, or nothing where no known name is near; dashes before options tell nothing.

    Example:
        >>> nearest("ltsm", ["lstm", "gru"])
        " (did you mean 'lstm'?)"
        >>> nearest("transformer", ["lstm", "gru"])
        ''
        >>> nearest("--otu", ["--task", "--out"]), nearest("--out", ["--task"])
        (" (did you mean '--out'?)", '')
    """
    spelled = {word.lower().lstrip("-"): word for word in known}
    # among dozens of names, one is alike by half by chance
    matches = difflib.get_close_matches(name.lower().lstrip("-"), list(spelled), n=1, cutoff=0.55)
    return f" (did you mean {spelled[matches[0]]!r}?)" if matches else ""


def spelled(call: CallT) -> CallT:
    """Lets a function, or a class and its public methods, name the nearest argument where one is misspelt.

    What takes any name (``**options``) is left as it is: it knows itself which of them mean something.

    Example:
        >>> @spelled
        ... def load(folder, *, device="auto"): ...
        >>> load("runs/a", devise="cpu")
        Traceback (most recent call last):
        TypeError: load has no argument 'devise' (did you mean 'device'?); it takes folder, device
    """
    if isinstance(call, type):
        for name, inner in list(vars(call).items()):
            if isinstance(inner, FunctionType) and (name == "__init__" or not name.startswith("_")):
                setattr(call, name, spelled(inner))
        return cast(CallT, call)
    function = cast(FunctionType, call)
    if function.__code__.co_flags & ANY_NAME:
        return call
    name, known = function.__qualname__.removesuffix(".__init__"), arguments_of(function)
    names = frozenset(known)

    @wraps(call)
    def called(*args: Any, **options: Any) -> Any:
        if not names.issuperset(options):
            given = next(given for given in options if given not in names)
            raise TypeError(f"{name} has no argument {given!r}{nearest(given, known)}; it takes {listed(known)}")
        return call(*args, **options)

    return cast(CallT, called)


ANY_NAME = 0x08
"""Of a function's flags: it takes ``**options``."""


def arguments_of(function: Callable[..., Any]) -> list[str]:
    """The names of a function's arguments, without ``self`` and what takes any number of them.

    Example:
        >>> arguments_of(nearest)
        ['name', 'known']
    """
    code = cast(FunctionType, function).__code__
    return [name for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if name != "self"]


def shown(value: object) -> str:
    """A value as a message quotes it: no longer than it needs to be known by.

    Example:
        >>> shown("a"), len(shown("a" * 100))
        ("'a'", 60)
    """
    whole = repr(value)
    return whole if len(whole) <= 60 else f"{whole[:57]}..."


def several(values: Iterable[T], what: str) -> Iterable[T]:
    """Values as they are; one text where a list of them is meant would be read letter by letter.

    Raises:
        UserError: If it is a text; says what to write.

    Example:
        >>> several(["a film"], "lines")
        ['a film']
    """
    if isinstance(values, str | bytes):
        raise UserError(f"{what}: expected a list of texts, got one text {shown(values)}; put it into a list: [text]")
    return values


def texts_of(values: object, what: str) -> list[str]:
    """A list of texts; anything else is refused with what it is.

    Raises:
        UserError: If it is none; names the first that is no text.

    Example:
        >>> texts_of(["a film"], "lines")
        ['a film']
    """
    if not isinstance(values, Iterable):
        raise UserError(f"{what}: expected a list of texts, got {shown(values)}")
    found: list[str] = []
    for number, value in enumerate(several(values, what), 1):
        if not isinstance(value, str):
            raise UserError(f"{what}: expected texts, got {shown(value)} as number {number}")
        found.append(value)
    return found


def listed(names: Iterable[object], most: int = 10) -> str:
    """Names as a message lists them: the first ones, then how many more there are.

    Example:
        >>> listed("abc"), listed("abcdef", most=3)
        ('a, b, c', 'a, b, c … and 3 more')
    """
    given = [str(name) for name in names]
    more = f" … and {len(given) - most:,} more" if len(given) > most else ""
    return ", ".join(given[:most]) + more
